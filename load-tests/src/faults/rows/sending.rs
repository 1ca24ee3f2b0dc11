//! Alerts while the sender or LINE fails.

use std::time::Duration;

use crate::{
    cluster::Part,
    faults::world::{SESSION, World},
    platform::faults::Fault,
};

const PEOPLE: usize = 120;
/// Requests that LINE has on its way are answered within this.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// An evening that is over, and a job for it.
async fn approved(world: &mut World, row: &str) -> anyhow::Result<String> {
    let evening = world.evening(PEOPLE, row);
    world.send(&evening).all().await?;
    world.approve(&evening).await
}

/// N1: at whatever a chunk is at that moment.
pub async fn killed(world: &mut World) -> anyhow::Result<()> {
    world.platform.faults.lock().latency(Duration::from_millis(30));
    let job = approved(world, "N1").await?;
    for people in [1, 20, 50] {
        world.until_told(&job, people).await?;
        let active = world.active_notifier(None).await?;
        let notifier = world.process(Part::Notifier, active)?;
        notifier.kill();
        notifier.start()?;
        notifier.ready().await?;
    }
    world.completed(&job).await
}

/// N2: before it has taken a message, and after.
pub async fn line_fails(world: &mut World) -> anyhow::Result<()> {
    {
        let mut faults = world.platform.faults.lock();
        for endpoint in ["multicast", "push"] {
            faults.share(endpoint, Fault::ErrorBefore, 0.05);
            faults.share(endpoint, Fault::ErrorAfter, 0.05);
            faults.share(endpoint, Fault::ResetAfter, 0.05);
            faults.share(endpoint, Fault::TooFast, 0.03);
            faults.share(endpoint, Fault::HangAfter, 0.01);
            faults.share(endpoint, Fault::HangBefore, 0.01);
        }
    }
    let job = approved(world, "N2").await?;
    world.completed(&job).await
}

/// N8: it goes on where it was, while another has long taken over.
pub async fn zombie(world: &mut World) -> anyhow::Result<()> {
    world.platform.faults.lock().latency(Duration::from_millis(30));
    let job = approved(world, "N8").await?;
    world.until_told(&job, 5).await?;
    let active = world.active_notifier(None).await?;
    world.process(Part::Notifier, active)?.signal("STOP")?;
    let told = world.told(&job)?;
    tokio::time::sleep(if world.full { Duration::from_secs(60) } else { SESSION }).await;
    world.active_notifier(Some(active)).await?;
    // It goes on while the other is at it, or after that where that took a minute.
    let due = world.due(&job)?;
    world.until_told(&job, due.min(told + 5)).await?;
    world.process(Part::Notifier, active)?.signal("CONT")?;
    world.completed(&job).await
}

/// N9: a second thought.
pub async fn cancelled(world: &mut World) -> anyhow::Result<()> {
    world.platform.faults.lock().latency(Duration::from_millis(30));
    let job = approved(world, "N9").await?;
    world.until_told(&job, 10).await?;
    world.act(&job, "cancel").await?;
    world.given_up(&job)?;
    tokio::time::sleep(UNDER_WAY).await;
    let told = world.told(&job)?;
    tokio::time::sleep(UNDER_WAY).await;
    let later = world.told(&job)?;
    world.promise(told == later, format!("{} people were told after the end", later - told));
    let view = world.view(&job).await?;
    let accepted = view.progress.accepted;
    world.promise(accepted == told as u64, format!("LINE took {told}, consoles show {accepted}"));
    world.promise(view.state == "cancelled", format!("the job is {}", view.state));
    let path = world.act(&job, "resume").await;
    world.promise(path.is_err(), "a cancelled job was resumed");
    Ok(())
}
