//! Writes and deletions, in batches of one partition.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use schemas::time::{DAY_MS, EventTime};
use scylla::{
    errors::ExecutionError,
    statement::{
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};

use super::{Shared, error, session::Connected, statements::TableStatements, value::Bound};
use crate::{
    embedded::row::{check, check_values},
    error::{Kind, StoreError},
    store::{Deletion, Mutation},
    table::{ColumnType, Life, Table, Value},
};

/// The most rows of a batch, which become visible together.
pub(super) const BATCH_ROWS: usize = 100;
/// The most bytes of a batch. The servers' own limits on batches (a warning at 5 KiB and an error at
/// 50 KiB in Cassandra, 128 KiB and 1 MiB in ScyllaDB) are about batches of several partitions: one
/// partition's is a single write to them, and may be half a segment of the commit log (16 MiB).
/// 128 KiB is what ScyllaDB allocates in one piece without complaint.
const BATCH_BYTES: usize = 128 << 10;
/// How many batches of one call are under way at a time. Of large ones, 16 are where a node stopped
/// gaining (44,000 rows/s in batches of 50); most are of a single row.
const BATCHES: usize = 128;
/// The longest key part that the servers take.
const KEY_BYTES: usize = u16::MAX as usize;
/// The largest row: well below half a segment of the commit log.
const ROW_BYTES: usize = 4 << 20;
/// The longest time to live that the servers take: 20 years, in seconds.
const LONGEST_TTL: i64 = 20 * 365 * 24 * 3600;

impl Shared {
    pub(super) async fn write(&self, mutations: &[Mutation]) -> Result<(), StoreError> {
        let now = (self.clock)();
        let oldest_kept = now.plus(-self.retention_ms()).micros();
        for mutation in mutations {
            check(mutation, oldest_kept).map_err(crate::embedded::into_store)?;
            check_sizes(mutation.table, &mutation.partition, &mutation.clustering)?;
            if size(mutation) > ROW_BYTES {
                return Err(too_large(mutation.table));
            }
        }
        // Rows of one partition next to each other. Partitions of one hash would be written in more
        // batches than they need.
        let mut rows: Vec<&Mutation> = mutations.iter().collect();
        rows.sort_by_cached_key(|row| {
            let mut hasher = DefaultHasher::new();
            (row.table.name, &row.partition).hash(&mut hasher);
            hasher.finish()
        });
        let batches = rows
            .chunk_by(|one, two| one.table == two.table && one.partition == two.partition)
            .flat_map(split)
            .map(|rows| Work::Write(rows, now));
        run_all(batches.collect(), |work| self.execute(work)).await
    }

    /// What a row becomes: an insert, which makes it exist, and an addition for each set.
    fn bind_row<'a>(
        &self,
        statements: &'a TableStatements,
        row: &'a Mutation,
        now: EventTime,
        into: &mut Vec<Pending<'a>>,
    ) {
        let timestamp = Bound::Timestamp(row.timestamp);
        let ttl = self.ttl(row, now).map(Bound::Ttl);
        let keys = || row.partition.iter().chain(&row.clustering).map(Bound::Value);
        let columns = || row.table.columns.iter().zip(&row.columns);
        let plain = columns()
            .filter(|((_, column), _)| *column != ColumnType::Set)
            .map(|(_, value)| value.as_ref().map_or(Bound::Unset, Bound::Value));
        let values = keys().chain(plain).chain([timestamp]).chain(ttl).collect();
        into.push((&statements.insert, values));
        for (addition, value) in statements.add_to_set.iter().zip(&row.columns) {
            if let (Some(addition), Some(items)) = (addition, value) {
                let values = [timestamp].into_iter().chain(ttl).chain([Bound::Value(items)]);
                into.push((addition, values.chain(keys()).collect()));
            }
        }
    }

    /// The seconds that a retained row has left. It was checked that there are some; 0 would mean
    /// for ever.
    fn ttl(&self, row: &Mutation, now: EventTime) -> Option<i32> {
        match row.table.life {
            Life::Kept => None,
            Life::Retained => {
                let due = row.timestamp.saturating_add(self.retention_ms() * 1_000);
                let left = due.saturating_sub(now.micros()) / 1_000_000;
                Some(i32::try_from(left.clamp(1, LONGEST_TTL)).unwrap_or(i32::MAX))
            }
        }
    }

    pub(super) async fn delete(&self, mut deletions: Vec<Deletion>) -> Result<(), StoreError> {
        for deletion in &deletions {
            let table = deletion.table;
            let clustering = deletion.clustering.as_deref();
            let fits = check_values(table.partition, &deletion.partition)
                && clustering.is_none_or(|values| check_values(table.clustering, values));
            if !fits {
                let message =
                    format!("a deletion in table `{}` does not have its keys", table.name);
                return Err(StoreError::new(Kind::Invalid, message));
            }
            check_sizes(table, &deletion.partition, clustering.unwrap_or_default())?;
        }
        deletions.sort_by(|one, two| {
            (one.table.name, &one.partition).cmp(&(two.table.name, &two.partition))
        });
        let batches = deletions
            .chunk_by(|one, two| one.table == two.table && one.partition == two.partition)
            .flat_map(|partition| partition.chunks(BATCH_ROWS))
            .map(Work::Delete);
        run_all(batches.collect(), |work| self.execute(work)).await
    }

    /// Runs statements of one partition: one as it is, more of them as a batch.
    async fn execute(&self, work: Work<'_>) -> Result<(), StoreError> {
        let table = work.table();
        let _permit = self.admission.admit().await?;
        let run = |connected: Arc<Connected>| async move {
            let Some(statements) = connected.statements.of(table) else { return Ok(false) };
            run_batch(&connected, &self.bind(statements, work)).await.map(|()| true)
        };
        match self.sessions.run(run).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unknown(table)),
            Err(error) => Err(error::into_store(work.name(), table.name, error)),
        }
    }

    fn bind<'a>(&self, statements: &'a TableStatements, work: Work<'a>) -> Vec<Pending<'a>> {
        match work {
            Work::Delete(rows) => rows.iter().map(|row| bind_deletion(statements, row)).collect(),
            Work::Write(rows, now) => {
                let mut pending = Vec::with_capacity(rows.len());
                for row in rows {
                    self.bind_row(statements, row, now, &mut pending);
                }
                pending
            }
        }
    }
}

