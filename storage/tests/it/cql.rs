//! The store in a real cluster: `ANSHIN_TEST_CQL` says where.

use std::{env, time::Duration};

use bytes::Bytes;
use schemas::{
    identity::{Pseudonym, SealedId, VisitorId},
    ids::{MessageHash, VenueId},
    place_code::Issue,
    time::{DAY_MS, EventTime},
};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use storage::{
    Kind, Mutation, Order, Query, Store, Value,
    any::AnyStore,
    conformance::store_suite,
    cql::{CqlConfig, CqlError, CqlStore, Tls, migrate},
    embedded::system_clock,
    rows::{ALL_TABLES, TypedStore, people::VISITORS, visits::ScanRow},
};
use tokio::sync::Mutex;
use uuid::Uuid;

pub(crate) const WAIT: Duration = Duration::from_secs(30);

fn host() -> String {
    env::var("ANSHIN_TEST_CQL").unwrap_or_else(|_| {
        panic!(
            "ANSHIN_TEST_CQL does not say where a Cassandra is: run `make test`, or \
             `scripts/servers/with --cassandra -- cargo test --package storage`"
        )
    })
}

pub(crate) fn config(host: String, keyspace: &str) -> CqlConfig {
    CqlConfig {
        hosts: vec![host],
        keyspace: keyspace.to_owned(),
        datacenter: None,
        retention_days: 28,
        clock: system_clock(),
        tls: None,
        login: None,
        plain_text_to_any_host: false,
    }
}

pub(crate) async fn apply(config: &CqlConfig) -> Result<String, CqlError> {
    let mut said = Vec::new();
    migrate(config, 1, WAIT, false, &mut said).await?;
    Ok(String::from_utf8(said).expect("text"))
}

/// Keyspaces of one test's own, gone after it.
struct Keyspaces {
    session: Session,
    names: Mutex<Vec<String>>,
}

impl Keyspaces {
    async fn new() -> Self {
        let session = SessionBuilder::new().known_node(host()).build().await.expect("a session");
        Self { session, names: Mutex::new(Vec::new()) }
    }

    /// Where one may be made.
    async fn config(&self) -> CqlConfig {
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.names.lock().await.push(name.clone());
        config(host(), &name)
    }

    /// One with all tables.
    async fn migrated(&self) -> CqlConfig {
        let config = self.config().await;
        apply(&config).await.expect("migrated");
        config
    }

    async fn store(&self) -> CqlStore {
        CqlStore::connect(self.migrated().await, WAIT).await.expect("a store")
    }

    async fn run(&self, statement: String) {
        self.session.query_unpaged(statement, ()).await.expect("a good statement");
    }

    async fn rows(&self, statement: String) -> usize {
        let result = self.session.query_unpaged(statement, ()).await.expect("a good statement");
        result.into_rows_result().expect("rows").rows_num()
    }

    async fn drop_all(self) {
        for name in self.names.lock().await.iter() {
            self.run(format!("DROP KEYSPACE IF EXISTS {name}")).await;
        }
    }
}

pub(crate) fn row(scanned_at: EventTime, venue: u64) -> ScanRow {
    ScanRow {
        venue: VenueId::from_u64(venue),
        scanned_at,
        pseudonym: Pseudonym([7; 16]),
        sealed: SealedId(Bytes::from_static(b"sealed")),
        epoch: scanned_at.epoch(),
        issue: Issue(1),
        message: MessageHash([1; 16]),
    }
}

#[tokio::test]
async fn the_cql_store() {
    let keyspaces = Keyspaces::new().await;
    store_suite(|| async { AnyStore::Cql(keyspaces.store().await) }, system_clock()().micros())
        .await;
    keyspaces.drop_all().await;
}

