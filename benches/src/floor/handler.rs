//! A bare webhook handler: HMAC, serde_json, one record to Kafka with acks=all, 200.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

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
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Where it listens and sends.
#[derive(Clone, Debug, Args)]
pub struct Handler {
    /// Its address.
    #[arg(long)]
    pub listen: SocketAddr,
    /// Brokers.
    #[arg(long)]
    pub kafka: String,
    /// The topic.
    #[arg(long)]
    pub topic: String,
    /// The channel's secret.
    #[arg(long, env = "ANSHIN_BENCH_CHANNEL_SECRET")]
    pub secret: String,
}

struct App {
    mac: Hmac<Sha256>,
    producer: FutureProducer,
    topic: String,
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

/// Serves until it is killed.
pub async fn run(handler: Handler) -> anyhow::Result<()> {
    let producer = super::client(&handler.kafka)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", "0")
        .create()?;
    let mac = Hmac::new_from_slice(handler.secret.as_bytes())?;
    let app = Arc::new(App { mac, producer, topic: handler.topic });
    let router = Router::new().route("/webhook", post(webhook)).with_state(app);
    let listener = tokio::net::TcpListener::bind(handler.listen).await?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
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
        let record = FutureRecord::to(&app.topic).key(visit.user).payload(&value);
        let Ok(sent) = app.producer.send_result(record) else {
            return StatusCode::SERVICE_UNAVAILABLE;
        };
        if !matches!(sent.await, Ok(Ok(_))) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}
