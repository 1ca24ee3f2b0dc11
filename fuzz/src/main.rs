//! `anshin-fuzz`: runs each target for so many seconds; keeps an input that breaks a promise.
#![allow(clippy::print_stdout)]

use std::{
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use clap::Parser;
use fuzz::{run::run, targets};

/// Changes real inputs at random, and looks whether the product's readers bear them.
#[derive(Parser)]
struct Cli {
    /// Only this target.
    #[arg(long)]
    only: Option<String>,
    /// For so long each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which inputs; from the clock if not said.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seed = cli.seed.unwrap_or(now);
    let mut code = ExitCode::SUCCESS;
    for target in targets::all() {
        if cli.only.as_ref().is_some_and(|only| only != target.name) {
            continue;
        }
        let begun = Instant::now();
        let ran = run(&target, seed, |_| begun.elapsed() < Duration::from_secs(cli.seconds));
        let (name, executions, kept) = (target.name, ran.executions, ran.kept);
        println!("{name:<12} seed {seed}  {executions:>9} executions  {kept:>5} inputs kept");
        if let Some(input) = ran.broken {
            match target.keep(&input) {
                Ok(path) => println!(
                    "a promise is broken; the input is in {}, and every run tries it first:\n  \
                     cargo run -p fuzz -- --only {name} --seconds 0",
                    path.display()
                ),
                Err(error) => println!("a promise is broken, and its input can't be kept: {error}"),
            }
            code = ExitCode::FAILURE;
        }
    }
    code
}
