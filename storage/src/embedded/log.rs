//! The log: appends, readers, groups.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use fjall::{Database, Keyspace};
use parking_lot::Mutex;
use schemas::{
    time::EventTime,
    topic::{Offset, Partition, Topic},
};
use tokio::sync::{oneshot, watch};

use super::{Failure, Shared, journal, keyspace_in, writer::Work};
use crate::{
    error::LogError,
    kill_point,
    log::{Append, Delivery, Group, Log, Member, Position, Reader, Record},
};

/// A delivery holds at most so many records,
const DELIVERY_RECORDS: usize = 1_000;
/// and is full at so many bytes.
const DELIVERY_BYTES: usize = 1 << 20;

/// How the names of keyspaces with records begin.
pub(super) const PREFIX: &str = "log.";

/// The keyspaces of all topics, in their order.
pub(super) fn keyspaces(db: &Database) -> fjall::Result<Vec<Keyspace>> {
    let open = |topic: &Topic| keyspace_in(db, &format!("{PREFIX}{}", topic.name()));
    Topic::ALL.iter().map(open).collect()
}

/// Partition, then offset: the order of reading.
pub(super) fn key(partition: Partition, offset: Offset) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&partition.0.to_be_bytes());
    key[2..].copy_from_slice(&offset.0.to_be_bytes());
    key
}

/// Time of the append, length of the key, key, value.
pub(super) fn encode(now: EventTime, record: &Append) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + record.key.len() + record.value.len());
    bytes.extend_from_slice(&now.0.to_be_bytes());
    // Keys are ids of a few bytes.
    let length = u32::try_from(record.key.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&record.key);
    bytes.extend_from_slice(&record.value);
    bytes
}

/// What is left of a stored record of a compacted topic once another of its key counts: no value.
/// Its place stays, for offsets are dense. `None`: nothing else was left.
pub(super) fn emptied(stored: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(*stored.get(8..)?.first_chunk()?);
    let end = 12_usize.checked_add(usize::try_from(length).ok()?)?;
    stored.get(..end).filter(|left| left.len() < stored.len())
}

