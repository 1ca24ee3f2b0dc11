//! The log on Kafka.
//!
//! ```text
//!  append ─▶ producer (idempotent, acks=all) ─▶ topic, partition by our own hash of the key
//!  join ───▶ a consumer in the group `<prefix><group>.<topic>`
//!  read ───▶ a consumer outside any group, from an offset on
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `config` | how brokers are reached; secrets, read again when their files change |
//! | `client` | what every client of librdkafka tells us: errors, state of the producer |
//! | `error` | codes of Kafka, sorted by what to do; why a log can't be opened |
//! | `producer` | hands records over, tells when they are delivered |
//! | `member` | groups: assignment and revocation as deliveries |
//! | `reader` | one partition, outside any group |
//! | `topics` | makes topics, and refuses those that break a promise |
//!
//! A group on one topic is a Kafka group of its own: a member that comes or goes on one topic
//! disturbs nobody on another. Partitions are assigned by range, with static membership where the
//! process has a name that survives its restart.
//!
//! Every record carries the broker's time (`LogAppendTime`).

mod client;
mod config;
mod error;
mod member;
mod producer;
mod reader;
mod topics;

use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use schemas::topic::{Offset, Partition, Topic};
use tokio::sync::watch;

pub(crate) use self::config::is_loopback;
use self::{client::Client, config::Fingerprint, error::failed, producer::Producer};
pub use self::{
    config::{Acks, KafkaConfig, Link, Sasl, SaslMechanism, Tls},
    error::OpenError,
    member::KafkaMember,
    reader::KafkaReader,
    topics::{TopicRules, migrate},
};
use crate::{
    error::{Kind, LogError},
    log::{Append, Group, Log, Position},
};

/// Brokers answer a question within this, or the question has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often files with secrets are looked at.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(2);

type Asker = Arc<BaseConsumer<Client>>;

/// A log on Kafka.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    config: KafkaConfig,
    producer: RwLock<Producer>,
    /// Asks for bounds; and for the offsets of groups, with the group's name.
    askers: Mutex<HashMap<Option<(Group, Topic)>, Asker>>,
    /// Raised when secrets have changed: members and readers connect anew.
    secrets: watch::Sender<u64>,
}

impl KafkaLog {
    /// Connects; waits for brokers for at most `wait`, checks the topics, and warms the producer
    /// up. Needs a tokio runtime.
    pub async fn open(config: KafkaConfig, wait: Duration) -> Result<Self, OpenError> {
        config.check_link()?;
        let deadline = Instant::now() + wait;
        let seen = config.link.fingerprint();
        let (producer, client) = make_producer(&config)?;
        let topics = topics::reach(&config, &producer, &client, deadline).await?;
        topics::check_metadata(&config, &topics)?;
        // The first record of an idempotent producer waits for its id: half a second.
        let warm = client.warm();
        if tokio::time::timeout_at(deadline.into(), warm).await.is_err() {
            return Err(OpenError::Unreachable { brokers: config.brokers.join(", ") });
        }
        let log = Self {
            shared: Arc::new(Shared {
                config,
                producer: RwLock::new(producer),
                askers: Mutex::default(),
                secrets: watch::Sender::new(0),
            }),
        };
        log.watch_files(seen);
        Ok(log)
    }

    /// Makes clients anew when a file with secrets is no longer as it was `seen`: librdkafka reads
    /// them only once. The old ones serve until brokers let the new ones in.
    fn watch_files(&self, mut seen: Fingerprint) {
        let weak = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let mut trying: Option<(Producer, Client)> = None;
            loop {
                tokio::time::sleep(LOOK_AT_FILES_EVERY).await;
                let Some(shared) = weak.upgrade() else { return };
                let now = shared.config.link.fingerprint();
                if now != seen {
                    // A file that is being replaced may be half there: the next look tries again.
                    match make_producer(&shared.config) {
                        Ok(fresh) => (trying, seen) = (Some(fresh), now),
                        Err(error) => {
                            tracing::warn!(%error, "changed secrets of the link to Kafka can't be used");
                        }
                    }
                }
                if let Some((producer, _)) = trying.take_if(|(_, client)| client.is_warm()) {
                    *shared.producer.write() = producer;
                    shared.askers.lock().clear();
                    shared.secrets.send_modify(|count| *count += 1);
                    tracing::info!("secrets of the link to Kafka were read again");
                }
            }
        });
    }
}

impl Shared {
    fn asker(&self, group: Option<(Group, Topic)>) -> Result<Asker, LogError> {
        let mut askers = self.askers.lock();
        if let Some(asker) = askers.get(&group) {
            return Ok(Arc::clone(asker));
        }
        let mut settings = self.config.client();
        let name = group.map_or_else(
            || format!("{}reader", self.config.prefix),
            |(group, topic)| self.config.group(group, topic),
        );
        settings.set("group.id", name).set("enable.auto.commit", "false");
        let asker: BaseConsumer<Client> =
            settings.create_with_context(Client::default()).map_err(|e| failed("connect", &e))?;
        let asker = Arc::new(asker);
        askers.insert(group, Arc::clone(&asker));
        Ok(asker)
    }

