//! Codes of Kafka, sorted by what to do; why a log can't be opened.

use std::path::PathBuf;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::{Kind, LogError};

/// A log on Kafka can't be opened. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No broker answers.
    #[error(
        "Kafka at {brokers} can't be reached: look whether it runs, whether log.url names it, and whether it wants what kafka.tls and kafka.sasl say"
    )]
    Unreachable {
        /// Where.
        brokers: String,
    },
    /// The certificate of a broker is not trusted, or not the broker's.
    #[error(
        "the TLS link to Kafka at {brokers} can't be made ({why}): look whether kafka.ca_file signed the brokers' certificates"
    )]
    Tls {
        /// Where.
        brokers: String,
        /// What the TLS library says.
        why: String,
    },
    /// A broker refuses our certificate, or that we have none.
    #[error(
        "Kafka at {brokers} refuses this client's certificate, or that it has none ({why}): look at kafka.certificate_file and kafka.key_file"
    )]
    Certificate {
        /// Where.
        brokers: String,
        /// What the TLS library says.
        why: String,
    },
    /// A broker refuses the user.
    #[error(
        "Kafka at {brokers} refuses user or password: look at kafka.sasl, kafka.username and kafka.password_file"
    )]
    Login {
        /// Where.
        brokers: String,
    },
    /// The link would be in plain text over a network.
    #[error(
        "the link to Kafka at {broker} would be in plain text: set kafka.tls, or kafka.plain_text = \"to any host\""
    )]
    PlainText {
        /// Where.
        broker: String,
    },
    /// A file of the link can't be read.
    #[error("{file} can't be read: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// librdkafka does not take a setting.
    #[error("the settings for Kafka can't be used: {why}")]
    Settings {
        /// Which, and why.
        why: String,
    },
    /// A topic is not there.
    #[error("Kafka has no topic {topic}: run `anshin migrate`")]
    MissingTopic {
        /// Which.
        topic: String,
    },
    /// Topics break promises: all of them, one on each line.
    #[error("{}", .0.join("\n"))]
    BrokenTopics(Vec<String>),
}

/// What to do about an error of Kafka.
fn kind(error: &KafkaError) -> Kind {
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => Kind::Saturated,
        Some(
            Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidRecord
            // The member was given up for dead, or is not the one it takes itself for.
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::AssignmentLost,
        ) => Kind::Invalid,
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnsupportedVersion,
        ) => Kind::Fatal,
        _ => Kind::Transient,
    }
}

/// Two processes take a name from each other, again and again.
pub(super) fn has_a_double() -> LogError {
    let text = "another process has this one's name in its groups: kafka.instance must differ";
    LogError::new(Kind::Fatal, text)
}

/// An error of the contract. Its text names no record.
pub(super) fn failed(what: &str, error: &KafkaError) -> LogError {
    let code = error.rdkafka_error_code();
    let text = match code {
        Some(Code::QueueFull) => "more records wait for Kafka than kafka.queue_messages".to_owned(),
        _ => format!("Kafka: can't {what}"),
    };
    LogError::with_source(kind(error), text, error.clone())
}
