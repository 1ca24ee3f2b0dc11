//! Appending to and reading from brokers that misbehave: librdkafka's mock cluster of two.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code},
};
use schemas::topic::{Offset, Partition, Topic};
use storage::{
    Kind, LogError,
    kafka::{Acks, KafkaConfig, KafkaLog},
    log::{Append, Log, Position, Reader, Record},
};

use super::kafka::config;

/// A promise that is not kept by then is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two brokers in this process. They know every topic.
pub struct Brokers {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    pub config: KafkaConfig,
}

impl Brokers {
    pub fn start() -> Self {
        let cluster = MockCluster::new(2).expect("brokers start");
        let config = KafkaConfig {
            brokers: cluster.bootstrap_servers().split(',').map(str::to_owned).collect(),
            acks: Acks { replication: 2, min_in_sync: 2 },
            session_timeout: Duration::from_secs(3),
            ..config("")
        };
        for topic in Topic::ALL {
            let (name, partitions) = (config.topic(topic), i32::from(topic.partitions()));
            cluster.create_topic(&name, partitions, 2).expect("a topic");
        }
        Self { cluster, config }
    }

    pub async fn open(&self) -> KafkaLog {
        KafkaLog::open(self.config.clone(), PATIENCE).await.expect("the log opens")
    }

    /// Which broker leads each partition.
    fn leaders(&self, topic: Topic) -> Vec<i32> {
        let asker: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.config.brokers.join(","))
            .create()
            .expect("a client");
        let name = self.config.topic(topic);
        let metadata = asker.fetch_metadata(Some(&name), PATIENCE).expect("brokers answer");
        let partitions = metadata.topics()[0].partitions();
        partitions.iter().map(|partition| partition.leader()).collect()
    }

    /// Makes a broker the leader of a partition.
    pub fn lead(&self, topic: Topic, partition: Partition, broker: i32) {
        let (name, partition) = (self.config.topic(topic), i32::from(partition.0));
        self.cluster.partition_leader(&name, partition, Some(broker)).expect("a leader");
    }

    /// The next requests fail so, one after the other.
    pub fn fail(&self, api: Api, errors: &[Code]) {
        self.cluster.request_errors(api, errors);
    }

    /// A broker (-1: both) closes its connections and takes no others.
    pub fn down(&self, broker: i32) {
        self.cluster.broker_down(broker).expect("a broker goes down");
    }

    pub fn up(&self, broker: i32) {
        self.cluster.broker_up(broker).expect("a broker comes up");
    }
}

/// Each number has a key of its own.
pub fn scan(n: u32) -> Append {
    let bytes = Bytes::copy_from_slice(&n.to_be_bytes());
    Append { topic: Topic::Scans, key: bytes.clone(), value: bytes }
}

fn job(n: u32) -> Append {
    Append { topic: Topic::Jobs, ..scan(n) }
}

pub fn number(record: &Record) -> u32 {
    u32::from_be_bytes(record.value.as_ref().try_into().expect("four bytes"))
}

pub async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(done) => done,
        Err(_) => panic!("broken: {what}"),
    }
}

type Appended = BTreeMap<Position, Append>;

/// Notes what is in the log now; gives back what may not be, to be appended again.
fn note(
    appended: &mut Appended,
    records: Vec<Append>,
    results: Vec<Result<Position, LogError>>,
) -> Vec<Append> {
    assert_eq!(records.len(), results.len(), "broken: a result for each record");
    let mut failed = Vec::new();
    for (record, result) in records.into_iter().zip(results) {
        match result {
            Ok(position) => {
                assert_eq!(position.partition, record.topic.partition_of(&record.key));
                let before = appended.insert(position, record);
                assert_eq!(before, None, "broken: a position is one record's");
            }
            Err(error) => {
                assert!(matches!(error.kind(), Kind::Transient | Kind::Saturated), "{error}");
                failed.push(record);
            }
        }
    }
    failed
}

/// Appends until all is in.
async fn append_all(log: &KafkaLog, mut left: Vec<Append>) -> Appended {
    let mut appended = Appended::new();
    patiently("an append gets through", async {
        while !left.is_empty() {
            let results = log.append(left.clone()).await;
            left = note(&mut appended, left, results);
        }
    })
    .await;
    appended
}

/// Appends scans, however often it takes.
pub async fn append_scans(log: &KafkaLog, numbers: std::ops::Range<u32>) {
    append_all(log, numbers.map(scan).collect()).await;
}

