//! A small cluster on servers of its own, beside the stand-in for LINE; what a row does to it, and
//! how it is judged.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use console::view::{JobView, ProgressView};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use schemas::topic::Topic;
use serde_json::json;
use server::backends::Backends;
use storage::{Group, Log};
use tokio::time::Instant;

use super::{
    servers::Servers,
    traffic::{Evening, JOB_VENUES, Sending, Source},
};
use crate::{
    cluster::{Cluster, Part, Process, Variables},
    demo::{self, Officials},
    oracle::{self, Difference},
    platform::{self, Channel, Platform, Serving, webhooks::WebhookSender},
    scenario::{self, Scenario, Size},
    verify::{self, Record},
};

const HOUR: i64 = 3_600_000;
/// After a fault has gone, everything is done within this.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);
/// A member of a group that is silent for so long loses its partitions.
pub const SESSION: Duration = Duration::from_secs(2);
/// The smallest spool that there is.
pub const SPOOL_BYTES: u64 = 1 << 20;

/// Everything that a row works with.
pub struct World {
    /// Kafka, Cassandra, the links to them.
    pub servers: Servers,
    /// The stand-in.
    pub platform: Arc<Platform>,
    /// Every role as processes of its own.
    pub cluster: Cluster,
    /// This process's own way to log and store.
    pub backends: Backends,
    /// The officials.
    pub officials: Officials,
    /// Webhooks to all ingests in turn.
    pub sender: WebhookSender,
    /// Visitors and their events.
    pub source: Source,
    /// How this process reaches everything.
    pub config: server::Config,
    /// Whose ids must be found nowhere; the list of places.
    day: Scenario,
    record: Record,
    /// Jobs that were cancelled: some people have the message, nobody else may get it.
    cancelled: Vec<oracle::Job>,
    finished: Vec<(oracle::Job, ProgressView)>,
    known: BTreeSet<Difference>,
    broken: Vec<String>,
    /// Whether there is time for the long forms of faults.
    pub full: bool,
    dir: PathBuf,
    _serving: Serving,
}

impl World {
    /// Starts two processes of each role on servers that were started for them.
    pub async fn open(dir: &Path, servers: Servers, seed: u64) -> anyhow::Result<Self> {
        let platform = Platform::new(Channel::default(), seed);
        let size = Size { facilities: 6, venues: 2 * JOB_VENUES, visitors: 0, scans: 0 };
        let day = scenario::make_empty(size, platform.clock.now());
        let serving = platform.serve(([127, 0, 0, 1], 0).into()).await?;
        let name = format!("faults_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let variables = variables(dir, &serving.url(), &servers, &name);
        let config = server::Config::load(None, variables.clone().into_iter())?;
        let now = schemas::time::EventTime(platform.clock.now());
        server::keys::init(
            &config.keys.file,
            &config.keys.places_file,
            now,
            config.retention.days,
        )?;
        server::migrate::migrate(&config, false, &mut Vec::new()).await?;
        let mut cluster =
            Cluster::lay_out(dir, 2, &variables, |part, _| servers.variables(part, &name))?;
        cluster.start().await?;
        let backends = server::backends::open_or_reach(&config).await?;
        let csv = demo::import(&config, dir, &day).await?;
        let consoles = cluster.addresses(Part::Console);
        let officials = Officials::new(&backends.store, &consoles).await?;
        let places = demo::listed(&officials, &csv).await?;
        let ingests = cluster.addresses(Part::Ingest).into_iter();
        let webhooks: Vec<String> = ingests.map(|at| format!("http://{at}/webhook")).collect();
        let sender = WebhookSender::new(Arc::clone(&platform), &webhooks)?;
        let texts = crate::replay::check_in_texts(&csv);
        let source = Source::new(StdRng::seed_from_u64(seed), texts, now.0 - 20 * 24 * HOUR);
        Ok(Self {
            servers,
            platform,
            cluster,
            backends,
            officials,
            sender,
            source,
            config,
            day,
            record: Record { places, ..Record::default() },
            cancelled: Vec::new(),
            finished: Vec::new(),
            known: BTreeSet::new(),
            broken: Vec::new(),
            full: false,
            dir: dir.to_owned(),
            _serving: serving,
        })
    }

    /// What is left to chance from now on.
    pub fn begin(&mut self, mut chance: StdRng) {
        *self.platform.faults.lock() = platform::faults::Faults::new(chance.random());
        self.source.rng = chance;
    }

    /// One process.
    pub fn process(&mut self, part: Part, number: usize) -> anyhow::Result<&mut Process> {
        self.cluster.process(part, number)
    }

    /// Notes a broken promise where it does not hold.
    pub fn promise(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.broken.push(what.into());
        }
    }

