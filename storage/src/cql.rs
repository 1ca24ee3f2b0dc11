//! The store on ScyllaDB or Apache Cassandra.
//!
//! | module | what it does |
//! |---|---|
//! | `session` | connects: TLS, password, which nodes; why a store can't be used |
//! | `statements` | every statement, made from the [`Table`](crate::table::Table)s and prepared once |
//! | `values` | our values as CQL's, without a copy in between |
//! | [`migrate`](mod@migrate) | the schema, as numbered files |
//!
//! Every statement is idempotent and says so; writes and reads are at LOCAL_QUORUM; nothing here is
//! a lightweight transaction. Columns merge by write timestamp as the contract wants, which is what
//! CQL does: the higher one wins, on a tie the greater value.
//!
//! A session that lost its last node finds it again by being replaced: the driver's own pauses
//! between attempts grow to ten seconds.

pub mod migrate;
mod session;
mod statements;
mod values;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::{
    errors::{DbError, ExecutionError, RequestAttemptError},
    response::{PagingState, PagingStateResponse},
    statement::{
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::Row,
};

pub use self::{
    migrate::migrate,
    session::{CqlConfig, CqlError, Login, Tls},
};
use self::{statements::Prepared, values::Cell};
use crate::{
    embedded::row,
    error::{Kind, StoreError},
    store::{Cells, Cursor, Deletion, Mutation, Page, Query, Store},
    table::{Life, Value},
};

/// Rows of one batch, at most.
const BATCH_ROWS: usize = 100;
/// Bytes of one batch, at most: Cassandra refuses 50 KiB by default.
const BATCH_BYTES: usize = 40 << 10;
/// Batches and statements of one call that are under way at the same time.
const CONCURRENT: usize = 32;
/// How often a session that has lost its nodes is tried to be replaced.
const RECONNECT_EVERY: Duration = Duration::from_millis(250);

/// A store on a CQL cluster.
#[derive(Clone)]
pub struct CqlStore {
    shared: Arc<Shared>,
}

struct Shared {
    config: CqlConfig,
    prepared: ArcSwap<Prepared>,
    reconnecting: AtomicBool,
}

impl CqlStore {
    /// Connects; waits for the cluster for at most `wait`, and checks the schema.
    pub async fn connect(config: CqlConfig, wait: Duration) -> Result<Self, CqlError> {
        let session = session::connect(&config, wait).await?;
        migrate::check(&session, &config).await?;
        let prepared = Prepared::new(session, &config).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                prepared: ArcSwap::from_pointee(prepared),
                reconnecting: AtomicBool::new(false),
            }),
        })
    }

    fn oldest_kept(&self) -> i64 {
        let config = &self.shared.config;
        (config.clock)().micros() - config.retention_micros()
    }

    /// Sorts an error, and begins to look for the nodes where none is left.
    fn failed(&self, error: ExecutionError) -> StoreError {
        if is_disconnected(&error) {
            self.reconnect();
        }
        let kind = kind(&error);
        StoreError::with_source(kind, "the CQL store failed", error)
    }

    fn reconnect(&self) {
        if self.shared.reconnecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let weak = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            loop {
                let Some(shared) = weak.upgrade() else { return };
                let fresh = async {
                    let session = session::connect(&shared.config, Duration::ZERO).await?;
                    Prepared::new(session, &shared.config).await
                };
                match fresh.await {
                    Ok(prepared) => {
                        shared.prepared.store(Arc::new(prepared));
                        shared.reconnecting.store(false, Ordering::Release);
                        tracing::info!("the CQL store is reached again");
                        return;
                    }
                    Err(error) => tracing::debug!(%error, "the CQL store is not reached yet"),
                }
                drop(shared);
                tokio::time::sleep(RECONNECT_EVERY).await;
            }
        });
    }

    /// Mutations of one partition: one statement, or batches.
    async fn write_partition(
        &self,
        prepared: &Prepared,
        mutations: &[&Mutation],
    ) -> Result<(), StoreError> {
        let now = (self.shared.config.clock)().micros();
        let retention = self.shared.config.retention_micros();
        let mut batches: Vec<Vec<(PreparedStatement, Vec<Cell<'_>>)>> = vec![Vec::new()];
        let (mut rows, mut bytes) = (0, 0);
        for mutation in mutations {
            let size = size(mutation);
            if rows > 0 && (rows == BATCH_ROWS || bytes + size > BATCH_BYTES) {
                batches.push(Vec::new());
                (rows, bytes) = (0, 0);
            }
            rows += 1;
            bytes += size;
            let ttl = ttl_seconds(mutation, now, retention);
            if let Some(batch) = batches.last_mut() {
                batch.extend(prepared.write(mutation, ttl));
            }
        }
        for statements in batches {
            self.execute(prepared, statements).await?;
        }
        Ok(())
    }

    async fn execute(
        &self,
        prepared: &Prepared,
        mut statements: Vec<(PreparedStatement, Vec<Cell<'_>>)>,
    ) -> Result<(), StoreError> {
        if statements.len() == 1
            && let Some((statement, values)) = statements.pop()
        {
            let done = prepared.session.execute_unpaged(&statement, values).await;
            return done.map(|_| ()).map_err(|error| self.failed(error));
        }
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::with_capacity(statements.len());
        for (statement, bound) in statements {
            batch.append_statement(statement);
            values.push(bound);
        }
        let done = prepared.session.batch(&batch, values).await;
        done.map(|_| ()).map_err(|error| self.failed(error))
    }
}

/// The bytes of a mutation, roughly.
fn size(mutation: &Mutation) -> usize {
    let of = |value: &Value| match value {
        Value::Int(_) => 12,
        Value::Text(text) => text.len() + 4,
        Value::Blob(bytes) => bytes.len() + 4,
        Value::Set(set) => set.iter().map(|item| item.len() + 4).sum::<usize>() + 8,
    };
    let keys = mutation.partition.iter().chain(&mutation.clustering);
    keys.chain(mutation.columns.iter().flatten()).map(of).sum::<usize>() + 40
}

/// Seconds that a row still has, at least one: 0 would mean for ever.
fn ttl_seconds(mutation: &Mutation, now: i64, retention: i64) -> i32 {
    let left = mutation.timestamp.saturating_add(retention).saturating_sub(now);
    i32::try_from((left + 999_999) / 1_000_000).unwrap_or(i32::MAX).max(1)
}

fn is_disconnected(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::ConnectionPoolError(_)
            | ExecutionError::EmptyPlan
            | ExecutionError::RequestTimeout(_)
            | ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_))
    )
}