/// Everything that is in a topic.
async fn contents(log: &KafkaLog, topic: Topic) -> Vec<Record> {
    patiently("a topic is read", async {
        let bounds = loop {
            match log.bounds(topic).await {
                Ok(bounds) => break bounds,
                Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
            }
        };
        let all = topic.all_partitions().zip(bounds).map(async |(partition, range)| {
            let mut reader = log.read(topic, partition, Offset(0)).await.expect("a reader");
            let (mut next, mut contents) = (range.start, Vec::new());
            while next < range.end {
                let Ok(records) = reader.next().await else { continue };
                for record in &records {
                    assert!(record.position.offset >= next, "broken: offsets rise");
                    next = record.position.offset.next();
                }
                contents.extend(records);
            }
            contents
        });
        join_all(all).await.concat()
    })
    .await
}

/// What was told to be in the log is there; so is each of `numbers`, and nothing else.
async fn all_is_there(log: &KafkaLog, topic: Topic, numbers: u32, appended: &Appended) {
    let contents = contents(log, topic).await;
    let seen: BTreeSet<u32> = contents.iter().map(number).collect();
    assert_eq!(seen, (0..numbers).collect(), "broken: each number is there");
    let there: BTreeMap<Position, &Record> = contents.iter().map(|r| (r.position, r)).collect();
    for (position, append) in appended {
        let record = there.get(position).expect("broken: a position is where the record is read");
        assert_eq!((&record.key, &record.value), (&append.key, &append.value));
    }
}

