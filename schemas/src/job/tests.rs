use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{ids::VenueId, language::Language, visit::Window, wire::WireRecord};

fn official(name: &str) -> Actor {
    Actor::Official(name.parse().unwrap())
}

fn service() -> Actor {
    Actor::Service("case-system".parse().unwrap())
}

fn content(reference: &str) -> JobContent {
    JobContent {
        venues: vec![JobVenue { venue: VenueId::from_u64(1), dwell_minutes: 60 }],
        window: Window { from: EventTime(0), to: EventTime(3_600_000) },
        padding_minutes: 30,
        messages: BTreeMap::from([(Language::Japanese, "お知らせ".to_owned())]),
        reference: reference.to_owned(),
    }
}

fn plan(n: u128) -> PlanId {
    PlanId(Uuid::from_u128(n))
}

fn totals(accepted: u64, undecided: u64) -> ChunkTotals {
    ChunkTotals { accepted, undecided, ..ChunkTotals::default() }
}

/// One record of every kind, as somebody who may would write it.
fn events() -> Vec<(&'static str, JobEvent)> {
    let by = official("suzuki");
    vec![
        ("submitted", submitted()),
        ("edited", JobEvent::Edited { by: official("sato"), content: content("b") }),
        ("approved", JobEvent::Approved { by: by.clone(), content_hash: content("a").hash() }),
        ("returned", JobEvent::Returned { by: by.clone(), reason: "時間帯".to_owned() }),
        ("rejected", JobEvent::Rejected { by: by.clone(), reason: "重複".to_owned() }),
        ("plan_anyway", JobEvent::PlanAnyway { by: by.clone() }),
        ("planning", JobEvent::Planning { sweep: 0 }),
        ("planning 1", JobEvent::Planning { sweep: 1 }),
        ("sealed", sealed(9, 0, None)),
        ("outcomes", outcomes(1, totals(400, 0))),
        ("paused", JobEvent::Paused { cause: PauseCause::Forbidden, resumes: None }),
        ("resumed", JobEvent::Resumed { by: by.clone() }),
        ("cancelled", JobEvent::Cancelled { by: by.clone() }),
        ("decided", decided("suzuki", Decision::Leave)),
        ("completed", JobEvent::Completed { sweep: 0 }),
        ("closed", JobEvent::Closed),
    ]
}

fn submitted() -> JobEvent {
    JobEvent::Submitted {
        by: official("sato"),
        content: content("a"),
        idempotency_key: "k".to_owned(),
        body_hash: "h".to_owned(),
    }
}

fn sealed(id: u128, sweep: u8, again: Option<ChunkRef>) -> JobEvent {
    let counts = PlanCounts { targeted: 500, chunks: 1, ..PlanCounts::default() };
    JobEvent::Sealed { plan: plan(id), sweep, counts, hash: String::new(), again }
}

fn outcomes(id: u128, totals: ChunkTotals) -> JobEvent {
    JobEvent::Outcomes { plan: plan(id), chunks: BTreeMap::from([(ChunkNumber(0), totals)]) }
}

fn decided(by: &str, decision: Decision) -> JobEvent {
    JobEvent::Decided { by: official(by), plan: plan(1), chunk: ChunkNumber(0), decision }
}

/// The events that bring a new job into a state; in `Sending` and after it plan 1 has one chunk
/// with 100 undecided people.
fn way_to(state: State) -> Vec<JobEvent> {
    let by = official("suzuki");
    let approved = JobEvent::Approved { by: by.clone(), content_hash: content("a").hash() };
    let sending = vec![
        submitted(),
        approved.clone(),
        JobEvent::Planning { sweep: 0 },
        sealed(1, 0, None),
        outcomes(1, totals(400, 100)),
    ];
    let then = |event| [sending.clone(), vec![event]].concat();
    match state {
        State::Submitted => vec![submitted()],
        State::Returned => {
            vec![submitted(), JobEvent::Returned { by, reason: String::new() }]
        }
        State::Rejected => {
            vec![submitted(), JobEvent::Rejected { by, reason: String::new() }]
        }
        State::Approved => vec![submitted(), approved],
        State::Planning => vec![submitted(), approved, JobEvent::Planning { sweep: 0 }],
        State::Sending => sending,
        State::Paused => then(JobEvent::Paused { cause: PauseCause::Forbidden, resumes: None }),
        State::Completed => then(JobEvent::Completed { sweep: 0 }),
        State::Closed => [then(JobEvent::Completed { sweep: 0 }), vec![JobEvent::Closed]].concat(),
        State::Cancelled => then(JobEvent::Cancelled { by }),
    }
}

