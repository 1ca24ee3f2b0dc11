//! The same bodies on every backend.

use std::cell::RefCell;

use schemas::time::{DAY_MS, EventTime};
use storage::{
    any::{AnyLog, AnyStore},
    conformance::{log_suite, store_suite},
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog, EmbeddedStore, system_clock},
    model::{Faults, ModelLog, ModelStore, Shares},
    remote::{Remote, Tools},
};
use tokio_util::sync::CancellationToken;

/// Directories that live as long as the test.
#[derive(Default)]
struct Dirs(RefCell<Vec<tempfile::TempDir>>);

impl Dirs {
    async fn open(&self) -> Embedded {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_owned();
        self.0.borrow_mut().push(dir);
        Embedded::open(path, EmbeddedConfig::default()).await.expect("the directory opens")
    }

    async fn log(&self) -> EmbeddedLog {
        self.open().await.log()
    }

    async fn store(&self) -> EmbeddedStore {
        self.open().await.store()
    }

    /// A store that is reached through the socket of another.
    async fn remote(&self, stop: &CancellationToken) -> Remote {
        let embedded = self.open().await;
        let dir = embedded.dir().to_owned();
        let tools = Tools::listen(&embedded).expect("it listens");
        tokio::spawn(tools.serve(stop.clone()));
        Remote::connect(&dir).await.expect("a connection")
    }
}

fn now() -> EventTime {
    system_clock()()
}

#[tokio::test]
async fn the_embedded_log() {
    let dirs = Dirs::default();
    log_suite(|| dirs.log()).await;
    log_suite(|| async { AnyLog::Embedded(dirs.log().await) }).await;
}

#[tokio::test]
async fn the_embedded_store() {
    let dirs = Dirs::default();
    store_suite(|| dirs.store(), now().micros()).await;
    store_suite(|| async { AnyStore::Embedded(dirs.store().await) }, now().micros()).await;
}

#[tokio::test]
async fn a_store_through_the_socket() {
    let dirs = Dirs::default();
    let stop = CancellationToken::new();
    store_suite(|| dirs.remote(&stop), now().micros()).await;
}

#[tokio::test]
async fn the_model_behaving() {
    log_suite(|| async { ModelLog::new(Faults::new(1)) }).await;
    let oldest_kept = now().plus(-28 * DAY_MS).micros();
    store_suite(|| async { ModelStore::new(Faults::new(1), oldest_kept) }, now().micros()).await;
}

/// The promises hold, whatever goes wrong in between.
#[tokio::test]
async fn the_model_misbehaving() {
    let shares = Shares {
        append_unclear: 0.2,
        append_lost: 0.1,
        append_twice: 0.2,
        write_unclear: 0.2,
        write_lost: 0.2,
        read_fails: 0.2,
        ..Shares::default()
    };
    for seed in 0..20 {
        let faults = Faults::new(seed);
        faults.set(shares);
        log_suite(|| async { ModelLog::new(faults.clone()) }).await;
        let oldest_kept = now().plus(-28 * DAY_MS).micros();
        let fresh = || async { ModelStore::new(faults.clone(), oldest_kept) };
        store_suite(fresh, now().micros()).await;
    }
}
