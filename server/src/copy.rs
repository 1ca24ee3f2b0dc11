//! Moves a data directory to a cluster: log and store, and compares the counts.
//!
//! It can be repeated, and goes on where it was cut off: of each partition the log has a beginning
//! already, and rows are written with their own timestamps. Groups begin anew on the cluster: what
//! they do twice makes the same rows.

use std::{
    collections::{BTreeSet, VecDeque},
    io::Write,
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use schemas::topic::{Offset, Partition, Topic};
use storage::{
    Append, Log, Query, Reader, Record, Store,
    embedded::{DumpPosition, Embedded, EmbeddedConfig, EmbeddedStore, system_clock},
    rows::ALL_TABLES,
    store::Order,
    table::{Table, Value},
};

use crate::{
    backends::{BackendError, Backends},
    config::Config,
};

/// Records appended, and rows read, at a time.
const CHUNK: usize = 1_000;

/// Opens the directory to copy from, which must be there: to open one is to make it otherwise.
pub async fn open(config: &Config, dir: &Path) -> Result<Embedded, BackendError> {
    if !dir.join("format").is_file() {
        return Err(BackendError::NoDirectory { dir: dir.to_owned() });
    }
    let how = EmbeddedConfig { retention_days: config.retention.days, clock: system_clock() };
    Ok(Embedded::open(dir, how).await?)
}

/// Copies what is in a directory to another log and store.
pub async fn copy(
    source: Embedded,
    to: &Backends,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let copied = copy_all(&source, to, out).await;
    source.close().await;
    copied
}

async fn copy_all(
    source: &Embedded,
    to: &Backends,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let (log, store) = (source.log(), source.store());
    // Where the target has something else, it is found out before anything is written.
    let mut begun = Vec::new();
    for topic in Topic::ALL {
        for partition in topic.all_partitions() {
            begun.push(Begun::compare(&log, &to.log, topic, partition).await?);
        }
    }
    for topic in Topic::ALL {
        let mut records = 0;
        for partition in begun.extract_if(.., |begun| begun.topic == topic) {
            records += partition.finish(&to.log).await?;
        }
        writeln!(out, "topic {topic}: {records} records, as many on both sides")?;
    }
    for table in ALL_TABLES {
        let rows = copy_table(&store, &to.store, table).await?;
        writeln!(out, "table {}: {rows} rows, as many on both sides", table.name)?;
    }
    Ok(())
}

/// A partition whose beginning is on both sides.
struct Begun<R> {
    topic: Topic,
    partition: Partition,
    /// What the target does not have yet.
    rest: Through<R>,
    /// How many records it has.
    count: u64,
}

impl<R: Reader> Begun<R> {
    /// What is there must be the beginning of what is to be copied, or all of it and more.
    async fn compare<L: Log<Reader = R>, M: Log>(
        from: &L,
        to: &M,
        topic: Topic,
        partition: Partition,
    ) -> anyhow::Result<Self> {
        let mut rest = Through::open(from, topic, partition).await?;
        let mut there = Through::open(to, topic, partition).await?;
        let mut count = 0;
        while let Some(theirs) = there.next().await? {
            let Some(ours) = rest.next().await? else { break };
            ensure!(
                (&ours.key, &ours.value) == (&theirs.key, &theirs.value),
                "{topic}/{}: the target has other records: copy to topics that nobody has used",
                partition.0
            );
            count += 1;
        }
        Ok(Self { topic, partition, rest, count })
    }

    /// Copies what the target does not have; how many records both have in the end.
    async fn finish<M: Log>(self, to: &M) -> anyhow::Result<u64> {
        let Self { topic, partition, mut rest, mut count } = self;
        let place = format!("{topic}/{}", partition.0);
        let mut chunk = Vec::new();
        loop {
            let record = rest.next().await?;
            let is_last = record.is_none();
            chunk.extend(record.map(|record| Append {
                topic,
                key: record.key,
                value: record.value,
            }));
            if chunk.len() == CHUNK || (is_last && !chunk.is_empty()) {
                count += chunk.len() as u64;
                for result in to.append(std::mem::take(&mut chunk)).await {
                    // A part may be there: the next run finds out.
                    result.with_context(|| format!("{place}: run it again"))?;
                }
            }
            if is_last {
                break;
            }
        }
        let mut there = Through::open(to, topic, partition).await?;
        let mut counted = 0;
        while there.next().await?.is_some() {
            counted += 1;
        }
        ensure!(counted >= count, "{place}: {counted} of {count} records are there: run it again");
        Ok(count)
    }
}

/// The records of a partition, from its beginning to its present end.
struct Through<R> {
    reader: R,
    next: Offset,
    end: Offset,
    read: VecDeque<Record>,
}

impl<R: Reader> Through<R> {
    async fn open<L: Log<Reader = R>>(
        log: &L,
        topic: Topic,
        partition: Partition,
    ) -> anyhow::Result<Self> {
        let bounds = log.bounds(topic).await?;
        let range = bounds.get(partition.index()).cloned().unwrap_or(Offset(0)..Offset(0));
        let reader = log.read(topic, partition, range.start).await?;
        Ok(Self { reader, next: range.start, end: range.end, read: VecDeque::new() })
    }

    async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        if self.next >= self.end {
            return Ok(None);
        }
        if self.read.is_empty() {
            self.read.extend(self.reader.next().await?);
        }
        let record = self.read.pop_front();
        self.next = record.as_ref().map_or(self.end, |record| record.position.offset.next());
        Ok(record)
    }
}

/// Copies a table, then counts its rows in the target.
async fn copy_table<S: Store>(
    from: &EmbeddedStore,
    to: &S,
    table: &'static Table,
) -> anyhow::Result<u64> {
    let mut position = Some(DumpPosition::default());
    let mut rows = 0;
    let mut partitions: BTreeSet<Vec<Value>> = BTreeSet::new();
    while let Some(at) = position {
        let dumped = from.dump(table, at, CHUNK)?;
        rows += dumped.rows.len() as u64;
        let first = dumped.rows.iter().filter_map(|row| row.first());
        partitions.extend(first.map(|mutation| mutation.partition.clone()));
        to.write(dumped.rows.into_iter().flatten().collect()).await?;
        position = dumped.next;
    }
    let mut there = 0;
    for partition in partitions {
        let mut cursor = None;
        loop {
            let query = Query {
                table,
                partition: partition.clone(),
                from: None,
                to: None,
                order: Order::Ascending,
                limit: 5_000,
                cursor,
            };
            let page = to.read(query).await?;
            there += page.rows.len() as u64;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    if there < rows {
        bail!("table {}: {there} of {rows} rows are there: run it again", table.name);
    }
    Ok(rows)
}