fn record(id: u128, event: JobEvent) -> JobRecord {
    JobRecord {
        id: RecordId(Uuid::from_u128(id)),
        job: JobId(Uuid::from_u128(7)),
        at: EventTime(1),
        event,
    }
}

fn replay<'a>(records: impl IntoIterator<Item = &'a JobRecord>) -> Option<Job> {
    let mut jobs = Jobs::default();
    for record in records {
        let _ = jobs.apply(record);
    }
    jobs.get(JobId(Uuid::from_u128(7))).cloned()
}

fn job_in(state: State) -> Job {
    let events = way_to(state).into_iter();
    let records: Vec<_> = events.zip(100..).map(|(event, id)| record(id, event)).collect();
    let job = replay(&records).unwrap();
    assert_eq!(job.state, state);
    job
}

/// Every state × every record: where it leads; anything not named is refused with `WrongState`.
#[test]
fn every_state_meets_every_record() {
    use State::*;
    let table: &[(State, &[(&str, State)])] = &[
        (
            Submitted,
            &[
                ("edited", Submitted),
                ("approved", Approved),
                ("returned", Returned),
                ("rejected", Rejected),
                ("cancelled", Cancelled),
            ],
        ),
        (Returned, &[("edited", Submitted), ("rejected", Rejected), ("cancelled", Cancelled)]),
        (Rejected, &[]),
        (
            Approved,
            &[
                ("plan_anyway", Approved),
                ("planning", Planning),
                ("paused", Paused),
                ("cancelled", Cancelled),
            ],
        ),
        (
            Planning,
            &[
                ("plan_anyway", Planning),
                ("sealed", Sending),
                ("paused", Paused),
                ("cancelled", Cancelled),
            ],
        ),
        (
            Sending,
            &[
                ("outcomes", Sending),
                ("paused", Paused),
                ("cancelled", Cancelled),
                ("decided", Sending),
                ("completed", Completed),
            ],
        ),
        (
            Paused,
            &[
                ("outcomes", Paused),
                ("resumed", Sending),
                ("cancelled", Cancelled),
                ("decided", Paused),
            ],
        ),
        (
            Completed,
            &[
                ("planning 1", Planning),
                ("outcomes", Completed),
                ("cancelled", Cancelled),
                ("closed", Closed),
            ],
        ),
        (Closed, &[("outcomes", Closed)]),
        (Cancelled, &[("outcomes", Cancelled)]),
    ];
    assert_eq!(table.len(), State::ALL.len());
    for (state, leads) in table {
        let before = job_in(*state);
        for (name, event) in events() {
            let after = transition(Some(&before), &record(1, event));
            match leads.iter().find(|(event, _)| *event == name) {
                Some((_, to)) => {
                    let after = after.unwrap_or_else(|why| panic!("{state:?} {name}: {why}"));
                    assert_eq!(after.state, *to, "{state:?} {name}");
                }
                None => {
                    let refusal = match (name, *state) {
                        ("submitted", _) => Refusal::Exists,
                        ("outcomes", _) => Refusal::NoSuchChunk,
                        _ => Refusal::WrongState,
                    };
                    assert_eq!(after.unwrap_err(), refusal, "{state:?} {name}");
                }
            }
        }
    }
}

#[test]
fn without_a_job_only_a_submission_counts() {
    for (name, event) in events() {
        let after = transition(None, &record(1, event));
        if name == "submitted" {
            assert_eq!(after.unwrap().state, State::Submitted);
        } else {
            assert_eq!(after.unwrap_err(), Refusal::NoSuchJob, "{name}");
        }
    }
}

