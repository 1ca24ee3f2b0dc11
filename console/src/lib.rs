//! The officials' API: exposure jobs drafted, approved by a second person, watched, stopped.
//!
//! ```text
//!  request ─▶ auth ─▶ validate ─▶ append to `jobs` ─▶ wait until our replay has passed it ─▶ answer
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`api`] | routes, and the generated OpenAPI document |
//! | [`auth`] | bearer token → person and role |
//! | [`jobs`] | what can be done with a job |
//! | [`view`] | a job as the API shows it |
//! | [`validate`] | every problem of a submitted job at once |
//! | [`preview`] | counts, and nothing else |
//! | [`venues`] | search for places |
//! | [`facilities`] | facilities found, admitted, suspended |
//! | [`problem`] | errors as RFC 9457 problem details |
//!
//! What may follow what is decided by the state machine of `schemas::job` and by the order of the
//! log, nowhere else: of two approvals the first in the log counts, on every console alike.
//!
//! | error | answer |
//! |---|---|
//! | not JSON, wrong types, no `Idempotency-Key` | 400 |
//! | no token, an unknown one | 401 |
//! | wrong role, one's own job | 403 |
//! | no such job | 404 |
//! | wrong state, stale hash, key used with another body | 409 |
//! | problems in a job | 422, all of them |
//! | the log can't say what became of it | 503: repeat the request, with the same key |
//!
//! Architecture invariant: it holds no visitor keys and no channel token; people are counts here.

pub mod api;
pub mod auth;
pub mod facilities;
pub mod jobs;
pub mod preview;
pub mod problem;
pub mod validate;
pub mod venues;
pub mod view;

use std::sync::Arc;

use schemas::{job::Jobs, registry::Registry, time::EventTime};
use storage::{Log, LogError, Store, follow::Follower};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::{
    api::{openapi, router},
    preview::{Counts, Preview, PreviewFailed},
};

/// What the API works with.
pub struct Console<L: Log, S, P> {
    /// Tokens.
    pub store: S,
    /// The jobs.
    pub jobs: Follower<L, Jobs>,
    /// The places.
    pub registry: Follower<L, Registry>,
    /// Counts people.
    pub preview: P,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
}

impl<L: Log, S: Store, P: Preview> Console<L, S, P> {
    /// Begins to follow jobs and places.
    pub fn new(
        log: &L,
        store: S,
        preview: P,
        clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let jobs = Follower::start(log.clone(), shutdown);
        let registry = Follower::start(log.clone(), shutdown);
        Arc::new(Self { store, jobs, registry, preview, clock })
    }

    /// Ready once jobs and places are current; runs until `shutdown`.
    pub async fn run(
        &self,
        ready: watch::Sender<bool>,
        shutdown: CancellationToken,
    ) -> Result<(), LogError> {
        tokio::select! {
            current = async {
                tokio::try_join!(self.jobs.caught_up_at_last(), self.registry.caught_up_at_last())
            } => { current?; }
            () = shutdown.cancelled() => return Ok(()),
        }
        ready.send_replace(true);
        shutdown.cancelled().await;
        Ok(())
    }
}
