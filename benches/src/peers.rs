//! CPU of a webhook until Kafka has it, beside what others would write: the same requests, a topic
//! each on the same broker, acks=all, 200 only after the acknowledgement, in turns.
//!
//! | module | what |
//! |---|---|
//! | [`process`] | how a peer is started |
//! | [`topics`] | where its records go, and whether all are there |
//!
//! A new peer is a directory under `benches/peers` that its `build` builds, and a line in [`PEERS`].

mod process;
mod topics;

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use clap::Args;
use load_tests::{
    children::Children,
    cluster::{Cluster, Part},
};
use schemas::topic::Topic;
use storage::any::LogPlace;

use self::process::Process;
use crate::{
    ingest::{Turn, VENUES, VISITORS},
    sample::{cpu, median},
    setting::Setting,
    traffic::{Pace, Requests, Until, load, status},
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Peers {
    /// Brokers of Kafka, `host:port,host:port`.
    #[arg(long, env = "ANSHIN_TEST_KAFKA")]
    kafka: String,
    /// The process id of the broker, where it is one of this machine: its CPU is told, too.
    #[arg(long, env = "ANSHIN_TEST_KAFKA_PID")]
    kafka_pid: Option<u32>,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Turns of each.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Requests a second of the open loop.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
}

/// One of those that ours is measured beside.
struct Peer {
    name: &'static str,
    /// Under `benches/peers`, or this binary with arguments of its own.
    program: Option<&'static str>,
    arguments: &'static [&'static str],
    topic: &'static str,
    /// What our CPU may be of its, at most.
    bar: f64,
}

const PEERS: [Peer; 4] = [
    Peer {
        name: "floor: axum, HMAC, serde_json, FutureProducer",
        program: None,
        arguments: &["floor-handler"],
        topic: "peer-floor",
        bar: 1.2,
    },
    Peer {
        name: "Go without LINE's SDK",
        program: Some("go/bin/plain"),
        arguments: &[],
        topic: "peer-go-plain",
        bar: 0.9,
    },
    Peer {
        name: "Go with LINE's SDK",
        program: Some("go/bin/line-sdk"),
        arguments: &[],
        topic: "peer-go-line-sdk",
        bar: 0.45,
    },
    Peer {
        name: "Node with LINE's SDK, express",
        program: Some("node/run"),
        arguments: &[],
        topic: "peer-node",
        bar: 0.12,
    },
];

/// One that takes turns.
struct Contestant {
    name: &'static str,
    bar: Option<f64>,
    process: (SocketAddr, u32),
    topic: String,
    made_of: String,
    /// Requests that it answered 200, all told.
    answered: u64,
}

/// All at work.
struct Field {
    contestants: Vec<Contestant>,
    requests: Arc<Requests>,
    _roles: Cluster,
    _processes: Vec<Process>,
    _children: Children,
    _setting: Setting,
}

/// A turn, and what it cost the broker.
struct Beside {
    turn: Turn,
    broker: f64,
}

/// Measures, and prints; the printed sections.
pub async fn run(peers: &Peers) -> anyhow::Result<Vec<String>> {
    let mut field = Field::start(&peers.kafka).await?;
    field.check_signatures().await?;
    field.warm(peers.connections).await?;
    let mut sections = Vec::new();
    for (pace, load) in [
        (Pace::Closed, format!("closed loop at {} connections", peers.connections)),
        (Pace::Open(peers.rate), format!("open loop, {} a second", peers.rate)),
    ] {
        let turns = field.turns(peers, pace).await?;
        let text = format!(
            "## A webhook until Kafka has it: {load}\n\n\
             acks=all, one broker; {} turns of {} s each, in turns; medians.\n\n{}",
            peers.rounds,
            peers.seconds,
            field.table(&turns),
        );
        print!("{text}");
        sections.push(text);
    }
    let text = field.checked(&peers.kafka).await?;
    print!("{text}");
    sections.push(text);
    Ok(sections)
}

