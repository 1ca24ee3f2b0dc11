//! How rows merge, and how their keys are ordered.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::{
    store::{Cells, Mutation},
    table::{Column, ColumnType, Life, Table, Value},
};

/// A row as it is kept: each column with the write timestamp that won.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    columns: Vec<Option<(i64, Value)>>,
    /// The latest write of the row, whatever columns it had.
    written_at: i64,
}

impl StoredRow {
    /// Takes in one write. Commutative, associative, idempotent.
    pub(crate) fn merge(&mut self, mutation: &Mutation) {
        self.columns.resize(mutation.columns.len(), None);
        for (stored, written) in self.columns.iter_mut().zip(&mutation.columns) {
            let Some(written) = written else { continue };
            let at = mutation.timestamp;
            match (stored.as_mut(), written) {
                (Some((stored_at, Value::Set(all))), Value::Set(more)) => {
                    all.extend(more.iter().cloned());
                    *stored_at = at.max(*stored_at);
                }
                (Some((stored_at, value)), _) => {
                    if (at, written) > (*stored_at, &*value) {
                        *stored_at = at;
                        *value = written.clone();
                    }
                }
                (None, _) => *stored = Some((at, written.clone())),
            }
        }
        self.written_at = self.written_at.max(mutation.timestamp);
    }

    /// Removes what was written up to a timestamp; `None` where nothing is left.
    pub(crate) fn delete(mut self, timestamp: i64) -> Option<Self> {
        if self.written_at <= timestamp {
            return None;
        }
        for column in &mut self.columns {
            if column.as_ref().is_some_and(|(at, _)| *at <= timestamp) {
                *column = None;
            }
        }
        Some(self)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("rows are lists of numbers, bytes and texts")
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        postcard::from_bytes(bytes)
            .map_err(|_| Failure::Engine("a row in the data directory can't be read".to_owned()))
    }

    pub(crate) fn written_at(&self) -> i64 {
        self.written_at
    }

    pub(super) fn columns(&self) -> &[Option<(i64, Value)>] {
        &self.columns
    }

    pub(crate) fn into_cells(self, clustering: Vec<Value>) -> Cells {
        let columns = self.columns.into_iter().map(|c| c.map(|(_, value)| value)).collect();
        Cells { clustering, columns }
    }
}

/// Refuses a write that does not fit its table.
pub(crate) fn check(mutation: &Mutation, oldest_kept: i64) -> Result<(), Failure> {
    let table = mutation.table;
    let fits = check_values(table.partition, &mutation.partition)
        && check_values(table.clustering, &mutation.clustering)
        && table.columns.len() == mutation.columns.len()
        && table.columns.iter().zip(&mutation.columns).all(|(column, value)| {
            value.as_ref().is_none_or(|value| value.column_type() == column.1)
        });
    if !fits {
        return Err(Failure::Invalid(format!(
            "a write to table `{}` does not have its columns",
            table.name
        )));
    }
    if table.life == Life::Retained && mutation.timestamp < oldest_kept {
        return Err(Failure::Invalid(format!(
            "a write to table `{}` is past retention",
            table.name
        )));
    }
    Ok(())
}

pub(crate) fn check_values(columns: &[Column], values: &[Value]) -> bool {
    columns.len() == values.len()
        && columns.iter().zip(values).all(|(column, value)| value.column_type() == column.1)
}

/// Bytes whose order is the order of the values.
pub(super) fn encode_key(values: &[Value], into: &mut Vec<u8>) {
    for value in values {
        match value {
            // With the sign bit turned over, negative numbers come first.
            Value::Int(number) => {
                let ordered = number.cast_unsigned() ^ (1 << 63);
                into.extend_from_slice(&ordered.to_be_bytes());
            }
            Value::Text(text) => encode_bytes(text.as_bytes(), into),
            Value::Blob(bytes) => encode_bytes(bytes, into),
            // Tables have no sets in keys, and `check` refuses them.
            Value::Set(_) => {}
        }
    }
}

/// A zero byte is written as `00 FF`; `00 01` ends the bytes. So a prefix comes before what it
/// begins.
fn encode_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    for byte in bytes {
        into.push(*byte);
        if *byte == 0 {
            into.push(0xff);
        }
    }
    into.extend_from_slice(&[0, 1]);
}

