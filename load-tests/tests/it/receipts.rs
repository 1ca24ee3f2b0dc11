//! What visitors are answered, through the whole path: webhook, log, receipts, the stand-in.

use load_tests::{
    demo::Stage,
    platform::{
        journal::What,
        webhooks::{Event, Redelivery},
    },
    replay::check_in_texts,
    scenario::{self, Scenario, Size},
};
use reqwest::Method;
use schemas::{
    ids::VenueId,
    place_code::{Issue, PlaceKeys},
    registry::{Facility, Registry},
    service::{LEAD_MS, ServiceState},
    time::EventTime,
};
use serde_json::{Value, json};
use storage::{
    follow::Follower,
    rows::{TypedStore, visits::ScanRow},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use venues::changes;

const TOWN: Size = Size { facilities: 2, venues: 4, visitors: 10, scans: 1 };
/// A friend from before, and somebody who is none.
const FRIEND: usize = 0;
const STRANGER: usize = 1;

struct Town {
    stage: Stage,
    day: Scenario,
    texts: Vec<String>,
    dir: tempfile::TempDir,
    replies: std::cell::Cell<usize>,
}

impl Town {
    async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let day = scenario::make(1, TOWN, load_tests::platform::Clock::default().now());
        let quick = [("ANSHIN__RECEIPTS__SECOND_LOOK_MS", "50")];
        let stage = Stage::open(dir.path(), &day, 1, &quick).await.expect("everything starts");
        let texts = check_in_texts(&stage.csv);
        Self { stage, day, texts, dir, replies: std::cell::Cell::new(0) }
    }

    fn now(&self) -> i64 {
        self.stage.platform.clock.now()
    }

    fn event(&self, visitor: usize, at: i64, text: &str) -> Event {
        let user = self.day.visitors[visitor].user_id();
        Event::new(user, at, What::Text { message: at.to_string(), text: text.to_owned() })
    }

    async fn deliver(&self, event: Event) {
        let delivery = self.stage.sender.deliver(&[event], Redelivery::First, Instant::now()).await;
        assert_eq!(delivery.status, 200);
    }

    /// The next answer that the stand-in takes.
    async fn reply(&self) -> String {
        let seen = self.replies.get();
        loop {
            if let Some(reply) = self.stage.platform.journal.lock().replies.get(seen) {
                self.replies.set(seen + 1);
                return reply.text.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn says(&self, visitor: usize, at: i64, text: &str) -> String {
        self.deliver(self.event(visitor, at, text)).await;
        self.reply().await
    }
}

/// Sets the state of the service as the tool does.
async fn set_service(config: &server::Config, state: ServiceState, from: i64) {
    let wanted = venues::service::Wanted { state, from: Some(EventTime(from)), reason: None };
    server::tools::set_service(config, wanted, &mut Vec::new()).await.expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_that_a_visitor_can_get() {
    let town = Town::open().await;
    // Friends from before are known once LINE's list has been taken in.
    let at = town.now();
    let recorded =
        format!("来店を記録しました。\n津食堂みなと 1階\n{}", EventTime(at).to_japanese());
    let first = town.event(FRIEND, at, &town.texts[0]);
    town.deliver(first.clone()).await;
    assert_eq!(town.reply().await.split("\n\n").next(), Some(&recorded[..]));

    // The same again is a redelivery: no answer. Another within five minutes is one, and says so.
    town.deliver(first).await;
    let again = town.says(FRIEND, at + 60_000, &town.texts[0]).await;
    assert_eq!(again, format!("{}に記録済みです。", EventTime(at).to_japanese()));
    let elsewhere = town.says(FRIEND, at + 60_001, &town.texts[1]).await;
    assert!(elsewhere.contains("来店を記録しました。"), "{elsewhere}");

    let asked = town.says(STRANGER, at, &town.texts[0]).await;
    assert!(asked.contains("友だち追加") && asked.ends_with("%40216ruabc"), "{asked}");

    // Not ours, mistyped, and none at all.
    let foreign = PlaceKeys::first([7; 32]).code(VenueId::from_u64(1), Issue(1)).to_string();
    let refused = town.says(FRIEND, at + 1, &foreign).await;
    assert!(refused.contains("確認できませんでした"), "{refused}");
    let unknown = format!("Z{}", &foreign[1..]);
    let refused = town.says(FRIEND, at + 2, &unknown).await;
    assert!(refused.contains("このアカウントのものではない"), "{refused}");

    let english = town.says(FRIEND, at + 3, "English").await;
    assert!(english.contains("English"), "{english}");
    let erased = town.says(STRANGER, at + 4, "忘れて").await;
    assert!(erased.contains("24時間以内に削除"), "{erased}");

    // A code that was re-issued: the old one records nothing, and says so.
    let venue = town.stage.places[2].0.parse().expect("an id");
    let mut printed = Vec::new();
    let config = load_tests::demo::config(town.dir.path(), "http://127.0.0.1:9", &[]);
    let config = config.expect("a configuration");
    server::tools::reissue(&config, venue, EventTime(at), &mut printed).await.expect("re-issued");
    let new = String::from_utf8(printed).expect("a code");
    let retired = town.says(STRANGER, at + 5, &town.texts[2]).await;
    assert!(retired.contains("現在使われていません"), "{retired}");
    let fresh = town.says(STRANGER, at + 6, &new).await;
    assert!(fresh.contains("来店を記録しました。"), "{fresh}");

    // The service is suspended: nothing is recorded from then on, and that is what is said; what
    // was sent before counts, though it comes later.
    let suspended = town.now() + 2 * LEAD_MS;
    set_service(&config, ServiceState::Suspended, suspended).await;
    let late = town.says(STRANGER, suspended - 1, &town.texts[3]).await;
    assert!(late.contains("来店を記録しました。"), "{late}");
    let told = town.says(STRANGER, suspended, &town.texts[3]).await;
    assert!(told.contains("現在休止しています") && told.contains("記録していません"), "{told}");
    let told = town.says(FRIEND, suspended + 1, &town.texts[3]).await;
    assert!(told.contains("NOT recorded"), "{told}");
    let resumed = suspended + LEAD_MS;
    set_service(&config, ServiceState::Running, resumed).await;
    let told = town.says(STRANGER, resumed - 1, &town.texts[1]).await;
    assert!(told.contains("記録していません"), "{told}");
    let again = town.says(STRANGER, resumed, &town.texts[1]).await;
    assert!(again.contains("来店を記録しました。"), "{again}");
    let stored = async |place: usize, at: i64| {
        let venue = town.stage.places[place].0.parse().expect("an id");
        let rows = town.stage.store().all::<ScanRow>(&(venue, EventTime(at).hour())).await;
        rows.expect("rows").iter().any(|row| row.scanned_at == EventTime(at))
    };
    while !(stored(3, suspended - 1).await && stored(1, resumed).await) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!stored(3, suspended).await && !stored(1, resumed - 1).await);
    assert!(town.stage.platform.journal.lock().violations.is_empty());
    town.stage.end().await.expect("the roles end well");
}

/// Officials suspend a facility; an operator tries out a print. Nothing is recorded then, and that is
/// what is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_on_hold_and_a_print_that_is_tried_out() {
    let town = Town::open().await;
    let officials = &town.stage.officials;
    let venue: VenueId = town.stage.places[0].0.parse().expect("an id");
    let path = format!("/api/v1/venues?query={venue}");
    let found = officials.call(&officials.drafter, Method::GET, &path, None).await;
    let (_, found) = found.expect("an answer");
    let facility = found["venues"][0]["facility_id"].as_str().expect("an id").to_owned();
    let decide = async |what: &str, body: Option<&Value>| {
        let path = format!("/api/v1/facilities/{facility}/{what}");
        let answer = officials.call(&officials.approver, Method::POST, &path, body).await;
        assert_eq!(answer.expect("an answer").0, 200, "{what}");
    };
    decide("suspend", Some(&json!({"reason": "別の場所に貼られている"}))).await;
    let held = town.now();
    let told = town.says(STRANGER, held, &town.texts[0]).await;
    assert!(told.contains("使用を停止しています") && told.contains("記録していません"), "{told}");
    decide("resume", None).await;
    let counted = town.now();
    let told = town.says(STRANGER, counted, &town.texts[0]).await;
    assert!(told.contains("来店を記録しました。"), "{told}");

    // As the operators' pages do it, but earlier, so that the trial has begun.
    let config = load_tests::demo::config(town.dir.path(), "http://127.0.0.1:9", &[]);
    let backends = server::backends::open_or_reach(&config.expect("a configuration")).await;
    let backends = backends.expect("the data directory");
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(backends.log.clone(), &stop);
    let (id, asked) = (facility.parse().expect("an id"), EventTime(counted).plus(-LEAD_MS));
    let try_out = |facility: &mut Facility| changes::try_out(facility, venue, asked);
    let now = EventTime(town.now());
    changes::change(&registry, id, now, try_out).await.expect("changed");
    stop.cancel();
    drop(registry);
    backends.close().await;
    let tried = town.now();
    let told = town.says(STRANGER, tried, &town.texts[0]).await;
    let place = "津食堂みなと 1階";
    assert!(told.starts_with("テスト成功") && told.contains(place), "{told}");
    assert!(told.contains("来店を記録しません"), "{told}");
    let ended = counted + changes::TRIAL_LASTS_MS;
    let told = town.says(STRANGER, ended, &town.texts[0]).await;
    assert!(told.contains("来店を記録しました。"), "{told}");

    let stored = async |at: i64| {
        let rows = town.stage.store().all::<ScanRow>(&(venue, EventTime(at).hour())).await;
        rows.expect("rows").iter().any(|row| row.scanned_at == EventTime(at))
    };
    while !(stored(counted).await && stored(ended).await) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!stored(held).await && !stored(tried).await);
    town.stage.end().await.expect("the roles end well");
}
