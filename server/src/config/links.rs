//! How Kafka and a CQL store are reached.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use storage::{
    cql::{self, CqlConfig},
    embedded::Clock,
    kafka::{self, Acks, KafkaConfig, Link, Sasl},
};

const LOOPBACK_ONLY: &str = "loopback only";
const TO_ANY_HOST: &str = "to any host";

/// How Kafka is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Before every name.
    pub prefix: String,
    /// The name of the process in its groups, or empty.
    pub instance: String,
    /// Copies of every record.
    pub replication: u16,
    /// Copies before a record counts.
    pub min_in_sync: u16,
    /// Silence that costs a process its partitions.
    pub session_timeout_ms: u64,
    /// An append has failed by then.
    pub delivery_deadline_ms: u64,
    /// Records that may wait.
    pub queue_messages: usize,
    /// TLS.
    pub tls: bool,
    /// Who signed the brokers' certificates, or empty.
    pub ca_file: PathBuf,
    /// Our certificate, or empty.
    pub certificate_file: PathBuf,
    /// Its key, or empty.
    pub key_file: PathBuf,
    /// How the password is shown, or empty.
    pub sasl: String,
    /// The user.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
    /// Whether a link without TLS may leave the machine, in words.
    pub plain_text: String,
}

/// How a CQL store is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cql {
    /// The data centre, or empty.
    pub datacenter: String,
    /// Copies of every row.
    pub replication: u8,
    /// TLS.
    pub tls: bool,
    /// Who signed the nodes' certificates, or empty.
    pub ca_file: PathBuf,
    /// The user, or empty.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
    /// Whether a link without TLS may leave the machine, in words.
    pub plain_text: String,
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

fn given(path: &Path) -> Option<PathBuf> {
    is_set(path).then(|| path.to_owned())
}

fn in_words(section: &str, plain_text: &str) -> Option<String> {
    (![LOOPBACK_ONLY, TO_ANY_HOST].contains(&plain_text))
        .then(|| format!("{section}.plain_text must be \"{LOOPBACK_ONLY}\" or \"{TO_ANY_HOST}\""))
}

impl Kafka {
    pub(super) fn check(&self) -> Vec<String> {
        let mut problems: Vec<String> = in_words("kafka", &self.plain_text).into_iter().collect();
        let mut range = |key: &str, value: u64, from: u64, to: u64| {
            if !(from..=to).contains(&value) {
                problems.push(format!("kafka.{key} is {value}; allowed: {from} to {to}"));
            }
        };
        range("replication", self.replication.into(), 1, 9);
        range("min_in_sync", self.min_in_sync.into(), 1, self.replication.into());
        range("session_timeout_ms", self.session_timeout_ms, 1_000, 300_000);
        range("delivery_deadline_ms", self.delivery_deadline_ms, 100, 300_000);
        range("queue_messages", self.queue_messages as u64, 1, 10_000_000);
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        for (key, text) in [("prefix", &self.prefix), ("instance", &self.instance)] {
            if text.len() > 100 || !text.chars().all(word) {
                problems.push(format!("kafka.{key} may have letters, digits, . _ - only"));
            }
        }
        if is_set(&self.certificate_file) != is_set(&self.key_file) {
            problems.push("kafka.certificate_file and kafka.key_file belong together".to_owned());
        }
        let tls_files = [&self.ca_file, &self.certificate_file, &self.key_file];
        if !self.tls && tls_files.into_iter().any(|file| is_set(file)) {
            problems.push("kafka.ca_file, certificate_file and key_file need kafka.tls".to_owned());
        }
        if self.sasl.is_empty() {
            if !self.username.is_empty() || is_set(&self.password_file) {
                problems.push("kafka.username and kafka.password_file need kafka.sasl".to_owned());
            }
        } else {
            if let Err(allowed) = self.sasl.parse::<kafka::SaslMechanism>() {
                problems.push(format!("kafka.sasl is {}; {allowed}", self.sasl));
            }
            if self.username.is_empty() || !is_set(&self.password_file) {
                problems.push("kafka.sasl needs kafka.username and kafka.password_file".to_owned());
            }
        }
        problems
    }

    /// As the log wants it.
    pub fn log(&self, brokers: Vec<String>) -> KafkaConfig {
        let identity = given(&self.certificate_file).zip(given(&self.key_file));
        let tls = self.tls.then(|| kafka::Tls { ca_file: given(&self.ca_file), identity });
        let sasl = self.sasl.parse().ok().map(|mechanism| Sasl {
            mechanism,
            username: self.username.clone(),
            password_file: self.password_file.clone(),
        });
        KafkaConfig {
            brokers,
            prefix: self.prefix.clone(),
            instance: Some(self.instance.clone()).filter(|name| !name.is_empty()),
            acks: Acks { replication: self.replication, min_in_sync: self.min_in_sync },
            session_timeout: Duration::from_millis(self.session_timeout_ms),
            delivery_deadline: Duration::from_millis(self.delivery_deadline_ms),
            queue_records: self.queue_messages,
            link: Link { tls, sasl, plain_text_to_any_host: self.plain_text == TO_ANY_HOST },
        }
    }
}

impl Cql {
    pub(super) fn check(&self) -> Vec<String> {
        let mut problems: Vec<String> = in_words("cql", &self.plain_text).into_iter().collect();
        if !(1..=9).contains(&self.replication) {
            problems.push(format!("cql.replication is {}; allowed: 1 to 9", self.replication));
        }
        if !self.tls && is_set(&self.ca_file) {
            problems.push("cql.ca_file needs cql.tls".to_owned());
        }
        if self.username.is_empty() == is_set(&self.password_file) {
            problems.push("cql.username and cql.password_file belong together".to_owned());
        }
        problems
    }

    /// As the store wants it.
    pub fn store(
        &self,
        (hosts, keyspace): (Vec<String>, String),
        retention_days: u32,
        clock: Clock,
    ) -> CqlConfig {
        CqlConfig {
            hosts,
            keyspace,
            datacenter: Some(self.datacenter.clone()).filter(|name| !name.is_empty()),
            retention_days,
            clock,
            tls: self.tls.then(|| cql::Tls { ca_file: given(&self.ca_file) }),
            login: (!self.username.is_empty()).then(|| cql::Login {
                username: self.username.clone(),
                password_file: self.password_file.clone(),
            }),
            plain_text_to_any_host: self.plain_text == TO_ANY_HOST,
        }
    }
}
