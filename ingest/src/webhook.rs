//! One webhook request: limits, order of steps, answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemas::{
    identity::KeyRing,
    place_code::PlaceKeys,
    service::{KNOWN_WITHIN_MS, Service},
    time::EventTime,
};
use storage::{Append, Log, fault, follow::Follower, kill_point};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};

use crate::{
    config::Config,
    metrics,
    record::{self, BodyError, Context, Outcome},
    signature::{self, ChannelSecrets},
    spool::Spool,
    wrote::WroteMemory,
};

/// The answer to what the log has.
const DURABLE: (StatusCode, &str) = (StatusCode::OK, "durable");

/// What the endpoint works with.
#[derive(Clone)]
pub struct Deps<L: Log> {
    /// Where records go.
    pub log: L,
    /// Names and seals visitors.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// Verifies place codes.
    pub places: Arc<ArcSwap<PlaceKeys>>,
    /// The channel secrets that count now.
    pub secrets: ChannelSecrets,
    /// Our bot's user id, where bodies for others are to be refused.
    pub bot: Option<String>,
    /// Where records wait while the log takes none.
    pub spool: Option<Spool>,
    /// Whether the service runs. Followed in memory: no request asks for it.
    pub service: Follower<L, Arc<Service>>,
    /// How long rows live.
    pub retention_days: u32,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
}

/// The webhook endpoint.
pub struct Ingest<L: Log> {
    config: Config,
    deps: Deps<L>,
    slots: Semaphore,
    wrote: WroteMemory,
    missing_key: AtomicBool,
    ready: watch::Sender<bool>,
    usual: metrics::Usual,
}

impl<L: Log> Ingest<L> {
    /// An endpoint with these limits. `ready` follows whether keys are complete.
    pub fn new(config: Config, deps: Deps<L>, ready: watch::Sender<bool>) -> Arc<Self> {
        let complete = deps.keys.load().epochs().any(|epoch| epoch == (deps.clock)().epoch());
        ready.send_replace(complete);
        Arc::new(Self {
            slots: Semaphore::new(config.max_in_flight),
            wrote: WroteMemory::new(config.wrote_memory),
            missing_key: AtomicBool::new(!complete),
            config,
            deps,
            ready,
            usual: metrics::Usual::default(),
        })
    }

