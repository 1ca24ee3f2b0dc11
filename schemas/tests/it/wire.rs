use bytes::Bytes;
use proptest::prelude::*;
use schemas::{
    identity::{Pseudonym, Sealed, SealedId, VisitorId},
    ids::{EventId, FacilityId, MessageHash, VenueId},
    language::Language,
    place_code::{CodeProblem, Issue},
    registry::{
        Details, EventDays, Facility, FacilityKind, Registry, RegistryRecord, Retirement, Venue,
        Verdict,
    },
    rejected::{Original, RejectCause, Rejected},
    scan::{ReplyToken, Scan},
    service::{Change, LEAD_MS, Service, ServiceState},
    time::{DAY_MS, Epoch, EventTime},
    topic::{Offset, Partition, Topic},
    visitor::{VisitorAction, VisitorRecord},
    wire::{WireError, WireRecord},
};

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

fn time() -> impl Strategy<Value = EventTime> {
    any::<i64>().prop_map(EventTime)
}

fn event() -> impl Strategy<Value = EventId> {
    "[0-9A-Z]{0,26}".prop_map(|text| EventId::parse(&text).expect("at most 26 bytes"))
}

fn token() -> impl Strategy<Value = Option<ReplyToken>> {
    prop::option::of("[0-9a-f]{32}".prop_map(|text| ReplyToken(text.into())))
}

prop_compose! {
    fn scan()(
        (event, message, venue, issue) in (event(), any::<[u8; 16]>(), 0..VenueId::COUNT, any::<u8>()),
        (scanned_at, received_at) in (time(), time()),
        (pseudonym, sealed, epoch) in (any::<[u8; 16]>(), bytes(), any::<u32>()),
        reply_token in token(),
    ) -> Scan {
        Scan {
            event,
            message: MessageHash(message),
            venue: VenueId::from_u64(venue),
            issue: Issue(issue),
            scanned_at,
            received_at,
            pseudonym: Pseudonym(pseudonym),
            sealed: SealedId(sealed),
            epoch: Epoch(epoch),
            reply_token,
        }
    }
}

fn action() -> impl Strategy<Value = VisitorAction> {
    prop_oneof![
        Just(VisitorAction::Followed),
        Just(VisitorAction::Unfollowed),
        Just(VisitorAction::ListedAsFriend),
        any::<[u8; 16]>().prop_map(|hash| VisitorAction::Undo(MessageHash(hash))),
        Just(VisitorAction::Erase),
        prop::sample::select(Language::ALL.to_vec()).prop_map(VisitorAction::ChoseLanguage),
        Just(VisitorAction::Wrote),
        Just(VisitorAction::CodeRefused(CodeProblem::Forged)),
        Just(VisitorAction::CodeRefused(CodeProblem::UnknownKeyVersion)),
        prop::sample::select(ServiceState::ALL.to_vec()).prop_map(VisitorAction::NotRecorded),
    ]
}

prop_compose! {
    fn visitor_record()(
        visitor: [u8; 16],
        sealed in bytes(),
        event in event(),
        (at, received_at) in (time(), time()),
        reply_token in token(),
        action in action(),
    ) -> VisitorRecord {
        VisitorRecord {
            visitor: VisitorId(visitor),
            sealed: SealedId(sealed),
            event,
            at,
            received_at,
            reply_token,
            action,
        }
    }
}

fn original() -> impl Strategy<Value = Original> {
    prop_oneof![
        (any::<u32>(), bytes())
            .prop_map(|(epoch, bytes)| Original::Webhook(Sealed { epoch: Epoch(epoch), bytes })),
        (prop::sample::select(Topic::ALL.to_vec()), any::<u16>(), any::<u64>(), bytes(), bytes())
            .prop_map(|(topic, partition, offset, key, value)| Original::Record {
                topic,
                partition: Partition(partition),
                offset: Offset(offset),
                key,
                value,
            }),
    ]
}

