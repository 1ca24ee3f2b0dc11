//! Counts of people: all that officials ever see of visitors.

use std::future::Future;

use schemas::{ids::VenueId, job::JobContent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whoever counts people for us. It holds the keys; we get numbers.
pub trait Preview: Send + Sync + 'static {
    /// Counts the people of a job.
    fn count(
        &self,
        content: &JobContent,
    ) -> impl Future<Output = Result<Counts, PreviewFailed>> + Send;
}

/// There are no counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("people can't be counted now")]
pub struct PreviewFailed;

/// How many people a job would reach. A number that is small enough to point at persons is `null`,
/// and `fewer_than` says below what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// People who were there; each once, at however many places.
    pub people: Option<u64>,
    /// Set where `people` is too small to be told.
    pub fewer_than: Option<u64>,
    /// Of them, friends of the account.
    pub friends: Option<u64>,
    /// Of them, people of whom nobody can tell whether a message reaches them.
    pub reach_unknown: Option<u64>,
    /// Of them, people who have blocked the account.
    pub out_of_reach: Option<u64>,
    /// For each place.
    pub by_venue: Vec<VenueCount>,
    /// How far the rows are behind what visitors sent, in seconds.
    pub behind_seconds: u64,
}

/// How many people were at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VenueCount {
    /// The place.
    #[schema(value_type = String, example = "0H3K9M2P7X")]
    pub venue: VenueId,
    /// People who were there.
    pub people: Option<u64>,
    /// Set where `people` is too small to be told.
    pub fewer_than: Option<u64>,
}
