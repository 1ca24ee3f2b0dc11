//! Members of groups on brokers that misbehave.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rdkafka::{
    mocking::MockCoordinator,
    types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code},
};
use schemas::topic::{Offset, Partition, Topic};
use storage::{
    Kind,
    kafka::{KafkaLog, KafkaMember},
    log::{Delivery, Group, Log, Member, Position, Reader, Record},
};

use super::kafka_mock::{Brokers, append_scans, number, patiently};

const GROUP: Group = Group::Processor;

/// A member, and what it has been given since it was assigned its partitions.
struct Taker {
    member: KafkaMember,
    held: BTreeSet<Partition>,
    records: Vec<Record>,
}

impl Taker {
    async fn join(log: &KafkaLog) -> Self {
        let member = log.join(GROUP, Topic::Scans).await.expect("a member");
        Self { member, held: BTreeSet::new(), records: Vec::new() }
    }

    /// Takes one delivery; true where partitions were revoked by it.
    async fn take(&mut self) -> bool {
        match self.member.next().await {
            Ok(Delivery::Assigned(partitions)) => {
                self.records.clear();
                assert!(self.held.is_empty(), "broken: everything is revoked first");
                self.held.extend(partitions);
            }
            Ok(Delivery::Revoked(partitions)) => {
                assert_eq!(partitions.into_iter().collect::<BTreeSet<_>>(), self.held);
                self.held.clear();
                return true;
            }
            Ok(Delivery::Records(records)) => {
                assert!(!records.is_empty(), "broken: records are never empty");
                for record in &records {
                    let held = self.held.contains(&record.position.partition);
                    assert!(held, "broken: assigned precedes the first record");
                }
                self.records.extend(records);
            }
            Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
        }
        false
    }

    fn numbers(&self) -> BTreeSet<u32> {
        self.records.iter().map(number).collect()
    }

    async fn take_until_seen(&mut self, numbers: std::ops::Range<u32>) {
        let all: BTreeSet<u32> = numbers.collect();
        patiently("a group is given everything", async {
            while !self.numbers().is_superset(&all) {
                self.take().await;
            }
        })
        .await;
    }

    async fn take_until_held(&mut self, count: usize) {
        patiently("partitions are assigned", async {
            while self.held.len() != count {
                self.take().await;
            }
        })
        .await;
    }

    async fn take_until_revoked(&mut self) {
        patiently("partitions are revoked", async { while !self.take().await {} }).await;
    }

    /// What can be committed.
    fn done(&self) -> Vec<(Partition, Offset)> {
        let done: BTreeMap<Partition, Offset> = self
            .records
            .iter()
            .map(|record| (record.position.partition, record.position.offset.next()))
            .collect();
        done.into_iter().collect()
    }

    async fn commit_at_last(&mut self) {
        let done = self.done();
        patiently("a commit gets through", async {
            while let Err(error) = self.member.commit(&done).await {
                assert_eq!(error.kind(), Kind::Transient, "{error}");
            }
        })
        .await;
    }
}

