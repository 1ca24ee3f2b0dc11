//! Changes to what is registered: floors and rooms added, renamed and removed, codes retired and
//! issued anew, places removed. Each is a snapshot of the facility, made from the latest one.
//!
//! A code ends at an event time, so a scan is judged by when it was sent. What was removed keeps its
//! name for as long as visits there are kept: officials need it to find them.

use schemas::{
    ids::{FacilityId, VenueId},
    place_code::Issue,
    registry::{Facility, Registry, RegistryRecord, Retirement, Trial, Venue},
    service::LEAD_MS,
    time::{DAY_MS, EventTime, HOUR_MS},
};
use storage::{Log, LogError, follow::Follower};

use crate::draft::MAX_ROOMS;

/// How long operators try out what they printed.
pub const TRIAL_LASTS_MS: i64 = HOUR_MS;

/// Why something can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such facility.
    #[error("no such facility")]
    NoSuchFacility,
    /// There is no such venue.
    #[error("no such venue")]
    NoSuchVenue,
    /// Another venue of the facility has this name.
    #[error("another venue has this name")]
    NameTaken,
    /// No more venues can be added.
    #[error("a facility has at most {MAX_ROOMS} venues")]
    TooMany,
    /// A facility keeps one venue; it is removed as a whole.
    #[error("the last venue can't be removed: remove the facility")]
    LastVenue,
    /// The code is another one than was seen: somebody has re-issued it meanwhile.
    #[error("the code was re-issued meanwhile")]
    Reissued,
    /// Every issue number has been used.
    #[error("this venue's code has been re-issued 255 times: register the place anew")]
    NoIssueLeft,
    /// The log did not take it.
    #[error("the log failed")]
    Log(#[from] LogError),
}

/// Changes a facility; as it is then. Two processes that change the same facility in the same
/// milliseconds keep the change of one of them.
pub async fn change<L: Log>(
    registry: &Follower<L, Registry>,
    id: FacilityId,
    now: EventTime,
    edit: impl FnOnce(&mut Facility) -> Result<(), ChangeError>,
) -> Result<Facility, ChangeError> {
    registry.caught_up().await?;
    let before = registry.read(|registry| registry.facility(id).cloned());
    let before = before.ok_or(ChangeError::NoSuchFacility)?;
    let mut facility = before.clone();
    edit(&mut facility)?;
    if facility != before {
        // Rows that follow from snapshots are ordered by this time.
        facility.updated_at = now.max(before.updated_at.plus(1));
        registry.append(&RegistryRecord::Facility(facility.clone())).await?;
    }
    Ok(facility)
}

/// A venue that its operator has.
fn open(facility: &mut Facility, id: VenueId) -> Result<&mut Venue, ChangeError> {
    let is_open = facility.removed.is_none();
    let venue = facility.venues.iter_mut().find(|venue| venue.id == id);
    venue.filter(|venue| is_open && venue.removed.is_none()).ok_or(ChangeError::NoSuchVenue)
}

/// Adds venues with these names.
pub fn add(facility: &mut Facility, names: &[String], now: EventTime) -> Result<(), ChangeError> {
    if facility.removed.is_some() {
        return Err(ChangeError::NoSuchFacility);
    }
    for name in names {
        if facility.open_venues().any(|venue| venue.name == *name) {
            return Err(ChangeError::NameTaken);
        }
        if facility.venues.len() >= MAX_ROOMS {
            return Err(ChangeError::TooMany);
        }
        let venue = Venue::new(VenueId::from_u64(rand::random()), name);
        facility.venues.push(Venue { since: Some(now), ..venue });
    }
    Ok(())
}

/// Gives a venue another name. Its code stays.
pub fn rename(facility: &mut Facility, id: VenueId, name: &str) -> Result<(), ChangeError> {
    if facility.open_venues().any(|venue| venue.id != id && venue.name == name) {
        return Err(ChangeError::NameTaken);
    }
    name.clone_into(&mut open(facility, id)?.name);
    Ok(())
}

/// Removes a venue: its code counts no more.
pub fn remove_venue(
    facility: &mut Facility,
    id: VenueId,
    now: EventTime,
) -> Result<(), ChangeError> {
    let last = facility.open_venues().count() == 1;
    let venue = open(facility, id)?;
    if last {
        return Err(ChangeError::LastVenue);
    }
    venue.removed = Some(now);
    Ok(())
}

