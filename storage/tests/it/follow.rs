//! A topic folded into memory: every follower comes to the same state.

use schemas::{
    ids::{FacilityId, JobId, RecordId, VenueId},
    job::{Actor, JobContent, JobEvent, JobRecord, JobVenue, Jobs, Refusal, State},
    language::Language,
    registry::{Facility, FacilityKind, Registry, RegistryRecord},
    time::EventTime,
    visit::Window,
};
use storage::{
    follow::Follower,
    model::{Faults, ModelLog, Shares},
};
use tokio_util::sync::CancellationToken;

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn official(name: &str) -> Actor {
    Actor::Official(name.parse().expect("a name"))
}

fn submitted(record: u128, job: u128) -> JobRecord {
    let content = JobContent {
        venues: vec![JobVenue { venue: VenueId::from_u64(1), dwell_minutes: 60 }],
        window: Window { from: EventTime(0), to: EventTime(1) },
        padding_minutes: 0,
        messages: [(Language::Japanese, "お知らせ".to_owned())].into(),
        reference: String::new(),
    };
    let event = JobEvent::Submitted {
        by: official("sato"),
        content,
        idempotency_key: job.to_string(),
        body_hash: String::new(),
    };
    JobRecord { id: RecordId(id(record)), job: JobId(id(job)), at: EventTime(0), event }
}

#[tokio::test]
async fn an_append_is_answered_by_what_it_came_to() {
    let log = ModelLog::new(Faults::new(1));
    let stop = CancellationToken::new();
    let one: Follower<_, Jobs> = Follower::start(log.clone(), &stop);
    let two: Follower<_, Jobs> = Follower::start(log, &stop);
    let job = one.append(&submitted(1, 1)).await.expect("appended").expect("it counts");
    assert_eq!(job.state, State::Submitted);
    let again = two.append(&submitted(1, 1)).await.expect("appended");
    assert_eq!(again, Err(Refusal::Repeated));
    one.caught_up().await.expect("current");
    two.caught_up().await.expect("current");
    assert_eq!(one.read(Clone::clone), two.read(Clone::clone));
}

#[tokio::test]
async fn of_many_who_race_exactly_one_wins() {
    let faults = Faults::new(7);
    let log = ModelLog::new(faults.clone());
    let stop = CancellationToken::new();
    let follower: Follower<_, Jobs> = Follower::start(log, &stop);
    let job = follower.append(&submitted(1, 1)).await.expect("appended").expect("it counts");
    faults.set(Shares { append_twice: 0.5, ..Shares::default() });
    let mut races = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (follower, content_hash) = (follower.clone(), job.content_hash.clone());
        races.spawn(async move {
            let by = official(&format!("approver-{n}"));
            let event = JobEvent::Approved { by, content_hash };
            let (record, job) = (RecordId(id(1_000 + n)), JobId(id(1)));
            let record = JobRecord { id: record, job, at: EventTime(1), event };
            follower.append(&record).await.expect("appended").is_ok()
        });
    }
    let won = races.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn dropping_the_last_follower_ends_it() {
    let log = ModelLog::new(Faults::new(1));
    let stop = CancellationToken::new();
    let follower: Follower<_, Registry> = Follower::start(log.clone(), &stop);
    let id = FacilityId::from_u64(1);
    let facility = Facility::new(id, FacilityKind::Hall, "文化会館", Vec::new());
    follower.append(&RegistryRecord::Facility(facility)).await.expect("appended");
    assert_eq!(follower.read(|registry| registry.facilities().count()), 1);
    drop(follower);
    let again: Follower<_, Registry> = Follower::start(log, &stop);
    again.caught_up().await.expect("current");
    assert_eq!(again.read(|registry| registry.facilities().count()), 1);
}

#[tokio::test]
async fn a_role_that_starts_waits_for_a_log_that_fails_for_the_moment() {
    let faults = Faults::new(3);
    let stop = CancellationToken::new();
    let jobs: Follower<_, Jobs> = Follower::start(ModelLog::new(faults.clone()), &stop);
    jobs.append(&submitted(1, 1)).await.expect("appended").expect("it counts");
    faults.set(Shares { bounds_fail: 1.0, ..Shares::default() });
    jobs.caught_up().await.expect_err("the log fails");
    // The first is polled first: it fails once.
    let (waited, ()) =
        tokio::join!(jobs.caught_up_at_last(), async { faults.set(Shares::default()) });
    waited.expect("broken: what passes is waited for");
}
