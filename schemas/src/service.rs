//! Whether the service runs: the one record `service` of the topic `registry`.
//!
//! Each snapshot holds every change that an event may still meet, each from an event time on. So
//! whoever has the latest snapshot knows what counted at any such time, and events are judged by
//! when they were sent, whenever they arrive.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, EventTime};

/// The key of the record.
pub const SERVICE_KEY: &[u8] = b"service";

/// A change takes effect this long after it was set, at the earliest: by then everybody who judges
/// events has read it (they have looked within [`KNOWN_WITHIN_MS`]), even where clocks differ by
/// the rest.
pub const LEAD_MS: i64 = 30_000;

/// How recently the log must have been read to its end for an event to be judged.
pub const KNOWN_WITHIN_MS: u64 = 5_000;

/// Changes that were superseded longer ago than this meet no event any more: retention is at most
/// 60 days.
const KEPT_MS: i64 = 62 * DAY_MS;

/// What the service does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Not begun yet: pages can be read.
    Preparing,
    /// Places register, visits are recorded. What holds where nothing was ever set.
    #[default]
    Running,
    /// Paused: nothing is registered, nothing is recorded.
    Suspended,
    /// Over for good.
    Ended,
}

impl ServiceState {
    /// All of them, in the order of a service's life.
    pub const ALL: [ServiceState; 4] = [
        ServiceState::Preparing,
        ServiceState::Running,
        ServiceState::Suspended,
        ServiceState::Ended,
    ];

    /// Its name in tools and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ServiceState::Preparing => "preparing",
            ServiceState::Running => "running",
            ServiceState::Suspended => "suspended",
            ServiceState::Ended => "ended",
        }
    }

    /// Whether visits are recorded and places registered.
    pub fn is_running(self) -> bool {
        self == ServiceState::Running
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is none of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of preparing, running, suspended, ended")]
pub struct UnknownState;

impl FromStr for ServiceState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(UnknownState)
    }
}

/// From when on the service is in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The state.
    pub state: ServiceState,
    /// Events at or after this time meet it.
    pub from: EventTime,
    /// What the public is told about it, in the words of whoever set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was set.
    pub set_at: EventTime,
}

/// A change would take effect before everybody knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change takes effect {} s after it is set, at the earliest", LEAD_MS / 1_000)]
pub struct TooSoon;

/// The state of the service, now and as far back as an event may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    changes: Vec<Change>,
}

impl Service {
    /// What followed from one change more. What counted before it takes effect stays as it was;
    /// changes that would have come later are off.
    pub fn with(&self, change: Change) -> Result<Service, TooSoon> {
        if change.from < change.set_at.plus(LEAD_MS) {
            return Err(TooSoon);
        }
        let forgotten = change.set_at.plus(-KEPT_MS);
        let earlier = self.changes.iter().filter(|earlier| earlier.from < change.from);
        let mut changes: Vec<Change> = earlier.cloned().collect();
        changes.push(change);
        let oldest = changes.iter().rposition(|change| change.from <= forgotten).unwrap_or(0);
        changes.drain(..oldest);
        Ok(Service { changes })
    }

    /// The change that an event of this time meets; `None`: nothing was set by then.
    pub fn change_at(&self, at: EventTime) -> Option<&Change> {
        self.changes.iter().rev().find(|change| change.from <= at)
    }

    /// The state that an event of this time meets.
    pub fn state_at(&self, at: EventTime) -> ServiceState {
        self.change_at(at).map_or_else(ServiceState::default, |change| change.state)
    }

    /// Every change that an event may still meet, oldest first; also those to come.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The key of the record.
    pub fn key() -> Bytes {
        Bytes::from_static(SERVICE_KEY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(state: ServiceState, set_at: i64, lead: i64) -> Change {
        Change {
            state,
            from: EventTime(set_at + LEAD_MS + lead),
            reason: None,
            set_at: EventTime(set_at),
        }
    }

    #[test]
    fn nothing_set_is_running() {
        assert_eq!(Service::default().state_at(EventTime(0)), ServiceState::Running);
    }

    #[test]
    fn a_change_counts_from_its_event_time_on() {
        let service = Service::default();
        let suspended = change(ServiceState::Suspended, 0, 0);
        let at = suspended.from;
        let service = service.with(suspended.clone()).unwrap();
        assert_eq!(service.state_at(at.plus(-1)), ServiceState::Running);
        assert_eq!(service.state_at(at), ServiceState::Suspended);
        let early = Change { from: at.plus(-1), ..suspended };
        assert_eq!(service.with(early), Err(TooSoon));
    }

    #[test]
    fn a_change_takes_back_those_to_come() {
        let ended = change(ServiceState::Ended, 0, DAY_MS);
        let at = ended.from;
        let service = Service::default().with(ended).unwrap();
        let service = service.with(change(ServiceState::Running, 1, 0)).unwrap();
        assert_eq!(service.state_at(at), ServiceState::Running);
    }

    proptest! {
        /// Whatever is set later, an event whose time has come is judged as it was: it does not
        /// matter when it arrives, or how often.
        #[test]
        fn later_changes_leave_what_counted(
            steps in prop::collection::vec(
                (0..4_usize, 0..3 * DAY_MS, 0..2 * DAY_MS),
                1..40,
            ),
        ) {
            let mut service = Service::default();
            let mut now = 0;
            let mut judged: Vec<(EventTime, ServiceState)> = Vec::new();
            for (state, later, lead) in steps {
                now += later;
                judged.push((EventTime(now), service.state_at(EventTime(now))));
                service = service.with(change(ServiceState::ALL[state], now, lead)).unwrap();
                for (at, was) in judged.iter().filter(|(at, _)| at.0 > now - KEPT_MS) {
                    prop_assert_eq!(service.state_at(*at), *was);
                }
                prop_assert!(service.changes().is_sorted_by_key(|change| change.from));
            }
        }
    }
}
