//! The one thread that writes: whatever waits becomes one batch with one fsync.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Instant,
};

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use schemas::{
    time::EventTime,
    topic::{Offset, Partition, Topic},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Failure, Shared, journal, keyspace_in,
    log::{self, GroupKey},
    row,
    row::{Pending, StoredRow},
};
use crate::{
    error::{LogError, StoreError},
    kill_point,
    log::{Append, Position},
    mutant,
    store::{Deletion, Mutation},
    table::{Life, Table},
};

/// So many calls may wait for the writer; one more is told to come again later.
pub(super) const QUEUE: usize = 8_192;
/// A batch takes in so many records and rows, then goes to disk.
const BATCH_ITEMS: usize = 8_192;
/// And so many bytes.
const BATCH_BYTES: usize = 8 << 20;

/// Something to write, and whom to tell once it is on disk.
pub(super) enum Work {
    Append {
        records: Vec<Append>,
        done: oneshot::Sender<Vec<Result<Position, LogError>>>,
    },
    Commit {
        key: GroupKey,
        offsets: Vec<(Partition, Offset)>,
        done: oneshot::Sender<Result<(), LogError>>,
    },
    Write {
        mutations: Arc<[Mutation]>,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Delete {
        deletions: Vec<Deletion>,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Sweep {
        done: oneshot::Sender<Result<(), Failure>>,
    },
}

impl Work {
    fn weight(&self) -> (usize, usize) {
        match self {
            Work::Append { records, .. } => {
                (records.len(), records.iter().map(|r| r.key.len() + r.value.len()).sum())
            }
            Work::Write { mutations, .. } => (mutations.len(), mutations.len() * 200),
            Work::Delete { deletions, .. } => (deletions.len(), 0),
            Work::Commit { offsets, .. } => (offsets.len(), 0),
            Work::Sweep { .. } => (1, 0),
        }
    }
}

/// The state of the writer thread.
pub(super) struct Writer {
    /// Weak: the thread ends when the last handle to the directory is dropped.
    shared: Weak<Shared>,
    db: Database,
    dir: PathBuf,
    acknowledged: std::io::Result<journal::Acknowledged>,
    sequence: u64,
    keyspaces: HashMap<String, Keyspace>,
    /// Set by the first failure: what is on disk is not known any more, so nothing is taken on.
    failed: Option<Failure>,
    /// Last, so that the directory is free only once the engine is closed.
    _lock: Arc<File>,
}

/// A batch in the making, and the answers that wait for it.
struct Batch {
    engine: OwnedWriteBatch,
    rows: Pending,
    /// Where each partition will end, for those that grow.
    ends: HashMap<(Topic, Partition), u64>,
    commits: Vec<(GroupKey, Vec<(Partition, Offset)>)>,
    answers: Vec<Answer>,
}

enum Answer {
    Append(oneshot::Sender<Vec<Result<Position, LogError>>>, Vec<Position>),
    Log(oneshot::Sender<Result<(), LogError>>),
    Store(oneshot::Sender<Result<(), StoreError>>),
}

impl Answer {
    // Whoever asked may have gone; the write stands all the same.
    fn send(self, result: Result<(), Failure>) {
        match (self, result) {
            (Self::Append(done, positions), Ok(())) => {
                let _ = done.send(positions.into_iter().map(Ok).collect());
            }
            (Self::Append(done, positions), Err(failure)) => {
                let errors = positions.iter().map(|_| Err(failure.clone().into_log()));
                let _ = done.send(errors.collect());
            }
            (Self::Log(done), result) => {
                let _ = done.send(result.map_err(Failure::into_log));
            }
            (Self::Store(done), result) => {
                let _ = done.send(result.map_err(Failure::into_store));
            }
        }
    }
}

impl Writer {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            db: shared.db.clone(),
            dir: shared.dir.clone(),
            acknowledged: journal::Acknowledged::open(&shared.dir),
            sequence: 0,
            keyspaces: HashMap::new(),
            failed: None,
            _lock: Arc::clone(&shared.lock),
        }
    }

