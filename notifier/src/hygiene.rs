//! Deletes the rows of people who asked to be forgotten.
//!
//! The person's own row hides them at once; this makes them go. It needs keys: a person has a
//! pseudonym of its own in each epoch.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use schemas::{
    identity::{IdentityError, KeyRing},
    topic::Topic,
    visitor::{VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use storage::{
    Deletion, Delivery, Group, Kind, Log, Store, StoreError,
    commits::Committing,
    kill_point,
    retry::{Tried, retry},
    rows::{
        Row, TypedStore,
        visits::{ScanRow, VisitRow},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{barrier::Barrier, metrics};

/// Follows `visitors`, until `shutdown`.
pub async fn run<L: Log, S: Store>(
    log: &L,
    store: &S,
    keys: &Arc<ArcSwap<KeyRing>>,
    shutdown: &CancellationToken,
) -> Result<(), storage::LogError> {
    let mut member = Committing::new(log.join(Group::Hygiene, Topic::Visitors).await?);
    loop {
        let delivery = tokio::select! {
            delivery = member.next() => delivery,
            () = shutdown.cancelled() => break,
        };
        let records = match delivery {
            Ok(Delivery::Records(records)) => records,
            Ok(_) => continue,
            Err(error) if error.kind() == Kind::Fatal => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "forgetting waits for the log");
                tokio::time::sleep(Duration::from_millis(250)).await;
                continue;
            }
        };
        let asked: Vec<VisitorRecord> = records
            .iter()
            .filter_map(|record| VisitorRecord::decode(&record.value).ok())
            .filter(|said| matches!(said.action, VisitorAction::Erase | VisitorAction::Undo(_)))
            .collect();
        if !asked.is_empty() {
            // Scans that are on their way to be rows are rows first, then gone.
            let forget = async {
                Barrier::take(log).await?.reached(log).await;
                Ok::<_, storage::LogError>(())
            };
            match shutdown.run_until_cancelled(forget).await {
                None => break,
                Some(Err(error)) if error.kind() == Kind::Fatal => return Err(error),
                Some(_) => {}
            }
        }
        for said in &asked {
            let keys = keys.load_full();
            match retry("forget", shutdown, || forget(store, &keys, said)).await {
                Tried::Done(count) => ::metrics::counter!(metrics::ERASED).increment(count),
                Tried::Stopped => return Ok(()),
                // The person's row hides them all the same, and the rows end with retention.
                Tried::Failed(error) => {
                    tracing::error!(%error, "rows of a person can't be deleted")
                }
            }
        }
        member.done(&records);
    }
    member.leave().await;
    Ok(())
}

/// Deletes what a record asks for; how many scans.
async fn forget<S: Store>(
    store: &S,
    keys: &KeyRing,
    said: &VisitorRecord,
) -> Result<u64, StoreError> {
    let user = match keys.open_visitor(said.visitor, &said.sealed) {
        Ok(user) => user,
        Err(IdentityError::DoesNotOpen | IdentityError::MissingKey(_)) => return Ok(0),
    };
    let mut count = 0;
    for epoch in keys.epochs() {
        let Ok(pseudonym) = keys.pseudonym(epoch, &user) else { continue };
        let mut deletions = Vec::new();
        for visit in store.all::<VisitRow>(&pseudonym).await? {
            let goes = match &said.action {
                VisitorAction::Erase => visit.scanned_at <= said.at,
                VisitorAction::Undo(message) => visit.message == *message,
                _ => false,
            };
            if !goes {
                continue;
            }
            count += 1;
            let scan = (visit.venue, visit.scanned_at.hour());
            let scan_key = vec![
                storage::Value::Int(visit.scanned_at.0),
                storage::Value::Blob(bytes::Bytes::copy_from_slice(&pseudonym.0)),
            ];
            let mutation = visit.to_mutation();
            deletions.push(Deletion {
                table: ScanRow::TABLE,
                partition: ScanRow::partition(&scan),
                clustering: Some(scan_key),
                timestamp: mutation.timestamp,
            });
            deletions.push(Deletion {
                table: VisitRow::TABLE,
                partition: mutation.partition,
                clustering: Some(mutation.clustering),
                timestamp: mutation.timestamp,
            });
        }
        store.delete(deletions).await?;
        if count > 0 {
            kill_point!("K29 half forgotten");
        }
    }
    Ok(count)
}
