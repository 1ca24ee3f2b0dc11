//! Kills a process that plays every role on a directory of its own, at kill points and at random
//! moments, starts it again on what it left, lets everything end, and counts as the demo does.
//!
//! | module | what it does |
//! |---|---|
//! | `points` | where it is killed |
//! | `life` | the process: killed, and started again |
//! | `town` | visitors, officials, the stand-in, the judge |
//! | [`mutants`] | promises broken on purpose: the judge has to notice |
//!
//! The process is `anshin-breakable`: the product with kill points and mutants in it
//! (`storage::sabotage`).
//! Whatever the point: every webhook that was answered 200 has exactly one row, and no other has;
//! whoever was there is told once, and nobody else; the product's totals are those of the count; no
//! window of a second holds more requests to LINE than is configured; no id of a visitor is in what
//! the process wrote or printed; within 30 s all is done.

mod life;
pub mod mutants;
pub(crate) mod points;
pub(crate) mod town;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use self::{
    points::{POINTS, Point},
    town::World,
};
use crate::{cluster, scratch};

/// Broken promises of one trial that are shown.
const SHOWN: usize = 10;
/// Whoever tries very often says so often how far it is.
pub const SAY_EVERY: Duration = Duration::from_secs(60);
/// Trials on one directory. Rows of evenings that are over are read again at each.
pub(crate) const TRIALS_OF_A_WORLD: usize = 20;
/// Of so many trials, one ends at a random moment.
const RANDOM_EVERY: usize = 4;
/// Where it is killed that is no kill point.
const RANDOM: &str = "random";

/// How often, where.
#[derive(Clone, Debug, Args)]
pub struct Crash {
    /// So many trials: at every kill point in turn, a fourth of them at random moments. The default
    /// has each kill point once.
    #[arg(long, default_value_t = 48)]
    pub kills: usize,
    /// Only at points whose names begin so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Decides who goes where, and when it is killed; another one each time otherwise. Each further
    /// kill has the next.
    #[arg(long, default_value_t = rand::random_range(1..1_000_000))]
    pub seed: u64,
    /// Keeps directories and logs there (a new directory); otherwise they are kept in a temporary one
    /// where a promise is broken.
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// What became of a point.
struct Tried {
    point: &'static Point,
    kills: usize,
    took: Duration,
    broken: usize,
}

/// Chance of a trial: the same whatever ran before.
fn chance(point: &Point, seed: u64) -> StdRng {
    StdRng::from_seed(Sha256::digest(format!("{seed} {}", point.name)).into())
}

/// How to try one again.
fn again(point: &Point, seed: u64) -> String {
    let name = point.short();
    format!(r#"make crash KILLS=1 CRASH_ARGS="--only '{name}' --seed {seed}""#)
}

/// Kills as often as is wished; whether every promise was kept.
pub async fn run(crash: &Crash) -> anyhow::Result<bool> {
    let binary = breakable()?;
    scratch::work_in(crash.dir.as_deref(), async |dir| in_dir(crash, &binary, dir).await).await
}

/// The points of all trials, in turn.
fn plan(crash: &Crash) -> anyhow::Result<Vec<&'static Point>> {
    let asked = |point: &&Point| {
        crash.only.is_empty() || crash.only.iter().any(|name| point.name.starts_with(name.as_str()))
    };
    let (random, mut named): (Vec<_>, Vec<_>) =
        POINTS.iter().filter(asked).partition(|point| point.name == RANDOM);
    ensure!(!(random.is_empty() && named.is_empty()), "no kill point has such a name");
    named.shuffle(&mut StdRng::seed_from_u64(crash.seed));
    let (mut named, mut random) = (named.iter().cycle(), random.iter().cycle());
    let next = |n: usize| {
        let at_random = n % RANDOM_EVERY == RANDOM_EVERY - 1;
        let next = match at_random {
            true => random.next().or_else(|| named.next()),
            false => named.next().or_else(|| random.next()),
        };
        next.copied()
    };
    Ok((0..crash.kills).map_while(next).collect())
}

#[allow(clippy::print_stdout)]
async fn in_dir(crash: &Crash, binary: &Path, dir: &Path) -> anyhow::Result<bool> {
    let begun = Instant::now();
    println!("seed {}", crash.seed);
    let plan = plan(crash)?;
    let mut table: Vec<Tried> = Vec::new();
    let mut trials = (crash.seed..).zip(plan).peekable();
    let (mut of_worlds, mut said) = (0, Instant::now());
    for number in 0_usize.. {
        let Some((first, _)) = trials.peek() else { break };
        let dir = dir.join(number.to_string());
        let mut world = World::open(&dir, binary, *first, None).await?;
        for (seed, point) in trials.by_ref().take(TRIALS_OF_A_WORLD) {
            let begun = Instant::now();
            let (kills, broken) = trial(&mut world, point, seed).await?;
            print_broken(point, seed, &broken);
            let (took, broken) = (begun.elapsed(), broken.len());
            let tried = Tried { point, kills, took, broken };
            match table.iter_mut().find(|known| known.point.name == point.name) {
                Some(known) => {
                    known.kills += tried.kills;
                    known.took += tried.took;
                    known.broken += tried.broken;
                }
                None => table.push(tried),
            }
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                let (kills, broken) = sums(&table);
                println!("{kills} kills so far, {broken} broken promises");
            }
            if world.life.has_slept() {
                // Its evenings are further back than an evening is: LINE takes no push any more for
                // somebody who wrote in one and is no friend.
                break;
            }
        }
        for what in world.end().await? {
            println!("BROKEN: {what}");
            of_worlds += 1;
        }
    }
    table.sort_by_key(|tried| POINTS.iter().position(|point| point.name == tried.point.name));
    print_table(&table);
    let (kills, broken) = sums(&table);
    let broken = of_worlds + broken;
    println!("{kills} kills, {broken} broken promises; {:.0?}", begun.elapsed());
    Ok(broken == 0)
}

