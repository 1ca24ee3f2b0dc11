//! The schema, as numbered files. Each has statements that can be repeated; so two migrations at
//! once do no harm, and no lock is needed.

use std::{collections::BTreeMap, io::Write, time::Duration};

use scylla::{
    client::session::Session,
    errors::{DbError, ExecutionError, RequestAttemptError},
};
use sha2::{Digest, Sha256};

use super::session::{self, CqlConfig, CqlError};

/// The files, by number.
const FILES: &[(i32, &str)] = &[(1, include_str!("../../schema/0001_tables.cql"))];

/// How often a statement is given again while another migration changes the schema, too.
const TRIES: usize = 10;

fn known() -> i32 {
    FILES.last().map_or(0, |(number, _)| *number)
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The statements of a file, filled in.
fn statements(text: &str, config: &CqlConfig) -> Vec<String> {
    let window = (config.retention_days * 24 / 28).max(1).to_string();
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text =
        lines.join("\n").replace("$KEYSPACE", &config.keyspace).replace("$WINDOW_HOURS", &window);
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The migrations that were applied: number → checksum.
async fn applied(session: &Session, config: &CqlConfig) -> Result<BTreeMap<i32, String>, CqlError> {
    let keyspace = &config.keyspace;
    let text =
        format!("SELECT version, checksum FROM {keyspace}.schema_version WHERE name = 'anshin'");
    let found = session.query_unpaged(text, ()).await.map_err(|error| config.failed(&error))?;
    let broken = |_| CqlError::SchemaOlder { keyspace: keyspace.clone() };
    let rows = found.into_rows_result().map_err(|_| broken(()))?;
    let rows = rows.rows::<(i32, String)>().map_err(|_| broken(()))?;
    rows.map(|row| row.map_err(|_| broken(()))).collect()
}

/// Refuses tables of another schema than this build's.
pub(super) async fn check(session: &Session, config: &CqlConfig) -> Result<(), CqlError> {
    let keyspace = config.keyspace.clone();
    let applied = applied(session, config).await?;
    match applied.keys().last().copied().unwrap_or(0) {
        found if found < known() => Err(CqlError::SchemaOlder { keyspace }),
        found if found > known() => Err(CqlError::SchemaNewer { keyspace, found, known: known() }),
        _ => Ok(()),
    }
}

/// Applies what is not applied yet. Says what it does; with `dry_run` it only says.
pub async fn migrate(
    config: &CqlConfig,
    replication: u8,
    wait: Duration,
    dry_run: bool,
    out: &mut (impl Write + Send),
) -> Result<(), CqlError> {
    let session = session::connect(config, wait).await?;
    let keyspace = &config.keyspace;
    let mut say = |line: String| {
        // Whoever closed the output does not want to read it.
        let _ = writeln!(out, "{line}");
    };
    let done = match applied(&session, config).await {
        Ok(done) => Some(done),
        Err(CqlError::NoKeyspace { .. }) => None,
        Err(CqlError::SchemaOlder { .. }) => Some(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let applied_before = done.clone().unwrap_or_default();
    if let Some(found) = applied_before.keys().last().copied().filter(|found| *found > known()) {
        let keyspace = keyspace.clone();
        return Err(CqlError::SchemaNewer { keyspace, found, known: known() });
    }
    if done.is_none() {
        let datacenter = match &config.datacenter {
            Some(name) => name.clone(),
            None => first_datacenter(&session, config).await?,
        };
        if dry_run {
            say(format!(
                "keyspace {keyspace}: would be made, {replication} copies in {datacenter}"
            ));
        } else {
            let text = format!(
                "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{datacenter}': {replication}}}"
            );
            change(&session, 0, &text).await?;
            say(format!("keyspace {keyspace}: made, {replication} copies in {datacenter}"));
        }
    }
    if !dry_run {
        let text = format!(
            "CREATE TABLE IF NOT EXISTS {keyspace}.schema_version (name text, version int, checksum text, PRIMARY KEY (name, version))"
        );
        change(&session, 0, &text).await?;
    }
    for (number, text) in FILES {
        let sum = checksum(text);
        match applied_before.get(number) {
            Some(before) if *before == sum => {
                say(format!("schema {number}: as it should be"));
                continue;
            }
            Some(_) => {
                let keyspace = keyspace.clone();
                return Err(CqlError::SchemaDiffers { keyspace, version: *number });
            }
            None => {}
        }
        let statements = statements(text, config);
        if dry_run {
            say(format!("schema {number}: would be applied:"));
            statements.iter().for_each(|statement| say(format!("{statement};")));
            continue;
        }
        for statement in &statements {
            change(&session, *number, statement).await?;
        }
        let record = format!(
            "INSERT INTO {keyspace}.schema_version (name, version, checksum) VALUES ('anshin', {number}, '{sum}')"
        );
        change(&session, *number, &record).await?;
        say(format!("schema {number}: applied ({} statements)", statements.len()));
    }
    Ok(())
}

/// The data centre of the node that answers first.
async fn first_datacenter(session: &Session, config: &CqlConfig) -> Result<String, CqlError> {
    let found = session.query_unpaged("SELECT data_center FROM system.local", ()).await;
    let found = found.map_err(|error| config.failed(&error))?.into_rows_result();
    let row = found.ok().and_then(|rows| rows.first_row::<(String,)>().ok());
    row.map(|(name,)| name).ok_or_else(|| CqlError::Migration {
        version: 0,
        why: "the node does not tell its data centre: set cql.datacenter".to_owned(),
    })
}

/// Changes the schema, and waits until all nodes agree (the driver does).
async fn change(session: &Session, version: i32, statement: &str) -> Result<(), CqlError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match session.query_unpaged(statement, ()).await {
            Ok(_) => return Ok(()),
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::AlreadyExists { .. },
                _,
            ))) => return Ok(()),
            Err(error) if tries < TRIES && is_passing(&error) => {
                tracing::info!(%error, "a change of the schema is tried again");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Err(error) => return Err(CqlError::Migration { version, why: error.to_string() }),
        }
    }
}

