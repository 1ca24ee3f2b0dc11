//! `facilities` and `venues`: what the processor makes of the `registry` topic.

use schemas::{
    ids::{FacilityId, VenueId},
    registry::Facility,
};
use serde::Serialize;

use super::{Columns, Row};
use crate::{
    error::StoreError,
    store::{Cells, Mutation},
    table::{ColumnType::*, Life, Table, Value},
};

/// The latest snapshot of each facility.
pub static FACILITIES: Table = Table {
    name: "facilities",
    partition: &[("facility", Int)],
    clustering: &[],
    columns: &[("snapshot", Text)],
    life: Life::Kept,
};

/// Which facility a venue belongs to.
pub static VENUES: Table = Table {
    name: "venues",
    partition: &[("venue", Int)],
    clustering: &[],
    columns: &[("facility", Int)],
    life: Life::Kept,
};

/// The latest snapshot of a facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacilityRow(pub Facility);

impl Row for FacilityRow {
    const TABLE: &'static Table = &FACILITIES;
    type Partition = FacilityId;

    fn partition(facility: &FacilityId) -> Vec<Value> {
        vec![Value::Int(facility.as_u64().cast_signed())]
    }

    fn to_mutation(&self) -> Mutation {
        // Names, numbers and lists always have a JSON form.
        let snapshot = serde_json::to_string(&self.0).unwrap_or_default();
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.0.id),
            clustering: Vec::new(),
            columns: vec![Some(Value::Text(snapshot))],
            timestamp: self.0.updated_at.micros(),
        }
    }

    fn from_cells(_: &FacilityId, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        let snapshot = columns.text()?;
        serde_json::from_str(&snapshot).map(Self).map_err(|_| columns.broken())
    }
}

/// Which facility a venue belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VenueRow {
    /// The venue.
    pub venue: VenueId,
    /// Its facility.
    pub facility: FacilityId,
    /// Write timestamp in µs.
    pub timestamp: i64,
}

impl Row for VenueRow {
    const TABLE: &'static Table = &VENUES;
    type Partition = VenueId;

    fn partition(venue: &VenueId) -> Vec<Value> {
        vec![Value::Int(venue.as_u64().cast_signed())]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.venue),
            clustering: Vec::new(),
            columns: vec![Some(Value::Int(self.facility.as_u64().cast_signed()))],
            timestamp: self.timestamp,
        }
    }

    fn from_cells(venue: &VenueId, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        let facility = FacilityId::from_u64(columns.int()?.cast_unsigned());
        Ok(Self { venue: *venue, facility, timestamp: 0 })
    }
}
