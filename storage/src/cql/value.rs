//! Our values on the wire, without a copy in between.

use std::collections::BTreeSet;

use bytes::Bytes;
use scylla::{
    deserialize::{
        DeserializationError, FrameSlice,
        row::{ColumnIterator, RawColumn},
        value::DeserializeValue,
    },
    frame::response::result::{CollectionType, ColumnType as CqlType, NativeType},
    serialize::{
        SerializationError,
        value::SerializeValue,
        writers::{CellWriter, WrittenCellProof},
    },
};

use crate::table::{ColumnType, Value};

/// What a statement's marker stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound<'a> {
    /// A cell or a part of a key.
    Value(&'a Value),
    /// Leaves what is stored.
    Unset,
    /// A write timestamp, in µs.
    Timestamp(i64),
    /// A time to live, in seconds.
    Ttl(i32),
}

impl SerializeValue for Bound<'_> {
    /// The type that the server expects was compared with the table when the statement was
    /// prepared, and the value with the table before it came here.
    fn serialize<'b>(
        &self,
        _: &CqlType,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        let written = match self {
            Bound::Unset => return Ok(writer.set_unset()),
            Bound::Timestamp(number) | Bound::Value(Value::Int(number)) => {
                writer.set_value(&number.to_be_bytes())
            }
            Bound::Ttl(seconds) => writer.set_value(&seconds.to_be_bytes()),
            Bound::Value(Value::Text(text)) => writer.set_value(text.as_bytes()),
            Bound::Value(Value::Blob(bytes)) => writer.set_value(bytes),
            Bound::Value(Value::Set(items)) => {
                let mut builder = writer.into_value_builder();
                let count = i32::try_from(items.len()).map_err(SerializationError::new)?;
                builder.append_bytes(&count.to_be_bytes());
                for item in items {
                    builder.make_sub_writer().set_value(item).map_err(SerializationError::new)?;
                }
                builder.finish()
            }
        };
        written.map_err(SerializationError::new)
    }
}

impl Value {
    /// How many bytes it takes in a request, but for its frame.
    pub(super) fn wire_size(&self) -> usize {
        match self {
            Value::Int(_) => 8,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Set(items) => items.iter().map(|item| item.len() + 4).sum(),
        }
    }
}

/// The server's type of a column of ours.
pub(super) fn cql_type(column: ColumnType) -> CqlType<'static> {
    match column {
        ColumnType::Int => CqlType::Native(NativeType::BigInt),
        ColumnType::Text => CqlType::Native(NativeType::Text),
        ColumnType::Blob => CqlType::Native(NativeType::Blob),
        ColumnType::Set => CqlType::Collection {
            frozen: false,
            typ: CollectionType::Set(Box::new(CqlType::Native(NativeType::Blob))),
        },
    }
}

/// Reads a row whose columns have the types of `columns`, in that order.
pub(super) fn read_row(
    row: ColumnIterator<'_, '_>,
    columns: impl Iterator<Item = ColumnType>,
) -> Result<Vec<Option<Value>>, DeserializationError> {
    columns.zip(row).map(|(column, raw)| read_cell(column, raw?)).collect()
}

fn read_cell(
    column: ColumnType,
    raw: RawColumn<'_, '_>,
) -> Result<Option<Value>, DeserializationError> {
    let Some(slice) = raw.slice else { return Ok(None) };
    let (typ, slice) = (raw.spec.typ(), Some(slice));
    let value = match column {
        ColumnType::Int => Value::Int(i64::deserialize(typ, slice)?),
        ColumnType::Text => Value::Text(String::deserialize(typ, slice)?),
        // Copied: a slice would keep the whole page in memory for as long as the row lives.
        ColumnType::Blob => Value::Blob(copied(slice)),
        ColumnType::Set => {
            let items = Vec::<&[u8]>::deserialize(typ, slice)?;
            Value::Set(items.into_iter().map(Bytes::copy_from_slice).collect::<BTreeSet<_>>())
        }
    };
    Ok(Some(value))
}

fn copied(slice: Option<FrameSlice<'_>>) -> Bytes {
    slice.map_or_else(Bytes::new, |slice| Bytes::copy_from_slice(slice.as_slice()))
}