/// Another migration may be changing the schema, or a node be slow.
fn is_passing(error: &ExecutionError) -> bool {
    !matches!(
        error,
        ExecutionError::BadQuery(_)
            | ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::SyntaxError
                    | DbError::Invalid
                    | DbError::ConfigError
                    | DbError::Unauthorized,
                _
            ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rows::ALL_TABLES,
        table::{ColumnType, Life},
    };

    /// The type of a column in CQL.
    const fn type_name(kind: ColumnType) -> &'static str {
        match kind {
            ColumnType::Int => "bigint",
            ColumnType::Text => "text",
            ColumnType::Blob => "blob",
            ColumnType::Set => "set<blob>",
        }
    }

    /// The files make exactly the tables that the code knows.
    #[test]
    fn the_files_and_the_tables_agree() {
        let config = CqlConfig {
            hosts: Vec::new(),
            keyspace: "k".to_owned(),
            datacenter: None,
            retention_days: 28,
            clock: crate::embedded::system_clock(),
            tls: None,
            login: None,
            plain_text_to_any_host: false,
        };
        let all: Vec<String> =
            FILES.iter().flat_map(|(_, text)| statements(text, &config)).collect();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for table in ALL_TABLES {
            let begins = format!("CREATE TABLE IF NOT EXISTS k.{} (", table.name);
            let text = all.iter().map(|s| squeezed(s)).find(|s| s.starts_with(&begins));
            let text = text.unwrap_or_else(|| panic!("no table {}", table.name));
            let columns = [table.partition, table.clustering, table.columns].concat();
            let declared: Vec<_> =
                columns.iter().map(|(name, kind)| format!("{name} {}", type_name(*kind))).collect();
            let names = |columns: &[(&str, _)]| {
                columns.iter().map(|column| column.0).collect::<Vec<_>>().join(", ")
            };
            let mut key = format!("({})", names(table.partition));
            if !table.clustering.is_empty() {
                key = format!("{key}, {}", names(table.clustering));
            }
            let wanted = format!("{begins} {}, PRIMARY KEY ({key}) )", declared.join(", "));
            assert!(text.starts_with(&wanted), "{}:\n{text}\n{wanted}", table.name);
            let windows = text.contains("TimeWindowCompactionStrategy");
            assert_eq!(windows, table.life == Life::Retained, "{}", table.name);
        }
        assert_eq!(all.len(), ALL_TABLES.len());
    }
}
