//! Search for places.

use schemas::{ids::VenueId, registry::Registry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validate::letters;

/// Places of one page.
const PAGE: usize = 50;

/// Places found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VenuePage {
    /// The places.
    pub venues: Vec<VenueView>,
    /// Asks for the next page, where there is one.
    pub next_cursor: Option<String>,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VenueView {
    /// Its id.
    pub venue: String,
    /// Its name: a floor, a room.
    pub name: String,
    /// The facility's id.
    pub facility_id: String,
    /// The facility's name.
    pub facility: String,
    /// What kind of facility it is.
    pub kind: String,
    /// How long a visitor is taken to stay after a scan, in minutes.
    pub dwell_minutes: u32,
}

/// Finds places whose id is the query, or in whose names every word of it occurs: in any width and
/// case, hiragana like katakana. An empty query finds all.
pub fn search(registry: &Registry, query: &str, cursor: usize) -> VenuePage {
    let id = query.trim().parse::<VenueId>().ok().filter(|id| registry.venue(*id).is_some());
    let words: Vec<String> = query.split_whitespace().map(kana_letters).collect();
    let all = registry
        .facilities()
        .filter(|facility| !facility.is_forgotten())
        .flat_map(|facility| facility.venues.iter().map(move |venue| (facility, venue)));
    let mut found = all
        .filter(|(facility, venue)| match id {
            Some(id) => venue.id == id,
            None => {
                let names = kana_letters(&format!("{} {}", facility.name, venue.name));
                words.iter().all(|word| names.contains(word.as_str()))
            }
        })
        .skip(cursor);
    let venues: Vec<VenueView> = found
        .by_ref()
        .take(PAGE)
        .map(|(facility, venue)| VenueView {
            venue: venue.id.to_string(),
            name: venue.name.clone(),
            facility_id: facility.id.to_string(),
            facility: facility.name.clone(),
            kind: facility.kind.name().to_owned(),
            dwell_minutes: facility.kind.dwell_minutes(),
        })
        .collect();
    let next_cursor = found.next().map(|_| (cursor + PAGE).to_string());
    VenuePage { venues, next_cursor }
}

/// Letters and digits; katakana as hiragana.
pub(crate) fn kana_letters(text: &str) -> String {
    let to_hiragana = |c: char| match c {
        'ァ'..='ヶ' => char::from_u32(u32::from(c) - 0x60).unwrap_or(c),
        _ => c,
    };
    letters(text).chars().map(to_hiragana).collect()
}

#[cfg(test)]
mod tests {
    use schemas::{
        ids::FacilityId,
        registry::{Facility, FacilityKind, RegistryRecord, Venue},
    };

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        for (n, name) in ["カフェこもれび", "ﾎﾃﾙ Ｓｕｎ", "文化会館"].into_iter().enumerate()
        {
            let n = n as u64 + 1;
            let venue = |floor: u64| {
                Venue::new(VenueId::from_u64(n * 1_000 + floor), &format!("{floor}階"))
            };
            let (id, venues) = (FacilityId::from_u64(n), (0..40).map(venue).collect());
            let facility = Facility::new(id, FacilityKind::Other, name, venues);
            registry.apply(RegistryRecord::Facility(facility));
        }
        registry
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        let registry = registry();
        for (query, facility) in [
            ("かふぇ", "カフェこもれび"),
            ("コモレビ 7階", "カフェこもれび"),
            ("ホテル sun", "ﾎﾃﾙ Ｓｕｎ"),
            ("文化 会館", "文化会館"),
        ] {
            let page = search(&registry, query, 0);
            assert!(!page.venues.is_empty(), "{query}");
            assert!(page.venues.iter().all(|venue| venue.facility == facility), "{query}");
        }
        assert!(search(&registry, "ありません", 0).venues.is_empty());
        let id = VenueId::from_u64(2_003);
        assert_eq!(search(&registry, &id.to_string(), 0).venues[0].venue, id.to_string());
    }

    #[test]
    fn pages_lead_through_everything_once() {
        let registry = registry();
        let (mut cursor, mut seen) = (0, std::collections::BTreeSet::new());
        loop {
            let page = search(&registry, "", cursor);
            assert!(page.venues.iter().all(|venue| seen.insert(venue.venue.clone())));
            let Some(next) = page.next_cursor else { break };
            cursor = next.parse().unwrap();
        }
        assert_eq!(seen.len(), 120);
    }
}
