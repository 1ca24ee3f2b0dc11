//! Every kind of record and of row that there is. Whoever adds a variant names it here, or this
//! does not compile; the test of the corpus then misses it until a corpus has it.

use std::collections::BTreeSet;

use schemas::{
    job::{Actor, Decision, JobEvent, JobRecord, PauseCause},
    language::Language,
    place_code::CodeProblem,
    registry::{FacilityKind, RegistryRecord, Venue},
    rejected::{Original, RejectCause, Rejected},
    scan::Scan,
    sending::Way,
    service::ServiceState,
    spool::SpoolRecord,
    topic::Topic,
    visitor::{FriendState, Person, VisitorAction, VisitorRecord},
};
use storage::rows::{
    ALL_TABLES,
    access::{Role, TokenRow},
    ledger::{AttemptRow, ChunkRow, OutcomeRow, SendResult},
    operators::OperatorTokenRow,
};

/// For an enum: a list of the names of its variants, and a function that names one.
macro_rules! names {
    ($($all:ident $name:ident($type:ty) { $($variant:pat => $text:literal,)+ })+) => {
        $(
            const $all: &[&str] = &[$($text),+];

            fn $name(value: &$type) -> String {
                let name = match value {
                    $($variant => $text,)+
                };
                name.to_owned()
            }
        )+
    };
}

names! {
    ACTIONS action(VisitorAction) {
        VisitorAction::Followed => "visitors: followed",
        VisitorAction::Unfollowed => "visitors: unfollowed",
        VisitorAction::ListedAsFriend => "visitors: listed as friend",
        VisitorAction::Undo(_) => "visitors: undo",
        VisitorAction::Erase => "visitors: erase",
        VisitorAction::ChoseLanguage(_) => "visitors: chose a language",
        VisitorAction::Wrote => "visitors: wrote",
        VisitorAction::CodeRefused(_) => "visitors: code refused",
        VisitorAction::NotRecorded(_) => "visitors: not recorded",
    }
    PROBLEMS problem(CodeProblem) {
        CodeProblem::UnknownKeyVersion => "code: of an unknown key version",
        CodeProblem::Forged => "code: forged",
    }
    EVENTS event(JobEvent) {
        JobEvent::Submitted { .. } => "jobs: submitted",
        JobEvent::Edited { .. } => "jobs: edited",
        JobEvent::Approved { .. } => "jobs: approved",
        JobEvent::Returned { .. } => "jobs: returned",
        JobEvent::Rejected { .. } => "jobs: rejected",
        JobEvent::PlanAnyway { .. } => "jobs: plan anyway",
        JobEvent::Planning { .. } => "jobs: planning",
        JobEvent::Sealed { again: None, .. } => "jobs: sealed",
        JobEvent::Sealed { again: Some(_), .. } => "jobs: sealed again",
        JobEvent::Outcomes { .. } => "jobs: outcomes",
        JobEvent::Paused { .. } => "jobs: paused",
        JobEvent::Resumed { .. } => "jobs: resumed",
        JobEvent::Cancelled { .. } => "jobs: cancelled",
        JobEvent::Decided { .. } => "jobs: decided",
        JobEvent::Completed { .. } => "jobs: completed",
        JobEvent::Closed => "jobs: closed",
    }
    ACTORS actor(Actor) {
        Actor::Official(_) => "by an official",
        Actor::Service(_) => "by a service",
    }
    PAUSES pause(PauseCause) {
        PauseCause::Official { .. } => "paused: by an official",
        PauseCause::Quota { remaining: None } => "paused: quota",
        PauseCause::Quota { remaining: Some(_) } => "paused: quota with a remainder",
        PauseCause::Unauthorized => "paused: unauthorized",
        PauseCause::Forbidden => "paused: forbidden",
        PauseCause::MessageRefused => "paused: message refused",
        PauseCause::ManyInvalid => "paused: many invalid",
        PauseCause::LedgerMismatch => "paused: ledger mismatch",
    }
    DECISIONS decision(Decision) {
        Decision::SendAgain => "decided: send again",
        Decision::Leave => "decided: leave",
    }
    REGISTRY registry_record(RegistryRecord) {
        RegistryRecord::Facility(_) => "registry: facility",
        RegistryRecord::Standing(_) => "registry: standing",
        RegistryRecord::Service(_) => "registry: service",
    }
    ORIGINALS original(Original) {
        Original::Webhook(_) => "rejected: a webhook",
        Original::Record { .. } => "rejected: a record",
    }
    SPOOLS spool(SpoolRecord) {
        SpoolRecord::Opened { .. } => "spools: opened",
        SpoolRecord::Asked { .. } => "spools: asked",
        SpoolRecord::Empty { .. } => "spools: empty",
        SpoolRecord::Closed { .. } => "spools: closed",
    }
    WAYS way(Way) {
        Way::Multicast => "chunks: multicast",
        Way::MulticastUnknown => "chunks: multicast to unknown",
        Way::Push => "chunks: push",
    }
    FRIENDS friend(FriendState) {
        FriendState::Friend => "visitors row: friend",
        FriendState::Blocked => "visitors row: blocked",
    }
    ROLES role(Role) {
        Role::Service => "api_tokens: service",
        Role::Drafter => "api_tokens: drafter",
        Role::Approver => "api_tokens: approver",
    }
}

