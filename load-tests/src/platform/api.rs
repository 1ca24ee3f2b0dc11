//! The endpoints: who is asked what, in which order checks are made.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    Broken, Platform, check,
    faults::Fault,
    journal::{Accepted, Reply, Request},
};

/// LINE refuses requests over 2 MB.
const MAX_BODY: usize = 2 << 20;
/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_secs(600);

/// The endpoints, as faults and the journal name them.
pub const ENDPOINTS: [&str; 10] = [
    "multicast",
    "push",
    "reply",
    "validate",
    "quota",
    "consumption",
    "profile",
    "followers",
    "info",
    "webhook_endpoint",
];

type Shared = State<Arc<Platform>>;

/// The API's routes.
pub fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/v2/bot/message/multicast", post(multicast))
        .route("/v2/bot/message/push", post(push))
        .route("/v2/bot/message/reply", post(reply))
        .route("/v2/bot/message/validate/multicast", post(validate))
        .route("/v2/bot/message/validate/push", post(validate))
        .route("/v2/bot/message/validate/reply", post(validate))
        .route("/v2/bot/message/quota", get(quota))
        .route("/v2/bot/message/quota/consumption", get(consumption))
        .route("/v2/bot/profile/{user}", get(profile))
        .route("/v2/bot/followers/ids", get(followers))
        .route("/v2/bot/info", get(info))
        .route("/v2/bot/channel/webhook/endpoint", get(endpoint).put(set_endpoint))
        .route("/oauth2/v3/token", post(token))
        .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({"message": "Not found"}))) })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(platform)
}

/// An answer before it is sent: status, body, further headers.
struct Answer {
    status: StatusCode,
    body: Value,
    accepted_request_id: Option<String>,
}

