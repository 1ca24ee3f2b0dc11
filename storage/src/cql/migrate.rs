//! Makes the keyspace and brings its schema up to date.
//!
//! Any number of these may run at once. Statements do no harm when they run twice; and all of them
//! go to one node, the connected one with the lowest id, which takes them one after the other: two
//! nodes that make a table at the same moment would make two (Cassandra before 6; ScyllaDB agrees on
//! the order of such changes by itself).

use std::{io::Write, sync::Arc, time::Duration};

use scylla::{
    policies::load_balancing::{
        LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
    },
    serialize::row::SerializeRow,
    statement::unprepared::Statement,
    value::CqlTimestamp,
};

use super::{
    CqlConfig, CqlError,
    schema::{self, Applied, FILES, LATEST, SchemaFile},
    session::{self, Session},
};

/// How long a change of the schema may take.
const CHANGE: Duration = Duration::from_secs(60);

/// Makes the keyspace where there is none, with `replication` copies in its datacenter, and applies
/// the steps that it does not have. Says to `out` what it does; with `dry_run` it only prints the
/// statements.
pub async fn migrate(
    config: &CqlConfig,
    replication: u8,
    wait: Duration,
    dry_run: bool,
    out: &mut (impl Write + Send),
) -> Result<(), CqlError> {
    let session = session::patiently(wait, async || session::open(config).await).await?;
    let keyspace = &config.keyspace;
    let exists = schema::keyspace_exists(config, &session.driver).await?;
    let applied = if exists { schema::applied(config, &session.driver).await? } else { Vec::new() };
    let missing = missing(config, &applied)?;
    // Whoever closed the output does not want to read it.
    let mut say = |line: &str| {
        let _ = writeln!(out, "{line}");
    };
    if missing.is_empty() {
        say(&format!("keyspace {keyspace} has schema {LATEST} already: nothing to do"));
        return Ok(());
    }
    let migrator = Migrator { config, session, wait };
    let mut steps = Vec::new();
    if !exists {
        let (statement, name) = migrator.keyspace(replication)?;
        steps.push(Step { name, statements: vec![statement], file: None });
    }
    if applied.is_empty() {
        let statements = vec![schema::version_table(keyspace)];
        steps.push(Step { name: "schema_version".to_owned(), statements, file: None });
    }
    for file in missing {
        let statements = file.statements(keyspace, config.retention_days);
        steps.push(Step { name: file.name.to_owned(), statements, file: Some(file) });
    }
    for step in steps {
        if dry_run {
            say(&format!("-- {} would be made by:\n", step.name));
            step.statements.iter().for_each(|statement| say(&format!("{statement};\n")));
        } else {
            migrator.make(&step).await?;
            say(&format!("{}: made", step.name));
        }
    }
    if dry_run {
        say("-- nothing was changed");
    }
    Ok(())
}

/// What is made at a time.
struct Step {
    name: String,
    statements: Vec<String>,
    /// What is noted after it.
    file: Option<&'static SchemaFile>,
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
    wait: Duration,
}

impl Migrator<'_> {
    /// The statement that makes the keyspace, and what it makes.
    fn keyspace(&self, replication: u8) -> Result<(String, String), CqlError> {
        let Self { config, session, .. } = self;
        let datacenter = session.datacenter.clone();
        let state = session.driver.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        let nodes = nodes.filter(|node| node.datacenter.as_ref() == Some(&datacenter)).count();
        if nodes < usize::from(replication) {
            let hosts = config.names();
            return Err(CqlError::TooFewNodes { hosts, datacenter, nodes, replication });
        }
        let (keyspace, quoted) = (&config.keyspace, datacenter.replace('\'', "''"));
        let statement = format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', '{quoted}': {replication}}}"
        );
        Ok((statement, format!("keyspace {keyspace} ({replication} copies in {datacenter})")))
    }

    /// Takes a step. The driver waits after each statement until all nodes agree on the schema.
    async fn make(&self, step: &Step) -> Result<(), CqlError> {
        for text in &step.statements {
            let mut statement = Statement::new(text);
            statement.set_load_balancing_policy(self.one_node());
            self.run(statement, ()).await?;
        }
        let Some(file) = step.file else { return Ok(()) };
        let text = format!(
            "INSERT INTO {}.schema_version (name, version, applied_at, checksum) \
             VALUES ('anshin', ?, ?, ?)",
            self.config.keyspace
        );
        let now = CqlTimestamp((self.config.clock)().0);
        self.run(Statement::new(text), (file.version, now, file.checksum())).await
    }

    /// Asks the connected node with the lowest id, and no other.
    fn one_node(&self) -> Option<Arc<dyn LoadBalancingPolicy>> {
        let state = self.session.driver.get_cluster_state();
        let nodes = state.get_nodes_info().iter().filter(|node| node.is_connected());
        let node = nodes.min_by_key(|node| node.host_id)?;
        Some(SingleTargetLoadBalancingPolicy::new(NodeIdentifier::HostId(node.host_id), None))
    }

    async fn run(
        &self,
        mut statement: Statement,
        values: impl SerializeRow + Clone,
    ) -> Result<(), CqlError> {
        statement.set_is_idempotent(true);
        statement.set_request_timeout(Some(CHANGE));
        session::patiently(self.wait, async || {
            let done = self.session.driver.query_unpaged(statement.clone(), values.clone()).await;
            let what = "a change of the schema";
            done.map(drop).map_err(|error| CqlError::asking(self.config, what, &error))
        })
        .await
    }
}
