//! Plans while scans are on their way, and two planners.

use std::time::Duration;

use crate::{
    cluster::Part,
    faults::{
        proxy::Toxic,
        servers::{Peer, link},
        traffic::Evening,
        world::World,
    },
};

const PEOPLE: usize = 60;
/// So long a plan is watched that must wait.
const WATCHED: Duration = Duration::from_secs(2);

fn processors(
    world: &mut World,
    each: impl Fn(&mut crate::cluster::Process) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for number in [0, 1] {
        each(world.process(Part::Processor, number)?)?;
    }
    Ok(())
}

/// Approves a job whose plan must wait.
async fn approve_and_wait(world: &mut World, evening: &Evening) -> anyhow::Result<String> {
    let job = world.approve(evening).await?;
    world.officials.wait_for(&job, |view| view.state == "planning").await?;
    tokio::time::sleep(WATCHED).await;
    let state = world.view(&job).await?.state;
    world.promise(state == "planning", format!("the job did not wait: it is {state}"));
    let told = world.told(&job)?;
    world.promise(told == 0, format!("{told} people were told before all scans were rows"));
    Ok(job)
}

/// J3: both make plans of one job.
pub async fn two_planners(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "J3");
    processors(world, |processor| {
        processor.kill();
        Ok(())
    })?;
    world.send(&evening).all().await?;
    let job = approve_and_wait(world, &evening).await?;
    let first = world.active_notifier(None).await?;
    world.process(Part::Notifier, first)?.signal("STOP")?;
    world.active_notifier(Some(first)).await?;
    processors(world, crate::cluster::Process::start)?;
    world.until_told(&job, 1).await?;
    world.process(Part::Notifier, first)?.signal("CONT")?;
    world.completed(&job).await
}

/// J4: acknowledged, and no rows yet.
pub async fn scans_in_the_log(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "J4");
    processors(world, |processor| {
        processor.kill();
        Ok(())
    })?;
    world.send(&evening).all().await?;
    let job = approve_and_wait(world, &evening).await?;
    processors(world, crate::cluster::Process::start)?;
    world.completed(&job).await
}

/// J4: acknowledged, and not even in the log.
pub async fn scans_in_spools(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "J4");
    world.servers.proxy.suffer(&link(Part::Ingest, Peer::Kafka), Toxic::Silent).await?;
    world.send(&evening).all().await?;
    let spooled = world.spooled(0) + world.spooled(1);
    world.promise(spooled > 0, "webhooks were acknowledged, and no spool has them");
    let job = approve_and_wait(world, &evening).await?;
    world.servers.proxy.heal().await?;
    world.completed(&job).await
}