impl Answer {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, accepted_request_id: None }
    }

    fn bad(body: Value) -> Self {
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    fn message(status: StatusCode, message: &str) -> Self {
        Self::new(status, json!({"message": message}))
    }

    fn too_fast() -> Self {
        let text = "The API rate limit has been exceeded. Try again later.";
        Self::message(StatusCode::TOO_MANY_REQUESTS, text)
    }

    fn quota_gone() -> Self {
        Self::message(StatusCode::TOO_MANY_REQUESTS, "You have reached your monthly limit.")
    }

    fn unauthorized() -> Self {
        let text = "Authentication failed. Confirm that the access token in the authorization header is valid.";
        Self::message(StatusCode::UNAUTHORIZED, text)
    }

    fn into_response(self, request_id: &str) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        };
        set("x-line-request-id", request_id);
        if let Some(id) = &self.accepted_request_id {
            set("x-line-accepted-request-id", id);
        }
        response
    }
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Platform {
    fn authorized(&self, headers: &HeaderMap) -> bool {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.limits.lock().is_good(token, self.clock.now()))
    }

    fn note(&self, endpoint: &str, status: u16, people: usize) {
        let request =
            Request { at: self.clock.now(), endpoint: endpoint.to_owned(), status, people };
        self.journal.lock().requests.push(request);
        self.asked.notify_waiters();
    }

    fn violation(&self, what: String) {
        self.journal.lock().violations.push(what);
    }

    /// Runs a request through faults; `act` accepts it.
    async fn with_faults(
        &self,
        endpoint: &'static str,
        headers: &HeaderMap,
        people: usize,
        act: impl FnOnce(&str) -> Answer,
    ) -> Response {
        let request_id = new_id();
        let (fault, latency) = self.faults.lock().draw(endpoint);
        tokio::time::sleep(latency).await;
        let error = || Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal error");
        let before = match fault {
            Some(Fault::ErrorBefore) => Some(error()),
            Some(Fault::ResetBefore) => {
                self.note(endpoint, 0, people);
                return broken();
            }
            Some(Fault::TokenUsed) => {
                Some(Answer::message(StatusCode::BAD_REQUEST, "Invalid reply token"))
            }
            Some(Fault::TooFast) => Some(Answer::too_fast()),
            Some(Fault::QuotaGone) => Some(Answer::quota_gone()),
            Some(Fault::Unauthorized) => Some(Answer::unauthorized()),
            Some(Fault::Forbidden) => {
                Some(Answer::message(StatusCode::FORBIDDEN, "Not authorized to use this API"))
            }
            Some(Fault::HangBefore) => {
                self.note(endpoint, 0, people);
                tokio::time::sleep(FOR_EVER).await;
                Some(error())
            }
            _ if !self.authorized(headers) => Some(Answer::unauthorized()),
            _ if !self.limits.lock().take(endpoint, self.clock.now()) => Some(Answer::too_fast()),
            _ => None,
        };
        let answer = before.unwrap_or_else(|| act(&request_id));
        match fault {
            Some(Fault::ErrorAfter) => {
                self.note(endpoint, 500, people);
                error().into_response(&request_id)
            }
            Some(Fault::HangAfter) => {
                self.note(endpoint, 0, people);
                tokio::time::sleep(FOR_EVER).await;
                answer.into_response(&request_id)
            }
            Some(Fault::ResetAfter) => {
                self.note(endpoint, 0, people);
                broken()
            }
            _ => {
                self.note(endpoint, answer.status.as_u16(), people);
                answer.into_response(&request_id)
            }
        }
    }

    /// Accepts a message under a retry key.
    fn accept(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        request_id: &str,
        send: impl FnOnce(i64) -> Answer,
    ) -> Answer {
        let now = self.clock.now();
        let key = headers.get("x-line-retry-key").map(|value| value.to_str().unwrap_or_default());
        let Some(key) = key else {
            self.violation("a message without a retry key can never be retried safely".into());
            return send(now);
        };
        if !check::is_retry_key(key) {
            return Answer::message(
                StatusCode::BAD_REQUEST,
                "The 'X-Line-Retry-Key' must be a UUID",
            );
        }
        let kept = self.limits.lock().kept(key, now).cloned();
        if let Some(kept) = kept {
            if kept.body != body {
                self.violation("a retry key was used again with another body".into());
            }
            let mut answer =
                Answer::message(StatusCode::CONFLICT, "The retry key is already accepted");
            answer.accepted_request_id = Some(kept.request_id);
            return answer;
        }
        let answer = send(now);
        if answer.status.is_success() {
            self.limits.lock().keep(key, request_id, body, now);
        }
        answer
    }
}

/// An answer that never arrives.
fn broken() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Broken);
    response
}

fn parse(body: &[u8]) -> Result<Value, Answer> {
    serde_json::from_slice(body).map_err(|_| {
        Answer::message(StatusCode::BAD_REQUEST, "The request body could not be parsed as JSON.")
    })
}

async fn multicast(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let people = parse(&body).ok().and_then(|b| Some(b.get("to")?.as_array()?.len()));
    let accept = |request_id: &str| {
        let checked = parse(&body).and_then(|parsed| {
            let to = {
                let people = platform.people.lock();
                let is_refused = |user: &str| people.get(user).is_some_and(|p| p.refused);
                check::multicast_to(&parsed, is_refused).map_err(Answer::bad)?
            };
            let texts = check::messages(&parsed).map_err(Answer::bad)?;
            Ok((to, texts))
        });
        let (to, texts) = match checked {
            Ok(checked) => checked,
            Err(answer) => return answer,
        };
        platform.accept(&headers, &body, request_id, |now| {
            let different: BTreeSet<&String> = to.iter().collect();
            if different.len() < to.len() {
                platform.violation("a multicast names somebody twice".into());
            }
            let reached: Vec<bool> = {
                let people = platform.people.lock();
                to.iter().map(|user| people.multicast_reaches(user)).collect()
            };
            let count = reached.iter().filter(|reached| **reached).count() as u64;
            let mut limits = platform.limits.lock();
            if !limits.fits(count) {
                return Answer::quota_gone();
            }
            limits.consume(count);
            drop(limits);
            let mut journal = platform.journal.lock();
            for (user, reaches) in to.iter().zip(reached) {
                for text in &texts {
                    journal.accepted.push(Accepted {
                        at: now,
                        user: user.clone(),
                        text: text.clone(),
                        reaches,
                        request_id: request_id.to_owned(),
                    });
                }
            }
            Answer::new(StatusCode::OK, json!({}))
        })
    };
    platform.with_faults("multicast", &headers, people.unwrap_or(0), accept).await
}