/// Rows of one partition, at least one.
#[derive(Clone, Copy)]
enum Work<'a> {
    Write(&'a [&'a Mutation], EventTime),
    Delete(&'a [Deletion]),
}

impl Work<'_> {
    fn table(&self) -> &'static Table {
        match self {
            Work::Write(rows, _) => rows[0].table,
            Work::Delete(rows) => rows[0].table,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Work::Write(..) => "a write to",
            Work::Delete(_) => "a deletion in",
        }
    }
}

/// Runs work. What fails for the moment is run again alone as long as other work succeeds: where one
/// request in twenty fails, a thousand never succeed all at once.
async fn run_all<W, F>(mut work: Vec<W>, run: impl Fn(W) -> F) -> Result<(), StoreError>
where
    W: Copy,
    F: Future<Output = Result<(), StoreError>>,
{
    loop {
        let before = work.len();
        let (left, error) = run_some(work, &run).await;
        work = left;
        match error {
            None => return Ok(()),
            Some(error) => match error.kind() {
                Kind::Transient | Kind::Saturated if work.len() < before => {}
                _ => return Err(error),
            },
        }
    }
}

/// Runs work until some of it fails; what is not known to be done, and the first error.
async fn run_some<W, F>(work: Vec<W>, run: impl Fn(W) -> F) -> (Vec<W>, Option<StoreError>)
where
    W: Copy,
    F: Future<Output = Result<(), StoreError>>,
{
    let start = |work| run(work).map(move |result| (work, result));
    let mut waiting = work.into_iter();
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(BATCHES).map(start).collect();
    let (mut left, mut first) = (Vec::new(), None);
    while let Some((work, result)) = running.next().await {
        match result {
            Ok(()) if first.is_none() => running.extend(waiting.next().map(start)),
            Ok(()) => {}
            Err(error) => {
                left.push(work);
                first.get_or_insert(error);
            }
        }
    }
    left.extend(waiting);
    (left, first)
}

