//! What a short day does not bring, as the same types would be written.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemas::{
    identity::{KeyRing, VisitorId},
    ids::{EventId, FacilityId, JobId, OfficialId, PlanId, RecordId, UserId, VenueId},
    job::{Actor, ChunkRef, Decision, JobContent, JobEvent, JobRecord, JobVenue, PauseCause, hex},
    language::Language,
    place_code::{CodeProblem, Issue},
    registry::{
        Details, EventDays, Facility, FacilityKind, RegistryRecord, Retirement, Standing,
        Suspension, Trial, Venue,
    },
    rejected::{Original, RejectCause, Rejected, WEBHOOK_CONTEXT},
    scan::{ReplyToken, Scan},
    sending::{ChunkNumber, ChunkTotals, Path, PlanCounts, Recipient, Way},
    service::{Change, LEAD_MS, Service, ServiceState},
    spool::SpoolRecord,
    time::{DAY_MS, EventTime},
    topic::{Offset, Partition, Topic},
    visit::Window,
    visitor::{VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use sha2::{Digest, Sha256};
use storage::{
    Append, Mutation,
    rows::{
        Row,
        access::{Role, TokenRow},
        ledger::{AttemptRow, ChunkKey, ChunkRow, OutcomeRow, PartKey, SendResult},
        operators::{DraftRow, OperatorRow, OperatorTokenRow, OutboxRow},
        people::person_mutation,
    },
};
use uuid::Uuid;

/// Nobody's id: LINE's are random.
const USER: [u8; 16] = [0x11; 16];
const VENUE: u64 = 0x0123_4567_89ab;
const JOB: JobId = JobId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const PLAN: PlanId = PlanId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));

fn append<R: WireRecord>(record: &R) -> Append {
    Append { topic: R::TOPIC, key: record.key(), value: record.encode() }
}

/// Records of every kind that a day may lack.
pub(super) fn records(keys: &KeyRing, now: EventTime) -> anyhow::Result<Vec<Append>> {
    let mut all = Vec::new();
    for token in [Some(ReplyToken("0f3779fba3b349968c5d07db31eab56f".into())), None] {
        all.push(append(&scan(keys, now, token.clone())?));
        all.extend(actions().map(|action| append(&visitor(keys, now, token.clone(), action))));
    }
    all.extend(events()?.into_iter().zip(1..).map(|(event, n)| {
        append(&JobRecord { id: RecordId(Uuid::from_u128(n)), job: JOB, at: now, event })
    }));
    all.push(append(&facility(now)));
    all.push(append(&removed_facility(now)));
    all.push(append(&standing(now)));
    all.push(append(&event(now)?));
    all.push(append(&service(now)?));
    all.extend(rejected(keys, now)?.iter().map(append));
    all.extend(spools().iter().map(append));
    Ok(all)
}

fn scan(keys: &KeyRing, at: EventTime, reply_token: Option<ReplyToken>) -> anyhow::Result<Scan> {
    let (venue, user) = (VenueId::from_u64(VENUE), UserId::from_bytes(USER));
    let epoch = at.epoch();
    let (pseudonym, sealed) = keys.seal_scan(epoch, venue, &user)?;
    Ok(Scan {
        event: EventId::parse("01HQZX6R3F8M5N2T9V4W7Y1B0C")?,
        message: keys.message("468789577898262530"),
        venue,
        issue: Issue(2),
        scanned_at: at,
        received_at: at,
        pseudonym,
        sealed,
        epoch,
        reply_token,
    })
}

fn actions() -> impl Iterator<Item = VisitorAction> {
    let message = schemas::ids::MessageHash([7; 16]);
    let not_running = [ServiceState::Preparing, ServiceState::Suspended, ServiceState::Ended];
    [
        VisitorAction::Followed,
        VisitorAction::Unfollowed,
        VisitorAction::ListedAsFriend,
        VisitorAction::Undo(message),
        VisitorAction::Erase,
        VisitorAction::Wrote,
        VisitorAction::CodeRefused(CodeProblem::UnknownKeyVersion),
        VisitorAction::CodeRefused(CodeProblem::Forged),
    ]
    .into_iter()
    .chain(Language::ALL.map(VisitorAction::ChoseLanguage))
    .chain(not_running.map(VisitorAction::NotRecorded))
}