async fn push(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let accept = |request_id: &str| {
        let parsed = match parse(&body) {
            Ok(parsed) => parsed,
            Err(answer) => return answer,
        };
        let to = parsed.get("to").and_then(Value::as_str).unwrap_or_default().to_owned();
        let texts = match check::messages(&parsed) {
            Ok(texts) => texts,
            Err(bad) => return Answer::bad(bad),
        };
        if !check::is_user_id(&to) {
            let text = "The property, 'to', in the request body is invalid (line: -, column: -)";
            return Answer::message(StatusCode::BAD_REQUEST, text);
        }
        if platform.people.lock().get(&to).is_none_or(|person| person.refused) {
            return Answer::message(StatusCode::BAD_REQUEST, "Failed to send messages");
        }
        let sent = json!([{"id": "461230966842064897", "quoteToken": "IStG5h1Tz7b"}]);
        let mut answer = platform.accept(&headers, &body, request_id, |now| {
            let reaches = platform.people.lock().push_reaches(&to, now);
            let mut limits = platform.limits.lock();
            if !limits.fits(u64::from(reaches)) {
                return Answer::quota_gone();
            }
            limits.consume(u64::from(reaches));
            drop(limits);
            let mut journal = platform.journal.lock();
            for text in texts {
                journal.accepted.push(Accepted {
                    at: now,
                    user: to.clone(),
                    text,
                    reaches,
                    request_id: request_id.to_owned(),
                });
            }
            Answer::new(StatusCode::OK, json!({}))
        });
        if matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT) {
            answer.body["sentMessages"] = sent;
        }
        answer
    };
    platform.with_faults("push", &headers, 1, accept).await
}

async fn reply(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let accept = |_: &str| {
        if headers.contains_key("x-line-retry-key") {
            platform.violation("a reply takes no retry key".into());
            return Answer::message(
                StatusCode::BAD_REQUEST,
                "The 'X-Line-Retry-Key' header is not supported by this endpoint",
            );
        }
        let parsed = match parse(&body) {
            Ok(parsed) => parsed,
            Err(answer) => return answer,
        };
        let texts = match check::messages(&parsed) {
            Ok(texts) => texts,
            Err(bad) => return Answer::bad(bad),
        };
        let token = parsed.get("replyToken").and_then(Value::as_str).unwrap_or_default();
        let now = platform.clock.now();
        let Some(user) = platform.limits.lock().use_reply(token, now) else {
            return Answer::message(StatusCode::BAD_REQUEST, "Invalid reply token");
        };
        let mut journal = platform.journal.lock();
        for text in texts {
            journal.replies.push(Reply { at: now, user: user.clone(), text });
        }
        Answer::new(
            StatusCode::OK,
            json!({"sentMessages": [{"id": "461230966842064897", "quoteToken": "IStG5h1Tz7b"}]}),
        )
    };
    platform.with_faults("reply", &headers, 1, accept).await
}

async fn validate(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let accept = |_: &str| match parse(&body).and_then(|b| check::messages(&b).map_err(Answer::bad))
    {
        Ok(_) => Answer::new(StatusCode::OK, json!({})),
        Err(answer) => answer,
    };
    platform.with_faults("validate", &headers, 0, accept).await
}

async fn quota(State(platform): Shared, headers: HeaderMap) -> Response {
    let accept = |_: &str| match platform.limits.lock().quota() {
        Some(value) => Answer::new(StatusCode::OK, json!({"type": "limited", "value": value})),
        None => Answer::new(StatusCode::OK, json!({"type": "none"})),
    };
    platform.with_faults("quota", &headers, 0, accept).await
}

