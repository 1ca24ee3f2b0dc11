//! The stand-in against LINE's documented answers and LINE's own OpenAPI files.

use std::{collections::BTreeMap, sync::Arc};

use load_tests::platform::{
    Channel, Platform, Serving,
    people::Person,
    webhooks::{Event, Redelivery, WebhookSender},
};
use reqwest::Method;
use serde_json::{Value, json};

const USER: &str = "U4af4980629000000000000000000000a";
const FRIEND: &str = "U4af4980629000000000000000000000b";

struct Line {
    platform: Arc<Platform>,
    serving: Serving,
    http: reqwest::Client,
    token: String,
}

/// An answer: status, headers, body.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Line {
    async fn open() -> Self {
        let platform = Platform::new(Channel::default(), 1);
        for (user, friend) in [(USER, false), (FRIEND, true)] {
            let person = Person {
                friend,
                name: "LINE taro".into(),
                language: Some("en".into()),
                ..Person::default()
            };
            platform.people.lock().set(user, person);
        }
        let address = ([127, 0, 0, 1], 0).into();
        let serving = platform.serve(address).await.expect("it listens");
        let mut line =
            Self { platform, serving, http: reqwest::Client::new(), token: String::new() };
        line.token = line.token_for(&Channel::default().secret).await.body["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        line
    }

    async fn token_for(&self, secret: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &Channel::default().id),
            ("client_secret", secret),
        ];
        let url = format!("{}/oauth2/v3/token", self.serving.url());
        Self::answer(self.http.post(url).form(&form)).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or("").to_owned();
        let headers = response.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect();
        let body = response.bytes().await.expect("a body");
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.serving.url());
        self.http.request(method, url).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        Self::answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("X-Line-Retry-Key", key);
        }
        Self::answer(request).await
    }

    async fn multicast(&self, key: &str, to: &[&str]) -> Answer {
        self.post("/v2/bot/message/multicast", Some(key), &multicast(to)).await
    }
}

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn multicast(to: &[&str]) -> Value {
    json!({"to": to, "messages": text("Hello")})
}

fn key(n: u32) -> String {
    format!("123e4567-e89b-12d3-a456-4266554{n:05}")
}

/// The names of an object's properties, and those of what is in it.
fn shape(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, below)| {
                let below = shape(below).into_iter().map(move |b| format!("{name}.{b}"));
                std::iter::once(name.clone()).chain(below)
            })
            .collect(),
        Value::Array(items) => items.first().map(shape).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Every documented answer that concerns an endpoint of ours, with the request that leads to it.
