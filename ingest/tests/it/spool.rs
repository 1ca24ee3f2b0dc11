//! The spool: what is acknowledged while the log takes nothing.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use ingest::spool::{DrainError, Spool, SpoolConfig, SpoolError, announce, drain};
use schemas::{
    spool::{SpoolRecord, Spools},
    topic::{Offset, Topic},
};
use storage::{
    Append, Log, Reader,
    follow::Follower,
    model::{Faults, ModelLog, Shares},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::NOW;

const BUDGET: Duration = Duration::from_secs(10);

fn config(dir: &Path) -> SpoolConfig {
    SpoolConfig { dir: dir.to_owned(), max_bytes: 1 << 20 }
}

/// A log that can be away.
struct Away {
    log: ModelLog,
    faults: Faults,
}

impl Away {
    fn new() -> Self {
        let faults = Faults::new(1);
        Self { log: ModelLog::new(faults.clone()), faults }
    }

    fn go(&self) {
        self.faults.set(Shares { append_lost: 1.0, ..Shares::default() });
    }

    fn come_back(&self) {
        self.faults.set(Shares::default());
    }

    /// The numbers of all scans, by partition, in order.
    async fn numbers(&self) -> Vec<Vec<u32>> {
        let bounds = self.log.bounds(Topic::Scans).await.expect("bounds");
        let mut all = Vec::new();
        for (partition, range) in Topic::Scans.all_partitions().zip(bounds) {
            let mut numbers = Vec::new();
            let mut reader = self.log.read(Topic::Scans, partition, Offset(0)).await.expect("one");
            let mut next = Offset(0);
            while next < range.end {
                for record in reader.next().await.expect("records") {
                    next = record.position.offset.next();
                    let bytes = record.value.as_ref().try_into().expect("four bytes");
                    numbers.push(u32::from_be_bytes(bytes));
                }
            }
            all.push(numbers);
        }
        all
    }
}

fn scan(n: u32) -> Append {
    let key = Bytes::copy_from_slice(&(n % 7).to_be_bytes());
    Append { topic: Topic::Scans, key, value: Bytes::copy_from_slice(&n.to_be_bytes()) }
}

/// A spool that is drained, and how to stop it.
struct Draining {
    spool: Spool,
    spools: Follower<ModelLog, Spools>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), DrainError>>,
    _following: CancellationToken,
}

impl Draining {
    async fn start(dir: &Path, log: &ModelLog, budget: Duration) -> Self {
        let (stop, following) = (CancellationToken::new(), CancellationToken::new());
        let spool = Spool::open(&config(dir), NOW).expect("a spool");
        let spools = Follower::start(log.clone(), &following);
        announce(&spool, &spools).await.expect("announced");
        let draining = drain(spool.clone(), log.clone(), spools.clone(), stop.clone(), budget);
        let task = tokio::spawn(draining);
        Self { spool, spools, stop, task, _following: following }
    }

    async fn empty(&self) {
        let mut waiting = self.spool.waiting();
        waiting.wait_for(|waiting| waiting.frames == 0).await.expect("the spool lives");
    }

    async fn end(self) -> Result<(), DrainError> {
        self.stop.cancel();
        self.task.await.expect("no panic")
    }
}

#[tokio::test]
async fn what_waited_is_in_the_log_once_it_is_back_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let away = Away::new();
    let draining = Draining::start(dir.path(), &away.log, BUDGET).await;
    away.go();
    for n in 0..500 {
        draining.spool.put(&[scan(n)], NOW).await.expect("there is room");
    }
    assert!(draining.spool.waiting().borrow().frames > 0);
    assert!(away.numbers().await.iter().all(Vec::is_empty));
    away.come_back();
    draining.empty().await;
    let numbers = away.numbers().await;
    assert!(numbers.iter().all(|numbers| numbers.is_sorted()), "oldest first: {numbers:?}");
    let mut all = numbers.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..500).collect::<Vec<_>>(), "nothing is lost");
    draining.end().await.expect("it ends well");
}