/// What may be there or not.
const OPTIONS: [&str; 17] = [
    "scans: with a reply token",
    "scans: without a reply token",
    "visitors: with a reply token",
    "visitors: without a reply token",
    "registry: with a retired issue",
    "registry: with days",
    "registry: service with a reason",
    "registry: with details",
    "operator_tokens: used",
    "operator_tokens: not used",
    "outcomes: with a request id",
    "outcomes: without a request id",
    "attempts: with exclusions",
    "attempts: without exclusions",
    "visitors row: erased",
    "visitors row: undone",
    "visitors row: with a language",
];

fn choice(is: bool, yes: &str, no: &str) -> String {
    if is { yes.to_owned() } else { no.to_owned() }
}

fn language(language: Language) -> String {
    format!("language: {language}")
}

fn cause(cause: RejectCause) -> String {
    format!("rejected: {}", cause.name())
}

fn from(topic: Topic) -> String {
    format!("rejected: from {topic}")
}

fn facility(kind: FacilityKind) -> String {
    format!("registry: {kind}")
}

fn service(state: ServiceState) -> String {
    format!("service: {state}")
}

fn result(result: SendResult) -> String {
    format!("outcomes: {}", result.name())
}

/// The kind of any row of a table.
pub(super) fn table(name: &str) -> String {
    format!("a row of {name}")
}

/// Every kind.
pub fn all() -> BTreeSet<String> {
    let named = [
        ACTIONS, PROBLEMS, EVENTS, ACTORS, PAUSES, DECISIONS, REGISTRY, ORIGINALS, SPOOLS, WAYS,
        FRIENDS, ROLES, &OPTIONS,
    ];
    let named = named.into_iter().flatten().map(|name| (*name).to_owned());
    named
        .chain(Language::ALL.map(language))
        .chain(RejectCause::ALL.map(cause))
        .chain(Topic::ALL.map(from))
        .chain(FacilityKind::ALL.map(facility))
        .chain(ServiceState::ALL.map(service))
        .chain(SendResult::ALL.map(result))
        .chain(ALL_TABLES.iter().map(|known| table(known.name)))
        .collect()
}

pub(super) fn of_scan(scan: &Scan) -> Vec<String> {
    let token = scan.reply_token.is_some();
    vec![choice(token, "scans: with a reply token", "scans: without a reply token")]
}

pub(super) fn of_visitor(record: &VisitorRecord) -> Vec<String> {
    let token = record.reply_token.is_some();
    let mut kinds = vec![
        action(&record.action),
        choice(token, "visitors: with a reply token", "visitors: without a reply token"),
    ];
    match &record.action {
        VisitorAction::ChoseLanguage(chosen) => kinds.push(language(*chosen)),
        VisitorAction::CodeRefused(why) => kinds.push(problem(why)),
        VisitorAction::NotRecorded(state) => kinds.push(service(*state)),
        _ => {}
    }
    kinds
}

