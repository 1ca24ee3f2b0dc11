//! A large job, from its approval until LINE has accepted everybody: the real process with every
//! role, beside the stand-in.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use load_tests::{
    cluster::{Process, product},
    platform::{Platform, journal::Journal},
};
use schemas::{
    ids::JobId,
    job::{JobEvent, JobRecord},
    time::EventTime,
    topic::{Offset, Partition, Topic},
    wire::WireRecord as _,
};
use server::backends::Backends;
use storage::{Append, Log as _, Reader as _, any::AnyLog};
use uuid::Uuid;

use crate::{crowd::Crowd, sample, setting::Setting};

/// What one job came to.
pub struct Sent {
    /// From the decision to plan to the sealed plan.
    pub planned_in: Duration,
    /// From the sealed plan until LINE had accepted the first.
    pub first_in: Duration,
    /// From the sealed plan until LINE had accepted everybody.
    pub accepted_in: Duration,
    /// People who got the message.
    pub people: u64,
    /// Requests that carried a message.
    pub calls: u64,
    /// Answers 429.
    pub too_fast: u64,
    /// CPU time of the process from the sealed plan to the completed job.
    pub cpu: Duration,
    /// The most memory that the process had held when the plan was sealed, in bytes.
    pub peak_planned: u64,
    /// The same, when the job was completed.
    pub peak_completed: u64,
}

/// The process at work.
pub struct All {
    process: Process,
    platform: Arc<Platform>,
    backends: Backends,
}

impl All {
    /// Starts it on a directory; nobody else has that open.
    pub async fn start(
        setting: &Setting,
        platform: &Arc<Platform>,
        api_url: &str,
    ) -> anyhow::Result<Self> {
        let mut process = Process::alone(&product()?, setting.dir.path(), &setting.variables)?;
        process.set("ANSHIN__LINE__API_URL", api_url);
        // Everybody who is a friend is one already.
        process.set("ANSHIN__FRIENDS__IMPORT", "false");
        process.start()?;
        process.ready().await?;
        let backends = server::backends::open_or_reach(&setting.config).await?;
        Ok(Self { process, platform: Arc::clone(platform), backends })
    }

    /// The most memory that it has held, in bytes.
    pub fn peak(&self) -> anyhow::Result<u64> {
        sample::peak(self.pid()?)
    }

    /// Counts that anew, from what it holds now.
    pub fn peak_anew(&self) -> anyhow::Result<()> {
        sample::peak_anew(self.pid()?)
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.process.pid().context("the process runs")
    }

    /// Has a job for a crowd approved, and waits until it is completed.
    pub async fn send(&self, crowd: &Crowd) -> anyhow::Result<Sent> {
        *self.platform.journal.lock() = Journal::default();
        let (log, id) = (&self.backends.log, JobId(Uuid::now_v7()));
        let bounds = log.bounds(Topic::Jobs).await?;
        let end = bounds.first().map_or(Offset(0), |range| range.end);
        for record in crowd.approved(id)? {
            append(log, &record).await?;
        }
        let mut reader = log.read(Topic::Jobs, Partition(0), end).await?;
        let (mut planning, mut sealed) = (None, None);
        loop {
            for record in reader.next().await? {
                let record = JobRecord::decode(&record.value)?;
                match record.event {
                    JobEvent::Planning { .. } => planning = Some(record.at),
                    JobEvent::Sealed { .. } => {
                        sealed = Some((record.at, self.peak()?, sample::cpu(self.pid()?)?));
                    }
                    JobEvent::Paused { cause, .. } => anyhow::bail!("the job is paused: {cause:?}"),
                    JobEvent::Completed { .. } => {
                        let begun = planning.context("the plan was begun")?;
                        let sealed = sealed.context("the plan was sealed")?;
                        return self.sent(crowd, begun, sealed);
                    }
                    _ => {}
                }
            }
        }
    }

    fn sent(
        &self,
        crowd: &Crowd,
        begun: EventTime,
        (sealed, peak_planned, cpu): (EventTime, u64, Duration),
    ) -> anyhow::Result<Sent> {
        let journal = self.platform.journal.lock();
        let (accepted, people) = (journal.accepted.len(), crowd.users.len());
        ensure!(accepted == people, "{accepted} messages for {people} people were accepted");
        ensure!(journal.violations.is_empty(), "LINE forbids it: {:?}", journal.violations);
        let at = || journal.accepted.iter().map(|accepted| accepted.at);
        let (first, last) = (at().min().unwrap_or_default(), at().max().unwrap_or_default());
        let carry = |endpoint: &str| matches!(endpoint, "multicast" | "push");
        let calls = journal.requests.iter().filter(|request| carry(&request.endpoint));
        let between =
            |from: i64, to: i64| Duration::from_millis(u64::try_from(to - from).unwrap_or(0));
        Ok(Sent {
            planned_in: between(begun.0, sealed.0),
            first_in: between(sealed.0, first),
            accepted_in: between(sealed.0, last),
            people: people as u64,
            calls: calls.clone().count() as u64,
            too_fast: calls.filter(|request| request.status == 429).count() as u64,
            cpu: sample::cpu(self.pid()?)?.saturating_sub(cpu),
            peak_planned,
            peak_completed: self.peak()?,
        })
    }

    /// Ends it.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.backends.close().await;
        let code = self.process.end().await?;
        ensure!(code == Some(0), "the process ended with {code:?}");
        Ok(())
    }
}

async fn append(log: &AnyLog, record: &JobRecord) -> anyhow::Result<()> {
    let append = Append { topic: Topic::Jobs, key: record.key(), value: record.encode() };
    for appended in log.append(vec![append]).await {
        appended?;
    }
    Ok(())
}
