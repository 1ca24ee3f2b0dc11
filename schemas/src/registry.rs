//! Facilities and their venues, what the prefecture decided about them, and the state of the
//! service: full snapshots.
//!
//! Operators' pages alone write facilities, officials alone write standings: neither overwrites what
//! the other has just written.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    str::FromStr,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{FacilityId, VenueId},
    place_code::Issue,
    service::{Service, ServiceState},
    time::{DAY_MS, Day, EventTime},
    topic::Topic,
    wire::{Body, WireRecord},
};

/// A record of the `registry` topic. The latest of a key (by offset) is what counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum RegistryRecord {
    /// A facility with all its venues.
    Facility(Facility),
    /// What the prefecture decided about a facility.
    Standing(Standing),
    /// The state of the service.
    Service(Service),
}

/// A business site or event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facility {
    /// Its id.
    pub id: FacilityId,
    /// Its name, as the operator gave it.
    pub name: String,
    /// What kind of place it is.
    pub kind: FacilityKind,
    /// Its venues, in the operator's order.
    pub venues: Vec<Venue>,
    /// Of an event: its days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<EventDays>,
    /// What its operator said of it; nothing where it came from a list, or was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// Whether its codes count only once the prefecture has admitted it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reviewed: bool,
    /// Since when it is its operator's no more: its codes count no more. Its name stays for as long
    /// as visits there are kept, for officials need it; after that it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<EventTime>,
    /// When this snapshot was made.
    pub updated_at: EventTime,
}

/// For serde, which asks by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What an operator says of a facility, normalised. Nothing of it is for visitors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Its name in katakana.
    pub kana: String,
    /// Its postcode: seven digits.
    pub postcode: String,
    /// Its address.
    pub address: String,
    /// Its phone number: digits.
    pub phone: String,
}

impl Facility {
    /// A facility of which no more is known.
    pub fn new(id: FacilityId, kind: FacilityKind, name: &str, venues: Vec<Venue>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind,
            venues,
            days: None,
            details: None,
            reviewed: false,
            removed: None,
            updated_at: EventTime(0),
        }
    }

    /// Whether this issue of a venue's code is in use at this time.
    pub fn accepts(&self, venue: &Venue, issue: Issue, scanned_at: EventTime) -> bool {
        venue.accepts(issue, scanned_at)
            && self.removed.is_none_or(|removed| scanned_at < removed)
            && self.days.is_none_or(|days| scanned_at < days.codes_end())
    }

    /// The venues that its operator has, in their order.
    pub fn open_venues(&self) -> impl Iterator<Item = &Venue> {
        let open = self.removed.is_none();
        self.venues.iter().filter(move |venue| open && venue.removed.is_none())
    }

    /// Whether nothing but ids is kept of it.
    pub fn is_forgotten(&self) -> bool {
        self.removed.is_some() && self.name.is_empty()
    }
}

/// The days of an event, in Japan: from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "BetweenDays", into = "BetweenDays")]
pub struct EventDays {
    first: Day,
    last: Day,
}

/// An event ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last day is before the first")]
pub struct DaysTurned;

impl EventDays {
    /// From a first to a last day.
    pub fn new(first: Day, last: Day) -> Result<Self, DaysTurned> {
        if last < first { Err(DaysTurned) } else { Ok(Self { first, last }) }
    }

    /// The first day.
    pub fn first(self) -> Day {
        self.first
    }

    /// The last day.
    pub fn last(self) -> Day {
        self.last
    }

    /// From when on its codes record nothing: 24 h after the last day is over.
    pub fn codes_end(self) -> EventTime {
        self.last.next().start().plus(DAY_MS)
    }
}

#[derive(Serialize, Deserialize)]
struct BetweenDays {
    first: Day,
    last: Day,
}

impl TryFrom<BetweenDays> for EventDays {
    type Error = DaysTurned;

    fn try_from(BetweenDays { first, last }: BetweenDays) -> Result<Self, DaysTurned> {
        Self::new(first, last)
    }
}

impl From<EventDays> for BetweenDays {
    fn from(EventDays { first, last }: EventDays) -> Self {
        Self { first, last }
    }
}