#[tokio::test]
async fn every_documented_answer() {
    let documented: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/api-responses.json")).expect("JSON");
    let line = Line::open().await;
    let mut checked = 0;
    for case in &documented {
        let name = case["name"].as_str().expect("a name");
        let push = json!({"to": FRIEND, "messages": text("Hello")});
        let answer = match name {
            "push accepted" => line.post("/v2/bot/message/push", Some(&key(1)), &push).await,
            "multicast accepted" => line.multicast(&key(2), &[FRIEND]).await,
            "retry of an accepted request" => line.multicast(&key(2), &[FRIEND]).await,
            "retry of an accepted push" => {
                line.post("/v2/bot/message/push", Some(&key(1)), &push).await
            }
            "malformed user id in multicast" => line.multicast(&key(3), &[FRIEND, "U4af"]).await,
            "push to a user id unknown to the channel" => {
                let push = json!({"to": format!("U{:032x}", 7), "messages": text("Hello")});
                line.post("/v2/bot/message/push", Some(&key(4)), &push).await
            }
            "expired or used reply token" => {
                let reply = json!({"replyToken": "unknown", "messages": text("Hello")});
                line.post("/v2/bot/message/reply", None, &reply).await
            }
            "rate limited" => {
                use load_tests::platform::faults::Fault;
                line.platform.faults.lock().next("quota", &[Fault::TooFast]);
                line.get("/v2/bot/message/quota").await
            }
            "monthly quota gone" => {
                line.platform.set_quota(Some(line.platform.consumption()));
                let answer = line.multicast(&key(5), &[FRIEND]).await;
                line.platform.set_quota(None);
                answer
            }
            "two errors with details" => {
                let body = json!({"to": FRIEND, "messages": [
                    {"type": "text", "text": ""}, {"type": "unknown"}]});
                line.post("/v2/bot/message/push", Some(&key(6)), &body).await
            }
            "too many message objects" => {
                let messages: Vec<Value> =
                    (0..6).map(|_| json!({"type": "text", "text": "a"})).collect();
                let body = json!({"messages": messages});
                line.post("/v2/bot/message/validate/multicast", None, &body).await
            }
            "text too long" => {
                // 2,501 of a character with two UTF-16 units.
                let body = json!({"messages": text(&"𠮷".repeat(2_501))});
                line.post("/v2/bot/message/validate/multicast", None, &body).await
            }
            "quota limited" => {
                line.platform.set_quota(Some(1_000));
                let answer = line.get("/v2/bot/message/quota").await;
                line.platform.set_quota(None);
                answer
            }
            "quota none" => line.get("/v2/bot/message/quota").await,
            "consumption" => line.get("/v2/bot/message/quota/consumption").await,
            "profile" => line.get(&format!("/v2/bot/profile/{USER}")).await,
            "profile not available" => line.get("/v2/bot/profile/U0").await,
            "bot info" => line.get("/v2/bot/info").await,
            "followers page" => line.get("/v2/bot/followers/ids").await,
            "stateless token" => line.token_for(&Channel::default().secret).await,
            "stateless token, wrong secret" => line.token_for("wrong").await,
            // Narrowcast, statistics and LINE Login are no part of the stand-in.
            _ => continue,
        };
        checked += 1;
        assert_eq!(u64::from(answer.status), case["status"], "{name}");
        for (header, _) in case["headers"].as_object().expect("headers") {
            assert!(answer.headers.contains_key(header), "{name}: {header}");
        }
        if answer.status >= 400 {
            for part in ["message", "details", "error", "error_description"] {
                assert_eq!(answer.body.get(part), case["body"].get(part), "{name}: {part}");
            }
        } else {
            let optional = ["next", "statusMessage", "pictureUrl"];
            let wanted =
                shape(&case["body"]).into_iter().filter(|p| !optional.contains(&p.as_str()));
            let got = shape(&answer.body);
            assert!(wanted.clone().all(|p| got.contains(&p)), "{name}: {:?}", answer.body);
        }
        conforms(name, &answer);
    }
    assert_eq!(checked, 21);
}

/// LINE's own schema of an answer: required properties are there and have their type.
fn conforms(name: &str, answer: &Answer) {
    let schema = match name {
        "push accepted" => "PushMessageResponse",
        "quota limited" | "quota none" => "MessageQuotaResponse",
        "consumption" => "QuotaConsumptionResponse",
        "profile" => "UserProfileResponse",
        "bot info" => "BotInfoResponse",
        "followers page" => "GetFollowersResponse",
        _ if answer.status >= 400 && answer.body.get("message").is_some() => "ErrorResponse",
        _ => return,
    };
    let api: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../openapi/messaging-api.yml")).expect("YAML");
    let schema = &api["components"]["schemas"][schema];
    let properties = schema["properties"].as_mapping().expect("properties");
    for required in schema["required"].as_sequence().into_iter().flatten() {
        let required = required.as_str().expect("a name");
        assert!(answer.body.get(required).is_some(), "{name}: {required} is required");
    }
    for (property, value) in answer.body.as_object().expect("an object") {
        let known = &properties[property.as_str()];
        let fits = match known["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("array") => value.is_array(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        assert!(fits, "{name}: {property} is {value}");
        if let Some(allowed) = known["enum"].as_sequence() {
            assert!(allowed.iter().any(|a| a.as_str() == value.as_str()), "{name}: {property}");
        }
    }
}

#[tokio::test]
async fn a_retry_key_is_honoured_for_24_hours_and_bound_to_acceptance() {
    let line = Line::open().await;
    // A refused request leaves the key free.
    assert_eq!(line.multicast(&key(1), &["U4af"]).await.status, 400);
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 200);
    let again = line.multicast(&key(1), &[FRIEND]).await;
    assert_eq!(again.status, 409);
    assert_eq!(line.platform.journal.lock().accepted.len(), 1);
    line.platform.clock.advance(24 * 3_600_000 - 60_000);
    // The token is older than its 15 minutes by now.
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 401);
    let fresh = line.token_for(&Channel::default().secret).await;
    let line = Line { token: fresh.body["access_token"].as_str().expect("a token").into(), ..line };
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 409);
    line.platform.clock.advance(60_000);
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 200);
    assert_eq!(line.platform.journal.lock().accepted.len(), 2);

    assert_eq!(line.multicast("no-uuid", &[FRIEND]).await.status, 400);
    assert!(line.platform.journal.lock().violations.is_empty());
    assert_eq!(line.multicast(&key(1), &[USER]).await.status, 409);
    assert_eq!(line.platform.journal.lock().violations.len(), 1);
}

