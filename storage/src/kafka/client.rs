//! What every client of librdkafka tells us.

use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Statistics,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::watch;

/// Records that wait in the producer's queue.
const QUEUE: &str = "kafka_producer_queue_records";

/// Keeps what a client said last.
#[derive(Clone)]
pub(super) struct Client {
    /// The last error of a connection, until a client says that all is well.
    last: Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>,
    /// Whether the idempotent producer has its id.
    warm: watch::Sender<bool>,
}

impl Default for Client {
    fn default() -> Self {
        Self { last: Arc::default(), warm: watch::Sender::new(false) }
    }
}

impl Client {
    /// What went wrong with a connection last.
    pub(super) fn last_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.last.lock().clone()
    }

    /// Whether the producer has its id.
    pub(super) fn is_warm(&self) -> bool {
        *self.warm.borrow()
    }

    /// Waits until the producer has its id.
    pub(super) async fn warm(&self) {
        // The sender is ours: it never closes.
        let _ = self.warm.subscribe().wait_for(|warm| *warm).await;
    }
}

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // Texts of librdkafka name brokers and topics, never records.
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::warn!(facility, text, "Kafka's client"),
            _ => tracing::debug!(facility, text, "Kafka's client"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(eos) = &statistics.eos {
            self.warm.send_if_modified(|warm| {
                let is = eos.idemp_state == "Assigned";
                std::mem::replace(warm, is) != is
            });
            ::metrics::gauge!(QUEUE).set(statistics.msg_cnt as f64);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client");
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut last = self.last.lock();
        // "All brokers are down" follows whatever it comes from, and says less.
        let says_less = code == RDKafkaErrorCode::AllBrokersDown && last.is_some();
        if !says_less {
            *last = Some((code, reason.to_owned()));
        }
    }
}