/// One scannable place of a facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Venue {
    /// Its id.
    pub id: VenueId,
    /// The name of the floor, room or hall.
    pub name: String,
    /// The issue that is printed now.
    pub issue: Issue,
    /// Issues that count no more, each from an event time on.
    #[serde(default)]
    pub retirements: Vec<Retirement>,
    /// When its operator added it; unknown where it came from a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<EventTime>,
    /// When its operator tries out what was printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// Since when there is no such venue any more. It stays here for officials, who need its name,
    /// and so that its code is known to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<EventTime>,
}

/// A while in which scans of a venue record nothing, and are answered that the code can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Scans at or after this event time are trials,
    pub from: EventTime,
    /// and those before this one.
    pub until: EventTime,
}

impl Trial {
    /// Whether an event time is in it.
    pub fn has(self, at: EventTime) -> bool {
        self.from <= at && at < self.until
    }
}

/// What the prefecture decided about a facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The facility.
    pub facility: FacilityId,
    /// Since when it is admitted, where registrations are reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<EventTime>,
    /// When its codes record nothing, the latest last.
    #[serde(default)]
    pub suspensions: Vec<Suspension>,
    /// When this snapshot was made.
    pub updated_at: EventTime,
}

/// A while in which the codes of a facility record nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Scans at or after this event time record nothing,
    pub from: EventTime,
    /// until this one, if it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<EventTime>,
    /// What its operator is told.
    pub reason: String,
}

impl Standing {
    /// Nothing decided yet.
    pub fn new(facility: FacilityId) -> Self {
        let updated_at = EventTime(0);
        Self { facility, admitted: None, suspensions: Vec::new(), updated_at }
    }

    /// The suspension that an event time meets.
    pub fn suspension_at(&self, at: EventTime) -> Option<&Suspension> {
        let meets = |s: &&Suspension| s.from <= at && s.until.is_none_or(|until| at < until);
        self.suspensions.iter().rev().find(meets)
    }
}

/// From when on an issue of a venue's code records no visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// The issue.
    pub issue: Issue,
    /// Scans at or after this event time count no more.
    pub from: EventTime,
}

impl Venue {
    /// A venue with its first issue.
    pub fn new(id: VenueId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            issue: Issue(1),
            retirements: Vec::new(),
            since: None,
            trial: None,
            removed: None,
        }
    }

    /// Whether a scan of this issue at this time records a visit.
    pub fn accepts(&self, issue: Issue, scanned_at: EventTime) -> bool {
        self.removed.is_none_or(|removed| scanned_at < removed)
            && !self.retirements.iter().any(|gone| gone.issue == issue && scanned_at >= gone.from)
    }
}

/// What kind of place a facility is; decides how long a visitor is taken to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FacilityKind {
    /// 店舗.
    Shop,
    /// 飲食店.
    Restaurant,
    /// ホール・劇場.
    Hall,
    /// イベント.
    Event,
    /// 事務所・施設.
    Office,
    /// その他.
    Other,
}

impl FacilityKind {
    /// All of them.
    pub const ALL: [FacilityKind; 6] = [
        FacilityKind::Shop,
        FacilityKind::Restaurant,
        FacilityKind::Hall,
        FacilityKind::Event,
        FacilityKind::Office,
        FacilityKind::Other,
    ];

    /// Its name in files and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            FacilityKind::Shop => "shop",
            FacilityKind::Restaurant => "restaurant",
            FacilityKind::Hall => "hall",
            FacilityKind::Event => "event",
            FacilityKind::Office => "office",
            FacilityKind::Other => "other",
        }
    }

    /// How long a visitor is taken to stay after a scan, in minutes. Our assumption: there is no
    /// check-out; a job copies it, and officials see it.
    pub const fn dwell_minutes(self) -> u32 {
        match self {
            FacilityKind::Shop => 60,
            FacilityKind::Restaurant => 120,
            FacilityKind::Hall | FacilityKind::Event => 180,
            FacilityKind::Office | FacilityKind::Other => 120,
        }
    }
}

impl fmt::Display for FacilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is none of our kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of shop, restaurant, hall, event, office, other")]
pub struct UnknownKind;

impl FromStr for FacilityKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// What a scan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is a visit.
    Counts,
    /// The code was retired by then, its place was removed, or its event was over.
    Retired,
    /// The facility was not admitted yet, or it was suspended.
    OnHold,
    /// Its operator was trying out what was printed.
    Trial,
    /// The service did not run.
    NotRunning(ServiceState),
}