fn visitor(
    keys: &KeyRing,
    at: EventTime,
    reply_token: Option<ReplyToken>,
    action: VisitorAction,
) -> VisitorRecord {
    let (visitor, sealed) = keys.seal_visitor(&UserId::from_bytes(USER));
    let event = EventId::default();
    VisitorRecord { visitor, sealed, event, at, received_at: at, reply_token, action }
}

fn content() -> JobContent {
    JobContent {
        venues: vec![JobVenue { venue: VenueId::from_u64(VENUE), dwell_minutes: 120 }],
        window: Window { from: EventTime(1_795_600_000_000), to: EventTime(1_795_610_800_000) },
        padding_minutes: 30,
        messages: Language::ALL.map(|language| (language, format!("({language}) お知らせ"))).into(),
        reference: "case 2026-113".to_owned(),
    }
}

fn events() -> anyhow::Result<Vec<JobEvent>> {
    let by = Actor::Official("suzuki".parse::<OfficialId>()?);
    let service = Actor::Service("case-system".parse()?);
    let reason = "窓の時刻を確認".to_owned();
    let chunk = ChunkNumber(3);
    let sealed = |again| JobEvent::Sealed {
        plan: PLAN,
        sweep: 1,
        counts: PlanCounts {
            targeted: 510,
            reach_unknown: 7,
            out_of_reach: 3,
            chunks: 4,
            by_language: BTreeMap::from([(Language::Japanese, 500), (Language::English, 10)]),
        },
        hash: hex(&[0xab; 32]),
        again,
    };
    let totals = ChunkTotals { accepted: 490, retrying: 4, invalid: 1, undecided: 2, erased: 3 };
    let mut events = vec![
        JobEvent::Submitted {
            by: service,
            content: content(),
            idempotency_key: "case-2026-113".to_owned(),
            body_hash: hex(&[0xcd; 32]),
        },
        JobEvent::Returned { by: by.clone(), reason: reason.clone() },
        JobEvent::Edited { by: by.clone(), content: content() },
        JobEvent::Rejected { by: by.clone(), reason },
        JobEvent::Approved { by: by.clone(), content_hash: content().hash() },
        JobEvent::PlanAnyway { by: by.clone() },
        JobEvent::Planning { sweep: 1 },
        sealed(None),
        sealed(Some(ChunkRef { plan: PLAN, chunk })),
        JobEvent::Outcomes { plan: PLAN, chunks: BTreeMap::from([(chunk, totals)]) },
        JobEvent::Resumed { by: by.clone() },
        JobEvent::Cancelled { by: by.clone() },
        JobEvent::Completed { sweep: 1 },
        JobEvent::Closed,
    ];
    events.extend(
        [
            PauseCause::Official { by: by.clone() },
            PauseCause::Quota { remaining: None },
            PauseCause::Quota { remaining: Some(12) },
            PauseCause::Unauthorized,
            PauseCause::Forbidden,
            PauseCause::MessageRefused,
            PauseCause::ManyInvalid,
            PauseCause::LedgerMismatch,
        ]
        .map(|cause| {
            let by_system = !matches!(cause, PauseCause::Official { .. });
            JobEvent::Paused { cause, resumes: by_system.then_some(2) }
        }),
    );
    events.extend([Decision::SendAgain, Decision::Leave].map(|decision| JobEvent::Decided {
        by: by.clone(),
        plan: PLAN,
        chunk,
        decision,
    }));
    Ok(events)
}

