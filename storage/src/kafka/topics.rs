//! Topics: made as the design has them, and refused where they break a promise.

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::ClientContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::Metadata,
};
use schemas::topic::Topic;

use super::{
    Producer,
    client::Client,
    config::{KafkaConfig, MAX_RECORD_BYTES},
    error::OpenError,
};

/// How long brokers may take to make a topic.
const MAKE_WITHIN: Duration = Duration::from_secs(30);
/// How often unreachable brokers are tried.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// What a topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRules {
    /// `delete` or `compact`.
    cleanup: &'static str,
    /// How long records stay, in ms; `None`: for ever.
    retention_ms: Option<u64>,
}

impl TopicRules {
    /// The rules of a topic where visitors' records live for so many days.
    pub fn of(topic: Topic, retention_days: u32) -> Self {
        let cleanup = if topic.is_compacted() { "compact" } else { "delete" };
        let retention_ms = match topic {
            Topic::Scans | Topic::Visitors => Some(u64::from(retention_days) * 86_400_000),
            _ => None,
        };
        Self { cleanup, retention_ms }
    }

    fn retention(&self) -> String {
        self.retention_ms.map_or("-1".to_owned(), |ms| ms.to_string())
    }
}

/// What brokers say of the topics.
pub(super) type Found = BTreeMap<String, Vec<usize>>;

fn found(metadata: &Metadata) -> Found {
    metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| {
            let copies = topic.partitions().iter().map(|p| p.replicas().len()).collect();
            (topic.name().to_owned(), copies)
        })
        .collect()
}

