//! A bare webhook handler: HMAC, serde_json, one record to Kafka with acks=all or to a data directory
//! of the product's, 200.

use std::{borrow::Cow, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
    serve::ListenerExt as _,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;
use hmac::{Hmac, KeyInit, Mac};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::topic::Topic;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use storage::{
    Append, Log,
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog},
};

/// Where it listens and sends.
#[derive(Clone, Debug, Args)]
pub struct Handler {
    /// Its address.
    #[arg(long)]
    pub listen: SocketAddr,
    /// Brokers.
    #[arg(long, requires = "topic")]
    pub kafka: Option<String>,
    /// The topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// A data directory, made where it is not there.
    #[arg(long, conflicts_with = "kafka", required_unless_present = "kafka")]
    pub dir: Option<PathBuf>,
    /// The channel's secret.
    #[arg(long, env = "ANSHIN_BENCH_CHANNEL_SECRET")]
    pub secret: String,
}

struct App {
    mac: Hmac<Sha256>,
    log: To,
}

enum To {
    Kafka(FutureProducer, String),
    Directory(EmbeddedLog),
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    webhook_event_id: Cow<'a, str>,
    timestamp: i64,
    #[serde(borrow)]
    source: Source<'a>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Visit<'a> {
    event: &'a str,
    user: &'a str,
    message: &'a str,
    text: &'a str,
    at: i64,
}

/// Serves until it is killed. Says on standard output what it is made of, once it serves.
pub async fn run(handler: Handler) -> anyhow::Result<()> {
    let log = match handler.dir {
        Some(dir) => {
            let embedded = Embedded::open(dir, EmbeddedConfig::default()).await?;
            To::Directory(embedded.log())
        }
        None => {
            let producer = super::client(&handler.kafka.unwrap_or_default())
                .set("enable.idempotence", "true")
                .set("acks", "all")
                .set("linger.ms", "0")
                .create()?;
            To::Kafka(producer, handler.topic.unwrap_or_default())
        }
    };
    let mac = Hmac::new_from_slice(handler.secret.as_bytes())?;
    let app = Arc::new(App { mac, log });
    let router = Router::new().route("/webhook", post(webhook)).with_state(app);
    let listener = tokio::net::TcpListener::bind(handler.listen).await?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    println!("{}", made_of());
    Ok(axum::serve(listener, router).await?)
}

/// The libraries that matter, with their versions.
fn made_of() -> String {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    let crates = ["axum", "hyper", "serde_json", "hmac", "rdkafka"];
    let crates = crates.map(|name| format!("{name} {}", locked(name)));
    format!("{}, librdkafka {librdkafka}", crates.join(", "))
}

/// The version of a crate that this was built with, where there is one version of it.
fn locked(name: &str) -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let package = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    package.and_then(|(_, after)| after.split('"').next()).unwrap_or("unknown")
}

async fn webhook(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("x-line-signature").map(|value| value.as_bytes());
    let signature = signature.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let mac = app.mac.clone().chain_update(&body);
    if signature.is_none_or(|signature| mac.verify_slice(&signature).is_err()) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    for event in &body.events {
        let Some(Message { id, text: Some(text) }) = &event.message else { continue };
        let visit = Visit {
            event: &event.webhook_event_id,
            user: &event.source.user_id,
            message: id,
            text,
            at: event.timestamp,
        };
        let Ok(value) = serde_json::to_vec(&visit) else { return StatusCode::BAD_REQUEST };
        if !app.log.append(visit.user, value).await {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}

impl To {
    /// Whether the log has it.
    async fn append(&self, user: &str, value: Vec<u8>) -> bool {
        match self {
            To::Kafka(producer, topic) => {
                let record = FutureRecord::to(topic).key(user).payload(&value);
                match producer.send_result(record) {
                    Ok(sent) => matches!(sent.await, Ok(Ok(_))),
                    Err(_) => false,
                }
            }
            To::Directory(log) => {
                let key = Bytes::copy_from_slice(user.as_bytes());
                let append = Append { topic: Topic::Scans, key, value: value.into() };
                log.append(vec![append]).await.iter().all(Result::is_ok)
            }
        }
    }
}
