//! What only the data directory promises: it survives, and says what is wrong.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use schemas::{
    identity::{Pseudonym, SealedId, VisitorId},
    ids::{FacilityId, MessageHash, VenueId},
    place_code::Issue,
    registry::{Facility, FacilityKind, Registry, RegistryRecord},
    time::{DAY_MS, EventTime},
    topic::{Offset, Partition, Topic},
    visitor::{FriendState, VisitorAction},
    wire::WireRecord,
};
use storage::{
    Append, Delivery, Group, Log, Member, Order, Query, Reader, Store, Value,
    embedded::{Clock, Embedded, EmbeddedConfig, OpenError},
    follow::Follower,
    rows::{
        TypedStore,
        people::{VISITORS, person_mutation, read_person},
        visits::ScanRow,
    },
};
use tokio_util::sync::CancellationToken;

async fn open(dir: &Path) -> Embedded {
    Embedded::open(dir, EmbeddedConfig::default()).await.expect("the directory opens")
}

fn record(n: u32) -> Append {
    let value = Bytes::from(format!("value {n}"));
    Append { topic: Topic::Scans, key: Bytes::from(n.to_be_bytes().to_vec()), value }
}

async fn append(embedded: &Embedded, numbers: std::ops::Range<u32>) {
    let results = embedded.log().append(numbers.map(record).collect()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

async fn values(embedded: &Embedded) -> Vec<Bytes> {
    let log = embedded.log();
    let bounds = log.bounds(Topic::Scans).await.expect("bounds");
    let mut values = Vec::new();
    for (partition, range) in Topic::Scans.all_partitions().zip(bounds) {
        if range.is_empty() {
            continue;
        }
        let mut reader = log.read(Topic::Scans, partition, Offset(0)).await.expect("a reader");
        let mut next = Offset(0);
        while next < range.end {
            for record in reader.next().await.expect("records") {
                next = record.position.offset.next();
                values.push(record.value);
            }
        }
    }
    values.sort();
    values
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = open(dir.path()).await;
    append(&embedded, 0..500).await;
    let mut member = embedded.log().join(Group::Processor, Topic::Jobs).await.expect("a member");
    assert_eq!(member.next().await.ok(), Some(Delivery::Assigned(vec![Partition(0)])));
    member.commit(&[(Partition(0), Offset(0))]).await.expect("a commit");
    drop(member);
    embedded.close().await;

    let embedded = open(dir.path()).await;
    assert_eq!(values(&embedded).await.len(), 500);
    let committed = embedded.log().committed(Group::Processor, Topic::Jobs).await;
    assert_eq!(committed.expect("offsets"), [Some(Offset(0))]);
    append(&embedded, 500..600).await;
    assert_eq!(values(&embedded).await.len(), 600);
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = open(dir.path()).await;
    let second = Embedded::open(dir.path(), EmbeddedConfig::default()).await;
    let error = second.err().expect("a second owner is refused");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    embedded.close().await;
    open(dir.path()).await;
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).await.close().await;
    fs::write(dir.path().join("format"), "anshin data directory, format 2\n").expect("written");
    let error = Embedded::open(dir.path(), EmbeddedConfig::default()).await.err();
    assert!(matches!(error, Some(OpenError::UnknownFormat { .. })), "{error:?}");
}

fn journal(dir: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(dir.join("db")).expect("the engine's directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .expect("a journal")
}

/// Where the entries of a journal end: the engine lays the file out in advance, with zeros.
fn used(journal: &[u8]) -> usize {
    journal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[tokio::test]
async fn a_torn_tail_is_discarded() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = open(dir.path()).await;
    append(&embedded, 0..100).await;
    embedded.close().await;
    // The beginning of a batch, as a crash in the middle of a write leaves it.
    let path = journal(dir.path());
    let whole = fs::read(&path).expect("the journal");
    let mut torn = whole.clone();
    let end = used(&whole);
    torn.splice(end..end + 200, whole[..200].iter().copied());
    fs::write(&path, torn).expect("written");
    let embedded = open(dir.path()).await;
    assert_eq!(values(&embedded).await.len(), 100);
    append(&embedded, 100..200).await;
    embedded.close().await;
    assert_eq!(values(&open(dir.path()).await).await.len(), 200);
}

#[tokio::test]
async fn damage_in_the_middle_is_refused_and_the_file_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = open(dir.path()).await;
    for n in 0..20 {
        append(&embedded, n * 10..n * 10 + 10).await;
    }
    embedded.close().await;
    let path = journal(dir.path());
    let whole = fs::read(&path).expect("the journal");
    let end = used(&whole);
    for at in [end / 4, end / 2, end * 3 / 4] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, &damaged).expect("written");
        let error = Embedded::open(dir.path(), EmbeddedConfig::default()).await.err();
        let Some(OpenError::Damaged { file }) = error else { panic!("byte {at}: {error:?}") };
        assert_eq!(file, path, "byte {at}");
        // Nothing was changed: the file can still be mended.
        assert_eq!(fs::read(&path).expect("the journal"), damaged);
    }
    fs::write(&path, &whole).expect("written");
    assert_eq!(values(&open(dir.path()).await).await.len(), 200);
}

