//! The sender against the stand-in, with each fault alone: everybody exactly once.

use console::view::JobView;
use load_tests::{
    demo::Stage,
    oracle::{Difference, Job},
    platform::{faults::Fault, journal::What, webhooks::Event},
    scenario::{self, Scenario, Size},
    verify::Record,
};
use reqwest::{Method, StatusCode};

/// Enough people for several chunks of each way.
const TOWN: Size = Size { facilities: 5, venues: 10, visitors: 2_500, scans: 6_000 };

struct Town {
    stage: Stage,
    day: Scenario,
    _dir: tempfile::TempDir,
}

impl Town {
    async fn open(seed: u64) -> Self {
        Self::open_with(seed, &[]).await
    }

    async fn open_with(seed: u64, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let day = scenario::make(seed, TOWN, load_tests::platform::Clock::default().now());
        let stage =
            Stage::open(dir.path(), &day, seed, variables).await.expect("everything starts");
        stage.deliver(&day, seed).await.expect("the day is delivered");
        Self { stage, day, _dir: dir }
    }

    async fn approve(&self) -> Job {
        let job = &self.day.jobs[0];
        let approved = self.stage.officials.submit_and_approve(job, &self.stage.places).await;
        approved.expect("submitted and approved")
    }

    async fn wait_for(&self, job: &Job, wished: impl FnMut(&JobView) -> bool) -> JobView {
        let waited = self.stage.officials.wait_for(&job.id, wished).await;
        waited.unwrap_or_else(|error| {
            let requests = &self.stage.platform.journal.lock().requests;
            panic!("the job does not get there: {error}; LINE was asked: {requests:#?}")
        })
    }

    async fn act(&self, job: &Job, action: &str) -> StatusCode {
        let officials = &self.stage.officials;
        let path = format!("/api/v1/exposure-jobs/{}/{action}", job.id);
        let answer = officials.call(&officials.approver, Method::POST, &path, None).await;
        answer.expect("an answer").0
    }

    /// What the stand-in accepted, against the independent count.
    fn differences(&self, job: &Job) -> Vec<Difference> {
        let record = Record {
            journal: self.stage.platform.journal.lock().clone(),
            places: self.stage.places.clone(),
            jobs: vec![job.clone()],
        };
        assert_eq!(record.journal.violations, [""; 0]);
        record.evidence().judge_messages()
    }
}

fn completed(view: &JobView) -> bool {
    view.state == "completed"
}