/// What the group has committed, where it has.
async fn committed(log: &KafkaLog) -> Vec<(Partition, Offset)> {
    patiently("what is committed is told", async {
        loop {
            match log.committed(GROUP, Topic::Scans).await {
                Ok(all) => {
                    let all = Topic::Scans.all_partitions().zip(all);
                    break all.filter_map(|(p, offset)| Some((p, offset?))).collect();
                }
                Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_a_member_that_was_given_up_is_refused_and_its_records_come_again() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    append_scans(&log, 0..50).await;
    let mut taker = Taker::join(&log).await;
    taker.take_until_seen(0..50).await;
    taker.commit_at_last().await;
    let before = committed(&log).await;
    append_scans(&log, 50..100).await;
    taker.take_until_seen(50..100).await;
    for error in
        [Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]
    {
        brokers.fail(Api::OffsetCommit, &[error]);
        let refused = taker.member.commit(&taker.done()).await.expect_err("refused");
        assert_eq!(refused.kind(), Kind::Invalid, "{error:?}: {refused}");
        assert_eq!(committed(&log).await, before, "{error:?}");
        taker.take_until_revoked().await;
        taker.take_until_held(24).await;
        taker.take_until_seen(50..100).await;
        assert!(taker.numbers().is_disjoint(&(0..50).collect()), "they were committed");
    }
    taker.commit_at_last().await;
    let after: BTreeMap<Partition, Offset> = committed(&log).await.into_iter().collect();
    for (partition, offset) in taker.done() {
        assert_eq!(after[&partition], offset);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_for_now_can_be_repeated() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    append_scans(&log, 0..50).await;
    let mut taker = Taker::join(&log).await;
    taker.take_until_seen(0..50).await;
    for error in [
        Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        brokers.fail(Api::OffsetCommit, &[error; 2]);
        taker.commit_at_last().await;
        assert_eq!(committed(&log).await, taker.done(), "{error:?}");
        brokers.cluster.clear_request_errors(Api::OffsetCommit);
        // Again from the start: the next commit changes something.
        let start: Vec<_> = taker.done().into_iter().map(|(p, _)| (p, Offset(0))).collect();
        patiently("a commit gets through", async {
            while taker.member.commit(&start).await.is_err() {}
        })
        .await;
        assert_eq!(committed(&log).await, start, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_its_coordinator_moves() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let group = format!("{}processor.scans", brokers.config.prefix);
    let move_to = |broker| {
        let group = MockCoordinator::Group(group.clone());
        brokers.cluster.coordinator(group, broker).expect("a coordinator");
    };
    move_to(1);
    let mut taker = Taker::join(&log).await;
    taker.take_until_held(24).await;
    for (n, broker) in [2, 1, 2].into_iter().enumerate() {
        let from = 20 * u32::try_from(n).expect("small");
        append_scans(&log, from..from + 20).await;
        move_to(broker);
        taker.take_until_seen(from..from + 20).await;
        taker.commit_at_last().await;
        assert_eq!(committed(&log).await, taker.done());
    }
    // And where the broker dies with it.
    brokers.down(2);
    move_to(1);
    brokers.up(2);
    append_scans(&log, 60..80).await;
    taker.take_until_seen(60..80).await;
    taker.commit_at_last().await;
    assert_eq!(taker.numbers(), (0..80).collect());
    let mut again = taker.records.iter().map(|r| r.position).collect::<Vec<Position>>();
    again.sort();
    again.dedup();
    assert_eq!(again.len(), taker.records.len(), "nothing was given up: nothing comes twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_can_not_reach_its_group_loses_its_partitions_and_comes_back() {
    let brokers = Brokers::start();
    let log = brokers.open().await;
    append_scans(&log, 0..50).await;
    let mut taker = Taker::join(&log).await;
    taker.take_until_seen(0..50).await;
    brokers.down(-1);
    taker.take_until_revoked().await;
    // Too late: the group has given it up.
    let late = taker.member.commit(&taker.done()).await.expect_err("nobody to commit to");
    assert!(matches!(late.kind(), Kind::Transient | Kind::Invalid), "{late}");
    brokers.up(-1);
    taker.take_until_held(24).await;
    taker.take_until_seen(0..50).await;
    taker.commit_at_last().await;
    assert_eq!(committed(&log).await, taker.done());
}

/// A member of a process whose name survives its restart.
async fn join_by_name(brokers: &mut Brokers) -> (KafkaLog, Taker) {
    brokers.config.instance = Some("one".to_owned());
    // The mock lets a group begin after three seconds: a member is not too old to be told anew.
    brokers.config.session_timeout = Duration::from_secs(6);
    let log = brokers.open().await;
    append_scans(&log, 0..50).await;
    let mut taker = Taker::join(&log).await;
    taker.take_until_seen(0..50).await;
    (log, taker)
}

const FENCED: Code = Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;

/// A broker that was killed and is back may answer so to the only process of that name.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_taken_for_its_own_double_joins_again() {
    let mut brokers = Brokers::start();
    let (log, mut taker) = join_by_name(&mut brokers).await;
    // Told by a heartbeat; told so once more before it is let in again.
    brokers.fail(Api::Heartbeat, &[FENCED]);
    brokers.fail(Api::JoinGroup, &[FENCED; 2]);
    taker.take_until_revoked().await;
    taker.take_until_held(24).await;
    taker.take_until_seen(0..50).await;
    taker.commit_at_last().await;
    assert_eq!(committed(&log).await, taker.done());
    append_scans(&log, 50..60).await;
    taker.take_until_seen(50..60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_a_member_that_is_taken_for_its_double_is_refused_and_ends_nothing() {
    let mut brokers = Brokers::start();
    let (log, mut taker) = join_by_name(&mut brokers).await;
    // By the answer to the commit itself.
    brokers.fail(Api::OffsetCommit, &[FENCED]);
    let refused = taker.member.commit(&taker.done()).await.expect_err("refused");
    assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
    assert_eq!(committed(&log).await, []);

    // By a heartbeat before it: this consumer has come to its end, and no commit gets through.
    brokers.fail(Api::Heartbeat, &[FENCED]);
    let refused = patiently("a heartbeat is answered", async {
        loop {
            if let Err(error) = taker.member.commit(&taker.done()).await {
                break error;
            }
        }
    })
    .await;
    assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
    taker.take_until_revoked().await;
    taker.take_until_held(24).await;
    append_scans(&log, 50..60).await;
    taker.take_until_seen(50..60).await;
    taker.commit_at_last().await;
    let after: BTreeMap<Partition, Offset> = committed(&log).await.into_iter().collect();
    assert!(taker.done().iter().all(|(partition, offset)| after[partition] == *offset));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_have_a_double_time_after_time_ends_and_says_what_to_do() {
    let mut brokers = Brokers::start();
    let (_log, mut taker) = join_by_name(&mut brokers).await;
    brokers.fail(Api::Heartbeat, &[FENCED]);
    brokers.fail(Api::JoinGroup, &[FENCED; 20]);
    let ended = patiently("a member gives up", async {
        loop {
            match taker.member.next().await {
                Err(error) if error.kind() != Kind::Transient => break error,
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(ended.kind(), Kind::Fatal);
    assert!(ended.to_string().contains("kafka.instance must differ"), "{ended}");
}

/// What a member had not let go of yet when it was dropped.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// It has not been assigned anything.
    Joining,
    /// It holds everything.
    Holding,
    /// It was told that partitions are revoked, and did not call `next` again.
    Revoked,
    /// It was not told, since it did not call `next`.
    NotTold,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_may_be_dropped_at_any_moment() {
    let drop_at = async |moment: Moment| {
        let brokers = Brokers::start();
        let log = brokers.open().await;
        append_scans(&log, 0..50).await;
        let mut first = Taker::join(&log).await;
        if !matches!(moment, Moment::Joining) {
            first.take_until_held(24).await;
        }
        let mut second = Taker::join(&log).await;
        match moment {
            Moment::Revoked => first.take_until_revoked().await,
            // Long enough for the group to ask for the partitions.
            Moment::NotTold => {
                let asked = tokio::time::timeout(Duration::from_secs(2), second.take()).await;
                assert!(asked.is_err(), "the first one has everything");
            }
            Moment::Joining | Moment::Holding => {}
        }
        drop(first);
        second.take_until_held(24).await;
        second.take_until_seen(0..50).await;
        second.commit_at_last().await;
    };
    use Moment::{Holding, Joining, NotTold, Revoked};
    tokio::join!(drop_at(Joining), drop_at(Holding), drop_at(Revoked), drop_at(NotTold));
}

/// Yields so often, then is done: whoever is raced against it is dropped somewhere.
async fn after_yields(yields: u32) {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_may_be_dropped_anywhere_and_nothing_is_lost() {
    const NUMBERS: u32 = 2_000;
    let brokers = Brokers::start();
    let log = brokers.open().await;
    let mut dice = StdRng::seed_from_u64(1);
    let mut taker = Taker::join(&log).await;
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for from in (0..NUMBERS).step_by(50) {
                append_scans(&log, from..from + 50).await;
            }
        }
    });
    patiently("a member is given everything", async {
        while taker.numbers().len() < NUMBERS as usize {
            tokio::select! {
                _ = taker.take() => {}
                () = after_yields(dice.random_range(0..20)) => {}
            }
        }
    })
    .await;
    writer.await.expect("writes");
    let given: BTreeSet<Position> = taker.records.iter().map(|r| r.position).collect();
    assert_eq!(given.len(), taker.records.len(), "nothing comes twice");

    let end = log.bounds(Topic::Scans).await.expect("bounds")[7].end;
    let mut reader = log.read(Topic::Scans, Partition(7), Offset(0)).await.expect("a reader");
    let mut read: Vec<Position> = Vec::new();
    patiently("a reader reads everything", async {
        while read.last().is_none_or(|last| last.offset.next() < end) {
            tokio::select! {
                records = reader.next() => {
                    read.extend(records.expect("records").iter().map(|r| r.position));
                }
                () = after_yields(dice.random_range(0..20)) => {}
            }
        }
    })
    .await;
    let given: Vec<Position> =
        given.into_iter().filter(|position| position.partition == Partition(7)).collect();
    assert_eq!(read, given);
}