/// All kills, and all broken promises.
fn sums(table: &[Tried]) -> (usize, usize) {
    let sum = |what: fn(&Tried) -> usize| table.iter().map(what).sum();
    (sum(|tried| tried.kills), sum(|tried| tried.broken))
}

/// Kills once, or as often as the point needs: how often, and which promises were broken.
pub(crate) async fn trial(
    world: &mut World,
    point: &'static Point,
    seed: u64,
) -> anyhow::Result<(usize, Vec<String>)> {
    let mut rng = chance(point, seed);
    let lets_by = rng.random_range(0..=point.at_most);
    world.begin(rng);
    let deaths = world.life.deaths;
    let ran = (point.run)(world, point, lets_by).await;
    let mut broken: Vec<String> = ran.err().map(|e| format!("{e:#}")).into_iter().collect();
    let kills = world.life.deaths - deaths;
    if kills == 0 {
        broken.push("the point was never reached".to_owned());
    }
    let lost = || format!("after {}; again: {}", point.name, again(point, seed));
    broken.extend(world.judge().await.with_context(lost)?);
    Ok((kills, broken))
}

#[allow(clippy::print_stdout)]
fn print_broken(point: &Point, seed: u64, broken: &[String]) {
    for what in broken.iter().take(SHOWN) {
        println!("{}: BROKEN: {what}", point.name);
    }
    if broken.len() > SHOWN {
        println!("{}: BROKEN: and {} more", point.name, broken.len() - SHOWN);
    }
    if !broken.is_empty() {
        println!("{}: again: {}", point.name, again(point, seed));
    }
}

#[allow(clippy::print_stdout)]
fn print_table(table: &[Tried]) {
    println!();
    println!("| killed at | kills | broken promises | a kill took |");
    println!("|---|---|---|---|");
    for Tried { point, kills, took, broken } in table {
        let each = took.as_secs_f64() / (*kills).max(1) as f64;
        println!("| {} | {kills} | {broken} | {each:.1} s |", point.name);
    }
    println!();
}

/// The binary that is killed, which has in it what it must have.
pub(crate) fn breakable() -> anyhow::Result<PathBuf> {
    let binary = cluster::beside("anshin-breakable")?;
    check_binaries(&binary)?;
    Ok(binary)
}

/// The binary that is killed must have every kill point in it; the one that ships, nothing of the
/// kind.
fn check_binaries(breakable: &Path) -> anyhow::Result<()> {
    let has = std::fs::read(breakable)?;
    for name in POINTS.iter().flat_map(|point| point.in_binary) {
        ensure!(contains(&has, name.as_bytes()), "`{name}` is not in {}", breakable.display());
    }
    let product = cluster::product()?;
    let ships = std::fs::read(&product)?;
    for name in ["ANSHIN_SABOTAGE", "ANSHIN_MUTANT", "kill point K", "mutant no "] {
        ensure!(contains(&has, name.as_bytes()), "`{name}` is not in {}", breakable.display());
        ensure!(!contains(&ships, name.as_bytes()), "`{name}` is in {}", product.display());
    }
    Ok(())
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == what[0]) {
        if rest[at..].starts_with(what) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
