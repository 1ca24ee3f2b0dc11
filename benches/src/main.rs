//! `anshin-bench`: the product measured beside the least that could do the same work, in one run on
//! one machine. What counts is the ratio: these figures come with whatever else the machine does.
//!
//! | module | what is measured | beside |
//! |---|---|---|
//! | [`ingest`] | CPU of a signed webhook until the log has it: Kafka, a data directory | a bare handler ([`floor::handler`]) |
//! | [`append`] | durable appends to the embedded log | a bare group commit |
//! | [`processor`] | rows a second and CPU of a row, Kafka → Cassandra | a bare loop ([`floor::pump`]) |
//! | [`window`] | the scan of one hour of one place in a large table | the same in a small one |
//! | [`idle`] | how others are served beside 10,000 idle connections, and slow bodies | nothing beside them |
//! | [`peers`] | CPU of a signed webhook until Kafka has it | what others would write, in Go and Node |
//! | [`alerts`] | a job for 300,000 people: its plan ([`plan`]), until LINE has accepted them ([`send`]) | bare reads of the same rows; the configured rate |
//! | [`micro`] | the steps of a webhook in memory, as criterion measured them (`benches/webhook.rs`) | HMAC alone, serde_json alone |
//! | [`visible`] | from a webhook to its rows, everything at work | nothing: the rate is raised |
//! | [`crowd`] | people who were at places, and their job | |
//! | [`sample`] | CPU time and memory of processes, quantiles, medians | |
//! | [`traffic`] | signed requests from many connections | |
#![allow(clippy::print_stdout)]

