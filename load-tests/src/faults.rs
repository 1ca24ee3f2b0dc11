//! Breaks one thing at a time on a small cluster, under traffic and during a job, heals it, waits
//! until all is done, and counts as the demo does.
//!
//! | module | what it does |
//! |---|---|
//! | `servers` | Kafka and Cassandra as processes that can be killed; links to them |
//! | `proxy` | cuts, delays, silences links |
//! | `traffic` | visitors and their webhooks |
//! | `world` | the cluster; what is promised whatever happens |
//! | `rows` | the faults, one function each |
//!
//! Whatever the row: every webhook that was answered 200 has its row, and no other has; whoever was
//! there is told once, and nobody else; the product's totals are those of the count; no id of a
//! visitor is in what anything wrote; a minute after the fault all is done.

mod proxy;
mod rows;
mod servers;
mod traffic;
mod world;

use std::{path::Path, time::Duration};

use clap::Args;
use tokio::time::Instant;

use self::{
    rows::{ROWS, Row},
    servers::{Nodes, Servers},
    world::World,
};

/// Broken promises of one trial that are shown.
const SHOWN: usize = 10;

/// Which faults, how often.
#[derive(Clone, Debug, Args)]
pub struct Faults {
    /// Each fault as often as it is promised to be tried instead of once, in its long form; and those
    /// that need three nodes.
    #[arg(long)]
    pub full: bool,
    /// Each fault so often, whatever else is said.
    #[arg(long)]
    pub trials: Option<usize>,
    /// Only rows whose names begin so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Decides who goes where, and when things break.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keeps servers' data, logs and spools there (a new directory); a temporary one otherwise.
    #[arg(long)]
    pub dir: Option<std::path::PathBuf>,
}

impl Faults {
    fn trials(&self, row: &Row) -> usize {
        self.trials.unwrap_or(if self.full { row.trials } else { 1 })
    }

    fn wants(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| row.name.starts_with(name.as_str()))
    }
}

/// What became of a row.
struct Tried {
    name: &'static str,
    fault: &'static str,
    trials: usize,
    took: Duration,
    broken: usize,
}

/// Runs the rows; whether every promise was kept.
pub async fn run(faults: &Faults) -> anyhow::Result<bool> {
    let temporary = tempfile::Builder::new().prefix("anshin-faults-").tempdir()?;
    let dir = match &faults.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            std::path::absolute(dir)?
        }
        None => temporary.path().to_owned(),
    };
    // Whatever was started ends with this future.
    tokio::select! {
        kept = in_dir(faults, &dir) => kept,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted")
        }
    }
}

#[allow(clippy::print_stdout)]
async fn in_dir(faults: &Faults, dir: &Path) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut table = Vec::new();
    let mut broken = 0;
    for nodes in [Nodes::One, Nodes::Three] {
        let asked = |row: &&Row| row.nodes == nodes && faults.wants(row);
        let rows: Vec<&Row> = ROWS.iter().filter(asked).collect();
        // Three nodes of each take long to start.
        if !rows.is_empty() && (nodes == Nodes::One || faults.full) {
            let dir = dir.join(match nodes {
                Nodes::One => "one",
                Nodes::Three => "three",
            });
            broken += on(nodes, (faults, &dir), &rows, &mut table).await?;
        }
    }
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
    let begun = Instant::now();
    let of_servers = dir.join("servers");
    let servers = Servers::start(&of_servers, nodes).await?;
    let mut world = World::open(dir, servers, faults.seed).await?;
    world.full = faults.full;
    println!("servers ({nodes:?} of each) and roles are up after {:.0?}", begun.elapsed());
    let mut all = 0;
    for row in rows {
        let mut tried =
            Tried { name: row.name, fault: row.fault, trials: 0, took: Duration::ZERO, broken: 0 };
        for _ in 0..faults.trials(row) {
            let begun = Instant::now();
            let ran = (row.run)(&mut world).await;
            let mut broken: Vec<String> = ran.err().map(|e| format!("{e:#}")).into_iter().collect();
            broken.extend(world.judge().await?);
            tried.trials += 1;
            tried.took += begun.elapsed();
            tried.broken += broken.len();
            for what in broken.iter().take(SHOWN) {
                println!("{}: BROKEN ({}): {what}", row.name, row.promise);
            }
            if broken.len() > SHOWN {
                println!("{}: BROKEN: and {} more", row.name, broken.len() - SHOWN);
            }
        }
        println!(
            "{}: {}: {} trials, {:.1?}, {} broken promises",
            tried.name, tried.fault, tried.trials, tried.took, tried.broken
        );
        all += tried.broken;
        table.push(tried);
    }
    for leak in world.leaks_of_servers(&of_servers)? {
        println!("BROKEN: {leak}");
        all += 1;
    }
    if let Err(error) = world.end().await {
        println!("BROKEN: {error:#}");
        all += 1;
    }
    Ok(all)
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