    fn all_partitions(&self, topic: Topic) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let name = self.config.topic(topic);
        for partition in topic.all_partitions() {
            list.add_partition(&name, i32::from(partition.0));
        }
        list
    }

    /// The first or the end offset of every partition: one question to each broker.
    fn edges(
        &self,
        asker: &Asker,
        topic: Topic,
        edge: KafkaOffset,
    ) -> Result<Vec<Offset>, LogError> {
        let mut list = self.all_partitions(topic);
        list.set_all_offsets(edge).map_err(|e| failed("ask for bounds", &e))?;
        let answer = asker
            .offsets_for_times(list, ANSWER_WITHIN)
            .map_err(|e| failed("ask for bounds", &e))?;
        let mut edges = vec![None; usize::from(topic.partitions())];
        for element in answer.elements() {
            element.error().map_err(|e| failed("ask for bounds", &e))?;
            let place = usize::try_from(element.partition()).ok();
            if let (Some(edge), KafkaOffset::Offset(offset)) =
                (place.and_then(|place| edges.get_mut(place)), element.offset())
            {
                *edge = u64::try_from(offset).ok().map(Offset);
            }
        }
        // An edge that was not told is unknown, and no zero.
        edges.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| {
            LogError::new(Kind::Transient, "Kafka does not tell the bounds of every partition")
        })
    }

    fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        let asker = self.asker(None)?;
        let edges = |edge| self.edges(&asker, topic, edge);
        let both = edges(KafkaOffset::Beginning)
            .and_then(|starts| Ok(starts.into_iter().zip(edges(KafkaOffset::End)?)));
        if both.is_err() {
            // It may go on asking a broker that leads no more: librdkafka looks for the new leader
            // where the old one says so, and one that has gone says nothing. The next question is
            // asked by another.
            self.askers.lock().remove(&None);
        }
        Ok(both?.map(|(start, end)| start..end.max(start)).collect())
    }

    fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        let asker = self.asker(Some((group, topic)))?;
        let list = self.all_partitions(topic);
        let answer = asker
            .committed_offsets(list, ANSWER_WITHIN)
            .map_err(|e| failed("ask for committed offsets", &e))?;
        let mut committed = vec![None; usize::from(topic.partitions())];
        for element in answer.elements() {
            element.error().map_err(|e| failed("ask for committed offsets", &e))?;
            let place = usize::try_from(element.partition()).ok();
            if let (Some(place), KafkaOffset::Offset(offset)) =
                (place.and_then(|place| committed.get_mut(place)), element.offset())
            {
                *place = Some(Offset(u64::try_from(offset).unwrap_or(0)));
            }
        }
        Ok(committed)
    }

    /// A producer that has failed for good is replaced: what it had not delivered is unknown, and
    /// was answered so.
    fn replace_failed(&self, producer: &Producer) {
        let mut current = self.producer.write();
        if !current.is(producer) {
            return;
        }
        match make_producer(&self.config) {
            Ok((fresh, _)) => *current = fresh,
            Err(error) => tracing::error!(%error, "a failed producer can't be replaced"),
        }
    }
}

fn make_producer(config: &KafkaConfig) -> Result<(Producer, Client), OpenError> {
    let client = Client::default();
    let producer = Producer::new(config, client.clone())
        .map_err(|error| OpenError::Settings { why: error.to_string() })?;
    Ok((producer, client))
}

/// Runs what blocks where blocking does no harm.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(LogError::with_source(Kind::Transient, "a question to Kafka was given up", error))
    })
}

impl Log for KafkaLog {
    type Member = KafkaMember;
    type Reader = KafkaReader;

    async fn append(&self, records: Vec<Append>) -> Vec<Result<Position, LogError>> {
        let producer = self.shared.producer.read().clone();
        // All are handed over before the first is waited for: they share requests.
        let under_way: Vec<_> = records
            .iter()
            .map(|record| {
                let partition = record.topic.partition_of(&record.key);
                (record.topic, partition, producer.send(record, partition))
            })
            .collect();
        let mut results = Vec::with_capacity(under_way.len());
        let mut broken = false;
        for (topic, partition, handed) in under_way {
            let delivered = match handed {
                Ok(delivery) => delivery.await.unwrap_or(Err(KafkaError::Canceled)),
                Err(error) => Err(error),
            };
            results.push(match delivered {
                // A record that was sent twice, since the first answer was lost, may be there
                // while brokers no longer say where.
                Ok(offset) => u64::try_from(offset)
                    .map(|offset| Position { topic, partition, offset: Offset(offset) })
                    .map_err(|_| {
                        LogError::new(Kind::Transient, "Kafka does not say where a record lies")
                    }),
                Err(error) => {
                    broken |= error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal);
                    Err(failed("append", &error))
                }
            });
        }
        if broken
            || (results.iter().any(Result::is_err) && producer.client().fatal_error().is_some())
        {
            self.shared.replace_failed(&producer);
        }
        results
    }

    async fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.bounds(topic)).await
    }

    async fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.committed(group, topic)).await
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<KafkaMember, LogError> {
        KafkaMember::join(Arc::clone(&self.shared), group, topic)
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<KafkaReader, LogError> {
        if partition.0 >= topic.partitions() {
            let text = format!("topic {topic} has no partition {}", partition.0);
            return Err(LogError::new(Kind::Invalid, text));
        }
        KafkaReader::new(Arc::clone(&self.shared), topic, partition, from)
    }
}
