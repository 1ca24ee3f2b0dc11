//! List and replay what was rejected: the library behind `anshin rejected`.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher as _,
};

use schemas::{
    identity::Sealed,
    rejected::{Original, RejectCause, Rejected},
    time::EventTime,
    topic::{Offset, Partition, Topic},
    wire::WireRecord,
};
use storage::{Append, Log, LogError, Reader};

/// What is told of a rejected record: never its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its offset in `rejected`.
    pub offset: Offset,
    /// Why.
    pub cause: Option<RejectCause>,
    /// When.
    pub at: Option<EventTime>,
    /// Where it came from: `webhook`, or topic, partition and offset.
    pub source: String,
}

/// Calls `each` with every rejected record there is now, oldest first; `None` for one that this
/// version can't read. Once with each: where an append was not answered in time, the same record
/// comes again from the spool.
async fn visit<L: Log>(
    log: &L,
    mut each: impl FnMut(Offset, Option<Rejected>),
) -> Result<(), LogError> {
    let bounds = log.bounds(Topic::Rejected).await?;
    // By hash, for they may be large; its keys are random, so nobody can make two that agree.
    let (hashes, mut seen) = (RandomState::new(), HashSet::new());
    for (partition, range) in Topic::Rejected.all_partitions().zip(bounds) {
        if range.is_empty() {
            continue;
        }
        let mut reader = log.read(Topic::Rejected, partition, range.start).await?;
        let mut next = range.start;
        while next < range.end {
            for record in reader.next().await? {
                next = record.position.offset.next();
                if !seen.insert(hashes.hash_one(&record.value)) {
                    continue;
                }
                each(record.position.offset, Rejected::decode(&record.value).ok());
            }
        }
    }
    Ok(())
}

/// Lists what was rejected, oldest first.
pub async fn list<L: Log>(log: &L) -> Result<Vec<Listed>, LogError> {
    let mut listed = Vec::new();
    visit(log, |offset, rejected| {
        let source = match rejected.as_ref().map(|rejected| &rejected.original) {
            Some(Original::Webhook(_)) => "webhook".to_owned(),
            Some(Original::Record { topic, partition: Partition(partition), offset, .. }) => {
                format!("{topic}/{partition}/{}", offset.0)
            }
            None => "unreadable".to_owned(),
        };
        let (cause, at) = rejected.map(|r| (r.cause, r.at)).unzip();
        listed.push(Listed { offset, cause, at, source });
    })
    .await?;
    Ok(listed)
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Put back on their way.
    pub replayed: usize,
    /// Still can't be used: keys destroyed, still malformed, still too old.
    pub still_rejected: usize,
}

/// Puts rejected records back on their way. Doing it again is harmless: the same records make the
/// same rows. `open` reads a sealed webhook once more; `None` where it still can't be used.
pub async fn replay<L: Log>(
    log: &L,
    mut open: impl FnMut(&Sealed) -> Option<Vec<Append>>,
) -> Result<Replayed, LogError> {
    let mut appends = Vec::new();
    let mut replayed = Replayed::default();
    visit(log, |_, rejected| {
        let again = rejected.and_then(|rejected| match rejected.original {
            Original::Webhook(sealed) => open(&sealed),
            Original::Record { topic, key, value, .. } => {
                readable(topic, &value).then(|| vec![Append { topic, key, value }])
            }
        });
        match again {
            Some(again) => {
                replayed.replayed += 1;
                appends.extend(again);
            }
            None => replayed.still_rejected += 1,
        }
    })
    .await?;
    for chunk in appends.chunks(500) {
        for result in log.append(chunk.to_vec()).await {
            result?;
        }
    }
    Ok(replayed)
}

/// Whether this version can read a record that an earlier one could not.
fn readable(topic: Topic, value: &[u8]) -> bool {
    match topic {
        Topic::Scans => schemas::scan::Scan::decode(value).is_ok(),
        Topic::Visitors => schemas::visitor::VisitorRecord::decode(value).is_ok(),
        Topic::Registry => schemas::registry::RegistryRecord::decode(value).is_ok(),
        Topic::Jobs | Topic::Audit | Topic::Rejected | Topic::Spools => false,
    }
}