/// Waits until brokers answer, and says what topics they have.
pub(super) async fn reach(
    config: &KafkaConfig,
    producer: &Producer,
    client: &Client,
    deadline: Instant,
) -> Result<Found, OpenError> {
    let brokers = config.brokers.join(", ");
    loop {
        let asking = producer.clone();
        let answer = tokio::task::spawn_blocking(move || {
            asking.client().fetch_metadata(None, Duration::from_secs(1))
        });
        if let Ok(Ok(metadata)) = answer.await {
            for broker in metadata.brokers() {
                config.check_host(&format!("{}:{}", broker.host(), broker.port()))?;
            }
            return Ok(found(&metadata));
        }
        // What no waiting mends is told at once.
        match client.last_error() {
            Some((Code::Authentication | Code::SaslAuthenticationFailed, _)) => {
                return Err(OpenError::Login { brokers });
            }
            Some((Code::SSL, why)) => {
                return Err(OpenError::Tls { brokers, why: first_line(&why) });
            }
            // Told after the handshake, by an alert: to librdkafka a link that broke.
            Some((Code::BrokerTransportFailure, why)) if why.contains("SSL alert number") => {
                return Err(OpenError::Certificate { brokers, why: first_line(&why) });
            }
            _ => {}
        }
        if Instant::now() >= deadline {
            return Err(OpenError::Unreachable { brokers });
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Refuses to work on topics that are not there, or have too few copies or the wrong partitions.
pub(super) fn check_metadata(config: &KafkaConfig, topics: &Found) -> Result<(), OpenError> {
    let mut broken = Vec::new();
    for topic in Topic::ALL {
        let name = config.topic(topic);
        let Some(copies) = topics.get(&name) else {
            return Err(OpenError::MissingTopic { topic: name });
        };
        broken.extend(wrong_shape(config, topic, copies));
    }
    if broken.is_empty() { Ok(()) } else { Err(OpenError::BrokenTopics(broken)) }
}

fn wrong_shape(config: &KafkaConfig, topic: Topic, copies: &[usize]) -> Vec<String> {
    let name = config.topic(topic);
    let mut broken = Vec::new();
    if copies.len() != usize::from(topic.partitions()) {
        broken.push(format!(
            "topic {name} has {} partitions where {} are needed, and keys would move: make it anew",
            copies.len(),
            topic.partitions()
        ));
    }
    let least = copies.iter().min().copied().unwrap_or(0);
    if least < usize::from(config.acks.replication) {
        broken.push(format!(
            "topic {name} has replication {least} where kafka.replication is {}: raise the topic's, or lower the setting if losing records with a broker is meant",
            config.acks.replication
        ));
    }
    broken
}

/// What is wrong with the settings of a topic that is there.
fn wrong_settings(
    config: &KafkaConfig,
    topic: Topic,
    rules: &TopicRules,
    settings: &BTreeMap<String, String>,
) -> Vec<String> {
    let name = config.topic(topic);
    let mut broken = Vec::new();
    let mut rule = |key: &str, keeps: &dyn Fn(&str) -> bool, wanted: &str| {
        let is = settings.get(key).map_or("", String::as_str);
        if !keeps(is) {
            broken.push(format!("topic {name} has {key}={is} where {wanted} is needed"));
        }
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let least = i64::from(config.acks.min_in_sync);
    rule(
        "min.insync.replicas",
        &|is| number(is).is_some_and(|is| is >= least),
        &format!("at least {least} (kafka.min_in_sync)"),
    );
    rule("unclean.leader.election.enable", &|is| is == "false", "false");
    rule("cleanup.policy", &|is| is == rules.cleanup, rules.cleanup);
    rule("message.timestamp.type", &|is| is == "LogAppendTime", "LogAppendTime");
    rule(
        "max.message.bytes",
        &|is| number(is).is_some_and(|is| is >= MAX_RECORD_BYTES as i64),
        &format!("at least {MAX_RECORD_BYTES}"),
    );
    if rules.cleanup == "delete" {
        let kept = rules.retention_ms.and_then(|ms| i64::try_from(ms).ok());
        rule(
            "retention.ms",
            &|is| number(is).is_some_and(|is| is < 0 || kept.is_some_and(|kept| is >= kept)),
            &match kept {
                Some(kept) => format!("at least {kept} (retention.days)"),
                None => "-1 (for ever)".to_owned(),
            },
        );
        rule("retention.bytes", &|is| number(is).is_some_and(|is| is < 0), "-1 (by time only)");
    }
    broken
}

/// Makes the topics that are not there, and checks those that are. Says what it does; with
/// `dry_run` it only says. Safe when two run at once.
pub async fn migrate(
    config: &KafkaConfig,
    retention_days: u32,
    wait: Duration,
    dry_run: bool,
    out: &mut (impl Write + Send),
) -> Result<(), OpenError> {
    config.check_link()?;
    let (producer, client) = super::make_producer(config)?;
    let there = reach(config, &producer, &client, Instant::now() + wait).await?;
    let admin: AdminClient<Client> = config
        .client()
        .create_with_context(client)
        .map_err(|error| OpenError::Settings { why: error.to_string() })?;
    let mut say = |line: String| {
        // Whoever closed the output does not want to read it.
        let _ = writeln!(out, "{line}");
    };
    let mut broken = Vec::new();
    for topic in Topic::ALL {
        let (name, rules) = (config.topic(topic), TopicRules::of(topic, retention_days));
        if let Some(copies) = there.get(&name) {
            let mut wrong = wrong_shape(config, topic, copies);
            let settings = settings_of(&admin, config, &name).await?;
            wrong.extend(wrong_settings(config, topic, &rules, &settings));
            if wrong.is_empty() {
                say(format!("topic {name}: as it should be"));
            }
            broken.extend(wrong);
            continue;
        }
        let what = format!(
            "{} partitions, replication {}, min.insync.replicas {}, {}, retention.ms {}",
            topic.partitions(),
            config.acks.replication,
            config.acks.min_in_sync,
            rules.cleanup,
            rules.retention()
        );
        if dry_run {
            say(format!("topic {name}: would be made ({what})"));
            continue;
        }
        if make(&admin, config, topic, &rules).await? {
            say(format!("topic {name}: made ({what})"));
        } else {
            say(format!("topic {name}: made by somebody else meanwhile"));
        }
    }
    if !broken.is_empty() {
        return Err(OpenError::BrokenTopics(broken));
    }
    if !dry_run {
        known(config, &producer, Instant::now() + MAKE_WITHIN).await?;
    }
    Ok(())
}

/// Waits until brokers know every topic: one that was made a moment ago may not be told yet.
async fn known(
    config: &KafkaConfig,
    producer: &Producer,
    deadline: Instant,
) -> Result<(), OpenError> {
    let client = Client::default();
    loop {
        let there = reach(config, producer, &client, deadline).await?;
        let missing = check_metadata(config, &there);
        if missing.is_ok() || Instant::now() >= deadline {
            return missing;
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

fn asked(config: &KafkaConfig, error: &KafkaError) -> OpenError {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    };
    match code {
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            OpenError::Settings { why: format!("user may not make or read topics ({error})") }
        }
        Some(Code::InvalidReplicationFactor) => OpenError::BrokenTopics(vec![format!(
            "kafka.replication is {}, and Kafka has fewer brokers",
            config.acks.replication
        )]),
        _ => OpenError::Unreachable { brokers: config.brokers.join(", ") },
    }
}

/// Makes a topic; false where it is there by now.
async fn make<C: ClientContext + 'static>(
    admin: &AdminClient<C>,
    config: &KafkaConfig,
    topic: Topic,
    rules: &TopicRules,
) -> Result<bool, OpenError> {
    let (name, retention) = (config.topic(topic), rules.retention());
    let (least, largest) = (config.acks.min_in_sync.to_string(), MAX_RECORD_BYTES.to_string());
    let replication = TopicReplication::Fixed(i32::from(config.acks.replication));
    let new = NewTopic::new(&name, i32::from(topic.partitions()), replication)
        .set("cleanup.policy", rules.cleanup)
        .set("retention.ms", &retention)
        .set("retention.bytes", "-1")
        .set("min.insync.replicas", &least)
        .set("unclean.leader.election.enable", "false")
        .set("message.timestamp.type", "LogAppendTime")
        .set("max.message.bytes", &largest);
    let options = AdminOptions::new().operation_timeout(Some(MAKE_WITHIN));
    let results =
        admin.create_topics([&new], &options).await.map_err(|error| asked(config, &error))?;
    match results.into_iter().next() {
        Some(Err((_, Code::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => Err(asked(config, &KafkaError::AdminOp(code))),
        _ => Ok(true),
    }
}

async fn settings_of<C: ClientContext + 'static>(
    admin: &AdminClient<C>,
    config: &KafkaConfig,
    name: &str,
) -> Result<BTreeMap<String, String>, OpenError> {
    let resource = ResourceSpecifier::Topic(name);
    let options = AdminOptions::new();
    let described = admin.describe_configs([&resource], &options).await;
    let mut settings = BTreeMap::new();
    for resource in described.map_err(|error| asked(config, &error))? {
        let resource = resource.map_err(|code| asked(config, &KafkaError::AdminOp(code)))?;
        for entry in resource.entries {
            settings.extend(entry.value.map(|value| (entry.name, value)));
        }
    }
    Ok(settings)
}
