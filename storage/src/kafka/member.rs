//! A member of a group. Assignment and revocation are deliveries: librdkafka's callback only
//! notes them, and a partition is let go at the call of `next` after it was announced.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message, Offset as KafkaOffset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
    types::RDKafkaRespErr,
};
use schemas::topic::{Offset, Partition, Topic};
use tokio::sync::{Notify, watch};

use super::{
    Shared, blocking,
    client::Client,
    error::{failed, has_a_double},
};
use crate::{
    error::{Kind, LogError},
    log::{Delivery, Group, Member, Position, Record},
};

/// Records of one delivery, at most.
const DELIVERY_RECORDS: usize = 2_000;
/// A group is left within this, unless something goes wrong.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// A double is believed in after so many times.
const FENCED_IN_A_ROW: u32 = 5;

/// What the callback notes.
enum Change {
    Assigned(Vec<Partition>),
    /// Everything is.
    Revoked,
}

struct Changes {
    client: Client,
    noted: Mutex<VecDeque<Change>>,
    more: Notify,
    /// Nobody asks any more: let go at once.
    closing: AtomicBool,
}

impl ClientContext for Changes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.client.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
        // It may be the end of this consumer: `next` looks.
        self.more.notify_one();
    }
}

impl ConsumerContext for Changes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Acquire) {
            // What is left over from before needs no answer once the group has been left; one would be
            // waited for for ever, since nobody reads what is said to the group then.
            if consumer.closed() {
                return;
            }
            if let Err(error) = consumer.unassign() {
                tracing::debug!(%error, "partitions can't be let go");
            }
            return;
        }
        let partitions: Vec<Partition> = list
            .elements()
            .iter()
            .filter_map(|element| u16::try_from(element.partition()).ok().map(Partition))
            .collect();
        self.noted.lock().push_back(match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(partitions),
            _ => Change::Revoked,
        });
        self.more.notify_one();
    }
}

/// A member of a group on Kafka.
pub struct KafkaMember {
    shared: Arc<Shared>,
    group: Group,
    topic: Topic,
    consumer: Arc<StreamConsumer<Changes>>,
    held: BTreeSet<Partition>,
    /// Announced as revoked; let go at the next call.
    revoked: BTreeSet<Partition>,
    /// Connect anew at the next call: secrets have changed, or the consumer is at its end.
    rejoin: bool,
    joined: Instant,
    /// How often it was told to be its own double, each time soon after it had joined.
    fenced: u32,
    secrets: watch::Receiver<u64>,
}

impl KafkaMember {
    pub(super) fn join(shared: Arc<Shared>, group: Group, topic: Topic) -> Result<Self, LogError> {
        let consumer = Arc::new(consumer(&shared, group, topic)?);
        let mut secrets = shared.secrets.subscribe();
        secrets.borrow_and_update();
        let (held, revoked) = (BTreeSet::new(), BTreeSet::new());
        let joined = Instant::now();
        Ok(Self {
            shared,
            group,
            topic,
            consumer,
            held,
            revoked,
            rejoin: false,
            joined,
            fenced: 0,
            secrets,
        })
    }

    /// Lets go of what was announced.
    fn let_go(&mut self) -> Result<(), LogError> {
        if self.rejoin {
            let fresh = consumer(&self.shared, self.group, self.topic)?;
            leave(std::mem::replace(&mut self.consumer, Arc::new(fresh)));
            self.rejoin = false;
            self.joined = Instant::now();
        } else if !self.revoked.is_empty() {
            self.consumer.unassign().map_err(|e| failed("let go of partitions", &e))?;
        }
        self.revoked.clear();
        Ok(())
    }

    /// What changed hands, if anything did.
    fn changed(&mut self) -> Result<Option<Delivery>, LogError> {
        if self.secrets.has_changed().unwrap_or(false) {
            self.secrets.borrow_and_update();
            self.rejoin = true;
            return self.announce();
        }
        if let Some((code, _)) = self.consumer.client().fatal_error() {
            // A broker that starts again may take a member for its own double; that one joins
            // again. Whoever is told so time after time has a double indeed.
            let lately = self.joined.elapsed() < self.shared.config.session_timeout;
            self.fenced = if lately { self.fenced + 1 } else { 1 };
            if code == RDKafkaErrorCode::FencedInstanceId && self.fenced > FENCED_IN_A_ROW {
                return Err(has_a_double());
            }
            tracing::warn!(topic = %self.topic, %code, "Kafka's client has given up; it joins again");
            self.rejoin = true;
            return self.announce();
        }
        let noted = self.consumer.client().context().noted.lock().pop_front();
        match noted {
            None => Ok(None),
            Some(Change::Assigned(partitions)) => {
                let mut list = TopicPartitionList::new();
                let name = self.shared.config.topic(self.topic);
                for partition in &partitions {
                    list.add_partition(&name, i32::from(partition.0));
                }
                self.consumer.assign(&list).map_err(|e| failed("take partitions", &e))?;
                self.held = partitions.iter().copied().collect();
                Ok((!partitions.is_empty()).then_some(Delivery::Assigned(partitions)))
            }
            Some(Change::Revoked) => {
                // Where nothing was held the group still waits for us to say so.
                if self.held.is_empty() {
                    self.consumer.unassign().map_err(|e| failed("let go of partitions", &e))?;
                }
                self.announce()
            }
        }
    }

    /// Everything that is held is announced as revoked.
    fn announce(&mut self) -> Result<Option<Delivery>, LogError> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            self.let_go()?;
            return Ok(None);
        }
        self.revoked.clone_from(&held);
        Ok(Some(Delivery::Revoked(held.into_iter().collect())))
    }
}

