//! The log on a real Kafka, which `scripts/servers/with` starts, or somebody already has.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use storage::{
    any::AnyLog,
    conformance::log_suite,
    kafka::{Acks, KafkaConfig, KafkaLog, Link, OpenError, migrate},
};

/// Where the tests' Kafka is.
pub fn broker() -> String {
    std::env::var("ANSHIN_TEST_KAFKA").unwrap_or_else(|_| {
        panic!("ANSHIN_TEST_KAFKA names no Kafka: run the tests through scripts/servers/with --kafka --cassandra -- cargo test")
    })
}

/// Topics of its own for each test, on any Kafka.
pub fn config(broker: &str) -> KafkaConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    KafkaConfig {
        brokers: vec![broker.to_owned()],
        prefix: format!("t{}-{n}.", uuid::Uuid::new_v4().simple()),
        instance: None,
        acks: Acks { replication: 1, min_in_sync: 1 },
        session_timeout: Duration::from_secs(6),
        delivery_deadline: Duration::from_secs(10),
        queue_records: 100_000,
        link: Link::default(),
    }
}

const WAIT: Duration = Duration::from_secs(30);

/// A log with topics of its own.
async fn fresh(broker: &str) -> KafkaLog {
    let config = config(broker);
    migrate(&config, 28, WAIT, false, &mut Vec::new()).await.expect("topics are made");
    KafkaLog::open(config, WAIT).await.expect("the log opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_kafka() {
    let broker = broker();
    log_suite(|| async { AnyLog::Kafka(fresh(&broker).await) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_and_checked() {
    let config = config(&broker());
    let missing = KafkaLog::open(config.clone(), WAIT).await.err().expect("no topics yet");
    assert!(matches!(missing, OpenError::MissingTopic { .. }), "{missing}");
    let mut said = Vec::new();
    migrate(&config, 28, WAIT, true, &mut said).await.expect("a dry run");
    let text = String::from_utf8(std::mem::take(&mut said)).expect("UTF-8");
    assert_eq!(text.matches("would be made").count(), 7, "{text}");
    let missing = KafkaLog::open(config.clone(), WAIT).await.err().expect("still none");
    assert!(matches!(missing, OpenError::MissingTopic { .. }), "{missing}");

    // Two at once.
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let both = tokio::join!(
        migrate(&config, 28, WAIT, false, &mut one),
        migrate(&config, 28, WAIT, false, &mut two)
    );
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    migrate(&config, 28, WAIT, false, &mut said).await.expect("again");
    let text = String::from_utf8(said).expect("UTF-8");
    assert_eq!(text.matches("as it should be").count(), 7, "{text}");

    // Longer retention, more copies than the topics have.
    let longer = migrate(&config, 60, WAIT, false, &mut Vec::new()).await;
    let said = longer.expect_err("28 days are less than 60").to_string();
    assert!(said.contains("scans has retention.ms="), "{said}");
    let more = Acks { replication: 3, min_in_sync: 2 };
    let strict = KafkaConfig { acks: more, ..config };
    let said = migrate(&strict, 28, WAIT, false, &mut Vec::new()).await.expect_err("one copy");
    assert!(said.to_string().contains("min.insync.replicas=1"), "{said}");
    let said = KafkaLog::open(strict, WAIT).await.err().expect("one copy").to_string();
    assert!(said.contains("has replication 1 where kafka.replication is 3"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_be_reached_is_named() {
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let broker = port.expect("an address").to_string();
    let said = KafkaLog::open(config(&broker), Duration::from_millis(500)).await;
    let said = said.err().expect("nobody there").to_string();
    assert!(said.contains(&broker), "{said}");
    let far = KafkaLog::open(config("kafka.example:9092"), WAIT).await.err().expect("far away");
    assert!(matches!(far, OpenError::PlainText { .. }), "{far}");
}
