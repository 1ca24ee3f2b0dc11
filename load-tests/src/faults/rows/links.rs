//! Links that break, and processes that are asked to end.

use std::time::Duration;

use crate::{
    cluster::Part,
    faults::{
        proxy::Toxic,
        servers::{Peer, link},
        world::World,
    },
};

const PEOPLE: usize = 100;
/// Links between roles and servers.
const LINKS: [(Part, Peer); 5] = [
    (Part::Ingest, Peer::Kafka),
    (Part::Processor, Peer::Kafka),
    (Part::Processor, Peer::Cql),
    (Part::Notifier, Peer::Cql),
    (Part::Notifier, Peer::Kafka),
];
/// Longer than a session, so that a member that hears nothing loses what it has.
const BROKEN_FOR: Duration = Duration::from_secs(4);

/// Each link is broken for a while, some of the time while a job is sent.
async fn each(
    world: &mut World,
    breaks: impl AsyncFn(&World, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "P1");
    let noise = world.noise();
    world.send(&evening).all().await?;
    let job = world.approve(&evening).await?;
    for (part, peer) in LINKS {
        breaks(world, &link(part, peer)).await?;
        tokio::time::sleep(BROKEN_FOR).await;
        world.servers.proxy.heal().await?;
        noise.more(10).await?;
    }
    world.completed(&job).await?;
    noise.end().await
}

/// P1: connections break, new ones are refused.
pub async fn cut(world: &mut World) -> anyhow::Result<()> {
    each(world, async |world, link| world.servers.proxy.cut(link).await).await
}

/// P1: what is asked is done, and nobody hears of it.
pub async fn answers_lost(world: &mut World) -> anyhow::Result<()> {
    each(world, async |world, link| world.servers.proxy.suffer(link, Toxic::AnswersLost).await)
        .await
}

/// P1: connections end in the middle of an answer.
pub async fn answers_cut_short(world: &mut World) -> anyhow::Result<()> {
    each(world, async |world, link| world.servers.proxy.suffer(link, Toxic::EndsAfter(700)).await)
        .await
}

/// P3: as a roll-out does.
pub async fn terminated(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "P3");
    let noise = world.noise();
    world.send(&evening).all().await?;
    let job = world.approve(&evening).await?;
    for number in [0, 1] {
        for part in Part::ALL {
            noise.more(5).await?;
            let process = world.process(part, number)?;
            let code = process.end().await?;
            let name = process.name();
            process.start()?;
            process.ready().await?;
            world.promise(code == Some(0), format!("{name} ended with {code:?}"));
        }
    }
    world.completed(&job).await?;
    noise.end().await
}