/// More rows and bytes than a batch takes, and rows as large as a chunk's recipients.
#[tokio::test]
async fn large_writes_arrive_whole() {
    let keyspaces = Keyspaces::new().await;
    let store = keyspaces.store().await;
    let hour = EventTime(system_clock()().hour().0 * 3_600_000);
    let rows: Vec<ScanRow> = (0..1_000)
        .map(|n| {
            let sealed =
                SealedId(Bytes::from(vec![n as u8; if n % 10 == 0 { 40_000 } else { 60 }]));
            ScanRow { sealed, ..row(hour.plus(n), 1) }
        })
        .collect();
    store.put(&rows).await.expect("written");
    let found = store.all::<ScanRow>(&(VenueId::from_u64(1), hour.hour())).await.expect("rows");
    assert!(found == rows, "{} rows", found.len());

    let huge = ScanRow { sealed: SealedId(Bytes::from(vec![0; 5 << 20])), ..row(hour, 2) };
    let kind = store.put(&[huge]).await.expect_err("too large").kind();
    assert_eq!(kind, Kind::Invalid);
    keyspaces.drop_all().await;
}

#[tokio::test]
async fn a_row_without_columns_exists() {
    let keyspaces = Keyspaces::new().await;
    let store = keyspaces.store().await;
    let partition = vec![Value::Blob(Bytes::copy_from_slice(&VisitorId([1; 16]).0))];
    let mutation = Mutation {
        table: &VISITORS,
        partition: partition.clone(),
        clustering: Vec::new(),
        columns: vec![None; 7],
        timestamp: 1,
    };
    store.write([mutation].into()).await.expect("written");
    let query = Query {
        table: &VISITORS,
        partition,
        from: None,
        to: None,
        order: Order::Descending,
        limit: 1,
        cursor: None,
    };
    let page = store.read(query.clone()).await.expect("a page");
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].columns, vec![None; 7]);

    let cursor = Some(storage::Cursor(Bytes::from_static(b"no cursor of ours")));
    let error = store.read(Query { cursor, ..query }).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    keyspaces.drop_all().await;
}

/// The time to live is what is left of retention, counted from the event.
#[tokio::test]
async fn rows_end_with_retention() {
    let keyspaces = Keyspaces::new().await;
    let event = system_clock()();
    let mut config = keyspaces.migrated().await;
    config.clock = std::sync::Arc::new(move || event.plus(27 * DAY_MS));
    let store = CqlStore::connect(config.clone(), WAIT).await.expect("a store");
    store.put(&[row(event, 1)]).await.expect("written");
    let statement = format!("SELECT TTL(sealed) FROM {}.scans", config.keyspace);
    let result = keyspaces.session.query_unpaged(statement, ()).await.expect("rows");
    let (ttl,) = result.into_rows_result().expect("rows").single_row::<(i32,)>().expect("a row");
    assert!((86_000..=86_400).contains(&ttl), "{ttl}");

    let over = store.put(&[row(event.plus(-DAY_MS - 1), 1)]).await.expect_err("over");
    assert_eq!(over.kind(), Kind::Invalid);
    keyspaces.drop_all().await;
}

#[tokio::test]
async fn any_number_may_migrate_at_once() {
    let keyspaces = Keyspaces::new().await;
    for _ in 0..3 {
        let config = keyspaces.config().await;
        let migrations = [config.clone(), config.clone(), config.clone()]
            .map(|config| tokio::spawn(async move { apply(&config).await }));
        for migration in migrations {
            migration.await.expect("it ends").expect("migrated");
        }
        let store = CqlStore::connect(config.clone(), WAIT).await.expect("a store");
        let rows = [row(system_clock()(), 1)];
        store.put(&rows).await.expect("written");
        let said = apply(&config).await.expect("nothing to do");
        assert!(said.contains("nothing to do"), "{said}");
        let tables = format!(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{}'",
            config.keyspace
        );
        // Ours, and the one of what was applied.
        assert_eq!(keyspaces.rows(tables).await, ALL_TABLES.len() + 1);
    }
    keyspaces.drop_all().await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let keyspaces = Keyspaces::new().await;
    let config = keyspaces.config().await;
    let mut said = Vec::new();
    migrate(&config, 1, WAIT, true, &mut said).await.expect("said");
    let said = String::from_utf8(said).expect("text");
    assert!(said.contains(&format!("CREATE KEYSPACE IF NOT EXISTS {}", config.keyspace)), "{said}");
    assert!(
        said.contains(&format!("CREATE TABLE IF NOT EXISTS {}.scans", config.keyspace)),
        "{said}"
    );
    assert!(said.ends_with("-- nothing was changed\n"), "{said}");
    let error = CqlStore::connect(config, WAIT).await.err();
    assert!(matches!(error, Some(CqlError::NoKeyspace { .. })), "{error:?}");
    keyspaces.drop_all().await;
}

