//! Hands records to librdkafka, and tells when they are delivered.
//!
//! rdkafka's own `FutureProducer` does the same. But for the last millisecond of every 100 in which
//! nothing comes its thread asks the clock without a pause: 1 % of a core for every idle producer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientContext, Message, Statistics,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, KafkaResult},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use schemas::topic::{Partition, Topic};
use tokio::sync::oneshot;

use super::{client::Client, config::KafkaConfig};
use crate::log::Append;

/// So seldom that the clock does not matter; and so long a producer that nobody has any more lives
/// on.
const POLL: Duration = Duration::from_secs(2);

/// The offset of a delivered record, or why it was not delivered. Nothing comes where the producer
/// has gone.
pub(super) type Delivery = oneshot::Receiver<KafkaResult<i64>>;

/// What is done with what librdkafka tells.
pub(super) struct Context(Client);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<oneshot::Sender<KafkaResult<i64>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited may have given up.
        let _ = waiting.send(result);
    }
}

/// A producer with a thread of its own, which ends with the last of its clones.
#[derive(Clone)]
pub(super) struct Producer(Arc<Inner>);

struct Inner {
    base: Arc<BaseProducer<Context>>,
    /// What topics are called on the brokers, in the order of [`Topic::ALL`].
    topics: [String; Topic::ALL.len()],
    ending: Arc<AtomicBool>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

impl Producer {
    pub(super) fn new(config: &KafkaConfig, client: Client) -> KafkaResult<Self> {
        let settings = config.producer();
        let base = Arc::new(BaseProducer::from_config_and_context(&settings, Context(client))?);
        let ending = Arc::new(AtomicBool::new(false));
        let (polled, end) = (Arc::clone(&base), Arc::clone(&ending));
        let polling = thread::Builder::new().name("kafka-producer".to_owned()).spawn(move || {
            while !end.load(Ordering::Relaxed) {
                polled.poll(POLL);
            }
        });
        polling.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let topics = Topic::ALL.map(|topic| config.topic(topic));
        Ok(Self(Arc::new(Inner { base, topics, ending })))
    }

    /// Hands a record over.
    pub(super) fn send(&self, record: &Append, partition: Partition) -> KafkaResult<Delivery> {
        let (waiting, delivery) = oneshot::channel();
        let topic = &self.0.topics[record.topic as usize];
        let handed = BaseRecord::with_opaque_to(topic, Box::new(waiting))
            .partition(i32::from(partition.0))
            .key(&record.key[..])
            .payload(&record.value[..]);
        self.0.base.send(handed).map_err(|(error, _)| error)?;
        Ok(delivery)
    }

    pub(super) fn client(&self) -> &rdkafka::client::Client<Context> {
        self.0.base.client()
    }

    /// Whether they are clones of one.
    pub(super) fn is(&self, other: &Producer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
