//! How many people a job would reach: counts, and nothing else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use schemas::{identity::KeyRing, ids::VenueId, job::JobContent, sending::Way, topic::Topic};
use storage::{Group, Log, LogError, Store};

use crate::{
    audience::{self, AudienceError},
    jobs::Clock,
};

/// Counts below this are not told: they would point at persons.
pub const SMALLEST_COUNT: u64 = 10;

/// How many people a job would reach. It can hold nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// People who were there; `None` where fewer than [`SMALLEST_COUNT`]. The counts below are
    /// `None` whenever this one is, or one of them is small: differences would tell it.
    pub people: Option<u64>,
    /// Of them, friends of the account.
    pub friends: Option<u64>,
    /// Of them, people of whom nobody can tell whether a message reaches them.
    pub reach_unknown: Option<u64>,
    /// Of them, people who have blocked the account.
    pub out_of_reach: Option<u64>,
    /// For each venue, people who were there; `None` where few.
    pub by_venue: Vec<(VenueId, Option<u64>)>,
    /// How far rows are behind the log, in seconds.
    pub behind_seconds: u64,
}

/// Why there are no counts now.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The rows can't be read.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Counts people. The narrow door between officials and visitors' rows.
#[derive(Clone)]
pub struct Preview<L, S> {
    /// The log, to tell how far rows are behind.
    pub log: L,
    /// The rows.
    pub store: S,
    /// Opens ids, to count each person once.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// What time it is.
    pub clock: Clock,
}

impl<L: Log, S: Store> Preview<L, S> {
    /// Counts the people of a job that is yet to be approved.
    pub async fn count(&self, content: &JobContent) -> Result<Counts, PreviewError> {
        let behind_seconds = self.behind_seconds().await?;
        let keys = self.keys.load_full();
        let now = (self.clock)();
        let audience = audience::gather(&self.store, &keys, content, now).await?;
        let told = |way| audience.targets.iter().filter(|t| t.way == way).count() as u64;
        let friends = told(Way::Multicast);
        let reach_unknown = told(Way::MulticastUnknown) + told(Way::Push);
        let out_of_reach = audience.out_of_reach;
        let people = friends + reach_unknown + out_of_reach;
        let few = |count: u64| count > 0 && count < SMALLEST_COUNT;
        let parts_are_told =
            !few(people) && ![friends, reach_unknown, out_of_reach].into_iter().any(few);
        let part = |count| parts_are_told.then_some(count);
        Ok(Counts {
            people: (!few(people)).then_some(people),
            friends: part(friends),
            reach_unknown: part(reach_unknown),
            out_of_reach: part(out_of_reach),
            by_venue: audience
                .by_venue
                .iter()
                .map(|(venue, count)| (*venue, (!few(*count)).then_some(*count)))
                .collect(),
            behind_seconds,
        })
    }

    /// The age of the oldest record of `scans` that is no row yet.
    async fn behind_seconds(&self) -> Result<u64, LogError> {
        use storage::Reader;
        let bounds = self.log.bounds(Topic::Scans).await?;
        let committed = self.log.committed(Group::Processor, Topic::Scans).await?;
        let mut oldest: Option<i64> = None;
        for ((partition, range), done) in Topic::Scans.all_partitions().zip(bounds).zip(committed) {
            let next = done.unwrap_or(range.start).max(range.start);
            if next >= range.end {
                continue;
            }
            let mut reader = self.log.read(Topic::Scans, partition, next).await?;
            if let Some(first) = reader.next().await?.first() {
                oldest = Some(oldest.map_or(first.appended_at, |at| at.min(first.appended_at)));
            }
        }
        let behind = oldest.map_or(0, |at| (self.clock)().0 - at);
        Ok(u64::try_from(behind / 1_000).unwrap_or(0))
    }
}
