//! Rows a second and CPU of a row, from Kafka to the store, beside a bare loop over the same two
//! clients, which writes the same rows in the same batches to tables of its own; in turns.
//!
//! Each process is stopped while its topic is filled, and measured from the moment it goes on until
//! its group has committed the last record.

use std::{process::Command, time::Duration};

use anyhow::ensure;
use bytes::Bytes;
use clap::Args;
use load_tests::cluster::{Cluster, Part};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use schemas::{
    identity::{Pseudonym, SEALED_ID_BYTES, SealedId},
    ids::{EventId, MessageHash, VenueId},
    place_code::Issue,
    scan::Scan,
    topic::Topic,
    wire::WireRecord,
};
use server::backends::Backends;
use storage::{
    Append, Group, Log,
    any::{LogPlace, StorePlace},
};
use tokio::time::Instant;

use crate::{
    floor::Floor,
    sample::{cpu, median},
    setting::{self, Servers, Setting},
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Processor {
    /// Scans of a turn; each makes two rows.
    #[arg(long, default_value_t = Self::default().scans)]
    scans: usize,
    /// Turns of each.
    #[arg(long, default_value_t = Self::default().rounds)]
    rounds: usize,
}

impl Default for Processor {
    fn default() -> Self {
        Self { scans: 40_000, rounds: 5 }
    }
}

/// How many places the scans are at, one after the other.
const VENUES: [u64; 2] = [16, 512];
/// Before the first turn, so that everybody has joined.
const WARM_UP: usize = 20_000;
/// Longer than that, a turn has gone wrong.
const PATIENCE: Duration = Duration::from_secs(300);

/// One of the two, with topics and tables of its own.
struct Contestant {
    backends: Backends,
    pid: u32,
    _roles: Option<Cluster>,
    _floor: Option<Floor>,
    _setting: Setting,
}

/// One turn of one of them.
struct Turn {
    rate: f64,
    micros: f64,
}

/// Measures, and prints; the printed section.
pub async fn run(servers: &Servers, processor: &Processor) -> anyhow::Result<String> {
    let contestants = [product(servers).await?, floor(servers).await?];
    let mut text = format!(
        "## From Kafka to Cassandra\n\n{} scans a turn, two rows each; {} turns, medians.\n\n\
         | places | | rows/s | CPU of a row, µs | ratio of rate (bar 0.9) | ratio of CPU (bar 1.3) |\n\
         |---|---|---|---|---|---|\n",
        processor.scans, processor.rounds,
    );
    let mut rng = StdRng::seed_from_u64(1);
    for contestant in &contestants {
        contestant.fill(WARM_UP, 64, &mut rng).await?;
        contestant.done().await?;
    }
    for venues in VENUES {
        let mut turns: [Vec<Turn>; 2] = Default::default();
        // The first turns are not counted: Cassandra compiles what these rows need.
        for round in 0..=processor.rounds {
            for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let turn = contestants[who].turn(processor.scans, venues, &mut rng).await?;
                if round > 0 {
                    turns[who].push(turn);
                }
            }
        }
        let [ours, floor] = &turns;
        let of = |turns: &[Turn], what: fn(&Turn) -> f64| median(turns.iter().map(what));
        let ratio = |what: fn(&Turn) -> f64| {
            median(ours.iter().zip(floor).map(|(ours, floor)| what(ours) / what(floor)))
        };
        text += &format!(
            "| {venues} | `anshin processor` | {:.0} | {:.1} | {:.2} | {:.2} |\n| | bare loop | {:.0} | {:.1} | | |\n",
            of(ours, |turn| turn.rate),
            of(ours, |turn| turn.micros),
            ratio(|turn| turn.rate),
            ratio(|turn| turn.micros),
            of(floor, |turn| turn.rate),
            of(floor, |turn| turn.micros),
        );
    }
    print!("{text}");
    Ok(text)
}

