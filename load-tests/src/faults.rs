//! Breaks one thing at a time on a small cluster, or in one process on a directory, under traffic and
//! during a job, heals it, waits until all is done, and counts as the demo does.
//!
//! | module | what it does |
//! |---|---|
//! | `servers` | Kafka and Cassandra as processes that can be killed; links to them |
//! | `proxy` | cuts, delays, silences links |
//! | `traffic` | visitors and their webhooks |
//! | `world` | the cluster; what is promised whatever happens |
//! | `rows` | the faults of a cluster, one function each |
//! | `alone` | the faults of one process, and how they are tried |
//! | `damage` | what is done to files |
//!
//! Whatever the row: every webhook that was answered 200 has its row, and no other has; whoever was
//! there is told once, and nobody else; the product's totals are those of the count; no id of a
//! visitor is in what anything wrote; a minute after the fault all is done.

mod alone;
pub(crate) mod damage;
mod proxy;
mod rows;
mod servers;
pub(crate) mod traffic;
mod world;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Args;
use rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use self::{
    rows::{ROWS, Row},
    servers::{Nodes, Servers},
    world::World,
};
use crate::scratch;

/// Broken promises of one trial that are shown.
const SHOWN: usize = 10;

/// Which faults, how often.
#[derive(Clone, Debug, Args)]
pub struct Faults {
    /// The rows that need no cluster: one process with every role, on a directory.
    #[arg(long)]
    pub embedded: bool,
    /// Each fault as often as it is promised to be tried instead of once, in its long form; and those
    /// that need three nodes, or a file system of their own.
    #[arg(long)]
    pub full: bool,
    /// Each fault so often, whatever else is said.
    #[arg(long)]
    pub trials: Option<usize>,
    /// Only rows whose names begin so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Decides who goes where, and when things break; another one each time otherwise. Each further
    /// trial has the next.
    #[arg(long, default_value_t = rand::random_range(1..1_000_000))]
    pub seed: u64,
    /// Keeps servers' data, logs and spools there (a new directory); otherwise they are kept in a
    /// temporary one where a promise is broken.
    #[arg(long)]
    pub dir: Option<std::path::PathBuf>,
}

impl Faults {
    fn trials(&self, row: &Row) -> usize {
        self.trials.unwrap_or(if self.full { row.trials } else { 1 })
    }
}

/// Whether a row was asked for.
fn wanted(only: &[String], row: &str) -> bool {
    only.is_empty() || only.iter().any(|name| row.starts_with(name.as_str()))
}

/// What became of a row.
struct Tried {
    name: &'static str,
    fault: &'static str,
    trials: usize,
    took: Duration,
    broken: usize,
}

impl Tried {
    fn new(name: &'static str, fault: &'static str) -> Self {
        Self { name, fault, trials: 0, took: Duration::ZERO, broken: 0 }
    }
}

/// How to try a row again.
fn again(row: &Row, seed: u64) -> String {
    format!(r#"make faults-cluster FAULT_ARGS="--only '{}' --trials 1 --seed {seed}""#, row.name)
}

/// Chance of a trial: the same whatever ran before.
fn chance(row: &Row, seed: u64) -> StdRng {
    StdRng::from_seed(Sha256::digest(format!("{seed} {}", row.name)).into())
}

/// Runs the rows; whether every promise was kept.
pub async fn run(faults: &Faults) -> anyhow::Result<bool> {
    scratch::work_in(faults.dir.as_deref(), async |dir| match faults.embedded {
        true => alone::run(faults, dir).await,
        false => in_dir(faults, dir).await,
    })
    .await
}

#[allow(clippy::print_stdout)]
async fn in_dir(faults: &Faults, dir: &Path) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut table = Vec::new();
    let mut broken = 0;
    for (nodes, name) in [(Nodes::One, "one"), (Nodes::Three, "three")] {
        let asked = |row: &&Row| row.nodes == nodes && wanted(&faults.only, row.name);
        let rows: Vec<&Row> = ROWS.iter().filter(asked).collect();
        // Three nodes of each take long to start.
        if !rows.is_empty() && (nodes == Nodes::One || faults.full) {
            broken += on(nodes, (faults, &dir.join(name)), &rows, &mut table).await?;
        }
    }
    ensure!(!table.is_empty(), "no row has such a name (those on three nodes need --full)");
    print_table(&table);
    println!("{broken} broken promises; {:.0?}", begun.elapsed());
    Ok(broken == 0)
}

/// Runs rows on servers of their own; how many promises were broken.
#[allow(clippy::print_stdout)]
async fn on(
    nodes: Nodes,
    (faults, dir): (&Faults, &Path),
    rows: &[&Row],
    table: &mut Vec<Tried>,
) -> anyhow::Result<usize> {
    let of_servers = dir.join("servers");
    let mut servers = Servers::start(&of_servers, nodes).await?;
    let mut all = 0;
    // The evenings of many trials would not fit into the time before now that is retained.
    let in_one_world = if faults.full { 1 } else { rows.len() };
    for (number, rows) in rows.chunks(in_one_world).enumerate() {
        let begun = Instant::now();
        let dir = dir.join(number.to_string());
        let mut world = World::open(&dir, servers, faults.seed).await?;
        world.full = faults.full;
        println!("two processes of each role are up after {:.0?}", begun.elapsed());
        for row in rows {
            let tried = trials(&mut world, row, faults).await?;
            all += tried.broken;
            table.push(tried);
        }
        for leak in world.leaks_of_servers(&of_servers)? {
            println!("BROKEN: {leak}");
            all += 1;
        }
        let ended;
        (servers, ended) = world.end().await;
        if let Err(error) = ended {
            println!("BROKEN: {error:#}");
            all += 1;
        }
    }
    Ok(all)
}

/// Runs one row as often as is wished.
#[allow(clippy::print_stdout)]
async fn trials(world: &mut World, row: &Row, faults: &Faults) -> anyhow::Result<Tried> {
    let mut tried = Tried::new(row.name, row.fault);
    for seed in (faults.seed..).take(faults.trials(row)) {
        let begun = Instant::now();
        world.begin(chance(row, seed));
        let ran = (row.run)(world).await;
        let mut broken: Vec<String> = ran.err().map(|e| format!("{e:#}")).into_iter().collect();
        let lost = || format!("after {}; again: {}", row.name, again(row, seed));
        broken.extend(world.judge().await.with_context(lost)?);
        tried.trials += 1;
        tried.took += begun.elapsed();
        tried.broken += broken.len();
        for what in broken.iter().take(SHOWN) {
            println!("{}: BROKEN ({}): {what}", row.name, row.promise);
        }
        if broken.len() > SHOWN {
            println!("{}: BROKEN: and {} more", row.name, broken.len() - SHOWN);
        }
        if !broken.is_empty() {
            println!("{}: again: {}", row.name, again(row, seed));
        }
    }
    println!(
        "{}: {}: {} trials, {:.1?}, {} broken promises",
        tried.name, tried.fault, tried.trials, tried.took, tried.broken
    );
    Ok(tried)
}

#[allow(clippy::print_stdout)]
fn print_table(table: &[Tried]) {
    println!();
    println!("| row | fault | trials | broken promises | a trial took |");
    println!("|---|---|---|---|---|");
    for Tried { name, fault, trials, took, broken } in table {
        let each = took.as_secs_f64() / (*trials).max(1) as f64;
        println!("| {name} | {fault} | {trials} | {broken} | {each:.1} s |");
    }
    println!();
}
