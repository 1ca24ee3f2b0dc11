//! The product's own figures against the count.

use std::collections::BTreeMap;

use anyhow::Context as _;
use storage::any::{AnyLog, AnyStore};

use super::Demo;
use crate::{oracle::Difference, platform::journal::What, verify::Record};

/// Of jobs that are complete.
pub(crate) fn figures(
    record: &Record,
    finished: &[console::view::ProgressView],
) -> Vec<Difference> {
    let evidence = record.evidence();
    let mut differences = Vec::new();
    for (job, progress) in evidence.jobs.iter().zip(finished) {
        let expected = evidence.expected(job);
        let name = |what: &str| format!("job {}: {what}", job.id);
        let people = expected.people.len() as u64;
        figure(&mut differences, &name("targeted"), people, progress.targeted);
        figure(&mut differences, &name("accepted"), people, progress.accepted);
        let out = expected.out_of_reach.len() as u64;
        figure(&mut differences, &name("out of reach"), out, progress.out_of_reach);
        let sum = progress.accepted
            + progress.pending
            + progress.retrying
            + progress.invalid
            + progress.undecided
            + progress.erased
            + progress.cancelled;
        figure(&mut differences, &name("sum of its parts"), progress.targeted, sum);
    }
    differences
}

/// One figure.
pub(super) fn figure(differences: &mut Vec<Difference>, what: &str, counted: u64, said: u64) {
    if counted != said {
        differences.push(Difference::Figure { what: what.to_owned(), counted, said });
    }
}

/// What `rejected` holds, by cause.
pub(super) async fn rejected(log: &AnyLog) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for rejected in processor::rejected::list(log).await? {
        let cause = rejected.cause.map_or("unreadable", |cause| cause.name());
        *counts.entry(cause.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// For the test that the count notices.
pub(super) async fn tamper(
    demo: &Demo,
    record: &mut Record,
    store: &AnyStore,
) -> anyhow::Result<()> {
    use storage::{
        Deletion, Store,
        rows::{Row, TypedStore, visits::ScanRow},
    };
    if demo.drop_message {
        record.journal.accepted.pop();
    }
    if demo.drop_row {
        let evidence = record.evidence();
        let expected = evidence.expected(&evidence.jobs[0]).people;
        let told = record.journal.events.iter().find(|event| {
            expected.contains_key(&event.user)
                && matches!(&event.what, What::Text { text, .. } if text.contains('-'))
        });
        let event = told.context("somebody was told")?;
        let at = schemas::time::EventTime(event.at);
        for (venue, _, _) in &record.places {
            let partition = (venue.parse()?, at.hour());
            let rows = store.all::<ScanRow>(&partition).await?;
            let Some(row) = rows.into_iter().find(|row| row.scanned_at == at) else { continue };
            let mutation = row.to_mutation();
            let deletion = Deletion {
                table: ScanRow::TABLE,
                partition: mutation.partition,
                clustering: Some(mutation.clustering),
                timestamp: mutation.timestamp,
            };
            store.delete(vec![deletion]).await?;
            return Ok(());
        }
    }
    Ok(())
}
