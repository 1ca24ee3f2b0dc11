//! Alerts while LINE refuses, fails or is slow.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Scene;
use crate::platform::faults::Fault;

const PEOPLE: usize = 80;
/// Longer than an answer is waited for, with what comes after.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests that LINE has on its way are answered within this.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// N1: at each step of a chunk.
pub(super) async fn killed(scene: &mut Scene) -> anyhow::Result<()> {
    let points = ["K21", "K22", "K23", "K24", "K25", "K26", "K27", "K28", "random"];
    scene.killed_at(&points).await
}

/// N7: LINE has taken everything, and is silent until it has forgotten.
pub(super) async fn a_day_passes(scene: &mut Scene) -> anyhow::Result<()> {
    scene.killed_at(&["N7"]).await
}

/// N2: before it has taken a message, and after.
pub(super) async fn line_fails(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    town.patience = PATIENCE;
    let evening = town.evening(PEOPLE, "N2");
    town.send(&evening).await?;
    {
        let mut faults = town.platform.faults.lock();
        for endpoint in ["multicast", "push"] {
            faults.share(endpoint, Fault::ErrorBefore, 0.04);
            faults.share(endpoint, Fault::ErrorAfter, 0.04);
            faults.share(endpoint, Fault::ResetBefore, 0.04);
            faults.share(endpoint, Fault::ResetAfter, 0.04);
            faults.share(endpoint, Fault::TooFast, 0.02);
            faults.share(endpoint, Fault::HangAfter, 0.01);
            faults.share(endpoint, Fault::HangBefore, 0.01);
        }
    }
    let job = town.approve(&evening).await?;
    town.completed(&job).await
}

/// N3: LINE's limit is half of what we take to be ours.
pub(super) async fn too_fast(scene: &mut Scene) -> anyhow::Result<()> {
    const ALLOWED: f64 = 20.0;
    let town = scene.town();
    town.patience = PATIENCE;
    let evening = town.evening(2 * PEOPLE, "N3");
    town.send(&evening).await?;
    town.platform.allow("push", Some(ALLOWED));
    let before = town.platform.journal.lock().requests.len();
    let begun = Instant::now();
    let job = town.approve(&evening).await?;
    let completed = town.completed(&job).await;
    let took = begun.elapsed();
    town.platform.allow("push", None);
    completed?;
    let (mut taken, mut refused) = (0, 0);
    for request in &town.platform.journal.lock().requests[before..] {
        match (request.endpoint.as_str(), request.status) {
            ("push", 200) => taken += 1,
            ("push", 429) => refused += 1,
            _ => {}
        }
    }
    // Each refusal halves the rate for seconds: far fewer than are taken.
    let what = format!("{refused} pushes were refused while {taken} were taken");
    town.promise(refused > 0 && refused < taken, what);
    scene.say(format!(
        "{taken} pushes at {ALLOWED} a second took {took:.1?}, {:.1} s at best; {refused} were refused",
        f64::from(taken) / ALLOWED
    ));
    Ok(())
}

/// N4: what no trying mends.
pub(super) async fn refused(scene: &mut Scene) -> anyhow::Result<()> {
    for (fault, code) in [
        (Fault::QuotaGone, "quota"),
        (Fault::Unauthorized, "unauthorized"),
        (Fault::Forbidden, "forbidden"),
    ] {
        let town = scene.town();
        let evening = town.evening(PEOPLE + PEOPLE / 2, "N4");
        town.send(&evening).await?;
        let tokens = |town: &crate::crash::town::Town| {
            let journal = town.platform.journal.lock();
            journal.requests.iter().filter(|request| request.endpoint == "token").count()
        };
        let before = tokens(town);
        let job = town.approve(&evening).await?;
        town.until_told(&job, 1).await?;
        if fault == Fault::QuotaGone {
            // Used up in the middle, by somebody else, say.
            let used = town.platform.consumption();
            town.platform.set_quota(Some(used));
        } else {
            let mut faults = town.platform.faults.lock();
            faults.share("push", fault, 1.0);
            faults.share("multicast", fault, 1.0);
        }
        let view = town.wait_for(&job, |view| view.state != "sending").await?;
        let cause = view.paused.map(|paused| paused.code).unwrap_or_default();
        let stopped = view.state == "paused" && cause == code;
        town.promise(stopped, format!("at {code} the job is {} ({cause})", view.state));
        if fault == Fault::Unauthorized {
            let asked = tokens(town) - before;
            town.promise(asked > 0, "no new token was asked for");
        }
        town.platform.faults.lock().clear();
        town.platform.set_quota(None);
        town.done(&job, "resume").await?;
        town.completed(&job).await?;
    }
    Ok(())
}

