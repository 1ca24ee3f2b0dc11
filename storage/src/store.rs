//! The contract of a store: tables of rows, partitioned and clustered.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    table::{Table, Value},
};

/// A row to write, or some of its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// The table.
    pub table: &'static Table,
    /// One value for each partition column.
    pub partition: Vec<Value>,
    /// One value for each clustering column.
    pub clustering: Vec<Value>,
    /// One entry for each other column; `None` leaves what is stored.
    pub columns: Vec<Option<Value>>,
    /// Write timestamp in µs since the Unix epoch. For what visitors do: the event's time × 1000.
    pub timestamp: i64,
}

/// Rows to delete.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// The table.
    pub table: &'static Table,
    /// One value for each partition column.
    pub partition: Vec<Value>,
    /// The row's clustering values; `None` deletes the whole partition.
    pub clustering: Option<Vec<Value>>,
    /// Rows and columns written with a later timestamp stay (µs).
    pub timestamp: i64,
}

/// Which rows of one partition to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The table.
    pub table: &'static Table,
    /// One value for each partition column.
    pub partition: Vec<Value>,
    /// Only rows whose first clustering column is at least this.
    pub from: Option<Value>,
    /// Only rows whose first clustering column is at most this.
    pub to: Option<Value>,
    /// In which order of the clustering columns.
    pub order: Order,
    /// At most so many rows a page, at least 1.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// The order of rows in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Lowest clustering values first.
    Ascending,
    /// Highest clustering values first.
    Descending,
}

/// Where a page ended; opaque, good for the same query on the same backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub Bytes);

/// A row as a backend gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// One value for each clustering column.
    pub clustering: Vec<Value>,
    /// One entry for each other column; `None` where nothing was ever written.
    pub columns: Vec<Option<Value>>,
}

/// Some rows of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The rows, in the order asked for.
    pub rows: Vec<Cells>,
    /// Present where more rows may follow.
    pub next: Option<Cursor>,
}

/// Tables of rows.
///
/// What every backend promises, and [`crate::conformance`] checks:
///
/// 1. **Durable before `Ok`**, like the log. An error means *unknown*: repeat the write.
/// 2. **Idempotent by key and timestamp.** Columns merge one by one: the higher timestamp wins;
///    on a tie the greater value wins ([`Value`]'s order). A [`Value::Set`] is the union of all
///    that was written. So any order and any repetition of the same mutations gives the same row.
///    A mutation with no columns to set still makes the row exist.
/// 3. **One partition at a time.** Mutations of one call that share table and partition become
///    visible together, as far as one batch of the backend goes (100 rows). Nothing is promised
///    between partitions.
/// 4. **A read sees every write that was acknowledged before it began.**
/// 5. **The cost of a read follows from the rows it returns**, not from the size of the table.
/// 6. **Retention.** Rows of tables with [`Life::Retained`](crate::table::Life::Retained) are no
///    longer returned once `timestamp + retention` is past, and their bytes go soon after.
///    A mutation that is past it already is refused ([`crate::Kind::Invalid`]).
/// 7. **A deletion** removes what was written with a timestamp up to its own. It may be forgotten
///    later: a write that is repeated after it may bring the row back. Callers never rely on a
///    deletion for what a person asked for; that is kept in the person's row.
///
/// Typed rows are in [`crate::rows`]; backends know only [`Table`] and [`Value`].
pub trait Store: Clone + Send + Sync + 'static {
    /// Writes rows; durable when `Ok`. They are shared, so that a caller can try again without a
    /// copy.
    fn write(
        &self,
        mutations: Arc<[Mutation]>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads a page of one partition.
    fn read(&self, query: Query) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Deletes rows; durable when `Ok`.
    fn delete(
        &self,
        deletions: Vec<Deletion>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
