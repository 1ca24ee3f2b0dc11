//! Plans while scans are on their way; keys and clocks that change.

use std::time::Duration;

use anyhow::ensure;
use rand::RngExt;
use schemas::time::EventTime;

use super::Scene;
use crate::{
    faults::traffic::{Evening, Sending},
    platform::faults::Fault,
};

const PEOPLE: usize = 40;
const FEW: usize = 10;
const HOUR: i64 = 3_600_000;
/// So long a plan is watched that must wait.
const WATCHED: Duration = Duration::from_secs(1);

/// Has a job approved while something keeps scans from being rows, and sees that its plan waits.
async fn plan_waits(
    scene: &mut Scene,
    evening: &Evening,
    faults: &[&str],
    look: impl AsyncFnOnce(&mut Scene) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let lines: Vec<String> = faults.iter().map(|fault| format!("fault {fault}")).collect();
    scene.world.life.arm(&lines, 0)?;
    let events = evening.events.clone();
    Sending::begin(&scene.world.town.sender, events.into_iter()).all().await?;
    look(scene).await?;
    let town = scene.town();
    let job = town.approve(evening).await?;
    town.wait_for(&job, |view| view.state == "planning").await?;
    tokio::time::sleep(WATCHED).await;
    let state = town.view(&job).await?.state;
    town.promise(state == "planning", format!("the job did not wait: it is {state}"));
    let told = town.told(&job)?;
    town.promise(told == 0, format!("{told} people were told before all scans were rows"));
    scene.world.life.rest()?;
    scene.town().completed(&job).await
}

/// J4: acknowledged, and no rows yet.
pub(super) async fn scans_in_the_log(scene: &mut Scene) -> anyhow::Result<()> {
    let evening = scene.town().evening(PEOPLE, "J4");
    plan_waits(scene, &evening, &["rows wait"], async |_| Ok(())).await
}

/// J4: acknowledged, and not even in the log.
pub(super) async fn scans_in_the_spool(scene: &mut Scene) -> anyhow::Result<()> {
    let evening = scene.town().evening(PEOPLE, "J4");
    plan_waits(scene, &evening, &["the log is away", "the spool waits"], async |scene| {
        let spooled = spooled(scene)?;
        scene.town().promise(spooled > 0, "webhooks were acknowledged, and no spool has them");
        Ok(())
    })
    .await
}

fn spooled(scene: &Scene) -> anyhow::Result<u64> {
    let segments = std::fs::read_dir(scene.world.town.dir.join("spools"))?.flatten();
    let segments = segments.filter(|e| e.path().extension().is_some_and(|x| x == "spool"));
    Ok(segments.filter_map(|segment| Some(segment.metadata().ok()?.len())).sum())
}

/// J5: two visits, two weeks, two pseudonyms, two states of the key file: one person.
pub(super) async fn keys_change(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    let evening = town.two_weeks(PEOPLE, "J5");
    let config = town.config.clone();
    // Of each person the visit before the week's end, then the one after.
    let (mut last_week, mut this_week) = (Vec::new(), Vec::new());
    for (n, event) in evening.events.iter().enumerate() {
        let week = if n % 2 == 0 { &mut last_week } else { &mut this_week };
        week.push(event.clone());
    }
    let now = EventTime(town.platform.clock.now());
    let (keys, days) = (config.keys.file, config.retention.days);
    let command = |arguments: [&str; 2], days: u32| {
        let mut command = scene.world.life.process.command();
        command.args(arguments).env("ANSHIN__RETENTION__DAYS", days.to_string());
        command.output()
    };
    let sender = scene.world.town.sender.clone();
    let half = last_week.split_off(last_week.len() / 2);
    Sending::begin(&sender, last_week.into_iter()).all().await?;
    // Keys of more weeks than before, while webhooks come in; then those of too many weeks go.
    let sending = Sending::begin(&sender, half.into_iter());
    let made = command(["keys", "rotate"], days + 14)?;
    ensure!(made.status.success(), "keys can't be made: {made:?}");
    sending.all().await?;
    let half = this_week.split_off(this_week.len() / 2);
    Sending::begin(&sender, this_week.into_iter()).all().await?;
    let sending = Sending::begin(&sender, half.into_iter());
    let destroyed = command(["keys", "destroy"], days)?;
    ensure!(destroyed.status.success(), "keys can't be destroyed: {destroyed:?}");
    sending.all().await?;
    let (weeks, needed) = {
        let ring = server::keys::read_ring(&keys)?;
        let needed = [now.plus(-7 * 24 * HOUR), now].map(EventTime::epoch);
        (ring.epochs().count(), needed.iter().all(|week| ring.epochs().any(|epoch| epoch == *week)))
    };
    scene.town().promise(needed, format!("of {weeks} weeks none is this one, or the one before"));
    let town = scene.town();
    let job = town.approve(&evening).await?;
    town.completed(&job).await
}

/// J6: its clock is wrong, then wrong the other way; what was unclear meanwhile is tried again.
pub(super) async fn clock_is_off(scene: &mut Scene) -> anyhow::Result<()> {
    let ahead_first = scene.town().source.rng.random::<bool>();
    let (first, then) = if ahead_first { (2 * HOUR, -2 * HOUR) } else { (-2 * HOUR, 2 * HOUR) };
    scene.world.life.is_off_by(first).await?;
    let evening = scene.town().evening(FEW, "J6");
    scene.town().send(&evening).await?;
    visits_now(scene).await?;
    // LINE takes everything and says that it failed.
    {
        let mut faults = scene.town().platform.faults.lock();
        for endpoint in ["multicast", "push"] {
            faults.share(endpoint, Fault::ErrorAfter, 1.0);
        }
    }
    let job = scene.town().approve(&evening).await?;
    let retried = scene.town().wait_for(&job, |view| {
        let p = view.progress;
        p.targeted > 0 && p.retrying + p.accepted == p.targeted
    });
    retried.await?;
    scene.world.life.is_off_by(then).await?;
    visits_now(scene).await?;
    let view = scene.town().view(&job).await?;
    let undecided = view.progress.undecided;
    scene.town().promise(undecided == 0, format!("{undecided} people are undecided already"));
    scene.town().platform.faults.lock().clear();
    scene.town().completed(&job).await?;
    let evening = scene.town().evening(FEW, "J6");
    scene.town().tell(&evening).await?;
    scene.world.life.is_off_by(0).await
}

/// Somebody checks in at this moment, by LINE's clock.
async fn visits_now(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    let somebody = town.somebody();
    let event = town.source.scan(&somebody, 0, town.platform.clock.now());
    Sending::begin(&town.sender, std::iter::once(event)).all().await?;
    Ok(())
}