    /// People of a new evening.
    pub fn evening(&mut self, people: usize, row: &str) -> Evening {
        let reference = format!("{row} {}", uuid::Uuid::new_v4().simple());
        let evening = self.source.evening(people, &reference);
        self.day.visitors.extend(evening.visitors.iter().cloned());
        evening
    }

    /// Begins to deliver events.
    pub fn send(&self, evening: &Evening) -> Sending {
        Sending::begin(&self.sender, evening.events.clone().into_iter())
    }

    /// Traffic at other places than those of jobs, until it is ended.
    pub fn noise(&mut self) -> Sending {
        let visitors: Vec<_> = (0..50).map(|_| self.source.visitor()).collect();
        self.day.visitors.extend(visitors.iter().cloned());
        let begins = self.source.begins;
        // Each of them walks about in an evening of long ago; every scan is at a moment of its own.
        let events: Vec<_> = (0..20_000_usize)
            .map(|n| {
                let venue = JOB_VENUES + n % JOB_VENUES;
                self.source.scan(&visitors[n % visitors.len()], venue, begins + n as i64)
            })
            .collect();
        self.source.begins += 20_000;
        Sending::paced(&self.sender, events.into_iter(), Duration::from_millis(10))
    }

    /// Submits a job and has it approved; its id.
    pub async fn approve(&mut self, evening: &Evening) -> anyhow::Result<String> {
        let places = &self.record.places;
        let approved = self.officials.submit_until_approved(&evening.job, places, RECOVERS_WITHIN);
        let job = approved.await?;
        let id = job.id.clone();
        self.record.jobs.push(job);
        Ok(id)
    }

    fn job(&self, id: &str) -> anyhow::Result<oracle::Job> {
        let mut all = self.record.jobs.iter().chain(&self.cancelled);
        all.find(|job| job.id == id).cloned().context("no such job")
    }

    /// How many people have got the message of a job.
    pub fn told(&self, id: &str) -> anyhow::Result<usize> {
        let job = self.job(id)?;
        let journal = self.platform.journal.lock();
        Ok(journal.accepted.iter().filter(|told| is_of(&job, &told.text)).count())
    }

    /// How many people must get the message of a job.
    pub fn due(&mut self, id: &str) -> anyhow::Result<usize> {
        let job = self.job(id)?;
        self.record.journal = self.platform.journal.lock().clone();
        Ok(self.record.evidence().expected(&job).people.len())
    }

