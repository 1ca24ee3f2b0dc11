//! The promises of [`Log`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use schemas::topic::{Offset, Partition, Topic};

use crate::{
    error::{Kind, LogError},
    log::{Append, Delivery, Group, Log, Member, Reader, Record},
};

/// Longer than any backend takes for a step; a promise that is not kept by then is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks every promise. `fresh` gives an empty log each time.
pub async fn log_suite<L: Log, F: Future<Output = L>>(mut fresh: impl FnMut() -> F) {
    appended_records_are_read_in_order(fresh().await).await;
    every_record_has_its_own_result(fresh().await).await;
    bounds_grow_with_what_is_appended(fresh().await).await;
    a_reader_begins_where_it_is_told_and_waits(fresh().await).await;
    a_group_is_given_everything_once_committed_never_again(fresh().await).await;
    what_was_not_committed_comes_again(fresh().await).await;
    a_lower_commit_means_again_from_there(fresh().await).await;
    members_share_partitions_and_hand_them_over(fresh().await).await;
    a_partition_of_somebody_else_can_not_be_committed(fresh().await).await;
    groups_do_not_know_of_one_another(fresh().await).await;
}

fn record(key: u32, value: u32) -> Append {
    Append {
        topic: Topic::Scans,
        key: Bytes::copy_from_slice(&key.to_be_bytes()),
        value: Bytes::copy_from_slice(&value.to_be_bytes()),
    }
}

fn number(record: &Record) -> u32 {
    let bytes = record.value.as_ref().try_into().expect("four bytes, as they were appended");
    u32::from_be_bytes(bytes)
}

async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(done) => done,
        Err(_) => panic!("broken: {what}"),
    }
}

/// Appends numbers, each under a key of its own, until all are in.
async fn append_all<L: Log>(log: &L, numbers: std::ops::Range<u32>) {
    let mut left: Vec<Append> = numbers.map(|n| record(n, n)).collect();
    while !left.is_empty() {
        let results = log.append(left.clone()).await;
        assert_eq!(results.len(), left.len(), "broken: a result for each record");
        let failed = left.iter().zip(results).filter(|(_, result)| result.is_err());
        left = failed.map(|(append, _)| append.clone()).collect();
    }
}

/// Everything that is in a topic, by partition.
async fn contents<L: Log>(log: &L, topic: Topic) -> BTreeMap<Partition, Vec<Record>> {
    let bounds = log.bounds(topic).await.expect("bounds are told");
    let mut contents = BTreeMap::new();
    for (partition, range) in topic.all_partitions().zip(bounds) {
        let mut records: Vec<Record> = Vec::new();
        let mut reader = log.read(topic, partition, Offset(0)).await.expect("a reader");
        while records.last().map_or(range.start, |last| last.position.offset.next()) < range.end {
            let more = patiently("a reader sees all up to the end", reader.next()).await;
            records.extend(more.expect("records are read"));
        }
        contents.insert(partition, records);
    }
    contents
}

async fn appended_records_are_read_in_order<L: Log>(log: L) {
    for n in 0..20 {
        append_all(&log, n * 10..n * 10 + 10).await;
    }
    let contents = contents(&log, Topic::Scans).await;
    let mut seen = BTreeSet::new();
    for (partition, records) in contents {
        let mut last = None;
        for record in records {
            assert_eq!(record.position.partition, partition);
            assert_eq!(
                Topic::Scans.partition_of(&record.key),
                partition,
                "broken: partition by key"
            );
            assert!(last < Some(record.position.offset), "broken: offsets rise");
            last = Some(record.position.offset);
            seen.insert(number(&record));
        }
    }
    assert_eq!(seen, (0..200).collect(), "broken: durable before Ok");

    // One key, one call: in the order of the call.
    let same_key: Vec<Append> = (1_000..1_050).map(|n| record(7, n)).collect();
    let results = log.append(same_key).await;
    let in_order: Vec<u32> = contents_of_key(&log, 7).await;
    let appended: Vec<u32> =
        (1_000..1_050).zip(results).filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
    let mut known: Vec<u32> = in_order.into_iter().filter(|n| appended.contains(n)).collect();
    // A backend may write a record twice, one right behind the other.
    known.dedup();
    assert_eq!(known, appended, "broken: records of one call keep their order");
}

async fn contents_of_key<L: Log>(log: &L, key: u32) -> Vec<u32> {
    let contents = contents(log, Topic::Scans).await;
    let all = contents.values().flatten();
    let key = key.to_be_bytes();
    all.filter(|record| record.key.as_ref() == key).map(number).filter(|n| *n >= 1_000).collect()
}

