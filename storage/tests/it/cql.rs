//! The store on a real Cassandra, which `scripts/servers/with` starts, or on whatever CQL cluster
//! somebody already has.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use schemas::time::EventTime;
use storage::{
    any::AnyStore,
    conformance::store_suite,
    cql::{CqlConfig, CqlError, CqlStore, migrate},
    embedded::system_clock,
};

const WAIT: Duration = Duration::from_secs(30);

/// Where the tests' store is.
pub fn node() -> String {
    std::env::var("ANSHIN_TEST_CQL").unwrap_or_else(|_| {
        panic!("ANSHIN_TEST_CQL names no CQL store: run the tests through scripts/servers/with --kafka --cassandra -- cargo test")
    })
}

/// A keyspace of its own for each test.
pub fn config(node: &str) -> CqlConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    CqlConfig {
        hosts: vec![node.to_owned()],
        keyspace: format!("t{}_{n}", &uuid::Uuid::new_v4().simple().to_string()[..12]),
        datacenter: None,
        retention_days: 28,
        clock: system_clock(),
        tls: None,
        login: None,
        plain_text_to_any_host: false,
    }
}

/// Two stores share a keyspace without harm where their suites use other partitions; these do not.
async fn fresh(node: &str) -> CqlStore {
    let config = config(node);
    migrate(&config, 1, WAIT, false, &mut Vec::new()).await.expect("tables are made");
    CqlStore::connect(config, WAIT).await.expect("the store opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_on_cassandra() {
    let node = node();
    let EventTime(now) = system_clock()();
    store_suite(|| async { AnyStore::Cql(fresh(&node).await) }, now * 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_once_and_checked() {
    let config = config(&node());
    let none = CqlStore::connect(config.clone(), WAIT).await.err().expect("no keyspace yet");
    assert!(matches!(none, CqlError::NoKeyspace { .. }), "{none}");
    let mut said = Vec::new();
    migrate(&config, 1, WAIT, true, &mut said).await.expect("a dry run");
    let text = String::from_utf8(std::mem::take(&mut said)).expect("UTF-8");
    assert!(text.contains("would be made") && text.contains(".scans ("), "{text}");
    let none = CqlStore::connect(config.clone(), WAIT).await.err().expect("still none");
    assert!(matches!(none, CqlError::NoKeyspace { .. }), "{none}");

    // Three at once.
    let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
    let all = tokio::join!(
        migrate(&config, 1, WAIT, false, &mut one),
        migrate(&config, 1, WAIT, false, &mut two),
        migrate(&config, 1, WAIT, false, &mut three)
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok(), "{all:?}");
    migrate(&config, 1, WAIT, false, &mut said).await.expect("again");
    let text = String::from_utf8(said).expect("UTF-8");
    assert!(text.contains("schema 1: as it should be"), "{text}");
    CqlStore::connect(config.clone(), WAIT).await.expect("the store opens");

    // Made by a later version.
    let session = scylla::client::session_builder::SessionBuilder::new()
        .known_node(&config.hosts[0])
        .build()
        .await
        .expect("a session");
    let later = format!(
        "INSERT INTO {}.schema_version (name, version, checksum) VALUES ('anshin', 99, 'x')",
        config.keyspace
    );
    session.query_unpaged(later, ()).await.expect("a row");
    let newer = CqlStore::connect(config.clone(), WAIT).await.err().expect("a later schema");
    assert!(matches!(newer, CqlError::SchemaNewer { found: 99, .. }), "{newer}");
    let newer = migrate(&config, 1, WAIT, false, &mut Vec::new()).await.expect_err("refused");
    assert!(matches!(newer, CqlError::SchemaNewer { .. }), "{newer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_be_reached_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let node = free.expect("an address").to_string();
    let said = CqlStore::connect(config(&node), Duration::from_millis(300)).await;
    let said = said.err().expect("nobody there").to_string();
    assert!(said.contains(&node), "{said}");
    let far = CqlStore::connect(config("cql.example:9042"), WAIT).await.err().expect("far away");
    assert!(matches!(far, CqlError::PlainText { .. }), "{far}");
}
