//! Rows → facilities and venues.

use std::collections::BTreeMap;

use schemas::{
    ids::{FacilityId, VenueId},
    place_code::PlaceKeys,
    registry::{Facility, Registry, RegistryRecord, Venue},
    time::EventTime,
};
use storage::{Log, LogError, follow::Follower};

use crate::list::Row;

/// A place and what its QR code carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The place.
    pub venue: VenueId,
    /// The printed code.
    pub place_code: String,
    /// The text that the QR code prepares.
    pub check_in_text: String,
}

/// What an import would do, and then does.
#[derive(Debug)]
pub struct Plan {
    /// By name; whether it changes.
    facilities: BTreeMap<String, (Facility, bool)>,
    /// How many facilities are new.
    pub new_facilities: usize,
    /// How many venues are new, in new facilities and in others.
    pub new_venues: usize,
}

/// Plans to import rows: facilities and venues that are there already, by name, are kept; the rest
/// is added.
pub async fn plan<L: Log>(
    rows: &[Row],
    registry: &Follower<L, Registry>,
    now: EventTime,
) -> Result<Plan, LogError> {
    registry.caught_up().await?;
    let facilities: BTreeMap<String, (Facility, bool)> = registry.read(|registry| {
        let known = registry.facilities().filter(|facility| facility.removed.is_none());
        known.map(|facility| (facility.name.clone(), (facility.clone(), false))).collect()
    });
    let mut plan = Plan { facilities, new_facilities: 0, new_venues: 0 };
    let facilities = &mut plan.facilities;
    for row in rows {
        let (facility, changed) = facilities.entry(row.facility.clone()).or_insert_with(|| {
            plan.new_facilities += 1;
            let id = FacilityId::from_u64(rand::random());
            let facility = Facility::new(id, row.kind, &row.facility, Vec::new());
            (Facility { days: row.days, ..facility }, true)
        });
        if !facility.open_venues().any(|venue| venue.name == row.venue) {
            plan.new_venues += 1;
            let venue = Venue::new(VenueId::from_u64(rand::random()), &row.venue);
            facility.venues.push(Venue { since: Some(now), ..venue });
            *changed = true;
        }
    }
    Ok(plan)
}

/// Imports rows. For each row, in order, the place and its present code.
pub async fn import<L: Log>(
    rows: &[Row],
    registry: &Follower<L, Registry>,
    places: &PlaceKeys,
    now: EventTime,
) -> Result<Vec<Imported>, LogError> {
    let mut plan = plan(rows, registry, now).await?;
    for (facility, changed) in plan.facilities.values_mut() {
        if *changed {
            facility.updated_at = now.max(facility.updated_at.plus(1));
            registry.append(&RegistryRecord::Facility(facility.clone())).await?;
        }
    }
    Ok(rows
        .iter()
        .filter_map(|row| {
            let (facility, _) = plan.facilities.get(&row.facility)?;
            let venue = facility.open_venues().find(|venue| venue.name == row.venue)?;
            let code = places.code(venue.id, venue.issue);
            let (place_code, check_in_text) = (code.to_string(), code.check_in_text());
            Some(Imported { venue: venue.id, place_code, check_in_text })
        })
        .collect())
}
