//! CPU of a webhook until the log has it, beside a bare handler with a log of the same kind, in
//! turns: on Kafka (the same topic of the same broker) and in data directories.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use load_tests::cluster::{self, Cluster, Part};
use schemas::topic::Topic;
use storage::any::LogPlace;
use tempfile::TempDir;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    floor::Floor,
    sample::{cpu, median, ms},
    setting::{Servers, Setting},
    traffic::{Pace, Requests, Until, load},
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Ingest {
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = Self::default().connections)]
    connections: usize,
    /// Turns of each.
    #[arg(long, default_value_t = Self::default().rounds)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u64,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { connections: 64, rounds: 7, seconds: 6 }
    }
}

/// Different visitors. The product knows them after the first turn: what it tells the log about each
/// of them once a day is not in these figures.
pub const VISITORS: u64 = 20_000;
/// The places where they check in.
pub const VENUES: u64 = 512;

/// One turn of one process.
pub struct Turn {
    /// Requests answered, all of them with 200.
    pub answered: u64,
    /// CPU of a webhook, µs.
    pub micros: f64,
    /// Webhooks a second.
    pub rate: f64,
    /// ms.
    pub p50: f64,
    /// ms.
    pub p99: f64,
}

impl Turn {
    /// Drives a process for so long over so many connections.
    pub async fn of(
        (address, pid): (SocketAddr, u32),
        requests: &Arc<Requests>,
        connections: usize,
        pace: Pace,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let (before, begun) = (cpu(pid)?, Instant::now());
        let until = Until::Over(Duration::from_secs(seconds));
        let load = load(address, requests, connections, pace, until).await?;
        let (took, used) = (begun.elapsed(), cpu(pid)?.saturating_sub(before));
        Ok(Self {
            answered: load.answered,
            micros: used.as_secs_f64() * 1e6 / load.answered as f64,
            rate: load.answered as f64 / took.as_secs_f64(),
            p50: ms(&load.latency, 0.5),
            p99: ms(&load.latency, 0.99),
        })
    }
}

/// Both at work: the product, then the bare handler.
struct Pair {
    contestants: [(SocketAddr, u32); 2],
    requests: Arc<Requests>,
    _roles: Cluster,
    _floor: Floor,
    _dirs: Vec<TempDir>,
}

/// Measures on Kafka, and prints; the printed section.
pub async fn on_kafka(servers: &Servers, ingest: &Ingest) -> anyhow::Result<String> {
    let setting = Setting::open(servers).await?;
    let LogPlace::Kafka(brokers) = LogPlace::parse(&setting.config.log.url)? else {
        anyhow::bail!("the log is a Kafka")
    };
    let topic = setting.config.kafka.log(brokers).topic(Topic::Scans);
    let pair = Pair::start(setting, &["--kafka", &servers.kafka, "--topic", &topic]).await?;
    let turns = pair.turns(ingest, Pace::Closed).await?;
    let mut text = format!(
        "## A webhook until Kafka has it\n\n{} connections, acks=all; {} turns of {} s each, medians.\n\n{HEAD}",
        ingest.connections, ingest.rounds, ingest.seconds,
    );
    text += &lines(&turns, "`anshin ingest`", "axum, HMAC, serde_json, FutureProducer");
    text += &format!("\nRatio of CPU: {:.2} (bar 1.25)\n", ratio(&turns, |turn| turn.micros));
    print!("{text}");
    Ok(text)
}

/// Measures in data directories, and prints; the printed section.
pub async fn embedded(ingest: &Ingest) -> anyhow::Result<String> {
    let dir = tempfile::Builder::new().prefix("anshin-bench-").tempdir()?;
    let data = dir.path().join("data").display().to_string();
    let mut pair = Pair::start(Setting::embedded()?, &["--dir", &data]).await?;
    pair._dirs.push(dir);
    let mut text = format!(
        "## A webhook until the embedded log has it\n\n{} connections; {} turns of {} s each, medians.\n",
        ingest.connections, ingest.rounds, ingest.seconds,
    );
    for (pace, name, bar) in [
        (Pace::Closed, "Closed loop", 1.2),
        (Pace::Open(1_000), "1,000 a second, open loop", 1.3),
        (Pace::Open(5_000), "5,000 a second, open loop", 1.3),
    ] {
        let turns = pair.turns(ingest, pace).await?;
        text += &format!("\n{name}:\n\n{HEAD}");
        text += &lines(&turns, "`anshin ingest`", "axum, HMAC, serde_json, the same log");
        let micros = ratio(&turns, |turn| turn.micros);
        text += &format!("\nRatio of CPU: {micros:.2} (bar {bar})");
        if pace != Pace::Closed {
            text += &format!("; of p99: {:.2} (bar 2)", ratio(&turns, |turn| turn.p99));
        }
        text.push('\n');
    }
    print!("{text}");
    Ok(text)
}

const HEAD: &str =
    "| | CPU of a webhook, µs | webhooks/s | p50, ms | p99, ms |\n|---|---|---|---|---|\n";

fn lines(turns: &[Vec<Turn>; 2], ours: &str, floor: &str) -> String {
    let line = |name: &str, turns: &[Turn]| {
        let of = |what: fn(&Turn) -> f64| median(turns.iter().map(what));
        format!(
            "| {name} | {:.1} | {:.0} | {:.2} | {:.2} |\n",
            of(|turn| turn.micros),
            of(|turn| turn.rate),
            of(|turn| turn.p50),
            of(|turn| turn.p99),
        )
    };
    line(ours, &turns[0]) + &line(floor, &turns[1])
}

/// The median of what ours is to the other's in the same round.
fn ratio([ours, floor]: &[Vec<Turn>; 2], what: fn(&Turn) -> f64) -> f64 {
    median(ours.iter().zip(floor).map(|(ours, floor)| what(ours) / what(floor)))
}

impl Pair {
    /// Starts both; the bare handler with these arguments.
    async fn start(setting: Setting, log: &[&str]) -> anyhow::Result<Self> {
        let mut roles = setting.roles()?;
        let product = roles.process(Part::Ingest, 0)?;
        product.start()?;
        product.ready().await?;
        let ours = (product.listen, product.pid().unwrap_or_default());

        let listen = cluster::free_address()?;
        let address = listen.to_string();
        let floor = Floor::start(&[&["floor-handler", "--listen", &address], log].concat())?;
        while TcpStream::connect(listen).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let places = server::keys::read_places(&setting.config.keys.places_file)?;
        Ok(Self {
            contestants: [ours, (listen, floor.pid())],
            requests: Arc::new(Requests::make(&places, VISITORS, VENUES)?),
            _roles: roles,
            _floor: floor,
            _dirs: vec![setting.dir],
        })
    }

    /// Each is warmed, then they take turns.
    async fn turns(&self, ingest: &Ingest, pace: Pace) -> anyhow::Result<[Vec<Turn>; 2]> {
        for (address, _) in self.contestants {
            load(address, &self.requests, ingest.connections, Pace::Closed, Until::AllSent).await?;
        }
        let mut turns: [Vec<Turn>; 2] = Default::default();
        for round in 0..ingest.rounds {
            // Who comes first has the colder machine.
            for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (connections, seconds) = (ingest.connections, ingest.seconds);
                let process = self.contestants[who];
                let turn = Turn::of(process, &self.requests, connections, pace, seconds).await?;
                turns[who].push(turn);
            }
        }
        Ok(turns)
    }
}