fn facility(at: EventTime) -> RegistryRecord {
    let venue = Venue {
        issue: Issue(2),
        retirements: vec![Retirement { issue: Issue(1), from: at }],
        ..Venue::new(VenueId::from_u64(VENUE), "2階")
    };
    let id = FacilityId::from_u64(VENUE + 1);
    RegistryRecord::Facility(Facility {
        updated_at: at,
        ..Facility::new(id, FacilityKind::Hall, "津文化会館", vec![venue])
    })
}

/// A facility that its operator has changed much, and then removed.
fn removed_facility(at: EventTime) -> RegistryRecord {
    let venue =
        |n, name| Venue { since: Some(at), ..Venue::new(VenueId::from_u64(VENUE + n), name) };
    let trial = Trial { from: at, until: at.plus(3_600_000) };
    let venues = vec![
        Venue { trial: Some(trial), ..venue(3, "1階") },
        Venue { removed: Some(at), ..venue(4, "2階") },
    ];
    let id = FacilityId::from_u64(VENUE + 3);
    RegistryRecord::Facility(Facility {
        reviewed: true,
        removed: Some(at),
        updated_at: at,
        ..Facility::new(id, FacilityKind::Shop, "カフェこもれび", venues)
    })
}

/// What the prefecture decided about it.
fn standing(at: EventTime) -> RegistryRecord {
    let suspension =
        |until| Suspension { from: at, until, reason: "現地を確認します".to_owned() };
    RegistryRecord::Standing(Standing {
        facility: FacilityId::from_u64(VENUE + 3),
        admitted: Some(at),
        suspensions: vec![suspension(Some(at.plus(3_600_000))), suspension(None)],
        updated_at: at,
    })
}

fn service(at: EventTime) -> anyhow::Result<RegistryRecord> {
    let mut service = Service::default();
    for (n, state) in (1..).zip(ServiceState::ALL) {
        let reason = (state == ServiceState::Suspended).then(|| "台風のため".to_owned());
        let change = Change { state, from: at.plus(n * LEAD_MS), reason, set_at: at };
        service = service.with(change)?;
    }
    Ok(RegistryRecord::Service(service))
}

fn event(at: EventTime) -> anyhow::Result<RegistryRecord> {
    let id = FacilityId::from_u64(VENUE + 2);
    Ok(RegistryRecord::Facility(Facility {
        days: Some(EventDays::new(at.day_in_japan(), at.day_in_japan().next())?),
        details: Some(Details {
            kana: "ミナトマツリ".to_owned(),
            postcode: "2310001".to_owned(),
            address: "神奈川県横浜市中区新港1-2-3".to_owned(),
            phone: "0451234567".to_owned(),
        }),
        updated_at: at,
        ..Facility::new(id, FacilityKind::Event, "みなと祭り", Vec::new())
    }))
}

/// An operator who is about to register, and one who has.
fn operator_rows(now: EventTime) -> Vec<Mutation> {
    let (operator, address) = ([7; 32], "tencho@example.jp".to_owned());
    let token = |n: u8, used_at| OperatorTokenRow {
        token_hash: [n; 32],
        purpose: "register".to_owned(),
        address: address.clone(),
        made_at: now,
        expires_at: now.plus(DAY_MS),
        used_at,
    };
    let facility = FacilityId::from_u64(VENUE + 2);
    let draft = format!("{{\"facility\":\"{facility}\",\"name\":\"みなと祭り\"}}");
    let letter = format!("{{\"to\":\"{address}\",\"language\":\"ja\",\"about\":\"register\"}}");
    let claim = format!("{:015} 0123456789abcdef", now.0);
    vec![
        token(1, None).to_mutation(),
        token(2, Some(now.plus(1))).to_mutation(),
        DraftRow { operator, saved_at: now, draft }.to_mutation(),
        OperatorRow { operator, facility, address: address.clone(), since: now }.to_mutation(),
        OutboxRow { queued_at: now, id: [9; 16], letter, claim }.to_mutation(),
    ]
}