/// Reads back what [`encode_key`] wrote.
pub(super) fn decode_key(columns: &[Column], key: &[u8]) -> Result<Vec<Value>, Failure> {
    let broken = || Failure::Engine("a key in the data directory can't be read".to_owned());
    let mut rest = key;
    let mut values = Vec::with_capacity(columns.len());
    for (_, column) in columns {
        let value = match column {
            ColumnType::Int => {
                let (number, after) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
                rest = after;
                Value::Int((u64::from_be_bytes(*number) ^ (1 << 63)).cast_signed())
            }
            ColumnType::Text => {
                let bytes = decode_bytes(&mut rest).ok_or_else(broken)?;
                Value::Text(String::from_utf8(bytes).map_err(|_| broken())?)
            }
            ColumnType::Blob => {
                Value::Blob(Bytes::from(decode_bytes(&mut rest).ok_or_else(broken)?))
            }
            ColumnType::Set => return Err(broken()),
        };
        values.push(value);
    }
    if rest.is_empty() { Ok(values) } else { Err(broken()) }
}

fn decode_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match *rest {
            [0, 0xff, after @ ..] => {
                bytes.push(0);
                *rest = after;
            }
            [0, 1, after @ ..] => {
                *rest = after;
                return Some(bytes);
            }
            [0, ..] | [] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                *rest = after;
            }
        }
    }
}

/// The first bytes after all that begin with `prefix`; `None` where there are none.
pub(super) fn after_prefix(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < 0xff {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

const DAY_MICROS: i64 = 86_400_000_000;

/// The keyspace a row lies in.
pub(super) fn keyspace_name(table: &Table, timestamp: i64) -> String {
    match table.life {
        Life::Kept => format!("table.{}", table.name),
        Life::Retained => day_keyspace(table, timestamp.div_euclid(DAY_MICROS)),
    }
}

/// The keyspace of a table's rows of one event day.
pub(super) fn day_keyspace(table: &Table, day: i64) -> String {
    format!("day.{day}.{}", table.name)
}

/// The day in the name of a keyspace of retained rows.
pub(super) fn day_of_keyspace(name: &str) -> Option<(i64, &str)> {
    let (day, table) = name.strip_prefix("day.")?.split_once('.')?;
    Some((day.parse().ok()?, table))
}

/// Whether everything in a day's keyspace is past retention.
pub(super) fn day_is_over(day: i64, oldest_kept: i64) -> bool {
    (day + 1) * DAY_MICROS <= oldest_kept
}

/// Rows by the keyspace and key they lie under: what a batch is about to write.
pub(super) type Pending = BTreeMap<(String, Vec<u8>), Option<StoredRow>>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::ColumnType::*;

    static TABLE: Table = Table {
        name: "t",
        partition: &[("p", Int)],
        clustering: &[("a", Int), ("b", Blob), ("c", Text)],
        columns: &[("n", Int), ("s", Set)],
        life: Life::Kept,
    };

    fn key() -> impl Strategy<Value = Vec<Value>> {
        let bytes =
            prop::collection::vec(prop_oneof![Just(0), Just(1), Just(255), any::<u8>()], 0..6);
        (any::<i64>(), bytes, "[\u{0}a-c]{0,4}")
            .prop_map(|(a, b, c)| vec![Value::Int(a), Value::Blob(Bytes::from(b)), Value::Text(c)])
    }

    fn mutation() -> impl Strategy<Value = Mutation> {
        let set = prop::collection::btree_set(any::<u8>().prop_map(|b| Bytes::from(vec![b])), 0..3);
        (
            0..4_i64,
            prop::option::of((0..4_i64).prop_map(Value::Int)),
            prop::option::of(set.prop_map(Value::Set)),
        )
            .prop_map(|(timestamp, number, set)| Mutation {
                table: &TABLE,
                partition: vec![Value::Int(1)],
                clustering: Vec::new(),
                columns: vec![number, set],
                timestamp,
            })
    }

    fn encoded(values: &[Value]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_key(values, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn keys_are_ordered_like_their_values(one in key(), two in key()) {
            prop_assert_eq!(encoded(&one).cmp(&encoded(&two)), one.cmp(&two));
            prop_assert_eq!(decode_key(TABLE.clustering, &encoded(&one)).ok(), Some(one));
        }

        #[test]
        fn noise_is_no_key(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(values) = decode_key(TABLE.clustering, &noise) {
                prop_assert_eq!(encoded(&values), noise);
            }
        }

        #[test]
        fn any_order_and_repetition_gives_the_same_row(
            mutations in prop::collection::vec(mutation(), 1..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut once = StoredRow::default();
            mutations.iter().for_each(|mutation| once.merge(mutation));
            let mut mixed = StoredRow::default();
            order.iter().for_each(|index| mixed.merge(index.get(&mutations)));
            mutations.iter().rev().for_each(|mutation| mixed.merge(mutation));
            prop_assert_eq!(mixed, once);
        }
    }

    #[test]
    fn what_comes_after_a_prefix() {
        assert_eq!(after_prefix(vec![1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(vec![1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(vec![255]), None);
    }
}