#[test]
fn four_eyes() {
    let job = job_in(State::Submitted);
    let approve = |job: &Job, by, hash: &str| {
        let event = JobEvent::Approved { by, content_hash: hash.to_owned() };
        transition(Some(job), &record(1, event)).map(|job| job.state)
    };
    let hash = job.content_hash.clone();
    assert_eq!(approve(&job, official("sato"), &hash), Err(Refusal::OwnJob));
    assert_eq!(approve(&job, service(), &hash), Err(Refusal::NotAPerson));
    assert_eq!(approve(&job, official("suzuki"), "stale"), Err(Refusal::StaleHash));
    assert_eq!(approve(&job, official("suzuki"), &hash), Ok(State::Approved));

    // Whoever edits is an author from then on, and the old hash is worth nothing.
    let edit = JobEvent::Edited { by: official("suzuki"), content: content("b") };
    let edited = transition(Some(&job), &record(2, edit)).unwrap();
    assert_eq!(edited.version, 2);
    assert_eq!(approve(&edited, official("suzuki"), &edited.content_hash), Err(Refusal::OwnJob));
    assert_eq!(approve(&edited, official("sato"), &edited.content_hash), Err(Refusal::OwnJob));
    assert_eq!(approve(&edited, official("tanaka"), &hash), Err(Refusal::StaleHash));
    assert_eq!(approve(&edited, official("tanaka"), &edited.content_hash), Ok(State::Approved));
}

#[test]
fn an_undecided_chunk_takes_two_who_agree_and_is_sent_again_once() {
    let job = job_in(State::Sending);
    let chunk = ChunkRef { plan: plan(1), chunk: ChunkNumber(0) };
    let step = |job: &Job, id, event| transition(Some(job), &record(id, event));
    let again = sealed(2, 0, Some(chunk));
    assert_eq!(step(&job, 1, again.clone()), Err(Refusal::NoSuchChunk));

    let one = step(&job, 1, decided("sato", Decision::SendAgain)).unwrap();
    assert_eq!(step(&one, 2, again.clone()), Err(Refusal::NoSuchChunk));
    assert_eq!(step(&one, 2, decided("sato", Decision::SendAgain)), Err(Refusal::SameDecider));
    let two = step(&one, 2, decided("suzuki", Decision::SendAgain)).unwrap();
    assert_eq!(step(&two, 3, decided("ito", Decision::Leave)), Err(Refusal::WrongState));

    let resent = step(&two, 3, again).unwrap();
    assert_eq!(step(&resent, 4, sealed(3, 0, Some(chunk))), Err(Refusal::NoSuchChunk));
    let progress = resent.progress();
    // The 100 undecided are counted in the new plan (whose counts say 500 here), and nowhere else.
    assert_eq!((progress.targeted, progress.accepted), (400 + 500, 400));
    assert_eq!((progress.undecided, progress.pending), (0, 500));
}

#[test]
fn a_resumed_job_goes_back_to_where_it_was() {
    for before in [State::Approved, State::Planning, State::Sending] {
        let job = job_in(before);
        let pause = JobEvent::Paused {
            cause: PauseCause::Official { by: official("sato") },
            resumes: None,
        };
        let paused = transition(Some(&job), &record(1, pause)).unwrap();
        let resume = JobEvent::Resumed { by: official("sato") };
        let resumed = transition(Some(&paused), &record(2, resume)).unwrap();
        assert_eq!(resumed.state, before);
    }
}

#[test]
fn what_failed_before_a_job_was_resumed_does_not_pause_it_again() {
    let pause = |resumes| JobEvent::Paused { cause: PauseCause::Forbidden, resumes };
    let sending = job_in(State::Sending);
    let paused = transition(Some(&sending), &record(1, pause(Some(0)))).unwrap();
    let resume = JobEvent::Resumed { by: official("sato") };
    let resumed = transition(Some(&paused), &record(2, resume)).unwrap();
    // What was taken up before begins nothing, now or later; what is taken up now does.
    assert!(sending.is_still_sent(&sending) && resumed.is_still_sent(&resumed));
    assert!(!paused.is_still_sent(&sending) && !resumed.is_still_sent(&sending));
    // The answer to another request of that time.
    assert_eq!(transition(Some(&resumed), &record(3, pause(Some(0)))), Err(Refusal::WrongState));
    for counts in [pause(Some(1)), pause(None)] {
        assert_eq!(transition(Some(&resumed), &record(3, counts)).unwrap().state, State::Paused);
    }
}

