//! What can be done with a job.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use schemas::{
    ids::{JobId, RecordId},
    job::{Actor, Decision, Job, JobContent, JobEvent, JobRecord, PauseCause, Refusal, hex},
    sending::ChunkName,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use storage::{Log, Store, kill_point};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Console, Preview,
    auth::{self, Caller},
    preview::Counts,
    problem::Problem,
    validate::{self, JobRequest},
    venues::{self, VenuePage},
    view::{self, JobView},
};

/// Jobs of one page.
const PAGE: usize = 50;
/// Characters of a reason.
const MAX_REASON: usize = 1_000;
/// Characters of an idempotency key.
const MAX_KEY: usize = 200;

/// The content that an approver has seen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// `content_hash` of the job as it was seen.
    pub content_hash: String,
}

/// Why a job is returned or rejected.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    /// In words, for those who wrote it.
    pub reason: String,
}

/// What becomes of an undecided chunk.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The chunk, as `undecided_chunks` names it.
    pub chunk: String,
    /// `true`: send again, some may get it twice. `false`: leave it, some may never get it.
    pub resend: bool,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only jobs in this state.
    pub state: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Jobs, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobView>,
    /// Asks for the next page, where there is one.
    pub next_cursor: Option<String>,
}

/// Which places.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VenueQuery {
    /// Words of names, or an id.
    #[serde(default)]
    pub query: String,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

pub(crate) type Shared<L, S, P> = State<Arc<Console<L, S, P>>>;

/// Submits a job.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs", tag = "exposure jobs", request_body = JobRequest,
    params(("Idempotency-Key" = String, Header, description = "chosen by the client; repeating a request with it makes no second job")),
    responses(
        (status = 201, body = JobView, description = "submitted; 200 where an earlier request with this key made the job"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn submit<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = auth::caller(&console.store, &headers).await?;
    let key = idempotency_key(&headers)?;
    let request: JobRequest = parse(&body)?;
    // Of what was meant, not of the bytes: a client may space its JSON differently when it repeats.
    let body_hash = hex(&Sha256::digest(serde_json::to_vec(&request).unwrap_or_default()));
    let by = caller.actor();
    if let Some(job) = console.jobs.read(|jobs| jobs.by_request(&by, &key).cloned()) {
        return repeated(&job, &body_hash);
    }
    let content = console.content(&request)?;
    let event = JobEvent::Submitted {
        by: by.clone(),
        content,
        idempotency_key: key.clone(),
        body_hash: body_hash.clone(),
    };
    match console.append(JobId(Uuid::now_v7()), event).await {
        Ok(job) => Ok((StatusCode::CREATED, Json(JobView::from(&job))).into_response()),
        Err(Failed::Refused(Refusal::KeyUsed)) => {
            let job = console.jobs.read(|jobs| jobs.by_request(&by, &key).cloned());
            repeated(&job.ok_or_else(Problem::unknown)?, &body_hash)
        }
        Err(failed) => Err(failed.into()),
    }
}

fn repeated(job: &Job, body_hash: &str) -> Result<Response, Problem> {
    if job.body_hash == body_hash {
        Ok((StatusCode::OK, Json(JobView::from(job))).into_response())
    } else {
        Err(Problem::refused(Refusal::KeyUsed))
    }
}

/// Replaces the content of a job, while it is submitted or returned.
#[utoipa::path(
    put, path = "/api/v1/exposure-jobs/{id}", tag = "exposure jobs", request_body = JobRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn edit<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let caller = auth::caller(&console.store, &headers).await?;
    let id = job_id(&id)?;
    console.job(id).await?;
    let content = console.content(&parse(&body)?)?;
    console.act(id, JobEvent::Edited { by: caller.actor(), content }).await
}

/// Counts the people of a job without making one.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/preview", tag = "exposure jobs", request_body = JobRequest,
    responses(
        (status = 200, body = Counts), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn preview<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Counts>, Problem> {
    auth::caller(&console.store, &headers).await?;
    let content = console.content(&parse(&body)?)?;
    match console.preview.count(&content).await {
        Ok(counts) => Ok(Json(counts)),
        Err(error) => {
            tracing::warn!(%error, "a preview failed");
            Err(Problem::unknown())
        }
    }
}

/// Approves exactly the content that was seen. Never one's own.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/approve", tag = "exposure jobs", request_body = ApproveRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn approve<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    let ApproveRequest { content_hash } = parse(&body)?;
    console.act(job_id(&id)?, JobEvent::Approved { by, content_hash }).await
}

