//! The officials of the demo: over HTTP, as their own tools would.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use console::{
    preview::Counts,
    venues::VenuePage,
    view::{JobView, ProgressView},
};
use reqwest::{Method, StatusCode};
use schemas::time::EventTime;
use serde_json::{Value, json};
use storage::{any::AnyStore, rows::access::Role};
use tokio::time::Instant;

use super::show::Show;
use crate::{oracle, scenario};

/// Officials whose console is away try again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A drafter and another person who approves.
pub struct Officials {
    http: reqwest::Client,
    bases: Vec<String>,
    turn: AtomicUsize,
    /// The drafter's token.
    pub drafter: String,
    /// The approver's token.
    pub approver: String,
}

impl Officials {
    pub(crate) async fn new(store: &AnyStore, consoles: &[SocketAddr]) -> anyhow::Result<Self> {
        let token =
            async |name: &str, role| server::tools::create_token(store, name.parse()?, role).await;
        Ok(Self {
            drafter: token("sato", Role::Drafter).await?,
            approver: token("suzuki", Role::Approver).await?,
            http: reqwest::Client::new(),
            turn: AtomicUsize::new(0),
            bases: consoles.iter().map(|console| format!("http://{console}")).collect(),
        })
    }

    /// An address of the API.
    pub(super) fn base(&self) -> &str {
        &self.bases[0]
    }

    /// Calls the API with a token.
    pub async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let key = format!("demo {path} {}", body.unwrap_or(&Value::Null)["reference"]);
        // Consoles are asked in turn; one that is not there has got nothing of the request.
        let mut last = None;
        for _ in &self.bases {
            let base = &self.bases[self.turn.fetch_add(1, Ordering::Relaxed) % self.bases.len()];
            let mut request = self
                .http
                .request(method.clone(), format!("{base}{path}"))
                .bearer_auth(token)
                .header("Idempotency-Key", &key);
            if let Some(body) = body {
                request = request.json(body);
            }
            match request.send().await {
                Ok(response) => return Ok((response.status(), response.json().await?)),
                Err(error) if error.is_connect() => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.map_or_else(|| anyhow::anyhow!("no console"), Into::into))
    }

    /// The places as the API lists them, in the order of the list: id, code, dwell.
    pub(crate) async fn places(&self, csv: &str) -> anyhow::Result<Vec<(String, String, i64)>> {
        let mut dwell = std::collections::BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/venues?query=&cursor={cursor}");
            let (status, body) = self.call(&self.drafter, Method::GET, &path, None).await?;
            ensure!(status == StatusCode::OK, "venues: {status} {body}");
            let page: VenuePage = serde_json::from_value(body)?;
            for venue in page.venues {
                dwell.insert(venue.venue, i64::from(venue.dwell_minutes));
            }
            match page.next_cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
        csv.lines()
            .skip(1)
            .map(|line| {
                let mut cells = line.split(',');
                let (id, code) = (cells.next().context("an id")?, cells.next().context("a code")?);
                let dwell = *dwell.get(id).with_context(|| format!("{id} is not listed"))?;
                Ok((id.to_owned(), code.to_owned(), dwell))
            })
            .collect()
    }

    /// Asks how many people a job would reach.
    pub async fn preview(
        &self,
        job: &scenario::Job,
        places: &[(String, String, i64)],
    ) -> anyhow::Result<Counts> {
        let path = "/api/v1/exposure-jobs/preview";
        let body = request(job, places);
        let (status, counts) = self.call(&self.drafter, Method::POST, path, Some(&body)).await?;
        ensure!(status == StatusCode::OK, "preview: {status} {counts}");
        Ok(serde_json::from_value(counts)?)
    }

    /// Submits a job, fails to approve it alone, has it approved by the other.
    pub async fn submit_and_approve(
        &self,
        job: &scenario::Job,
        places: &[(String, String, i64)],
    ) -> anyhow::Result<oracle::Job> {
        self.submitted(job, places, &[StatusCode::CREATED]).await
    }

    /// The same while a process may be away: again and again for so long. An earlier answer may have
    /// been lost, so that the job is there already.
    pub(crate) async fn submit_until_approved(
        &self,
        job: &scenario::Job,
        places: &[(String, String, i64)],
        patience: Duration,
    ) -> anyhow::Result<oracle::Job> {
        let begun = Instant::now();
        loop {
            match self.submitted(job, places, &[StatusCode::CREATED, StatusCode::OK]).await {
                Err(_) if begun.elapsed() < patience => tokio::time::sleep(AGAIN_AFTER).await,
                result => return result,
            }
        }
    }

