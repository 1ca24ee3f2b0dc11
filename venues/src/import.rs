//! Rows → facilities and venues.

use std::collections::BTreeMap;

use schemas::{
    ids::{FacilityId, VenueId},
    place_code::{Issue, PlaceKeys},
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

/// Imports rows: facilities and venues that are there already, by name, are kept; the rest is
/// added. For each row, in order, the place and its present code.
pub async fn import<L: Log>(
    rows: &[Row],
    registry: &Follower<L, Registry>,
    places: &PlaceKeys,
    now: EventTime,
) -> Result<Vec<Imported>, LogError> {
    registry.caught_up().await?;
    let mut facilities: BTreeMap<String, (Facility, bool)> = registry.read(|registry| {
        let known = registry.facilities();
        known.map(|facility| (facility.name.clone(), (facility.clone(), false))).collect()
    });
    for row in rows {
        let (facility, changed) = facilities.entry(row.facility.clone()).or_insert_with(|| {
            let facility = Facility {
                id: FacilityId::from_u64(rand::random()),
                name: row.facility.clone(),
                kind: row.kind,
                venues: Vec::new(),
                days: row.days,
                details: None,
                updated_at: now,
            };
            (facility, true)
        });
        if !facility.venues.iter().any(|venue| venue.name == row.venue) {
            facility.venues.push(Venue {
                id: VenueId::from_u64(rand::random()),
                name: row.venue.clone(),
                issue: Issue(1),
                retirements: Vec::new(),
            });
            *changed = true;
        }
    }
    for (facility, changed) in facilities.values_mut() {
        if *changed {
            facility.updated_at = now;
            registry.append(&RegistryRecord::Facility(facility.clone())).await?;
        }
    }
    Ok(rows
        .iter()
        .filter_map(|row| {
            let (facility, _) = facilities.get(&row.facility)?;
            let venue = facility.venues.iter().find(|venue| venue.name == row.venue)?;
            let code = places.code(venue.id, venue.issue);
            let (place_code, check_in_text) = (code.to_string(), code.check_in_text());
            Some(Imported { venue: venue.id, place_code, check_in_text })
        })
        .collect())
}