prop_compose! {
    fn rejected()(
        cause in prop::sample::select(RejectCause::ALL.to_vec()),
        at in time(),
        original in original(),
    ) -> Rejected {
        Rejected { cause, at, original }
    }
}

prop_compose! {
    fn venue()(
        id in 0..VenueId::COUNT,
        name in "\\PC{0,50}",
        issue: u8,
        retirements in prop::collection::vec((any::<u8>(), time()), 0..3),
    ) -> Venue {
        Venue {
            id: VenueId::from_u64(id),
            name,
            issue: Issue(issue),
            retirements: retirements
                .into_iter()
                .map(|(issue, from)| Retirement { issue: Issue(issue), from })
                .collect(),
        }
    }
}

prop_compose! {
    fn details()(
        kana in "\\PC{0,50}",
        postcode in "[0-9]{7}",
        address in "\\PC{0,120}",
        phone in "[0-9]{10,11}",
    ) -> Details {
        Details { kana, postcode, address, phone }
    }
}

prop_compose! {
    fn facility()(
        id in 0..FacilityId::COUNT,
        name in "\\PC{0,50}",
        kind in prop::sample::select(FacilityKind::ALL.to_vec()),
        venues in prop::collection::vec(venue(), 0..5),
        days in prop::option::of((0..40_000_i64, 0..40_i64)),
        details in prop::option::of(details()),
        updated_at in time(),
    ) -> RegistryRecord {
        let id = FacilityId::from_u64(id);
        let day = |day: i64| EventTime(day * DAY_MS).day_in_japan();
        let days = days.and_then(|(day_one, more)| {
            EventDays::new(day(day_one), day(day_one + more)).ok()
        });
        RegistryRecord::Facility(Facility { id, name, kind, venues, days, details, updated_at })
    }
}

prop_compose! {
    fn service()(
        changes in prop::collection::vec(
            (prop::sample::select(ServiceState::ALL.to_vec()), time(), "\\PC{0,50}"),
            0..5,
        ),
    ) -> RegistryRecord {
        let mut service = Service::default();
        for (state, set_at, reason) in changes {
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            let change = Change { state, from: set_at.plus(LEAD_MS), reason, set_at };
            service = service.with(change).expect("in time");
        }
        RegistryRecord::Service(service)
    }
}

/// What every record of the log must bear.
fn holds<R: WireRecord + PartialEq + std::fmt::Debug>(record: &R) -> Result<(), TestCaseError> {
    let wire = record.encode();
    prop_assert_eq!(wire[0], R::VERSION);
    prop_assert_eq!(&R::decode(&wire)?, record);

    let mut later = wire.to_vec();
    later[0] = R::VERSION + 1;
    prop_assert_eq!(R::decode(&later), Err(WireError::UnknownVersion(R::VERSION + 1)));

    prop_assert_eq!(R::decode(&wire[..wire.len() - 1]), Err(WireError::Malformed));
    prop_assert_eq!(R::decode(&[&wire[..], &[0]].concat()), Err(WireError::Malformed));
    Ok(())
}

proptest! {
    #[test]
    fn scans(record in scan()) {
        holds(&record)?;
    }

    #[test]
    fn visitors(record in visitor_record()) {
        holds(&record)?;
    }

    #[test]
    fn rejections(record in rejected()) {
        holds(&record)?;
    }

    #[test]
    fn facilities(record in facility()) {
        holds(&record)?;
    }

    #[test]
    fn services(record in service()) {
        holds(&record)?;
        prop_assert_eq!(record.key(), &b"service"[..]);
    }

    #[test]
    fn noise_is_refused_and_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Scan::decode(&noise);
        let _ = VisitorRecord::decode(&noise);
        let _ = Rejected::decode(&noise);
        let _ = RegistryRecord::decode(&noise);
        let _ = schemas::job::JobRecord::decode(&noise);
    }

    /// The registry is what the latest snapshot of each facility says, and nothing else.
    #[test]
    fn the_latest_snapshot_counts(
        records in prop::collection::vec(prop_oneof![facility(), service()], 1..6),
    ) {
        let mut registry = Registry::default();
        for record in &records {
            registry.apply(record.clone());
        }
        for facility in registry.facilities() {
            let latest = records
                .iter()
                .rev()
                .filter_map(|record| match record {
                    RegistryRecord::Facility(facility) => Some(facility),
                    RegistryRecord::Service(_) => None,
                })
                .find(|record| record.id == facility.id);
            prop_assert_eq!(Some(facility), latest);
            for venue in &facility.venues {
                prop_assert_eq!(registry.venue(venue.id).map(|(_, venue)| venue.id), Some(venue.id));
            }
        }
    }
}