fn rejected(keys: &KeyRing, at: EventTime) -> anyhow::Result<Vec<Rejected>> {
    let mut all = Vec::new();
    for cause in RejectCause::ALL {
        let sealed = keys.seal(at.epoch(), WEBHOOK_CONTEXT, b"{\"events\":[{}]}")?;
        all.push(Rejected { cause, at, original: Original::Webhook(sealed) });
    }
    all.extend(Topic::ALL.map(|topic| Rejected {
        cause: RejectCause::UnknownVersion,
        at,
        original: Original::Record {
            topic,
            partition: Partition(0),
            offset: Offset(42),
            key: Bytes::from_static(b"key"),
            value: Bytes::from_static(&[0xff, 1, 2, 3]),
        },
    }));
    Ok(all)
}

fn spools() -> [SpoolRecord; 4] {
    let (spool, question) = (Uuid::from_u128(0x5b01), Uuid::from_u128(0x05f1));
    [
        SpoolRecord::Opened { spool },
        SpoolRecord::Asked { question },
        SpoolRecord::Empty { spool, question },
        SpoolRecord::Closed { spool },
    ]
}

/// Rows of every kind that a day may lack.
pub(super) fn rows(keys: &KeyRing, now: EventTime) -> anyhow::Result<Vec<Mutation>> {
    let chunk = ChunkKey { job: JOB, plan: PLAN, chunk: ChunkNumber(3) };
    let sender = Uuid::from_u128(0x5e4d);
    let mut rows = Vec::new();
    for (way, n) in [Way::Multicast, Way::MulticastUnknown, Way::Push].into_iter().zip(3..) {
        let key = ChunkKey { chunk: ChunkNumber(n), ..chunk };
        rows.push(frozen(keys, now, key, way)?.to_mutation());
    }
    let paths = [Path::whole(), Path::whole().left(), Path::whole().right(), Path::person(12)];
    for (path, exclusions) in paths.iter().zip([vec![], vec![0, 499], vec![7], vec![12]]) {
        let row = AttemptRow {
            part: PartKey { chunk, path: path.clone() },
            attempted_at: now,
            sender,
            exclusions,
            body_hash: [0xab; 32],
        };
        rows.push(row.to_mutation());
    }
    for (result, n) in SendResult::ALL.into_iter().zip(0..) {
        let accepted = result == SendResult::Accepted;
        let row = OutcomeRow {
            part: PartKey { chunk, path: Path::whole() },
            attempted_at: now.plus(n),
            sender,
            result,
            request_id: accepted.then(|| "461230966842064897".to_owned()),
            answered_at: now.plus(120),
        };
        rows.push(row.to_mutation());
    }
    for role in [Role::Service, Role::Drafter, Role::Approver] {
        let holder = role.name().parse()?;
        let row = TokenRow { token_hash: [role as u8 + 1; 32], holder, role, created_at: now };
        rows.push(row.to_mutation());
    }
    rows.extend(operator_rows(now));
    rows.extend(
        actions()
            .zip(0..)
            .filter_map(|(action, n)| person_mutation(VisitorId([n; 16]), now, &action)),
    );
    Ok(rows)
}

/// A chunk of one person, sealed as a planner does.
fn frozen(keys: &KeyRing, now: EventTime, key: ChunkKey, way: Way) -> anyhow::Result<ChunkRow> {
    let plain =
        postcard::to_stdvec(&[Recipient { user: UserId::from_bytes(USER), last_scan: now }][..])?;
    let chunk = key.chunk.0.to_be_bytes();
    let context = [b"chunk".as_slice(), JOB.0.as_bytes(), PLAN.0.as_bytes(), &chunk].concat();
    Ok(ChunkRow {
        key,
        language: Language::Japanese,
        way,
        recipients: keys.seal(now.epoch(), &context, &plain)?,
        people: 1,
        hash: Sha256::digest(&plain).into(),
        written_at: now,
    })
}
