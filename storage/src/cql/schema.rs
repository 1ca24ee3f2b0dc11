//! The schema: numbered files of idempotent statements, and which of them a keyspace has.

use scylla::{
    client::session::Session,
    statement::{Consistency, unprepared::Statement},
};
use sha2::{Digest, Sha256};

use super::{CqlConfig, CqlError};

/// A step of the schema.
#[derive(Debug)]
pub(super) struct SchemaFile {
    pub(super) version: i32,
    pub(super) name: &'static str,
    text: &'static str,
}

/// All steps, in order.
pub(super) static FILES: [SchemaFile; 2] = [
    SchemaFile {
        version: 1,
        name: "0001_tables.cql",
        text: include_str!("../../schema/0001_tables.cql"),
    },
    SchemaFile {
        version: 2,
        name: "0002_operators.cql",
        text: include_str!("../../schema/0002_operators.cql"),
    },
];

/// The version that this build works with.
pub(super) const LATEST: i32 = 2;

/// The table of what was applied. All of it is in one partition: it is read as a whole.
pub(super) fn version_table(keyspace: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {keyspace}.schema_version (\n    \
         name text,\n    version int,\n    applied_at timestamp,\n    checksum text,\n    \
         PRIMARY KEY ((name), version)\n)"
    )
}

impl SchemaFile {
    /// Its statements, without comments, filled in.
    pub(super) fn statements(&self, keyspace: &str, retention_days: u32) -> Vec<String> {
        let hours = window_hours(retention_days).to_string();
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let text = text.replace("$KEYSPACE", keyspace).replace("$WINDOW_HOURS", &hours);
        let statements = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
        statements.map(str::to_owned).collect()
    }

    /// SHA-256 of the file, in hexadecimal.
    pub(super) fn checksum(&self) -> String {
        Sha256::digest(self.text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// About 28 windows hold what is kept, which the servers' documents recommend for a TTL (20 to 50):
/// fewer keep what is over for longer, more make a read look into more files.
fn window_hours(retention_days: u32) -> u32 {
    (retention_days.saturating_mul(24) / 28).max(1)
}

/// A step that a keyspace has.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) version: i32,
    pub(super) checksum: String,
}

/// Whether the keyspace is there.
pub(super) async fn keyspace_exists(
    config: &CqlConfig,
    session: &Session,
) -> Result<bool, CqlError> {
    let text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    any(config, session, text, vec![config.keyspace.as_str()]).await
}

/// The steps that the keyspace has, in order.
pub(super) async fn applied(
    config: &CqlConfig,
    session: &Session,
) -> Result<Vec<Applied>, CqlError> {
    let text = "SELECT table_name FROM system_schema.tables \
                WHERE keyspace_name = ? AND table_name = ?";
    let table = vec![config.keyspace.as_str(), "schema_version"];
    if !any(config, session, text, table).await? {
        return Ok(Vec::new());
    }
    let what = "a look at schema_version";
    let text = format!(
        "SELECT version, checksum FROM {}.schema_version WHERE name = 'anshin'",
        config.keyspace
    );
    let result = session
        .query_unpaged(text, ())
        .await
        .map_err(|error| CqlError::asking(config, what, &error))?;
    let broken = || CqlError::Table {
        hosts: config.names(),
        keyspace: config.keyspace.clone(),
        table: "schema_version".to_owned(),
    };
    let result = result.into_rows_result().map_err(|_| broken())?;
    let rows = result.rows::<(i32, String)>().map_err(|_| broken())?;
    rows.map(|row| row.map(|(version, checksum)| Applied { version, checksum }))
        .collect::<Result<_, _>>()
        .map_err(|_| broken())
}

/// Whether a look at the node's own tables finds something.
async fn any(
    config: &CqlConfig,
    session: &Session,
    text: &str,
    values: Vec<&str>,
) -> Result<bool, CqlError> {
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::One);
    statement.set_is_idempotent(true);
    let result = session
        .query_unpaged(statement, values)
        .await
        .map_err(|error| CqlError::asking(config, "a look at system_schema", &error))?;
    Ok(result.into_rows_result().is_ok_and(|rows| rows.rows_num() > 0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        rows::ALL_TABLES,
        table::{Column, ColumnType, Life},
    };

    #[derive(Debug, Default, PartialEq)]
    struct Made {
        partition: Vec<String>,
        clustering: Vec<String>,
        columns: BTreeMap<String, String>,
        windows: bool,
    }

    /// The part between the first `open` and the last `close` in front of `WITH`.
    fn made(statement: &str) -> (String, Made) {
        let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let (head, rest) = statement.split_once(" ( ").expect("a list of columns");
        let name = head.strip_prefix("CREATE TABLE IF NOT EXISTS k.").expect("an idempotent one");
        let (columns, options) = rest.split_once(" ) WITH ").expect("options");
        let (columns, key) = columns.split_once(", PRIMARY KEY ((").expect("a key");
        let (partition, clustering) = key.split_once(')').expect("a partition key");
        let names = |list: &str| {
            let names = list.trim_end_matches(')').split(',').map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect::<Vec<_>>()
        };
        let columns = columns.split(", ").map(|column| {
            let (name, typ) = column.split_once(' ').expect("name and type");
            (name.to_owned(), typ.to_owned())
        });
        assert!(options.contains("gc_grace_seconds = 86400"), "{name}");
        assert!(!options.contains("default_time_to_live"), "{name}");
        let made = Made {
            partition: names(partition),
            clustering: names(clustering),
            columns: columns.collect(),
            windows: options.contains("TimeWindowCompactionStrategy"),
        };
        (name.to_owned(), made)
    }

    fn typ(column: ColumnType) -> String {
        let typ = match column {
            ColumnType::Int => "bigint",
            ColumnType::Text => "text",
            ColumnType::Blob => "blob",
            ColumnType::Set => "set<blob>",
        };
        typ.to_owned()
    }

    /// Whoever adds a file with other statements than these teaches `made` to read them.
    #[test]
    fn the_files_make_the_tables_that_we_use() {
        let statements = FILES.iter().flat_map(|file| file.statements("k", 28));
        let found: BTreeMap<String, Made> = statements.map(|text| made(&text)).collect();
        let names =
            |columns: &[Column]| columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let wanted: BTreeMap<String, Made> = ALL_TABLES
            .iter()
            .map(|table| {
                let all = table.partition.iter().chain(table.clustering).chain(table.columns);
                let columns = all.map(|(name, column)| ((*name).to_owned(), typ(*column)));
                let made = Made {
                    partition: names(table.partition),
                    clustering: names(table.clustering),
                    columns: columns.collect(),
                    windows: table.life == Life::Retained,
                };
                (table.name.to_owned(), made)
            })
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn files_are_numbered_from_one() {
        for (number, file) in (1..).zip(&FILES) {
            assert_eq!(file.version, number);
            assert!(file.name.starts_with(&format!("{number:04}_")), "{}", file.name);
        }
        assert_eq!(FILES.last().map(|file| file.version), Some(LATEST));
    }

    #[test]
    fn windows_follow_retention() {
        assert_eq!([1, 14, 28, 365].map(window_hours), [1, 12, 24, 312]);
        let statements = FILES[0].statements("k", 14);
        assert!(statements[0].contains("'compaction_window_size': '12'"), "{}", statements[0]);
        assert!(statements.iter().all(|statement| !statement.contains('$')));
    }
}