fn paused(view: &JobView) -> bool {
    view.state == "paused"
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_alone_and_all_together() {
    use Fault::*;
    let one = |fault| vec![(fault, 0.4)];
    let mixed = vec![(ErrorBefore, 0.1), (ErrorAfter, 0.1), (ResetAfter, 0.1), (TooFast, 0.1)];
    let cases = [one(ErrorBefore), one(ErrorAfter), one(ResetAfter), one(TooFast), mixed];
    for (n, case) in cases.into_iter().enumerate() {
        let town = Town::open(100 + n as u64).await;
        {
            let mut faults = town.stage.platform.faults.lock();
            for (fault, share) in &case {
                faults.share("multicast", *fault, *share);
                faults.share("push", *fault, *share / 4.0);
            }
            // At least one request meets each, whatever the dice say.
            let each: Vec<Fault> = case.iter().map(|(fault, _)| *fault).collect();
            faults.next("multicast", &each);
            faults.next("push", &each);
        }
        let job = town.approve().await;
        let view = town.wait_for(&job, completed).await;
        assert_eq!(town.differences(&job), [], "{case:?}");
        assert_eq!(view.progress.accepted, view.progress.targeted, "{case:?}");
        assert!(view.progress.targeted > 1_000, "{:?}", view.progress);
        town.stage.end().await.expect("the roles end well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes() {
    let town = Town::open(110).await;
    {
        let mut faults = town.stage.platform.faults.lock();
        faults.next("multicast", &[Fault::HangAfter, Fault::HangBefore]);
        faults.next("push", &[Fault::HangBefore, Fault::HangAfter]);
    }
    let job = town.approve().await;
    // While they hang, the others go out, and whoever looks sees it.
    let mut shown = 0;
    let view = town.wait_for(&job, |view| {
        if view.state == "sending" {
            shown = shown.max(view.progress.accepted);
        }
        completed(view)
    });
    let targeted = view.await.progress.targeted;
    assert_eq!(town.differences(&job), []);
    // Which chunks hang is chance: no more than two of 500 people, and two single ones.
    let others = targeted.checked_sub(2 * 500 + 2).expect("a town with more people");
    assert!(others > 100, "{targeted} people are few");
    assert!(shown >= others, "of {others} people whose requests did not hang {shown} were shown");
    let requests = town.stage.platform.journal.lock().requests.clone();
    let hung = requests.iter().find(|request| request.status == 0).expect("one hangs").at;
    let given_up = hung + 10_000;
    let meanwhile = requests.iter().filter(|request| {
        let alert = ["multicast", "push"].contains(&request.endpoint.as_str());
        alert && request.status == 200 && (hung..given_up).contains(&request.at)
    });
    let told: usize = meanwhile.map(|request| request.people).sum();
    assert!(told as u64 >= others, "{told} of {others} were told while requests hung");
    town.stage.end().await.expect("the roles end well");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_pause_the_job_with_their_cause_and_it_goes_on() {
    for (n, (fault, code)) in
        [(Fault::Unauthorized, "unauthorized"), (Fault::Forbidden, "forbidden")]
            .into_iter()
            .enumerate()
    {
        let town = Town::open(120 + n as u64).await;
        town.stage.platform.faults.lock().share("multicast", fault, 1.0);
        let job = town.approve().await;
        let view = town.wait_for(&job, paused).await;
        assert_eq!(view.paused.map(|paused| paused.code).as_deref(), Some(code));
        town.stage.platform.faults.lock().clear();
        assert_eq!(town.act(&job, "resume").await, StatusCode::OK);
        town.wait_for(&job, completed).await;
        assert_eq!(town.differences(&job), []);
        town.stage.end().await.expect("the roles end well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_too_small_pauses_before_anything_is_sent() {
    let town = Town::open(130).await;
    town.stage.platform.set_quota(Some(100));
    let job = town.approve().await;
    let view = town.wait_for(&job, paused).await;
    assert_eq!(view.paused.map(|paused| paused.code).as_deref(), Some("quota"));
    assert_eq!(view.progress.targeted, 0);
    assert!(town.stage.platform.journal.lock().accepted.is_empty());
    town.stage.platform.set_quota(None);
    assert_eq!(town.act(&job, "resume").await, StatusCode::OK);
    town.wait_for(&job, completed).await;
    assert_eq!(town.differences(&job), []);
    town.stage.end().await.expect("the roles end well");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_line_refuses_stop_nobody_else() {
    let town = Town::open(140).await;
    let refused: Vec<String> = {
        let evidence = Record {
            journal: town.stage.platform.journal.lock().clone(),
            places: town.stage.places.clone(),
            jobs: Vec::new(),
        };
        let job = &town.day.jobs[0];
        let told = evidence.evidence().expected(&load_tests::oracle::Job {
            id: String::new(),
            venues: job.venues.iter().map(|n| town.stage.places[*n].0.clone()).collect(),
            from: job.from,
            to: job.to,
            padding_minutes: i64::from(job.padding_minutes),
            messages: [("ja".to_owned(), String::new())].into(),
        });
        told.people.into_keys().step_by(300).collect()
    };
    for user in &refused {
        town.stage.platform.people.lock().of(user).refused = true;
    }
    let job = town.approve().await;
    let view = town.wait_for(&job, completed).await;
    assert_eq!(view.progress.invalid, refused.len() as u64);
    assert_eq!(view.progress.accepted + view.progress.invalid, view.progress.targeted);
    let missed: Vec<_> = town.differences(&job);
    assert_eq!(missed.len(), refused.len(), "{missed:?}");
    let named =
        |d: &Difference| matches!(d, Difference::Missed { user, .. } if refused.contains(user));
    assert!(missed.iter().all(named), "{missed:?}");
    town.stage.end().await.expect("the roles end well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_sends_no_more_and_says_how_far_it_was() {
    let town = Town::open(150).await;
    // Every multicast fails until the job is cancelled.
    town.stage.platform.faults.lock().share("multicast", Fault::ErrorBefore, 1.0);
    let job = town.approve().await;
    town.wait_for(&job, |view| view.progress.retrying > 0).await;
    assert_eq!(town.act(&job, "cancel").await, StatusCode::OK);
    town.stage.platform.faults.lock().clear();
    let view = town.wait_for(&job, |view| view.state == "cancelled").await;
    assert_eq!(town.act(&job, "resume").await, StatusCode::CONFLICT);
    assert!(view.progress.accepted < view.progress.targeted);
    assert_eq!(view.progress.pending, 0);
    let accepted = town.stage.platform.journal.lock().accepted.len();
    town.stage.end().await.expect("the roles end well");
    assert!(accepted < usize::try_from(view.progress.targeted).expect("a number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_find_those_whose_scans_came_late_and_nobody_twice() {
    let sweeps = [("ANSHIN__SENDING__SWEEP_AFTER_SECONDS", "3,9")];
    let town = Town::open_with(160, &sweeps).await;
    let job = town.approve().await;
    let first = town.wait_for(&job, completed).await.progress;
    // A scan of that evening that LINE delivers only now, of somebody who was nowhere else.
    let late = Event::new(
        format!("U{:032x}", 0xabc_u32),
        town.day.jobs[0].from,
        What::Text {
            message: "1".to_owned(),
            text: format!("チェックイン {}", town.stage.places[town.day.jobs[0].venues[0]].1),
        },
    );
    town.stage.sender.deliver_surely(&[late], tokio::time::Instant::now()).await;
    let view = town.wait_for(&job, |view| view.state == "closed").await;
    assert_eq!(view.progress.targeted, first.targeted + 1);
    assert_eq!(view.progress.accepted, first.accepted + 1);
    assert_eq!(town.differences(&job), []);
    town.stage.end().await.expect("the roles end well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unclear_for_too_long_is_decided_by_two_officials() {
    for (resend, times) in [(false, 1), (true, 2)] {
        let town = Town::open(170).await;
        let approver = |name: &str| {
            let name = name.parse().expect("a name");
            let store = town.stage.store();
            async move {
                let role = storage::rows::access::Role::Approver;
                server::tools::create_token(&store, name, role).await.expect("a token")
            }
        };
        let second = approver("ito").await;
        // LINE takes every multicast and says that it failed.
        town.stage.platform.faults.lock().share("multicast", Fault::ErrorAfter, 1.0);
        let job = town.approve().await;
        let view = town
            .wait_for(&job, |view| {
                let p = view.progress;
                p.pending == 0 && p.retrying > 0 && p.retrying + p.accepted == p.targeted
            })
            .await;
        let unclear = view.progress.retrying;
        // LINE will have forgotten the keys: nothing is sent again by itself.
        town.stage.platform.clock.advance(24 * 3_600_000);
        let view = town
            .wait_for(&job, |view| view.progress.undecided > 0 && view.progress.retrying == 0)
            .await;
        assert_eq!(view.state, "sending");
        assert_eq!(view.progress.undecided, unclear);
        town.stage.platform.faults.lock().clear();

        let decide = |token: String, chunk: String| {
            let path = format!("/api/v1/exposure-jobs/{}/decide", job.id);
            let body = serde_json::json!({"chunk": chunk, "resend": resend});
            let officials = &town.stage.officials;
            async move {
                officials.call(&token, Method::POST, &path, Some(&body)).await.expect("an answer").0
            }
        };
        for undecided in view.undecided_chunks {
            let first = town.stage.officials.approver.clone();
            assert_eq!(decide(first.clone(), undecided.chunk.clone()).await, StatusCode::OK);
            assert_eq!(decide(first, undecided.chunk.clone()).await, StatusCode::CONFLICT);
            assert_eq!(decide(second.clone(), undecided.chunk).await, StatusCode::OK);
        }
        let view = town.wait_for(&job, completed).await;
        let journal = town.stage.platform.journal.lock().clone();
        let mut counts = std::collections::BTreeMap::new();
        for accepted in &journal.accepted {
            *counts.entry(&accepted.user).or_insert(0) += 1;
        }
        // Exactly what was decided: those of the unclear chunks once, or once more.
        let again = counts.values().filter(|count| **count == times).count() as u64;
        if resend {
            assert_eq!(again, unclear);
            assert_eq!(view.progress.undecided, 0);
            assert_eq!(view.progress.accepted, view.progress.targeted);
        } else {
            assert_eq!(counts.len() as u64, view.progress.targeted);
            assert_eq!(again, view.progress.targeted);
            assert_eq!(view.progress.undecided, unclear);
        }
        assert!(journal.violations.is_empty(), "{:?}", journal.violations);
        town.stage.end().await.expect("the roles end well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_waits_for_its_turn_until_the_key_is_forgotten_is_not_sent() {
    // Slow enough that people whose first push is unclear wait for leave to send the second.
    let town = Town::open_with(175, &[("ANSHIN__SENDING__PUSHES_PER_SECOND", "8")]).await;
    town.stage.platform.faults.lock().share("push", Fault::ErrorAfter, 1.0);
    let job = town.approve().await;
    // More requests than a second has are unclear, so some of them wait for leave.
    town.wait_for(&job, |view| view.progress.retrying >= 16).await;
    {
        let mut faults = town.stage.platform.faults.lock();
        faults.clear();
        town.stage.platform.clock.advance(24 * 3_600_000);
    }
    let view = town.wait_for(&job, |v| v.progress.undecided > 0 && v.progress.retrying == 0).await;
    assert!(view.progress.undecided >= 8, "{:?}", view.progress);
    let journal = town.stage.platform.journal.lock().clone();
    let mut counts = std::collections::BTreeMap::new();
    for accepted in &journal.accepted {
        *counts.entry(&accepted.user).or_insert(0) += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "somebody was told twice");
    town.stage.end().await.expect("the roles end well");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_to_be_forgotten_after_the_plan_is_left_out() {
    // Slow enough that most chunks are still to be sent when the erasures are in.
    let slow = [("ANSHIN__SENDING__CALLS_PER_SECOND", "1")];
    let town = Town::open_with(180, &slow).await;
    let job = town.approve().await;
    town.wait_for(&job, |view| view.progress.targeted > 0).await;
    let now = town.stage.platform.clock.now();
    let erasures: Vec<Event> = town
        .day
        .visitors
        .iter()
        .map(|visitor| {
            let (message, text) = (now.to_string(), "忘れて".to_owned());
            Event::new(visitor.user_id(), now, What::Text { message, text })
        })
        .collect();
    for body in erasures.chunks(100) {
        town.stage.sender.deliver_surely(body, tokio::time::Instant::now()).await;
    }
    let view = town.wait_for(&job, completed).await;
    let p = view.progress;
    assert!(p.erased > 0, "{p:?}");
    assert_eq!(p.accepted + p.erased, p.targeted, "{p:?}");
    let journal = town.stage.platform.journal.lock().clone();
    assert_eq!(journal.accepted.len() as u64, p.accepted);
    assert_eq!(journal.violations, [""; 0]);
    town.stage.end().await.expect("the roles end well");
}