/// Retires the present code of a venue, from `now` on.
pub fn retire(facility: &mut Facility, id: VenueId, now: EventTime) -> Result<(), ChangeError> {
    let venue = open(facility, id)?;
    if venue.accepts(venue.issue, now) {
        venue.retirements.push(Retirement { issue: venue.issue, from: now });
    }
    Ok(())
}

/// Raises the issue of a venue's code; the one before counts no more from `old_ends` on. `seen` is
/// the issue that somebody decided about, where that is known.
pub fn reissue(
    facility: &mut Facility,
    id: VenueId,
    seen: Option<Issue>,
    old_ends: EventTime,
) -> Result<(), ChangeError> {
    let venue = open(facility, id)?;
    if seen.is_some_and(|seen| seen != venue.issue) {
        return Err(ChangeError::Reissued);
    }
    let next = venue.issue.0.checked_add(1).map(Issue).ok_or(ChangeError::NoIssueLeft)?;
    venue.retirements.push(Retirement { issue: venue.issue, from: old_ends });
    venue.issue = next;
    Ok(())
}

/// Issues the code of a venue anew, whosever it is; the new issue.
pub async fn reissue_any<L: Log>(
    venue: VenueId,
    old_ends: EventTime,
    registry: &Follower<L, Registry>,
    now: EventTime,
) -> Result<Issue, ChangeError> {
    registry.caught_up().await?;
    let facility = registry.read(|registry| registry.venue(venue).map(|(facility, _)| facility.id));
    let facility = facility.ok_or(ChangeError::NoSuchVenue)?;
    let mut issue = None;
    let edit = |facility: &mut Facility| {
        reissue(facility, venue, None, old_ends)?;
        issue = facility.venues.iter().find(|known| known.id == venue).map(|known| known.issue);
        Ok(())
    };
    change(registry, facility, now, edit).await?;
    issue.ok_or(ChangeError::NoSuchVenue)
}

/// Lets an operator try out what was printed: from when everybody who judges scans knows of it, for
/// an hour. A trial that is not over goes on as it is.
pub fn try_out(facility: &mut Facility, id: VenueId, now: EventTime) -> Result<(), ChangeError> {
    let venue = open(facility, id)?;
    if venue.trial.is_none_or(|trial| trial.until <= now) {
        let from = now.plus(LEAD_MS);
        venue.trial = Some(Trial { from, until: from.plus(TRIAL_LASTS_MS) });
    }
    Ok(())
}

/// Ends that before its time.
pub fn end_trial(facility: &mut Facility, id: VenueId, now: EventTime) -> Result<(), ChangeError> {
    let venue = open(facility, id)?;
    if let Some(trial) = &mut venue.trial {
        trial.until = trial.until.min(now.plus(LEAD_MS));
    }
    Ok(())
}

/// Takes a facility from its operator: its codes count no more, and nothing is kept of what was said
/// of it but its name.
pub fn remove(facility: &mut Facility, now: EventTime) {
    facility.removed.get_or_insert(now);
    facility.details = None;
}

/// Forgets the names of facilities that were removed so long ago that no visit there is kept; how
/// many.
pub async fn forget_removed<L: Log>(
    registry: &Follower<L, Registry>,
    retention_days: u32,
    now: EventTime,
) -> Result<usize, ChangeError> {
    // Events may come in from a day ahead.
    let over = now.plus(-i64::from(retention_days + 1) * DAY_MS);
    let due: Vec<FacilityId> = registry.read(|registry| {
        let removed = |f: &&Facility| f.removed.is_some_and(|at| at < over) && !f.is_forgotten();
        registry.facilities().filter(removed).map(|facility| facility.id).collect()
    });
    for id in &due {
        let forget = |facility: &mut Facility| {
            facility.name.clear();
            facility.venues.iter_mut().for_each(|venue| venue.name.clear());
            Ok(())
        };
        change(registry, *id, now, forget).await?;
    }
    Ok(due.len())
}

#[cfg(test)]
mod tests {
    use schemas::registry::{Details, FacilityKind};

    use super::*;

    fn cafe() -> Facility {
        let venue = |n, name| Venue::new(VenueId::from_u64(n), name);
        let venues = vec![venue(1, "1階"), venue(2, "2階")];
        Facility::new(FacilityId::from_u64(1), FacilityKind::Shop, "カフェ", venues)
    }