impl Field {
    async fn start(kafka: &str) -> anyhow::Result<Self> {
        let setting = Setting::on_kafka(kafka).await?;
        let LogPlace::Kafka(brokers) = LogPlace::parse(&setting.config.log.url)? else {
            anyhow::bail!("the log is a Kafka")
        };
        let log = setting.config.kafka.log(brokers);
        let mut roles = setting.roles()?;
        let product = roles.process(Part::Ingest, 0)?;
        product.start()?;
        product.ready().await?;
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        let mut contestants = vec![Contestant {
            name: "`anshin ingest`",
            bar: None,
            process: (product.listen, product.pid().context("it runs")?),
            topic: log.topic(Topic::Scans),
            made_of: format!("anshin {}, librdkafka {librdkafka}", env!("CARGO_PKG_VERSION")),
            answered: 0,
        }];
        let partitions = i32::from(Topic::Scans.partitions());
        let (children, mut processes) = (Children::new()?, Vec::new());
        for peer in &PEERS {
            let topic = format!("{}{}", log.prefix, peer.topic);
            topics::make(kafka, &topic, partitions).await?;
            let program = match peer.program {
                Some(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(path),
                None => std::env::current_exe()?,
            };
            let records = (kafka, topic.as_str());
            let process = Process::start(&children, &program, peer.arguments, records).await?;
            contestants.push(Contestant {
                name: peer.name,
                bar: Some(peer.bar),
                process: (process.listen, process.pid()),
                topic,
                made_of: process.made_of.clone(),
                answered: 0,
            });
            processes.push(process);
        }
        let places = server::keys::read_places(&setting.config.keys.places_file)?;
        Ok(Self {
            contestants,
            requests: Arc::new(Requests::make(&places, VISITORS, VENUES)?),
            _roles: roles,
            _processes: processes,
            _children: children,
            _setting: setting,
        })
    }

    /// Whoever takes a wrong signature does less than the work.
    async fn check_signatures(&self) -> anyhow::Result<()> {
        let forged = self.requests.forged();
        for contestant in &self.contestants {
            let status = status(contestant.process.0, &forged).await?;
            let refused = matches!(status, 401 | 403);
            ensure!(refused, "{} answers {status} to a wrong signature", contestant.name);
        }
        Ok(())
    }

    /// Twice: the first time warms the broker, too.
    async fn warm(&mut self, connections: usize) -> anyhow::Result<()> {
        for _ in 0..2 {
            for contestant in &mut self.contestants {
                let (address, requests) = (contestant.process.0, &self.requests);
                let load = load(address, requests, connections, Pace::Closed, Until::AllSent);
                let load = load.await.with_context(|| contestant.name)?;
                contestant.answered += load.answered;
            }
        }
        Ok(())
    }

    /// The turns of each.
    async fn turns(&mut self, peers: &Peers, pace: Pace) -> anyhow::Result<Vec<Vec<Beside>>> {
        let broker = || peers.kafka_pid.map(cpu).transpose();
        let among = self.contestants.len();
        let mut turns: Vec<Vec<Beside>> = (0..among).map(|_| Vec::new()).collect();
        for round in 0..peers.rounds {
            // Each comes first in its turn: who does has the colder machine.
            for who in (0..among).map(|n| (n + round) % among) {
                let contestant = &mut self.contestants[who];
                let (process, seconds) = (contestant.process, peers.seconds);
                let before = broker()?;
                let turn = Turn::of(process, &self.requests, peers.connections, pace, seconds);
                let turn = turn.await.with_context(|| contestant.name)?;
                let used = before.zip(broker()?).map(|(from, to)| to.saturating_sub(from));
                let used = used.map_or(f64::NAN, |used| used.as_secs_f64() * 1e6);
                contestant.answered += turn.answered;
                turns[who].push(Beside { broker: used / turn.answered as f64, turn });
            }
        }
        Ok(turns)
    }

    fn table(&self, turns: &[Vec<Beside>]) -> String {
        let mut text = "| | CPU of a webhook, µs | ours ÷ its | bar | CPU of the broker, µs | webhooks/s | p50, ms | p99, ms |\n|---|---|---|---|---|---|---|---|\n".to_owned();
        for (contestant, own) in self.contestants.iter().zip(turns) {
            let of = |what: fn(&Beside) -> f64| median(own.iter().map(what));
            let rounds = turns[0].iter().zip(own);
            let ratio = median(rounds.map(|(ours, its)| ours.turn.micros / its.turn.micros));
            let (ratio, bar) = match contestant.bar {
                Some(bar) => (format!("{ratio:.2}"), format!("≤ {bar}")),
                None => Default::default(),
            };
            text += &format!(
                "| {} | {:.1} | {ratio} | {bar} | {:.1} | {:.0} | {:.2} | {:.2} |\n",
                contestant.name,
                of(|beside| beside.turn.micros),
                of(|beside| beside.broker),
                of(|beside| beside.turn.rate),
                of(|beside| beside.turn.p50),
                of(|beside| beside.turn.p99),
            );
        }
        text
    }

    /// Whether each did the work, and what it is made of.
    async fn checked(&self, kafka: &str) -> anyhow::Result<String> {
        // More than that: a record whose acknowledgement was late goes out a second time.
        let mut text = "## What took part\n\nEach refused a wrong signature, and its topic has no fewer records than it answered 200.\n\n| | made of | answered 200 | records |\n|---|---|---|---|\n".to_owned();
        for Contestant { name, topic, made_of, answered, .. } in &self.contestants {
            let records = topics::records(kafka, topic, *answered).await;
            let records = records.with_context(|| *name)?;
            text += &format!("| {name} | {made_of} | {answered} | {records} |\n");
        }
        Ok(text)
    }
}
