//! The nasty store.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Faults;
use crate::{
    embedded::row::{self, StoredRow},
    error::{Kind, StoreError},
    store::{Cursor, Deletion, Mutation, Order, Page, Query, Store},
    table::{Life, Value},
};

type Rows = BTreeMap<(&'static str, Vec<Value>, Vec<Value>), StoredRow>;

/// A store in memory that misbehaves as its [`Faults`] say.
#[derive(Clone)]
pub struct ModelStore {
    rows: Arc<Mutex<Rows>>,
    oldest_kept: i64,
    faults: Faults,
}

impl ModelStore {
    /// An empty store; retained rows with a write timestamp (µs) below `oldest_kept` are refused.
    pub fn new(faults: Faults, oldest_kept: i64) -> Self {
        Self { rows: Arc::default(), oldest_kept, faults }
    }

    fn fails<T>(&self, done: T, unclear: bool) -> Result<T, StoreError> {
        if unclear {
            return Err(StoreError::new(Kind::Transient, "the answer was lost"));
        }
        Ok(done)
    }
}

impl Store for ModelStore {
    async fn write(&self, mutations: Arc<[Mutation]>) -> Result<(), StoreError> {
        for mutation in mutations.iter() {
            row::check(mutation, self.oldest_kept).map_err(crate::embedded::into_store)?;
        }
        if self.faults.strikes(|shares| shares.write_lost) {
            return Err(StoreError::new(Kind::Transient, "the write was lost"));
        }
        let mut rows = self.rows.lock();
        for mutation in mutations.iter() {
            let (partition, clustering) = (mutation.partition.clone(), mutation.clustering.clone());
            rows.entry((mutation.table.name, partition, clustering)).or_default().merge(mutation);
        }
        drop(rows);
        self.fails((), self.faults.strikes(|shares| shares.write_unclear))
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        if self.faults.strikes(|shares| shares.read_fails) {
            return Err(StoreError::new(Kind::Transient, "the read failed"));
        }
        if !row::check_values(query.table.partition, &query.partition) {
            return Err(StoreError::new(Kind::Invalid, "the query does not fit its table"));
        }
        let rows = self.rows.lock();
        let mut found: Vec<(&Vec<Value>, &StoredRow)> = rows
            .iter()
            .filter(|((table, partition, clustering), row)| {
                let first = clustering.first();
                let kept = query.table.life == Life::Kept || row.written_at() >= self.oldest_kept;
                *table == query.table.name
                    && *partition == query.partition
                    && query.from.as_ref().is_none_or(|from| first >= Some(from))
                    && query.to.as_ref().is_none_or(|to| first <= Some(to))
                    && kept
            })
            .map(|((_, _, clustering), row)| (clustering, row))
            .collect();
        if query.order == Order::Descending {
            found.reverse();
        }
        let from = match &query.cursor {
            Some(Cursor(bytes)) => {
                let last: Vec<Value> = postcard::from_bytes(bytes)
                    .map_err(|_| StoreError::new(Kind::Invalid, "not a cursor of this store"))?;
                found.iter().position(|(clustering, _)| match query.order {
                    Order::Ascending => **clustering > last,
                    Order::Descending => **clustering < last,
                })
            }
            None => Some(0),
        };
        let Some(from) = from else { return Ok(Page { rows: Vec::new(), next: None }) };
        let page: Vec<_> = found[from..].iter().take(query.limit).collect();
        let next = page.last().filter(|_| page.len() == query.limit).map(|(clustering, _)| {
            Cursor(Bytes::from(postcard::to_stdvec(clustering).unwrap_or_default()))
        });
        let rows = page
            .into_iter()
            .map(|(clustering, row)| (*row).clone().into_cells((*clustering).clone()))
            .collect();
        Ok(Page { rows, next })
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        if self.faults.strikes(|shares| shares.write_lost) {
            return Err(StoreError::new(Kind::Transient, "the deletion was lost"));
        }
        let mut rows = self.rows.lock();
        for deletion in &deletions {
            let keys: Vec<_> = rows
                .keys()
                .filter(|(table, partition, clustering)| {
                    *table == deletion.table.name
                        && *partition == deletion.partition
                        && deletion.clustering.as_ref().is_none_or(|c| c == clustering)
                })
                .cloned()
                .collect();
            for key in keys {
                let left = rows.remove(&key).and_then(|row| row.delete(deletion.timestamp));
                if let Some(left) = left {
                    rows.insert(key, left);
                }
            }
        }
        drop(rows);
        self.fails((), self.faults.strikes(|shares| shares.write_unclear))
    }
}