async fn every_record_has_its_own_result<L: Log>(log: L) {
    assert!(log.append(Vec::new()).await.is_empty());
    let appends: Vec<Append> = (0..100).map(|n| record(n, n)).collect();
    let results = log.append(appends.clone()).await;
    assert_eq!(results.len(), 100, "broken: a result for each record");
    let contents = contents(&log, Topic::Scans).await;
    for (append, result) in appends.iter().zip(results) {
        let Ok(position) = result else { continue };
        let there = contents[&position.partition].iter().find(|r| r.position == position);
        let there = there.expect("broken: a position is where the record is read");
        assert_eq!((&there.key, &there.value), (&append.key, &append.value));
    }
}

async fn bounds_grow_with_what_is_appended<L: Log>(log: L) {
    let bounds = log.bounds(Topic::Jobs).await.expect("bounds are told");
    assert_eq!(bounds.len(), 1, "broken: bounds of every partition");
    assert!(bounds[0].is_empty(), "broken: an empty partition has empty bounds");
    let job = Append { topic: Topic::Jobs, ..record(1, 1) };
    let position = loop {
        match log.append(vec![job.clone()]).await.pop().expect("a result") {
            Ok(position) => break position,
            Err(_) => continue,
        }
    };
    let bounds = log.bounds(Topic::Jobs).await.expect("bounds are told");
    assert!(bounds[0].contains(&position.offset), "broken: end is past the last record");
    let scans = log.bounds(Topic::Scans).await.expect("bounds are told");
    assert_eq!(scans.len(), usize::from(Topic::Scans.partitions()));
}

async fn a_reader_begins_where_it_is_told_and_waits<L: Log>(log: L) {
    let jobs = |n| Append { topic: Topic::Jobs, ..record(1, n) };
    for n in 0..5 {
        while log.append(vec![jobs(n)]).await.iter().any(Result::is_err) {}
    }
    let all = &contents(&log, Topic::Jobs).await[&Partition(0)];
    let third = all[2].position.offset;
    let mut reader = log.read(Topic::Jobs, Partition(0), third).await.expect("a reader");
    let mut seen = Vec::new();
    while seen.len() < all.len() - 2 {
        seen.extend(patiently("a reader goes on", reader.next()).await.expect("records"));
    }
    assert_eq!(seen[..], all[2..], "broken: a reader begins where it is told");
    // At the end it waits, and dropping the wait loses nothing.
    let waited = tokio::time::timeout(Duration::from_millis(20), reader.next()).await;
    assert!(waited.is_err(), "broken: a reader waits at the end");
    while log.append(vec![jobs(9)]).await.iter().any(Result::is_err) {}
    let next = patiently("a reader is told of what is appended", reader.next()).await;
    assert_eq!(number(&next.expect("records")[0]), 9);
}

/// What a member has been given, and what it holds.
#[derive(Default)]
struct Held {
    partitions: BTreeSet<Partition>,
    records: Vec<Record>,
}

impl Held {
    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Assigned(partitions) => self.partitions.extend(partitions),
            Delivery::Revoked(partitions) => {
                for partition in partitions {
                    assert!(self.partitions.remove(&partition), "broken: only what was assigned");
                }
            }
            Delivery::Records(records) => {
                assert!(!records.is_empty(), "broken: records are never empty");
                for record in &records {
                    let held = self.partitions.contains(&record.position.partition);
                    assert!(held, "broken: assigned precedes the first record");
                }
                self.records.extend(records);
            }
        }
    }

    fn numbers(&self) -> BTreeSet<u32> {
        self.records.iter().map(number).collect()
    }

    fn after(&self) -> Vec<(Partition, Offset)> {
        let mut after = BTreeMap::new();
        for record in &self.records {
            if self.partitions.contains(&record.position.partition) {
                after.insert(record.position.partition, record.position.offset.next());
            }
        }
        after.into_iter().collect()
    }
}

/// Takes deliveries until so many different numbers were seen.
async fn take_until<M: Member>(member: &mut M, held: &mut Held, count: usize) {
    patiently("a group is given everything", async {
        while held.numbers().len() < count {
            match member.next().await {
                Ok(delivery) => held.take(delivery),
                Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
            }
        }
    })
    .await;
}

async fn commit<M: Member>(member: &mut M, offsets: &[(Partition, Offset)]) {
    patiently("a commit gets through", async {
        while let Err(error) = member.commit(offsets).await {
            assert!(error.kind() != Kind::Invalid, "broken: a holder may commit: {error}");
        }
    })
    .await;
}

