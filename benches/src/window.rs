//! The scan of one hour of one place, in a large table and in a small one, both compacted; in turns.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use schemas::{
    identity::{Pseudonym, SEALED_ID_BYTES, SealedId},
    ids::{MessageHash, VenueId},
    place_code::Issue,
    time::{HOUR_MS, Hour},
};
use storage::{
    any::{AnyStore, StorePlace},
    rows::{TypedStore, visits::ScanRow},
};
use tokio::time::Instant;

use crate::{
    sample,
    setting::{self, Servers, Setting},
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Window {
    /// Rows of the large table.
    #[arg(long, default_value_t = Self::default().large)]
    large: u64,
    /// Rows of the small one.
    #[arg(long, default_value_t = Self::default().small)]
    small: u64,
    /// Scans of each.
    #[arg(long, default_value_t = Self::default().scans)]
    scans: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { large: 20_000_000, small: 200_000, scans: 3_000 }
    }
}

/// Rows of one hour of one place.
const ROWS: u64 = 500;
/// Hours that have rows: as many as retention keeps, but for half a day at both ends.
const HOURS: u64 = 27 * 24;
/// Partitions written at a time.
const FILLERS: usize = 8;

/// A table of so many rows.
struct Filled {
    store: AnyStore,
    keyspace: String,
    partitions: u64,
    newest: Hour,
}

/// Measures, and prints; the printed section.
pub async fn run(servers: &Servers, window: &Window) -> anyhow::Result<String> {
    let mut tables = Vec::new();
    for rows in [window.small, window.large] {
        tables.push(Filled::make(servers, rows).await?);
    }
    for table in &tables {
        compact(&table.keyspace)?;
    }
    let mut latencies = [sample::latencies(), sample::latencies()];
    let mut rng = StdRng::seed_from_u64(1);
    // Twice: the first time warms what keeps files and keys.
    for pass in 0..2 {
        for n in 0..window.scans {
            for who in if n % 2 == 0 { [0, 1] } else { [1, 0] } {
                let took = tables[who].scan(&mut rng).await?;
                if pass > 0 {
                    sample::record(&mut latencies[who], took);
                }
            }
        }
    }
    let line = |rows: u64, who: usize| {
        let at = |quantile| sample::ms(&latencies[who], quantile);
        format!("| {rows} | {:.2} | {:.2} |\n", at(0.5), at(0.99))
    };
    let ratio = sample::ms(&latencies[1], 0.5) / sample::ms(&latencies[0], 0.5);
    let text = format!(
        "## One hour of one place, {ROWS} rows\n\n{} scans of each table, both compacted, in turns.\n\n\
         | rows in the table | p50, ms | p99, ms |\n|---|---|---|\n{}{}\n\
         Ratio of p50: {ratio:.2} (bar 1.2)\n",
        window.scans,
        line(window.small, 0),
        line(window.large, 1),
    );
    print!("{text}");
    Ok(text)
}

impl Filled {
    async fn make(servers: &Servers, rows: u64) -> anyhow::Result<Self> {
        let setting = Setting::open(servers).await?;
        let backends = server::backends::open_or_reach(&setting.config).await?;
        let StorePlace::Cql(_, keyspace) = StorePlace::parse(&setting.config.store.url)? else {
            anyhow::bail!("the store is a CQL store")
        };
        let newest = setting::now().plus(-HOUR_MS).hour();
        let filled = Self { store: backends.store, keyspace, partitions: rows / ROWS, newest };
        stream::iter(0..filled.partitions)
            .map(|n| filled.fill(n))
            .buffer_unordered(FILLERS)
            .try_collect::<()>()
            .await?;
        Ok(filled)
    }

    /// The n-th partition: the hours of one place, then those of the next.
    fn partition(&self, n: u64) -> (VenueId, Hour) {
        let back = i64::try_from(n % HOURS).unwrap_or_default();
        (VenueId::from_u64(n / HOURS + 1), Hour(self.newest.0 - back))
    }

    async fn fill(&self, n: u64) -> anyhow::Result<()> {
        let (venue, hour) = self.partition(n);
        let mut rng = StdRng::seed_from_u64(n);
        let rows: Vec<ScanRow> = (0..ROWS)
            .map(|_| {
                let scanned_at = hour.start().plus(rng.random_range(0..HOUR_MS));
                let sealed: [u8; SEALED_ID_BYTES] = rng.random();
                ScanRow {
                    venue,
                    scanned_at,
                    pseudonym: Pseudonym(rng.random()),
                    sealed: SealedId(Bytes::copy_from_slice(&sealed)),
                    epoch: scanned_at.epoch(),
                    issue: Issue(1),
                    message: MessageHash(rng.random()),
                }
            })
            .collect();
        Ok(self.store.put(&rows).await?)
    }

    /// Reads one partition as the planner does.
    async fn scan(&self, rng: &mut StdRng) -> anyhow::Result<Duration> {
        let partition = self.partition(rng.random_range(0..self.partitions));
        let begun = Instant::now();
        let rows = self.store.all::<ScanRow>(&partition).await?;
        let took = begun.elapsed();
        ensure!(rows.len() as u64 == ROWS, "an hour has {} rows", rows.len());
        Ok(took)
    }
}

/// Writes out what is in memory and compacts the table, through the node's management port.
fn compact(keyspace: &str) -> anyhow::Result<()> {
    let jmx = std::env::var("ANSHIN_TEST_JMX")
        .context("the table can't be compacted: ANSHIN_TEST_JMX does not name the port of a node on this machine (scripts/servers/with --jmx sets it)")?;
    let jars = std::env::var("ANSHIN_TEST_JARS").context("ANSHIN_TEST_JARS names no directory")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers/cassandra/nodetool.sh");
    for what in ["flush", "compact"] {
        let mut nodetool = Command::new(script);
        nodetool.env("LIB", PathBuf::from(&jars).join("cassandra")).env("JMX_PORT", &jmx);
        let status = nodetool.args([what, keyspace, "scans"]).status()?;
        ensure!(status.success(), "nodetool {what} failed");
    }
    Ok(())
}