fn consumer(
    shared: &Shared,
    group: Group,
    topic: Topic,
) -> Result<StreamConsumer<Changes>, LogError> {
    let config = &shared.config;
    let name = config.group(group, topic);
    let mut settings = config.consumer(&name);
    settings
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", config.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", (config.session_timeout.as_millis() / 4).to_string())
        // A member whose store is away keeps its partitions, as long as it lives: whoever took them
        // over could do no more. Fetching rests meanwhile.
        .set("max.poll.interval.ms", "86400000");
    if let Some(instance) = &config.instance {
        // Roles of one process are in different groups; so one name does for all of them.
        settings.set("group.instance.id", instance);
    }
    let changes = Changes {
        client: Client::default(),
        noted: Mutex::default(),
        more: Notify::new(),
        closing: AtomicBool::new(false),
    };
    let consumer: StreamConsumer<Changes> =
        settings.create_with_context(changes).map_err(|e| failed("join a group", &e))?;
    consumer.subscribe(&[&config.topic(topic)]).map_err(|e| failed("join a group", &e))?;
    Ok(consumer)
}

/// Leaving takes an answer of the broker: it is waited for where that blocks nobody, and not for ever.
/// Where a rebalance is told in the moment in which the group is left, librdkafka throws away what we
/// answer and goes on waiting for what comes of it: that thread stays where it is.
fn leave(consumer: Arc<StreamConsumer<Changes>>) {
    consumer.client().context().closing.store(true, Ordering::Release);
    // What was noted and not yet taken is answered, otherwise the close would wait for it.
    let noted = !consumer.client().context().noted.lock().is_empty();
    let (closed, closing) = mpsc::sync_channel::<()>(0);
    let close = move || {
        if noted && let Err(error) = consumer.unassign() {
            tracing::debug!(%error, "partitions can't be let go");
        }
        // Revoked and not let go: the same.
        let _ = consumer.unassign();
        drop((consumer, closed));
    };
    if let Err(error) = std::thread::Builder::new().name("leave".to_owned()).spawn(close) {
        tracing::warn!(%error, "a group is left without a thread");
    }
    // Closed, or not: the end of the channel is all that is said.
    let wait = move || {
        let _ = closing.recv_timeout(LEAVES_WITHIN);
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(wait)),
        Err(_) => wait(),
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        leave(Arc::clone(&self.consumer));
    }
}

/// A record as the contract has it; `None` for a tombstone.
pub(super) fn record(topic: Topic, message: &BorrowedMessage<'_>) -> Option<Record> {
    let partition = Partition(u16::try_from(message.partition()).ok()?);
    let offset = Offset(u64::try_from(message.offset()).ok()?);
    Some(Record {
        position: Position { topic, partition, offset },
        key: bytes::Bytes::copy_from_slice(message.key().unwrap_or_default()),
        value: bytes::Bytes::copy_from_slice(message.payload()?),
        appended_at: message.timestamp().to_millis().unwrap_or(0),
    })
}

/// Takes what there is. The records of a chunk that came before an error are lost to nobody: the
/// error is told alone, and comes again if it stays.
pub(super) fn records(
    topic: Topic,
    chunk: &[Result<BorrowedMessage<'_>, KafkaError>],
) -> Result<Vec<Record>, LogError> {
    let records: Vec<Record> =
        chunk.iter().flatten().filter_map(|message| record(topic, message)).collect();
    match chunk.iter().find_map(|message| message.as_ref().err()) {
        Some(error) if records.is_empty() => Err(failed("read", error)),
        _ => Ok(records),
    }
}

impl Member for KafkaMember {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        self.let_go()?;
        loop {
            if let Some(delivery) = self.changed()? {
                return Ok(delivery);
            }
            let consumer = Arc::clone(&self.consumer);
            let mut stream = consumer.stream().ready_chunks(DELIVERY_RECORDS);
            tokio::select! {
                chunk = stream.next() => {
                    let mut records = match records(self.topic, &chunk.unwrap_or_default()) {
                        // A consumer at its end says so here too: `changed` sees to it.
                        Err(_) if consumer.client().fatal_error().is_some() => continue,
                        records => records?,
                    };
                    records.retain(|record| self.held.contains(&record.position.partition));
                    if !records.is_empty() {
                        return Ok(Delivery::Records(records));
                    }
                }
                () = consumer.client().context().more.notified() => {}
                _ = self.secrets.changed() => self.secrets.mark_changed(),
            }
        }
    }

    async fn commit(&mut self, offsets: &[(Partition, Offset)]) -> Result<(), LogError> {
        let foreign = offsets.iter().find(|(partition, _)| {
            !self.held.contains(partition) && !self.revoked.contains(partition)
        });
        if let Some((partition, _)) = foreign {
            let text = format!("partition {} of {} is not this member's", partition.0, self.topic);
            return Err(LogError::new(Kind::Invalid, text));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let last: BTreeMap<Partition, Offset> = offsets.iter().copied().collect();
        let mut list = TopicPartitionList::new();
        let name = self.shared.config.topic(self.topic);
        for (partition, offset) in last {
            let offset = KafkaOffset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX));
            list.add_partition_offset(&name, i32::from(partition.0), offset)
                .map_err(|e| failed("commit", &e))?;
        }
        let consumer = Arc::clone(&self.consumer);
        blocking(move || {
            consumer.commit(&list, CommitMode::Sync).map_err(|error| {
                // A consumer at its end has lost what it held, whatever it says.
                match consumer.client().fatal_error() {
                    Some(_) => LogError::with_source(Kind::Invalid, "Kafka: can't commit", error),
                    None => failed("commit", &error),
                }
            })
        })
        .await
    }
}
