//! The store: pages of rows.

use std::{ops::Bound, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    Failure, Shared, keyspace_in, row,
    row::StoredRow,
    writer::{Work, keyspaces_of},
};
use crate::{
    error::StoreError,
    store::{Cursor, Deletion, Mutation, Order, Page, Query, Store},
    table::{Life, Table, Value},
};

/// The store of a data directory.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

impl EmbeddedStore {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn page(&self, query: &Query) -> Result<Page, Failure> {
        let table = query.table;
        let fits = row::check_values(table.partition, &query.partition)
            && query.limit > 0
            && [&query.from, &query.to].into_iter().flatten().all(|value| {
                table.clustering.first().is_some_and(|column| value.column_type() == column.1)
            });
        if !fits {
            let table = table.name;
            return Err(Failure::Invalid(format!("a query of table `{table}` does not fit it")));
        }
        let mut prefix = Vec::new();
        row::encode_key(&query.partition, &mut prefix);
        let (lower, upper) = bounds(query, &prefix);
        let oldest_kept = self.shared.oldest_kept();
        let engine = |error: fjall::Error| Failure::engine(&self.shared.dir, &error);
        let mut page = Page { rows: Vec::new(), next: None };
        // Whether the page is full with it.
        let take = |page: &mut Page, key: &[u8], stored: &[u8]| -> Result<bool, Failure> {
            let stored = StoredRow::decode(stored)?;
            if table.life == Life::Retained && stored.written_at() < oldest_kept {
                return Ok(false);
            }
            let clustering = row::decode_key(table.clustering, &key[prefix.len()..])?;
            page.rows.push(stored.into_cells(clustering));
            let full = page.rows.len() == query.limit;
            if full {
                page.next = Some(Cursor(Bytes::copy_from_slice(key)));
            }
            Ok(full)
        };
        for name in self.keyspaces(query) {
            if !self.shared.db.keyspace_exists(&name) {
                continue;
            }
            let keyspace = keyspace_in(&self.shared.db, &name).map_err(engine)?;
            if table.clustering.is_empty() {
                // The whole key is known: the engine's filters tell where it is, while a range would
                // look into every level. After its only row a partition has none.
                if query.cursor.is_none()
                    && let Some(stored) = keyspace.get(&prefix).map_err(engine)?
                    && take(&mut page, &prefix, &stored)?
                {
                    return Ok(page);
                }
                continue;
            }
            let mut entries = keyspace.range::<Vec<u8>, _>((lower.clone(), upper.clone()));
            loop {
                let entry = match query.order {
                    Order::Ascending => entries.next(),
                    Order::Descending => entries.next_back(),
                };
                let Some(entry) = entry else { break };
                let (key, stored) = entry.into_inner().map_err(engine)?;
                if take(&mut page, &key, &stored)? {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// Where rows of the query may lie, in the order of the query. Days follow one another as the
    /// rows in them do: the first clustering column of a retained table is its event time.
    fn keyspaces(&self, query: &Query) -> Vec<String> {
        if let Some(day) = single_day(query.table, &query.partition) {
            return vec![row::day_keyspace(query.table, day)];
        }
        let mut names = keyspaces_of(&self.shared.db, query.table);
        if query.order == Order::Descending {
            names.reverse();
        }
        names
    }
}

/// A partition of one hour lies within one day.
fn single_day(table: &Table, partition: &[Value]) -> Option<i64> {
    let hour = table.partition.iter().position(|column| column.0 == "hour")?;
    match (table.life, partition.get(hour)?) {
        (Life::Retained, Value::Int(hour)) => Some(hour.div_euclid(24)),
        _ => None,
    }
}

/// The keys that a query asks for.
fn bounds(query: &Query, prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let with = |value: &Value| {
        let mut key = prefix.to_vec();
        row::encode_key(std::slice::from_ref(value), &mut key);
        key
    };
    let end = |key| row::after_prefix(key).map_or(Bound::Unbounded, Bound::Excluded);
    let mut lower = Bound::Included(query.from.as_ref().map_or(prefix.to_vec(), with));
    let mut upper = end(query.to.as_ref().map_or(prefix.to_vec(), with));
    if let Some(Cursor(last)) = &query.cursor {
        let last = Bound::Excluded(last.to_vec());
        match query.order {
            Order::Ascending => lower = last,
            Order::Descending => upper = last,
        }
    }
    // An empty range: the engine's iterators do not take one that is upside down.
    if let (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) = (&lower, &upper)
        && from >= to
    {
        return (Bound::Included(to.clone()), Bound::Excluded(to.clone()));
    }
    (lower, upper)
}

impl Store for EmbeddedStore {
    async fn write(&self, mutations: Arc<[Mutation]>) -> Result<(), StoreError> {
        if mutations.is_empty() {
            return Ok(());
        }
        let oldest_kept = self.shared.oldest_kept();
        for mutation in mutations.iter() {
            row::check(mutation, oldest_kept).map_err(Failure::into_store)?;
        }
        let (done, answer) = oneshot::channel();
        self.shared.send(Work::Write { mutations, done }).map_err(Failure::into_store)?;
        answer.await.unwrap_or_else(|_| Err(Failure::Closed.into_store()))
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        self.page(&query).map_err(Failure::into_store)
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        if deletions.is_empty() {
            return Ok(());
        }
        let fits = |deletion: &Deletion| {
            row::check_values(deletion.table.partition, &deletion.partition)
                && deletion.clustering.as_ref().is_none_or(|clustering| {
                    row::check_values(deletion.table.clustering, clustering)
                })
        };
        if let Some(wrong) = deletions.iter().find(|deletion| !fits(deletion)) {
            let table = wrong.table.name;
            let failure =
                Failure::Invalid(format!("a deletion from table `{table}` does not fit it"));
            return Err(failure.into_store());
        }
        let (done, answer) = oneshot::channel();
        self.shared.send(Work::Delete { deletions, done }).map_err(Failure::into_store)?;
        answer.await.unwrap_or_else(|_| Err(Failure::Closed.into_store()))
    }
}