/// All facilities and the state of the service, as the records of the `registry` topic make them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    facilities: BTreeMap<FacilityId, Facility>,
    /// Where each venue is: its facility, and its place in the list of venues.
    venues: HashMap<VenueId, (FacilityId, usize)>,
    standings: HashMap<FacilityId, Standing>,
    service: Service,
}

impl Registry {
    /// Takes in the next record of the topic: a full snapshot replaces the one before.
    pub fn apply(&mut self, record: RegistryRecord) {
        let facility = match record {
            RegistryRecord::Facility(facility) => facility,
            RegistryRecord::Standing(standing) => {
                self.standings.insert(standing.facility, standing);
                return;
            }
            RegistryRecord::Service(service) => {
                self.service = service;
                return;
            }
        };
        if let Some(before) = self.facilities.get(&facility.id) {
            for venue in &before.venues {
                self.venues.remove(&venue.id);
            }
        }
        for (place, venue) in facility.venues.iter().enumerate() {
            self.venues.insert(venue.id, (facility.id, place));
        }
        self.facilities.insert(facility.id, facility);
    }

    /// A facility.
    pub fn facility(&self, id: FacilityId) -> Option<&Facility> {
        self.facilities.get(&id)
    }

    /// A venue and its facility.
    pub fn venue(&self, id: VenueId) -> Option<(&Facility, &Venue)> {
        let (facility, place) = self.venues.get(&id)?;
        let facility = self.facilities.get(facility)?;
        Some((facility, facility.venues.get(*place)?))
    }

    /// What a scan of a place code at some event time comes to. A venue that is not (yet) known
    /// counts: its code was signed by us.
    pub fn verdict(&self, venue: VenueId, issue: Issue, scanned_at: EventTime) -> Verdict {
        let state = self.service.state_at(scanned_at);
        if !state.is_running() {
            return Verdict::NotRunning(state);
        }
        let Some((facility, venue)) = self.venue(venue) else { return Verdict::Counts };
        if !facility.accepts(venue, issue, scanned_at) {
            Verdict::Retired
        } else if self.is_on_hold(facility, scanned_at) {
            Verdict::OnHold
        } else if venue.trial.is_some_and(|trial| trial.has(scanned_at)) {
            Verdict::Trial
        } else {
            Verdict::Counts
        }
    }

    /// What the prefecture decided about a facility, if anything.
    pub fn standing(&self, facility: FacilityId) -> Option<&Standing> {
        self.standings.get(&facility)
    }

    /// Whether a facility is not admitted yet at some event time, where it has to be.
    pub fn is_awaiting_admission(&self, facility: &Facility, at: EventTime) -> bool {
        let admitted = self.standing(facility.id).and_then(|standing| standing.admitted);
        facility.reviewed && admitted.is_none_or(|admitted| at < admitted)
    }

    /// The venues of a facility whose codes count at some event time, in their order: whatever is
    /// printed of another could not be used.
    pub fn counting_venues(&self, facility: &Facility, at: EventTime) -> Vec<Venue> {
        let counts = |venue: &&Venue| facility.accepts(venue, venue.issue, at);
        match self.is_on_hold(facility, at) {
            true => Vec::new(),
            false => facility.open_venues().filter(counts).cloned().collect(),
        }
    }

    /// Whether the prefecture keeps the codes of a facility from counting at some event time.
    pub fn is_on_hold(&self, facility: &Facility, at: EventTime) -> bool {
        let standing = self.standing(facility.id);
        standing.is_some_and(|standing| standing.suspension_at(at).is_some())
            || self.is_awaiting_admission(facility, at)
    }

    /// The state of the service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// All facilities, by id.
    pub fn facilities(&self) -> impl Iterator<Item = &Facility> {
        self.facilities.values()
    }
}

impl WireRecord for RegistryRecord {
    const TOPIC: Topic = Topic::Registry;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Json;

    fn key(&self) -> Bytes {
        match self {
            RegistryRecord::Facility(facility) => Bytes::copy_from_slice(&facility.id.to_bytes()),
            RegistryRecord::Standing(standing) => {
                [b"standing ", standing.facility.to_bytes().as_slice()].concat().into()
            }
            RegistryRecord::Service(_) => Service::key(),
        }
    }
}
