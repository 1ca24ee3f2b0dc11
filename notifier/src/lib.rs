//! Approved jobs → alerts; replies to visitors.
//!
//! ```text
//!  jobs ──▶ dispatch ──▶ planner ──▶ chunks (sealed) ──▶ sender ──▶ LINE
//!             │             ▲                              │
//!             │     barrier, audience                attempts, outcomes
//!             ◀── sealed, outcomes, completed ─────────────┘
//!
//!  scans, visitors ──▶ receipts ──▶ LINE (reply)
//!  visitors ──▶ hygiene ──▶ rows deleted
//!  LINE's list of friends ──▶ friends ──▶ visitors
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`jobs`] | the jobs, and how this role writes about them |
//! | [`dispatch`] | which job gets what done; the one active planner and sender |
//! | [`barrier`] | every scan is a row before a plan is made |
//! | [`audience`] | who was there |
//! | [`planner`] | audience → sealed chunks → one record that decides |
//! | [`preview`] | counts for officials, and nothing else |
//! | [`sender`] | one chunk: attempt, request, outcome |
//! | [`ledger`] | what attempts and outcomes say |
//! | [`turns`] | whose request is worked on next |
//! | [`pacer`] | how fast requests leave us |
//! | [`outcomes`] | totals on their way to `jobs` |
//! | [`line`](mod@line) | the LINE Messaging API |
//! | [`receipts`] | answers to visitors |
//! | [`friends`] | friends from LINE's own list |
//! | [`hygiene`] | deletes the rows of people who asked for it |
//! | [`config`], [`metrics`] | limits and their defaults; what is counted |
//!
//! What becomes of errors: the log and the store are tried again while their error is transient;
//! a fatal one ends the role and with it the process, and a successor takes up from `jobs` and
//! ledger. Each answer of LINE has its line in [`sender`]; none is retried with another key.
//!
//! Architecture invariant: nothing is sent from a plan that is not sealed, and no request is made
//! before its attempt is on disk.
//!
//! Architecture invariant: people leave this crate as counts, or as recipients of a request to
//! LINE. There is no function that lists who was at a place.

pub mod audience;
pub mod barrier;
pub mod config;
pub mod dispatch;
pub mod friends;
pub mod hygiene;
pub mod jobs;
pub mod ledger;
pub mod line;
pub mod metrics;
pub mod outcomes;
pub mod pacer;
pub mod planner;
pub mod preview;
pub mod receipts;
pub mod sender;
pub mod turns;

use std::sync::Arc;

use arc_swap::ArcSwap;
use schemas::{identity::KeyRing, job::Jobs, registry::Registry, spool::Spools};
use storage::{Log, Store, follow::Follower};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    dispatch::Dispatch,
    jobs::{Clock, JobBook},
    line::{Endpoint, LineClient},
    outcomes::Outcomes,
    pacer::Pacer,
    planner::Planner,
    sender::Sender,
    turns::Turns,
};

/// Limits and times of the role.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How alerts are sent.
    pub sending: config::Sending,
    /// How visitors are answered.
    pub receipts: config::Receipts,
    /// How friends are taken in.
    pub friends: config::Friends,
    /// The account that people are asked to add: `@…`.
    pub account_id: Option<String>,
}

/// What the role works with.
#[derive(Clone)]
pub struct Deps<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// Names, seals and opens visitors.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// LINE.
    pub line: LineClient,
    /// What time it is.
    pub clock: Clock,
}

/// Works until `shutdown`.
pub async fn run<L: Log, S: Store>(
    config: Config,
    deps: Deps<L, S>,
    ready: watch::Sender<bool>,
    shutdown: CancellationToken,
) -> Result<(), storage::LogError> {
    let Deps { log, store, keys, line, clock } = deps;
    let jobs = Follower::<L, Jobs>::start(log.clone(), &shutdown);
    let registry = Follower::<L, Registry>::start(log.clone(), &shutdown);
    let spools = Follower::<L, Spools>::start(log.clone(), &shutdown);
    tokio::select! {
        current = async {
            tokio::try_join!(jobs.caught_up_at_last(), registry.caught_up_at_last())
        } => current?,
        () = shutdown.cancelled() => return Ok(()),
    };
    ready.send_replace(true);
    let book = JobBook::new(jobs, Arc::clone(&clock));
    let planner = Planner {
        log: log.clone(),
        spools,
        store: store.clone(),
        keys: Arc::clone(&keys),
        book: book.clone(),
        line: line.clone(),
    };
    let sending = &config.sending;
    let sender = Sender {
        store: store.clone(),
        keys: Arc::clone(&keys),
        book: book.clone(),
        line: line.clone(),
        multicast: Pacer::start(Endpoint::Multicast, sending.calls_per_second, &shutdown),
        push: Pacer::start(Endpoint::Push, sending.pushes_per_second, &shutdown),
        id: uuid::Uuid::new_v4(),
        max_skew_ms: i64::try_from(sending.max_skew_seconds).unwrap_or(i64::MAX / 2) * 1_000,
        turns: Turns::new(sending.max_in_flight),
        outcomes: Outcomes::default(),
        shutdown: shutdown.clone(),
    };
    let importer = friends::Importer {
        log: log.clone(),
        line: line.clone(),
        keys: Arc::clone(&keys),
        clock: Arc::clone(&clock),
    };
    let dispatch = Dispatch {
        log: log.clone(),
        book,
        planner: Arc::new(planner),
        sender: Arc::new(sender),
        config: config.sending.clone(),
    };
    let receipts = receipts::Deps {
        log: log.clone(),
        store: store.clone(),
        keys: Arc::clone(&keys),
        registry,
        line: line.clone(),
        clock: Arc::clone(&clock),
        account_id: config.account_id.clone(),
    };
    tokio::try_join!(
        dispatch.run(&shutdown),
        receipts::run(&config.receipts, Arc::new(receipts), &shutdown),
        hygiene::run(&log, &store, &keys, &shutdown),
        async {
            importer.run(&config.friends, &shutdown).await;
            Ok(())
        },
    )?;
    Ok(())
}
