//! Typed rows: what each table holds, the same on every backend.
//!
//! To add a table: describe it in a file here as a `static` [`Table`], implement [`Row`], and name
//! it in [`ALL_TABLES`].

pub mod access;
pub mod ledger;
pub mod operators;
pub mod people;
pub mod places;
pub mod visits;

use std::future::Future;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    error::{Kind, StoreError},
    store::{Cells, Cursor, Mutation, Order, Query, Store},
    table::{Table, Value},
};

/// Every table there is.
pub static ALL_TABLES: &[&Table] = &[
    &visits::SCANS,
    &visits::VISITS_BY_VISITOR,
    &people::VISITORS,
    &people::NOTICES,
    &places::FACILITIES,
    &places::VENUES,
    &ledger::CHUNKS,
    &ledger::ATTEMPTS,
    &ledger::OUTCOMES,
    &access::API_TOKENS,
    &operators::OPERATOR_TOKENS,
    &operators::REGISTRATION_DRAFTS,
    &operators::OPERATORS,
    &operators::OUTBOX,
];

/// A row of a table, in our own words.
pub trait Row: Sized + Send + 'static {
    /// The table.
    const TABLE: &'static Table;
    /// What names a partition.
    type Partition: Send + Sync;

    /// The values of the partition columns.
    fn partition(partition: &Self::Partition) -> Vec<Value>;

    /// The write that makes the row.
    fn to_mutation(&self) -> Mutation;

    /// Reads the row back. An error means that the store holds what no version of us wrote.
    fn from_cells(partition: &Self::Partition, cells: Cells) -> Result<Self, StoreError>;
}

/// Some typed rows of a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<R> {
    /// The rows, in the order asked for.
    pub rows: Vec<R>,
    /// Present where more may follow.
    pub next: Option<Cursor>,
}

/// Which rows of a partition to read; the whole partition by default.
#[derive(Clone, Debug)]
pub struct Span {
    /// Least value of the first clustering column.
    pub from: Option<Value>,
    /// Greatest value of the first clustering column.
    pub to: Option<Value>,
    /// In which order.
    pub order: Order,
    /// Rows a page; 5,000 by default. On one Cassandra node, two busy cores, a partition of 100,000
    /// scans was read with 111,000 to 173,000 rows/s in such pages, 137,000 to 151,000 in pages of
    /// 1,000, and 103,000 to 134,000 in pages of 500; larger ones gain little and hold more memory.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

impl Default for Span {
    fn default() -> Self {
        Self { from: None, to: None, order: Order::Ascending, limit: 5_000, cursor: None }
    }
}

/// What every [`Store`] can do with typed rows.
pub trait TypedStore: Store {
    /// Writes rows; durable when `Ok`.
    fn put<R: Row + Sync>(
        &self,
        rows: &[R],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.write(rows.iter().map(Row::to_mutation).collect())
    }

    /// Reads a page of a partition.
    fn page<R: Row>(
        &self,
        partition: &R::Partition,
        span: Span,
    ) -> impl Future<Output = Result<Rows<R>, StoreError>> + Send {
        async move {
            let Span { from, to, order, limit, cursor } = span;
            let query = Query {
                table: R::TABLE,
                partition: R::partition(partition),
                from,
                to,
                order,
                limit,
                cursor,
            };
            let page = self.read(query).await?;
            let rows = page
                .rows
                .into_iter()
                .map(|cells| R::from_cells(partition, cells))
                .collect::<Result<_, _>>()?;
            Ok(Rows { rows, next: page.next })
        }
    }

    /// Reads the first row of a partition: all there is in tables without clustering columns.
    fn get<R: Row>(
        &self,
        partition: &R::Partition,
    ) -> impl Future<Output = Result<Option<R>, StoreError>> + Send {
        async move {
            let span = Span { limit: 1, ..Span::default() };
            Ok(self.page::<R>(partition, span).await?.rows.into_iter().next())
        }
    }

    /// Reads a whole partition, page by page.
    fn all<R: Row>(
        &self,
        partition: &R::Partition,
    ) -> impl Future<Output = Result<Vec<R>, StoreError>> + Send {
        async move {
            let mut rows = Vec::new();
            let mut cursor = None;
            loop {
                let page = self.page::<R>(partition, Span { cursor, ..Span::default() }).await?;
                rows.extend(page.rows);
                cursor = page.next;
                if cursor.is_none() {
                    return Ok(rows);
                }
            }
        }
    }
}

impl<S: Store> TypedStore for S {}

/// Takes the cells of one row apart, by position.
struct Columns {
    table: &'static Table,
    values: std::vec::IntoIter<Option<Value>>,
}

impl Columns {
    /// Clustering values first, then the other columns.
    fn new(table: &'static Table, cells: Cells) -> Self {
        let values: Vec<_> = cells.clustering.into_iter().map(Some).chain(cells.columns).collect();
        Self { table, values: values.into_iter() }
    }

    fn broken(&self) -> StoreError {
        StoreError::new(
            Kind::Fatal,
            format!("a row of table `{}` does not have its columns", self.table.name),
        )
    }

    fn next(&mut self) -> Option<Value> {
        self.values.next().flatten()
    }

    fn int_or_none(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next() {
            None => Ok(None),
            Some(Value::Int(number)) => Ok(Some(number)),
            Some(_) => Err(self.broken()),
        }
    }

    fn int(&mut self) -> Result<i64, StoreError> {
        self.int_or_none()?.ok_or_else(|| self.broken())
    }

    fn number<N: TryFrom<i64>>(&mut self) -> Result<N, StoreError> {
        let number = self.int()?;
        N::try_from(number).map_err(|_| self.broken())
    }

    fn text_or_none(&mut self) -> Result<Option<String>, StoreError> {
        match self.next() {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken()),
        }
    }

    fn text(&mut self) -> Result<String, StoreError> {
        self.text_or_none()?.ok_or_else(|| self.broken())
    }

    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        self.text()?.parse().map_err(|_| self.broken())
    }

    fn blob_or_none(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.next() {
            None => Ok(None),
            Some(Value::Blob(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(self.broken()),
        }
    }

    fn blob(&mut self) -> Result<Bytes, StoreError> {
        self.blob_or_none()?.ok_or_else(|| self.broken())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.blob()?.as_ref().try_into().map_err(|_| self.broken())
    }
}

fn uuid_value(uuid: Uuid) -> Value {
    Value::Blob(Bytes::copy_from_slice(uuid.as_bytes()))
}

fn blob(bytes: &[u8]) -> Value {
    Value::Blob(Bytes::copy_from_slice(bytes))
}
