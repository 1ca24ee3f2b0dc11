//! What rows of the fault matrix do and look at, beside whole evenings.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use console::view::JobView;
use reqwest::{Method, StatusCode};
use schemas::{time::EventTime, topic::Topic};
use serde_json::Value;
use storage::{
    Group, Log,
    any::{AnyLog, AnyStore},
};
use tokio::time::Instant;

use super::{DAY, Evening, HOUR, JOB_VENUES, MINUTE, Town};
use crate::{
    demo,
    faults::traffic,
    oracle::{self, Difference},
    scenario::{self, Visitor},
    verify,
};

impl Town {
    /// People who go to one place in two weeks of keys, and a job about both.
    pub fn two_weeks(&mut self, people: usize, name: &str) -> Evening {
        let reference = format!("{name} {}", uuid::Uuid::new_v4().simple());
        let now = EventTime(self.platform.clock.now() - HOUR);
        // Weeks begin on Mondays, and the epoch of time on a Thursday.
        let monday = (now.0 - 4 * DAY).div_euclid(7 * DAY) * 7 * DAY + 4 * DAY;
        // Where nobody else goes: who comes to a place after its job is complete is told by a sweep.
        let venue = JOB_VENUES + self.apart;
        self.apart += 1;
        let (mut events, mut visitors) = (Vec::new(), Vec::new());
        for n in 0..people {
            let visitor = self.source.visitor();
            for at in [monday - 10 * MINUTE, monday + 10 * MINUTE] {
                events.push(self.source.scan(&visitor, venue, at + n as i64));
            }
            visitors.push(visitor);
        }
        self.day.visitors.extend(visitors.iter().cloned());
        let mut job = traffic::job(monday - 20 * MINUTE, monday + 20 * MINUTE, &reference);
        job.venues = vec![venue];
        Evening { events, visitors, job }
    }

    /// People of a new evening who are all friends, and stay.
    pub fn friends(&mut self, people: usize, name: &str) -> Evening {
        let reference = format!("{name} {}", uuid::Uuid::new_v4().simple());
        let evening = self.source.friends(people, &reference);
        self.day.visitors.extend(evening.visitors.iter().cloned());
        evening
    }

    /// Somebody whom nobody knows, and whose id must be found nowhere.
    pub fn somebody(&mut self) -> Visitor {
        let visitor = self.source.visitor();
        self.day.visitors.push(visitor.clone());
        visitor
    }

    /// How many people have got the message of a job.
    pub fn told(&self, id: &str) -> anyhow::Result<usize> {
        let job = self.job(id)?;
        let journal = self.platform.journal.lock();
        let of_job = |text: &String| job.messages.values().any(|message| message == text);
        Ok(journal.accepted.iter().filter(|told| of_job(&told.text)).count())
    }

    /// Waits until so many people have got the message of a job.
    pub async fn until_told(&self, id: &str, people: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.told(id)? < people {
            ensure!(begun.elapsed() < self.patience, "nobody is told of job {id}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// The job as the console shows it.
    pub async fn view(&mut self, id: &str) -> anyhow::Result<JobView> {
        self.wait_for(id, |_| true).await
    }

    /// Does something with a job, as somebody; what is answered.
    pub async fn act(
        &self,
        token: &str,
        (id, action): (&str, &str),
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let path = format!("/api/v1/exposure-jobs/{id}/{action}");
        self.officials.call(token, Method::POST, &path, Some(body)).await
    }

    /// Does something with a job as the approver; it has to work.
    pub async fn done(&self, id: &str, action: &str) -> anyhow::Result<()> {
        let (status, said) = self.act(&self.officials.approver, (id, action), &Value::Null).await?;
        ensure!(status.is_success(), "{action}: {status} {said}");
        Ok(())
    }

    /// A job as the API takes it.
    pub fn request(&self, job: &scenario::Job) -> Value {
        demo::request(job, &self.record.places)
    }

    /// A job that was approved by other ways than `approve`: its people must be told.
    pub fn approved(&mut self, id: &str, job: &scenario::Job) {
        self.record.jobs.push(demo::job_record(id.to_owned(), job, &self.record.places));
    }

    /// So many people of a job may be missed: it was given up.
    pub fn may_miss(&mut self, id: &str, people: u64) {
        self.undecided.insert(id.to_owned(), people);
    }

    /// Such a row is there without a webhook, and must be.
    pub fn planted(&mut self, venue: usize, at: i64) {
        let venue = self.record.places[venue].0.clone();
        self.known.insert(Difference::ScanInvented { venue, at });
    }

    /// The product's id of a place.
    pub fn venue(&self, place: usize) -> anyhow::Result<schemas::ids::VenueId> {
        let (id, _, _) = self.record.places.get(place).context("no such place")?;
        Ok(id.parse()?)
    }

    /// What was sent and told so far is of no account any more.
    pub fn forget(&mut self) {
        let mut journal = self.platform.journal.lock();
        journal.events.clear();
        journal.accepted.clear();
        self.record.jobs.clear();
    }

    /// How many records the log has of some topics, ever.
    pub async fn records(&self, topics: &[Topic]) -> anyhow::Result<u64> {
        let log = AnyLog::Remote(self.reach().await?);
        let mut records = 0;
        for topic in topics {
            records += log.bounds(*topic).await?.iter().map(|range| range.end.0).sum::<u64>();
        }
        Ok(records)
    }

    /// How many were rejected, ever.
    pub async fn rejected(&self) -> anyhow::Result<usize> {
        Ok(processor::rejected::list(&AnyLog::Remote(self.reach().await?)).await?.len())
    }

    /// How many rows there are at the places and times that webhooks were about.
    pub async fn rows(&mut self) -> anyhow::Result<usize> {
        self.record.journal = self.platform.journal.lock().clone();
        let store = AnyStore::Remote(self.reach().await?);
        Ok(verify::stored_scans(&store, &self.record).await?.len())
    }

    /// How many scans are rows once there are so many, or after long enough.
    pub async fn rows_become(&mut self, so_many: usize) -> anyhow::Result<usize> {
        let begun = Instant::now();
        loop {
            let rows = self.rows().await?;
            if rows == so_many || begun.elapsed() > self.patience {
                return Ok(rows);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every record is a row.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        self.done_with(super::ROWS).await
    }

    /// Waits until what people have taken back so far is gone.
    pub async fn forgotten(&self) -> anyhow::Result<()> {
        self.done_with((Group::Hygiene, &[Topic::Visitors])).await
    }

    async fn done_with(&self, whose: (Group, &[Topic])) -> anyhow::Result<()> {
        let log = AnyLog::Remote(self.reach().await?);
        let begun = Instant::now();
        loop {
            let lag = super::lag(&log, whose).await?;
            if lag == 0 {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < self.patience,
                "{:?} is not done with {lag} records",
                whose.0
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A job as the count has it.
    pub fn job(&self, id: &str) -> anyhow::Result<oracle::Job> {
        self.record.jobs.iter().find(|job| job.id == id).cloned().context("no such job")
    }
}