pub(super) fn of_job(record: &JobRecord) -> Vec<String> {
    let mut kinds = vec![event(&record.event)];
    match &record.event {
        JobEvent::Submitted { by, .. } => kinds.push(actor(by)),
        JobEvent::Paused { cause, .. } => kinds.push(pause(cause)),
        JobEvent::Decided { decision: said, .. } => kinds.push(decision(said)),
        _ => {}
    }
    kinds
}

pub(super) fn of_registry(record: &RegistryRecord) -> Vec<String> {
    let mut kinds = vec![registry_record(record)];
    let place = match record {
        RegistryRecord::Facility(place) => place,
        RegistryRecord::Standing(standing) => {
            if standing.admitted.is_some() {
                kinds.push("registry: admitted".to_owned());
            }
            if standing.suspensions.iter().any(|suspension| suspension.until.is_none()) {
                kinds.push("registry: suspended".to_owned());
            }
            if standing.suspensions.iter().any(|suspension| suspension.until.is_some()) {
                kinds.push("registry: was suspended".to_owned());
            }
            return kinds;
        }
        RegistryRecord::Service(state) => {
            kinds.extend(state.changes().iter().map(|change| service(change.state)));
            if state.changes().iter().any(|change| change.reason.is_some()) {
                kinds.push("registry: service with a reason".to_owned());
            }
            return kinds;
        }
    };
    kinds.push(facility(place.kind));
    if place.days.is_some() {
        kinds.push("registry: with days".to_owned());
    }
    if place.venues.iter().any(|venue| !venue.retirements.is_empty()) {
        kinds.push("registry: with a retired issue".to_owned());
    }
    let venue = |has: fn(&Venue) -> bool| place.venues.iter().any(has);
    for (is_so, kind) in [
        (place.details.is_some(), "with details"),
        (place.reviewed, "reviewed"),
        (place.removed.is_some(), "removed"),
        (venue(|venue| venue.since.is_some()), "with a venue of known age"),
        (venue(|venue| venue.trial.is_some()), "with a trial"),
        (venue(|venue| venue.removed.is_some()), "with a removed venue"),
    ] {
        if is_so {
            kinds.push(format!("registry: {kind}"));
        }
    }
    kinds
}

pub(super) fn of_rejected(record: &Rejected) -> Vec<String> {
    let mut kinds = vec![cause(record.cause), original(&record.original)];
    if let Original::Record { topic, .. } = record.original {
        kinds.push(from(topic));
    }
    kinds
}

pub(super) fn of_spool(record: &SpoolRecord) -> Vec<String> {
    vec![spool(record)]
}

pub(super) fn of_person(person: &Person) -> Vec<String> {
    let mut kinds = Vec::new();
    kinds.extend(person.friend_state().as_ref().map(friend));
    kinds.extend(person.erased_through.map(|_| "visitors row: erased".to_owned()));
    kinds.extend(person.language.map(|_| "visitors row: with a language".to_owned()));
    if !person.undone.is_empty() {
        kinds.push("visitors row: undone".to_owned());
    }
    kinds
}

pub(super) fn of_chunk(row: &ChunkRow) -> Vec<String> {
    vec![way(&row.way)]
}

pub(super) fn of_attempt(row: &AttemptRow) -> Vec<String> {
    let all = row.exclusions.is_empty();
    vec![choice(all, "attempts: without exclusions", "attempts: with exclusions")]
}

pub(super) fn of_outcome(row: &OutcomeRow) -> Vec<String> {
    let id = row.request_id.is_some();
    vec![
        result(row.result),
        choice(id, "outcomes: with a request id", "outcomes: without a request id"),
    ]
}

pub(super) fn of_operator_token(row: &OperatorTokenRow) -> Vec<String> {
    vec![choice(row.used_at.is_some(), "operator_tokens: used", "operator_tokens: not used")]
}

pub(super) fn of_token(row: &TokenRow) -> Vec<String> {
    vec![role(&row.role)]
}