mod alerts;
mod append;
mod crowd;
mod floor;
mod idle;
mod ingest;
mod micro;
mod peers;
mod plan;
mod processor;
mod sample;
mod send;
mod setting;
mod traffic;
mod visible;
mod window;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::setting::{Place, Servers};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures anshin beside the least that could do the same: in data directories, or on a Kafka and a
/// CQL store that are there.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in data directories on this machine, one after the other.
    Embedded {
        #[command(flatten)]
        micro: micro::Micro,
        /// Writes the results there too.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Everything on servers, one after the other.
    Cluster {
        #[command(flatten)]
        servers: Servers,
        /// Writes the results there too.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// CPU of a webhook until the log has it.
    ///
    /// On servers where they are named, in data directories otherwise.
    Ingest {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        ingest: ingest::Ingest,
    },
    /// How others are served while very many connections are idle or slow.
    Idle {
        #[command(flatten)]
        idle: idle::Idle,
    },
    /// Durable appends to the embedded log.
    Append {
        #[command(flatten)]
        appends: append::Appends,
    },
    /// A job for 300,000 people: its plan, and until LINE has accepted everybody.
    Alerts {
        #[command(flatten)]
        alerts: alerts::Alerts,
    },
    /// The steps of a webhook in memory, as `cargo bench --package benches` measured them.
    Micro {
        #[command(flatten)]
        micro: micro::Micro,
    },
    /// Rows a second and CPU of a row, from Kafka to the store.
    Processor {
        #[command(flatten)]
        servers: Servers,
        #[command(flatten)]
        processor: processor::Processor,
    },
    /// The scan of one hour of one place, in a large table and in a small one.
    ///
    /// On servers where they are named, in data directories otherwise.
    Window {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        window: window::Window,
    },
    /// From a webhook to its rows, with every role at work.
    Visible {
        #[command(flatten)]
        servers: Servers,
        #[command(flatten)]
        visible: visible::Visible,
    },
    /// CPU of a webhook until Kafka has it, beside peers that `benches/peers/build` has built.
    Peers {
        #[command(flatten)]
        peers: peers::Peers,
        /// Writes the results there too.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// The bare handler.
    #[command(hide = true)]
    FloorHandler(floor::handler::Handler),
    /// The bare loop.
    #[command(hide = true)]
    FloorPump(floor::pump::Pump),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("anshin-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Embedded { micro, out } => {
            let machine = setting::machine("Measured on one machine", "make bench")?;
            let sections = [
                micro::run(&micro)?,
                ingest::embedded(&ingest::Ingest::default()).await?,
                idle::run(&idle::Idle::default()).await?,
                append::run(&append::Appends::default()).await?,
                window::embedded(&window::Window::default()).await?,
                alerts::run(&alerts::Alerts::default()).await?,
            ];
            report(machine, &sections, out)?;
        }
        Command::Cluster { servers, out } => {
            let machine = setting::machine("Measured on a cluster", "make bench-cluster")?;
            // The table of 20 million rows comes last: its server is not what it was.
            let sections = [
                ingest::on_kafka(&servers, &ingest::Ingest::default()).await?,
                processor::run(&servers, &processor::Processor::default()).await?,
                visible::run(&servers, &visible::Visible::default()).await?,
                window::on_cql(&servers, &window::Window::default()).await?,
            ];
            report(machine, &sections, out)?;
        }
        Command::Ingest { place, ingest } => drop(match place.servers() {
            Some(servers) => ingest::on_kafka(&servers, &ingest).await?,
            None => ingest::embedded(&ingest).await?,
        }),
        Command::Idle { idle } => drop(idle::run(&idle).await?),
        Command::Append { appends } => drop(append::run(&appends).await?),
        Command::Alerts { alerts } => drop(alerts::run(&alerts).await?),
        Command::Micro { micro } => drop(micro::run(&micro)?),
        Command::Processor { servers, processor } => {
            drop(processor::run(&servers, &processor).await?);
        }
        Command::Window { place, window } => drop(match place.servers() {
            Some(servers) => window::on_cql(&servers, &window).await?,
            None => window::embedded(&window).await?,
        }),
        Command::Visible { servers, visible } => drop(visible::run(&servers, &visible).await?),
        Command::Peers { peers, out } => {
            let machine = setting::machine("Measured beside peers", "make bench-peers")?;
            report(machine, &peers::run(&peers).await?, out)?;
        }
        Command::FloorHandler(handler) => floor::handler::run(handler).await?,
        Command::FloorPump(pump) => floor::pump::run(pump).await?,
    }
    Ok(())
}

/// What people write at the end of such a file, and the next measurement leaves there.
const TRIED: &str = "\n## What was tried\n";

/// Writes what was printed into a file, if there is to be one.
fn report(machine: String, sections: &[String], out: Option<PathBuf>) -> anyhow::Result<()> {
    if let Some(out) = out {
        let before = std::fs::read_to_string(&out).unwrap_or_default();
        let tried = before.find(TRIED).map_or("", |at| &before[at..]);
        let sections = sections.iter().map(|section| format!("\n{section}"));
        std::fs::write(out, machine + &sections.collect::<String>() + tried)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn what_runs_in_both_places_runs_on_servers_where_they_are_named() {
        // Whatever servers these tests run beside.
        let unset = |arg: clap::Arg| arg.env(None::<&str>);
        let command = super::Cli::command().mut_subcommand("ingest", |ingest| {
            ingest.mut_arg("kafka", unset).mut_arg("cql", unset)
        });
        let servers = |arguments: &[&str]| {
            let arguments = [&["anshin-bench", "ingest"], arguments].concat();
            let matches = command.clone().try_get_matches_from(arguments).ok()?;
            match super::Cli::from_arg_matches(&matches).expect("it was parsed").command {
                super::Command::Ingest { place, .. } => Some(place.servers().is_some()),
                _ => None,
            }
        };
        assert_eq!(servers(&[]), Some(false));
        assert_eq!(servers(&["--kafka", "127.0.0.1:1", "--cql", "127.0.0.1:2"]), Some(true));
        assert_eq!(servers(&["--kafka", "127.0.0.1:1"]), None, "one without the other");
    }
}
