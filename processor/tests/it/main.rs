//! Records through the real role, on a log and a store that misbehave: every record ends stored,
//! retired, rejected with a cause, or still in the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use processor::{
    Deps, batch,
    lag::{self, Working},
};
use schemas::{
    identity::{Pseudonym, SealedId, VisitorId},
    ids::{EventId, FacilityId, MessageHash, VenueId},
    place_code::Issue,
    registry::{
        Facility, FacilityKind, Registry, RegistryRecord, Retirement, Standing, Suspension, Trial,
        Venue,
    },
    rejected::{Original, RejectCause, Rejected},
    scan::Scan,
    service::{Change, LEAD_MS, Service, ServiceState},
    time::{EventTime, HOUR_MS},
    topic::{Offset, Partition, Topic},
    visitor::{FriendState, VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use storage::{
    Append, Delivery, Group, Log, Member, Position, Reader, Record,
    model::{Faults, ModelLog, ModelStore, Shares},
    rows::{
        TypedStore,
        people::read_person,
        places::{FacilityRow, VenueRow},
        visits::{ScanRow, VisitRow},
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// 2026-11-24T12:00:00+09:00.
const NOW: i64 = 1_795_489_200_000;
const RETIRED: u64 = 7;

fn scan(n: u32) -> Scan {
    let scanned_at = EventTime(NOW - i64::from(n % 5) * HOUR_MS + i64::from(n));
    Scan {
        event: EventId::default(),
        message: MessageHash([1; 16]),
        venue: VenueId::from_u64(u64::from(n % 10)),
        issue: Issue(1),
        scanned_at,
        received_at: scanned_at,
        pseudonym: Pseudonym([n.to_be_bytes()[3]; 16]),
        sealed: SealedId(Bytes::from_static(b"sealed")),
        epoch: scanned_at.epoch(),
        reply_token: None,
    }
}

fn visitor(n: u8, action: VisitorAction) -> VisitorRecord {
    VisitorRecord {
        visitor: VisitorId([n; 16]),
        sealed: SealedId(Bytes::new()),
        event: EventId::default(),
        at: EventTime(NOW),
        received_at: EventTime(NOW),
        reply_token: None,
        action,
    }
}

fn facility() -> RegistryRecord {
    let retirements = vec![Retirement { issue: Issue(1), from: EventTime(0) }];
    let venue =
        Venue { issue: Issue(2), retirements, ..Venue::new(VenueId::from_u64(RETIRED), "1階") };
    let id = FacilityId::from_u64(1);
    RegistryRecord::Facility(Facility {
        updated_at: EventTime(1),
        ..Facility::new(id, FacilityKind::Restaurant, "食堂みなと", vec![venue])
    })
}

fn append<R: WireRecord>(record: &R) -> Append {
    Append { topic: R::TOPIC, key: record.key(), value: record.encode() }
}

struct World {
    log: ModelLog,
    store: ModelStore,
    faults: Faults,
}

impl World {
    fn new(seed: u64) -> Self {
        let faults = Faults::new(seed);
        let log = ModelLog::new(faults.clone());
        let store = ModelStore::new(faults.clone(), 0);
        Self { log, store, faults }
    }

    async fn put(&self, appends: Vec<Append>) {
        for result in self.log.append(appends).await {
            result.expect("nothing goes wrong yet");
        }
    }

    /// Runs the role until it has committed everything.
    async fn run_until_done(&self) {
        let stop = CancellationToken::new();
        let role = self.start(&stop);
        for topic in [Topic::Scans, Topic::Visitors, Topic::Registry] {
            while self.missing(topic).await > 0 {
                tokio::task::yield_now().await;
            }
        }
        stop.cancel();
        role.await.expect("it does not panic").expect("it ends well");
    }

    fn start(
        &self,
        stop: &CancellationToken,
    ) -> tokio::task::JoinHandle<Result<(), processor::Error>> {
        let clock: Arc<dyn Fn() -> EventTime + Send + Sync> = Arc::new(|| EventTime(NOW));
        let deps = Deps { log: self.log.clone(), store: self.store.clone(), clock };
        tokio::spawn(processor::run(deps, watch::Sender::new(false), stop.clone()))
    }

    async fn missing(&self, topic: Topic) -> u64 {
        let bounds = self.log.bounds(topic).await.expect("bounds");
        let committed = self.log.committed(Group::Processor, topic).await.expect("offsets");
        let left = |(range, done): (&std::ops::Range<Offset>, &Option<Offset>)| {
            range.end.0.saturating_sub(done.unwrap_or(range.start).0)
        };
        bounds.iter().zip(&committed).map(left).sum()
    }

    /// Every scan in the store.
    async fn stored(&self) -> BTreeSet<(u64, i64)> {
        let mut stored = BTreeSet::new();
        for venue in (0..10).map(VenueId::from_u64) {
            for hours_ago in 0..7 {
                let hour = EventTime(NOW - (hours_ago - 1) * HOUR_MS).hour();
                let rows = self.store.all::<ScanRow>(&(venue, hour)).await.expect("rows");
                for row in rows {
                    stored.insert((venue.as_u64(), row.scanned_at.0));
                    let visits = self.store.all::<VisitRow>(&row.pseudonym).await.expect("rows");
                    assert!(visits.iter().any(|visit| visit.scanned_at == row.scanned_at));
                }
            }
        }
        stored
    }

    /// Where every rejected record came from, and why.
    async fn rejected(&self) -> BTreeMap<Position, RejectCause> {
        let bounds = self.log.bounds(Topic::Rejected).await.expect("bounds");
        let mut rejected = BTreeMap::new();
        if bounds[0].is_empty() {
            return rejected;
        }
        let mut reader =
            self.log.read(Topic::Rejected, Partition(0), Offset(0)).await.expect("a reader");
        let mut next = Offset(0);
        while next < bounds[0].end {
            for record in reader.next().await.expect("records") {
                next = record.position.offset.next();
                let found = Rejected::decode(&record.value).expect("a record");
                let Original::Record { topic, partition, offset, .. } = found.original else {
                    panic!("{found:?}")
                };
                rejected.insert(Position { topic, partition, offset }, found.cause);
            }
        }
        rejected
    }
}

#[tokio::test]
async fn every_record_ends_somewhere_whatever_goes_wrong() {
    for seed in 0..10 {
        let world = World::new(seed);
        world.put(vec![append(&facility())]).await;
        world.put((0..400).map(|n| append(&scan(n))).collect()).await;
        let odd = |topic, value: &'static [u8], n: u8| Append {
            topic,
            key: Bytes::from(vec![n]),
            value: Bytes::from_static(value),
        };
        world.put((0..20).map(|n| odd(Topic::Scans, b"\x09later", n)).collect()).await;
        world.put((0..20).map(|n| odd(Topic::Scans, b"\x01", n)).collect()).await;
        world.put((0..20).map(|n| odd(Topic::Visitors, b"", n)).collect()).await;
        world.put((0..50).map(|n| append(&visitor(n, VisitorAction::Followed))).collect()).await;
        world.faults.set(Shares {
            append_unclear: 0.1,
            append_lost: 0.1,
            rebalance: 0.05,
            write_unclear: 0.1,
            write_lost: 0.1,
            ..Shares::default()
        });
        world.run_until_done().await;
        world.faults.set(Shares::default());

        let good = (0..400).map(scan).filter(|scan| scan.venue.as_u64() != RETIRED);
        let good: BTreeSet<_> = good.map(|s| (s.venue.as_u64(), s.scanned_at.0)).collect();
        assert_eq!(world.stored().await, good, "seed {seed}");
        let rejected = world.rejected().await;
        let count = |cause| rejected.values().filter(|found| **found == cause).count();
        assert_eq!(count(RejectCause::UnknownVersion), 20, "seed {seed}");
        assert_eq!(count(RejectCause::MalformedRecord), 40, "seed {seed}");
        assert_eq!(rejected.len(), 60, "seed {seed}");
        for n in 0..50 {
            let person = read_person(&world.store, VisitorId([n; 16])).await.expect("a row");
            assert_eq!(person.friend_state(), Some(FriendState::Friend));
        }
        let facility: Option<FacilityRow> =
            world.store.get(&FacilityId::from_u64(1)).await.expect("a row");
        assert!(facility.is_some());
        let venue: Option<VenueRow> =
            world.store.get(&VenueId::from_u64(RETIRED)).await.expect("a row");
        assert_eq!(venue.map(|venue| venue.facility), Some(FacilityId::from_u64(1)));
    }
}

/// Scans are judged by when they were sent: neither their order nor their repetition makes other
/// rows, whenever they come.
#[tokio::test]
async fn what_was_scanned_while_the_service_did_not_run_makes_no_row() {
    let set = |service: &Service, state, from| {
        let set_at = EventTime(from).plus(-LEAD_MS);
        let change = Change { state, from: EventTime(from), reason: None, set_at };
        service.with(change).expect("in time")
    };
    let suspended = set(&Service::default(), ServiceState::Suspended, NOW - 3 * HOUR_MS);
    let resumed = set(&suspended, ServiceState::Running, NOW - HOUR_MS);
    let counts = |scan: &Scan| !(NOW - 3 * HOUR_MS..NOW - HOUR_MS).contains(&scan.scanned_at.0);
    let wanted: BTreeSet<_> = (0..100)
        .map(scan)
        .filter(counts)
        .map(|scan| (scan.venue.as_u64(), scan.scanned_at.0))
        .collect();
    assert!(wanted.len() > 20 && wanted.len() < 80);
    let mut ascending: Vec<Append> = (0..100).map(|n| append(&scan(n))).collect();
    let mut orders = vec![ascending.clone()];
    ascending.reverse();
    orders.push([ascending.clone(), ascending].concat());
    for (seed, scans) in (0..).zip(orders) {
        let world = World::new(seed);
        world.put(vec![append(&RegistryRecord::Service(suspended.clone()))]).await;
        world.put(vec![append(&RegistryRecord::Service(resumed.clone()))]).await;
        world.put(scans).await;
        world.run_until_done().await;
        assert_eq!(world.stored().await, wanted);
        assert!(world.rejected().await.is_empty());
    }
}

/// The same for a facility that was suspended, and a print that was tried out.
#[tokio::test]
async fn what_was_scanned_on_hold_or_on_trial_makes_no_row() {
    // Scans 2, 12, … 92 are of the one, 1, 11, … 91 of the other.
    let [held, tried] = [scan(2), scan(1)];
    let from = |first: &Scan, ms| first.scanned_at.plus(ms);
    let suspension = Suspension {
        from: from(&held, 20),
        until: Some(from(&held, 60)),
        reason: "確認中".to_owned(),
    };
    let trial = Trial { from: from(&tried, 30), until: from(&tried, 50) };
    let place = |id, venue| {
        let facility =
            Facility::new(FacilityId::from_u64(id), FacilityKind::Shop, "店", vec![venue]);
        RegistryRecord::Facility(facility)
    };
    let standing = Standing {
        suspensions: vec![suspension.clone()],
        ..Standing::new(FacilityId::from_u64(7))
    };
    let counts = |scan: &Scan| {
        let on_hold = (suspension.from..from(&held, 60)).contains(&scan.scanned_at);
        let held_back = scan.venue == held.venue && on_hold;
        let tried_out = scan.venue == tried.venue && trial.has(scan.scanned_at);
        !held_back && !tried_out
    };
    let wanted: BTreeSet<_> = (0..100)
        .map(scan)
        .filter(counts)
        .map(|scan| (scan.venue.as_u64(), scan.scanned_at.0))
        .collect();
    assert_eq!(wanted.len(), 94);
    let world = World::new(9);
    world.put(vec![append(&place(7, Venue::new(held.venue, "1階")))]).await;
    let venue = Venue { trial: Some(trial), ..Venue::new(tried.venue, "2階") };
    world.put(vec![append(&place(8, venue))]).await;
    world.put(vec![append(&RegistryRecord::Standing(standing))]).await;
    world.put((0..100).map(|n| append(&scan(n))).collect()).await;
    world.run_until_done().await;
    assert_eq!(world.stored().await, wanted);
}

#[tokio::test]
async fn what_the_store_refuses_is_rejected_and_the_rest_is_stored() {
    let mut world = World::new(6);
    world.store = ModelStore::new(world.faults.clone(), EventTime(NOW - HOUR_MS).micros());
    world.put((0..100).map(|n| append(&scan(n))).collect()).await;
    world.run_until_done().await;

    let (kept, too_old): (Vec<_>, Vec<_>) =
        (0..100).map(scan).partition(|scan| scan.scanned_at.0 >= NOW - HOUR_MS);
    let kept: BTreeSet<_> = kept.iter().map(|s| (s.venue.as_u64(), s.scanned_at.0)).collect();
    assert!(!kept.is_empty() && !too_old.is_empty());
    assert_eq!(world.stored().await, kept);
    let rejected = world.rejected().await;
    assert_eq!(rejected.len(), too_old.len());
    assert!(rejected.values().all(|cause| *cause == RejectCause::RefusedByStore));
}

#[tokio::test(start_paused = true)]
async fn being_given_up_for_dead_changes_nothing() {
    let world = World::new(3);
    world.put((0..300).map(|n| append(&scan(n))).collect()).await;
    let stop = CancellationToken::new();
    let (one, two) = (world.start(&stop), world.start(&stop));
    // Some are given up before they have committed, some after it.
    for pause in (0..40).map(|n| Duration::from_millis(n * 5)) {
        world.log.give_up(Group::Processor, Topic::Scans);
        tokio::time::sleep(pause).await;
    }
    while world.missing(Topic::Scans).await > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.cancel();
    for role in [one, two] {
        role.await.expect("it does not panic").expect("it ends well");
    }
    let all = (0..300).map(scan).map(|s| (s.venue.as_u64(), s.scanned_at.0)).collect();
    assert_eq!(world.stored().await, all);
}

#[tokio::test]
async fn stopped_in_the_middle_it_goes_on_where_it_was() {
    let world = World::new(4);
    world.put((0..300).map(|n| append(&scan(n))).collect()).await;
    // Nothing can be written: it stops without having committed.
    world.faults.set(Shares { write_lost: 1.0, ..Shares::default() });
    let stop = CancellationToken::new();
    let role = world.start(&stop);
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    role.await.expect("it does not panic").expect("it ends well");
    assert!(world.missing(Topic::Scans).await > 0);
    world.faults.set(Shares::default());
    world.run_until_done().await;
    assert_eq!(world.stored().await.len(), 300);
}

#[tokio::test]
async fn what_was_rejected_is_listed_and_replayed() {
    let world = World::new(5);
    let good = append(&scan(1));
    let bad = Append { value: Bytes::from_static(b"\x09"), ..good.clone() };
    world.put(vec![bad]).await;
    world.run_until_done().await;
    // A record that an earlier version could not read, and this one can.
    let position = Position { topic: Topic::Scans, partition: Partition(0), offset: Offset(0) };
    let rejected = Rejected {
        cause: RejectCause::UnknownVersion,
        at: EventTime(NOW),
        original: Original::Record {
            topic: position.topic,
            partition: position.partition,
            offset: position.offset,
            key: good.key.clone(),
            value: good.value.clone(),
        },
    };
    // Appended twice: the first time was not answered, and the spool had it, too.
    world.put(vec![append(&rejected), append(&rejected)]).await;
    let listed = processor::rejected::list(&world.log).await.expect("a list");
    let causes: Vec<_> = listed.iter().map(|listed| listed.cause).collect();
    assert_eq!(causes, [Some(RejectCause::UnknownVersion); 2]);
    for _ in 0..2 {
        let replayed = processor::rejected::replay(&world.log, |_| None).await.expect("replayed");
        assert_eq!((replayed.replayed, replayed.still_rejected), (1, 1));
        world.run_until_done().await;
        assert_eq!(world.stored().await.len(), 1);
    }
}

#[tokio::test]
async fn what_is_behind_is_told() {
    let log = ModelLog::new(Faults::new(1));
    // All in one partition, which has gaps.
    let appends = [0, 10, 20].map(|n| Append {
        topic: Topic::Scans,
        key: scan(n).key(),
        value: scan(n).encode(),
    });
    let positions = log.append(appends.to_vec()).await;
    let [_, second, third] =
        [0, 1, 2].map(|n| positions[n].as_ref().expect("appended").offset.next());
    let partition = positions[1].as_ref().expect("appended").partition;
    let working = Working::on(Topic::Scans);
    assert_eq!(lag::records(&log, Topic::Scans).await, Some(third.0));
    assert_eq!(working.age(EventTime(NOW)), 0.0);

    let mut member = log.join(Group::Processor, Topic::Scans).await.expect("joined");
    while !matches!(member.next().await, Ok(Delivery::Records(_))) {}
    member.commit(&[(partition, second)]).await.expect("committed");
    working.begin(NOW - 1_500);
    assert_eq!(lag::records(&log, Topic::Scans).await, Some(third.0 - second.0));
    assert_eq!(working.age(EventTime(NOW)), 1.5);
    working.end();
    assert_eq!(working.age(EventTime(NOW)), 0.0);
}

#[test]
fn scans_to_be_written_are_timed_once_each() {
    let record = |n, value| Record {
        position: Position {
            topic: Topic::Scans,
            partition: Partition(0),
            offset: Offset(u64::from(n)),
        },
        key: Bytes::new(),
        value,
        appended_at: NOW,
    };
    let mut records: Vec<_> = [1, 2, 4].map(|n| record(n, scan(n).encode())).into();
    records.push(record(9, Bytes::from_static(b"nothing")));
    let batch = batch::sort(Topic::Scans, &records, &Registry::default());
    let mut timed: Vec<EventTime> = batch.scanned().collect();
    timed.sort();
    let mut scanned = [1, 2, 4].map(|n| scan(n).scanned_at);
    scanned.sort();
    assert_eq!(timed, scanned);
}