    /// Waits until so many people have got the message of a job.
    pub async fn until_told(&self, id: &str, people: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.told(id)? < people {
            ensure!(begun.elapsed() < RECOVERS_WITHIN, "nobody is told of job {id}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Calls an action of a job as the approver.
    pub async fn act(&self, id: &str, action: &str) -> anyhow::Result<JobView> {
        let path = format!("/api/v1/exposure-jobs/{id}/{action}");
        let token = &self.officials.approver;
        let (status, view) =
            self.officials.call(token, Method::POST, &path, Some(&json!({}))).await?;
        ensure!(status.is_success(), "{action}: {status} {view}");
        Ok(serde_json::from_value(view)?)
    }

    /// The job as consoles show it.
    pub async fn view(&self, id: &str) -> anyhow::Result<JobView> {
        self.officials.wait_for(id, |_| true).await
    }

    /// Waits until a job is complete.
    pub async fn completed(&mut self, id: &str) -> anyhow::Result<()> {
        let ends = ["completed", "closed", "paused", "cancelled"];
        let view = self.officials.wait_for(id, |view| ends.contains(&view.state.as_str())).await?;
        let reached = matches!(view.state.as_str(), "completed" | "closed");
        self.promise(reached, format!("the job is {}: {:?}", view.state, view.paused));
        if reached {
            self.finished.push((self.job(id)?, view.progress));
        }
        Ok(())
    }

    /// Has a job approved, and waits until it is complete.
    pub async fn tell(&mut self, evening: &Evening) -> anyhow::Result<()> {
        let job = self.approve(evening).await?;
        self.completed(&job).await
    }

    /// A job that need not reach everybody any more.
    pub fn given_up(&mut self, id: &str) -> anyhow::Result<()> {
        let job = self.job(id)?;
        self.record.jobs.retain(|job| job.id != id);
        self.cancelled.push(job);
        Ok(())
    }

    /// Which notifier is the active one.
    pub async fn active_notifier(&self, not: Option<usize>) -> anyhow::Result<usize> {
        let begun = Instant::now();
        let http = reqwest::Client::builder().timeout(Duration::from_millis(500)).build()?;
        loop {
            let notifiers = self.cluster.processes.iter().filter(|p| p.part == Part::Notifier);
            for process in notifiers.filter(|process| Some(process.number) != not) {
                let url = format!("http://{}/metrics", process.admin);
                // One that is stopped says nothing.
                let Ok(response) = http.get(url).send().await else { continue };
                let text = response.text().await.unwrap_or_default();
                if text.lines().any(|line| line == "sender_owner 1") {
                    return Ok(process.number);
                }
            }
            ensure!(begun.elapsed() < RECOVERS_WITHIN, "no notifier becomes the active one");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Bytes that wait in spools.
    pub fn spooled(&self, ingest: usize) -> u64 {
        let spool = self.spool(ingest);
        let entries = std::fs::read_dir(spool).into_iter().flatten().flatten();
        let segments = entries.filter(|e| e.path().extension().is_some_and(|x| x == "spool"));
        segments.filter_map(|segment| Some(segment.metadata().ok()?.len())).sum()
    }

    /// The spool of an ingest.
    pub fn spool(&self, ingest: usize) -> PathBuf {
        self.dir.join("spools").join(format!("ingest-{ingest}"))
    }

    /// Records that are no rows yet.
    pub async fn lag(&self) -> anyhow::Result<u64> {
        let mut lag = 0;
        for topic in [Topic::Scans, Topic::Visitors] {
            let bounds = self.backends.log.bounds(topic).await?;
            let committed = self.backends.log.committed(Group::Processor, topic).await?;
            for (range, done) in bounds.into_iter().zip(committed) {
                let done = done.unwrap_or(range.start).max(range.start);
                lag += range.end.0.saturating_sub(done.0);
            }
        }
        Ok(lag)
    }

    /// Heals whatever a row has left, waits until all is done, and says which promises were broken
    /// since the last time.
    pub async fn judge(&mut self) -> anyhow::Result<Vec<String>> {
        self.platform.faults.lock().clear();
        self.servers.heal().await?;
        let begun = Instant::now();
        for process in &mut self.cluster.processes {
            if process.pid().is_none() {
                process.start()?;
            }
            // One that has ended can't take it.
            let _ = process.signal("CONT");
        }
        for process in &mut self.cluster.processes {
            if let Err(error) = process.ready().await {
                self.broken.push(format!("{error:#}"));
                process.start()?;
                process.ready().await?;
            }
        }
        loop {
            let (lag, spooled) = (self.lag().await, self.spooled(0) + self.spooled(1));
            if matches!(lag, Ok(0)) && spooled == 0 {
                break;
            }
            if begun.elapsed() > RECOVERS_WITHIN {
                let what = format!(
                    "not done {RECOVERS_WITHIN:?} after the fault: lag {lag:?}, {spooled} bytes spooled"
                );
                self.broken.push(what);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut differences = self.differences().await?;
        differences.retain(|difference| self.known.insert(difference.clone()));
        let mut broken = std::mem::take(&mut self.broken);
        broken.extend(differences.iter().map(ToString::to_string));
        Ok(broken)
    }

    async fn differences(&mut self) -> anyhow::Result<Vec<Difference>> {
        self.record.journal = self.platform.journal.lock().clone();
        let mut record = self.record.clone();
        let mut differences = Vec::new();
        for job in &self.cancelled {
            let (of_job, others): (Vec<_>, Vec<_>) =
                record.journal.accepted.drain(..).partition(|told| is_of(job, &told.text));
            record.journal.accepted = others;
            let mut of_this = self.record.clone();
            of_this.jobs = vec![job.clone()];
            of_this.journal.accepted = of_job;
            let judged = of_this.evidence().judge_messages();
            let missed = |difference: &Difference| matches!(difference, Difference::Missed { .. });
            differences.extend(judged.into_iter().filter(|difference| !missed(difference)));
        }
        differences.extend(verify::verify(&self.backends.store, &record).await?);
        for (job, progress) in self.finished.drain(..) {
            record.jobs = vec![job];
            differences.extend(demo::figures(&record, &[progress]));
        }
        differences.extend(self.leaks()?);
        Ok(differences)
    }

    /// What processes wrote and must not write: now in their logs and spools.
    pub fn leaks(&self) -> anyhow::Result<Vec<Difference>> {
        let leaks = demo::leaks(&self.dir, &self.day)?;
        Ok(leaks.into_iter().map(Difference::Leak).collect())
    }

    /// Notes what is in logs and spools at this moment and must not be there.
    pub fn promise_no_leak(&mut self) -> anyhow::Result<()> {
        let leaks = self.leaks()?;
        self.broken.extend(leaks.iter().map(ToString::to_string));
        Ok(())
    }

    /// Likewise in the files of Kafka and Cassandra.
    pub fn leaks_of_servers(&self, dir: &Path) -> anyhow::Result<Vec<String>> {
        demo::leaks(dir, &self.day)
    }

    /// Ends every process by SIGTERM; each must end well. What is left are the servers.
    pub async fn end(self) -> (Servers, anyhow::Result<()>) {
        let ended = self.cluster.end().await;
        self.backends.close().await;
        (self.servers, ended)
    }
}

fn is_of(job: &oracle::Job, text: &str) -> bool {
    job.messages.values().any(|message| message == text)
}

fn variables(dir: &Path, api_url: &str, servers: &Servers, name: &str) -> Variables {
    let (copies, min) = if servers.copies() == 1 { ("1", "1") } else { ("3", "2") };
    let (session, spool) = (SESSION.as_millis().to_string(), SPOOL_BYTES.to_string());
    let store = format!("{}/{name}", servers.cql_url);
    let prefix = format!("{name}.");
    let more = [
        ("ANSHIN__LOG__URL", servers.log_url.as_str()),
        ("ANSHIN__STORE__URL", &store),
        ("ANSHIN__KAFKA__PREFIX", &prefix),
        ("ANSHIN__KAFKA__REPLICATION", copies),
        ("ANSHIN__KAFKA__MIN_IN_SYNC", min),
        ("ANSHIN__KAFKA__SESSION_TIMEOUT_MS", &session),
        ("ANSHIN__CQL__REPLICATION", copies),
        ("ANSHIN__SPOOL__MAX_BYTES", &spool),
        // Slow enough for something to happen in the middle.
        ("ANSHIN__SENDING__PUSHES_PER_SECOND", "15"),
    ];
    demo::variables(dir, api_url, &more)
}