    #[test]
    fn venues_come_and_go_and_names_stay_apart() {
        let (mut cafe, now) = (cafe(), EventTime(100));
        let [one, two] = [1, 2].map(VenueId::from_u64);
        assert!(matches!(rename(&mut cafe, one, "2階"), Err(ChangeError::NameTaken)));
        rename(&mut cafe, one, "1階").unwrap();
        rename(&mut cafe, one, "地下").unwrap();
        add(&mut cafe, &["1階".to_owned()], now).unwrap();
        let again = add(&mut cafe, &["屋上".to_owned(), "1階".to_owned()], now);
        assert!(matches!(again, Err(ChangeError::NameTaken)));
        remove_venue(&mut cafe, two, now).unwrap();
        assert!(matches!(remove_venue(&mut cafe, two, now), Err(ChangeError::NoSuchVenue)));
        // Its name is free again; its code is over.
        add(&mut cafe, &["2階".to_owned()], now).unwrap();
        let gone = cafe.venues.iter().find(|venue| venue.id == two).unwrap();
        assert!(gone.accepts(Issue(1), EventTime(99)) && !gone.accepts(Issue(1), now));
        let open: Vec<VenueId> = cafe.open_venues().map(|venue| venue.id).collect();
        for id in &open[1..] {
            remove_venue(&mut cafe, *id, now).unwrap();
        }
        assert!(matches!(remove_venue(&mut cafe, open[0], now), Err(ChangeError::LastVenue)));
    }

    #[test]
    fn codes_are_retired_and_issued_anew() {
        let (mut cafe, one) = (cafe(), VenueId::from_u64(1));
        retire(&mut cafe, one, EventTime(50)).unwrap();
        retire(&mut cafe, one, EventTime(60)).unwrap();
        assert_eq!(cafe.venues[0].retirements.len(), 1, "a second press changes nothing");
        reissue(&mut cafe, one, Some(Issue(1)), EventTime(70)).unwrap();
        let again = reissue(&mut cafe, one, Some(Issue(1)), EventTime(70));
        assert!(matches!(again, Err(ChangeError::Reissued)));
        let accepts = |issue, at| cafe.venues[0].accepts(Issue(issue), EventTime(at));
        assert!(accepts(1, 49) && !accepts(1, 50) && accepts(2, 1_000));
        cafe.venues[0].issue = Issue(255);
        let last = reissue(&mut cafe, one, None, EventTime(80));
        assert!(matches!(last, Err(ChangeError::NoIssueLeft)));
    }

    #[test]
    fn a_trial_lasts_an_hour_or_until_it_is_ended() {
        let (mut cafe, one) = (cafe(), VenueId::from_u64(1));
        try_out(&mut cafe, one, EventTime(0)).unwrap();
        let has = |cafe: &Facility, at| cafe.venues[0].trial.unwrap().has(EventTime(at));
        assert!(!has(&cafe, LEAD_MS - 1) && has(&cafe, LEAD_MS));
        assert!(has(&cafe, LEAD_MS + HOUR_MS - 1) && !has(&cafe, LEAD_MS + HOUR_MS));
        // A second press, or a new code, makes no hole in it.
        try_out(&mut cafe, one, EventTime(40_000)).unwrap();
        reissue(&mut cafe, one, None, EventTime(50_000)).unwrap();
        assert!(has(&cafe, LEAD_MS) && has(&cafe, 50_000));
        end_trial(&mut cafe, one, EventTime(60_000)).unwrap();
        assert!(has(&cafe, LEAD_MS) && !has(&cafe, 60_000 + LEAD_MS));
        try_out(&mut cafe, one, EventTime(100_000)).unwrap();
        assert!(has(&cafe, 100_000 + LEAD_MS), "and once more");
    }

    #[test]
    fn a_removed_facility_keeps_its_name_and_nothing_else() {
        let mut cafe = cafe();
        cafe.details = Some(Details {
            kana: "カフェ".to_owned(),
            postcode: "2310001".to_owned(),
            address: "神奈川県".to_owned(),
            phone: "0451234567".to_owned(),
        });
        remove(&mut cafe, EventTime(10));
        remove(&mut cafe, EventTime(20));
        assert_eq!((cafe.removed, cafe.details.as_ref()), (Some(EventTime(10)), None));
        let added = add(&mut cafe, &["3階".to_owned()], EventTime(30));
        assert!(matches!(added, Err(ChangeError::NoSuchFacility)));
        assert_eq!(cafe.open_venues().count(), 0);
    }
}