/// One number for each partition. A partition so has one request under way: the mock looks at no
/// sequence numbers, so it takes one that overtakes another, and what is sent again twice.
fn one_each(round: u32) -> Vec<Append> {
    let mut left: BTreeSet<Partition> = Topic::Scans.all_partitions().collect();
    let fresh = |n: &u32| left.remove(&Topic::Scans.partition_of(&n.to_be_bytes()));
    (round * 1_000..).filter(fresh).take(24).map(scan).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_errors_of_brokers_are_ridden_out() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let mut all = Vec::new();
    for (round, error) in (0..).zip([
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
    ]) {
        brokers.fail(Api::Produce, &[error; 5]);
        let records = one_each(round);
        let results = log.append(records.clone()).await;
        assert!(results.iter().all(Result::is_ok), "{error:?}: {results:?}");
        all.extend(records.into_iter().zip(results.into_iter().flatten()));
    }
    let there: BTreeMap<Position, Record> =
        contents(&log, Topic::Scans).await.into_iter().map(|r| (r.position, r)).collect();
    for (append, position) in all {
        assert_eq!(there[&position].value, append.value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_fails_its_partitions_only() {
    let mut brokers = Brokers::start();
    brokers.config.delivery_deadline = Duration::from_secs(1);
    let log = brokers.open().await;
    append_all(&log, (0..100).map(scan).collect()).await;
    let leaders = brokers.leaders(Topic::Scans);
    brokers.down(2);
    let records: Vec<Append> = (100..300).map(scan).collect();
    let results = patiently("an append fails in time", log.append(records.clone())).await;
    for (record, result) in records.iter().zip(&results) {
        let up = leaders[record.topic.partition_of(&record.key).index()] == 1;
        assert_eq!(result.is_ok(), up, "{result:?}");
    }
    let mut appended = Appended::new();
    let left = note(&mut appended, records, results);
    assert!(!left.is_empty() && !appended.is_empty(), "both brokers have something");
    brokers.up(2);
    appended.extend(append_all(&log, left).await);
    all_is_there(&log, Topic::Scans, 300, &appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_deadline_fails_appends_and_nothing_else() {
    let mut brokers = Brokers::start();
    brokers.config.delivery_deadline = Duration::from_secs(1);
    let log = brokers.open().await;
    let mut appended = append_all(&log, (0..50).map(job).collect()).await;
    for round in 1..=2 {
        brokers.down(-1);
        let records: Vec<Append> = (round * 50..round * 50 + 50).map(job).collect();
        let results = patiently("an append fails in time", log.append(records.clone())).await;
        assert!(results.iter().all(Result::is_err), "nobody can have them");
        let left = note(&mut appended, records, results);
        brokers.up(-1);
        appended.extend(append_all(&log, left).await);
    }
    all_is_there(&log, Topic::Jobs, 150, &appended).await;
    let order: Vec<Append> = appended.into_values().collect();
    assert_eq!(order, (0..150).map(job).collect::<Vec<_>>(), "broken: order");
}

/// Brokers have the record, and their answer never comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_answer_was_lost_is_there_where_it_is_said_to_be() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let mut appended = append_all(&log, (0..5).map(job).collect()).await;
    let slow = Duration::from_secs(5);
    brokers.cluster.broker_round_trip_time(-1, slow).expect("brokers are slow");
    let records: Vec<Append> = (5..10).map(job).collect();
    let append = log.append(records.clone());
    tokio::pin!(append);
    // As long as this the brokers have, and less than they take to answer.
    let early = tokio::time::timeout(Duration::from_millis(500), &mut append).await;
    assert!(early.is_err(), "brokers are slow");
    brokers.down(-1);
    brokers.cluster.broker_round_trip_time(-1, Duration::ZERO).expect("brokers are quick");
    brokers.up(-1);
    let results = patiently("an append ends", append).await;
    let left = note(&mut appended, records, results);
    appended.extend(append_all(&log, left).await);
    all_is_there(&log, Topic::Jobs, 10, &appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_may_move_while_records_are_appended_and_read() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let reading = {
        let log = log.clone();
        tokio::spawn(async move {
            let mut reader = log.read(Topic::Jobs, Partition(0), Offset(0)).await.expect("reads");
            let mut seen: Vec<Record> = Vec::new();
            while seen.last().map(number) != Some(399) {
                match reader.next().await {
                    Ok(records) => seen.extend(records),
                    Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
                }
            }
            seen
        })
    };
    let mut appended = Appended::new();
    for round in 0..20 {
        brokers.lead(Topic::Jobs, Partition(0), i32::try_from(round % 2).expect("small") + 1);
        let records = (round * 20..round * 20 + 20).map(job).collect();
        appended.extend(append_all(&log, records).await);
    }
    let seen = patiently("a reader follows the leader", reading).await.expect("reads");
    let offsets: BTreeSet<Offset> = seen.iter().map(|record| record.position.offset).collect();
    assert_eq!(offsets.len(), seen.len(), "broken: no record is read twice");
    let read: Vec<u32> = seen.iter().map(number).collect();
    assert_eq!(read, (0..400).collect::<Vec<_>>(), "broken: order");
    all_is_there(&log, Topic::Jobs, 400, &appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_takes_more_once_it_has_room() {
    let mut brokers = Brokers::start();
    brokers.config.queue_records = 10;
    brokers.config.delivery_deadline = Duration::from_secs(1);
    let log = brokers.open().await;
    brokers.down(-1);
    let records: Vec<Append> = (0..50).map(scan).collect();
    let results = patiently("an append fails in time", log.append(records.clone())).await;
    let refused = |result: &Result<Position, LogError>| {
        result.as_ref().is_err_and(|error| error.kind() == Kind::Saturated)
    };
    assert_eq!(results.iter().filter(|result| refused(result)).count(), 40);
    assert!(results[..10].iter().all(|result| result.is_err() && !refused(result)));
    assert!(results[10].as_ref().is_err_and(|e| e.to_string().contains("kafka.queue_messages")));
    brokers.up(-1);
    let appended = append_all(&log, records).await;
    all_is_there(&log, Topic::Scans, 50, &appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_failed_for_good_is_replaced() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let appended = Arc::new(parking_lot::Mutex::new(Appended::new()));
    append_all(&log, (0..10).map(scan).collect()).await;
    for round in 0..2 {
        // "Records are missing before this one": the producer can't tell which.
        brokers.fail(Api::Produce, &[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
        let first = vec![scan(round)];
        let failed = log.append(first).await.pop().expect("a result");
        assert_eq!(failed.expect_err("the producer fails").kind(), Kind::Transient);
        // Everybody goes on with the new one.
        let all: Vec<_> = (0..8)
            .map(|n| {
                let (log, appended) = (log.clone(), Arc::clone(&appended));
                tokio::spawn(async move {
                    let from = 10 + round * 80 + n * 10;
                    let more = append_all(&log, (from..from + 10).map(scan).collect()).await;
                    appended.lock().extend(more);
                })
            })
            .collect();
        for one in all {
            one.await.expect("appends");
        }
    }
    let appended = std::mem::take(&mut *appended.lock());
    all_is_there(&log, Topic::Scans, 170, &appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_led_is_not_asked_for_bounds_for_ever() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let lead = |broker| {
        Topic::Scans
            .all_partitions()
            .for_each(|partition| brokers.lead(Topic::Scans, partition, broker));
    };
    lead(1);
    log.bounds(Topic::Scans).await.expect("bounds");
    brokers.down(1);
    lead(2);
    // The first question may still go to whoever led.
    let first = log.bounds(Topic::Scans).await;
    let second = log.bounds(Topic::Scans).await;
    assert!(second.is_ok(), "broken: whoever leads is asked: {first:?}, {second:?}");
}
