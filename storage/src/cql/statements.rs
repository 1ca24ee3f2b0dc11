//! Every statement there is: made from the tables, prepared once for each session.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::{
    client::session::Session,
    statement::{Consistency, prepared::PreparedStatement},
};

use super::{
    is_retained,
    session::{CqlConfig, CqlError},
    values::Cell,
};
use crate::{
    rows::ALL_TABLES,
    store::{Deletion, Mutation, Order, Query},
    table::{ColumnType, Table},
};

/// Statements prepared at the same time.
const CONCURRENT: usize = 16;

/// The statements of one table.
struct Statements {
    insert: PreparedStatement,
    /// For each set column: adds to it. An insert would replace the set.
    add: Vec<(usize, PreparedStatement)>,
    delete_row: PreparedStatement,
    delete_partition: PreparedStatement,
    /// By (from, to, descending).
    select: HashMap<(bool, bool, bool), PreparedStatement>,
}

/// A session with its prepared statements.
pub(super) struct Prepared {
    pub(super) session: Session,
    tables: HashMap<&'static str, Statements>,
}

fn names(columns: &[(&'static str, ColumnType)]) -> Vec<&'static str> {
    columns.iter().map(|column| column.0).collect()
}

fn keys(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name} = ?")).collect::<Vec<_>>().join(" AND ")
}

fn using(table: &Table) -> &'static str {
    if is_retained(table.life) { "USING TIMESTAMP ? AND TTL ?" } else { "USING TIMESTAMP ?" }
}

fn insert(keyspace: &str, table: &Table) -> String {
    let plain = table.columns.iter().filter(|column| column.1 != ColumnType::Set);
    let mut columns = names(table.partition);
    columns.extend(names(table.clustering));
    columns.extend(plain.map(|column| column.0));
    let marks = vec!["?"; columns.len()].join(", ");
    let columns = columns.join(", ");
    let (table_name, using) = (table.name, using(table));
    format!("INSERT INTO {keyspace}.{table_name} ({columns}) VALUES ({marks}) {using}")
}

fn add(keyspace: &str, table: &Table, column: &str) -> String {
    let mut key = names(table.partition);
    key.extend(names(table.clustering));
    let (table_name, using, key) = (table.name, using(table), keys(&key));
    format!("UPDATE {keyspace}.{table_name} {using} SET {column} = {column} + ? WHERE {key}")
}

fn select(keyspace: &str, table: &Table, (from, to, down): (bool, bool, bool)) -> String {
    let mut columns = names(table.clustering);
    columns.extend(names(table.columns));
    let mut text = format!(
        "SELECT {} FROM {keyspace}.{} WHERE {}",
        columns.join(", "),
        table.name,
        keys(&names(table.partition))
    );
    if let Some((first, _)) = table.clustering.first() {
        if from {
            text.push_str(&format!(" AND {first} >= ?"));
        }
        if to {
            text.push_str(&format!(" AND {first} <= ?"));
        }
        if down {
            let all: Vec<_> =
                table.clustering.iter().map(|(name, _)| format!("{name} DESC")).collect();
            text.push_str(&format!(" ORDER BY {}", all.join(", ")));
        }
    }
    text
}

fn delete(keyspace: &str, table: &Table, key: &[&str]) -> String {
    format!("DELETE FROM {keyspace}.{} USING TIMESTAMP ? WHERE {}", table.name, keys(key))
}

impl Prepared {
    pub(super) async fn new(session: Session, config: &CqlConfig) -> Result<Self, CqlError> {
        let session_ref = &session;
        let preparing: Vec<_> = ALL_TABLES
            .iter()
            .map(|table: &'static &'static Table| async move {
                let statements = prepare_table(session_ref, &config.keyspace, table).await;
                statements.map(|statements| (table.name, statements))
            })
            .collect();
        let tables: Vec<(&'static str, Statements)> = stream::iter(preparing)
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await
            .map_err(|error| config.failed(&error))?;
        Ok(Self { tables: tables.into_iter().collect(), session })
    }

    /// The statements that write a mutation, and what is bound to them.
    pub(super) fn write<'a>(
        &self,
        mutation: &'a Mutation,
        ttl: i32,
    ) -> Vec<(PreparedStatement, Vec<Cell<'a>>)> {
        let Some(table) = self.tables.get(mutation.table.name) else { return Vec::new() };
        let key = || mutation.partition.iter().chain(&mutation.clustering).map(Cell::Value);
        let retained = is_retained(mutation.table.life);
        let using = [Cell::Timestamp(mutation.timestamp), Cell::Ttl(ttl)];
        let using = if retained { &using[..] } else { &using[..1] };
        let plain = mutation
            .table
            .columns
            .iter()
            .zip(&mutation.columns)
            .filter(|(column, _)| column.1 != ColumnType::Set)
            .map(|(_, value)| value.as_ref().map_or(Cell::Unset, Cell::Value));
        let insert = key().chain(plain).chain(using.iter().copied()).collect();
        let mut statements = vec![(table.insert.clone(), insert)];
        for (place, add) in &table.add {
            if let Some(set) = mutation.columns.get(*place).and_then(Option::as_ref) {
                let added = using.iter().copied().chain([Cell::Value(set)]).chain(key()).collect();
                statements.push((add.clone(), added));
            }
        }
        statements
    }

    pub(super) fn select(&self, query: &Query) -> Option<&PreparedStatement> {
        let down = query.order == Order::Descending && !query.table.clustering.is_empty();
        let which = (query.from.is_some(), query.to.is_some(), down);
        self.tables.get(query.table.name)?.select.get(&which)
    }

    pub(super) fn delete<'a>(&self, deletion: &'a Deletion) -> (PreparedStatement, Vec<Cell<'a>>) {
        // Every table of `ALL_TABLES` is there.
        let table = &self.tables[deletion.table.name];
        let at = Cell::Timestamp(deletion.timestamp);
        let partition = deletion.partition.iter().map(Cell::Value);
        match &deletion.clustering {
            Some(clustering) => {
                let key = partition.chain(clustering.iter().map(Cell::Value));
                (table.delete_row.clone(), [at].into_iter().chain(key).collect())
            }
            None => (table.delete_partition.clone(), [at].into_iter().chain(partition).collect()),
        }
    }
}

async fn prepare_table(
    session: &Session,
    keyspace: &str,
    table: &Table,
) -> Result<Statements, scylla::errors::PrepareError> {
    let prepare = async |text: String| {
        let mut prepared = session.prepare(text).await?;
        prepared.set_is_idempotent(true);
        prepared.set_consistency(Consistency::LocalQuorum);
        Ok::<_, scylla::errors::PrepareError>(prepared)
    };
    let mut additions = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        if column.1 == ColumnType::Set {
            additions.push((place, prepare(add(keyspace, table, column.0)).await?));
        }
    }
    let mut selects = HashMap::new();
    for which in 0..8 {
        let which = (which & 1 > 0, which & 2 > 0, which & 4 > 0);
        // A table of single rows has nothing to choose from.
        if !table.clustering.is_empty() || which == (false, false, false) {
            selects.insert(which, prepare(select(keyspace, table, which)).await?);
        }
    }
    let partition = names(table.partition);
    let row = [partition.clone(), names(table.clustering)].concat();
    Ok(Statements {
        insert: prepare(insert(keyspace, table)).await?,
        add: additions,
        delete_row: prepare(delete(keyspace, table, &row)).await?,
        delete_partition: prepare(delete(keyspace, table, &partition)).await?,
        select: selects,
    })
}
