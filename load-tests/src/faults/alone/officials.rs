//! Jobs, by several officials at once.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storage::{any::AnyStore, rows::access::Role};

use super::Scene;

const PEOPLE: usize = 30;
const JOBS: &str = "/api/v1/exposure-jobs";

/// J1: a click that is repeated, by whatever repeats it.
pub(super) async fn submitted_often(scene: &mut Scene) -> anyhow::Result<()> {
    const REQUESTS: usize = 1_000;
    let town = scene.town();
    let evening = town.evening(PEOPLE, "J1");
    town.send(&evening).await?;
    let body = town.request(&evening.job);
    let officials = &town.officials;
    let submit = |body: Value| async move {
        officials.call(&officials.drafter, Method::POST, JOBS, Some(&body)).await
    };
    let answers: Vec<_> = stream::iter(0..REQUESTS)
        .map(|_| submit(body.clone()))
        .buffer_unordered(REQUESTS)
        .collect()
        .await;
    let (mut made, mut found, mut ids) = (0, 0, BTreeSet::new());
    for answer in answers {
        let (status, view) = answer?;
        match status {
            StatusCode::CREATED => made += 1,
            StatusCode::OK => found += 1,
            _ => town.broken.push(format!("a job once more: {status} {view}")),
        }
        ids.extend(view["id"].as_str().map(str::to_owned));
    }
    // Two of them may have been on their way at the same time: the log says which made it.
    town.promise(ids.len() == 1, format!("{REQUESTS} requests with one key made {ids:?}"));
    town.promise(made == 1, format!("{made} requests were told that they made it"));
    let mut other = body.clone();
    other["padding_minutes"] = json!(7);
    let officials = &town.officials;
    let (status, _) = officials.call(&officials.drafter, Method::POST, JOBS, Some(&other)).await?;
    town.promise(status == StatusCode::CONFLICT, format!("another body with the key: {status}"));
    scene.say(format!("{REQUESTS} requests: {made} made the job, {found} found it"));
    let job = scene.town().approve(&evening).await?;
    scene.town().promise(ids.contains(&job), "the job that was approved is another one");
    scene.town().completed(&job).await
}

/// J2: everybody at the same moment, again and again.
pub(super) async fn race(scene: &mut Scene) -> anyhow::Result<()> {
    let rounds = if scene.full { 5 } else { 3 };
    let town = scene.town();
    let store = AnyStore::Remote(town.reach().await?);
    let token =
        async |name: &str, role| server::tools::create_token(&store, name.parse()?, role).await;
    let (second, editor) =
        (token("ito", Role::Approver).await?, token("mori", Role::Approver).await?);
    drop(store);
    let (mut edited_first, mut approved_first) = (0, 0);
    for _ in 0..rounds {
        let mut evening = town.evening(PEOPLE / rounds, "J2");
        town.send(&evening).await?;
        let officials = &town.officials;
        let body = town.request(&evening.job);
        let (status, job) =
            officials.call(&officials.drafter, Method::POST, JOBS, Some(&body)).await?;
        anyhow::ensure!(status == StatusCode::CREATED, "submit: {status} {job}");
        let id = job["id"].as_str().unwrap_or_default().to_owned();
        let seen = json!({"content_hash": job["content_hash"]});
        let mut edited = evening.job.clone();
        edited.padding_minutes = 1;
        let (path, new) = (format!("{JOBS}/{id}"), town.request(&edited));
        let approve = |token| town.act(token, (&id, "approve"), &seen);
        let (own, first, other, edit) = tokio::join!(
            approve(&officials.drafter),
            approve(&officials.approver),
            approve(&second),
            officials.call(&editor, Method::PUT, &path, Some(&new)),
        );
        let (own, edit) = (own?.0, edit?.0);
        let approvals = [first?.0, other?.0];
        // Whoever has written of it may not approve it, and it is another content now in any case.
        let (editors, _) = town.act(&editor, (&id, "approve"), &seen).await?;
        let ok = |status: &&StatusCode| **status == StatusCode::OK;
        let (approved, was_edited) = (approvals.iter().filter(ok).count(), edit == StatusCode::OK);
        let all = format!("approvals {approvals:?}, edit {edit}, own {own}, editor's {editors}");
        town.promise(own == StatusCode::FORBIDDEN, format!("somebody approved their own: {all}"));
        town.promise(approved + usize::from(was_edited) == 1, format!("not one has won: {all}"));
        let others = approvals.iter().chain([&edit]).filter(|status| !ok(status));
        let conflicts = others.clone().all(|status| *status == StatusCode::CONFLICT);
        town.promise(conflicts, format!("a loser was not told 409: {all}"));
        let refused = matches!(editors, StatusCode::FORBIDDEN | StatusCode::CONFLICT);
        town.promise(refused, format!("an editor approved: {all}"));
        if was_edited {
            edited_first += 1;
            evening.job = edited;
            let view = town.officials.wait_for(&id, |_| true).await?;
            let seen = json!({"content_hash": view.content_hash});
            let (editors, _) = town.act(&editor, (&id, "approve"), &seen).await?;
            let what = format!("an editor approved what they wrote: {editors}");
            town.promise(editors == StatusCode::FORBIDDEN, what);
            let approver = town.officials.approver.clone();
            let (status, said) = town.act(&approver, (&id, "approve"), &seen).await?;
            town.promise(status == StatusCode::OK, format!("approve: {status} {said}"));
        } else {
            approved_first += 1;
        }
        town.approved(&id, &evening.job);
        town.completed(&id).await?;
    }
    scene.say(format!(
        "{approved_first} times an approval came first, {edited_first} times an edit"
    ));
    Ok(())
}

/// J2: at each step of a job's way into the log.
pub(super) async fn killed(scene: &mut Scene) -> anyhow::Result<()> {
    scene.killed_at(&["K15", "K16", "K17"]).await
}