/// When a stored record was appended.
pub(super) fn appended_at(stored: &[u8]) -> i64 {
    stored.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

fn decode(position: Position, stored: Bytes) -> Option<Record> {
    let appended_at = appended_at(&stored);
    let length = u32::from_be_bytes(stored.get(8..12)?.try_into().ok()?);
    let value_at = 12_usize.checked_add(usize::try_from(length).ok()?)?;
    if value_at > stored.len() {
        return None;
    }
    let key = stored.slice(12..value_at);
    Some(Record { position, key, value: stored.slice(value_at..), appended_at })
}

/// First and last offsets of every partition of a topic, from what is on disk.
pub(super) fn bounds_of(keyspace: &Keyspace, topic: Topic) -> fjall::Result<Vec<Range<u64>>> {
    let offset = |key: &[u8]| {
        key.get(2..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
    };
    topic
        .all_partitions()
        .map(|partition| {
            let mut entries = keyspace.prefix(partition.0.to_be_bytes());
            let Some(first) = entries.next() else { return Ok(0..0) };
            let start = offset(&first.key()?);
            let last = match entries.next_back() {
                Some(last) => offset(&last.key()?),
                None => start,
            };
            Ok(start..last + 1)
        })
        .collect()
}

impl Shared {
    /// The keyspace with a topic's records.
    pub(super) fn records_of(&self, topic: Topic) -> &Keyspace {
        &self.topics[topic as usize]
    }

    pub(super) fn range(&self, topic: Topic, partition: Partition) -> Range<u64> {
        self.bounds.read()[topic as usize][partition.index()].clone()
    }

    pub(super) fn publish(&self, ends: &HashMap<(Topic, Partition), u64>) {
        let mut grown = BTreeSet::new();
        let mut bounds = self.bounds.write();
        for ((topic, partition), end) in ends {
            bounds[*topic as usize][partition.index()].end = *end;
            grown.insert(*topic);
        }
        drop(bounds);
        for topic in grown {
            self.appended[topic as usize].send_modify(|count| *count += 1);
        }
    }

    pub(super) fn raise_start(&self, topic: Topic, partition: Partition, start: u64) {
        self.bounds.write()[topic as usize][partition.index()].start = start;
    }

    /// Reads what there is of a partition from an offset on, up to the limits of a delivery.
    fn records(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        budget: &mut Budget,
    ) -> Result<Vec<Record>, LogError> {
        let range = self.range(topic, partition);
        let from = from.max(range.start);
        if from >= range.end || budget.is_spent() {
            return Ok(Vec::new());
        }
        let failed = |error: fjall::Error| Failure::engine(&self.dir, &error).into_log();
        let mut records = Vec::new();
        let mut expected = from;
        let keys = key(partition, Offset(from))..key(partition, Offset(range.end));
        for entry in self.records_of(topic).range(keys) {
            let (key, stored) = entry.into_inner().map_err(failed)?;
            let position = Position { topic, partition, offset: Offset(expected) };
            // Offsets are dense: a gap is a record that was acknowledged and is gone.
            let whole = *key == super::log::key(partition, position.offset);
            let record = decode(position, stored.into()).filter(|_| whole);
            let Some(record) = record else {
                return Err(self.damaged(topic, partition, expected));
            };
            expected += 1;
            // No record has an empty value but one that was compacted. The last of all never is.
            if record.value.is_empty() && topic.is_compacted() {
                continue;
            }
            budget.spend(record.key.len() + record.value.len());
            records.push(record);
            if budget.is_spent() {
                return Ok(records);
            }
        }
        if expected < range.end {
            return Err(self.damaged(topic, partition, expected));
        }
        Ok(records)
    }

    fn damaged(&self, topic: Topic, partition: Partition, offset: u64) -> LogError {
        Failure::Engine(format!(
            "data directory {}: record {offset} of {topic}/{} is missing: restore it from a backup",
            self.dir.display(),
            partition.0
        ))
        .into_log()
    }
}

/// How much a delivery may still take.
struct Budget {
    records: usize,
    bytes: usize,
}

impl Budget {
    fn new() -> Self {
        Self { records: DELIVERY_RECORDS, bytes: DELIVERY_BYTES }
    }

    fn spend(&mut self, bytes: usize) {
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// The log of a data directory.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

impl EmbeddedLog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Some records of a partition, without waiting: what tools read through the socket.
    pub(crate) fn peek(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<Vec<Record>, LogError> {
        if partition.0 >= topic.partitions() {
            return Err(no_such_partition(topic, partition));
        }
        self.shared.records(topic, partition, from.0, &mut Budget::new())
    }
}

fn no_such_partition(topic: Topic, partition: Partition) -> LogError {
    Failure::Invalid(format!("topic {topic} has no partition {}", partition.0)).into_log()
}

impl Log for EmbeddedLog {
    type Member = EmbeddedMember;
    type Reader = EmbeddedReader;

    async fn append(&self, records: Vec<Append>) -> Vec<Result<Position, LogError>> {
        let count = records.len();
        if count == 0 {
            return Vec::new();
        }
        let (done, answer) = oneshot::channel();
        let failed =
            |failure: Failure| (0..count).map(|_| Err(failure.clone().into_log())).collect();
        if let Err(failure) = self.shared.send(Work::Append { records, done }) {
            return failed(failure);
        }
        kill_point!("K3 handed over, not durable");
        answer.await.unwrap_or_else(|_| failed(Failure::Closed))
    }

    async fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        let bounds = self.shared.bounds.read();
        let ranges = bounds[topic as usize].iter();
        Ok(ranges.map(|range| Offset(range.start)..Offset(range.end)).collect())
    }

    async fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        let key = GroupKey { group, topic };
        let state = self.shared.groups.state.lock();
        let known = state.get(&key).map(|group| &group.committed);
        let offset = |partition| known.and_then(|known| known.get(&partition).copied());
        Ok(topic.all_partitions().map(offset).collect())
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<EmbeddedMember, LogError> {
        Ok(EmbeddedMember::join(Arc::clone(&self.shared), GroupKey { group, topic }))
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<EmbeddedReader, LogError> {
        if partition.0 >= topic.partitions() {
            return Err(no_such_partition(topic, partition));
        }
        let appended = self.shared.appended[topic as usize].subscribe();
        let shared = Arc::clone(&self.shared);
        Ok(EmbeddedReader { shared, topic, partition, next: from.0, appended })
    }
}

/// Reads one partition, outside any group.
pub struct EmbeddedReader {
    shared: Arc<Shared>,
    topic: Topic,
    partition: Partition,
    next: u64,
    appended: watch::Receiver<u64>,
}

impl Reader for EmbeddedReader {
    async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            self.appended.borrow_and_update();
            let mut budget = Budget::new();
            let records =
                self.shared.records(self.topic, self.partition, self.next, &mut budget)?;
            if let Some(last) = records.last() {
                self.next = last.position.offset.0 + 1;
                return Ok(records);
            }
            self.appended.changed().await.map_err(|_| Failure::Closed.into_log())?;
        }
    }
}

/// A group on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) group: Group,
    pub(super) topic: Topic,
}

impl GroupKey {
    /// Where its committed offset of a partition is kept.
    pub(super) fn bytes(self, partition: Partition) -> Vec<u8> {
        format!("offset/{}/{}/{}", self.group.name(), self.topic.name(), partition.0).into_bytes()
    }
}

/// The groups of this process: every member of a group lives in it.
pub(super) struct Groups {
    state: Mutex<HashMap<GroupKey, GroupState>>,
    changed: watch::Sender<u64>,
    next_member: AtomicU64,
}

#[derive(Default)]
struct GroupState {
    committed: HashMap<Partition, Offset>,
    members: BTreeSet<u64>,
    /// Who holds a partition; until they let go, nobody else is given it.
    holders: HashMap<Partition, u64>,
}

impl GroupState {
    /// The partitions a member is to have: ranges of equal size, in the order of joining.
    fn share(&self, member: u64, topic: Topic) -> BTreeSet<Partition> {
        let Some(place) = self.members.iter().position(|other| *other == member) else {
            return BTreeSet::new();
        };
        let (members, partitions) = (self.members.len(), usize::from(topic.partitions()));
        let (from, to) = (place * partitions / members, (place + 1) * partitions / members);
        topic.all_partitions().skip(from).take(to - from).collect()
    }
}

impl Groups {
    pub(super) fn load(db: &Database) -> fjall::Result<Self> {
        let meta = keyspace_in(db, journal::META)?;
        let mut state: HashMap<GroupKey, GroupState> = HashMap::new();
        for group in Group::ALL {
            for topic in Topic::ALL {
                let key = GroupKey { group, topic };
                for partition in topic.all_partitions() {
                    let stored = meta.get(key.bytes(partition))?;
                    if let Some(Ok(offset)) = stored.map(|bytes| bytes.as_ref().try_into()) {
                        let offset = Offset(u64::from_be_bytes(offset));
                        state.entry(key).or_default().committed.insert(partition, offset);
                    }
                }
            }
        }
        let (state, changed) = (Mutex::new(state), watch::Sender::new(0));
        Ok(Self { state, changed, next_member: AtomicU64::new(0) })
    }

    pub(super) fn committed(&self, key: GroupKey, offsets: &[(Partition, Offset)]) {
        let mut state = self.state.lock();
        state.entry(key).or_default().committed.extend(offsets.iter().copied());
    }

    /// How far every group that ever committed on a partition is done with it.
    pub(super) fn processed(&self, topic: Topic, partition: Partition) -> u64 {
        let state = self.state.lock();
        let processor = GroupKey { group: Group::Processor, topic };
        let processed = state.get(&processor).and_then(|g| g.committed.get(&partition));
        processed.map_or(0, |offset| offset.0)
    }

    fn change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A member of a group.
pub struct EmbeddedMember {
    shared: Arc<Shared>,
    key: GroupKey,
    id: u64,
    /// The next offset of each partition that it has.
    positions: BTreeMap<Partition, u64>,
    /// Announced as revoked; let go at the next call.
    revoked: BTreeSet<Partition>,
    /// Where the next delivery begins, so that no partition starves another.
    turn: usize,
    appended: watch::Receiver<u64>,
    rebalanced: watch::Receiver<u64>,
}

impl EmbeddedMember {
    fn join(shared: Arc<Shared>, key: GroupKey) -> Self {
        let id = shared.groups.next_member.fetch_add(1, Ordering::Relaxed);
        shared.groups.state.lock().entry(key).or_default().members.insert(id);
        shared.groups.change();
        Self {
            appended: shared.appended[key.topic as usize].subscribe(),
            rebalanced: shared.groups.changed.subscribe(),
            positions: BTreeMap::new(),
            revoked: BTreeSet::new(),
            turn: 0,
            shared,
            key,
            id,
        }
    }

    fn let_go(&mut self) {
        if self.revoked.is_empty() {
            return;
        }
        let mut state = self.shared.groups.state.lock();
        let group = state.entry(self.key).or_default();
        for partition in std::mem::take(&mut self.revoked) {
            group.holders.remove(&partition);
        }
        drop(state);
        self.shared.groups.change();
    }

    /// What changed hands, if anything did.
    fn rebalance(&mut self) -> Option<Delivery> {
        let mut state = self.shared.groups.state.lock();
        let group = state.entry(self.key).or_default();
        let share = group.share(self.id, self.key.topic);
        let lost: Vec<_> =
            self.positions.keys().filter(|partition| !share.contains(partition)).copied().collect();
        if !lost.is_empty() {
            for partition in &lost {
                self.positions.remove(partition);
                self.revoked.insert(*partition);
            }
            return Some(Delivery::Revoked(lost));
        }
        let mut gained = Vec::new();
        for partition in share {
            if let Entry::Vacant(free) = group.holders.entry(partition) {
                free.insert(self.id);
                let start = group.committed.get(&partition).map_or(0, |offset| offset.0);
                self.positions.insert(partition, start);
                gained.push(partition);
            }
        }
        (!gained.is_empty()).then_some(Delivery::Assigned(gained))
    }

    fn records(&mut self) -> Result<Vec<Record>, LogError> {
        let partitions: Vec<Partition> = self.positions.keys().copied().collect();
        let mut budget = Budget::new();
        let mut records = Vec::new();
        self.turn = self.turn.wrapping_add(1);
        for n in 0..partitions.len() {
            let partition = partitions[(self.turn + n) % partitions.len()];
            let Some(from) = self.positions.get_mut(&partition) else { continue };
            let more = self.shared.records(self.key.topic, partition, *from, &mut budget)?;
            if let Some(last) = more.last() {
                *from = last.position.offset.0 + 1;
            }
            records.extend(more);
        }
        Ok(records)
    }
}

impl Member for EmbeddedMember {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        self.let_go();
        loop {
            self.appended.borrow_and_update();
            self.rebalanced.borrow_and_update();
            if let Some(delivery) = self.rebalance() {
                return Ok(delivery);
            }
            let records = self.records()?;
            if !records.is_empty() {
                return Ok(Delivery::Records(records));
            }
            let closed = |_| Failure::Closed.into_log();
            tokio::select! {
                changed = self.appended.changed() => changed.map_err(closed)?,
                changed = self.rebalanced.changed() => changed.map_err(closed)?,
            }
        }
    }

    async fn commit(&mut self, offsets: &[(Partition, Offset)]) -> Result<(), LogError> {
        let foreign = offsets.iter().find(|(partition, _)| {
            !self.positions.contains_key(partition) && !self.revoked.contains(partition)
        });
        if let Some((partition, _)) = foreign {
            let topic = self.key.topic;
            return Err(Failure::Invalid(format!(
                "partition {} of {topic} is not this member's",
                partition.0
            ))
            .into_log());
        }
        let (done, answer) = oneshot::channel();
        let offsets = offsets.to_vec();
        let work = Work::Commit { key: self.key, offsets, done };
        self.shared.send(work).map_err(Failure::into_log)?;
        answer.await.unwrap_or_else(|_| Err(Failure::Closed.into_log()))
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        let mut state = self.shared.groups.state.lock();
        let group = state.entry(self.key).or_default();
        group.members.remove(&self.id);
        group.holders.retain(|_, holder| *holder != self.id);
        drop(state);
        self.shared.groups.change();
    }
}
