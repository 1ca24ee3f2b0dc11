//! The officials' API on a real log and store.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use console::{
    Console, Counts, Preview, PreviewFailed, auth::token_hash, problem::Problem, view::JobView,
};
use http_body_util::BodyExt;
use schemas::{
    ids::{FacilityId, VenueId},
    job::JobContent,
    registry::{Facility, FacilityKind, Registry, RegistryRecord, Venue},
    time::EventTime,
};
use serde_json::{Value, json};
use storage::{
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog},
    follow::Follower,
    model::{Faults, ModelLog, ModelStore, Shares},
    rows::{
        TypedStore,
        access::{Role, TokenRow},
    },
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Nobody;

impl Preview for Nobody {
    async fn count(&self, _: &JobContent) -> Result<Counts, PreviewFailed> {
        Ok(Counts {
            people: None,
            fewer_than: Some(10),
            friends: None,
            reach_unknown: None,
            out_of_reach: None,
            by_venue: Vec::new(),
            behind_seconds: 0,
        })
    }
}

/// Two consoles on one log; tokens are the names of who holds them.
struct Api {
    routers: [Router; 2],
    registry: Follower<EmbeddedLog, Registry>,
    _embedded: Embedded,
    _dir: tempfile::TempDir,
}

async fn api() -> Api {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path(), EmbeddedConfig::default()).await.unwrap();
    let now = EventTime::parse_rfc3339("2026-11-24T12:00:00+09:00").unwrap();
    for (name, role) in [
        ("dora", Role::Drafter),
        ("anna", Role::Approver),
        ("berta", Role::Approver),
        ("robot", Role::Service),
    ] {
        let row = TokenRow {
            token_hash: token_hash(name),
            holder: name.parse().unwrap(),
            role,
            created_at: now,
        };
        embedded.store().put(&[row]).await.unwrap();
    }
    let consoles = [(); 2].map(|()| {
        let clock = Arc::new(move || now);
        Console::new(&embedded.log(), embedded.store(), Nobody, clock, &CancellationToken::new())
    });
    let venue = |n, name: &str| Venue::new(VenueId::from_u64(n), name);
    let (id, venues) = (FacilityId::from_u64(1), vec![venue(1, "本館"), venue(2, "Rose Hall")]);
    let facility = Facility::new(id, FacilityKind::Restaurant, "花月", venues);
    let facility = RegistryRecord::Facility(Facility { updated_at: now, ..facility });
    consoles[0].registry.append(&facility).await.unwrap();
    consoles[1].registry.caught_up().await.unwrap();
    let registry = consoles[0].registry.clone();
    Api { routers: consoles.map(console::router), registry, _embedded: embedded, _dir: dir }
}

const JOBS: &str = "/api/v1/exposure-jobs";

fn request() -> Value {
    json!({
        "venues": [VenueId::from_u64(1).to_string(), VenueId::from_u64(2).to_string()],
        "window": {"from": "2026-11-20T18:00:00+09:00", "to": "2026-11-20T21:00:00+09:00"},
        "padding_minutes": 30,
        "messages": {"ja": "本館にいた方へのお知らせです。"},
        "reference": "case 1",
    })
}

async fn send(
    router: &Router,
    (method, path): (&str, &str),
    token: &str,
    key: &str,
    body: String,
) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !key.is_empty() {
        request = request.header("Idempotency-Key", key);
    }
    let response = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    if !status.is_success() {
        assert_eq!(kind, "application/problem+json");
        let problem: Problem = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(problem.status, status.as_u16());
    }
    (status, value)
}

impl Api {
    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        send(&self.routers[0], ("POST", path), token, "", body.to_string()).await
    }

    async fn submit(&self, token: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        send(&self.routers[0], ("POST", JOBS), token, key, body.to_string()).await
    }

    async fn submitted(&self, token: &str, key: &str) -> JobView {
        let (status, job) = self.submit(token, key, &request()).await;
        assert_eq!(status, StatusCode::CREATED, "{job}");
        serde_json::from_value(job).unwrap()
    }
}

