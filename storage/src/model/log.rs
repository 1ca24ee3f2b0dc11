//! The nasty log.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use parking_lot::Mutex;
use schemas::topic::{Offset, Partition, Topic};
use tokio::sync::watch;

use super::Faults;
use crate::{
    error::{Kind, LogError},
    log::{Append, Delivery, Group, Log, Member, Position, Reader, Record},
};

#[derive(Default)]
struct State {
    records: HashMap<(Topic, Partition), Vec<Record>>,
    next_offset: HashMap<(Topic, Partition), u64>,
    groups: HashMap<(Group, Topic), GroupState>,
    next_member: u64,
}

#[derive(Default)]
struct GroupState {
    members: BTreeSet<u64>,
    holders: BTreeMap<Partition, u64>,
    committed: BTreeMap<Partition, Offset>,
}

/// A log in memory that misbehaves as its [`Faults`] say.
#[derive(Clone)]
pub struct ModelLog {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    faults: Faults,
}

impl ModelLog {
    /// An empty log.
    pub fn new(faults: Faults) -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(0), faults }
    }

    fn change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes every partition of a group from whoever holds it, as a broker does with members that
    /// it has given up for dead: they learn of it by a refused commit, and by `Revoked`.
    pub fn give_up(&self, group: Group, topic: Topic) {
        if let Some(group) = self.state.lock().groups.get_mut(&(group, topic)) {
            group.holders.clear();
        }
        self.change();
    }

    fn put(state: &mut State, append: &Append, gap: u64) -> Position {
        let partition = append.topic.partition_of(&append.key);
        let at = (append.topic, partition);
        let next = state.next_offset.entry(at).or_default();
        let offset = Offset(*next);
        *next += gap;
        let position = Position { topic: append.topic, partition, offset };
        let (key, value) = (append.key.clone(), append.value.clone());
        state.records.entry(at).or_default().push(Record { position, key, value, appended_at: 0 });
        position
    }

    fn from(&self, topic: Topic, partition: Partition, from: Offset, limit: usize) -> Vec<Record> {
        let state = self.state.lock();
        let records = state.records.get(&(topic, partition)).into_iter().flatten();
        records.filter(|record| record.position.offset >= from).take(limit).cloned().collect()
    }
}

impl Log for ModelLog {
    type Member = ModelMember;
    type Reader = ModelReader;

    async fn append(&self, records: Vec<Append>) -> Vec<Result<Position, LogError>> {
        let mut results = Vec::with_capacity(records.len());
        for append in &records {
            if self.faults.strikes(|shares| shares.append_lost) {
                results.push(Err(LogError::new(Kind::Transient, "the record was lost")));
                continue;
            }
            let gap = self.faults.gap();
            let mut state = self.state.lock();
            let position = Self::put(&mut state, append, gap);
            if self.faults.strikes(|shares| shares.append_twice) {
                Self::put(&mut state, append, gap);
            }
            drop(state);
            results.push(if self.faults.strikes(|shares| shares.append_unclear) {
                Err(LogError::new(Kind::Transient, "the answer was lost"))
            } else {
                Ok(position)
            });
        }
        self.change();
        results
    }

    async fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        if self.faults.strikes(|shares| shares.bounds_fail) {
            return Err(LogError::new(Kind::Transient, "the bounds are not told"));
        }
        let state = self.state.lock();
        let bounds = topic.all_partitions().map(|partition| {
            let records = state.records.get(&(topic, partition));
            let end = records.and_then(|records| records.last());
            Offset(0)..end.map_or(Offset(0), |last| last.position.offset.next())
        });
        Ok(bounds.collect())
    }

    async fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        let state = self.state.lock();
        let group = state.groups.get(&(group, topic));
        let offset = |partition| group.and_then(|g| g.committed.get(&partition).copied());
        Ok(topic.all_partitions().map(offset).collect())
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<ModelMember, LogError> {
        let mut state = self.state.lock();
        let id = state.next_member;
        state.next_member += 1;
        state.groups.entry((group, topic)).or_default().members.insert(id);
        drop(state);
        self.change();
        let changed = self.changed.subscribe();
        let (positions, revoked) = (BTreeMap::new(), BTreeSet::new());
        Ok(ModelMember { log: self.clone(), key: (group, topic), id, positions, revoked, changed })
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<ModelReader, LogError> {
        let changed = self.changed.subscribe();
        Ok(ModelReader { log: self.clone(), topic, partition, next: from, changed })
    }
}

