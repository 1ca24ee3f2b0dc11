//! Tests of the tests: each promise broken on purpose, which has to be noticed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::time::Instant;

use super::{breakable, points::POINTS, town::World, trial};
use crate::scratch;

/// A promise that is broken on purpose.
struct Mutant {
    /// As `storage::sabotage` has it.
    name: &'static str,
    /// Where it is killed to show it: a kill point, by its short name.
    point: &'static str,
    /// What the judge has to say.
    noticed: &'static str,
}

/// All of them.
const MUTANTS: &[Mutant] = &[
    Mutant { name: "acknowledge before fsync", point: "K5", noticed: "lost: the scan" },
    Mutant { name: "commit before write", point: "K10", noticed: "lost: the scan" },
    Mutant { name: "key stored after send", point: "N7", noticed: "told 2 times" },
    Mutant { name: "random key", point: "K24", noticed: "told 2 times" },
    Mutant { name: "no first-attempt stamp", point: "N7", noticed: "told 2 times" },
    Mutant { name: "no 24 h guard", point: "N7", noticed: "told 2 times" },
    Mutant { name: "send from an unsealed plan", point: "K19", noticed: "told 2 times" },
    Mutant { name: "governor per process", point: "I6", noticed: "faster than" },
    Mutant { name: "no signature check", point: "K2", noticed: "a forged webhook" },
    Mutant { name: "dedupe on the pseudonym", point: "J5", noticed: "told 2 times" },
];

/// Which, with which chance.
#[derive(Clone, Debug, Args)]
pub struct Mutants {
    /// Only those whose names begin so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Decides who goes where; another one each time otherwise.
    #[arg(long, default_value_t = rand::random_range(1..1_000_000))]
    pub seed: u64,
    /// Keeps directories and logs there (a new directory); otherwise they are kept in a temporary one
    /// where a mutant survives.
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// A mutant that is not noticed by chance is tried so often.
const TRIALS: usize = 3;

/// Tries each; whether all were noticed.
pub async fn run(mutants: &Mutants) -> anyhow::Result<bool> {
    let binary = breakable()?;
    scratch::work_in(mutants.dir.as_deref(), async |dir| in_dir(mutants, &binary, dir).await).await
}

#[allow(clippy::print_stdout)]
async fn in_dir(mutants: &Mutants, binary: &Path, dir: &Path) -> anyhow::Result<bool> {
    let begun = Instant::now();
    println!("seed {}", mutants.seed);
    let asked = |mutant: &&Mutant| {
        let only = &mutants.only;
        only.is_empty() || only.iter().any(|name| mutant.name.starts_with(name.as_str()))
    };
    let (mut tried, mut survived) = (0, 0);
    println!("\n| mutant | killed at | noticed by |\n|---|---|---|");
    for mutant in MUTANTS.iter().filter(asked) {
        let noticed = notice(mutant, mutants.seed, binary, &dir.join(tried.to_string())).await?;
        tried += 1;
        survived += usize::from(noticed.is_none());
        let by = noticed.unwrap_or_else(|| "NOTHING: it survives".to_owned());
        println!("| {} | {} | {by} |", mutant.name, mutant.point);
    }
    ensure!(tried > 0, "no mutant has such a name");
    println!("\n{tried} mutants, {survived} survive; {:.0?}", begun.elapsed());
    Ok(survived == 0)
}

/// What the judge says of a mutant, where that is what it has to say.
async fn notice(
    mutant: &Mutant,
    seed: u64,
    binary: &Path,
    dir: &Path,
) -> anyhow::Result<Option<String>> {
    let mut world = World::open(dir, binary, seed, Some(mutant.name)).await?;
    let point = POINTS.iter().find(|point| point.short() == mutant.point);
    let point = point.context("a mutant names a point that there is not")?;
    for seed in (seed..).take(TRIALS) {
        let (_, broken) = trial(&mut world, point, seed).await?;
        let said = broken.into_iter().find(|what| what.contains(mutant.noticed));
        if said.is_some() {
            return Ok(said);
        }
    }
    Ok(None)
}
