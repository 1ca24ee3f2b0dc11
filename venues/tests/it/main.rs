//! Lists imported into a real registry; journeys through the pages; flyers, printed and read.
#![allow(clippy::print_stdout)]

mod browser;
mod flyers;
mod journey;
mod mail;
mod manage;
mod print;

use schemas::{
    place_code::{Found, Issue, PlaceKeys},
    registry::Registry,
    service::{LEAD_MS, ServiceState},
    time::EventTime,
};
use storage::{
    embedded::{Embedded, EmbeddedConfig},
    follow::Follower,
};
use tokio_util::sync::CancellationToken;
use venues::{
    changes, import, list,
    service::{self, Notice, ServiceError, Wanted},
};

const LIST: &str = "facility,kind,venue\n食堂みなと,restaurant,1階\n食堂みなと,restaurant,2階\n文化会館,hall,大ホール\n";

#[tokio::test]
async fn the_same_list_twice_makes_nothing_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = Embedded::open(dir.path(), EmbeddedConfig::default()).await.expect("opens");
    let registry: Follower<_, Registry> =
        Follower::start(embedded.log(), &CancellationToken::new());
    let places = PlaceKeys::first([3; 32]);
    let rows = list::parse(LIST.as_bytes()).expect("a list");

    let first = import::import(&rows, &registry, &places, EventTime(1)).await.expect("imported");
    let again = import::import(&rows, &registry, &places, EventTime(2)).await.expect("imported");
    assert_eq!(first, again);
    assert_eq!(registry.read(|registry| registry.facilities().count()), 2);
    for imported in &first {
        let Found::Code(code) = places.find(&imported.check_in_text) else { panic!("no code") };
        assert_eq!(code.venue(), imported.venue);
        assert_eq!(code.to_string(), imported.place_code);
    }

    let more = format!("{LIST}食堂みなと,restaurant,3階\n");
    let rows = list::parse(more.as_bytes()).expect("a list");
    let plan = import::plan(&rows, &registry, EventTime(3)).await.expect("a plan");
    assert_eq!((plan.new_facilities, plan.new_venues), (0, 1));
    assert_eq!(registry.read(|registry| registry.facilities().count()), 2);
    let more = import::import(&rows, &registry, &places, EventTime(3)).await.expect("imported");
    assert_eq!(more[..3], first[..]);
    assert_eq!(registry.read(|registry| registry.facilities().count()), 2);
}

#[tokio::test]
async fn a_reissued_code_retires_the_one_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = Embedded::open(dir.path(), EmbeddedConfig::default()).await.expect("opens");
    let registry: Follower<_, Registry> =
        Follower::start(embedded.log(), &CancellationToken::new());
    let places = PlaceKeys::first([3; 32]);
    let rows = list::parse(LIST.as_bytes()).expect("a list");
    let first = import::import(&rows, &registry, &places, EventTime(1)).await.expect("imported");
    let venue = first[0].venue;
    let issue = changes::reissue_any(venue, EventTime(100), &registry, EventTime(50)).await;
    assert_eq!(issue.ok(), Some(Issue(2)));
    registry.read(|registry| {
        let (_, venue) = registry.venue(venue).expect("the venue");
        assert!(venue.accepts(Issue(1), EventTime(99)));
        assert!(!venue.accepts(Issue(1), EventTime(100)));
        assert!(venue.accepts(Issue(2), EventTime(100)));
    });
    let again = import::import(&rows, &registry, &places, EventTime(2)).await.expect("imported");
    assert_ne!(again[0].place_code, first[0].place_code);
    assert_eq!(again[1], first[1]);
}

#[tokio::test]
async fn registration_is_closed_from_when_the_state_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = Embedded::open(dir.path(), EmbeddedConfig::default()).await.expect("opens");
    let registry: Follower<_, Registry> =
        Follower::start(embedded.log(), &CancellationToken::new());
    let now = EventTime(1_795_489_200_000);
    let wanted =
        |state, from| Wanted { state, from, reason: Some(" 台風の　ため ".to_owned()) };
    assert_eq!(service::notice(&registry, now), None);

    let suspended = service::set(wanted(ServiceState::Suspended, None), &registry, now).await;
    let suspended = suspended.expect("set").from;
    assert_eq!(suspended, now.plus(LEAD_MS));
    assert_eq!(service::notice(&registry, suspended.plus(-1)), None);
    let notice =
        Notice { state: ServiceState::Suspended, reason: Some("台風の ため".to_owned()) };
    assert_eq!(service::notice(&registry, suspended), Some(notice));

    let soon = wanted(ServiceState::Running, Some(now.plus(LEAD_MS - 1)));
    let refused = service::set(soon, &registry, now).await;
    assert!(matches!(refused, Err(ServiceError::TooSoon(_))), "{refused:?}");
    for reason in ["あ".repeat(201), "県\u{202e}庁".to_owned()] {
        let wanted = Wanted { state: ServiceState::Ended, from: None, reason: Some(reason) };
        let refused = service::set(wanted, &registry, now).await;
        assert!(matches!(refused, Err(ServiceError::Reason)), "{refused:?}");
    }

    let later = now.plus(10 * LEAD_MS);
    let resumed = service::set(wanted(ServiceState::Running, None), &registry, later).await;
    assert_eq!(service::notice(&registry, resumed.expect("set").from), None);
    // Whoever starts to follow now knows as much of the time before.
    let again: Follower<_, Registry> = Follower::start(embedded.log(), &CancellationToken::new());
    again.caught_up().await.expect("current");
    assert!(service::notice(&again, later).is_some());
    assert_eq!(registry.read(Clone::clone), again.read(Clone::clone));
}
