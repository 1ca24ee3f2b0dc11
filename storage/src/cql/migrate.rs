//! Makes the keyspace and brings its schema up to date.
//!
//! Any number of these may run at once. Statements do no harm when they run twice; and all of them
//! go to one node, the connected one with the lowest id, which takes them one after the other: two
//! nodes that make a table at the same moment would make two (Cassandra before 6; ScyllaDB agrees on
//! the order of such changes by itself).

use std::{io::Write, time::Duration};

use scylla::{
    client::session::Session,
    policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy},
    statement::unprepared::Statement,
    value::CqlTimestamp,
};

use super::{
    CqlConfig, CqlError,
    schema::{self, Applied, FILES, LATEST, SchemaFile},
    session,
};

/// How long a change of the schema may take.
const CHANGE: Duration = Duration::from_secs(60);

/// Whether something is to be done, or only said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Do it.
    Apply,
    /// Print the statements that would run.
    DryRun,
}

/// How to migrate.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// How many copies a keyspace that is made gets in its datacenter.
    pub replication: u8,
    /// How long to wait until the cluster answers.
    pub wait: Duration,
    /// Do it, or say it.
    pub run: Run,
}

/// Makes the keyspace where there is none, and applies the steps that it does not have. Says to
/// `out` what it does.
pub async fn migrate(
    config: &CqlConfig,
    migration: &Migration,
    out: &mut impl Write,
) -> Result<(), CqlError> {
    let session = session::patiently(migration.wait, async || session::open(config).await).await?;
    let keyspace = &config.keyspace;
    let exists = schema::keyspace_exists(config, &session).await?;
    let applied = if exists { schema::applied(config, &session).await? } else { Vec::new() };
    let missing = missing(config, &applied)?;
    if missing.is_empty() {
        writeln!(out, "keyspace {keyspace} has schema {LATEST} already: nothing to do")?;
        return Ok(());
    }
    let migrator = Migrator { config, session, migration };
    if !exists {
        let (statement, said) = migrator.make_keyspace().await?;
        migrator.change(statement, out).await?;
        migrator.say(&said, out)?;
    }
    if applied.is_empty() {
        migrator.change(schema::version_table(keyspace), out).await?;
    }
    if migration.run == Run::Apply {
        // Statements in the files name no keyspace.
        let used = migrator.session.use_keyspace(keyspace.as_str(), true).await;
        used.map_err(|error| CqlError::NotServing {
            hosts: config.names(),
            why: error.to_string(),
        })?;
    }
    for file in missing {
        if migration.run == Run::DryRun {
            writeln!(out, "-- {}", file.name)?;
        }
        for statement in file.statements(config.retention_days) {
            migrator.change(statement, out).await?;
        }
        migrator.record(file).await?;
        migrator.say(&format!("applied {}", file.name), out)?;
    }
    if migration.run == Run::DryRun {
        writeln!(out, "-- nothing was changed")?;
    }
    Ok(())
}

/// The steps that were not applied yet. Refuses a schema that is not ours.
fn missing(config: &CqlConfig, applied: &[Applied]) -> Result<Vec<&'static SchemaFile>, CqlError> {
    let (hosts, keyspace) = (config.names(), config.keyspace.clone());
    if let Some(newer) = applied.iter().find(|step| step.version > LATEST) {
        let found = newer.version;
        return Err(CqlError::SchemaNewer { hosts, keyspace, found, wanted: LATEST });
    }
    let mut missing = Vec::new();
    for file in &FILES {
        match applied.iter().find(|step| step.version == file.version) {
            None => missing.push(file),
            Some(step) if step.checksum == file.checksum() => {}
            Some(_) => {
                return Err(CqlError::SchemaChanged { hosts, keyspace, file: file.name });
            }
        }
    }
    Ok(missing)
}

struct Migrator<'a> {
    config: &'a CqlConfig,
    session: Session,
    migration: &'a Migration,
}

impl Migrator<'_> {
    /// The statement that makes the keyspace, and what to say when it was.
    async fn make_keyspace(&self) -> Result<(String, String), CqlError> {
        let Self { config, session, migration } = self;
        let (keyspace, replication) = (&config.keyspace, migration.replication);
        let contact = session::reach(config).await?;
        let datacenter = session::datacenter(config, session, contact)?.unwrap_or_default();
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        let nodes = nodes.filter(|node| node.datacenter.as_ref() == Some(&datacenter)).count();
        if nodes < usize::from(replication) {
            let hosts = config.names();
            return Err(CqlError::TooFewNodes { hosts, datacenter, nodes, replication });
        }
        let quoted = datacenter.replace('\'', "''");
        let statement = format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', '{quoted}': {replication}}}"
        );
        let said =
            format!("made keyspace {keyspace}, copies in datacenter {datacenter}: {replication}");
        Ok((statement, said))
    }

    /// Runs a statement and waits until every node knows of it; or prints it.
    async fn change(&self, text: String, out: &mut impl Write) -> Result<(), CqlError> {
        if self.migration.run == Run::DryRun {
            writeln!(out, "{text};\n")?;
            return Ok(());
        }
        let mut statement = Statement::new(text);
        statement.set_is_idempotent(true);
        statement.set_request_timeout(Some(CHANGE));
        let state = self.session.get_cluster_state();
        let nodes = state.get_nodes_info().iter().filter(|node| node.is_connected());
        if let Some(node) = nodes.min_by_key(|node| node.host_id) {
            let target = NodeIdentifier::HostId(node.host_id);
            statement.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(
                target, None,
            )));
        }
        // The driver waits for agreement after whatever changes the schema, a minute at most.
        session::patiently(self.migration.wait, async || {
            let changed = self.session.query_unpaged(statement.clone(), ()).await;
            changed
                .map(drop)
                .map_err(|error| CqlError::asking(self.config, "a change of the schema", &error))
        })
        .await
    }

    /// Notes that a step was applied.
    async fn record(&self, file: &SchemaFile) -> Result<(), CqlError> {
        if self.migration.run == Run::DryRun {
            return Ok(());
        }
        let text = format!(
            "INSERT INTO {}.schema_version (part, version, applied_at, checksum) VALUES (0, ?, ?, ?)",
            self.config.keyspace
        );
        let mut statement = Statement::new(text);
        statement.set_is_idempotent(true);
        let values = (file.version, CqlTimestamp((self.config.clock)().0), file.checksum());
        session::patiently(self.migration.wait, async || {
            let recorded = self.session.query_unpaged(statement.clone(), &values).await;
            recorded
                .map(drop)
                .map_err(|error| CqlError::asking(self.config, "a write to schema_version", &error))
        })
        .await
    }

    fn say(&self, what: &str, out: &mut impl Write) -> Result<(), CqlError> {
        if self.migration.run == Run::Apply {
            writeln!(out, "{what}")?;
        }
        Ok(())
    }
}
