//! Answers → a facility in the registry.

use schemas::{
    place_code::Issue,
    registry::{Details, Facility, FacilityKind, Registry, RegistryRecord, Venue},
    time::EventTime,
};
use storage::{
    Log, LogError, Store, StoreError,
    follow::Follower,
    rows::{TypedStore, operators::OperatorRow},
};

use crate::{draft::Draft, operator::Operator};

/// The answers were not registered; sending them again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The log did not take it.
    #[error("the log failed")]
    Log(#[from] LogError),
}

/// Registers a facility: its codes count from now on. Whose it is is written first, so that none is
/// ever nobody's; the ids are the draft's, so the same answers twice are one facility.
pub async fn register<L: Log, S: Store>(
    draft: &Draft,
    operator: &Operator,
    (registry, store): (&Follower<L, Registry>, &S),
    now: EventTime,
) -> Result<(), RegisterError> {
    let row = OperatorRow {
        operator: operator.id,
        facility: draft.facility,
        address: operator.address.clone(),
        since: now,
    };
    store.put(&[row]).await?;
    registry.append(&RegistryRecord::Facility(facility(draft, now))).await?;
    Ok(())
}

/// As the registry has it.
pub fn facility(draft: &Draft, now: EventTime) -> Facility {
    let kind = draft.kind.unwrap_or(FacilityKind::Other);
    let venue = |room: &crate::draft::Room| Venue {
        id: room.venue,
        name: room.name.clone(),
        issue: Issue(1),
        retirements: Vec::new(),
    };
    Facility {
        id: draft.facility,
        name: draft.name.clone(),
        kind,
        venues: draft.rooms.iter().map(venue).collect(),
        days: draft.days.filter(|_| kind == FacilityKind::Event),
        details: Some(Details {
            kana: draft.kana.clone(),
            postcode: draft.postcode.clone(),
            address: draft.address.clone(),
            phone: draft.phone.clone(),
        }),
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{days, draft::Room};

    #[test]
    fn an_event_s_codes_end_a_day_after_it() {
        let mut draft = Draft::new();
        draft.kind = Some(FacilityKind::Event);
        draft.days = days::event_days("2026-12-01", "2026-12-03").unwrap();
        draft.rooms = vec![Room::new("会場".to_owned())];
        let made = facility(&draft, EventTime(0));
        let at = |text| EventTime::parse_rfc3339(text).unwrap();
        assert!(made.accepts(&made.venues[0], Issue(1), at("2026-12-04T23:59:59+09:00")));
        assert!(!made.accepts(&made.venues[0], Issue(1), at("2026-12-05T00:00:00+09:00")));
        draft.kind = Some(FacilityKind::Shop);
        assert_eq!(facility(&draft, EventTime(0)).days, None);
    }
}
