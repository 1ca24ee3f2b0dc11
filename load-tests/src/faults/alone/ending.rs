//! A process that is told to end, and one that is killed.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Scene, attack::one_by_one};
use crate::faults::traffic::Sending;

const PEOPLE: usize = 60;
/// More than are sent before the end.
const ENOUGH: usize = 20_000;

/// P3: it says so, ends what it has begun, and goes.
pub(super) async fn terminated(scene: &mut Scene) -> anyhow::Result<()> {
    let evening = scene.town().evening(PEOPLE, "P3");
    scene.town().send(&evening).await?;
    let job = scene.town().approve(&evening).await?;
    scene.town().until_told(&job, 5).await?;
    let stop = CancellationToken::new();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let events = scene.town().strangers(ENOUGH / 8);
        clients.push(one_by_one(&scene.world.town, events, stop.clone())?);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ready = format!("http://{}/ready", scene.world.life.process.admin);
    // It has a connection, and has looked, before anything happens.
    let watcher = reqwest::Client::new();
    watcher.get(&ready).send().await?;
    let watching = tokio::spawn(not_ready(watcher, ready));
    let told = Instant::now();
    let code = scene.world.life.process.end().await?;
    let took = told.elapsed();
    stop.cancel();
    // From here on nobody is sent to it.
    let said_so = watching.await?;
    scene.town().promise(code == Some(0), format!("it ended with {code:?} at SIGTERM"));
    let (mut before, mut lost, mut after, mut refused) = (0, 0, 0, 0);
    let mut again = Vec::new();
    for client in clients {
        for (begun, status, event) in client.await? {
            match (begun < said_so, status) {
                (true, 200) => before += 1,
                (true, _) => lost += 1,
                (false, 200) => after += 1,
                (false, _) => refused += 1,
            }
            if status != 200 {
                again.push(event);
            }
        }
    }
    ensure!(before > 0, "there was no traffic");
    scene.say(format!(
        "{before} webhooks were answered 200 before it said that it was not ready, {after} after that, {refused} were refused; it ended {took:.2?} after SIGTERM"
    ));
    let what = format!("{lost} webhooks that began while it was ready were not answered 200");
    scene.town().promise(lost == 0, what);
    scene.world.life.ended_well()?;
    scene.world.life.process.ready().await?;
    // LINE delivers again what was refused.
    Sending::begin(&scene.world.town.sender, again.into_iter()).all().await?;
    scene.town().completed(&job).await
}

/// When a process says first that it is not ready any more.
async fn not_ready(http: reqwest::Client, ready: String) -> Instant {
    loop {
        let asked = Instant::now();
        let answer = http.get(&ready).send().await;
        if !answer.is_ok_and(|answer| answer.status() == 200) {
            return asked;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// P4: whenever, and in the middle of a batch.
pub(super) async fn killed(scene: &mut Scene) -> anyhow::Result<()> {
    scene.killed_at(&["random"]).await
}
