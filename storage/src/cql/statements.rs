//! Every statement there is, made from the tables and prepared once for each session.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use scylla::{
    client::session::Session, errors::PrepareError, statement::prepared::PreparedStatement,
};

use super::value;
use crate::{
    rows::ALL_TABLES,
    store::Order,
    table::{Column, ColumnType, Life, Table},
};

/// A row to write: its bound values are partition, clustering, columns (no sets), timestamp and,
/// in retained tables, time to live.
pub(super) fn insert(keyspace: &str, table: &Table) -> String {
    let names: Vec<&str> = keys(table).chain(plain_columns(table)).map(|(name, _)| *name).collect();
    let ttl = if table.life == Life::Retained { " AND TTL ?" } else { "" };
    format!(
        "INSERT INTO {keyspace}.{} ({}) VALUES ({}) USING TIMESTAMP ?{ttl}",
        table.name,
        names.join(", "),
        vec!["?"; names.len()].join(", "),
    )
}

/// Items to add to a set: timestamp, time to live in retained tables, items, partition, clustering.
/// An insert would first take away what is in the set.
pub(super) fn add_to_set(keyspace: &str, table: &Table, column: &Column) -> String {
    let ttl = if table.life == Life::Retained { " AND TTL ?" } else { "" };
    format!(
        "UPDATE {keyspace}.{} USING TIMESTAMP ?{ttl} SET {name} = {name} + ? WHERE {}",
        table.name,
        equal(keys(table)),
        name = column.0,
    )
}

/// A row to delete: timestamp, partition, clustering.
pub(super) fn delete_row(keyspace: &str, table: &Table) -> String {
    format!("DELETE FROM {keyspace}.{} USING TIMESTAMP ? WHERE {}", table.name, equal(keys(table)))
}

/// A partition to delete: timestamp, partition.
pub(super) fn delete_partition(keyspace: &str, table: &Table) -> String {
    format!(
        "DELETE FROM {keyspace}.{} USING TIMESTAMP ? WHERE {}",
        table.name,
        equal(table.partition.iter())
    )
}

/// Which ends a span has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpanShape {
    pub(super) from: bool,
    pub(super) to: bool,
    pub(super) descending: bool,
}

impl SpanShape {
    fn all(table: &Table) -> Vec<Self> {
        let ends: &[bool] = if table.clustering.is_empty() { &[false] } else { &[false, true] };
        let mut shapes = Vec::new();
        for &from in ends {
            for &to in ends {
                shapes.extend(ends.iter().map(|&descending| Self { from, to, descending }));
            }
        }
        shapes
    }

    /// The shape of a query. Without clustering columns there is one row, in whatever order.
    pub(super) fn of(table: &Table, from: bool, to: bool, order: Order) -> Self {
        let descending = order == Order::Descending && !table.clustering.is_empty();
        Self { from, to, descending }
    }
}

/// A span of a partition: partition, then least and greatest first clustering value where the
/// shape has them. Gives clustering and columns.
pub(super) fn select(keyspace: &str, table: &Table, shape: SpanShape) -> String {
    let names: Vec<&str> =
        table.clustering.iter().chain(table.columns).map(|(name, _)| *name).collect();
    let mut text = format!(
        "SELECT {} FROM {keyspace}.{} WHERE {}",
        names.join(", "),
        table.name,
        equal(table.partition.iter())
    );
    if let Some((first, _)) = table.clustering.first() {
        if shape.from {
            text += &format!(" AND {first} >= ?");
        }
        if shape.to {
            text += &format!(" AND {first} <= ?");
        }
        if shape.descending {
            let order: Vec<String> =
                table.clustering.iter().map(|(name, _)| format!("{name} DESC")).collect();
            text += &format!(" ORDER BY {}", order.join(", "));
        }
    }
    text
}

fn keys(table: &Table) -> impl Iterator<Item = &Column> {
    table.partition.iter().chain(table.clustering)
}

fn plain_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|(_, column)| *column != ColumnType::Set)
}

fn equal<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    let equal: Vec<String> = columns.map(|(name, _)| format!("{name} = ?")).collect();
    equal.join(" AND ")
}

/// The statements of one table.
pub(super) struct TableStatements {
    pub(super) insert: PreparedStatement,
    /// By column; none for columns that are no sets.
    pub(super) add_to_set: Vec<Option<PreparedStatement>>,
    pub(super) delete_row: PreparedStatement,
    pub(super) delete_partition: PreparedStatement,
    select: HashMap<SpanShape, PreparedStatement>,
}

impl TableStatements {
    /// None for a shape that the table can't have.
    pub(super) fn select(&self, shape: SpanShape) -> Option<&PreparedStatement> {
        self.select.get(&shape)
    }
}