async fn product(servers: &Servers) -> anyhow::Result<Contestant> {
    let setting = Setting::open(servers).await?;
    let mut roles = setting.roles()?;
    let process = roles.process(Part::Processor, 0)?;
    process.start()?;
    process.ready().await?;
    let pid = process.pid().unwrap_or_default();
    let backends = server::backends::open_or_reach(&setting.config).await?;
    Ok(Contestant { backends, pid, _roles: Some(roles), _floor: None, _setting: setting })
}

async fn floor(servers: &Servers) -> anyhow::Result<Contestant> {
    let setting = Setting::open(servers).await?;
    let (LogPlace::Kafka(brokers), StorePlace::Cql(_, keyspace)) =
        (LogPlace::parse(&setting.config.log.url)?, StorePlace::parse(&setting.config.store.url)?)
    else {
        anyhow::bail!("log and store are a Kafka and a CQL store")
    };
    let topic = setting.config.kafka.log(brokers).topic(Topic::Scans);
    // The product's name for it, so that both are watched in the same way.
    let group = format!("{}processor.scans", setting.config.kafka.prefix);
    let floor = Floor::start(&[
        "floor-pump",
        "--kafka",
        &servers.kafka,
        "--topic",
        &topic,
        "--group",
        &group,
        "--cql",
        &servers.cql,
        "--keyspace",
        &keyspace,
    ])?;
    let pid = floor.pid();
    let backends = server::backends::open_or_reach(&setting.config).await?;
    Ok(Contestant { backends, pid, _roles: None, _floor: Some(floor), _setting: setting })
}

impl Contestant {
    async fn turn(&self, scans: usize, venues: u64, rng: &mut StdRng) -> anyhow::Result<Turn> {
        self.signal("STOP")?;
        self.fill(scans, venues, rng).await?;
        let before = cpu(self.pid)?;
        let begun = Instant::now();
        self.signal("CONT")?;
        self.done().await?;
        let (took, used) = (begun.elapsed(), cpu(self.pid)?.saturating_sub(before));
        let rows = (scans * 2) as f64;
        Ok(Turn { rate: rows / took.as_secs_f64(), micros: used.as_secs_f64() * 1e6 / rows })
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status()?;
        ensure!(sent.success(), "{name} can't be sent");
        Ok(())
    }

    /// Appends scans of so many places in turn, of people never seen before, in the hour that is.
    async fn fill(&self, scans: usize, venues: u64, rng: &mut StdRng) -> anyhow::Result<()> {
        let hour = setting::now().hour().start();
        let appends: Vec<Append> = (0..scans as u64)
            .map(|n| {
                let scanned_at = hour.plus(i64::try_from(n % 3_600_000).unwrap_or_default());
                let sealed: [u8; SEALED_ID_BYTES] = rng.random();
                let scan = Scan {
                    event: EventId::parse("01FZ74A0TDDPYRVKNK77XKC3ZR")?,
                    message: MessageHash(rng.random()),
                    venue: VenueId::from_u64(n % venues + 1),
                    issue: Issue(1),
                    scanned_at,
                    received_at: scanned_at,
                    pseudonym: Pseudonym(rng.random()),
                    sealed: SealedId(Bytes::copy_from_slice(&sealed)),
                    epoch: scanned_at.epoch(),
                    reply_token: None,
                };
                Ok(Append { topic: Topic::Scans, key: scan.key(), value: scan.encode() })
            })
            .collect::<anyhow::Result<_>>()?;
        for some in appends.chunks(10_000) {
            for appended in self.backends.log.append(some.to_vec()).await {
                appended?;
            }
        }
        Ok(())
    }

    /// Waits until the group has committed everything.
    async fn done(&self) -> anyhow::Result<()> {
        let log = &self.backends.log;
        let ends: Vec<_> = log.bounds(Topic::Scans).await?.into_iter().map(|b| b.end).collect();
        let begun = Instant::now();
        loop {
            let committed = log.committed(Group::Processor, Topic::Scans).await?;
            let done = committed
                .iter()
                .zip(&ends)
                .all(|(done, end)| done.is_some_and(|done| done == *end) || end.0 == 0);
            if done {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the records of a turn are not stored");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
