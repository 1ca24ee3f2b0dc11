//! One topic: a delivery becomes rows and rejections, then its offsets are committed.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use schemas::{
    registry::Registry,
    rejected::{Original, RejectCause, Rejected},
    time::EventTime,
    topic::{Offset, Partition, Topic},
    wire::WireRecord,
};
use storage::{
    Append, Delivery, Group, Kind, Log, Member, Mutation, Record, Store,
    follow::Follower,
    kill_point, mutant,
    retry::{Tried, retry},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Deps, Error,
    batch::{self, Batch, Writes},
    lag::Working,
    metrics,
};

/// Store partitions written at the same time.
const CONCURRENT_WRITES: usize = 64;

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    On,
    Stopped,
}

/// Consumes one topic until `shutdown`.
pub async fn consume<L: Log, S: Store>(
    working: &Working,
    deps: &Deps<L, S>,
    registry: &Follower<L, Registry>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let topic = working.topic();
    let mut member = deps.log.join(Group::Processor, topic).await?;
    loop {
        let delivery = tokio::select! {
            delivery = member.next() => delivery,
            () = shutdown.cancelled() => return Ok(()),
        };
        let records = match delivery {
            Ok(Delivery::Records(records)) => records,
            // Every delivery is done with before the next: there is nothing to give up.
            Ok(Delivery::Assigned(_) | Delivery::Revoked(_)) => continue,
            Err(error) if error.kind() == Kind::Fatal => return Err(error.into()),
            Err(error) => {
                tracing::warn!(topic = topic.name(), %error, "waiting for the log");
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
                continue;
            }
        };
        if mutant!("commit before write") {
            retry_commit(&mut member, &after(&records), shutdown).await?;
        }
        kill_point!("K10 polled");
        let begun = Instant::now();
        ::metrics::counter!(metrics::IN, "topic" => topic.name()).increment(records.len() as u64);
        working.begin(records.iter().map(|record| record.appended_at).min().unwrap_or(0));
        let batch = registry.read(|registry| batch::sort(topic, &records, registry));
        let scanned: Vec<EventTime> = batch.scanned().collect();
        if write(topic, batch, &records, deps, shutdown).await? == Went::Stopped {
            return Ok(());
        }
        kill_point!("K12 written, not committed");
        measure(&scanned, (deps.clock)());
        let offsets = after(&records);
        match retry_commit(&mut member, &offsets, shutdown).await? {
            Went::Stopped => return Ok(()),
            Went::On => {}
        }
        kill_point!("K13 committed");
        working.end();
        ::metrics::histogram!(metrics::DURATION).record(begun.elapsed().as_secs_f64());
    }
}

/// Does everything that a delivery asks for.
async fn write<L: Log, S: Store>(
    topic: Topic,
    batch: Batch,
    records: &[Record],
    deps: &Deps<L, S>,
    shutdown: &CancellationToken,
) -> Result<Went, Error> {
    let Batch { scans, others, mut rejected, retired, nothing } = batch;
    let stored = scans.values().chain([&others]).map(|group| group.records.len()).sum::<usize>();
    // Rows of one person or facility keep their order by write timestamp, whatever order they are
    // written in.
    let groups = scans.into_values().chain((!others.records.is_empty()).then_some(others));
    let refused: Vec<Option<Vec<usize>>> = stream::iter(groups)
        .map(|group| write_group(group, &deps.store, shutdown))
        .buffer_unordered(CONCURRENT_WRITES)
        .try_collect()
        .await?;
    let mut refused_count = 0;
    for group in refused {
        let Some(places) = group else { return Ok(Went::Stopped) };
        refused_count += places.len();
        rejected.extend(places.into_iter().map(|place| (place, RejectCause::RefusedByStore)));
    }
    let count = |result: &'static str, count: usize| {
        ::metrics::counter!(metrics::OUT, "topic" => topic.name(), "result" => result)
            .increment(count as u64);
    };
    count("stored", stored - refused_count);
    count("retired", retired);
    count("nothing", nothing);
    reject(rejected, records, deps, shutdown).await
}