/// Why statements can't be prepared.
#[derive(Debug)]
pub(super) enum NotPrepared {
    /// The server refused.
    Refused(PrepareError),
    /// The table has other columns than it should.
    Columns(&'static str),
}

/// The statements of every table, by its name.
pub(super) struct Statements(HashMap<&'static str, TableStatements>);

impl Statements {
    /// Prepares every statement.
    pub(super) async fn prepare(session: &Session, keyspace: &str) -> Result<Self, NotPrepared> {
        // One after the other in each table, the tables side by side.
        let tables = ALL_TABLES.iter().map(|table| prepare_table(session, keyspace, table));
        let tables = try_join_all(tables).await?;
        Ok(Self(ALL_TABLES.iter().map(|table| table.name).zip(tables).collect()))
    }

    /// None for a table that is not one of ours.
    pub(super) fn of(&self, table: &Table) -> Option<&TableStatements> {
        self.0.get(table.name)
    }
}

async fn prepare_table(
    session: &Session,
    keyspace: &str,
    table: &'static Table,
) -> Result<TableStatements, NotPrepared> {
    let mut additions = Vec::with_capacity(table.columns.len());
    for column in table.columns {
        additions.push(match column.1 {
            ColumnType::Set => Some(prepare(session, add_to_set(keyspace, table, column)).await?),
            _ => None,
        });
    }
    let mut selects = HashMap::new();
    for shape in SpanShape::all(table) {
        let mut statement = prepare(session, select(keyspace, table, shape)).await?;
        let wanted = table.clustering.iter().chain(table.columns);
        let found = statement.get_current_result_set_col_specs();
        let found = found.get();
        let fits = found.len() == wanted.clone().count()
            && found
                .iter()
                .zip(wanted)
                .all(|(spec, (_, column))| *spec.typ() == value::cql_type(*column));
        if !fits {
            return Err(NotPrepared::Columns(table.name));
        }
        // Every column is named, so that the result's shape can't change behind our back.
        statement.set_use_cached_result_metadata(true);
        selects.insert(shape, statement);
    }
    Ok(TableStatements {
        insert: prepare(session, insert(keyspace, table)).await?,
        add_to_set: additions,
        delete_row: prepare(session, delete_row(keyspace, table)).await?,
        delete_partition: prepare(session, delete_partition(keyspace, table)).await?,
        select: selects,
    })
}

/// Everything we do may be done twice: writes carry their timestamp.
async fn prepare(session: &Session, text: String) -> Result<PreparedStatement, NotPrepared> {
    let mut statement = session.prepare(text).await.map_err(NotPrepared::Refused)?;
    statement.set_is_idempotent(true);
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{people::VISITORS, places::VENUES, visits::VISITS_BY_VISITOR};

    #[test]
    fn writes_bring_their_time_and_leave_sets_alone() {
        assert_eq!(
            insert("k", &VISITS_BY_VISITOR),
            "INSERT INTO k.visits_by_visitor (pseudonym, scanned_at, venue, message) \
             VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
        );
        assert_eq!(
            insert("k", &VISITORS),
            "INSERT INTO k.visitors \
             (visitor, erased_through, friend, friend_at, language, language_at, last_wrote) \
             VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        assert_eq!(
            add_to_set("k", &VISITORS, &VISITORS.columns[1]),
            "UPDATE k.visitors USING TIMESTAMP ? SET undone = undone + ? WHERE visitor = ?"
        );
    }

    #[test]
    fn spans_have_the_ends_and_the_order_asked_for() {
        let shape = SpanShape { from: true, to: true, descending: true };
        assert_eq!(
            select("k", &VISITS_BY_VISITOR, shape),
            "SELECT scanned_at, venue, message FROM k.visits_by_visitor WHERE pseudonym = ? \
             AND scanned_at >= ? AND scanned_at <= ? ORDER BY scanned_at DESC, venue DESC"
        );
        assert_eq!(SpanShape::all(&VISITS_BY_VISITOR).len(), 8);
        let only = SpanShape { from: false, to: false, descending: false };
        assert_eq!(SpanShape::all(&VENUES), [only]);
        assert_eq!(SpanShape::of(&VENUES, false, false, Order::Descending), only);
    }

    #[test]
    fn deletions_say_up_to_when() {
        assert_eq!(
            delete_row("k", &VISITS_BY_VISITOR),
            "DELETE FROM k.visits_by_visitor USING TIMESTAMP ? \
             WHERE pseudonym = ? AND scanned_at = ? AND venue = ?"
        );
        assert_eq!(
            delete_partition("k", &VISITS_BY_VISITOR),
            "DELETE FROM k.visits_by_visitor USING TIMESTAMP ? WHERE pseudonym = ?"
        );
    }
}
