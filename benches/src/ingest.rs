//! CPU of a webhook until Kafka has it, beside a bare handler on the same topic of the same broker,
//! in turns.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use load_tests::cluster::{self, Part};
use schemas::topic::Topic;
use storage::any::LogPlace;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    floor::Floor,
    sample::{cpu, median, ms},
    setting::{Servers, Setting},
    traffic::{Requests, Until, closed_loop},
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
const VISITORS: u64 = 20_000;
const VENUES: u64 = 512;

/// One turn of one of them.
struct Turn {
    micros: f64,
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Measures, and prints; the printed section.
pub async fn run(servers: &Servers, ingest: &Ingest) -> anyhow::Result<String> {
    let setting = Setting::open(servers).await?;
    let mut roles = setting.roles()?;
    let product = roles.process(Part::Ingest, 0)?;
    product.start()?;
    product.ready().await?;
    let at = product.listen;
    let product = product.pid().unwrap_or_default();

    let LogPlace::Kafka(brokers) = LogPlace::parse(&setting.config.log.url)? else {
        anyhow::bail!("the log is a Kafka")
    };
    let topic = setting.config.kafka.log(brokers).topic(Topic::Scans);
    let listen = cluster::free_address()?;
    let address = listen.to_string();
    let floor = Floor::start(&[
        "floor-handler",
        "--listen",
        &address,
        "--kafka",
        &servers.kafka,
        "--topic",
        &topic,
    ])?;
    while TcpStream::connect(listen).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let places = server::keys::read_places(&setting.config.keys.places_file)?;
    let requests = Arc::new(Requests::make(&places, VISITORS, VENUES)?);
    let contestants = [(at, product), (listen, floor.pid())];
    for (address, _) in contestants {
        closed_loop(address, &requests, ingest.connections, Until::AllSent).await?;
    }
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for round in 0..ingest.rounds {
        // Who comes first has the colder machine.
        for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (address, pid) = contestants[who];
            turns[who].push(turn(ingest, address, pid, &requests).await?);
        }
    }
    let of = |who: usize, what: fn(&Turn) -> f64| median(turns[who].iter().map(what));
    let ratio =
        median(turns[0].iter().zip(&turns[1]).map(|(ours, floor)| ours.micros / floor.micros));
    let line = |name: &str, who: usize| {
        format!(
            "| {name} | {:.1} | {:.0} | {:.2} | {:.2} |\n",
            of(who, |turn| turn.micros),
            of(who, |turn| turn.rate),
            of(who, |turn| turn.p50),
            of(who, |turn| turn.p99),
        )
    };
    let text = format!(
        "## A webhook until Kafka has it\n\n{} connections, acks=all; {} turns of {} s each, medians.\n\n\
         | | CPU of a webhook, µs | webhooks/s | p50, ms | p99, ms |\n|---|---|---|---|---|\n{}{}\n\
         Ratio of CPU: {ratio:.2} (bar 1.25)\n",
        ingest.connections,
        ingest.rounds,
        ingest.seconds,
        line("`anshin ingest`", 0),
        line("axum, HMAC, serde_json, FutureProducer", 1),
    );
    print!("{text}");
    drop(floor);
    Ok(text)
}

async fn turn(
    ingest: &Ingest,
    address: SocketAddr,
    pid: u32,
    requests: &Arc<Requests>,
) -> anyhow::Result<Turn> {
    let (before, begun) = (cpu(pid)?, Instant::now());
    let until = Until::Over(Duration::from_secs(ingest.seconds));
    let load = closed_loop(address, requests, ingest.connections, until).await?;
    let (took, used) = (begun.elapsed(), cpu(pid)?.saturating_sub(before));
    let answered = load.answered as f64;
    Ok(Turn {
        micros: used.as_secs_f64() * 1e6 / answered,
        rate: answered / took.as_secs_f64(),
        p50: ms(&load.latency, 0.5),
        p99: ms(&load.latency, 0.99),
    })
}
