//! How a stand-in that runs by itself is steered: faults, people, clock, webhooks, journal.
//! Not a part of LINE: everything is below `/_standin`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Platform, api,
    faults::Fault,
    journal::{Journal, What},
    people::Person,
    webhooks::{Event, WebhookSender},
};

type Shared = State<Arc<Platform>>;

pub(super) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/_standin", get(who))
        .route("/_standin/faults", post(faults).delete(no_faults))
        .route("/_standin/people", post(people))
        .route("/_standin/clock", post(clock))
        .route("/_standin/quota", post(quota))
        .route("/_standin/webhook", post(webhook))
        .route("/_standin/journal", get(journal))
        .with_state(platform)
}

/// What LINE never answers: how a product, asked by a load test, knows that this is not LINE.
async fn who() -> ([(&'static str, &'static str); 1], &'static str) {
    ([("x-line-stand-in", "anshin-load")], "a stand-in for LINE\n")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    endpoint: String,
    fault: Fault,
    /// Of all requests from now on, 0 to 1;
    share: Option<f64>,
    /// or of the next so many.
    next: Option<usize>,
    latency_ms: Option<u64>,
}

/// `{"endpoint":"multicast","fault":"error_after","share":0.1}`
async fn faults(State(platform): Shared, Json(asked): Json<FaultRequest>) -> StatusCode {
    let Some(endpoint) = api::ENDPOINTS.into_iter().find(|known| *known == asked.endpoint) else {
        return StatusCode::NOT_FOUND;
    };
    let mut faults = platform.faults.lock();
    if let Some(share) = asked.share {
        faults.share(endpoint, asked.fault, share.clamp(0.0, 1.0));
    }
    faults.next(endpoint, &vec![asked.fault; asked.next.unwrap_or(0).min(10_000)]);
    if let Some(latency) = asked.latency_ms {
        faults.latency(Duration::from_millis(latency));
    }
    StatusCode::NO_CONTENT
}

async fn no_faults(State(platform): Shared) -> StatusCode {
    platform.faults.lock().clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonRequest {
    user: String,
    #[serde(default)]
    friend: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    name: String,
    language: Option<String>,
}

/// `[{"user":"U…","friend":true}]`
async fn people(State(platform): Shared, Json(asked): Json<Vec<PersonRequest>>) -> StatusCode {
    let mut people = platform.people.lock();
    for PersonRequest { user, friend, blocked, name, language } in asked {
        people.set(&user, Person { friend, blocked, name, language, ..Person::default() });
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance_ms: i64,
}

/// `{"advance_ms":86400000}`
async fn clock(State(platform): Shared, Json(asked): Json<ClockRequest>) -> StatusCode {
    platform.clock.advance(asked.advance_ms.max(0));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaRequest {
    value: Option<u64>,
}

/// `{"value":1000}`, or `{}` for no limit.
async fn quota(State(platform): Shared, Json(asked): Json<QuotaRequest>) -> StatusCode {
    platform.set_quota(asked.value);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookRequest {
    url: String,
    user: String,
    at: Option<i64>,
    what: What,
}

/// `{"url":"http://127.0.0.1:8080/webhook","user":"U…","what":{"text":{"message":"1","text":"…"}}}`;
/// answers with the status of the product's first answer.
async fn webhook(State(platform): Shared, Json(asked): Json<WebhookRequest>) -> String {
    let at = asked.at.unwrap_or_else(|| platform.clock.now());
    let sender = match WebhookSender::new(platform, std::slice::from_ref(&asked.url)) {
        Ok(sender) => sender,
        Err(error) => return format!("{error}\n"),
    };
    let event = Event::new(asked.user, at, asked.what);
    let (first, count) = sender.deliver_surely(&[event], Instant::now()).await;
    format!("{} ({count} deliveries)\n", first.status)
}

async fn journal(State(platform): Shared) -> Json<Journal> {
    Json(platform.journal.lock().clone())
}
