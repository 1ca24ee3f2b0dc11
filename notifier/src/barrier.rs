//! The read barrier: a plan is made only once every scan that a visitor was told is recorded has
//! become a row.
//!
//! Spools are asked whether they are empty, and have answered. Then ends of all partitions of `scans` and `visitors` are taken once, at or after the approval; the
//! barrier is reached when the processor has committed past them. A partition that is empty
//! counts as passed.

use std::time::Duration;

use schemas::{
    spool::{SpoolRecord, Spools},
    topic::{Offset, Topic},
};
use storage::{Group, Log, LogError, follow::Follower};
use uuid::Uuid;

/// How often the processor's offsets are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until every spool that there is was empty at some moment after the call. Without limit, as
/// [`Barrier::reached`].
pub async fn spools_are_empty<L: Log>(spools: &Follower<L, Spools>) -> Result<(), LogError> {
    spools.caught_up().await?;
    if spools.read(|spools| spools.open().next().is_none()) {
        return Ok(());
    }
    let question = Uuid::now_v7();
    spools.append(&SpoolRecord::Asked { question }).await?;
    let mut changes = spools.changes();
    let mut told = 0;
    loop {
        changes.borrow_and_update();
        let waits = spools.read(|spools| spools.unanswered(question));
        if waits.is_empty() {
            return Ok(());
        }
        if told != waits.len() {
            tracing::info!(spools = ?waits, "a plan waits for spools that are not known to be empty");
            told = waits.len();
        }
        if changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The ends that have to be passed.
#[derive(Clone, Debug)]
pub struct Barrier {
    ends: Vec<(Topic, Vec<Offset>)>,
}

impl Barrier {
    /// Takes the ends as they are now.
    pub async fn take<L: Log>(log: &L) -> Result<Self, LogError> {
        let mut ends = Vec::new();
        for topic in [Topic::Scans, Topic::Visitors] {
            let bounds = log.bounds(topic).await?;
            // An empty partition has nothing to wait for.
            let end = |range: std::ops::Range<Offset>| {
                if range.is_empty() { Offset(0) } else { range.end }
            };
            ends.push((topic, bounds.into_iter().map(end).collect()));
        }
        Ok(Self { ends })
    }

    /// How many offsets the processor still has to pass; 0: the barrier is reached.
    pub async fn missing<L: Log>(&self, log: &L) -> Result<u64, LogError> {
        let mut missing = 0;
        for (topic, ends) in &self.ends {
            let committed = log.committed(Group::Processor, *topic).await?;
            let bounds = log.bounds(*topic).await?;
            for ((end, done), range) in ends.iter().zip(committed).zip(bounds) {
                // What retention has dropped needs no waiting for.
                let done = done.unwrap_or(range.start).max(range.start);
                missing += end.0.saturating_sub(done.0);
            }
        }
        Ok(missing)
    }

    /// Waits until the barrier is reached. Without limit: who waits with it decides for how long.
    pub async fn reached<L: Log>(&self, log: &L) {
        let mut told = 0;
        loop {
            match self.missing(log).await {
                Ok(0) => return,
                Ok(missing) => {
                    if told != missing {
                        tracing::info!(missing, "a plan waits for scans that are no rows yet");
                        told = missing;
                    }
                }
                Err(error) => tracing::warn!(%error, "the read barrier can't be looked at"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
