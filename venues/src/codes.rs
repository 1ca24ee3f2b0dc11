//! Retire and re-issue place codes.

use schemas::{
    ids::VenueId,
    place_code::Issue,
    registry::{Registry, RegistryRecord, Retirement},
    time::EventTime,
};
use storage::{Log, LogError, follow::Follower};

/// Why a code can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// There is no such venue.
    #[error("no such venue")]
    NoSuchVenue,
    /// Every issue number has been used.
    #[error("this venue's code has been re-issued 255 times: register the place anew")]
    NoIssueLeft,
    /// The log did not take it.
    #[error("the log failed")]
    Log(#[from] LogError),
}

/// Raises the issue of a venue's code; the one before counts no more from `old_ends` on. The new
/// issue.
pub async fn reissue<L: Log>(
    venue: VenueId,
    old_ends: EventTime,
    registry: &Follower<L, Registry>,
    now: EventTime,
) -> Result<Issue, CodeError> {
    registry.caught_up().await?;
    let mut facility = registry
        .read(|registry| registry.venue(venue).map(|(facility, _)| facility.clone()))
        .ok_or(CodeError::NoSuchVenue)?;
    let place = facility.venues.iter_mut().find(|place| place.id == venue);
    let place = place.ok_or(CodeError::NoSuchVenue)?;
    let next = place.issue.0.checked_add(1).map(Issue).ok_or(CodeError::NoIssueLeft)?;
    place.retirements.push(Retirement { issue: place.issue, from: old_ends });
    place.issue = next;
    facility.updated_at = now;
    registry.append(&RegistryRecord::Facility(facility)).await?;
    Ok(next)
}
