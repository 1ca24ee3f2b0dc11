//! `scans` and `visits_by_visitor`: who was where, as pseudonyms and sealed ids.

use schemas::{
    identity::{Pseudonym, SealedId},
    ids::{MessageHash, VenueId},
    place_code::Issue,
    scan::Scan,
    time::{Epoch, EventTime, Hour},
};
use serde::Serialize;

use super::{Columns, Row, blob};
use crate::{
    error::StoreError,
    store::{Cells, Mutation},
    table::{ColumnType::*, Life, Table, Value},
};

/// Scans by place and hour: a window scan reads exactly the partitions asked for.
pub static SCANS: Table = Table {
    name: "scans",
    partition: &[("venue", Int), ("hour", Int)],
    clustering: &[("scanned_at", Int), ("pseudonym", Blob)],
    columns: &[("sealed", Blob), ("epoch", Int), ("issue", Int), ("message", Blob)],
    life: Life::Retained,
};

/// Visits by visitor, for their own history and for erasing.
pub static VISITS_BY_VISITOR: Table = Table {
    name: "visits_by_visitor",
    partition: &[("pseudonym", Blob)],
    clustering: &[("scanned_at", Int), ("venue", Int)],
    columns: &[("message", Blob)],
    life: Life::Retained,
};

fn venue_value(venue: VenueId) -> Value {
    // 48 bits always fit.
    Value::Int(venue.as_u64().cast_signed())
}

/// A scan as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanRow {
    /// The place.
    pub venue: VenueId,
    /// LINE's time of the event.
    pub scanned_at: EventTime,
    /// The visitor in this epoch.
    pub pseudonym: Pseudonym,
    /// The visitor's LINE user id, sealed.
    pub sealed: SealedId,
    /// Whose keys named and sealed.
    pub epoch: Epoch,
    /// The issue of the place code.
    pub issue: Issue,
    /// The message that made it.
    pub message: MessageHash,
}

impl From<&Scan> for ScanRow {
    fn from(scan: &Scan) -> Self {
        Self {
            venue: scan.venue,
            scanned_at: scan.scanned_at,
            pseudonym: scan.pseudonym,
            sealed: scan.sealed.clone(),
            epoch: scan.epoch,
            issue: scan.issue,
            message: scan.message,
        }
    }
}

impl Row for ScanRow {
    const TABLE: &'static Table = &SCANS;
    type Partition = (VenueId, Hour);

    fn partition((venue, hour): &Self::Partition) -> Vec<Value> {
        vec![venue_value(*venue), Value::Int(hour.0)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&(self.venue, self.scanned_at.hour())),
            clustering: vec![Value::Int(self.scanned_at.0), blob(&self.pseudonym.0)],
            columns: vec![
                Some(Value::Blob(self.sealed.0.clone())),
                Some(Value::Int(i64::from(self.epoch.0))),
                Some(Value::Int(i64::from(self.issue.0))),
                Some(blob(&self.message.0)),
            ],
            timestamp: self.scanned_at.micros(),
        }
    }

    fn from_cells((venue, _): &Self::Partition, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            venue: *venue,
            scanned_at: EventTime(columns.int()?),
            pseudonym: Pseudonym(columns.array()?),
            sealed: SealedId(columns.blob()?),
            epoch: Epoch(columns.number()?),
            issue: Issue(columns.number()?),
            message: MessageHash(columns.array()?),
        })
    }
}

/// A visit as its visitor finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitRow {
    /// The visitor in the epoch of the scan.
    pub pseudonym: Pseudonym,
    /// LINE's time of the event.
    pub scanned_at: EventTime,
    /// The place.
    pub venue: VenueId,
    /// The message that made it.
    pub message: MessageHash,
}

impl From<&Scan> for VisitRow {
    fn from(scan: &Scan) -> Self {
        Self {
            pseudonym: scan.pseudonym,
            scanned_at: scan.scanned_at,
            venue: scan.venue,
            message: scan.message,
        }
    }
}

impl Row for VisitRow {
    const TABLE: &'static Table = &VISITS_BY_VISITOR;
    type Partition = Pseudonym;

    fn partition(pseudonym: &Pseudonym) -> Vec<Value> {
        vec![blob(&pseudonym.0)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.pseudonym),
            clustering: vec![Value::Int(self.scanned_at.0), venue_value(self.venue)],
            columns: vec![Some(blob(&self.message.0))],
            timestamp: self.scanned_at.micros(),
        }
    }

    fn from_cells(pseudonym: &Pseudonym, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            pseudonym: *pseudonym,
            scanned_at: EventTime(columns.int()?),
            venue: VenueId::from_u64(columns.int()?.cast_unsigned()),
            message: MessageHash(columns.array()?),
        })
    }
}