    /// Writes until every handle to the directory is gone.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Work>) {
        match journal::sequence(&self.db) {
            Ok(sequence) => self.sequence = sequence,
            Err(error) => self.failed = Some(Failure::engine(&self.dir, &error)),
        }
        while let Some(first) = inbox.blocking_recv() {
            let (mut items, mut bytes) = first.weight();
            let mut works = vec![first];
            while items < BATCH_ITEMS && bytes < BATCH_BYTES {
                let Ok(work) = inbox.try_recv() else { break };
                let (more_items, more_bytes) = work.weight();
                items += more_items;
                bytes += more_bytes;
                works.push(work);
            }
            metrics::gauge!("storage_queue_depth").set(inbox.len() as f64);
            // The handles live while anybody waits for an answer.
            let Some(shared) = self.shared.upgrade() else { continue };
            self.write(&shared, works);
        }
    }

    fn write(&mut self, shared: &Shared, works: Vec<Work>) {
        let mut batch = Batch {
            engine: self.db.batch().durability(Some(PersistMode::SyncData)),
            rows: Pending::new(),
            ends: HashMap::new(),
            commits: Vec::new(),
            answers: Vec::new(),
        };
        let mut sweeps = Vec::new();
        let begun = Instant::now();
        let mut failure = self.failed.clone();
        let items = works.len();
        let now = (shared.config.clock)();
        for work in works {
            let taken = match work {
                Work::Append { records, done } => {
                    let positions = Self::append(shared, &mut batch, records, now);
                    batch.answers.push(Answer::Append(done, positions));
                    Ok(())
                }
                Work::Commit { key, offsets, done } => {
                    batch.answers.push(Answer::Log(done));
                    let taken = self.commit(&mut batch, key, &offsets);
                    batch.commits.push((key, offsets));
                    taken
                }
                Work::Write { mutations, done } => {
                    batch.answers.push(Answer::Store(done));
                    mutations.iter().try_for_each(|mutation| self.upsert(&mut batch, mutation))
                }
                Work::Delete { deletions, done } => {
                    batch.answers.push(Answer::Store(done));
                    deletions.iter().try_for_each(|deletion| self.delete(&mut batch, deletion))
                }
                Work::Sweep { done } => {
                    sweeps.push(done);
                    Ok(())
                }
            };
            failure = failure.or(taken.err());
        }
        let Batch { engine, rows, ends, commits, mut answers } = batch;
        let result = match failure {
            Some(failure) => Err(failure),
            None if answers.is_empty() => Ok(()),
            None => {
                if mutant!("acknowledge before fsync") {
                    // A killed process does not lose what the kernel has. So this is a moment before
                    // the kernel has it.
                    answers.drain(..).for_each(|answer| answer.send(Ok(())));
                    std::thread::sleep(std::time::Duration::from_millis(30));
                }
                self.put_on_disk(engine, rows)
            }
        };
        match &result {
            Ok(()) => {
                shared.publish(&ends);
                for (key, offsets) in commits {
                    shared.groups.committed(key, &offsets);
                }
                metrics::histogram!("storage_commit_duration_seconds")
                    .record(begun.elapsed().as_secs_f64());
                metrics::histogram!("storage_commit_calls").record(items as f64);
            }
            Err(failure) => {
                if self.failed.is_none() {
                    tracing::error!(failure = ?failure, "writing failed; nothing is taken on any more");
                }
                self.failed = Some(failure.clone());
                shared.failed.send_replace(true);
            }
        }
        for answer in answers {
            answer.send(result.clone());
        }
        for done in sweeps {
            let swept = result.clone().and_then(|()| self.sweep(shared));
            // Nobody waits for the sweep that runs by itself.
            let _ = done.send(swept);
        }
    }

    /// Rows and sequence number join the batch; one fsync; then the number is noted as acknowledged.
    fn put_on_disk(&mut self, mut engine: OwnedWriteBatch, rows: Pending) -> Result<(), Failure> {
        for ((name, key), stored) in rows {
            let keyspace = self.keyspace(&name)?;
            match stored {
                Some(stored) => engine.insert(&keyspace, key, stored.encode()),
                None => engine.remove(&keyspace, key),
            }
        }
        let sequence = self.sequence + 1;
        let meta = self.keyspace(journal::META)?;
        engine.insert(&meta, journal::SEQUENCE, sequence.to_be_bytes());
        engine.commit().map_err(|error| Failure::engine(&self.dir, &error))?;
        kill_point!("K31 on disk, not noted");
        self.sequence = sequence;
        let io = |error: &std::io::Error| {
            Failure::engine(
                &self.dir,
                &fjall::Error::Io(std::io::Error::new(error.kind(), error.to_string())),
            )
        };
        let acknowledged = self.acknowledged.as_ref().map_err(io)?;
        acknowledged.write(sequence).map_err(|error| io(&error))
    }

    fn keyspace(&mut self, name: &str) -> Result<Keyspace, Failure> {
        if let Some(keyspace) = self.keyspaces.get(name) {
            return Ok(keyspace.clone());
        }
        let keyspace =
            keyspace_in(&self.db, name).map_err(|error| Failure::engine(&self.dir, &error))?;
        self.keyspaces.insert(name.to_owned(), keyspace.clone());
        Ok(keyspace)
    }

    /// Gives records their offsets.
    fn append(
        shared: &Shared,
        batch: &mut Batch,
        records: Vec<Append>,
        now: EventTime,
    ) -> Vec<Position> {
        let mut positions = Vec::with_capacity(records.len());
        for record in records {
            let partition = record.topic.partition_of(&record.key);
            let end = batch
                .ends
                .entry((record.topic, partition))
                .or_insert_with(|| shared.range(record.topic, partition).end);
            let offset = Offset(*end);
            *end += 1;
            let (key, value) = (log::key(partition, offset), log::encode(now, &record));
            batch.engine.insert(shared.records_of(record.topic), key, value);
            positions.push(Position { topic: record.topic, partition, offset });
        }
        positions
    }

    fn commit(
        &mut self,
        batch: &mut Batch,
        key: GroupKey,
        offsets: &[(Partition, Offset)],
    ) -> Result<(), Failure> {
        let meta = self.keyspace(journal::META)?;
        for (partition, offset) in offsets {
            batch.engine.insert(&meta, key.bytes(*partition), offset.0.to_be_bytes());
        }
        Ok(())
    }

    /// The row as it will be before this write: from this batch, or from the engine.
    fn row(&mut self, batch: &Batch, at: &(String, Vec<u8>)) -> Result<Option<StoredRow>, Failure> {
        if let Some(pending) = batch.rows.get(at) {
            return Ok(pending.clone());
        }
        let keyspace = self.keyspace(&at.0)?;
        let stored = keyspace.get(&at.1).map_err(|error| Failure::engine(&self.dir, &error))?;
        stored.map(|bytes| StoredRow::decode(&bytes)).transpose()
    }

    fn upsert(&mut self, batch: &mut Batch, mutation: &Mutation) -> Result<(), Failure> {
        let mut key = Vec::new();
        row::encode_key(&mutation.partition, &mut key);
        row::encode_key(&mutation.clustering, &mut key);
        let at = (row::keyspace_name(mutation.table, mutation.timestamp), key);
        let mut stored = self.row(batch, &at)?.unwrap_or_default();
        stored.merge(mutation);
        batch.rows.insert(at, Some(stored));
        Ok(())
    }

    fn delete(&mut self, batch: &mut Batch, deletion: &Deletion) -> Result<(), Failure> {
        let mut prefix = Vec::new();
        row::encode_key(&deletion.partition, &mut prefix);
        if let Some(clustering) = &deletion.clustering {
            row::encode_key(clustering, &mut prefix);
        }
        for name in keyspaces_of(&self.db, deletion.table) {
            let keyspace = self.keyspace(&name)?;
            let engine = |error: fjall::Error| Failure::engine(&self.dir, &error);
            let mut keys: Vec<Vec<u8>> = Vec::new();
            for entry in keyspace.prefix(&prefix) {
                keys.push(entry.key().map_err(engine)?.to_vec());
            }
            let pending = batch.rows.keys().filter(|(n, k)| *n == name && k.starts_with(&prefix));
            keys.extend(pending.map(|(_, key)| key.clone()));
            for key in keys {
                let at = (name.clone(), key);
                let left = self.row(batch, &at)?.and_then(|row| row.delete(deletion.timestamp));
                batch.rows.insert(at, left);
            }
        }
        Ok(())
    }

    /// Drops days past retention, and records of `scans` and `visitors` past it that the processor
    /// is done with. The last record of a partition stays: it tells where the partition ends.
    fn sweep(&mut self, shared: &Shared) -> Result<(), Failure> {
        let dir = self.dir.clone();
        let engine = |error: fjall::Error| Failure::engine(&dir, &error);
        let oldest_kept = shared.oldest_kept();
        for name in self.db.list_keyspace_names() {
            let over = row::day_of_keyspace(&name)
                .is_some_and(|(day, _)| row::day_is_over(day, oldest_kept));
            if over {
                let keyspace = self.keyspace(&name)?;
                self.keyspaces.remove(&*name);
                self.db.delete_keyspace(keyspace).map_err(engine)?;
                tracing::info!(keyspace = %name, "dropped a day past retention");
            }
        }
        kill_point!("K32 days swept, records not");
        for topic in [Topic::Scans, Topic::Visitors] {
            let keyspace = shared.records_of(topic);
            for partition in topic.all_partitions() {
                let range = shared.range(topic, partition);
                let done = shared.groups.processed(topic, partition);
                let last = range.end.saturating_sub(1).min(done);
                let mut batch = self.db.batch();
                let mut start = range.start;
                let from = log::key(partition, Offset(range.start));
                for entry in keyspace.range(from..log::key(partition, Offset(last))) {
                    let (key, value) = entry.into_inner().map_err(engine)?;
                    if log::appended_at(&value) * 1_000 >= oldest_kept {
                        break;
                    }
                    batch.remove(keyspace, key);
                    start += 1;
                }
                if start > range.start {
                    batch.commit().map_err(engine)?;
                    shared.raise_start(topic, partition, start);
                }
            }
        }
        for topic in Topic::ALL.into_iter().filter(|topic| topic.is_compacted()) {
            for partition in topic.all_partitions() {
                self.compact(shared, topic, partition)?;
            }
        }
        Ok(())
    }

    /// Empties every record that a later one of its key has replaced.
    fn compact(&self, shared: &Shared, topic: Topic, partition: Partition) -> Result<(), Failure> {
        let dir = self.dir.clone();
        let engine = |error: fjall::Error| Failure::engine(&dir, &error);
        let keyspace = shared.records_of(topic);
        // From the last to the first: whatever has a known key has been replaced.
        let mut known = HashSet::new();
        let mut batch = self.db.batch();
        let mut emptied = 0;
        for entry in keyspace.prefix(partition.0.to_be_bytes()).rev() {
            let (at, stored) = entry.into_inner().map_err(engine)?;
            let Some(left) = log::emptied(&stored) else { continue };
            if known.insert(left[12..].to_vec()) {
                continue;
            }
            batch.insert(keyspace, at, left);
            emptied += 1;
        }
        if emptied > 0 {
            batch.commit().map_err(engine)?;
            tracing::debug!(topic = topic.name(), emptied, "replaced records are emptied");
        }
        Ok(())
    }
}

/// Every keyspace that holds rows of a table, oldest day first.
pub(super) fn keyspaces_of(db: &Database, table: &Table) -> Vec<String> {
    match table.life {
        Life::Kept => vec![row::keyspace_name(table, 0)],
        Life::Retained => {
            let mut days: Vec<i64> = db
                .list_keyspace_names()
                .iter()
                .filter_map(|name| row::day_of_keyspace(name))
                .filter(|(_, name)| *name == table.name)
                .map(|(day, _)| day)
                .collect();
            days.sort_unstable();
            days.into_iter().map(|day| row::day_keyspace(table, day)).collect()
        }
    }
}
