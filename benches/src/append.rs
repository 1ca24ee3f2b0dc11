//! Durable appends to the embedded log by so many callers, beside a bare group commit of the same
//! bytes on the same disk: whatever waits is written in one piece, then fdatasync; in turns.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use schemas::topic::Topic;
use storage::{
    Append, Log,
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog},
};
use tokio::{sync::oneshot, task::JoinSet, time::Instant};

use crate::sample::{self, median, ms};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Appends {
    /// Turns of each.
    #[arg(long, default_value_t = Self::default().rounds)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u64,
}

impl Default for Appends {
    fn default() -> Self {
        Self { rounds: 7, seconds: 3 }
    }
}

/// How many callers, each with one append under way.
const CALLERS: [usize; 3] = [1, 64, 512];
/// More than there are callers: nobody waits to be in line.
const WAITING: usize = 1_024;
/// Bytes of a record: those of a scan.
const RECORD_BYTES: usize = 200;

/// One turn of one of them.
struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Measures, and prints; the printed section.
pub async fn run(appends: &Appends) -> anyhow::Result<String> {
    let dir = tempfile::Builder::new().prefix("anshin-bench-").tempdir()?;
    let embedded = Embedded::open(dir.path().join("data"), EmbeddedConfig::default()).await?;
    let contestants =
        [To::Log(embedded.log()), To::Bare(Arc::new(Bare::open(&dir.path().join("bare"))?))];
    let mut text = format!(
        "## Durable appends\n\n{RECORD_BYTES} bytes each; {} turns of {} s each, medians.\n\n\
         | callers | | appends/s | p50, ms | p99, ms | ratio of rate |\n|---|---|---|---|---|---|\n",
        appends.rounds, appends.seconds,
    );
    for callers in CALLERS {
        let mut turns: [Vec<Turn>; 2] = Default::default();
        for round in 0..appends.rounds {
            for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let length = Duration::from_secs(appends.seconds);
                turns[who].push(contestants[who].turn(callers, length).await?);
            }
        }
        let of = |who: usize, what: fn(&Turn) -> f64| median(turns[who].iter().map(what));
        let ratio =
            median(turns[0].iter().zip(&turns[1]).map(|(ours, bare)| ours.rate / bare.rate));
        let bar = if callers == 64 { " (bar 0.7)" } else { "" };
        for (who, name, ratio) in [
            (0, "embedded log", format!("{ratio:.2}{bar}")),
            (1, "write, fdatasync", String::new()),
        ] {
            text += &format!(
                "| {callers} | {name} | {:.0} | {:.2} | {:.2} | {ratio} |\n",
                of(who, |turn| turn.rate),
                of(who, |turn| turn.p50),
                of(who, |turn| turn.p99),
            );
        }
    }
    print!("{text}");
    drop(contestants);
    embedded.close().await;
    Ok(text)
}

/// Where records go.
#[derive(Clone)]
enum To {
    Log(EmbeddedLog),
    Bare(Arc<Bare>),
}

impl To {
    async fn append(&self, record: Bytes) -> anyhow::Result<()> {
        match self {
            To::Log(log) => {
                let append = Append { topic: Topic::Scans, key: record.slice(..8), value: record };
                for appended in log.append(vec![append]).await {
                    appended?;
                }
                Ok(())
            }
            To::Bare(bare) => bare.append(record).await,
        }
    }

    async fn turn(&self, callers: usize, length: Duration) -> anyhow::Result<Turn> {
        let begun = Instant::now();
        let mut tasks: JoinSet<anyhow::Result<Histogram<u64>>> = JoinSet::new();
        for caller in 0..callers as u64 {
            let to = self.clone();
            tasks.spawn(async move {
                let mut record = vec![0x5a; RECORD_BYTES];
                record[..8].copy_from_slice(&caller.to_be_bytes());
                let record = Bytes::from(record);
                let mut latencies = sample::latencies();
                while begun.elapsed() < length {
                    let called = Instant::now();
                    to.append(record.clone()).await?;
                    sample::record(&mut latencies, called.elapsed());
                }
                Ok(latencies)
            });
        }
        let mut latencies = sample::latencies();
        while let Some(one) = tasks.join_next().await {
            latencies.add(one??)?;
        }
        let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
        Ok(Turn { rate, p50: ms(&latencies, 0.5), p99: ms(&latencies, 0.99) })
    }
}

/// A file, and a thread that appends to it.
struct Bare(mpsc::SyncSender<(Bytes, oneshot::Sender<()>)>);

impl Bare {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::create_new(path)?;
        let (sender, inbox) = mpsc::sync_channel::<(Bytes, oneshot::Sender<()>)>(WAITING);
        thread::Builder::new().name("bare".to_owned()).spawn(move || -> std::io::Result<()> {
            let mut bytes = Vec::new();
            while let Ok(first) = inbox.recv() {
                let batch: Vec<_> = std::iter::once(first).chain(inbox.try_iter()).collect();
                bytes.clear();
                for (record, _) in &batch {
                    bytes.extend_from_slice(record);
                }
                file.write_all(&bytes)?;
                file.sync_data()?;
                for (_, done) in batch {
                    // Whoever waited may have given up.
                    let _ = done.send(());
                }
            }
            Ok(())
        })?;
        Ok(Self(sender))
    }

    async fn append(&self, record: Bytes) -> anyhow::Result<()> {
        let (done, answer) = oneshot::channel();
        self.0.send((record, done)).ok().context("the bare log has ended")?;
        answer.await.context("the bare log has ended")
    }
}