/// N6: one id among many.
pub(super) async fn some_invalid(scene: &mut Scene) -> anyhow::Result<()> {
    const FRIENDS: usize = 500;
    // ⌈log₂ 500⌉ halvings, two requests at each.
    const MORE_FOR_EACH: usize = 18;
    let bad = 1 + scene.seed as usize % 3;
    let town = scene.town();
    town.patience = PATIENCE;
    let evening = town.friends(FRIENDS, "N6");
    town.send(&evening).await?;
    for visitor in evening.visitors.iter().step_by(FRIENDS / bad).take(bad) {
        let user = visitor.user_id();
        town.platform.people.lock().of(&user).refused = true;
        town.refused.insert(user);
    }
    let before = town.platform.journal.lock().requests.len();
    let job = town.approve(&evening).await?;
    town.completed(&job).await?;
    let view = town.view(&job).await?;
    let p = view.progress;
    let exact = p.invalid == bad as u64 && p.accepted == (FRIENDS - bad) as u64;
    town.promise(exact, format!("{bad} of {FRIENDS} are refused, and consoles show {p:?}"));
    let requests = {
        let journal = town.platform.journal.lock();
        let multicasts = journal.requests[before..].iter().filter(|r| r.endpoint == "multicast");
        multicasts.count()
    };
    let most = 1 + MORE_FOR_EACH * bad;
    town.promise(requests <= most, format!("{requests} requests for {bad} bad ids, over {most}"));
    scene.say(format!("{requests} requests for {FRIENDS} people, {bad} of them refused"));
    Ok(())
}

/// N9: a second thought.
pub(super) async fn cancelled(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    let evening = town.evening(PEOPLE, "N9");
    town.send(&evening).await?;
    town.platform.faults.lock().latency(Duration::from_millis(30));
    let job = town.approve(&evening).await?;
    town.until_told(&job, 5).await?;
    town.done(&job, "cancel").await?;
    tokio::time::sleep(UNDER_WAY).await;
    let told = town.told(&job)?;
    tokio::time::sleep(UNDER_WAY).await;
    let later = town.told(&job)?;
    town.promise(told == later, format!("{} people were told after the end", later - told));
    let view = town.wait_for(&job, |view| view.progress.accepted == told as u64).await;
    town.promise(view.is_ok(), format!("LINE took {told}: {:?}", view.as_ref().err()));
    let view = town.view(&job).await?;
    town.promise(view.state == "cancelled", format!("the job is {}", view.state));
    let p = view.progress;
    let rest = p.targeted - p.accepted;
    town.promise(rest == p.cancelled + p.erased, format!("it does not add up: {p:?}"));
    town.may_miss(&job, rest);
    let approver = town.officials.approver.clone();
    for action in ["resume", "pause", "plan-anyway"] {
        let (status, _) = town.act(&approver, (&job, action), &Value::Null).await?;
        town.promise(status == StatusCode::CONFLICT, format!("{action} after the end: {status}"));
    }
    let (status, _) =
        town.act(&approver, (&job, "approve"), &json!({"content_hash": view.content_hash})).await?;
    town.promise(status == StatusCode::CONFLICT, format!("approved after the end: {status}"));
    Ok(())
}