/// Sends a job back for changes.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/return", tag = "exposure jobs", request_body = ReasonRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn send_back<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    let reason = reason(&body)?;
    console.act(job_id(&id)?, JobEvent::Returned { by, reason }).await
}

/// Refuses a job for good.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/reject", tag = "exposure jobs", request_body = ReasonRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn reject<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    let reason = reason(&body)?;
    console.act(job_id(&id)?, JobEvent::Rejected { by, reason }).await
}

/// Stops sending until it is resumed. Any official may: stopping must be easy.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/pause", tag = "exposure jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn pause<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    let caller = auth::caller(&console.store, &headers).await?;
    caller.must_be_a_person()?;
    let cause = PauseCause::Official { by: caller.actor() };
    console.act(job_id(&id)?, JobEvent::Paused { cause, resumes: None }).await
}

/// Goes on with a paused job.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/resume", tag = "exposure jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn resume<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    console.act(job_id(&id)?, JobEvent::Resumed { by }).await
}

/// Stops a job for good. What LINE accepted can't be called back. Approvers
/// only: anybody else pauses, which can be undone.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/cancel", tag = "exposure jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn cancel<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    console.act(job_id(&id)?, JobEvent::Cancelled { by }).await
}

/// Says what becomes of an undecided chunk. It counts once a second approver says the same.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/decide", tag = "exposure jobs", request_body = DecideRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn decide<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    let DecideRequest { chunk, resend } = parse(&body)?;
    let ChunkName { plan, chunk } = chunk.parse().map_err(|_| {
        Problem::unreadable("/chunk", "undecided_chunks にある名前を書いてください。")
    })?;
    let decision = if resend { Decision::SendAgain } else { Decision::Leave };
    console.act(job_id(&id)?, JobEvent::Decided { by, plan, chunk, decision }).await
}

/// Makes the plan although some scans are not rows yet; people among them are found by a sweep.
#[utoipa::path(
    post, path = "/api/v1/exposure-jobs/{id}/plan-anyway", tag = "exposure jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn plan_anyway<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    let by = console.approver(&headers).await?;
    console.act(job_id(&id)?, JobEvent::PlanAnyway { by }).await
}

/// A job.
#[utoipa::path(
    get, path = "/api/v1/exposure-jobs/{id}", tag = "exposure jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn show<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    auth::caller(&console.store, &headers).await?;
    console.job(job_id(&id)?).await.map(|job| Json(JobView::from(&job)))
}

/// Jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/exposure-jobs", tag = "exposure jobs", params(ListQuery),
    responses(
        (status = 200, body = JobPage), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn list<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    headers: HeaderMap,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<JobPage>, Problem> {
    auth::caller(&console.store, &headers).await?;
    let Query(query) = query.map_err(|error| Problem::unreadable("", error.body_text()))?;
    let wanted = match query.state.as_deref() {
        None | Some("") => None,
        // Drafts are kept by the pages that write them; the API makes none.
        Some("draft") => return Ok(Json(JobPage { jobs: Vec::new(), next_cursor: None })),
        Some(name) => Some(
            view::state(name)
                .ok_or_else(|| Problem::unreadable("", "state にある名前ではありません。"))?,
        ),
    };
    let before = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(cursor) => Some(
            cursor
                .parse::<JobId>()
                .map_err(|_| Problem::unreadable("", "cursor が正しくありません。"))?,
        ),
    };
    console.jobs.read(|jobs| {
        let mut found = jobs
            .iter()
            .rev()
            .filter(|job| before.is_none_or(|before| job.id < before))
            .filter(|job| wanted.is_none_or(|wanted| job.state == wanted));
        let page: Vec<JobView> = found.by_ref().take(PAGE).map(JobView::from).collect();
        let more = found.next().is_some();
        let next_cursor = page.last().filter(|_| more).map(|job| job.id.clone());
        Ok(Json(JobPage { jobs: page, next_cursor }))
    })
}

