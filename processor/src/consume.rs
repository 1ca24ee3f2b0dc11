//! One topic: a delivery becomes rows and rejections, then its offsets may be committed.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use schemas::{
    registry::Registry,
    rejected::{Original, RejectCause, Rejected},
    service::KNOWN_WITHIN_MS,
    time::EventTime,
    topic::Topic,
    wire::WireRecord,
};
use storage::{
    Append, Delivery, Group, Kind, Log, Mutation, Record, Store,
    commits::Committing,
    fault,
    follow::Follower,
    kill_point, mutant,
    retry::{Tried, retry},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Deps, Error,
    batch::{self, Batch},
    lag::Working,
    metrics,
};

/// Records written at the same time where the rows of a delivery can't be written together.
const RECORDS_AT_A_TIME: usize = 64;

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
    let mut member = Committing::new(deps.log.join(Group::Processor, topic).await?);
    loop {
        let delivery = tokio::select! {
            delivery = member.next() => delivery,
            () = shutdown.cancelled() => break,
        };
        let records = match delivery {
            Ok(Delivery::Records(records)) => records,
            // Every delivery is done with before the next: there is nothing to give up.
            Ok(Delivery::Assigned(_) | Delivery::Revoked(_)) => continue,
            Err(error) if error.kind() == Kind::Fatal => return Err(error.into()),
            Err(error) => {
                tracing::warn!(topic = topic.name(), %error, "waiting for the log");
                tokio::time::sleep(Duration::from_millis(250)).await;
                continue;
            }
        };
        if mutant!("commit before write") {
            member.done(&records);
            member.commit().await?;
        }
        kill_point!("K10 polled");
        while fault!("rows wait") && !shutdown.is_cancelled() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let begun = Instant::now();
        ::metrics::counter!(metrics::IN, "topic" => topic.name()).increment(records.len() as u64);
        working.begin(records.iter().map(|record| record.appended_at).min().unwrap_or(0));
        if topic == Topic::Scans && !current(registry, shutdown).await {
            break;
        }
        let batch = registry.read(|registry| batch::sort(topic, &records, registry));
        let scanned: Vec<EventTime> = batch.scanned().collect();
        if write(topic, batch, &records, deps, shutdown).await? == Went::Stopped {
            break;
        }
        kill_point!("K12 written, not committed");
        measure(&scanned, (deps.clock)());
        member.done(&records);
        working.end();
        ::metrics::histogram!(metrics::DURATION).record(begun.elapsed().as_secs_f64());
    }
    member.leave().await;
    Ok(())
}

/// Waits until what is known of codes and service is recent enough to judge a scan once and for
/// all: the same scan delivered later must come to the same. Usually it is. False: we are to stop.
async fn current<L: Log>(registry: &Follower<L, Registry>, shutdown: &CancellationToken) -> bool {
    let within = Duration::from_millis(KNOWN_WITHIN_MS);
    if registry.fresh_within(within) {
        return true;
    }
    tracing::warn!("scans wait until the registry can be read to its end again");
    shutdown.run_until_cancelled(registry.known_within(within)).await.is_some()
}

/// Does everything that a delivery asks for.
async fn write<L: Log, S: Store>(
    topic: Topic,
    batch: Batch,
    records: &[Record],
    deps: &Deps<L, S>,
    shutdown: &CancellationToken,
) -> Result<Went, Error> {
    let Batch {
        records: written,
        writes,
        mut rejected,
        retired,
        not_running,
        on_hold,
        trials,
        nothing,
    } = batch;
    let stored = written.len();
    let Some(refused) = store(&written, writes.into(), &deps.store, shutdown).await? else {
        return Ok(Went::Stopped);
    };
    kill_point!("K11 half written");
    let count = |result: &'static str, count: usize| {
        ::metrics::counter!(metrics::OUT, "topic" => topic.name(), "result" => result)
            .increment(count as u64);
    };
    count("stored", stored - refused.len());
    count("retired", retired);
    count("not_running", not_running);
    count("on_hold", on_hold);
    count("trial", trials);
    count("nothing", nothing);
    rejected.extend(refused.into_iter().map(|place| (place, RejectCause::RefusedByStore)));
    reject(rejected, records, deps, shutdown).await
}

/// Writes rows, in whatever order: what they make is decided by their timestamps. The places of the
/// records that the store refuses, or `None` when we are to stop.
async fn store<S: Store>(
    records: &[(usize, usize)],
    rows: Arc<[Mutation]>,
    store: &S,
    shutdown: &CancellationToken,
) -> Result<Option<Vec<usize>>, Error> {
    match put(Arc::clone(&rows), store, shutdown).await? {
        Put::Stored => return Ok(Some(Vec::new())),
        Put::Stopped => return Ok(None),
        Put::Refused => {}
    }
    // One of them can't be stored. The others can.
    let mut rest = &rows[..];
    let mut each = Vec::with_capacity(records.len());
    for &(record, count) in records {
        let (own, after) = rest.split_at(count);
        rest = after;
        each.push(put(own.into(), store, shutdown).map_ok(move |put| (record, put)));
    }
    let mut each = stream::iter(each).buffer_unordered(RECORDS_AT_A_TIME);
    let mut refused = Vec::new();
    while let Some((record, put)) = each.try_next().await? {
        match put {
            Put::Stored => {}
            Put::Stopped => return Ok(None),
            Put::Refused => refused.push(record),
        }
    }
    Ok(Some(refused))
}

/// What became of rows.
enum Put {
    Stored,
    /// They can never be.
    Refused,
    /// Unknown: we are to stop.
    Stopped,
}

async fn put<S: Store>(
    rows: Arc<[Mutation]>,
    store: &S,
    shutdown: &CancellationToken,
) -> Result<Put, Error> {
    match retry("write", shutdown, || store.write(Arc::clone(&rows))).await {
        Tried::Done(()) => Ok(Put::Stored),
        Tried::Stopped => Ok(Put::Stopped),
        Tried::Failed(error) if error.kind() == Kind::Fatal => Err(error.into()),
        Tried::Failed(_) => Ok(Put::Refused),
    }
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

fn measure(scanned: &[EventTime], now: EventTime) {
    let histogram = ::metrics::histogram!(metrics::SCAN_TO_ROW);
    for at in scanned {
        histogram.record((now.0 - at.0).max(0) as f64 / 1_000.0);
    }
}
