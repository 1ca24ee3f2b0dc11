//! Our values as CQL's.

use std::collections::BTreeSet;

use bytes::Bytes;
use scylla::{
    cluster::metadata::ColumnType as CqlType,
    serialize::{
        SerializationError,
        value::SerializeValue,
        writers::{CellWriter, WrittenCellProof},
    },
    value::CqlValue,
};

use crate::table::{ColumnType, Value};

/// What is bound to a marker of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    /// A column's value.
    Value(&'a Value),
    /// Leaves what is stored.
    Unset,
    /// A write timestamp, µs.
    Timestamp(i64),
    /// A lifetime, seconds.
    Ttl(i32),
}

impl SerializeValue for Cell<'_> {
    // Statements are made from the same tables as values are checked against: types agree.
    fn serialize<'b>(
        &self,
        _: &CqlType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        let written = match self {
            Cell::Unset => return Ok(writer.set_unset()),
            Cell::Timestamp(number) | Cell::Value(Value::Int(number)) => {
                writer.set_value(&number.to_be_bytes())
            }
            Cell::Ttl(seconds) => writer.set_value(&seconds.to_be_bytes()),
            Cell::Value(Value::Text(text)) => writer.set_value(text.as_bytes()),
            Cell::Value(Value::Blob(bytes)) => writer.set_value(bytes),
            Cell::Value(Value::Set(items)) => {
                let mut builder = writer.into_value_builder();
                let length = |bytes: usize| {
                    i32::try_from(bytes).map(i32::to_be_bytes).map_err(SerializationError::new)
                };
                builder.append_bytes(&length(items.len())?);
                for item in items {
                    builder.append_bytes(&length(item.len())?);
                    builder.append_bytes(item);
                }
                builder.finish()
            }
        };
        written.map_err(SerializationError::new)
    }
}

/// A value of the driver; `None` where it is of another type.
pub(super) fn from_cql(kind: ColumnType, value: CqlValue) -> Option<Value> {
    match (kind, value) {
        (ColumnType::Int, CqlValue::BigInt(number)) => Some(Value::Int(number)),
        (ColumnType::Text, CqlValue::Text(text)) => Some(Value::Text(text)),
        (ColumnType::Blob, CqlValue::Blob(bytes)) => Some(Value::Blob(Bytes::from(bytes))),
        (ColumnType::Set, CqlValue::Set(items)) => {
            let blob = |item| match item {
                CqlValue::Blob(bytes) => Some(Bytes::from(bytes)),
                _ => None,
            };
            items.into_iter().map(blob).collect::<Option<BTreeSet<Bytes>>>().map(Value::Set)
        }
        _ => None,
    }
}
