//! The rows that need no cluster: one process with every role on a directory of its own, in the
//! surroundings that the crash harness has (`crash/town.rs`), judged as there.
//!
//! | module | what it does |
//! |---|---|
//! | `rows` | the faults, by the names of the fault matrix |
//! | `webhooks` | odd, repeated, forged ones, and too many |
//! | `attack` | connections that are slow, idle, or say two things at once |
//! | `records` | records that can't be read; visitors' answers |
//! | `disk` | disks that are full or damaged; backups |
//! | `officials` | jobs, by several officials at once |
//! | `planning` | plans while scans are on their way, keys and clocks change |
//! | `sending` | alerts while LINE refuses |
//! | `ending` | SIGTERM under traffic |

mod attack;
mod disk;
mod ending;
mod officials;
mod planning;
mod records;
mod rows;
mod sending;
mod webhooks;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use self::rows::{Binary, ROWS, Row, Surroundings};
use super::{Faults, SHOWN, Tried, print_table, wanted};
use crate::{
    cluster,
    crash::{
        self,
        points::POINTS,
        town::{Town, World},
    },
};

/// What a row works with.
struct Scene {
    /// The process with everything around it.
    world: World,
    /// Whether there is time for the long forms of faults.
    full: bool,
    /// Decides everything about this trial.
    seed: u64,
    /// What was measured, for whoever reads along.
    figures: Vec<String>,
}

impl Scene {
    fn town(&mut self) -> &mut Town {
        &mut self.world.town
    }

    fn say(&mut self, figure: String) {
        self.figures.push(figure);
    }

    /// Kills at kill points, each once; what they break is noted.
    async fn killed_at(&mut self, names: &[&str]) -> anyhow::Result<()> {
        for name in names {
            let point = POINTS.iter().find(|point| point.short() == *name);
            let point = point.context("a row names a kill point that there is not")?;
            let (_, broken) = crash::trial(&mut self.world, point, self.seed).await?;
            let broken = broken.into_iter().map(|what| format!("killed at {}: {what}", point.name));
            self.world.town.broken.extend(broken);
        }
        Ok(())
    }
}

/// How to try a row again.
fn again(row: &Row, seed: u64, full: bool) -> String {
    let name = row.name;
    match full {
        true => format!(r#"make faults FAULT_ARGS="--only '{name}' --trials 1 --seed {seed}""#),
        false => format!("anshin-load faults --embedded --only '{name}' --seed {seed}"),
    }
}

/// Chance of a trial: the same whatever ran before.
fn chance(row: &Row, seed: u64) -> StdRng {
    StdRng::from_seed(Sha256::digest(format!("{seed} embedded {}", row.name)).into())
}

/// The worlds that are open, and what was broken when others were closed.
struct Stage<'a> {
    dir: &'a Path,
    product: PathBuf,
    /// Found once a row asks for it.
    breakable: Option<PathBuf>,
    opened: usize,
    shared: [Option<World>; 2],
    broken: usize,
}

impl Stage<'_> {
    fn binary(&mut self, binary: Binary) -> anyhow::Result<PathBuf> {
        Ok(match (binary, &self.breakable) {
            (Binary::Product, _) => self.product.clone(),
            (Binary::Breakable, Some(found)) => found.clone(),
            (Binary::Breakable, None) => self.breakable.insert(crash::breakable()?).clone(),
        })
    }

    /// A world that nothing has happened in.
    async fn fresh(&mut self, row: &Row, seed: u64) -> anyhow::Result<World> {
        let dir = self.dir.join(self.opened.to_string());
        self.opened += 1;
        let binary = self.binary(row.binary)?;
        World::open(&dir, &binary, seed, None).await
    }

    /// The world of a trial.
    async fn take(&mut self, row: &Row, seed: u64) -> anyhow::Result<World> {
        if row.surroundings == Surroundings::Shared {
            match self.shared[row.binary as usize].take() {
                Some(world) if world.has_room_for(row.evenings) => return Ok(world),
                Some(world) => self.close(world).await?,
                None => {}
            }
        }
        self.fresh(row, seed).await
    }

    /// What becomes of it after the trial.
    async fn put_back(&mut self, row: &Row, world: World) -> anyhow::Result<()> {
        let stays = row.surroundings == Surroundings::Shared && !world.life.has_slept();
        match stays {
            true => self.shared[row.binary as usize] = Some(world),
            false => self.close(world).await?,
        }
        Ok(())
    }

    #[allow(clippy::print_stdout)]
    async fn close(&mut self, world: World) -> anyhow::Result<()> {
        let dir = world.town.dir.clone();
        for what in world.end().await? {
            println!("BROKEN: {what}");
            self.broken += 1;
        }
        // A long run would fill a disk. What is to be looked at is left.
        if self.broken == 0 {
            // One under which something is mounted goes with everything else, at the end.
            let _ = std::fs::remove_dir_all(dir);
        }
        Ok(())
    }
}