#[tokio::test]
async fn too_fast_is_what_line_calls_too_fast() {
    let line = Line::open().await;
    let mut accepted = 0;
    let mut refused = 0;
    for n in 0..260 {
        match line.multicast(&key(n), &[FRIEND]).await.status {
            200 => accepted += 1,
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    // A bucket of 200, refilled at 200 a second of a clock that runs on.
    assert!(accepted >= 200, "{accepted}");
    line.platform.clock.advance(1_000);
    assert_eq!(line.multicast(&key(1_000), &[FRIEND]).await.status, 200);
    assert_eq!(accepted + refused, 260);
}

/// Each fault is what it says, and what was accepted behind it is.
#[tokio::test]
async fn faults_are_real() {
    use load_tests::platform::faults::Fault;
    let line = Line::open().await;
    let strike = |fault| line.platform.faults.lock().next("multicast", &[fault]);
    let accepted = || line.platform.journal.lock().accepted.len();
    let refusals = [
        (Fault::ErrorBefore, 500),
        (Fault::TooFast, 429),
        (Fault::QuotaGone, 429),
        (Fault::Unauthorized, 401),
        (Fault::Forbidden, 403),
    ];
    for (n, (fault, status)) in (0..).zip(refusals) {
        strike(fault);
        assert_eq!(line.multicast(&key(n), &[FRIEND]).await.status, status, "{fault:?}");
        assert_eq!(accepted(), 0, "{fault:?}");
    }
    strike(Fault::ErrorAfter);
    assert_eq!(line.multicast(&key(10), &[FRIEND]).await.status, 500);
    assert_eq!(accepted(), 1);
    let send = |n| {
        let request = line.request(Method::POST, "/v2/bot/message/multicast");
        request.header("X-Line-Retry-Key", key(n)).json(&multicast(&[FRIEND])).send()
    };
    strike(Fault::ResetAfter);
    let error = send(11).await.expect_err("the connection breaks");
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(accepted(), 2);
    for (n, fault, then) in [(12, Fault::HangAfter, 3), (13, Fault::HangBefore, 3)] {
        strike(fault);
        let hung = tokio::time::timeout(std::time::Duration::from_millis(200), send(n)).await;
        assert!(hung.is_err(), "{fault:?}");
        assert_eq!(accepted(), then, "{fault:?}");
    }
}

#[tokio::test]
async fn who_is_reached() {
    let line = Line::open().await;
    let push = |to: &str| json!({"to": to, "messages": text("Hello")});
    assert_eq!(line.multicast(&key(1), &[FRIEND, USER]).await.status, 200);
    line.post("/v2/bot/message/push", Some(&key(2)), &push(USER)).await;
    line.platform.people.lock().of(USER).wrote_at = Some(line.platform.clock.now());
    line.post("/v2/bot/message/push", Some(&key(3)), &push(USER)).await;
    line.platform.people.lock().of(FRIEND).blocked = true;
    line.post("/v2/bot/message/push", Some(&key(4)), &push(FRIEND)).await;
    let reached: Vec<bool> =
        line.platform.journal.lock().accepted.iter().map(|a| a.reaches).collect();
    assert_eq!(reached, [true, false, false, true, false]);
    assert_eq!(line.platform.consumption(), 2);
}

#[tokio::test]
async fn a_reply_token_works_once_and_for_a_minute() {
    let line = Line::open().await;
    // A product that takes webhooks and does nothing.
    let product = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let url = format!("http://{}/webhook", product.local_addr().expect("an address"));
    let router = axum::Router::new().route("/webhook", axum::routing::post(|| async { "" }));
    tokio::spawn(async move { axum::serve(product, router).await });
    let sender = WebhookSender::new(Arc::clone(&line.platform), std::slice::from_ref(&url))
        .expect("a loopback address");
    let now = line.platform.clock.now();
    let token = async |n: u64| {
        let what = load_tests::platform::journal::What::Follow;
        let event = Event::new(format!("U{n:032x}"), now, what);
        let (body, _) = sender.signed(std::slice::from_ref(&event), Redelivery::First);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        sender.deliver(&[event], Redelivery::First, tokio::time::Instant::now()).await;
        body["events"][0]["replyToken"].as_str().expect("a token").to_owned()
    };
    let reply = async |token: &str, key: Option<&str>| {
        let body = json!({"replyToken": token, "messages": text("Hello")});
        line.post("/v2/bot/message/reply", key, &body).await.status
    };
    let first = token(1).await;
    assert_eq!(reply(&first, Some(&key(1))).await, 400);
    assert_eq!(reply(&first, None).await, 200);
    assert_eq!(reply(&first, None).await, 400);
    let second = token(2).await;
    line.platform.clock.advance(61_000);
    assert_eq!(reply(&second, None).await, 400);
}

#[tokio::test]
async fn friends_are_listed_page_by_page_to_verified_accounts() {
    let line = Line::open().await;
    for n in 0..2_500_u32 {
        let person = Person { friend: true, ..Person::default() };
        line.platform.people.lock().set(&format!("U{n:032x}"), person);
    }
    let (mut seen, mut start) = (0, String::new());
    loop {
        let page = line.get(&format!("/v2/bot/followers/ids?limit=1000&start={start}")).await;
        seen += page.body["userIds"].as_array().expect("ids").len();
        match page.body["next"].as_str() {
            Some(next) => start = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 2_501);
    assert_eq!(line.get("/v2/bot/followers/ids?limit=1001").await.status, 400);
    line.platform.channel.lock().verified = false;
    assert_eq!(line.get("/v2/bot/followers/ids").await.status, 403);
}

#[tokio::test]
async fn it_talks_to_loopback_only() {
    let platform = Platform::new(Channel::default(), 1);
    assert!(platform.serve(([0, 0, 0, 0], 0).into()).await.is_err());
    for url in ["http://192.0.2.1/webhook", "http://example.com/", "http://127.0.0.1.example/"] {
        assert!(WebhookSender::new(Arc::clone(&platform), &[url.to_owned()]).is_err(), "{url}");
    }
    assert!(WebhookSender::new(platform, &["http://[::1]:9/webhook".to_owned()]).is_ok());
}

#[tokio::test]
async fn a_stand_in_that_runs_by_itself_is_steered_over_http() {
    let line = Line::open().await;
    let steer = async |path: &str, body: Value| {
        line.post(&format!("/_standin/{path}"), None, &body).await.status
    };
    let fault = json!({"endpoint": "multicast", "fault": "error_after", "next": 1});
    assert_eq!(steer("faults", fault).await, 204);
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 500);
    assert_eq!(line.multicast(&key(1), &[FRIEND]).await.status, 409);
    let unknown = json!({"endpoint": "nothing", "fault": "error_after", "next": 1});
    assert_eq!(steer("faults", unknown).await, 404);
    assert_eq!(steer("quota", json!({"value": 1})).await, 204);
    assert_eq!(line.multicast(&key(2), &[FRIEND]).await.status, 429);
    assert_eq!(steer("quota", json!({})).await, 204);
    assert_eq!(steer("people", json!([{"user": USER, "friend": true}])).await, 204);
    assert_eq!(line.multicast(&key(3), &[USER]).await.status, 200);
    let journal = line.get("/_standin/journal").await;
    let reached = journal.body["accepted"].as_array().expect("a list");
    assert!(reached.iter().all(|accepted| accepted["reaches"] == true), "{reached:?}");
    assert_eq!(steer("clock", json!({"advance_ms": 901_000})).await, 204);
    assert_eq!(line.multicast(&key(4), &[FRIEND]).await.status, 401);
}
