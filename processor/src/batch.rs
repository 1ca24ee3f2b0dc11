//! Records → writes.

use std::collections::BTreeMap;

use schemas::{
    ids::VenueId,
    registry::{Registry, RegistryRecord},
    rejected::RejectCause,
    scan::Scan,
    time::{EventTime, Hour},
    topic::Topic,
    visitor::VisitorRecord,
    wire::{WireError, WireRecord},
};
use storage::{
    Mutation, Record,
    rows::{
        Row,
        people::person_mutation,
        places::{FacilityRow, VenueRow},
        visits::{ScanRow, VisitRow},
    },
};

/// What some records ask of the store.
#[derive(Debug, Default)]
pub struct Writes {
    /// Each record's place in the delivery, and how many of the writes are its.
    pub records: Vec<(usize, usize)>,
    /// The writes, record by record.
    pub mutations: Vec<Mutation>,
}

impl Writes {
    fn push(&mut self, record: usize, mutations: impl IntoIterator<Item = Mutation>) {
        let before = self.mutations.len();
        self.mutations.extend(mutations);
        self.records.push((record, self.mutations.len() - before));
    }
}

/// What the records of one delivery come to. Every record is in exactly one place.
#[derive(Debug, Default)]
pub struct Batch {
    /// Scans by (venue, hour): one partition of the store each.
    pub scans: BTreeMap<(VenueId, Hour), Writes>,
    /// Everything else that is written.
    pub others: Writes,
    /// Records that can't be read, by place in the delivery.
    pub rejected: Vec<(usize, RejectCause)>,
    /// Scans of an issue that was retired by then.
    pub retired: usize,
    /// Records that ask nothing of the store.
    pub nothing: usize,
}

/// Sorts the records of a delivery.
pub fn sort(topic: Topic, records: &[Record], registry: &Registry) -> Batch {
    let mut batch = Batch::default();
    for (n, record) in records.iter().enumerate() {
        let taken = match topic {
            Topic::Scans => batch.scan(n, &record.value, registry),
            Topic::Visitors => batch.visitor(n, &record.value),
            Topic::Registry => batch.registry(n, record),
            Topic::Jobs | Topic::Audit | Topic::Rejected | Topic::Spools => {
                batch.nothing += 1;
                Ok(())
            }
        };
        if let Err(error) = taken {
            let cause = match error {
                WireError::UnknownVersion(_) => RejectCause::UnknownVersion,
                WireError::Malformed => RejectCause::MalformedRecord,
            };
            batch.rejected.push((n, cause));
        }
    }
    batch
}

impl Batch {
    /// When the scans to be written were made.
    pub fn scanned(&self) -> impl Iterator<Item = EventTime> {
        let rows = self.scans.values().flat_map(|group| &group.mutations);
        rows.filter(|row| row.table == ScanRow::TABLE).map(|row| EventTime(row.timestamp / 1_000))
    }

    fn scan(&mut self, record: usize, value: &[u8], registry: &Registry) -> Result<(), WireError> {
        let scan = Scan::decode(value)?;
        let retired = registry
            .venue(scan.venue)
            .is_some_and(|(_, venue)| !venue.accepts(scan.issue, scan.scanned_at));
        if retired {
            self.retired += 1;
            return Ok(());
        }
        let hour = (scan.venue, scan.scanned_at.hour());
        let rows = [ScanRow::from(&scan).to_mutation(), VisitRow::from(&scan).to_mutation()];
        self.scans.entry(hour).or_default().push(record, rows);
        Ok(())
    }

    fn visitor(&mut self, record: usize, value: &[u8]) -> Result<(), WireError> {
        let said = VisitorRecord::decode(value)?;
        match person_mutation(said.visitor, said.at, &said.action) {
            Some(mutation) => self.others.push(record, [mutation]),
            None => self.nothing += 1,
        }
        Ok(())
    }

    fn registry(&mut self, record: usize, raw: &Record) -> Result<(), WireError> {
        let RegistryRecord::Facility(facility) = RegistryRecord::decode(&raw.value)?;
        let timestamp = facility.updated_at.micros();
        let mut mutations: Vec<_> = facility
            .venues
            .iter()
            .map(|venue| {
                VenueRow { venue: venue.id, facility: facility.id, timestamp }.to_mutation()
            })
            .collect();
        mutations.push(FacilityRow(facility).to_mutation());
        self.others.push(record, mutations);
        Ok(())
    }
}
