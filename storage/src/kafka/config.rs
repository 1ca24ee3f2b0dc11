//! How brokers are reached.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rdkafka::ClientConfig;
use schemas::topic::Topic;

use super::error::OpenError;
use crate::log::Group;

/// The largest record: a rejected webhook is as large as its body, and sealed.
pub(super) const MAX_RECORD_BYTES: usize = 4 << 20;

/// What to wait for before a record counts as appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acks {
    /// Copies of each record.
    pub replication: u16,
    /// Copies that must have it before it counts.
    pub min_in_sync: u16,
}

/// A log on Kafka: where, as whom, and how long things may take.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port` of some brokers.
    pub brokers: Vec<String>,
    /// Before the name of every topic and group.
    pub prefix: String,
    /// The name of this process in its groups, the same after a restart; `None`: a new one each
    /// time.
    pub instance: Option<String>,
    /// What to wait for.
    pub acks: Acks,
    /// A member that is silent for so long has lost its partitions.
    pub session_timeout: Duration,
    /// An append that is not durable by then has failed.
    pub delivery_deadline: Duration,
    /// Records that may wait to be sent; one more is refused ([`crate::Kind::Saturated`]).
    pub queue_records: usize,
    /// How the link is protected.
    pub link: Link,
}

/// How the link to the brokers is protected.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// TLS, always with verification of the broker's certificate and name.
    pub tls: Option<Tls>,
    /// A user.
    pub sasl: Option<Sasl>,
    /// Whether a link without TLS may lead to another host than loopback.
    pub plain_text_to_any_host: bool,
}

/// When each file of a link was changed last, and how long it is.
pub(super) type Fingerprint = Vec<Option<(SystemTime, u64)>>;

/// TLS to the brokers.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authority that signed the brokers' certificates (PEM); `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key (PEM), where brokers ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A user of the brokers.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// How the password is shown.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// How a password is shown to the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// As it is.
    Plain,
    /// SCRAM with SHA-256.
    ScramSha256,
    /// SCRAM with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// Its name in configuration and protocol.
    pub const fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl std::str::FromStr for SaslMechanism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]
            .into_iter()
            .find(|mechanism| mechanism.name() == text)
            .ok_or_else(|| "allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512".to_owned())
    }
}

/// Whether `host` or `host:port` is this machine's loopback.
pub(crate) fn is_loopback(address: &str) -> bool {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => address,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Link {
    /// Says what the files of the link are now: it changes when one of them does.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let look = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let mut files: Vec<&Path> = Vec::new();
        if let Some(tls) = &self.tls {
            files.extend(tls.ca_file.as_deref());
            files.extend(tls.identity.iter().flat_map(|(own, key)| [own.as_path(), key.as_path()]));
        }
        files.extend(self.sasl.as_ref().map(|sasl| sasl.password_file.as_path()));
        files.into_iter().map(look).collect()
    }
}

impl KafkaConfig {
    /// The name of a topic on the brokers.
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The name of a group on a topic.
    pub(super) fn group(&self, group: Group, topic: Topic) -> String {
        format!("{}{}.{}", self.prefix, group.name(), topic.name())
    }

    /// Refuses a link in plain text, and files that can't be read.
    pub(super) fn check_link(&self) -> Result<(), OpenError> {
        self.check_hosts()?;
        let mut files: Vec<&Path> = Vec::new();
        if let Some(tls) = &self.link.tls {
            files.extend(tls.ca_file.as_deref());
            files.extend(tls.identity.iter().flat_map(|(own, key)| [own.as_path(), key.as_path()]));
        }
        for file in files {
            std::fs::File::open(file)
                .map_err(|source| OpenError::File { file: file.to_owned(), source })?;
        }
        self.password().map(|_| ())
    }

    /// Refuses a link that anybody on the way could read, unless it was asked for.
    pub fn check_hosts(&self) -> Result<(), OpenError> {
        self.brokers.iter().try_for_each(|broker| self.check_host(broker))
    }

    /// Refuses a broker that would be reached in plain text over a network.
    pub(super) fn check_host(&self, broker: &str) -> Result<(), OpenError> {
        if self.link.tls.is_some() || self.link.plain_text_to_any_host || is_loopback(broker) {
            return Ok(());
        }
        Err(OpenError::PlainText { broker: broker.to_owned() })
    }

    fn password(&self) -> Result<Option<String>, OpenError> {
        let Some(sasl) = &self.link.sasl else { return Ok(None) };
        let file = &sasl.password_file;
        let text = std::fs::read_to_string(file)
            .map_err(|source| OpenError::File { file: file.clone(), source })?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// What every client is told. Secrets are read from their files each time.
    pub(super) fn client(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", self.instance.as_deref().unwrap_or("anshin"))
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // A broker that is back is found within this; deadlines of waiting records are looked
            // at as often (10 s by default, and so much later they would be kept).
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "250")
            .set("socket.connection.setup.timeout.ms", "3000")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("allow.auto.create.topics", "false")
            // Idle connections are closed by brokers; that is no error worth a line.
            .set("log.connection.close", "false")
            .set("message.max.bytes", MAX_RECORD_BYTES.to_string());
        let link = &self.link;
        let protocol = match (&link.tls, &link.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        settings.set("security.protocol", protocol);
        if let Some(tls) = &link.tls {
            settings
                .set("enable.ssl.certificate.verification", "true")
                .set("ssl.endpoint.identification.algorithm", "https");
            if let Some(ca) = &tls.ca_file {
                settings.set("ssl.ca.location", ca.display().to_string());
            }
            if let Some((certificate, key)) = &tls.identity {
                settings
                    .set("ssl.certificate.location", certificate.display().to_string())
                    .set("ssl.key.location", key.display().to_string());
            }
        }
        if let Some(sasl) = &link.sasl {
            settings
                .set("sasl.mechanism", sasl.mechanism.name())
                .set("sasl.username", &sasl.username);
            if let Ok(Some(password)) = self.password() {
                settings.set("sasl.password", password);
            }
        }
        settings
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut settings = self.client();
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Most of a record is sealed and would not become smaller. Trying was measured as a tenth
            // of the CPU of a webhook here, and a fifth of the broker's (`benches/PEERS.md`).
            .set("compression.type", "none")
            // A request leaves at once: with many callers it fills by itself, with few it would
            // only wait.
            .set("linger.ms", "0")
            .set("message.timeout.ms", self.delivery_deadline.as_millis().to_string())
            .set("request.timeout.ms", "5000")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "250")
            .set("queue.buffering.max.messages", self.queue_records.to_string())
            .set("queue.buffering.max.kbytes", "262144")
            // Tells when the producer has its id, and how much waits.
            .set("statistics.interval.ms", "500");
        settings
    }

    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut settings = self.client();
        settings
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            // What is fetched ahead; fetching rests while nobody takes it.
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.message.max.bytes", MAX_RECORD_BYTES.to_string());
        settings
    }
}
