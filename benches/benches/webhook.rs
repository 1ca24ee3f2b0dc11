//! What ingest does with a webhook, step by step and together, beside HMAC alone, serde_json alone
//! and both: on bodies as LINE documents and sends them. `anshin-bench micro` reads the medians.

use std::{borrow::Cow, hint::black_box, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use hmac::{Hmac, KeyInit, Mac};
use ingest::{
    ChannelSecret, Context, command,
    event::{self, Event, Frame, Parsed, What},
    records_of_body, signature,
    wrote::WroteMemory,
};
use schemas::{
    identity::KeyRing,
    ids::VenueId,
    place_code::{Issue, PlaceCode, PlaceKeys},
    scan::Scan,
    service::Service,
    time::EventTime,
    wire::WireRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

// As the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
const USER: &str = "U206d25c2ea6bd87c17655609a1c37cb8";
const DOCUMENTED: &str =
    include_str!("../../ingest/tests/fixtures/docs-three-events-two-users.json");
const EVERY_KIND: &str = include_str!("../../ingest/tests/fixtures/python-webhook-28-events.json");

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(60)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = webhook
}
criterion_main!(benches);

/// Everything around a body.
struct World {
    secrets: Vec<ChannelSecret>,
    mac: Hmac<Sha256>,
    keys: KeyRing,
    places: PlaceKeys,
    wrote: WroteMemory,
}

fn webhook(criterion: &mut Criterion) {
    let places = PlaceKeys::first([7; 32]);
    let bodies = [
        ("check-in", documented(1, &places)),
        ("three-events", documented(3, &places)),
        ("28-events", EVERY_KIND.to_owned()),
    ];
    for (name, body) in bodies {
        let frame: Value = serde_json::from_str(&body).expect("a fixture is JSON");
        let at = EventTime(frame["events"][0]["timestamp"].as_i64().expect("it has a time"));
        let mut seed = 0_u8;
        let keys = KeyRing::generate([at.epoch()], &mut || {
            seed += 1;
            [seed; 32]
        });
        let world = World {
            secrets: vec![ChannelSecret::new(SECRET)],
            mac: Hmac::new_from_slice(SECRET.as_bytes()).expect("HMAC takes any key"),
            keys,
            places: places.clone(),
            wrote: WroteMemory::new(1_000),
        };
        let mut group = criterion.benchmark_group(name);
        whole(&mut group, &world, at, Bytes::from(body.clone()));
        if name == "check-in" {
            steps(&mut group, &world, at, &body);
        }
        group.finish();
    }
}

/// The first events of the documentation's body: ids, which it shortens, are written out, and the
/// words are a check-in.
fn documented(events: usize, places: &PlaceKeys) -> String {
    let mut body: Value = serde_json::from_str(DOCUMENTED).expect("a fixture is JSON");
    let all = body["events"].as_array_mut().expect("it has events");
    all.truncate(events);
    for event in all {
        event["source"]["userId"] = USER.into();
        if event["type"] == "message" {
            let code = places.code(VenueId::from_u64(5), Issue(1));
            event["message"]["text"] = code.check_in_text().into();
        }
    }
    body.to_string()
}

/// What is done with a whole body, and the bare versions of it.
fn whole(group: &mut BenchmarkGroup<'_, WallTime>, world: &World, at: EventTime, body: Bytes) {
    let mac = || world.mac.clone().chain_update(&body);
    let signature = BASE64_STANDARD.encode(mac().finalize().into_bytes());
    let header = Some(signature.as_bytes());
    let context = Context {
        keys: &world.keys,
        places: &world.places,
        wrote: &world.wrote,
        service: &Service::default(),
        now: at.plus(1_000),
        retention_days: 28,
    };
    let known = records_of_body(&body, None, &context).expect("it is for us").wrote;
    known.iter().for_each(|(visitor, day)| world.wrote.made(*visitor, *day));

    group.bench_function("hmac", |b| b.iter(|| mac().finalize()));
    group.bench_function("verify", |b| {
        b.iter(|| signature::verify(&world.secrets, body.clone(), header).expect("it is LINE's"));
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| serde_json::from_slice::<Bare<'_>>(&body).expect("it is a webhook").events.len());
    });
    group.bench_function("parse", |b| {
        b.iter(|| {
            let frame = Frame::parse(&body).expect("it is a webhook");
            frame.events.iter().filter(|raw| matches!(event::parse(raw), Parsed::Event(_))).count()
        });
    });
    group.bench_function("together", |b| {
        b.iter(|| {
            let body =
                signature::verify(&world.secrets, body.clone(), header).expect("it is LINE's");
            records_of_body(body.bytes(), None, &context).expect("it is for us").appends
        });
    });
    group.bench_function("bare", |b| {
        b.iter(|| {
            let signature = BASE64_STANDARD.decode(&signature).expect("it is base64");
            mac().verify_slice(&signature).expect("it is LINE's");
            serde_json::from_slice::<Bare<'_>>(&body).expect("it is a webhook").records()
        });
    });
}

/// The steps from a parsed check-in to its record.
fn steps(group: &mut BenchmarkGroup<'_, WallTime>, world: &World, at: EventTime, body: &str) {
    let frame = Frame::parse(body.as_bytes()).expect("it is a webhook");
    let Parsed::Event(Event { id, user, reply_token, what: What::Text { message, text }, .. }) =
        event::parse(frame.events[0])
    else {
        panic!("the first event is no text")
    };
    let code = |text: &str| -> PlaceCode {
        match command::meaning(text, &world.places) {
            command::Meaning::CheckIn(code) => code,
            other => panic!("the text is no check-in: {other:?}"),
        }
    };
    group.bench_function("extract", |b| b.iter(|| code(black_box(&text))));
    let code = code(&text);
    let seal =
        || world.keys.seal_scan(at.epoch(), code.venue(), &user).expect("the keys are there");
    group.bench_function("seal", |b| {
        b.iter(|| (seal(), world.keys.message(black_box(&message)), world.keys.visitor(&user)));
    });
    let (pseudonym, sealed) = seal();
    let scan = Scan {
        event: id,
        message: world.keys.message(&message),
        venue: code.venue(),
        issue: code.issue(),
        scanned_at: at,
        received_at: at,
        pseudonym,
        sealed,
        epoch: at.epoch(),
        reply_token,
    };
    group.bench_function("encode", |b| b.iter(|| (scan.key(), black_box(&scan).encode())));
}

/// What the bare handler of the whole-process bench parses, with what is absent in some events
/// optional.
#[derive(Deserialize)]
struct Bare<'a> {
    #[serde(borrow)]
    events: Vec<BareEvent<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BareEvent<'a> {
    #[serde(borrow)]
    webhook_event_id: Cow<'a, str>,
    timestamp: i64,
    #[serde(borrow)]
    source: Option<BareSource<'a>>,
    #[serde(borrow)]
    message: Option<BareMessage<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BareSource<'a> {
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct BareMessage<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Visit<'a> {
    event: &'a str,
    user: Option<&'a str>,
    message: &'a str,
    text: &'a str,
    at: i64,
}

impl Bare<'_> {
    /// One JSON record a text message.
    fn records(&self) -> Vec<Vec<u8>> {
        let texts = self.events.iter().filter_map(|event| {
            let message = event.message.as_ref()?;
            let visit = Visit {
                event: &event.webhook_event_id,
                user: event.source.as_ref()?.user_id.as_deref(),
                message: &message.id,
                text: message.text.as_deref()?,
                at: event.timestamp,
            };
            serde_json::to_vec(&visit).ok()
        });
        texts.collect()
    }
}
