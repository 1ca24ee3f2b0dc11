//! Plays a day on all roles beside the stand-in for LINE, and counts independently.
//!
//! | module | what it does |
//! |---|---|
//! | `stage` | the roles, in this process or as processes of their own |
//! | `deliveries` | the day's webhooks |
//! | `officials` | jobs, over the API |
//! | `count` | the product's own figures against the count |
//! | `privacy` | looks for what must be nowhere |
//! | `show` | bars, the table, what to try |

mod count;
mod deliveries;
mod officials;
mod privacy;
mod show;
mod stage;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tokio::time::Instant;

pub(crate) use self::{
    count::figures,
    officials::{job_record, request},
    privacy::leaks,
    stage::{import, listed},
};
use self::{
    count::{figure, rejected, tamper},
    deliveries::{deliver, expected_rejections, odd_bodies},
    show::Show,
};
pub use self::{
    deliveries::Traffic,
    officials::Officials,
    stage::{Roles, Servers, Stage, config, variables},
};
use crate::{
    oracle::Difference,
    platform::{Clock, Platform, faults::Fault},
    scenario::{self, Size},
    verify::{self, Record},
};

/// How the demo is played.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Ends after the count: 0 where it agrees, 1 where it differs.
    #[arg(long)]
    pub exit: bool,
    /// Decides who goes where.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keeps data, keys, list of places and journal there (a new directory); a temporary one
    /// otherwise.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// A day of a few hundred visitors.
    #[arg(long)]
    pub small: bool,
    /// Plays on a Kafka that is there (`host:port,host:port`), with two processes of each role.
    #[arg(long, requires = "cql")]
    pub kafka: Option<String>,
    /// Plays on a CQL store that is there (`host:port,host:port`).
    #[arg(long, requires = "kafka")]
    pub cql: Option<String>,
    /// Copies that Kafka and the store make of everything.
    #[arg(long, default_value_t = 1)]
    pub copies: u8,
    /// Kills one process of each role in the middle of the day, the others while alerts go out.
    #[arg(long, requires = "kafka")]
    pub kill: bool,
    /// Takes one accepted message out of the journal before the count: it must be missed.
    #[arg(long, hide = true)]
    pub drop_message: bool,
    /// Takes one scan out of the store before the count: it must be missed.
    #[arg(long, hide = true)]
    pub drop_row: bool,
}

impl Demo {
    fn servers(&self) -> Option<Servers> {
        let (kafka, cql) = (self.kafka.as_deref()?, self.cql.as_deref()?);
        Some(Servers::new(kafka, cql, self.copies))
    }
}

/// What the day came to.
#[derive(Debug)]
pub struct Outcome {
    /// What differs; empty: it agrees.
    pub differences: Vec<Difference>,
    /// The table that is printed.
    pub table: Vec<(String, String)>,
}

/// A day that was played and is still up.
pub struct Played {
    /// What it came to.
    pub outcome: Outcome,
    /// Everything the judge works from.
    pub record: Record,
    /// Where data, keys and journal are.
    pub dir: PathBuf,
    /// What is still up.
    pub stage: Stage,
    _temporary: Option<tempfile::TempDir>,
}

impl Played {
    /// Ends the process's roles.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stage.end().await
    }

    /// Waits for Ctrl-C, with everything up.
    pub async fn stay_up(self) -> anyhow::Result<()> {
        show::what_to_try(&self);
        tokio::signal::ctrl_c().await?;
        self.end().await
    }
}

/// Starts a cluster with the demo's places, says where everything is, and stays up.
pub async fn cluster_up(servers: &Servers, dir: Option<PathBuf>) -> anyhow::Result<()> {
    let (dir, _temporary) = directory(dir.as_deref())?;
    let day = scenario::make(1, Size::DEMO, Clock::default().now());
    let stage = Stage::open_cluster(&dir, &day, 1, servers).await?;
    show::cluster(&stage, &dir);
    tokio::signal::ctrl_c().await?;
    stage.end().await
}

/// The directory that was asked for, or a temporary one.
fn directory(wanted: Option<&Path>) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(dir) = wanted {
        std::fs::create_dir_all(dir)?;
        return Ok((std::path::absolute(dir)?, None));
    }
    let temporary = tempfile::Builder::new().prefix("anshin-demo-").tempdir()?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// Plays a day.