fn kind(error: &ExecutionError) -> Kind {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(db, text)) = error else {
        return match error {
            ExecutionError::BadQuery(_) => Kind::Invalid,
            _ => Kind::Transient,
        };
    };
    match db {
        DbError::Overloaded | DbError::RateLimitReached { .. } => Kind::Saturated,
        // Shapes are checked before; what is left is a row that no server takes, or tables that are
        // not ours.
        DbError::Invalid if text.contains("too large") || text.contains("longer than") => {
            Kind::Invalid
        }
        DbError::Invalid
        | DbError::SyntaxError
        | DbError::ConfigError
        | DbError::Unauthorized
        | DbError::ProtocolError => Kind::Fatal,
        _ => Kind::Transient,
    }
}

impl Store for CqlStore {
    async fn write(&self, mutations: Vec<Mutation>) -> Result<(), StoreError> {
        let oldest_kept = self.oldest_kept();
        for mutation in &mutations {
            row::check(mutation, oldest_kept).map_err(crate::embedded::into_store)?;
        }
        let prepared = self.shared.prepared.load_full();
        let mut partitions: BTreeMap<(&str, &[Value]), Vec<&Mutation>> = BTreeMap::new();
        for mutation in &mutations {
            let partition = (mutation.table.name, mutation.partition.as_slice());
            partitions.entry(partition).or_default().push(mutation);
        }
        let writes: Vec<_> = partitions
            .into_values()
            .map(|mutations| {
                let prepared = &prepared;
                async move { self.write_partition(prepared, &mutations).await }
            })
            .collect();
        stream::iter(writes).buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        let table = query.table;
        let invalid = || {
            let text = format!("a query of table `{}` does not fit it", table.name);
            StoreError::new(Kind::Invalid, text)
        };
        let fits = row::check_values(table.partition, &query.partition)
            && query.limit > 0
            && [&query.from, &query.to].into_iter().flatten().all(|value| {
                table.clustering.first().is_some_and(|column| value.column_type() == column.1)
            });
        if !fits {
            return Err(invalid());
        }
        let prepared = self.shared.prepared.load_full();
        let mut select = prepared.select(&query).ok_or_else(invalid)?.clone();
        select.set_page_size(i32::try_from(query.limit).unwrap_or(i32::MAX));
        let keys = query.partition.iter().chain(&query.from).chain(&query.to);
        let values: Vec<Cell<'_>> = keys.map(Cell::Value).collect();
        let mut state = match &query.cursor {
            Some(Cursor(bytes)) => PagingState::new_from_raw_bytes(bytes.as_ref()),
            None => PagingState::start(),
        };
        loop {
            let page = prepared.session.execute_single_page(&select, &values, state).await;
            let (result, more) = page.map_err(|error| self.failed(error))?;
            let broken = |error: &dyn std::fmt::Display| {
                let text = format!("rows of table `{}` can't be read: {error}", table.name);
                StoreError::new(Kind::Fatal, text)
            };
            let result = result.into_rows_result().map_err(|error| broken(&error))?;
            let mut rows = Vec::with_capacity(result.rows_num());
            for found in result.rows::<Row>().map_err(|error| broken(&error))? {
                let found = found.map_err(|error| broken(&error))?;
                rows.push(cells(&query, found).ok_or_else(|| broken(&"a column is missing"))?);
            }
            match more {
                PagingStateResponse::HasMorePages { state: next } => {
                    // A page may be empty although more follow.
                    if rows.is_empty() {
                        state = next;
                        continue;
                    }
                    let next = next.as_bytes_slice().map(|raw| Cursor(Bytes::copy_from_slice(raw)));
                    return Ok(Page { rows, next });
                }
                PagingStateResponse::NoMorePages => return Ok(Page { rows, next: None }),
            }
        }
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        let prepared = self.shared.prepared.load_full();
        let mut statements = Vec::with_capacity(deletions.len());
        for deletion in &deletions {
            let table = deletion.table;
            let row_fits = deletion
                .clustering
                .as_ref()
                .is_none_or(|values| row::check_values(table.clustering, values));
            if !row::check_values(table.partition, &deletion.partition) || !row_fits {
                let text = format!("a deletion of table `{}` does not fit it", table.name);
                return Err(StoreError::new(Kind::Invalid, text));
            }
            statements.push(prepared.delete(deletion));
        }
        let done: Vec<_> = statements
            .into_iter()
            .map(|statement| self.execute(&prepared, vec![statement]))
            .collect();
        stream::iter(done).buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await?;
        Ok(())
    }
}

/// A row of the driver in our own values. A set that was never written and an empty one are the
/// same to CQL.
fn cells(query: &Query, found: Row) -> Option<Cells> {
    let table = query.table;
    let mut found = found.columns.into_iter();
    let mut clustering = Vec::with_capacity(table.clustering.len());
    for (_, kind) in table.clustering {
        clustering.push(values::from_cql(*kind, found.next()??)?);
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for (_, kind) in table.columns {
        columns.push(match found.next()? {
            Some(value) => Some(values::from_cql(*kind, value)?),
            None => None,
        });
    }
    Some(Cells { clustering, columns })
}

/// Whether a table's rows have a lifetime.
fn is_retained(life: Life) -> bool {
    life == Life::Retained
}