    /// `POST /webhook`.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/webhook", post(handle::<L>)).with_state(Arc::clone(self))
    }

    async fn answer(
        &self,
        signature: Option<HeaderValue>,
        body: Body,
    ) -> (StatusCode, &'static str) {
        let Ok(_slot) = self.slots.try_acquire() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "overloaded");
        };
        self.usual.in_flight.set(self.in_flight());
        let bytes = match self.read(body).await {
            Ok(bytes) => bytes,
            Err(refusal) => return refusal,
        };
        let signature = signature.as_ref().map(HeaderValue::as_bytes);
        let body = match signature::verify(&self.deps.secrets.load(), bytes, signature) {
            Ok(body) => body,
            Err(error) => return (StatusCode::UNAUTHORIZED, error.name()),
        };
        kill_point!("K2 signature checked");
        let outcome = {
            let (keys, places) = (self.deps.keys.load(), self.deps.places.load());
            let service = self.service();
            let context = Context {
                keys: &keys,
                places: &places,
                wrote: &self.wrote,
                service: &service,
                now: (self.deps.clock)(),
                retention_days: self.deps.retention_days,
            };
            record::records_of_body(body.bytes(), self.deps.bot.as_deref(), &context)
        };
        match outcome {
            Ok(mut outcome) => {
                self.keys_are_complete();
                match self.durable(std::mem::take(&mut outcome.appends)).await {
                    Ok(at) => {
                        self.count(outcome);
                        (StatusCode::OK, at)
                    }
                    Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
                }
            }
            Err(BodyError::OtherBot) => (StatusCode::UNAUTHORIZED, "other_bot"),
            Err(BodyError::Keys(error)) => {
                self.key_is_missing(&error);
                (StatusCode::SERVICE_UNAVAILABLE, "missing_key")
            }
        }
    }

    async fn read(&self, body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
        kill_point!("K1 head read, body not");
        let deadline = Duration::from_millis(self.config.body_deadline_ms);
        match timeout(deadline, Limited::new(body, self.config.max_body_bytes).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err((StatusCode::PAYLOAD_TOO_LARGE, "too_large"))
            }
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "broken_body")),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "slow_body")),
        }
    }

    /// Makes records durable; where they are, or why nowhere.
    async fn durable(&self, records: Vec<Append>) -> Result<&'static str, &'static str> {
        let begun = Instant::now();
        let durable = match &self.deps.spool {
            _ if records.is_empty() => Ok(DURABLE.1),
            Some(spool) => self.log_or_spool(records, spool).await,
            None => self.log(records).await.map(|()| DURABLE.1),
        };
        if durable.is_ok() {
            kill_point!("K4 durable, not answered");
            self.usual.append_duration.record(begun.elapsed().as_secs_f64());
        }
        durable
    }

    /// Counts what is durable. Only now: an event that is delivered again is counted when it counts.
    fn count(&self, outcome: Outcome) {
        for (visitor, day_start) in outcome.wrote {
            self.wrote.made(visitor, day_start);
        }
        let events = |kind: &'static str, count: usize| {
            ::metrics::counter!(metrics::EVENTS, "kind" => kind).increment(count as u64);
        };
        self.usual.scans.increment(outcome.scans as u64);
        if outcome.visitors > 0 {
            events("visitor", outcome.visitors);
        }
        if outcome.not_running > 0 {
            events("not_running", outcome.not_running);
        }
        for why in outcome.ignored {
            events(why.name(), 1);
        }
        for cause in outcome.rejected {
            events("rejected", 1);
            ::metrics::counter!(metrics::REJECTED, "cause" => cause.name()).increment(1);
        }
    }

    /// Gives records to the log, or else to the spool; where they are, or why nowhere.
    async fn log_or_spool(
        &self,
        records: Vec<Append>,
        spool: &Spool,
    ) -> Result<&'static str, &'static str> {
        // While the log is known to be away, asking it first would only cost the visitor time.
        if !spool.log_is_down() {
            match self.log(records.clone()).await {
                Ok(()) => return Ok(DURABLE.1),
                Err(_) => spool.log_is_away(),
            }
        }
        // In the heap: it is seldom needed, and would make what waits for the log larger for everybody.
        match Box::pin(spool.put(&records, (self.deps.clock)())).await {
            Ok(()) => Ok("spooled"),
            Err(error) => {
                tracing::warn!(%error, "records are not durable; LINE delivers them again");
                spool.holds_nothing();
                Err("spool_failed")
            }
        }
    }

    /// Gives records to the log; why it does not have them in time.
    async fn log(&self, records: Vec<Append>) -> Result<(), &'static str> {
        if fault!("the log is away") {
            return Err("log_failed");
        }
        let deadline = Duration::from_millis(self.config.append_deadline_ms);
        let Ok(results) = timeout(deadline, self.deps.log.append(records)).await else {
            return Err("log_slow");
        };
        match results.iter().find_map(|result| result.as_ref().err()) {
            Some(error) => {
                tracing::warn!(%error, "the log did not take the records of a request");
                Err("log_failed")
            }
            None => Ok(()),
        }
    }

    /// Whether the service runs, as far as it is known for certain. A scan that is dropped here is
    /// gone; one too many is dropped by the processor.
    fn service(&self) -> Arc<Service> {
        match self.deps.service.fresh_within(Duration::from_millis(KNOWN_WITHIN_MS)) {
            true => self.deps.service.read(Arc::clone),
            false => Arc::default(),
        }
    }

    fn in_flight(&self) -> f64 {
        (self.config.max_in_flight - self.slots.available_permits()) as f64
    }

    fn keys_are_complete(&self) {
        if self.missing_key.swap(false, Ordering::Relaxed) {
            self.ready.send_replace(true);
        }
    }

    fn key_is_missing(&self, error: &schemas::identity::IdentityError) {
        if !self.missing_key.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "webhooks can't be taken");
            self.ready.send_replace(false);
        }
    }
}

// Not an `async fn`: of all that a request brings, only this is kept while the log is waited for.
fn handle<L: Log>(
    State(ingest): State<Arc<Ingest<L>>>,
    request: Request,
) -> impl Future<Output = Response> + Send {
    let (head, body) = request.into_parts();
    let mut signatures = head.headers.get_all("x-line-signature").iter();
    let signature = match (signatures.next(), signatures.next()) {
        (Some(one), None) => Some(one.clone()),
        _ => None,
    };
    async move { respond(&ingest, signature, body).await }
}

async fn respond<L: Log>(
    ingest: &Ingest<L>,
    signature: Option<HeaderValue>,
    body: Body,
) -> Response {
    let begun = Instant::now();
    let (status, reason) = ingest.answer(signature, body).await;
    if (status, reason) == DURABLE {
        ingest.usual.durable.increment(1);
    } else {
        ::metrics::counter!(metrics::REQUESTS, "code" => code(status), "reason" => reason)
            .increment(1);
    }
    ingest.usual.duration.record(begun.elapsed().as_secs_f64());
    ingest.usual.in_flight.set(ingest.in_flight());
    let close = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
    if close {
        (status, [(header::CONNECTION, "close")]).into_response()
    } else {
        status.into_response()
    }
}

/// The few codes there are, as labels.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => "200",
        StatusCode::BAD_REQUEST => "400",
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::REQUEST_TIMEOUT => "408",
        StatusCode::PAYLOAD_TOO_LARGE => "413",
        _ => "503",
    }
}
