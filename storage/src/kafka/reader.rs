//! A reader of one partition, outside any group.

use std::sync::Arc;

use futures_util::StreamExt;
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::{Consumer, ConsumerContext, StreamConsumer},
};
use schemas::topic::{Offset, Partition, Topic};
use tokio::sync::watch;

use super::{Shared, client::Client, error::failed, member::records};
use crate::{
    error::LogError,
    log::{Reader, Record},
};

/// Records taken at a time, at most.
const CHUNK: usize = 2_000;

impl ConsumerContext for Client {}

/// Reads one partition of a topic on Kafka.
pub struct KafkaReader {
    shared: Arc<Shared>,
    topic: Topic,
    partition: Partition,
    next: Offset,
    consumer: Arc<StreamConsumer<Client>>,
    secrets: watch::Receiver<u64>,
}

impl KafkaReader {
    pub(super) fn new(
        shared: Arc<Shared>,
        topic: Topic,
        partition: Partition,
        next: Offset,
    ) -> Result<Self, LogError> {
        let consumer = Arc::new(consumer(&shared, topic, partition, next)?);
        let mut secrets = shared.secrets.subscribe();
        secrets.borrow_and_update();
        Ok(Self { shared, topic, partition, next, consumer, secrets })
    }
}

fn consumer(
    shared: &Shared,
    topic: Topic,
    partition: Partition,
    from: Offset,
) -> Result<StreamConsumer<Client>, LogError> {
    let settings = shared.config.consumer(&format!("{}reader", shared.config.prefix));
    let consumer: StreamConsumer<Client> =
        settings.create_with_context(Client::default()).map_err(|e| failed("read", &e))?;
    let mut list = TopicPartitionList::new();
    let offset = KafkaOffset::Offset(i64::try_from(from.0).unwrap_or(i64::MAX));
    list.add_partition_offset(&shared.config.topic(topic), i32::from(partition.0), offset)
        .map_err(|e| failed("read", &e))?;
    consumer.assign(&list).map_err(|e| failed("read", &e))?;
    Ok(consumer)
}

/// Closing a consumer waits for its threads.
fn close(consumer: Arc<StreamConsumer<Client>>) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(consumer))),
        Err(_) => drop(consumer),
    }
}

impl Reader for KafkaReader {
    async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            if self.secrets.has_changed().unwrap_or(false) {
                self.secrets.borrow_and_update();
                let fresh = consumer(&self.shared, self.topic, self.partition, self.next)?;
                close(std::mem::replace(&mut self.consumer, Arc::new(fresh)));
            }
            let consumer = Arc::clone(&self.consumer);
            let mut stream = consumer.stream().ready_chunks(CHUNK);
            let chunk = tokio::select! {
                chunk = stream.next() => chunk.unwrap_or_default(),
                _ = self.secrets.changed() => {
                    self.secrets.mark_changed();
                    continue;
                }
            };
            let mut records = records(self.topic, &chunk)?;
            records.retain(|record| record.position.offset >= self.next);
            if let Some(last) = records.last() {
                self.next = last.position.offset.next();
                return Ok(records);
            }
        }
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        close(Arc::clone(&self.consumer));
    }
}
