use bytes::Bytes;
use proptest::prelude::*;
use schemas::{
    identity::{Pseudonym, Sealed, SealedId, VisitorId},
    ids::{EventId, FacilityId, MessageHash, VenueId},
    language::Language,
    place_code::{CodeProblem, Issue},
    registry::{
        Details, EventDays, Facility, FacilityKind, Registry, RegistryRecord, Retirement, Standing,
        Suspension, Trial, Venue, Verdict,
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
        times in prop::array::uniform3(prop::option::of(time())),
    ) -> Venue {
        let [since, tried, removed] = times;
        Venue {
            id: VenueId::from_u64(id),
            name,
            issue: Issue(issue),
            retirements: retirements
                .into_iter()
                .map(|(issue, from)| Retirement { issue: Issue(issue), from })
                .collect(),
            since,
            trial: tried.map(|from| Trial { from, until: from.plus(3_600_000) }),
            removed,
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
        reviewed: bool,
        removed in prop::option::of(time()),
        updated_at in time(),
    ) -> RegistryRecord {
        let id = FacilityId::from_u64(id);
        let day = |day: i64| EventTime(day * DAY_MS).day_in_japan();
        let days = days.and_then(|(day_one, more)| {
            EventDays::new(day(day_one), day(day_one + more)).ok()
        });
        RegistryRecord::Facility(Facility {
            id, name, kind, venues, days, details, reviewed, removed, updated_at,
        })
    }
}

prop_compose! {
    fn standing()(
        id in 0..FacilityId::COUNT,
        admitted in prop::option::of(time()),
        suspensions in prop::collection::vec((time(), prop::option::of(time()), "\\PC{0,50}"), 0..3),
        updated_at in time(),
    ) -> RegistryRecord {
        let suspension = |(from, until, reason)| Suspension { from, until, reason };
        RegistryRecord::Standing(Standing {
            facility: FacilityId::from_u64(id),
            admitted,
            suspensions: suspensions.into_iter().map(suspension).collect(),
            updated_at,
        })
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
        records in prop::collection::vec(prop_oneof![facility(), standing(), service()], 1..6),
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
                    RegistryRecord::Standing(_) | RegistryRecord::Service(_) => None,
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
    let venue = Venue::new(VenueId::from_u64(1), "");
    let days = EventDays::new(day("2026-11-02"), day("2026-11-03"));
    let mut registry = Registry::default();
    let id = FacilityId::from_u64(1);
    registry.apply(RegistryRecord::Facility(Facility {
        days: Some(days.expect("in order")),
        ..Facility::new(id, FacilityKind::Event, "", vec![venue])
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
    let venue = |id| Venue::new(VenueId::from_u64(id), "");
    let snapshot = |venues| {
        let id = FacilityId::from_u64(1);
        RegistryRecord::Facility(Facility::new(id, FacilityKind::Shop, "", venues))
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
    let venue = Venue { issue: Issue(2), retirements, ..Venue::new(VenueId::from_u64(1), "") };
    assert!(venue.accepts(Issue(1), EventTime(99)));
    assert!(!venue.accepts(Issue(1), EventTime(100)));
    assert!(venue.accepts(Issue(2), EventTime(100)));
}

/// Whatever keeps a place from counting keeps it from and until event times, so that a scan is judged
/// by when it was sent.
#[test]
fn what_keeps_a_place_from_counting() {
    let (id, at) = (FacilityId::from_u64(1), EventTime);
    let mut venue = Venue::new(VenueId::from_u64(1), "1階");
    venue.trial = Some(Trial { from: at(50), until: at(60) });
    let mut facility = Facility::new(id, FacilityKind::Shop, "店", vec![venue]);
    facility.reviewed = true;
    let mut registry = Registry::default();
    registry.apply(RegistryRecord::Facility(facility.clone()));
    let verdict = |registry: &Registry, t| registry.verdict(VenueId::from_u64(1), Issue(1), at(t));
    assert_eq!(verdict(&registry, 55), Verdict::OnHold);
    let mut standing = Standing { admitted: Some(at(10)), ..Standing::new(id) };
    let suspension =
        |from, until: Option<i64>| Suspension { from, until: until.map(at), reason: String::new() };
    standing.suspensions = vec![suspension(at(20), Some(30)), suspension(at(80), None)];
    registry.apply(RegistryRecord::Standing(standing));
    for (t, wanted) in [
        (9, Verdict::OnHold),
        (10, Verdict::Counts),
        (20, Verdict::OnHold),
        (30, Verdict::Counts),
        (50, Verdict::Trial),
        (60, Verdict::Counts),
        (80, Verdict::OnHold),
    ] {
        assert_eq!(verdict(&registry, t), wanted, "{t}");
    }
    facility.removed = Some(at(70));
    registry.apply(RegistryRecord::Facility(facility.clone()));
    assert_eq!(verdict(&registry, 69), Verdict::Counts);
    assert_eq!(verdict(&registry, 70), Verdict::Retired);
    assert_eq!(facility.open_venues().count(), 0);
    assert!(!facility.is_forgotten());
}