#[tokio::test]
async fn a_spool_that_a_dead_process_left_is_drained_by_the_next() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let spool = Spool::open(&config(dir.path()), NOW).expect("a spool");
        for n in 0..50 {
            spool.put(&[scan(n), scan(n + 1_000)], NOW).await.expect("there is room");
        }
        let another = Spool::open(&config(dir.path()), NOW).expect_err("it is in use");
        assert!(matches!(another, SpoolError::InUse(_)), "{another}");
    }
    // The process died in the middle of a write, and a byte of an older frame has gone bad.
    let segment = fs::read_dir(dir.path())
        .expect("files")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "spool"))
        .expect("a segment");
    let mut bytes = fs::read(&segment).expect("its bytes");
    let frame = bytes.len() / 50;
    bytes[frame * 10 + 20] ^= 1;
    let torn = bytes[..frame / 2].to_vec();
    bytes.extend(torn);
    fs::write(&segment, bytes).expect("written");

    let away = Away::new();
    let draining = Draining::start(dir.path(), &away.log, BUDGET).await;
    draining.empty().await;
    let mut all = away.numbers().await.concat();
    all.sort_unstable();
    let wanted = (0..50).filter(|n| *n != 10).flat_map(|n| [n, n + 1_000]);
    let mut wanted: Vec<u32> = wanted.collect();
    wanted.sort_unstable();
    assert_eq!(all, wanted, "everything that is whole");
    let kept = fs::read_dir(dir.path().join("quarantine")).expect("quarantine").count();
    assert_eq!(kept, 1, "what is damaged is kept aside");
    draining.end().await.expect("it ends well");
}

#[tokio::test]
async fn a_full_spool_says_so_and_recovers() {
    let dir = tempfile::tempdir().expect("a directory");
    let away = Away::new();
    let draining = Draining::start(dir.path(), &away.log, BUDGET).await;
    away.go();
    let large = Append { value: Bytes::from(vec![7; 100_000]), ..scan(1) };
    let mut taken = 0;
    let refused = loop {
        match draining.spool.put(std::slice::from_ref(&large), NOW).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::Full), "{refused}");
    assert_eq!(taken, (1 << 20) / 100_100);
    assert!(*draining.spool.full().borrow());
    away.come_back();
    let mut full = draining.spool.full();
    full.wait_for(|full| !full).await.expect("the spool lives");
    draining.spool.put(&[large], NOW).await.expect("there is room again");
    draining.end().await.expect("it ends well");
}

#[tokio::test]
async fn who_asks_is_answered_only_once_the_spool_is_empty() {
    let dir = tempfile::tempdir().expect("a directory");
    let away = Away::new();
    let draining = Draining::start(dir.path(), &away.log, BUDGET).await;
    let question = Uuid::from_u128(7);
    away.go();
    draining.spool.put(&[scan(1)], NOW).await.expect("there is room");
    // Somebody asks who still reaches the log.
    let unanswered =
        |spools: &Follower<ModelLog, Spools>| spools.read(|spools| spools.unanswered(question));
    assert_eq!(unanswered(&draining.spools), [draining.spool.id()]);
    away.come_back();
    draining.spools.append(&SpoolRecord::Asked { question }).await.expect("asked");
    let mut changes = draining.spools.changes();
    while !unanswered(&draining.spools).is_empty() {
        changes.changed().await.expect("the follower lives");
    }
    // When it was answered, the scan was in the log.
    assert_eq!(away.numbers().await.concat(), [1]);
    let spools = draining.spools.clone();
    draining.end().await.expect("it ends well");
    spools.caught_up().await.expect("current");
    assert_eq!(spools.read(|spools| spools.open().count()), 0, "a spool that ends well is closed");
}

#[tokio::test]
async fn what_is_left_at_the_end_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let away = Away::new();
    let draining = Draining::start(dir.path(), &away.log, Duration::from_millis(300)).await;
    away.go();
    for n in 0..5 {
        draining.spool.put(&[scan(n)], NOW).await.expect("there is room");
    }
    let spools = draining.spools.clone();
    let left = draining.end().await.expect_err("the log is away").to_string();
    assert!(left.contains("5 requests are left in spool directory"), "{left}");
    assert_eq!(spools.read(|spools| spools.open().count()), 1, "plans wait for it");
    assert!(away.numbers().await.concat().is_empty());
}