/// Runs the rows; whether every promise was kept.
#[allow(clippy::print_stdout)]
pub(super) async fn run(faults: &Faults, dir: &Path) -> anyhow::Result<bool> {
    let begun = Instant::now();
    println!("seed {}", faults.seed);
    attack::raise_limit_of_files();
    let mut stage = Stage {
        dir,
        product: cluster::product()?,
        breakable: None,
        opened: 0,
        shared: [None, None],
        broken: 0,
    };
    let mut table = Vec::new();
    for row in ROWS.iter().filter(|row| wanted(&faults.only, row.name)) {
        if row.surroundings == Surroundings::SmallDisk && !(faults.full && disk::can_mount(dir)) {
            println!("{}: left out: it needs --full, and leave to mount a file system", row.name);
            continue;
        }
        table.push(trials(&mut stage, row, faults).await?);
    }
    ensure!(!table.is_empty(), "no row has such a name");
    for world in std::mem::take(&mut stage.shared).into_iter().flatten() {
        stage.close(world).await?;
    }
    print_table(&table);
    let broken = stage.broken + table.iter().map(|tried| tried.broken).sum::<usize>();
    println!("{broken} broken promises; {:.0?}", begun.elapsed());
    Ok(broken == 0)
}

/// Runs one row as often as is wished.
#[allow(clippy::print_stdout)]
async fn trials(stage: &mut Stage<'_>, row: &Row, faults: &Faults) -> anyhow::Result<Tried> {
    let mut tried = Tried::new(row.name, row.fault);
    let count = faults.trials.unwrap_or(if faults.full { row.trials } else { 1 });
    let mut said = Instant::now();
    for seed in (faults.seed..).take(count) {
        let begun = Instant::now();
        let disk = match row.surroundings {
            Surroundings::SmallDisk => {
                Some(disk::SmallDisk::mount(&stage.dir.join(stage.opened.to_string()))?)
            }
            _ => None,
        };
        let lost = || format!("in {}; again: {}", row.name, again(row, seed, faults.full));
        let world = stage.take(row, seed).await.with_context(lost)?;
        let mut scene = Scene { world, full: faults.full, seed, figures: Vec::new() };
        scene.world.begin(chance(row, seed));
        let ran = (row.run)(&mut scene).await;
        let mut broken: Vec<String> = ran.err().map(|e| format!("{e:#}")).into_iter().collect();
        broken.extend(scene.world.judge().await.with_context(lost)?);
        tried.trials += 1;
        tried.took += begun.elapsed();
        tried.broken += broken.len();
        for figure in &scene.figures {
            println!("{}: {figure}", row.name);
        }
        for what in broken.iter().take(SHOWN) {
            println!("{}: BROKEN ({}): {what}", row.name, row.promise);
        }
        if broken.len() > SHOWN {
            println!("{}: BROKEN: and {} more", row.name, broken.len() - SHOWN);
        }
        if !broken.is_empty() {
            println!("{}: again: {}", row.name, again(row, seed, faults.full));
        }
        match broken.is_empty() {
            true => stage.put_back(row, scene.world).await.with_context(lost)?,
            // Nobody knows what state it is in: it is killed, and what it wrote is left.
            false => drop(scene),
        }
        drop(disk);
        if said.elapsed() >= crash::SAY_EVERY && tried.trials < count {
            said = Instant::now();
            println!(
                "{}: {} of {count} trials, {} broken promises",
                row.name, tried.trials, tried.broken
            );
        }
    }
    println!(
        "{}: {}: {} trials, {:.1?}, {} broken promises",
        tried.name, tried.fault, tried.trials, tried.took, tried.broken
    );
    Ok(tried)
}
