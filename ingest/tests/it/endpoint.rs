//! Limits, signatures, keys.

use std::time::Duration;

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use ingest::Config;
use schemas::{identity::KeyRing, ids::VenueId, place_code::Issue};
use serde_json::Value;

use crate::{Endpoint, NOW, SECRET, USER, sign};

/// Every vector of LINE's documentation and SDKs.
#[tokio::test]
async fn every_signature_vector() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/signature-vectors.json")).expect("JSON");
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let text = |key: &str| vector[key].as_str().expect("a text").to_owned();
        let path = format!("{}/tests/fixtures/{}", env!("CARGO_MANIFEST_DIR"), text("body_file"));
        let body = std::fs::read(path).expect("a body");
        let endpoint =
            Endpoint::open_for(Config::default(), None, &[&text("channel_secret")]).await;
        let status = endpoint.post(body, Some(&text("signature"))).await;
        let valid = vector["expect_valid"] == true;
        let wanted = if valid { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, wanted, "{vector}");
    }
}

#[tokio::test]
async fn without_the_right_signature_nothing_is_kept() {
    let endpoint = Endpoint::open(Config::default()).await;
    let body = "not json at all";
    let good = sign(SECRET, body.as_bytes());
    for signature in [
        None,
        Some(""),
        Some("x"),
        Some(&sign(SECRET, b"another body")[..]),
        Some(&sign("another secret", body.as_bytes())),
        Some(&good.to_lowercase()),
    ] {
        assert_eq!(endpoint.post(body, signature).await, StatusCode::UNAUTHORIZED, "{signature:?}");
    }
    assert_eq!(endpoint.counts().await, (0, 0, 0));
    assert_eq!(endpoint.post(body, Some(&good)).await, StatusCode::OK);
    assert_eq!(endpoint.counts().await, (0, 0, 1));
}

#[tokio::test]
async fn another_bots_body_is_refused() {
    let bot = "U8e742f61d673b39c7fff3cecb7536ef0";
    let endpoint = Endpoint::open_for(Config::default(), Some(bot), &[SECRET]).await;
    let to = |bot: &str| format!(r#"{{"destination":"{bot}","events":[]}}"#);
    assert_eq!(endpoint.signed(&to(bot)).await, StatusCode::OK);
    assert_eq!(endpoint.signed(&to(USER)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn either_of_two_secrets_counts_while_one_is_replaced() {
    let endpoint = Endpoint::open_for(Config::default(), None, &["old", "new"]).await;
    let body = r#"{"events":[]}"#;
    for (secret, status) in
        [("old", StatusCode::OK), ("new", StatusCode::OK), ("older", StatusCode::UNAUTHORIZED)]
    {
        let signature = sign(secret, body.as_bytes());
        assert_eq!(endpoint.post(body, Some(&signature)).await, status, "{secret}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let config = Config { max_body_bytes: 2_000, ..Config::default() };
    let endpoint = Endpoint::open(config).await;
    let body = |size: usize| format!("{:size$}", r#"{"events":[]}"#);
    assert_eq!(endpoint.signed(&body(2_000)).await, StatusCode::OK);
    assert_eq!(endpoint.signed(&body(2_001)).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let endpoint = Endpoint::open(Config::default()).await;
    let stalled = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let status = endpoint.post(Body::from_stream(stalled), Some("x")).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn more_than_can_be_worked_on_is_shed() {
    let config = Config { max_in_flight: 1, body_deadline_ms: 60_000, ..Config::default() };
    let endpoint = Endpoint::open(config).await;
    let stalled = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let first = endpoint.post(Body::from_stream(stalled), Some("x"));
    let mut first = std::pin::pin!(first);
    // One look is enough for it to take the only slot.
    let looked = tokio::time::timeout(Duration::ZERO, &mut first).await;
    assert!(looked.is_err());
    assert_eq!(endpoint.signed(r#"{"events":[]}"#).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_missing_key_is_503_and_not_ready_until_it_is_there() {
    let mut endpoint = Endpoint::open(Config::default()).await;
    assert!(*endpoint.ready.borrow());
    let good = endpoint.keys.load_full();
    // The keys of this week are not made yet; those of weeks around it are.
    let older = KeyRing::generate(
        [schemas::time::Epoch(NOW.epoch().0 - 9), NOW.epoch().next()],
        &mut || [7; 32],
    );
    let text = endpoint.places.load().code(VenueId::from_u64(5), Issue(1)).check_in_text();
    let body = format!(
        r#"{{"events":[{{"type":"message","message":{{"type":"text","id":"1","text":"{text}"}},"timestamp":{},"source":{{"type":"user","userId":"{USER}"}}}}]}}"#,
        NOW.0
    );
    endpoint.keys.store(std::sync::Arc::new(older));
    assert_eq!(endpoint.signed(&body).await, StatusCode::SERVICE_UNAVAILABLE);
    endpoint.ready.wait_for(|ready| !ready).await.expect("told");
    endpoint.keys.store(good);
    assert_eq!(endpoint.signed(&body).await, StatusCode::OK);
    endpoint.ready.wait_for(|ready| *ready).await.expect("told");
    assert_eq!(endpoint.counts().await, (1, 1, 0));
}