#[test]
fn a_request_makes_one_job() {
    let mut jobs = Jobs::default();
    let first = record(1, submitted());
    let second = JobRecord { job: JobId(Uuid::from_u128(8)), ..record(2, submitted()) };
    assert!(jobs.apply(&first).is_ok());
    assert_eq!(jobs.apply(&second), Err(Refusal::KeyUsed));
    assert_eq!(jobs.by_request(&official("sato"), "k").map(|job| job.id), Some(first.job));
    assert_eq!(jobs.by_request(&official("suzuki"), "k"), None);
}

#[test]
fn a_record_that_was_refused_can_not_count_later() {
    let mut jobs = Jobs::default();
    let early = record(2, events().swap_remove(2).1);
    let returned = JobEvent::Returned { by: official("ito"), reason: String::new() };
    let edited = JobEvent::Edited { by: official("sato"), content: content("a") };
    jobs.apply(&record(1, submitted())).unwrap();
    jobs.apply(&record(3, returned)).unwrap();
    assert_eq!(jobs.apply(&early), Err(Refusal::WrongState));
    jobs.apply(&record(4, edited)).unwrap();
    assert_eq!(jobs.apply(&early), Err(Refusal::Repeated));
}

#[test]
fn records_survive_the_wire() {
    for (_, event) in events() {
        let record = record(5, event);
        assert_eq!(JobRecord::decode(&record.encode()), Ok(record));
    }
}

proptest! {
    /// Whatever order records come in, repeating any of them later changes nothing, and records of
    /// other jobs in between change nothing.
    #[test]
    fn repetition_changes_nothing(
        order in prop::collection::vec(0..16_usize, 1..40),
        repeats in prop::collection::vec((0..40_usize, 0..40_usize), 0..20),
    ) {
        let kinds = events();
        let mut records = vec![record(1_000, submitted())];
        records.extend(order.iter().zip(1..).map(|(kind, id)| record(id, kinds[*kind].1.clone())));
        let once = replay(&records);
        let mut repeated = records.clone();
        for (of, after) in repeats {
            let copy = records[of % records.len()].clone();
            let first = repeated.iter().position(|record| record.id == copy.id).unwrap_or(0);
            repeated.insert((first + 1 + after).min(repeated.len()), copy);
            let other = JobRecord { job: JobId(Uuid::from_u128(8)), ..record(5_000, submitted()) };
            repeated.insert(after.min(repeated.len()).max(1), other);
        }
        prop_assert_eq!(replay(&repeated), once);
    }

    #[test]
    fn the_equation_holds_after_every_record(order in prop::collection::vec(0..16_usize, 0..40)) {
        let kinds = events();
        let mut job = job_in(State::Sending);
        for (kind, id) in order.iter().zip(1..) {
            if let Ok(next) = transition(Some(&job), &record(id, kinds[*kind].1.clone())) {
                job = next;
            }
            let p = job.progress();
            let sum = p.accepted + p.pending + p.retrying + p.invalid + p.undecided + p.erased
                + p.cancelled;
            prop_assert_eq!(p.targeted, sum);
        }
    }
}

#[test]
fn a_sender_that_slept_takes_nothing_back() {
    let furthest = totals(500, 0);
    let stale = ChunkTotals { retrying: 500, ..ChunkTotals::default() };
    let said = [furthest, stale, ChunkTotals::default(), totals(400, 100)];
    let events = way_to(State::Completed).into_iter().chain(said.map(|said| outcomes(1, said)));
    let records: Vec<JobRecord> = (1..).zip(events).map(|(id, event)| record(id, event)).collect();
    let job = replay(&records).expect("a job");
    assert_eq!(job.plans[0].chunks[&ChunkNumber(0)], furthest);
    assert_eq!(job.progress().accepted, 500);
}
