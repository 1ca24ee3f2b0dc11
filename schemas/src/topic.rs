//! The topics of the log, and which partition a key belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A named sequence of records in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// One record for each scan of a place code; keyed by venue.
    Scans,
    /// What visitors did and asked for; keyed by their long-lived pseudonym.
    Visitors,
    /// Every step of every exposure job. One partition, kept for ever: the order of record.
    Jobs,
    /// Snapshots of facilities and of the state of the service; keyed by facility, compacted.
    Registry,
    /// What officials read and did. One partition, hash-chained.
    Audit,
    /// Records that could not be used, sealed, with the cause.
    Rejected,
    /// Which ingest processes have a spool, and whether it is empty; keyed by spool, compacted.
    Spools,
}

impl Topic {
    /// Every topic, in the order in which a scan meets them.
    pub const ALL: [Topic; 7] = [
        Topic::Scans,
        Topic::Visitors,
        Topic::Jobs,
        Topic::Registry,
        Topic::Audit,
        Topic::Rejected,
        Topic::Spools,
    ];

    /// The name on every backend.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Scans => "scans",
            Topic::Visitors => "visitors",
            Topic::Jobs => "jobs",
            Topic::Registry => "registry",
            Topic::Audit => "audit",
            Topic::Rejected => "rejected",
            Topic::Spools => "spools",
        }
    }

    /// How many partitions the topic has. Never changed once records exist: keys would move.
    pub const fn partitions(self) -> u16 {
        match self {
            Topic::Scans | Topic::Visitors => 24,
            Topic::Jobs | Topic::Registry | Topic::Audit | Topic::Rejected | Topic::Spools => 1,
        }
    }

    /// Whether of the records of one key only the latest is kept.
    pub fn is_compacted(self) -> bool {
        matches!(self, Topic::Registry | Topic::Spools)
    }

    /// The partition that holds every record of `key`, the same on every backend and for ever:
    /// FNV-1a (64 bit) of the key, modulo the number of partitions.
    pub fn partition_of(self, key: &[u8]) -> Partition {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in key {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let partition = hash % u64::from(self.partitions());
        Partition(u16::try_from(partition).unwrap_or(0))
    }

    /// Every partition of the topic, in order.
    pub fn all_partitions(self) -> impl Iterator<Item = Partition> {
        (0..self.partitions()).map(Partition)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A partition of a topic: within it, records have one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition(pub u16);

impl Partition {
    /// The index of the partition in lists that hold one entry for each partition of a topic.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The place of a record within its partition. The first record has offset 0; the next one has a
/// higher offset (on Kafka not always by one).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset to commit once the record at this one is done.
    pub fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_known_keys_never_move() {
        // Records already on disk rely on these.
        assert_eq!(Topic::Scans.partition_of(b""), Partition(5));
        assert_eq!(Topic::Scans.partition_of(b"venue"), Partition(20));
        assert_eq!(Topic::Scans.partition_of(b"venue"), Topic::Visitors.partition_of(b"venue"));
        assert_eq!(Topic::Jobs.partition_of(b"anything"), Partition(0));
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut seen = [0_u32; 24];
        for n in 0_u64..24_000 {
            seen[Topic::Scans.partition_of(&n.to_be_bytes()).index()] += 1;
        }
        assert!(seen.iter().all(|count| (700..1_300).contains(count)), "{seen:?}");
    }
}