/// Rows and records of visitors end with retention, by event time; what is kept for ever stays.
#[tokio::test]
async fn whole_days_go_after_retention() {
    let dir = tempfile::tempdir().expect("a directory");
    let now = Arc::new(AtomicI64::new(1_795_489_200_000));
    let clock = Arc::clone(&now);
    let clock: Clock = Arc::new(move || EventTime(clock.load(Ordering::Relaxed)));
    let config = EmbeddedConfig { retention_days: 14, clock };
    let embedded = Embedded::open(dir.path(), config).await.expect("the directory opens");
    let row = |days_ago: i64| {
        let scanned_at = EventTime(now.load(Ordering::Relaxed) - days_ago * DAY_MS);
        ScanRow {
            venue: VenueId::from_u64(1),
            scanned_at,
            pseudonym: Pseudonym([1; 16]),
            sealed: SealedId(Bytes::new()),
            epoch: scanned_at.epoch(),
            issue: Issue(1),
            message: MessageHash([0; 16]),
        }
    };
    let rows: Vec<ScanRow> = (0..14).map(row).collect();
    let store = embedded.store();
    store.put(&rows).await.expect("written");
    let visitor = VisitorId([1; 16]);
    let mutation = person_mutation(visitor, EventTime(1), &VisitorAction::Followed);
    store.write(mutation.into_iter().collect()).await.expect("written");
    append(&embedded, 0..500).await;
    let mut member = embedded.log().join(Group::Processor, Topic::Scans).await.expect("a member");
    assert!(matches!(member.next().await, Ok(Delivery::Assigned(_))));
    let bounds = embedded.log().bounds(Topic::Scans).await.expect("bounds");
    let ends: Vec<_> = Topic::Scans.all_partitions().zip(bounds).map(|(p, r)| (p, r.end)).collect();

    let stored = async || {
        let mut stored = 0;
        for row in &rows {
            let partition = (row.venue, row.scanned_at.hour());
            stored += store.all::<ScanRow>(&partition).await.expect("rows").len();
        }
        stored
    };
    assert_eq!(stored().await, 14);
    now.fetch_add(10 * DAY_MS, Ordering::Relaxed);
    // Hidden at once, whether or not a sweep has come by.
    assert_eq!(stored().await, 5);
    embedded.sweep().await.expect("swept");
    assert_eq!(stored().await, 5);
    // Records stay until the processor is done with them, however old.
    now.fetch_add(10 * DAY_MS, Ordering::Relaxed);
    embedded.sweep().await.expect("swept");
    assert_eq!(stored().await, 0);
    assert_eq!(values(&embedded).await.len(), 500);
    member.commit(&ends).await.expect("a commit");
    embedded.sweep().await.expect("swept");
    let left = embedded.log().bounds(Topic::Scans).await.expect("bounds");
    let left: u64 = left.iter().map(|range| range.end.0 - range.start.0).sum();
    // The last of each partition stays: it tells where the partition ends.
    assert!(left <= 24, "{left}");
    let person = read_person(&store, visitor).await.expect("a row");
    assert_eq!(person.friend_state(), Some(FriendState::Friend));

    // What is left is what a restart finds.
    drop((member, store));
    embedded.close().await;
    let embedded = open(dir.path()).await;
    let bounds = embedded.log().bounds(Topic::Scans).await.expect("bounds");
    assert_eq!(
        ends,
        Topic::Scans.all_partitions().zip(bounds).map(|(p, r)| (p, r.end)).collect::<Vec<_>>()
    );
    append(&embedded, 500..600).await;
}

