//! The scan of one hour of one place, in a large table and in a small one, in turns: in a data
//! directory, and on a CQL store, where both are compacted first.

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
use server::backends::Backends;
use storage::{
    any::StorePlace,
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
    /// Rows of the small one: 1,000,000 in a data directory, 200,000 on a CQL store.
    #[arg(long)]
    small: Option<u64>,
    /// Scans of each.
    #[arg(long, default_value_t = Self::default().scans)]
    scans: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { large: 20_000_000, small: None, scans: 3_000 }
    }
}

/// Rows of one hour of one place.
const ROWS: u64 = 500;
/// Hours that have rows: as many as retention keeps, but for half a day at both ends.
const HOURS: u64 = 27 * 24;
/// Partitions written at a time.
const FILLERS: usize = 8;

/// Visits of a hot hour.
const HOT: u64 = 100_000;

/// A table of so many rows.
pub struct Filled {
    partitions: u64,
    newest: Hour,
    /// How roles are told of it.
    pub setting: Setting,
    /// It is open.
    pub backends: Backends,
}

/// Measures on a CQL store, and prints; the printed section.
pub async fn on_cql(servers: &Servers, window: &Window) -> anyhow::Result<String> {
    let sizes = [window.small.unwrap_or(200_000), window.large];
    let mut tables = Vec::new();
    for rows in sizes {
        let table = Filled::make(Setting::open(servers).await?, rows).await?;
        let StorePlace::Cql(_, keyspace) = StorePlace::parse(&table.setting.config.store.url)?
        else {
            anyhow::bail!("the store is a CQL store")
        };
        tables.push((table, keyspace));
    }
    for (_, keyspace) in &tables {
        compact(keyspace)?;
    }
    let tables: Vec<Filled> = tables.into_iter().map(|(table, _)| table).collect();
    let text = measure(&tables, sizes, window.scans, "both compacted, ", 1.2).await?;
    print!("{text}");
    Ok(text)
}

/// Measures in data directories, and prints; the printed section.
pub async fn embedded(window: &Window) -> anyhow::Result<String> {
    let sizes = [window.small.unwrap_or(1_000_000), window.large];
    let mut tables = Vec::new();
    for rows in sizes {
        tables.push(Filled::make(Setting::embedded()?, rows).await?);
    }
    let mut text = measure(&tables, sizes, window.scans, "", 1.15).await?;
    let large = &tables[1];
    let hot = (VenueId::from_u64(u64::from(u32::MAX)), large.newest);
    for start in (0..HOT).step_by(ROWS as usize) {
        large.backends.store.put(&rows(hot, start)).await?;
    }
    let mut latencies = sample::latencies();
    for _ in 0..20 {
        sample::record(&mut latencies, large.scan(hot, HOT).await?);
    }
    text += &format!(
        "\nAn hour of {HOT} visits, in the large table: p50 {:.0} ms.\n",
        sample::ms(&latencies, 0.5)
    );
    print!("{text}");
    for table in tables {
        table.backends.close().await;
    }
    Ok(text)
}

/// Scans hours of both tables in turns.
async fn measure(
    tables: &[Filled],
    [small, large]: [u64; 2],
    scans: usize,
    how: &str,
    bar: f64,
) -> anyhow::Result<String> {
    let mut latencies = [sample::latencies(), sample::latencies()];
    let mut rng = StdRng::seed_from_u64(1);
    // Twice: the first time warms what keeps files and keys.
    for pass in 0..2 {
        for n in 0..scans {
            for who in if n % 2 == 0 { [0, 1] } else { [1, 0] } {
                let table = &tables[who];
                let partition = table.partition(rng.random_range(0..table.partitions));
                let took = table.scan(partition, ROWS).await?;
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
    Ok(format!(
        "## One hour of one place, {ROWS} rows\n\n{scans} scans of each table, {how}in turns.\n\n\
         | rows in the table | p50, ms | p99, ms |\n|---|---|---|\n{}{}\n\
         Ratio of p50: {ratio:.2} (bar {bar})\n",
        line(small, 0),
        line(large, 1),
    ))
}

/// So many visits of one hour of one place, each at another time.
fn rows((venue, hour): (VenueId, Hour), seed: u64) -> Vec<ScanRow> {
    let mut rng = StdRng::seed_from_u64(seed);
    let row = |_| {
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
    };
    (0..ROWS).map(row).collect()
}

impl Filled {
    /// Fills it.
    pub async fn make(setting: Setting, rows: u64) -> anyhow::Result<Self> {
        let backends = server::backends::open_or_reach(&setting.config).await?;
        let newest = setting::now().plus(-HOUR_MS).hour();
        let filled = Self { partitions: rows / ROWS, newest, setting, backends };
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
        Ok(self.backends.store.put(&rows(self.partition(n), n)).await?)
    }

    /// Reads one partition as the planner does.
    async fn scan(&self, partition: (VenueId, Hour), visits: u64) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let rows = self.backends.store.all::<ScanRow>(&partition).await?;
        let took = begun.elapsed();
        ensure!(rows.len() as u64 == visits, "an hour has {} rows", rows.len());
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
