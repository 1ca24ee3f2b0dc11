//! Answers → a facility in the registry.

use schemas::{
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

/// Registers a facility: its codes count from now on, or from when the prefecture has admitted it.
/// Whose it is is written first, so that none is ever nobody's; the ids are the draft's, so the same
/// answers twice are one facility.
pub async fn register<L: Log, S: Store>(
    draft: &Draft,
    operator: &Operator,
    (registry, store): (&Follower<L, Registry>, &S),
    (reviewed, now): (bool, EventTime),
) -> Result<(), RegisterError> {
    let row = OperatorRow {
        operator: operator.id,
        facility: draft.facility,
        address: operator.address.clone(),
        since: now,
    };
    store.put(&[row]).await?;
    let facility = Facility { reviewed, ..facility(draft, now) };
    registry.append(&RegistryRecord::Facility(facility)).await?;
    Ok(())
}

/// As the registry has it.
pub fn facility(draft: &Draft, now: EventTime) -> Facility {
    let kind = draft.kind.unwrap_or(FacilityKind::Other);
    let venue = |room: &crate::draft::Room| Venue {
        since: Some(now),
        ..Venue::new(room.venue, &room.name)
    };
    let venues = draft.rooms.iter().map(venue).collect();
    let mut facility = Facility::new(draft.facility, kind, &draft.name, venues);
    describe(&mut facility, draft);
    facility.updated_at = now;
    facility
}

/// Puts the answers about a facility, not those about its rooms, in the place of those before.
pub fn describe(facility: &mut Facility, draft: &Draft) {
    facility.name.clone_from(&draft.name);
    facility.kind = draft.kind.unwrap_or(facility.kind);
    facility.days = draft.days.filter(|_| facility.kind == FacilityKind::Event);
    facility.details = Some(Details {
        kana: draft.kana.clone(),
        postcode: draft.postcode.clone(),
        address: draft.address.clone(),
        phone: draft.phone.clone(),
    });
}

#[cfg(test)]
mod tests {
    use schemas::place_code::Issue;

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