/// What the store says to a set-up, which must not keep us waiting.
async fn refusal(config: CqlConfig) -> CqlError {
    CqlStore::connect(config, WAIT).await.err().expect("it can't be used")
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_refused() {
    let keyspaces = Keyspaces::new().await;
    let config = keyspaces.migrated().await;
    let keyspace = config.keyspace.clone();
    let set = |column: &str, value: &str, version: i32| {
        format!(
            "UPDATE {keyspace}.schema_version SET {column} = {value} \
             WHERE name = 'anshin' AND version = {version}"
        )
    };

    keyspaces.run(set("checksum", "''", 99)).await;
    let error = refusal(config.clone()).await;
    assert!(matches!(error, CqlError::SchemaNewer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("use a later version"), "{error}");
    let error = apply(&config).await.expect_err("refused");
    assert!(matches!(error, CqlError::SchemaNewer { found: 99, .. }), "{error}");

    keyspaces.run(format!("TRUNCATE {keyspace}.schema_version")).await;
    let error = refusal(config.clone()).await;
    assert!(matches!(error, CqlError::SchemaOlder { found: 0, .. }), "{error}");
    assert!(error.to_string().contains("anshin migrate"), "{error}");

    for version in [1, 2] {
        keyspaces.run(set("checksum", "'another'", version)).await;
    }
    let error = apply(&config).await.expect_err("refused");
    assert!(matches!(error, CqlError::SchemaChanged { .. }), "{error}");

    keyspaces.run(format!("DROP TABLE {keyspace}.venues")).await;
    let error = refusal(config.clone()).await;
    assert!(matches!(error, CqlError::Refused { .. }), "{error}");
    let other = "(venue bigint PRIMARY KEY, facility text)";
    keyspaces.run(format!("CREATE TABLE {keyspace}.venues {other}")).await;
    let error = refusal(config).await;
    assert!(matches!(&error, CqlError::Table { table, .. } if table == "venues"), "{error}");
    keyspaces.drop_all().await;
}

#[tokio::test]
async fn a_set_up_that_can_not_work_is_refused() {
    let good = config(host(), "anshin_is_not_here");
    let error = refusal(good.clone()).await;
    assert!(matches!(error, CqlError::NoKeyspace { .. }), "{error}");
    assert!(error.to_string().contains(&host()), "{error}");

    let keyspace = "no such; name".to_owned();
    let error = refusal(CqlConfig { keyspace, ..good.clone() }).await;
    assert!(matches!(error, CqlError::KeyspaceName { .. }), "{error}");

    let datacenter = Some("atlantis".to_owned());
    let error = refusal(CqlConfig { datacenter, ..good.clone() }).await;
    assert!(matches!(error, CqlError::Datacenter { .. }), "{error}");

    let hosts = vec!["cassandra.example:9042".to_owned()];
    let error = refusal(CqlConfig { hosts, ..good.clone() }).await;
    assert!(matches!(error, CqlError::PlainText { .. }), "{error}");

    let tls = Some(Tls { ca_file: Some("/nonexistent/ca.pem".into()) });
    let error = refusal(CqlConfig { tls, ..good.clone() }).await;
    assert!(matches!(error, CqlError::File { .. }), "{error}");

    let error = migrate(&good, 3, WAIT, false, &mut Vec::new()).await.expect_err("one node");
    assert!(matches!(error, CqlError::TooFewNodes { nodes: 1, .. }), "{error}");

    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let free = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let nobody = config(free.clone(), "anshin");
    let error = CqlStore::connect(nobody, Duration::ZERO).await.err().expect("nobody there");
    assert!(matches!(error, CqlError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&free), "{error}");
}
