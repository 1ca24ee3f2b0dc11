//! What an operator has entered so far. It is kept here, so that a closed tab loses nothing.

use schemas::{
    ids::{FacilityId, VenueId},
    registry::{Details, EventDays, Facility, FacilityKind, Venue},
    time::EventTime,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{
    Store, StoreError,
    rows::{
        TypedStore,
        operators::{DraftRow, OperatorId},
    },
};

/// Rooms of one facility.
pub const MAX_ROOMS: usize = 1_000;

/// The answers. Ids are drawn at the beginning, so that sending the same answers twice registers
/// one facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What the facility will be called by everybody but people.
    pub facility: FacilityId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its name in katakana.
    #[serde(default)]
    pub kana: String,
    /// What it is.
    #[serde(default)]
    pub kind: Option<FacilityKind>,
    /// Its postcode: seven digits.
    #[serde(default)]
    pub postcode: String,
    /// Its address.
    #[serde(default)]
    pub address: String,
    /// Its phone number: digits.
    #[serde(default)]
    pub phone: String,
    /// An event's days.
    #[serde(default)]
    pub days: Option<EventDays>,
    /// Its floors and rooms, in the operator's order.
    #[serde(default)]
    pub rooms: Vec<Room>,
    /// When it was registered.
    #[serde(default)]
    pub registered_at: Option<EventTime>,
}

/// A floor, a room, a hall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// What its code will name.
    pub venue: VenueId,
    /// Its name.
    pub name: String,
}

impl Room {
    /// A room with an id of its own.
    pub fn new(name: String) -> Self {
        Self { venue: VenueId::from_u64(rand::random()), name }
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

impl Draft {
    /// Nothing entered yet.
    pub fn new() -> Self {
        Self {
            facility: FacilityId::from_u64(rand::random()),
            name: String::new(),
            kana: String::new(),
            kind: None,
            postcode: String::new(),
            address: String::new(),
            phone: String::new(),
            days: None,
            rooms: Vec::new(),
            registered_at: None,
        }
    }

    /// What is known of a facility, as the pages ask for it.
    pub fn of(facility: &Facility) -> Self {
        let details = facility.details.clone();
        let details = details.unwrap_or(Details {
            kana: String::new(),
            postcode: String::new(),
            address: String::new(),
            phone: String::new(),
        });
        let room = |venue: &Venue| Room { venue: venue.id, name: venue.name.clone() };
        Self {
            facility: facility.id,
            name: facility.name.clone(),
            kana: details.kana,
            kind: Some(facility.kind),
            postcode: details.postcode,
            address: details.address,
            phone: details.phone,
            days: facility.days,
            rooms: facility.open_venues().map(room).collect(),
            registered_at: None,
        }
    }

    /// A beginning with what branches of a business have in common.
    pub fn branch_of(other: &Draft) -> Self {
        let names = other.rooms.iter().map(|room| room.name.clone());
        Self {
            kind: other.kind,
            phone: other.phone.clone(),
            rooms: names.map(Room::new).collect(),
            ..Self::new()
        }
    }

    /// Whether somebody is in the middle of it.
    pub fn is_under_way(&self) -> bool {
        self.registered_at.is_none() && !self.name.is_empty()
    }

    /// Whether the page about the facility was answered.
    pub fn has_facility(&self) -> bool {
        self.kind.is_some() && !self.name.is_empty()
    }

    /// Whether the page about an event's days was answered, where there is one.
    pub fn has_days(&self) -> bool {
        self.kind != Some(FacilityKind::Event) || self.days.is_some()
    }

    /// The page that comes next.
    pub fn next_page(&self) -> &'static str {
        if self.registered_at.is_some() {
            "/register/done"
        } else if !self.has_facility() {
            "/register/facility"
        } else if !self.has_days() {
            "/register/days"
        } else if self.rooms.is_empty() {
            "/register/rooms"
        } else {
            "/register/check"
        }
    }

    /// Says whether answers are still those that somebody looked at.
    pub fn fingerprint(&self) -> String {
        // Texts, numbers and lists always have a JSON form.
        let text = serde_json::to_string(self).unwrap_or_default();
        let hash = Sha256::digest(text);
        hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Drafts, in the store.
pub struct Drafts<S>(pub S);

/// A draft as it was read.
pub struct Saved {
    /// The answers.
    pub draft: Draft,
    row: Option<DraftRow>,
}

impl<S: Store> Drafts<S> {
    /// What an operator has entered last; a new draft if nothing.
    pub async fn read(&self, operator: &OperatorId) -> Result<Saved, StoreError> {
        let page = self.0.page::<DraftRow>(operator, DraftRow::latest()).await?;
        let row = page.rows.into_iter().next();
        // What a later version wrote differently is begun anew.
        let draft = row.as_ref().and_then(|row| serde_json::from_str(&row.draft).ok());
        Ok(Saved { draft: draft.unwrap_or_default(), row })
    }

    /// Deletes what was read.
    pub async fn delete(&self, saved: &Saved) -> Result<(), StoreError> {
        match &saved.row {
            Some(row) => self.0.delete(vec![row.deletion()]).await,
            None => Ok(()),
        }
    }

    /// Saves a draft in the place of the one that was read.
    pub async fn save(
        &self,
        operator: &OperatorId,
        saved: &Saved,
        now: EventTime,
    ) -> Result<(), StoreError> {
        let after = saved.row.as_ref().map_or(now, |row| row.saved_at.plus(1));
        let row = DraftRow {
            operator: *operator,
            saved_at: now.max(after),
            draft: serde_json::to_string(&saved.draft).unwrap_or_default(),
        };
        self.0.put(std::slice::from_ref(&row)).await?;
        if let Some(before) = &saved.row {
            self.0.delete(vec![before.deletion()]).await?;
        }
        Ok(())
    }
}
