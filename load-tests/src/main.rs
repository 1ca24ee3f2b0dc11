//! `anshin-load`: everything that plays the outside world.
#![allow(clippy::print_stdout)]

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use load_tests::{
    conformance::{self, Conformance},
    corpus,
    crash::{
        self, Crash,
        mutants::{self, Mutants},
    },
    demo::{self, Demo},
    faults::{self, Faults},
    platform::{Channel, Platform},
    replay::{self, Replay},
    verify::{self, Record},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays the outside world of anshin: LINE, visitors, officials, and a judge who counts.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays a day on all roles in one process beside a stand-in for LINE, and counts.
    Demo(Demo),
    /// Breaks one thing at a time on a small cluster of its own, or (--embedded) in one process; names
    /// every broken promise.
    Faults(Faults),
    /// Kills a process that plays every role on a directory of its own, at kill points and at random
    /// moments, starts it again, and counts; names every broken promise.
    Crash(Crash),
    /// Breaks each promise on purpose, and looks whether that is noticed.
    Mutants(Mutants),
    /// Starts two processes of each role on a Kafka and a CQL store that are there, and a stand-in
    /// for LINE; leaves them up.
    Cluster(ClusterUp),
    /// Runs the stand-in for LINE.
    Line(Line),
    /// Sends signed webhooks as a scenario, a trace or a rate says, and measures.
    Replay(Box<Replay>),
    /// Checks the promises that the product relies on, on a Kafka or a CQL store of your own.
    Conformance(Conformance),
    /// Compares what a demo recorded with its data directory; names every difference.
    Verify(Verify),
    /// Keeps a little of what this version writes in load-tests/corpus, for later ones to read.
    Corpus,
}

#[derive(Args)]
struct ClusterUp {
    /// Kafka: `host:port,host:port`.
    #[arg(long)]
    kafka: String,
    /// The CQL store: `host:port,host:port`.
    #[arg(long)]
    cql: String,
    /// Copies that they make of everything.
    #[arg(long, default_value_t = 1)]
    copies: u8,
    /// Keeps keys, list of places, spools and logs there (a new directory).
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Args)]
struct Line {
    /// Where; a loopback address.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: std::net::SocketAddr,
    /// Decides which requests meet a fault.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct Verify {
    /// The directory that `demo --dir` kept.
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        // A driver whose server is killed on purpose has much to say.
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error,scylla=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            println!("anshin-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(demo) => {
            let played = demo::play(&demo).await?;
            let agrees = played.outcome.differences.is_empty();
            if demo.exit {
                played.end().await?;
            } else {
                played.stay_up().await?;
            }
            Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Faults(faults) => {
            let kept = faults::run(&faults).await?;
            Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Crash(crash) => {
            let kept = crash::run(&crash).await?;
            Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Mutants(all) => {
            let noticed = mutants::run(&all).await?;
            Ok(if noticed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Cluster(ClusterUp { kafka, cql, copies, dir }) => {
            demo::cluster_up(&demo::Servers::new(&kafka, &cql, copies), dir).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Conformance(conformance) => {
            conformance::run(&conformance).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Line(line) => {
            let channel = Channel::default();
            let platform = Platform::new(channel.clone(), line.seed);
            let serving = platform.serve(line.listen).await?;
            println!("a stand-in for LINE: line.api_url = \"{}\"", serving.url());
            println!("line.channel_id = \"{}\"", channel.id);
            println!("line.channel_secrets = [\"{}\"]", channel.secret);
            println!("line.bot_user_id = \"{}\"", channel.bot_user_id);
            println!(
                "steer it at {}/_standin/faults people clock quota webhook journal",
                serving.url()
            );
            tokio::signal::ctrl_c().await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(replay) => {
            if let Some(report) = replay::run(&replay).await? {
                print!("{report}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Corpus => {
            println!("made {}", corpus::make(&corpus::root()).await?.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(Verify { dir }) => {
            let record: Record = serde_json::from_slice(&std::fs::read(dir.join("record.json"))?)?;
            let data = dir.join("data");
            let config = storage::embedded::EmbeddedConfig::default();
            let embedded = storage::embedded::Embedded::open(&data, config).await?;
            let differences = verify::verify(&embedded.store(), &record).await?;
            embedded.close().await;
            for difference in &differences {
                println!("{difference}");
            }
            if differences.is_empty() {
                println!("agrees: {} scans", record.evidence().scans_acknowledged());
                return Ok(ExitCode::SUCCESS);
            }
            println!("{} differences", differences.len());
            Ok(ExitCode::FAILURE)
        }
    }
}