async fn a_group_is_given_everything_once_committed_never_again<L: Log>(log: L) {
    append_all(&log, 0..300).await;
    let there: usize = contents(&log, Topic::Scans).await.values().map(Vec::len).sum();
    let mut member = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut held = Held::default();
    take_until(&mut member, &mut held, 300).await;
    // Records that are there twice are given twice.
    patiently("a group is given everything", async {
        while held.records.len() < there {
            held.take(member.next().await.expect("a delivery"));
        }
    })
    .await;
    commit(&mut member, &held.after()).await;
    let committed = log.committed(Group::Processor, Topic::Scans).await.expect("offsets");
    for (partition, offset) in held.after() {
        assert_eq!(committed[partition.index()], Some(offset), "broken: a commit is told");
    }
    drop(member);
    append_all(&log, 300..350).await;
    let mut member = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut held = Held::default();
    take_until(&mut member, &mut held, 50).await;
    assert!(held.numbers().iter().all(|n| *n >= 300), "broken: committed is not given again");
}

async fn what_was_not_committed_comes_again<L: Log>(log: L) {
    append_all(&log, 0..100).await;
    for _ in 0..2 {
        let mut member = log.join(Group::Receipts, Topic::Scans).await.expect("a member");
        take_until(&mut member, &mut Held::default(), 100).await;
    }
    let committed = log.committed(Group::Receipts, Topic::Scans).await.expect("offsets");
    assert!(committed.iter().all(Option::is_none), "broken: nobody committed");
}

async fn a_lower_commit_means_again_from_there<L: Log>(log: L) {
    append_all(&log, 0..100).await;
    let mut member = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut held = Held::default();
    take_until(&mut member, &mut held, 100).await;
    commit(&mut member, &held.after()).await;
    let back: Vec<_> = held.after().into_iter().map(|(p, _)| (p, Offset(0))).collect();
    commit(&mut member, &back).await;
    drop(member);
    let mut member = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    take_until(&mut member, &mut Held::default(), 100).await;
}

/// Takes deliveries until a member holds so many partitions.
async fn hold<M: Member>(member: &mut M, held: &mut Held, count: usize) {
    while held.partitions.len() != count {
        match member.next().await {
            Ok(delivery) => held.take(delivery),
            Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
        }
    }
}

/// Takes deliveries of two members until each holds so many partitions. Both are asked on: what is
/// announced as revoked is let go at the next call.
async fn share<M: Member>(one: (&mut M, &mut Held), two: (&mut M, &mut Held), each: usize) {
    let take = |held: &mut Held, delivery: Result<Delivery, LogError>| match delivery {
        Ok(delivery) => held.take(delivery),
        Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
    };
    while one.1.partitions.len() != each || two.1.partitions.len() != each {
        tokio::select! {
            delivery = one.0.next() => take(one.1, delivery),
            delivery = two.0.next() => take(two.1, delivery),
        }
    }
}

async fn members_share_partitions_and_hand_them_over<L: Log>(log: L) {
    let all = usize::from(Topic::Scans.partitions());
    let mut first = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut one = Held::default();
    patiently("one member has everything", hold(&mut first, &mut one, all)).await;
    let mut second = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut two = Held::default();
    let shared = share((&mut first, &mut one), (&mut second, &mut two), all / 2);
    patiently("two members share", shared).await;
    assert!(one.partitions.is_disjoint(&two.partitions), "broken: a partition has one owner");
    drop(second);
    patiently("who stays gets everything back", hold(&mut first, &mut one, all)).await;
}

async fn a_partition_of_somebody_else_can_not_be_committed<L: Log>(log: L) {
    let mut member = log.join(Group::Sender, Topic::Jobs).await.expect("a member");
    let mut held = Held::default();
    patiently("a member is assigned", hold(&mut member, &mut held, 1)).await;
    let mut standby = log.join(Group::Sender, Topic::Jobs).await.expect("a member");
    let foreign = standby.commit(&[(Partition(0), Offset(0))]).await;
    let kind = foreign.expect_err("broken: only the owner commits").kind();
    assert_eq!(kind, Kind::Invalid, "broken: a foreign commit is refused for good");
}

async fn groups_do_not_know_of_one_another<L: Log>(log: L) {
    append_all(&log, 0..50).await;
    let mut processor = log.join(Group::Processor, Topic::Scans).await.expect("a member");
    let mut receipts = log.join(Group::Receipts, Topic::Scans).await.expect("a member");
    let mut held = Held::default();
    take_until(&mut processor, &mut held, 50).await;
    commit(&mut processor, &held.after()).await;
    take_until(&mut receipts, &mut Held::default(), 50).await;
    let committed = log.committed(Group::Receipts, Topic::Scans).await.expect("offsets");
    assert!(committed.iter().all(Option::is_none), "broken: groups commit apart");
}