/// Reads one partition.
pub struct ModelReader {
    log: ModelLog,
    topic: Topic,
    partition: Partition,
    next: Offset,
    changed: watch::Receiver<u64>,
}

impl Reader for ModelReader {
    async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            self.changed.borrow_and_update();
            let records = self.log.from(self.topic, self.partition, self.next, 10);
            if let Some(last) = records.last() {
                self.next = last.position.offset.next();
                return Ok(records);
            }
            let changed = self.changed.changed().await;
            changed.map_err(|_| LogError::new(Kind::Fatal, "the log is gone"))?;
        }
    }
}

/// A member of a group.
pub struct ModelMember {
    log: ModelLog,
    key: (Group, Topic),
    id: u64,
    positions: BTreeMap<Partition, Offset>,
    revoked: BTreeSet<Partition>,
    changed: watch::Receiver<u64>,
}

impl ModelMember {
    fn rebalance(&mut self) -> Option<Delivery> {
        let shaken = self.log.faults.strikes(|shares| shares.rebalance);
        let mut state = self.log.state.lock();
        let group = state.groups.entry(self.key).or_default();
        // What was announced is let go now.
        for partition in std::mem::take(&mut self.revoked) {
            if group.holders.get(&partition) == Some(&self.id) {
                group.holders.remove(&partition);
            }
        }
        let members: Vec<u64> = group.members.iter().copied().collect();
        let place = members.iter().position(|member| *member == self.id);
        let (place, count) = (place.unwrap_or(0), members.len().max(1));
        let all = usize::from(self.key.1.partitions());
        let share = place * all / count..(place + 1) * all / count;
        let lost: Vec<Partition> = self
            .positions
            .keys()
            .filter(|partition| {
                let mine = group.holders.get(partition) == Some(&self.id);
                shaken || !mine || !share.contains(&partition.index())
            })
            .copied()
            .collect();
        if !lost.is_empty() {
            for partition in &lost {
                self.positions.remove(partition);
            }
            self.revoked.extend(&lost);
            return Some(Delivery::Revoked(lost));
        }
        let mut gained = Vec::new();
        for partition in self.key.1.all_partitions().filter(|p| share.contains(&p.index())) {
            if self.positions.contains_key(&partition) || group.holders.contains_key(&partition) {
                continue;
            }
            group.holders.insert(partition, self.id);
            let from = group.committed.get(&partition).copied().unwrap_or(Offset(0));
            self.positions.insert(partition, from);
            gained.push(partition);
        }
        (!gained.is_empty()).then_some(Delivery::Assigned(gained))
    }
}

impl Member for ModelMember {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        loop {
            self.changed.borrow_and_update();
            let let_go = !self.revoked.is_empty();
            let delivery = self.rebalance();
            if let_go {
                self.log.change();
            }
            if let Some(delivery) = delivery {
                return Ok(delivery);
            }
            let mut records = Vec::new();
            for (partition, from) in &mut self.positions {
                let more = self.log.from(self.key.1, *partition, *from, 7);
                if let Some(last) = more.last() {
                    *from = last.position.offset.next();
                }
                records.extend(more);
            }
            if !records.is_empty() {
                return Ok(Delivery::Records(records));
            }
            let changed = self.changed.changed().await;
            changed.map_err(|_| LogError::new(Kind::Fatal, "the log is gone"))?;
        }
    }

    async fn commit(&mut self, offsets: &[(Partition, Offset)]) -> Result<(), LogError> {
        let mut state = self.log.state.lock();
        let group = state.groups.entry(self.key).or_default();
        let mine = |partition| group.holders.get(partition) == Some(&self.id);
        if !offsets.iter().all(|(partition, _)| mine(partition)) {
            return Err(LogError::new(Kind::Invalid, "the partition is somebody else's"));
        }
        group.committed.extend(offsets.iter().copied());
        Ok(())
    }
}

impl Drop for ModelMember {
    fn drop(&mut self) {
        let mut state = self.log.state.lock();
        let group = state.groups.entry(self.key).or_default();
        group.members.remove(&self.id);
        group.holders.retain(|_, holder| *holder != self.id);
        drop(state);
        self.log.change();
    }
}
