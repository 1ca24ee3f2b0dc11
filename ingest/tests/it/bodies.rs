//! What bodies become.

use axum::http::StatusCode;
use ingest::Config;
use schemas::{
    ids::{UserId, VenueId},
    place_code::{CodeProblem, Issue, PlaceKeys},
    rejected::{Original, RejectCause, Rejected, WEBHOOK_CONTEXT},
    scan::Scan,
    service::{LEAD_MS, ServiceState},
    time::{DAY_MS, HOUR_MS},
    topic::Topic,
    visitor::{VisitorAction, VisitorRecord},
    wire::WireRecord,
};

use crate::{Endpoint, NOW, USER};

/// A text message as LINE sends it.
fn says(text: &str, at: i64) -> String {
    let text = serde_json::Value::from(text);
    format!(
        r#"{{"type":"message","message":{{"type":"text","id":"14353798921116","quoteToken":"q3Plxr4AgKd","text":{text}}},"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{{"isRedelivery":false}},"timestamp":{at},"source":{{"type":"user","userId":"{USER}"}},"replyToken":"757913772c4646b784d4b7ce46d12671","mode":"active"}}"#
    )
}

fn body(events: &[String]) -> String {
    format!(
        r#"{{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[{}]}}"#,
        events.join(",")
    )
}

async fn check_in(endpoint: &Endpoint) -> String {
    endpoint.places.load().code(VenueId::from_u64(5), Issue(1)).check_in_text()
}

async fn causes(endpoint: &Endpoint) -> Vec<RejectCause> {
    let records = endpoint.records(Topic::Rejected).await;
    let decoded = records.iter().map(|record| Rejected::decode(&record.value).expect("a record"));
    decoded.map(|rejected| rejected.cause).collect()
}

#[tokio::test]
async fn a_check_in_becomes_a_scan() {
    let endpoint = Endpoint::open(Config::default()).await;
    let text = check_in(&endpoint).await;
    assert_eq!(endpoint.signed(&body(&[says(&text, NOW.0)])).await, StatusCode::OK);
    let records = endpoint.records(Topic::Scans).await;
    let scan = Scan::decode(&records[0].value).expect("a scan");
    assert_eq!((scan.venue, scan.issue), (VenueId::from_u64(5), Issue(1)));
    assert_eq!((scan.scanned_at, scan.received_at), (NOW, NOW));
    assert_eq!(scan.event.as_str(), "01FZ74A0TDDPYRVKNK77XKC3ZR");
    let keys = endpoint.keys.load();
    let user = keys.open_scan(scan.epoch, scan.venue, scan.pseudonym, &scan.sealed);
    assert_eq!(user, Ok(UserId::parse(USER).expect("an id")));
    assert_eq!(scan.message, keys.message("14353798921116"));

    // That they wrote on this day, once, and not when.
    endpoint.signed(&body(&[says(&text, NOW.0 + 1)])).await;
    let visitors = endpoint.records(Topic::Visitors).await;
    let wrote: Vec<_> =
        visitors.iter().map(|r| VisitorRecord::decode(&r.value).expect("a record")).collect();
    assert_eq!(wrote.len(), 1);
    assert_eq!(wrote[0].action, VisitorAction::Wrote);
    assert_eq!(wrote[0].at.0, NOW.day() * DAY_MS);
    assert_eq!(wrote[0].event.as_str(), "");
}