pub async fn play(demo: &Demo) -> anyhow::Result<Played> {
    let show = Show::new();
    let (dir, temporary) = directory(demo.dir.as_deref())?;
    let begun = Instant::now();
    let size = if demo.small { Size::SMALL } else { Size::DEMO };
    let day = scenario::make(demo.seed, size, Clock::default().now());
    let mut stage = match demo.servers() {
        Some(servers) => Stage::open_cluster(&dir, &day, demo.seed, &servers).await?,
        None => Stage::open(&dir, &day, demo.seed, &[]).await?,
    };
    show.line("every role is ready");
    let traffic = {
        let sender = stage.sender.clone();
        let csv = stage.csv.clone();
        let delivering = deliver(&sender, &day, &csv, demo.seed, &show);
        if demo.kill {
            // In the middle: the deliveries that meet a dead ingest are made again by LINE.
            let killing = async {
                sender.acknowledged(day.steps.len() / 2).await;
                stage.kill_one_of_each(0).await
            };
            let (traffic, killed) = tokio::join!(delivering, killing);
            killed?;
            traffic?
        } else {
            delivering.await?
        }
    };
    odd_bodies(&stage, &day).await?;

    // From here on LINE has a bad evening.
    faults(&stage.platform);
    let mut record = Record { places: stage.places.clone(), ..Record::default() };
    let mut finished = Vec::new();
    let sending = Instant::now();
    for job in &day.jobs {
        record.jobs.push(stage.officials.submit_and_approve(job, &record.places).await?);
    }
    if demo.kill {
        // The other one of each, while alerts go out: the standby takes over.
        stage.kill_one_of_each(1).await?;
    }
    for job in &record.jobs {
        finished.push(stage.officials.wait_until_completed(&job.id, &show).await?);
    }
    let sent_in = sending.elapsed();
    stage.platform.faults.lock().clear();
    record.journal = stage.platform.journal.lock().clone();
    tamper(demo, &mut record, &stage.store()).await?;
    std::fs::write(dir.join("record.json"), serde_json::to_vec(&record)?)?;

    let mut differences = verify::verify(&stage.store(), &record).await?;
    differences.extend(figures(&record, &finished));
    let evidence = record.evidence();
    for (job, asked) in evidence.jobs.iter().zip(&day.jobs) {
        let counts = stage.officials.preview(asked, &record.places).await?;
        let expected = evidence.expected(job);
        let people = (expected.people.len() + expected.out_of_reach.len()) as u64;
        // Small counts are withheld.
        let said = counts.people.or(counts.fewer_than.map(|_| people.min(9))).unwrap_or(0);
        figure(&mut differences, &format!("job {}: preview", job.id), people, said);
    }
    let rejected = rejected(&stage.log()).await?;
    for (cause, count) in expected_rejections() {
        let said = rejected.get(cause).copied().unwrap_or(0);
        figure(&mut differences, &format!("rejected: {cause}"), count, said);
    }
    let mut leaks = privacy::leaks(&dir, &day)?;
    for admin in stage.admins() {
        let metrics = reqwest::get(format!("http://{admin}/metrics")).await?;
        leaks.extend(privacy::leak_in_metrics(&metrics.bytes().await?, &day)?);
    }
    differences.extend(leaks.into_iter().map(Difference::Leak));

    let facts = Facts {
        record: &record,
        traffic: &traffic,
        rejected: &rejected,
        finished: &finished,
        sent_in,
        took: begun.elapsed(),
    };
    let outcome = Outcome { differences, table: show::table(&facts) };
    show::outcome(&outcome);
    Ok(Played { outcome, record, dir, stage, _temporary: temporary })
}

/// What the table is made of.
struct Facts<'a> {
    record: &'a Record,
    traffic: &'a Traffic,
    rejected: &'a BTreeMap<String, u64>,
    finished: &'a [console::view::ProgressView],
    sent_in: Duration,
    took: Duration,
}

fn faults(platform: &Platform) {
    let mut faults = platform.faults.lock();
    for (endpoint, share) in [("multicast", 0.08), ("push", 0.01)] {
        faults.share(endpoint, Fault::ErrorBefore, share);
        faults.share(endpoint, Fault::ErrorAfter, share);
        faults.share(endpoint, Fault::ResetAfter, share);
        faults.share(endpoint, Fault::TooFast, share / 2.0);
    }
    faults.next("multicast", &[Fault::HangAfter, Fault::Unauthorized]);
    faults.latency(Duration::from_millis(5));
}
