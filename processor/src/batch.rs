//! Records → writes.

use schemas::{
    registry::{Registry, RegistryRecord, Verdict},
    rejected::RejectCause,
    scan::Scan,
    time::EventTime,
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

/// What the records of one delivery come to. Every record is in exactly one place.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records that are written: each one's place in the delivery, and how many of the writes are
    /// its.
    pub records: Vec<(usize, usize)>,
    /// The writes, record by record.
    pub writes: Vec<Mutation>,
    /// Records that can't be read, by place in the delivery.
    pub rejected: Vec<(usize, RejectCause)>,
    /// Scans of an issue that was retired by then.
    pub retired: usize,
    /// Scans that were made while the service did not run.
    pub not_running: usize,
    /// Scans of facilities that were not admitted yet, or suspended.
    pub on_hold: usize,
    /// Scans by which operators tried out what they had printed.
    pub trials: usize,
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
        let scans = self.writes.iter().filter(|row| row.table == ScanRow::TABLE);
        scans.map(|row| EventTime(row.timestamp / 1_000))
    }

    fn write<const N: usize>(&mut self, record: usize, rows: [Mutation; N]) {
        self.records.push((record, N));
        self.writes.extend(rows);
    }

    fn scan(&mut self, record: usize, value: &[u8], registry: &Registry) -> Result<(), WireError> {
        let scan = Scan::decode(value)?;
        match registry.verdict(scan.venue, scan.issue, scan.scanned_at) {
            Verdict::Counts => {}
            Verdict::Retired => {
                self.retired += 1;
                return Ok(());
            }
            Verdict::NotRunning(_) => {
                self.not_running += 1;
                return Ok(());
            }
            Verdict::OnHold => {
                self.on_hold += 1;
                return Ok(());
            }
            Verdict::Trial => {
                self.trials += 1;
                return Ok(());
            }
        }
        self.write(
            record,
            [ScanRow::from(&scan).to_mutation(), VisitRow::from(&scan).to_mutation()],
        );
        Ok(())
    }

    fn visitor(&mut self, record: usize, value: &[u8]) -> Result<(), WireError> {
        let said = VisitorRecord::decode(value)?;
        match person_mutation(said.visitor, said.at, &said.action) {
            Some(mutation) => self.write(record, [mutation]),
            None => self.nothing += 1,
        }
        Ok(())
    }

    fn registry(&mut self, record: usize, raw: &Record) -> Result<(), WireError> {
        let facility = match RegistryRecord::decode(&raw.value)? {
            RegistryRecord::Facility(facility) => facility,
            // Whoever needs it follows the topic.
            RegistryRecord::Standing(_) | RegistryRecord::Service(_) => {
                self.nothing += 1;
                return Ok(());
            }
        };
        let timestamp = facility.updated_at.micros();
        let before = self.writes.len();
        self.writes.extend(facility.venues.iter().map(|venue| {
            VenueRow { venue: venue.id, facility: facility.id, timestamp }.to_mutation()
        }));
        self.writes.push(FacilityRow(facility).to_mutation());
        self.records.push((record, self.writes.len() - before));
        Ok(())
    }
}
