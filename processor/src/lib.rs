//! Records → rows.
//!
//! ```text
//!  scans ────┐            ┌─▶ scans, visits_by_visitor
//!  visitors ─┼─▶ consume ─┼─▶ visitors
//!  registry ─┘     │      └─▶ facilities, venues
//!                  └─▶ rejected (what can never become a row)
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`consume`] | one topic: a delivery becomes rows and rejections, then its offsets may be committed |
//! | [`batch`] | records → writes |
//! | [`rejected`] | list and replay what was rejected |
//! | [`lag`] | how far behind it is |
//! | [`metrics`] | what is counted |
//!
//! | error | what is done |
//! |---|---|
//! | transient, saturated | again, with backoff and jitter, for as long as it takes; nothing is committed meanwhile |
//! | invalid | each record is written by itself; the refused one goes to `rejected` |
//! | fatal | the role ends, and with it the process; what was not committed comes again |
//! | a record that can't be read | to `rejected`, with its cause and its bytes |
//! | a commit refused after a rebalance | nothing: the new owner writes the same rows again |
//!
//! A scan is dropped, and counted, where by then its code was retired, its facility on hold or its
//! print tried out, or the service did not run; so scans wait while the registry can't be read to its
//! end. Offsets are committed once every
//! record up to them is stored, rejected or dropped;
//! writing a record twice makes the same row. It holds no keys.

pub mod batch;
pub mod consume;
pub mod lag;
pub mod metrics;
pub mod rejected;

use std::sync::Arc;

use schemas::{registry::Registry, time::EventTime, topic::Topic};
use storage::{Log, Store, follow::Follower};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::lag::Working;

/// What the role works with.
#[derive(Clone)]
pub struct Deps<L, S> {
    /// Where records come from, and rejections go.
    pub log: L,
    /// Where rows go.
    pub store: S,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
}

/// Why the role ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log can't go on.
    #[error("the log failed")]
    Log(#[from] storage::LogError),
    /// The store can't go on.
    #[error("the store failed")]
    Store(#[from] storage::StoreError),
}

/// Works until `shutdown`.
pub async fn run<L: Log, S: Store>(
    deps: Deps<L, S>,
    ready: watch::Sender<bool>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let registry = Follower::<L, Registry>::start(deps.log.clone(), &shutdown);
    // A scan of an issue that was retired must not become a row for want of having read so.
    tokio::select! {
        current = registry.caught_up_at_last() => current?,
        () = shutdown.cancelled() => return Ok(()),
    }
    ready.send_replace(true);
    let working = [Topic::Scans, Topic::Visitors, Topic::Registry].map(Working::on);
    let consume = |working| consume::consume(working, &deps, &registry, &shutdown);
    let consuming = futures_util::future::try_join_all(working.iter().map(consume));
    tokio::try_join!(consuming, lag::show(&deps, &working, &shutdown))?;
    Ok(())
}