/// Of a facility that changed, the log keeps what it is now: what was said of it before is gone. Every
/// reader comes to the same state, whenever it began.
#[tokio::test]
async fn what_a_later_snapshot_has_replaced_is_emptied() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = open(dir.path()).await;
    let facility = |n, name: &str| {
        let id = FacilityId::from_u64(n);
        RegistryRecord::Facility(Facility::new(id, FacilityKind::Shop, name, Vec::new()))
    };
    let append = async |embedded: &Embedded, records: &[RegistryRecord]| {
        let appends = records.iter().map(|record| Append {
            topic: Topic::Registry,
            key: record.key(),
            value: record.encode(),
        });
        let appended = embedded.log().append(appends.collect()).await;
        assert!(appended.iter().all(Result::is_ok));
    };
    // More replaced ones in a row than a delivery holds.
    let before: Vec<_> = (0..1_500).map(|n| facility(1, &format!("以前の名前{n}"))).collect();
    append(&embedded, &before).await;
    append(&embedded, &[facility(2, "二"), facility(1, "今の名前")]).await;
    let state = async |embedded: &Embedded| {
        let registry: Follower<_, Registry> =
            Follower::start(embedded.log(), &CancellationToken::new());
        registry.caught_up().await.expect("current");
        registry.read(Clone::clone)
    };
    let read = async |embedded: &Embedded, from| {
        let log = embedded.log();
        let reader = log.read(Topic::Registry, Partition(0), Offset(from)).await;
        let records = reader.expect("a reader").next().await.expect("records");
        records.iter().map(|record| record.position.offset.0).collect::<Vec<_>>()
    };
    let whole = state(&embedded).await;
    for _ in 0..2 {
        embedded.sweep().await.expect("swept");
        for from in [0, 1_000, 1_500] {
            assert_eq!(read(&embedded, from).await, [1_500, 1_501]);
        }
        assert_eq!(state(&embedded).await, whole);
    }
    embedded.close().await;
    let embedded = open(dir.path()).await;
    assert_eq!(state(&embedded).await, whole);
    let bounds = embedded.log().bounds(Topic::Registry).await.expect("bounds");
    assert_eq!(bounds[0].end, Offset(1_502));
    append(&embedded, &[facility(2, "二の新しい名前")]).await;
    embedded.sweep().await.expect("swept");
    assert_eq!(read(&embedded, 0).await, [1_501, 1_502]);
}

#[tokio::test]
async fn after_the_only_row_of_a_partition_comes_none() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let embedded = open(dir.path()).await;
    let store = embedded.store();
    let visitors = [VisitorId([1; 16]), VisitorId([2; 16])];
    let erase = |visitor| person_mutation(visitor, EventTime(DAY_MS), &VisitorAction::Erase);
    let rows = visitors.into_iter().filter_map(erase).collect();
    store.write(rows).await.expect("a write");
    let mut query = Query {
        table: &VISITORS,
        partition: vec![Value::Blob(Bytes::from_static(&[1; 16]))],
        from: None,
        to: None,
        order: Order::Ascending,
        limit: 1,
        cursor: None,
    };
    let first = store.read(query.clone()).await.expect("a read");
    assert_eq!(first.rows.len(), 1);
    query.cursor = first.next;
    assert!(query.cursor.is_some(), "a full page leads to another");
    let second = store.read(query).await.expect("a read");
    assert!(second.rows.is_empty() && second.next.is_none(), "{second:?}");
}