/// What earlier versions wrote of a facility has no days, and is written as it was.
#[test]
fn a_facility_without_days_reads_and_is_written_as_before() {
    let before =
        br#"{"record":"facility","id":"0000000001","name":"A","kind":"event","venues":[],"updated_at":5}"#;
    let wire = [&[1], &before[..]].concat();
    let Ok(record) = RegistryRecord::decode(&wire) else { panic!("it does not read") };
    let RegistryRecord::Facility(facility) = &record else { panic!("{record:?}") };
    assert_eq!(facility.days, None);
    assert_eq!(record.encode(), wire);
    let turned = br#","days":{"first":"2026-11-03","last":"2026-11-02"}}"#;
    let wire = [&wire[..wire.len() - 1], &turned[..]].concat();
    assert_eq!(RegistryRecord::decode(&wire), Err(WireError::Malformed));
}

#[test]
fn an_events_codes_end_a_day_after_its_last() {
    let day = |text: &str| text.parse().expect("a day");
    let venue = Venue {
        id: VenueId::from_u64(1),
        name: String::new(),
        issue: Issue(1),
        retirements: Vec::new(),
    };
    let days = EventDays::new(day("2026-11-02"), day("2026-11-03"));
    let mut registry = Registry::default();
    registry.apply(RegistryRecord::Facility(Facility {
        id: FacilityId::from_u64(1),
        name: String::new(),
        kind: FacilityKind::Event,
        venues: vec![venue],
        days: Some(days.expect("in order")),
        details: None,
        updated_at: EventTime(0),
    }));
    let verdict = |text: &str| {
        let at = EventTime::parse_rfc3339(text).expect("a time");
        registry.verdict(VenueId::from_u64(1), Issue(1), at)
    };
    // People set up the day before, and go home late.
    assert_eq!(verdict("2026-11-01T09:00:00+09:00"), Verdict::Counts);
    assert_eq!(verdict("2026-11-04T23:59:59+09:00"), Verdict::Counts);
    assert_eq!(verdict("2026-11-05T00:00:00+09:00"), Verdict::Retired);
}

#[test]
fn a_snapshot_without_a_venue_takes_it_away() {
    let venue = |id| Venue {
        id: VenueId::from_u64(id),
        name: String::new(),
        issue: Issue(1),
        retirements: Vec::new(),
    };
    let snapshot = |venues| {
        RegistryRecord::Facility(Facility {
            id: FacilityId::from_u64(1),
            name: String::new(),
            kind: FacilityKind::Shop,
            venues,
            days: None,
            details: None,
            updated_at: EventTime(0),
        })
    };
    let mut registry = Registry::default();
    registry.apply(snapshot(vec![venue(1), venue(2)]));
    registry.apply(snapshot(vec![venue(2)]));
    assert!(registry.venue(VenueId::from_u64(1)).is_none());
    assert!(registry.venue(VenueId::from_u64(2)).is_some());
}

#[test]
fn a_retired_issue_counts_up_to_its_retirement() {
    let retirements = vec![Retirement { issue: Issue(1), from: EventTime(100) }];
    let venue =
        Venue { id: VenueId::from_u64(1), name: String::new(), issue: Issue(2), retirements };
    assert!(venue.accepts(Issue(1), EventTime(99)));
    assert!(!venue.accepts(Issue(1), EventTime(100)));
    assert!(venue.accepts(Issue(2), EventTime(100)));
}
