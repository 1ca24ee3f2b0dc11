//! Who is known to have written today.

use std::collections::HashSet;

use parking_lot::Mutex;
use schemas::{identity::VisitorId, time::DAY_MS, time::EventTime};

/// Remembers, within bounds, which people have a record of having written on a day.
///
/// Forgetting is harmless: the record is made once more.
#[derive(Debug)]
pub struct WroteMemory {
    limit: usize,
    seen: Mutex<HashSet<(VisitorId, i64)>>,
}

impl WroteMemory {
    /// Remembers up to `limit` people and days.
    pub fn new(limit: usize) -> Self {
        Self { limit, seen: Mutex::default() }
    }

    /// The start of the UTC day of `at`, if a record for it is still to be made.
    pub fn due(&self, visitor: VisitorId, at: EventTime) -> Option<EventTime> {
        let seen = self.seen.lock();
        (!seen.contains(&(visitor, at.day()))).then(|| EventTime(at.day() * DAY_MS))
    }

    /// Notes that the record is in the log.
    pub fn made(&self, visitor: VisitorId, day_start: EventTime) {
        let mut seen = self.seen.lock();
        if seen.len() >= self.limit {
            seen.clear();
        }
        seen.insert((visitor, day_start.day()));
    }
}