fn codes(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn every_problem_is_told_at_once() {
    let api = api().await;
    let unknown = VenueId::from_u64(9).to_string();
    let here = VenueId::from_u64(2).to_string();
    let known = VenueId::from_u64(1).to_string();
    let body = json!({
        "venues": [known, here, here, unknown, "x"],
        "window": {"from": "2026-11-20T18:00:00", "to": "2026-11-20T21:00:00+09:00"},
        "padding_minutes": 721,
        "messages": {"en": "At ｒｏｓｅ-ＨＡＬＬ", "ko": "花 月", "zh": "😀".repeat(2_501), "xx": "?"},
    });
    let (status, problem) = api.submit("dora", "k", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut found = codes(&problem);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("/messages/en", "names_a_place"),
            ("/messages/ja", "required"),
            ("/messages/ko", "names_a_place"),
            ("/messages/xx", "unknown_language"),
            ("/messages/zh", "too_long"),
            ("/padding_minutes", "out_of_range"),
            ("/venues/2", "duplicate"),
            ("/venues/3", "unknown_venue"),
            ("/venues/4", "not_a_venue_id"),
            ("/window/from", "not_a_time"),
        ]
    );
    let windows = [
        ("2026-11-20T21:00:00+09:00", "2026-11-20T18:00:00+09:00", "reversed"),
        ("2026-11-01T00:00:00+09:00", "2026-11-15T00:00:01+09:00", "too_long"),
    ];
    for (from, to, code) in windows {
        let mut body = request();
        body["window"] = json!({"from": from, "to": to});
        let (status, problem) = api.post(&format!("{JOBS}/preview"), "dora", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(codes(&problem), [("/window", code)]);
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_a_problem_too() {
    let api = api().await;
    let mut more = request();
    more["more"] = json!(1);
    for body in ["{".to_owned(), "[]".to_owned(), more.to_string()] {
        let (status, _) = send(&api.routers[0], ("POST", JOBS), "dora", "k", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = api.submit("dora", "", &request()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let large = " ".repeat(1 << 20);
    let (status, _) = send(&api.routers[0], ("POST", JOBS), "dora", "k", large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = send(&api.routers[0], ("DELETE", JOBS), "dora", "", String::new()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    for token in ["", "nobody"] {
        assert_eq!(api.submit(token, "k", &request()).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn one_key_makes_one_job_however_often_it_is_sent() {
    let api = api().await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let router = api.routers[n % 2].clone();
            tokio::spawn(async move {
                send(&router, ("POST", JOBS), "dora", "k", request().to_string()).await
            })
        })
        .collect();
    let (mut ids, mut created) = (std::collections::BTreeSet::new(), 0);
    for task in tasks {
        let (status, job) = task.await.unwrap();
        assert!(status.is_success(), "{job}");
        created += usize::from(status == StatusCode::CREATED);
        ids.insert(job["id"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), created), (1, 1));
    let mut other = request();
    other["reference"] = json!("case 2");
    let (status, problem) = api.submit("dora", "k", &other).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("key_used")));
}

#[tokio::test]
async fn one_of_many_approvals_counts() {
    let api = api().await;
    let job = api.submitted("anna", "k").await;
    let path = format!("{JOBS}/{}/approve", job.id);
    let seen = json!({"content_hash": job.content_hash});
    let refused = [
        ("dora", &seen, StatusCode::FORBIDDEN),
        ("robot", &seen, StatusCode::FORBIDDEN),
        ("anna", &seen, StatusCode::FORBIDDEN),
        ("berta", &json!({"content_hash": "0"}), StatusCode::CONFLICT),
    ];
    for (token, body, expected) in refused {
        let (status, _) = api.post(&path, token, body.clone()).await;
        assert_eq!(status, expected, "{token}");
    }
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (router, path, body) = (api.routers[0].clone(), path.clone(), seen.to_string());
            tokio::spawn(async move { send(&router, ("POST", &path), "berta", "", body).await.0 })
        })
        .collect();
    let mut approved = 0;
    for task in tasks {
        match task.await.unwrap() {
            StatusCode::OK => approved += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert_eq!(approved, 1);
}

#[tokio::test]
async fn roles_decide_who_may_do_what() {
    let api = api().await;
    let job = api.submitted("dora", "k").await;
    for action in ["resume", "cancel", "plan-anyway", "return", "reject", "decide", "approve"] {
        let path = format!("{JOBS}/{}/{action}", job.id);
        for token in ["dora", "robot"] {
            let (status, problem) = api.post(&path, token, json!({})).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{action} by {token}: {problem}");
        }
    }
    let (status, _) = api.post(&format!("{JOBS}/{}/pause", job.id), "robot", json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let absent = format!("{JOBS}/{}/cancel", uuid::Uuid::now_v7());
    assert_eq!(api.post(&absent, "anna", json!({})).await.0, StatusCode::NOT_FOUND);
}

#[test]
fn every_operation_is_documented_with_its_problems() {
    let document = serde_json::to_value(console::openapi()).unwrap();
    let operations: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .collect();
    assert_eq!(operations.len(), 18);
    for operation in operations {
        assert!(operation["responses"]["401"].is_object(), "{operation}");
    }
}

#[tokio::test]
async fn pages_of_jobs_lead_through_all_of_them_newest_first() {
    let api = api().await;
    let mut made = Vec::new();
    for n in 0..120 {
        made.push(api.submitted("dora", &format!("key {n}")).await.id);
    }
    // The other console has them, too, without having been told.
    let other = &api.routers[1];
    let last = format!("{JOBS}/{}", made[119]);
    assert_eq!(send(other, ("GET", &last), "anna", "", String::new()).await.0, StatusCode::OK);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{JOBS}?state=submitted&cursor={cursor}");
        let (status, page) = send(other, ("GET", &path), "anna", "", String::new()).await;
        assert_eq!(status, StatusCode::OK);
        let jobs = page["jobs"].as_array().unwrap();
        seen.extend(jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    for (query, count) in [("?state=closed", 0), ("?state=draft", 0), ("", 50)] {
        let path = format!("{JOBS}{query}");
        let (_, page) = send(other, ("GET", &path), "anna", "", String::new()).await;
        assert_eq!(page["jobs"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["?state=nonsense", "?cursor=nonsense", "?limit=5"] {
        let path = format!("{JOBS}{query}");
        let (status, _) = send(other, ("GET", &path), "anna", "", String::new()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

/// Where the log can't say what became of a request, neither can we; repeating it is safe.
#[tokio::test]
async fn an_unclear_append_is_503_and_repeating_it_makes_no_second_job() {
    let faults = Faults::new(1);
    let log = ModelLog::new(faults.clone());
    let store = ModelStore::new(Faults::new(2), 0);
    let now = EventTime::parse_rfc3339("2026-11-24T12:00:00+09:00").unwrap();
    let row = TokenRow {
        token_hash: token_hash("dora"),
        holder: "dora".parse().unwrap(),
        role: Role::Drafter,
        created_at: now,
    };
    store.put(&[row]).await.unwrap();
    let clock = Arc::new(move || now);
    let console = Console::new(&log, store, Nobody, clock, &CancellationToken::new());
    let venues = [1, 2].map(|n| Venue::new(VenueId::from_u64(n), &format!("{n}階"))).to_vec();
    let id = FacilityId::from_u64(1);
    let facility = Facility::new(id, FacilityKind::Restaurant, "花月", venues);
    let facility = RegistryRecord::Facility(Facility { updated_at: now, ..facility });
    console.registry.append(&facility).await.unwrap();
    let router = console::router(Arc::clone(&console));
    let submit = async || send(&router, ("POST", JOBS), "dora", "k", request().to_string()).await;
    faults.set(Shares { append_unclear: 1.0, ..Shares::default() });
    let (status, problem) = submit().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["code"], "unknown_outcome");
    faults.set(Shares::default());
    console.jobs.caught_up().await.unwrap();
    assert_eq!(submit().await.0, StatusCode::OK);
    assert_eq!(console.jobs.read(|jobs| jobs.iter().count()), 1);
}

const FACILITIES: &str = "/api/v1/facilities";

#[tokio::test]
async fn a_facility_is_suspended_and_resumed_by_those_who_may() {
    let api = api().await;
    let id = FacilityId::from_u64(1);
    let suspend = format!("{FACILITIES}/{id}/suspend");
    let resume = format!("{FACILITIES}/{id}/resume");
    let reason = json!({"reason": "別の場所に貼られている"});
    for token in ["dora", "robot"] {
        assert_eq!(api.post(&suspend, token, reason.clone()).await.0, StatusCode::FORBIDDEN);
    }
    assert_eq!(api.post(&suspend, "", reason.clone()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(api.post(&suspend, "anna", json!({"reason": " "})).await.0, StatusCode::BAD_REQUEST);
    let unknown = format!("{FACILITIES}/{}/suspend", FacilityId::from_u64(9));
    assert_eq!(api.post(&unknown, "anna", reason.clone()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.post(&resume, "anna", json!({})).await.1["code"], "not_suspended");

    let (status, view) = api.post(&suspend, "anna", reason.clone()).await;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &json!("suspended")), "{view}");
    assert_eq!(view["reason"], "別の場所に貼られている");
    let (status, problem) = api.post(&suspend, "berta", reason).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("already_suspended")));
    let found = |state: &str| format!("{FACILITIES}?state={state}&query=%E8%8A%B1%E6%9C%88");
    let get = async |path: String, token: &str| {
        send(&api.routers[0], ("GET", &path), token, "", String::new()).await
    };
    let (_, page) = get(found("suspended"), "dora").await;
    assert_eq!(page["facilities"][0]["facility"], id.to_string());
    assert_eq!(page["facilities"][0]["venues"], 2);
    assert_eq!(get(found("open"), "dora").await.1["facilities"], json!([]));
    // Operators' phone numbers are not for other systems.
    assert_eq!(get(found("suspended"), "robot").await.0, StatusCode::FORBIDDEN);

    let (status, view) = api.post(&resume, "berta", json!({})).await;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &json!("open")));
    assert_eq!(get(found("suspended"), "dora").await.1["facilities"], json!([]));
}

#[tokio::test]
async fn a_reviewed_facility_is_admitted_once() {
    let api = api().await;
    let id = FacilityId::from_u64(2);
    let venues = vec![Venue::new(VenueId::from_u64(9), "1階")];
    let facility = Facility::new(id, FacilityKind::Shop, "新しい店", venues);
    let record = RegistryRecord::Facility(Facility { reviewed: true, ..facility });
    api.registry.append(&record).await.unwrap();
    let get = async |state: &str| {
        let path = format!("{FACILITIES}?state={state}");
        send(&api.routers[0], ("GET", &path), "dora", "", String::new()).await.1
    };
    // A console follows the registry a moment behind; whoever decides is current.
    let admit = format!("{FACILITIES}/{id}/admit");
    let (status, view) = api.post(&admit, "anna", json!({})).await;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &json!("open")), "{view}");
    let other = format!("{FACILITIES}/{}/admit", FacilityId::from_u64(1));
    assert_eq!(api.post(&other, "anna", json!({})).await.1["code"], "not_awaiting");
    let (status, problem) = api.post(&admit, "berta", json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("already_admitted")));
    assert_eq!(get("awaiting").await["facilities"], json!([]));
    assert_eq!(get("open").await["facilities"].as_array().unwrap().len(), 2);
    assert_eq!(
        send(&api.routers[0], ("GET", &format!("{FACILITIES}?x=1")), "dora", "", String::new())
            .await
            .0,
        StatusCode::BAD_REQUEST
    );
}