async fn consumption(State(platform): Shared, headers: HeaderMap) -> Response {
    let accept =
        |_: &str| Answer::new(StatusCode::OK, json!({"totalUsage": platform.consumption()}));
    platform.with_faults("consumption", &headers, 0, accept).await
}

async fn profile(
    State(platform): Shared,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Response {
    let accept = |_: &str| match platform.people.lock().get(&user) {
        Some(person) if !person.blocked => {
            let mut body = json!({"userId": user, "displayName": person.name});
            if let Some(language) = &person.language {
                body["language"] = json!(language);
            }
            Answer::new(StatusCode::OK, body)
        }
        _ => Answer::message(StatusCode::NOT_FOUND, "Not found"),
    };
    platform.with_faults("profile", &headers, 0, accept).await
}

#[derive(serde::Deserialize)]
struct FollowersQuery {
    limit: Option<usize>,
    start: Option<String>,
}

async fn followers(
    State(platform): Shared,
    Query(query): Query<FollowersQuery>,
    headers: HeaderMap,
) -> Response {
    let accept = |_: &str| {
        if !platform.channel.lock().verified {
            return Answer::message(
                StatusCode::FORBIDDEN,
                "Access to this API is not available for your account",
            );
        }
        let limit = query.limit.unwrap_or(300);
        if limit == 0 || limit > 1_000 {
            return Answer::message(StatusCode::BAD_REQUEST, "limit must be between 1 and 1000");
        }
        let start = query.start.as_deref().unwrap_or_default();
        let (users, next) = platform.people.lock().followers(start, limit);
        let mut body = json!({"userIds": users});
        if let Some(next) = next {
            body["next"] = json!(next);
        }
        Answer::new(StatusCode::OK, body)
    };
    platform.with_faults("followers", &headers, 0, accept).await
}

async fn info(State(platform): Shared, headers: HeaderMap) -> Response {
    let accept = |_: &str| {
        Answer::new(
            StatusCode::OK,
            json!({
                "userId": platform.channel.lock().bot_user_id,
                "basicId": "@216ruabc",
                "displayName": "安心みえる",
                "pictureUrl": "https://profile.line-scdn.net/0h",
                "chatMode": "bot",
                "markAsReadMode": "auto",
            }),
        )
    };
    platform.with_faults("info", &headers, 0, accept).await
}

async fn endpoint(State(platform): Shared, headers: HeaderMap) -> Response {
    let accept = |_: &str| {
        let url = platform.webhook_url.lock().clone();
        Answer::new(StatusCode::OK, json!({"endpoint": url, "active": !url.is_empty()}))
    };
    platform.with_faults("webhook_endpoint", &headers, 0, accept).await
}

async fn set_endpoint(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let accept = |_: &str| {
        let parsed = match parse(&body) {
            Ok(parsed) => parsed,
            Err(answer) => return answer,
        };
        let url = parsed.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        *platform.webhook_url.lock() = url.to_owned();
        Answer::new(StatusCode::OK, json!({}))
    };
    platform.with_faults("webhook_endpoint", &headers, 0, accept).await
}

#[derive(serde::Deserialize)]
struct TokenForm {
    grant_type: String,
    client_id: String,
    client_secret: String,
}

async fn token(
    State(platform): Shared,
    axum::extract::Form(form): axum::extract::Form<TokenForm>,
) -> Response {
    let request_id = new_id();
    let channel = platform.channel.lock().clone();
    let answer = if form.grant_type != "client_credentials"
        || form.client_id != channel.id
        || form.client_secret != channel.secret
    {
        Answer::bad(json!({
            "error": "invalid_request",
            "error_description": "Invalid 'client_credentials'.",
        }))
    } else {
        let token = format!("ey{}", new_id());
        platform.limits.lock().issue(&token, platform.clock.now());
        Answer::new(
            StatusCode::OK,
            json!({"token_type": "Bearer", "access_token": token, "expires_in": 900}),
        )
    };
    platform.note("token", answer.status.as_u16(), 0);
    answer.into_response(&request_id)
}
