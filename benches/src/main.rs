//! `anshin-bench`: the product measured beside the least that could do the same work, in one run on
//! one machine. What counts is the ratio: these figures come with whatever else the machine does.
//!
//! | module | what is measured | beside |
//! |---|---|---|
//! | [`ingest`] | CPU of a signed webhook until Kafka has it | a bare handler ([`floor::handler`]) |
//! | [`processor`] | rows a second and CPU of a row, Kafka → Cassandra | a bare loop ([`floor::pump`]) |
//! | [`window`] | the scan of one hour of one place in a large table | the same in a small one |
//! | [`visible`] | from a webhook to its rows, everything at work | nothing: the rate is raised |
//! | [`sample`] | CPU time of processes, quantiles, medians | |
//! | [`traffic`] | signed requests from many connections | |
#![allow(clippy::print_stdout)]

mod floor;
mod ingest;
mod processor;
mod sample;
mod setting;
mod traffic;
mod visible;
mod window;

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::setting::Servers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures anshin on a Kafka and a CQL store that are there, beside the least that could do the
/// same.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything, one after the other.
    All {
        #[command(flatten)]
        servers: Servers,
        /// Writes the results there too.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// CPU of a webhook until Kafka has it.
    Ingest {
        #[command(flatten)]
        servers: Servers,
        #[command(flatten)]
        ingest: ingest::Ingest,
    },
    /// Rows a second and CPU of a row, from Kafka to the store.
    Processor {
        #[command(flatten)]
        servers: Servers,
        #[command(flatten)]
        processor: processor::Processor,
    },
    /// The scan of one hour of one place, in a large table and in a small one.
    Window {
        #[command(flatten)]
        servers: Servers,
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
        Command::All { servers, out } => {
            let mut report = setting::machine()?;
            // The table of 20 million rows comes last: its server is not what it was.
            for section in [
                ingest::run(&servers, &ingest::Ingest::default()).await?,
                processor::run(&servers, &processor::Processor::default()).await?,
                visible::run(&servers, &visible::Visible::default()).await?,
                window::run(&servers, &window::Window::default()).await?,
            ] {
                write!(report, "\n{section}")?;
            }
            if let Some(out) = out {
                std::fs::write(out, report)?;
            }
        }
        Command::Ingest { servers, ingest } => drop(ingest::run(&servers, &ingest).await?),
        Command::Processor { servers, processor } => {
            drop(processor::run(&servers, &processor).await?);
        }
        Command::Window { servers, window } => drop(window::run(&servers, &window).await?),
        Command::Visible { servers, visible } => drop(visible::run(&servers, &visible).await?),
        Command::FloorHandler(handler) => floor::handler::run(handler).await?,
        Command::FloorPump(pump) => floor::pump::run(pump).await?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