/// Finds places.
#[utoipa::path(
    get, path = "/api/v1/venues", tag = "venues", params(VenueQuery),
    responses(
        (status = 200, body = VenuePage), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn find_venues<L: Log, S: Store, P: Preview>(
    State(console): Shared<L, S, P>,
    headers: HeaderMap,
    query: Result<Query<VenueQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<VenuePage>, Problem> {
    auth::caller(&console.store, &headers).await?;
    let Query(query) = query.map_err(|error| Problem::unreadable("", error.body_text()))?;
    let cursor = cursor(query.cursor.as_deref())?;
    Ok(Json(console.registry.read(|registry| venues::search(registry, &query.query, cursor))))
}

/// Where a page begins.
pub(crate) fn cursor(text: Option<&str>) -> Result<usize, Problem> {
    match text {
        None | Some("") => Ok(0),
        Some(text) => {
            text.parse().map_err(|_| Problem::unreadable("", "cursor が正しくありません。"))
        }
    }
}

/// Why a record did not count.
enum Failed {
    Refused(Refusal),
    Unknown,
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refusal) => Problem::refused(refusal),
            Failed::Unknown => Problem::unknown(),
        }
    }
}

impl<L: Log, S: Store, P: Preview> Console<L, S, P> {
    /// A job. One that another console has just made is not here yet: then we catch up first.
    async fn job(&self, id: JobId) -> Result<Job, Problem> {
        let look = || self.jobs.read(|jobs| jobs.get(id).cloned());
        if let Some(job) = look() {
            return Ok(job);
        }
        self.jobs.caught_up().await.map_err(|_| Problem::unknown())?;
        look().ok_or_else(Problem::not_found)
    }

    fn content(&self, request: &JobRequest) -> Result<JobContent, Problem> {
        let now = (self.clock)();
        self.registry
            .read(|registry| validate::content(request, registry, now))
            .map_err(Problem::invalid)
    }

    pub(crate) async fn approver(&self, headers: &HeaderMap) -> Result<Actor, Problem> {
        let caller: Caller = auth::caller(&self.store, headers).await?;
        caller.must_approve()?;
        Ok(caller.actor())
    }

    async fn act(&self, id: JobId, event: JobEvent) -> Result<Json<JobView>, Problem> {
        self.job(id).await?;
        let job = self.append(id, event).await?;
        if job.state == schemas::job::State::Approved {
            kill_point!("K17 approved, not answered");
        }
        Ok(Json(JobView::from(&job)))
    }

    /// Appends, waits until our own replay has passed the record, and tells what it came to.
    async fn append(&self, job: JobId, event: JobEvent) -> Result<Job, Failed> {
        let record = JobRecord { id: RecordId(Uuid::now_v7()), job, at: (self.clock)(), event };
        kill_point!("K15 asked, not logged");
        match self.jobs.append(&record).await {
            Ok(Ok(job)) => {
                kill_point!("K16 logged, not answered");
                Ok(job)
            }
            Ok(Err(refusal)) => Err(Failed::Refused(refusal)),
            Err(error) => {
                tracing::warn!(%error, "it is unknown whether a record of a job counts");
                Err(Failed::Unknown)
            }
        }
    }
}

fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    match key.map(str::trim) {
        Some(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(key.to_owned()),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_required",
            "Idempotency-Key が必要です",
            format!(
                "依頼ごとに新しい値（{MAX_KEY}文字まで）を付けてください。送り直すときは同じ値にします。"
            ),
        )),
    }
}

pub(crate) fn reason(body: &[u8]) -> Result<String, Problem> {
    let ReasonRequest { reason } = parse(body)?;
    if reason.trim().is_empty() || reason.chars().count() > MAX_REASON {
        let detail = format!("理由を{MAX_REASON}文字までで書いてください。");
        return Err(Problem::unreadable("/reason", detail));
    }
    Ok(reason)
}

/// Reads a body; says where it can't be read.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // serde names fields and types, never values of ours.
        Problem::unreadable("", format!("{line}行{column}文字目: {error}"))
    })
}
