//! Facilities and their venues, and the state of the service: full snapshots.

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
    /// What its operator said of it; nothing where it came from a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// When this snapshot was made.
    pub updated_at: EventTime,
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
    /// Whether a scan of this issue of a venue at this time records a visit.
    pub fn accepts(&self, venue: &Venue, issue: Issue, scanned_at: EventTime) -> bool {
        venue.accepts(issue, scanned_at)
            && self.days.is_none_or(|days| scanned_at < days.codes_end())
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
    /// Whether a scan of this issue at this time records a visit.
    pub fn accepts(&self, issue: Issue, scanned_at: EventTime) -> bool {
        !self.retirements.iter().any(|gone| gone.issue == issue && scanned_at >= gone.from)
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
    /// The code was retired by then, or its event was over.
    Retired,
    /// The service did not run.
    NotRunning(ServiceState),
}

/// All facilities and the state of the service, as the records of the `registry` topic make them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    facilities: BTreeMap<FacilityId, Facility>,
    /// Where each venue is: its facility, and its place in the list of venues.
    venues: HashMap<VenueId, (FacilityId, usize)>,
    service: Service,
}

impl Registry {
    /// Takes in the next record of the topic: a full snapshot replaces the one before.
    pub fn apply(&mut self, record: RegistryRecord) {
        let facility = match record {
            RegistryRecord::Facility(facility) => facility,
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
        match self.venue(venue) {
            Some((facility, venue)) if !facility.accepts(venue, issue, scanned_at) => {
                Verdict::Retired
            }
            _ => Verdict::Counts,
        }
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
            RegistryRecord::Service(_) => Service::key(),
        }
    }
}
