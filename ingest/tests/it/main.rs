//! Signed bodies through the real endpoint, into a real log.

mod bodies;
mod endpoint;
mod spool;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ingest::{ChannelSecret, Config, Deps, Ingest};
use schemas::{
    identity::KeyRing,
    place_code::PlaceKeys,
    registry::RegistryRecord,
    service::{Change, LEAD_MS, Service, ServiceState},
    time::{DAY_MS, Epoch, EventTime},
    topic::{Offset, Topic},
};
use storage::{
    Log, Reader, Record,
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog},
    follow::Follower,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// 2026-11-24T12:00:00+09:00.
pub(crate) const NOW: EventTime = EventTime(1_795_489_200_000);
/// The secret of LINE's documented example.
pub(crate) const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
pub(crate) const USER: &str = "U4af4980629000000000000000000000a";

pub(crate) struct Endpoint {
    ingest: Arc<Ingest<EmbeddedLog>>,
    embedded: Embedded,
    pub(crate) keys: Arc<ArcSwap<KeyRing>>,
    pub(crate) places: Arc<ArcSwap<PlaceKeys>>,
    service: Follower<EmbeddedLog, Arc<Service>>,
    following: CancellationToken,
    pub(crate) ready: watch::Receiver<bool>,
    _dir: tempfile::TempDir,
}

impl Endpoint {
    pub(crate) async fn open(config: Config) -> Self {
        Self::open_for(config, None, &[SECRET]).await
    }

    pub(crate) async fn open_for(config: Config, bot: Option<&str>, secrets: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let how = EmbeddedConfig::default();
        let embedded = Embedded::open(dir.path(), how).await.expect("the directory opens");
        let mut seed = 0_u8;
        let first = NOW.plus(-28 * DAY_MS).epoch().0;
        let keys = KeyRing::generate((first..=NOW.epoch().0 + 1).map(Epoch), &mut || {
            seed += 1;
            [seed; 32]
        });
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let places = Arc::new(ArcSwap::from_pointee(PlaceKeys::first([9; 32])));
        let (sender, ready) = watch::channel(false);
        let secrets = secrets.iter().map(|text| ChannelSecret::new(text)).collect();
        let following = CancellationToken::new();
        let service = Follower::start(embedded.log(), &following);
        let deps = Deps {
            log: embedded.log(),
            keys: Arc::clone(&keys),
            places: Arc::clone(&places),
            secrets: Arc::new(ArcSwap::from_pointee(secrets)),
            bot: bot.map(str::to_owned),
            spool: None,
            service: service.clone(),
            retention_days: 28,
            clock: Arc::new(|| NOW),
        };
        let ingest = Ingest::new(config, deps, sender);
        Self { ingest, embedded, keys, places, service, following, ready, _dir: dir }
    }

    pub(crate) async fn post(&self, body: impl Into<Body>, signature: Option<&str>) -> StatusCode {
        let mut request = Request::post("/webhook");
        if let Some(signature) = signature {
            request = request.header("X-Line-Signature", signature);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.ingest.router().oneshot(request).await.expect("an answer");
        response.status()
    }

    pub(crate) async fn signed(&self, body: &str) -> StatusCode {
        self.post(body.to_owned(), Some(&sign(SECRET, body.as_bytes()))).await
    }

    /// Sets the state of the service from a time on, and returns once it is known.
    pub(crate) async fn set_service(&self, state: ServiceState, from: EventTime) {
        let set_at = from.plus(-LEAD_MS);
        let change = Change { state, from, reason: None, set_at };
        let service = self.service.read(|service| service.with(change)).expect("in time");
        self.service.append(&RegistryRecord::Service(service)).await.expect("appended");
        self.service.known_within(Duration::from_secs(5)).await;
    }

    /// From now on nothing is read of the state of the service.
    pub(crate) fn stop_following(&self) {
        self.following.cancel();
    }

    /// Everything in a topic.
    pub(crate) async fn records(&self, topic: Topic) -> Vec<Record> {
        let log = self.embedded.log();
        let bounds = log.bounds(topic).await.expect("bounds");
        let mut records = Vec::new();
        for (partition, range) in topic.all_partitions().zip(bounds) {
            let mut reader = log.read(topic, partition, Offset(0)).await.expect("a reader");
            let mut next = range.start;
            while next < range.end {
                for record in reader.next().await.expect("records") {
                    next = record.position.offset.next();
                    records.push(record);
                }
            }
        }
        records
    }

    /// How many records there are: scans, visitors, rejected.
    pub(crate) async fn counts(&self) -> (usize, usize, usize) {
        (
            self.records(Topic::Scans).await.len(),
            self.records(Topic::Visitors).await.len(),
            self.records(Topic::Rejected).await.len(),
        )
    }
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    BASE64_STANDARD.encode(mac.chain_update(body).finalize().into_bytes())
}