/// A statement and its values.
type Pending<'a> = (&'a PreparedStatement, Vec<Bound<'a>>);

/// The driver's futures are 4 KB: in a box, they are not moved from one of ours into the next.
async fn run_batch(connected: &Connected, pending: &[Pending<'_>]) -> Result<(), ExecutionError> {
    if let [(statement, values)] = pending {
        let executed = Box::pin(connected.session.execute_unpaged(statement, values)).await;
        return executed.map(drop);
    }
    // Unlogged: a batch of one partition is one write anyway.
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    for (statement, _) in pending {
        batch.append_statement((*statement).clone());
    }
    let values: Vec<&[Bound<'_>]> = pending.iter().map(|(_, values)| values.as_slice()).collect();
    Box::pin(connected.session.batch(&batch, values)).await.map(drop)
}

fn bind_deletion<'a>(statements: &'a TableStatements, row: &'a Deletion) -> Pending<'a> {
    let statement = match &row.clustering {
        Some(_) => &statements.delete_row,
        None => &statements.delete_partition,
    };
    let keys = row.partition.iter().chain(row.clustering.iter().flatten());
    (
        statement,
        [Bound::Timestamp(row.timestamp)].into_iter().chain(keys.map(Bound::Value)).collect(),
    )
}

/// Cuts the rows of a partition into batches.
fn split<'a, 'm>(rows: &'a [&'m Mutation]) -> impl Iterator<Item = &'a [&'m Mutation]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH_ROWS).take_while(|row| {
            bytes += size(row);
            bytes <= BATCH_BYTES
        });
        let (batch, after) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// How much of a batch a row takes.
fn size(row: &Mutation) -> usize {
    let keys = row.partition.iter().chain(&row.clustering);
    keys.chain(row.columns.iter().flatten()).map(|value| value.wire_size() + 4).sum()
}

fn check_sizes(
    table: &'static Table,
    partition: &[Value],
    clustering: &[Value],
) -> Result<(), StoreError> {
    // A partition key of several columns has three bytes of frame for each.
    let whole: usize = partition.iter().map(|value| value.wire_size() + 3).sum();
    let longest = clustering.iter().map(Value::wire_size).max().unwrap_or(0);
    if whole.max(longest) > KEY_BYTES { Err(too_large(table)) } else { Ok(()) }
}

fn too_large(table: &Table) -> StoreError {
    let message = format!("a row of table `{}` is too large", table.name);
    StoreError::new(Kind::Invalid, message)
}

pub(super) fn unknown(table: &Table) -> StoreError {
    StoreError::new(Kind::Invalid, format!("there is no table `{}`", table.name))
}

impl Shared {
    fn retention_ms(&self) -> i64 {
        i64::from(self.retention_days) * DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn failed(kind: Kind) -> Result<(), StoreError> {
        Err(StoreError::new(kind, "a failure"))
    }

    #[tokio::test]
    async fn what_fails_now_and_then_is_run_again_alone() {
        let (runs, done) = (Cell::new(0), RefCell::new(Vec::new()));
        let run = async |work: u32| {
            runs.set(runs.get() + 1);
            if runs.get() % 20 == 0 {
                return failed(Kind::Transient);
            }
            done.borrow_mut().push(work);
            Ok(())
        };
        run_all((0..1_000).collect(), run).await.expect("all of it is done in the end");
        let mut done = done.into_inner();
        done.sort_unstable();
        assert_eq!(done, Vec::from_iter(0..1_000), "everything, and nothing twice");
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_told_of() {
        let runs = Cell::new(0);
        let run = async |_: u32| {
            runs.set(runs.get() + 1);
            failed(Kind::Transient)
        };
        let error = run_all((0..1_000).collect(), run).await.expect_err("nothing succeeds");
        assert_eq!((error.kind(), runs.get()), (Kind::Transient, BATCHES));
    }

    #[tokio::test]
    async fn what_can_never_succeed_is_told_of() {
        let run = async |work: u32| if work == 7 { failed(Kind::Fatal) } else { Ok(()) };
        let error = run_all((0..1_000).collect(), run).await.expect_err("one is fatal");
        assert_eq!(error.kind(), Kind::Fatal);
    }
}