    async fn submitted(
        &self,
        job: &scenario::Job,
        places: &[(String, String, i64)],
        answers: &[StatusCode],
    ) -> anyhow::Result<oracle::Job> {
        self.preview(job, places).await?;
        let body = request(job, places);
        let path = "/api/v1/exposure-jobs";
        let (status, view) = self.call(&self.drafter, Method::POST, path, Some(&body)).await?;
        ensure!(answers.contains(&status), "submit: {status} {view}");
        let view: JobView = serde_json::from_value(view)?;
        let approve = json!({"content_hash": view.content_hash});
        let path = format!("/api/v1/exposure-jobs/{}/approve", view.id);
        let (alone, _) = self.call(&self.drafter, Method::POST, &path, Some(&approve)).await?;
        ensure!(alone == StatusCode::FORBIDDEN, "one person alone: {alone}");
        let (mut status, mut view) =
            self.call(&self.approver, Method::POST, &path, Some(&approve)).await?;
        if status == StatusCode::CONFLICT && answers.contains(&StatusCode::OK) {
            // The answer to an earlier approval was lost: it counts all the same.
            let path = path.trim_end_matches("/approve");
            (status, view) = self.call(&self.approver, Method::GET, path, None).await?;
        }
        ensure!(status == StatusCode::OK, "approve: {status} {view}");
        let view: JobView = serde_json::from_value(view)?;
        ensure!(view.state != "submitted", "it is not approved");
        Ok(job_record(view.id, job, places))
    }

    /// Watches a job until nobody is pending; the equation must hold at every look.
    pub(super) async fn wait_until_completed(
        &self,
        id: &str,
        show: &Show,
    ) -> anyhow::Result<ProgressView> {
        let mut bar = None;
        let view = self
            .wait_for(id, |view| {
                let p = view.progress;
                if p.targeted > 0 {
                    let bar = bar.get_or_insert_with(|| show.bar(&view.reference, p.targeted));
                    bar.set(p.accepted + p.invalid + p.erased + p.undecided);
                }
                matches!(view.state.as_str(), "completed" | "closed" | "paused" | "cancelled")
            })
            .await?;
        ensure!(view.state != "paused", "job {id} is paused: {:?}", view.paused);
        if let Some(bar) = bar {
            bar.finish();
        }
        Ok(view.progress)
    }

    /// Watches a job until it is as wished; its parts must add up at every look.
    pub async fn wait_for(
        &self,
        id: &str,
        mut wished: impl FnMut(&JobView) -> bool,
    ) -> anyhow::Result<JobView> {
        let begun = Instant::now();
        loop {
            let path = format!("/api/v1/exposure-jobs/{id}");
            let (status, view) = self.call(&self.drafter, Method::GET, &path, None).await?;
            ensure!(status == StatusCode::OK, "job: {status} {view}");
            let view: JobView = serde_json::from_value(view)?;
            let p = view.progress;
            let parts =
                [p.accepted, p.pending, p.retrying, p.invalid, p.undecided, p.erased, p.cancelled];
            let sum: u64 = parts.iter().sum();
            ensure!(sum == p.targeted, "the parts of job {id} do not add up: {p:?}");
            if wished(&view) {
                return Ok(view);
            }
            let waited = begun.elapsed();
            ensure!(waited < Duration::from_secs(120), "job {id} does not get there: {view:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A job as the API takes it.
pub(crate) fn request(job: &scenario::Job, places: &[(String, String, i64)]) -> Value {
    let record = job_record(String::new(), job, places);
    json!({
        "venues": record.venues,
        "window": {
            "from": EventTime(job.from).to_rfc3339_jst(),
            "to": EventTime(job.to).to_rfc3339_jst(),
        },
        "padding_minutes": job.padding_minutes,
        "messages": record.messages,
        "reference": job.reference,
    })
}

/// A job that the API has taken, as the count wants it.
pub(crate) fn job_record(
    id: String,
    job: &scenario::Job,
    places: &[(String, String, i64)],
) -> oracle::Job {
    let mut messages = BTreeMap::from([("ja".to_owned(), job.japanese.to_string())]);
    messages.extend(job.english.iter().map(|text| ("en".to_owned(), text.to_string())));
    oracle::Job {
        id,
        venues: job.venues.iter().map(|venue| places[*venue].0.clone()).collect(),
        from: job.from,
        to: job.to,
        padding_minutes: i64::from(job.padding_minutes),
        messages,
    }
}
