//! Set and show the state of the service.

use schemas::{
    registry::{Registry, RegistryRecord},
    service::{Change, LEAD_MS, ServiceState, TooSoon},
    time::EventTime,
};
use storage::{Log, LogError, follow::Follower};

use crate::names;

/// Characters of a reason.
pub const MAX_REASON: usize = 200;

/// Why the state can't be set.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It would take effect before everybody knows of it.
    #[error(transparent)]
    TooSoon(#[from] TooSoon),
    /// The reason can't be shown.
    #[error("the reason is longer than {MAX_REASON} characters, or has some that can't be seen")]
    Reason,
    /// Somebody else set it at the same moment.
    #[error("somebody else has set the state at the same moment: look at `anshin service show`")]
    AtTheSameTime,
    /// The log did not take it.
    #[error("the log failed")]
    Log(#[from] LogError),
}

/// A state to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub state: ServiceState,
    /// From when on; as soon as it can be if absent.
    pub from: Option<EventTime>,
    /// What the public is told.
    pub reason: Option<String>,
}

/// Sets the state of the service; what was set.
pub async fn set<L: Log>(
    wanted: Wanted,
    registry: &Follower<L, Registry>,
    now: EventTime,
) -> Result<Change, ServiceError> {
    let change = Change {
        state: wanted.state,
        from: wanted.from.unwrap_or(now.plus(LEAD_MS)),
        reason: wanted.reason.as_deref().map(reason).transpose()?.flatten(),
        set_at: now,
    };
    registry.caught_up().await?;
    let service = registry.read(|registry| registry.service().with(change.clone()))?;
    registry.append(&RegistryRecord::Service(service)).await?;
    // The latest snapshot counts. Somebody who had not read ours may have made it.
    registry.caught_up().await?;
    let counts = registry.read(|registry| registry.service().changes().contains(&change));
    if counts { Ok(change) } else { Err(ServiceError::AtTheSameTime) }
}

/// What the public is told while the service does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Never running.
    pub state: ServiceState,
    /// In the words of whoever set it.
    pub reason: Option<String>,
}

/// `None`: the service runs, and places can be registered. As far as is known: where nothing can
/// be known for the moment, what was known last.
pub fn notice<L: Log>(registry: &Follower<L, Registry>, now: EventTime) -> Option<Notice> {
    registry.read(|registry| {
        let change = registry.service().change_at(now)?;
        let reason = change.reason.clone();
        (!change.state.is_running()).then_some(Notice { state: change.state, reason })
    })
}

fn reason(text: &str) -> Result<Option<String>, ServiceError> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > MAX_REASON || text.chars().any(names::is_hidden) {
        return Err(ServiceError::Reason);
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
