//! What a table is made of.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A cell.
///
/// The derived order (within one variant) is the order of rows and decides ties between writes
/// with one timestamp: integers by value, bytes and text bytewise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// CQL `bigint`.
    Int(i64),
    /// CQL `text`.
    Text(String),
    /// CQL `blob`.
    Blob(Bytes),
    /// CQL `set<blob>`; merges by union. Never in a key.
    Set(BTreeSet<Bytes>),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// [`Value::Int`].
    Int,
    /// [`Value::Text`].
    Text,
    /// [`Value::Blob`].
    Blob,
    /// [`Value::Set`].
    Set,
}

impl Value {
    /// The type of column it fits.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Value::Int(_) => ColumnType::Int,
            Value::Text(_) => ColumnType::Text,
            Value::Blob(_) => ColumnType::Blob,
            Value::Set(_) => ColumnType::Set,
        }
    }
}

/// A column: its name on every backend, and its type.
pub type Column = (&'static str, ColumnType);

/// How long rows of a table live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until deleted.
    Kept,
    /// For the configured retention, counted from the write timestamp (the event's time). Every
    /// mutation of a row carries the same timestamp. The embedded store lays such rows out by
    /// event day and drops whole days; CQL uses a TTL.
    Retained,
}

/// A table: the same on every backend.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Which columns choose the partition. At least one.
    pub partition: &'static [Column],
    /// Which columns order and identify rows in a partition. May be empty: one row a partition.
    pub clustering: &'static [Column],
    /// The other columns.
    pub columns: &'static [Column],
    /// How long rows live.
    pub life: Life,
}