/// Writes one group; the places of records that the store refuses, or `None` when we are to stop.
async fn write_group<S: Store>(
    Writes { records, mutations }: Writes,
    store: &S,
    shutdown: &CancellationToken,
) -> Result<Option<Vec<usize>>, Error> {
    let all: Arc<[Mutation]> = mutations.into();
    match retry("write", shutdown, || store.write(Arc::clone(&all))).await {
        Tried::Done(()) => {
            kill_point!("K11 half written");
            return Ok(Some(Vec::new()));
        }
        Tried::Stopped => return Ok(None),
        Tried::Failed(error) if error.kind() == Kind::Fatal => return Err(error.into()),
        Tried::Failed(_) => {}
    }
    // One of them can't be stored. The others can.
    let mut refused = Vec::new();
    let mut rest = &all[..];
    for (record, count) in records {
        let (own, after) = rest.split_at(count);
        rest = after;
        let own: Arc<[Mutation]> = own.into();
        match retry("write", shutdown, || store.write(Arc::clone(&own))).await {
            Tried::Done(()) => {}
            Tried::Stopped => return Ok(None),
            Tried::Failed(error) if error.kind() == Kind::Fatal => return Err(error.into()),
            Tried::Failed(_) => refused.push(record),
        }
    }
    Ok(Some(refused))
}

/// Keeps what can't become a row, with its cause.
async fn reject<L: Log, S: Store>(
    rejected: Vec<(usize, RejectCause)>,
    records: &[Record],
    deps: &Deps<L, S>,
    shutdown: &CancellationToken,
) -> Result<Went, Error> {
    let now = (deps.clock)();
    let mut left: Vec<Append> = rejected
        .into_iter()
        .map(|(place, cause)| {
            ::metrics::counter!(metrics::REJECTED, "cause" => cause.name()).increment(1);
            let Record { position, key, value, .. } = records[place].clone();
            let original = Original::Record {
                topic: position.topic,
                partition: position.partition,
                offset: position.offset,
                key,
                value,
            };
            let record = Rejected { cause, at: now, original };
            Append { topic: Topic::Rejected, key: record.key(), value: record.encode() }
        })
        .collect();
    let any = !left.is_empty();
    while !left.is_empty() {
        let tried = retry("reject", shutdown, || async {
            let results = deps.log.append(left.clone()).await;
            let mut failed = Vec::new();
            let mut first_error = None;
            for (append, result) in left.iter().zip(results) {
                if let Err(error) = result {
                    failed.push(append.clone());
                    first_error = first_error.or(Some(error));
                }
            }
            match first_error {
                // Some went through: only the rest is tried again.
                Some(_) if failed.len() < left.len() => Ok(failed),
                Some(error) => Err(error),
                None => Ok(failed),
            }
        });
        match tried.await {
            Tried::Done(failed) => left = failed,
            Tried::Stopped => return Ok(Went::Stopped),
            Tried::Failed(error) => return Err(error.into()),
        }
    }
    if any {
        kill_point!("K14 rejected, not committed");
    }
    Ok(Went::On)
}

async fn retry_commit<M: Member>(
    member: &mut M,
    offsets: &[(Partition, Offset)],
    shutdown: &CancellationToken,
) -> Result<Went, Error> {
    loop {
        match member.commit(offsets).await {
            Ok(()) => return Ok(Went::On),
            // The partitions are somebody else's by now, who writes the same rows again.
            Err(error) if error.kind() == Kind::Invalid => return Ok(Went::On),
            Err(error) if error.kind() == Kind::Fatal => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the commit will be tried again");
                tokio::select! {
                    () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
                    () = shutdown.cancelled() => return Ok(Went::Stopped),
                }
            }
        }
    }
}

/// The offset after the last record of each partition.
fn after(records: &[Record]) -> Vec<(Partition, Offset)> {
    let mut offsets = BTreeMap::new();
    for record in records {
        offsets.insert(record.position.partition, record.position.offset.next());
    }
    offsets.into_iter().collect()
}

fn measure(scanned: &[EventTime], now: EventTime) {
    let histogram = ::metrics::histogram!(metrics::SCAN_TO_ROW);
    for at in scanned {
        histogram.record((now.0 - at.0).max(0) as f64 / 1_000.0);
    }
}