#[tokio::test]
async fn every_kind_of_event_and_what_it_becomes() {
    let endpoint = Endpoint::open(Config::default()).await;
    let event = |rest: &str| {
        format!(r#"{{{rest},"timestamp":{},"source":{{"type":"user","userId":"{USER}"}}}}"#, NOW.0)
    };
    let foreign = PlaceKeys::first([1; 32]).code(VenueId::from_u64(5), Issue(1));
    // The words of a sticker, too, are called text.
    let check_in = serde_json::Value::from(check_in(&endpoint).await);
    let events = [
        event(r#""type":"follow","follow":{"isUnblocked":false}"#),
        event(r#""type":"unfollow""#),
        event(r#""type":"unsend","unsend":{"messageId":"14353798921116"}"#),
        event(r#""type":"postback","postback":{"data":"language=en"}"#),
        event(r#""type":"postback","postback":{"data":"storeId=1"}"#),
        says("忘れて", NOW.0),
        says(&foreign.to_string(), NOW.0),
        says("こんにちは", NOW.0),
        event(r#""type":"message","message":{"type":"sticker","id":"1","stickerId":"2"}"#),
        event(&format!(
            r#""type":"message","message":{{"type":"sticker","id":"1","stickerId":"2","text":{check_in}}}"#
        )),
        event(
            r#""type":"message","message":{"type":"location","id":"1","latitude":34.7,"longitude":136.5}"#,
        ),
        event(r#""type":"somethingNew","somethingNew":{"a":1}"#),
        event(r#""type":"follow""#)
            .replace(r#""type":"user","#, r#""type":"group","groupId":"C1","#),
    ];
    assert_eq!(endpoint.signed(&body(&events)).await, StatusCode::OK);
    let records = endpoint.records(Topic::Visitors).await;
    let mut actions: Vec<VisitorAction> = records
        .iter()
        .map(|record| VisitorRecord::decode(&record.value).expect("a record").action)
        .collect();
    let undo = VisitorAction::Undo(endpoint.keys.load().message("14353798921116"));
    for action in [
        VisitorAction::Followed,
        VisitorAction::Unfollowed,
        undo,
        VisitorAction::ChoseLanguage(schemas::language::Language::English),
        VisitorAction::Erase,
        VisitorAction::CodeRefused(CodeProblem::Forged),
        VisitorAction::Wrote,
    ] {
        let at = actions.iter().position(|done| *done == action);
        actions.remove(at.unwrap_or_else(|| panic!("{action:?} is missing in {actions:?}")));
    }
    assert_eq!(actions, []);
    assert_eq!(endpoint.counts().await, (0, 7, 0));
}

/// By event time, not by arrival.
#[tokio::test]
async fn a_check_in_while_the_service_does_not_run_keeps_nothing_of_the_place() {
    let endpoint = Endpoint::open(Config::default()).await;
    let from = NOW.plus(-HOUR_MS);
    endpoint.set_service(ServiceState::Suspended, from).await;
    let text = check_in(&endpoint).await;
    let events = [says(&text, from.0 - 1), says(&text, from.0), says("忘れて", NOW.0)];
    assert_eq!(endpoint.signed(&body(&events)).await, StatusCode::OK);
    let scans = endpoint.records(Topic::Scans).await;
    let scan = Scan::decode(&scans[0].value).expect("a scan");
    assert_eq!((scans.len(), scan.scanned_at), (1, from.plus(-1)));
    let visitors = endpoint.records(Topic::Visitors).await;
    let said: Vec<_> =
        visitors.iter().map(|r| VisitorRecord::decode(&r.value).expect("a record")).collect();
    let told =
        said.iter().find(|r| r.action == VisitorAction::NotRecorded(ServiceState::Suspended));
    let told = told.expect("what the visitor is told");
    assert_eq!(told.at, from);
    assert!(told.reply_token.is_some());
    // What a person asks of us is done all the same.
    assert!(said.iter().any(|record| record.action == VisitorAction::Erase));
    assert_eq!(endpoint.counts().await, (1, 3, 0));

    endpoint.set_service(ServiceState::Running, from.plus(LEAD_MS)).await;
    let events = [says(&text, from.0 + 1), says(&text, from.0 + LEAD_MS)];
    assert_eq!(endpoint.signed(&body(&events)).await, StatusCode::OK);
    assert_eq!(endpoint.counts().await, (2, 4, 0));
}

/// Where it can't be known whether the service runs, nothing is dropped: the processor decides.
#[tokio::test]
async fn while_the_state_is_not_known_scans_go_on() {
    let endpoint = Endpoint::open(Config::default()).await;
    endpoint.set_service(ServiceState::Ended, NOW.plus(-HOUR_MS)).await;
    let text = check_in(&endpoint).await;
    assert_eq!(endpoint.signed(&body(&[says(&text, NOW.0)])).await, StatusCode::OK);
    assert_eq!(endpoint.counts().await.0, 0);
    endpoint.stop_following();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    tokio::time::resume();
    assert_eq!(endpoint.signed(&body(&[says(&text, NOW.0)])).await, StatusCode::OK);
    assert_eq!(endpoint.counts().await.0, 1);
}

#[tokio::test]
async fn one_odd_event_never_loses_its_neighbours() {
    let endpoint = Endpoint::open(Config::default()).await;
    let text = check_in(&endpoint).await;
    let good = says(&text, NOW.0);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1_000), "}".repeat(1_000));
    let odd = [
        good.replace(&serde_json::Value::from(text.as_str()).to_string(), r#""\uD83E""#),
        good.replace(USER, "U123"),
        good.replace(&format!(r#""timestamp":{},"#, NOW.0), ""),
        good.replace(r#""message":{"type":"text""#, r#""message":{"type":5"#),
        r#""a text""#.to_owned(),
        "5".to_owned(),
        format!(
            r#"["follow",{},{{"type":"user","userId":"{USER}"}},"01FZ74A0TDDPYRVKNK77XKC3ZR",null,null,null,null]"#,
            NOW.0
        ),
        format!(r#"{{"type":{deep}}}"#),
    ];
    for (n, odd) in odd.iter().enumerate() {
        let later = says(&text, NOW.0 + 1_000 * (n as i64 + 1));
        let events = [odd.clone(), later, odd.clone()];
        assert_eq!(endpoint.signed(&body(&events)).await, StatusCode::OK, "{odd}");
        let (scans, _, rejected) = endpoint.counts().await;
        assert_eq!((scans, rejected), (n + 1, 2 * (n + 1)), "{odd}");
    }
    assert!(causes(&endpoint).await.iter().all(|cause| *cause == RejectCause::MalformedEvent));

    // A thousand levels where nobody looks harm nobody.
    let deep = good.replace(r#""mode":"active""#, &format!(r#""new":{deep}"#));
    assert_eq!(endpoint.signed(&body(&[deep])).await, StatusCode::OK);
    assert_eq!(endpoint.counts().await.0, odd.len() + 1);
}

#[tokio::test]
async fn what_is_no_webhook_is_kept_sealed_with_its_cause() {
    let endpoint = Endpoint::open(Config::default()).await;
    for (odd, cause) in [
        ("", RejectCause::NotJson),
        ("not json", RejectCause::NotJson),
        (r#"{"events":["#, RejectCause::NotJson),
        ("{}", RejectCause::NoEvents),
        ("[]", RejectCause::NoEvents),
        (r#"{"events":5}"#, RejectCause::NoEvents),
        (r#"["U8e742f61d673b39c7fff3cecb7536ef0",[]]"#, RejectCause::NoEvents),
    ] {
        let before = causes(&endpoint).await.len();
        assert_eq!(endpoint.signed(odd).await, StatusCode::OK, "{odd}");
        assert_eq!(causes(&endpoint).await[before..], [cause], "{odd}");
    }
    let record = &endpoint.records(Topic::Rejected).await[1];
    let rejected = Rejected::decode(&record.value).expect("a record");
    let Original::Webhook(sealed) = &rejected.original else { panic!("{rejected:?}") };
    assert_eq!(endpoint.keys.load().open(WEBHOOK_CONTEXT, sealed), Ok(b"not json".to_vec()));
}

#[tokio::test]
async fn event_time_decides_what_is_too_old_or_ahead() {
    let endpoint = Endpoint::open(Config::default()).await;
    let text = check_in(&endpoint).await;
    for (at, cause) in [
        (NOW.0 + DAY_MS, None),
        (NOW.0 + DAY_MS + 1, Some(RejectCause::FromTheFuture)),
        (NOW.0 - 28 * DAY_MS + HOUR_MS, None),
        (NOW.0 - 28 * DAY_MS + HOUR_MS - 1, Some(RejectCause::PastRetention)),
        (0, Some(RejectCause::PastRetention)),
        (i64::MAX, Some(RejectCause::FromTheFuture)),
        (i64::MIN, Some(RejectCause::PastRetention)),
    ] {
        let before = causes(&endpoint).await.len();
        assert_eq!(endpoint.signed(&body(&[says(&text, at)])).await, StatusCode::OK);
        assert_eq!(causes(&endpoint).await.get(before).copied(), cause, "{at}");
    }
}

/// Every body of LINE's documentation and SDKs: 200, and every event accounted for.
#[tokio::test]
async fn every_body_of_lines_own() {
    for (name, text, rejected) in [
        ("docs-message-edited", include_str!("../fixtures/docs-message-edited.json"), 0),
        ("docs-signed", include_str!("../fixtures/docs-signed-verify-empty-events.json"), 0),
        // Their user ids are cut off: follow and unfollow can't be used, "Hello, world" means
        // nothing to us but has no id to be a person's either.
        ("docs-three", include_str!("../fixtures/docs-three-events-two-users.json"), 3),
        ("go-handler", include_str!("../fixtures/go-handler-test-request-body.json"), 0),
        ("go-webhook", include_str!("../fixtures/go-webhook-test-request-body.json"), 0),
        ("python", include_str!("../fixtures/python-webhook-28-events.json"), 0),
        ("not json", include_str!("../fixtures/python-signed-not-json.txt"), 1),
    ] {
        let endpoint = Endpoint::open(Config::default()).await;
        assert_eq!(endpoint.signed(text).await, StatusCode::OK, "{name}");
        let found = causes(&endpoint).await;
        let malformed = found.iter().filter(|c| **c != RejectCause::PastRetention).count();
        if rejected > 0 {
            assert_eq!(malformed, rejected, "{name}: {found:?}");
        }
        // They are from years ago: whatever would act is past retention.
        assert_eq!(endpoint.records(Topic::Scans).await.len(), 0, "{name}");
        assert_eq!(endpoint.records(Topic::Visitors).await.len(), 0, "{name}");
    }
}

/// Words, places and ids that a visitor sends are in no record.
#[tokio::test]
async fn nothing_of_a_visitor_is_kept() {
    let endpoint = Endpoint::open(Config::default()).await;
    let text = check_in(&endpoint).await;
    let planted = "きのうから喉が痛い";
    let events = [
        says(planted, NOW.0),
        says(&format!("{planted} {text}"), NOW.0),
        says(&format!("{planted} AAAAA-BBBBB-CCCCC-DDDDD"), NOW.0),
        format!(
            r#"{{"type":"message","message":{{"type":"location","id":"1","title":"{planted}","latitude":35.65910807942215,"longitude":139.70372892916203}},"timestamp":{},"source":{{"type":"user","userId":"{USER}"}}}}"#,
            NOW.0
        ),
        // Rejected ones are sealed.
        format!(
            r#"{{"type":"message","message":{{"type":"text","id":5,"text":"{planted}"}},"source":{{"type":"user","userId":"{USER}"}}}}"#
        ),
    ];
    assert_eq!(endpoint.signed(&body(&events)).await, StatusCode::OK);
    let id = UserId::parse(USER).expect("an id");
    let mut seen = 0;
    for topic in Topic::ALL {
        for record in endpoint.records(topic).await {
            seen += 1;
            for needle in [planted.as_bytes(), USER.as_bytes(), id.as_bytes(), b"35.659"] {
                let found = record.value.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{topic}");
            }
        }
    }
    assert!(seen >= 3);
}
