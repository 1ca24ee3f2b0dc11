//! Who was where in the last five minutes, for the partitions that are ours.

use std::collections::{HashMap, VecDeque};

use schemas::{
    identity::Pseudonym,
    ids::VenueId,
    scan::Scan,
    time::{EventTime, MINUTE_MS},
    topic::Partition,
};

/// A second scan of the same place within this is told to be recorded already.
const AGAIN_WITHIN_MS: i64 = 5 * MINUTE_MS;
/// What is remembered for each partition, at most.
const LIMIT: usize = 100_000;

/// What is known of a scan's forerunners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// None within five minutes.
    First,
    /// The same scan: LINE delivered it again.
    Redelivered,
    /// Another one, at this time.
    Before(EventTime),
}

type Key = (VenueId, Pseudonym);

#[derive(Default)]
struct Recent {
    scans: HashMap<Key, Vec<EventTime>>,
    order: VecDeque<(Key, EventTime)>,
}

/// Remembers scans.
#[derive(Default)]
pub(super) struct ScanMemory {
    partitions: HashMap<Partition, Recent>,
}

impl ScanMemory {
    /// Looks at a scan and remembers it.
    pub(super) fn see(&mut self, partition: Partition, scan: &Scan) -> Seen {
        let recent = self.partitions.entry(partition).or_default();
        let key = (scan.venue, scan.pseudonym);
        let at = scan.scanned_at;
        let times = recent.scans.entry(key).or_default();
        if times.contains(&at) {
            return Seen::Redelivered;
        }
        let before = times
            .iter()
            .filter(|before| **before < at && at.0 - before.0 < AGAIN_WITHIN_MS)
            .min()
            .copied();
        times.push(at);
        recent.order.push_back((key, at));
        while recent.order.len() > LIMIT
            || recent.order.front().is_some_and(|(_, old)| at.0 - old.0 > 2 * AGAIN_WITHIN_MS)
        {
            let Some((key, old)) = recent.order.pop_front() else { break };
            if let Some(times) = recent.scans.get_mut(&key) {
                times.retain(|time| *time != old);
                if times.is_empty() {
                    recent.scans.remove(&key);
                }
            }
        }
        before.map_or(Seen::First, Seen::Before)
    }

    /// Forgets partitions that are somebody else's now.
    pub(super) fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schemas::{
        identity::SealedId,
        ids::{EventId, MessageHash},
        place_code::Issue,
        time::Epoch,
    };

    use super::*;

    fn scan(venue: u64, who: u8, at: i64) -> Scan {
        Scan {
            event: EventId::default(),
            message: MessageHash([0; 16]),
            venue: VenueId::from_u64(venue),
            issue: Issue(1),
            scanned_at: EventTime(at),
            received_at: EventTime(at),
            pseudonym: Pseudonym([who; 16]),
            sealed: SealedId(Bytes::new()),
            epoch: Epoch(1),
            reply_token: None,
        }
    }

    #[test]
    fn the_same_scan_the_same_place_and_others() {
        let mut memory = ScanMemory::default();
        let mut see = |venue, who, at| memory.see(Partition(0), &scan(venue, who, at));
        assert_eq!(see(1, 1, 0), Seen::First);
        assert_eq!(see(1, 1, 0), Seen::Redelivered);
        assert_eq!(see(1, 1, MINUTE_MS), Seen::Before(EventTime(0)));
        assert_eq!(see(2, 1, MINUTE_MS), Seen::First);
        assert_eq!(see(1, 2, MINUTE_MS), Seen::First);
        assert_eq!(see(1, 1, 6 * MINUTE_MS + 1), Seen::First);
        memory.forget(&[Partition(0)]);
        assert_eq!(memory.see(Partition(0), &scan(1, 1, 0)), Seen::First);
    }
}
