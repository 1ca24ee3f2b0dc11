//! The plan of a large job, by the notifier's planner in this process, beside a bare scan of the
//! same rows and as many bare reads of people's rows, in turns on one store.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use arc_swap::ArcSwap;
use futures_util::{StreamExt, TryStreamExt, stream};
use load_tests::platform::Channel;
use notifier::{
    jobs::JobBook,
    line::{LineClient, LineConfig, Secret},
    planner::{Planned, Planner},
};
use schemas::{
    identity::{KeyRing, VisitorId},
    ids::JobId,
    job::{JobEvent, Jobs},
    spool::Spools,
};
use server::backends::Backends;
use storage::{
    Order, Query, Store as _,
    any::{AnyLog, AnyStore},
    follow::Follower,
    rows::{Row as _, people::VISITORS, visits::ScanRow},
    table::Value,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    crowd::{Crowd, official},
    sample, setting,
};

/// Reads under way at the same time, as many as the planner has.
const CONCURRENT_READS: usize = 64;
/// Rows a page, as many as the planner asks for.
const PAGE: usize = 5_000;

/// One turn of one of them.
#[derive(Clone, Copy)]
pub struct Turn {
    /// How long it took.
    pub took: Duration,
    /// CPU time of this process.
    pub cpu: Duration,
}

/// Both, on one store.
pub struct Plans<'a> {
    crowd: &'a Crowd,
    store: AnyStore,
    planner: Planner<AnyLog, AnyStore>,
    visitors: Vec<VisitorId>,
    _stop: tokio_util::sync::DropGuard,
}

impl<'a> Plans<'a> {
    /// Makes both ready. LINE, which a plan asks about quota and text, is at `api_url`.
    pub fn new(
        crowd: &'a Crowd,
        backends: &Backends,
        keys: Arc<KeyRing>,
        api_url: &str,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let jobs = Follower::<AnyLog, Jobs>::start(backends.log.clone(), &stop);
        let channel = Channel::default();
        let line = LineClient::new(&LineConfig {
            api_url: api_url.to_owned(),
            channel_id: channel.id,
            channel_secrets: vec![Secret::new(channel.secret)],
        })?;
        let visitors = crowd.users.iter().map(|user| keys.visitor(user)).collect();
        let planner = Planner {
            log: backends.log.clone(),
            spools: Follower::<AnyLog, Spools>::start(backends.log.clone(), &stop),
            store: backends.store.clone(),
            keys: Arc::new(ArcSwap::new(keys)),
            book: JobBook::new(jobs, Arc::new(setting::now)),
            line,
        };
        let (store, _stop) = (backends.store.clone(), stop.drop_guard());
        Ok(Self { crowd, store, planner, visitors, _stop })
    }

    /// So many turns of each: the planner's, the bare ones.
    pub async fn turns(&self, rounds: usize) -> anyhow::Result<[Vec<Turn>; 2]> {
        let mut turns: [Vec<Turn>; 2] = Default::default();
        // Once more, first: it warms what keeps files and blocks.
        for round in 0..=rounds {
            for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let turn = if who == 0 { self.plan().await? } else { self.bare().await? };
                if round > 0 {
                    turns[who].push(turn);
                }
            }
        }
        Ok(turns)
    }

    async fn plan(&self) -> anyhow::Result<Turn> {
        let (id, book) = (JobId(Uuid::now_v7()), &self.planner.book);
        let [submitted, approved] = self.crowd.approved(id)?.map(|record| record.event);
        for event in [submitted, approved, JobEvent::Planning { sweep: 0 }] {
            book.append(id, event).await?;
        }
        let turn = timed(async {
            let planned = self.planner.plan(id).await?;
            ensure!(planned == Planned::Sealed, "a plan was not sealed: {planned:?}");
            Ok(())
        })
        .await?;
        let job = book.append(id, JobEvent::Cancelled { by: official("sato")? }).await?;
        let targeted: u64 = job.plans.iter().map(|sealed| sealed.counts.targeted).sum();
        ensure!(targeted == self.crowd.users.len() as u64, "a plan has {targeted} people");
        Ok(turn)
    }

    async fn bare(&self) -> anyhow::Result<Turn> {
        let partitions: Vec<_> = self
            .crowd
            .content
            .exposures()
            .flat_map(|(venue, exposure)| exposure.hours().map(move |hour| (venue, hour)))
            .map(|partition| query(ScanRow::TABLE, ScanRow::partition(&partition), PAGE))
            .collect();
        timed(async {
            let rows = self.read(partitions.into_iter()).await?;
            let visitor = |id: &VisitorId| vec![Value::Blob(id.0.to_vec().into())];
            let people = self.visitors.iter().map(|id| query(&VISITORS, visitor(id), 1));
            let people = self.read(people).await?;
            ensure!(rows == people && rows == self.visitors.len(), "{rows} rows, {people} people");
            Ok(())
        })
        .await
    }

    /// How many rows the pages of these partitions have.
    async fn read(&self, queries: impl Iterator<Item = Query>) -> anyhow::Result<usize> {
        let rows = stream::iter(queries)
            .map(|mut query| async move {
                let (mut rows, single) = (0, query.limit == 1);
                loop {
                    let page = self.store.read(query.clone()).await?;
                    rows += page.rows.len();
                    query.cursor = page.next.filter(|_| !single);
                    if query.cursor.is_none() {
                        return anyhow::Ok(rows);
                    }
                }
            })
            .buffer_unordered(CONCURRENT_READS);
        rows.try_fold(0, |sum, rows| async move { Ok(sum + rows) }).await
    }
}

fn query(table: &'static storage::table::Table, partition: Vec<Value>, limit: usize) -> Query {
    Query { table, partition, from: None, to: None, order: Order::Ascending, limit, cursor: None }
}

async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Turn> {
    let pid = std::process::id();
    let (before, begun) = (sample::cpu(pid)?, Instant::now());
    work.await?;
    Ok(Turn { took: begun.elapsed(), cpu: sample::cpu(pid)? - before })
}
