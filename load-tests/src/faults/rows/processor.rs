//! Records and rows while a processor or Cassandra is away.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use schemas::{scan::Scan, topic::Topic, wire::WireRecord};
use storage::{Append, Log};

use crate::{
    cluster::Part,
    faults::{
        proxy::Toxic,
        rows::{AWAY, while_away},
        servers::{Peer, link},
        world::{SESSION, World},
    },
};

const PEOPLE: usize = 60;

/// C1: in the middle of whatever batch.
pub async fn killed(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "C1");
    let noise = world.noise();
    let sending = world.send(&evening);
    for number in [0, 1, 0, 1] {
        noise.more(10).await?;
        world.process(Part::Processor, number)?.kill();
        noise.more(10).await?;
        world.process(Part::Processor, number)?.start()?;
    }
    sending.all().await?;
    world.tell(&evening).await?;
    noise.end().await
}

/// C1: it was presumed dead, another has its partitions, and it goes on with its batch.
pub async fn zombie(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "C1");
    let noise = world.noise();
    for number in [0, 1] {
        noise.more(10).await?;
        world.process(Part::Processor, number)?.signal("STOP")?;
        tokio::time::sleep(2 * SESSION).await;
        if number == 0 {
            world.send(&evening).all().await?;
        }
        world.process(Part::Processor, number)?.signal("CONT")?;
    }
    world.tell(&evening).await?;
    noise.end().await
}

/// C2: written by nobody, or by a later version.
pub async fn poison(world: &mut World) -> anyhow::Result<()> {
    const EACH: usize = 10;
    let evening = world.evening(PEOPLE, "C2");
    let before = processor::rejected::list(&world.backends.log).await?.len();
    let noise = world.noise();
    let mut records = Vec::new();
    for n in 0..2 * EACH {
        let mut value: [u8; 64] = world.source.rng.random();
        value[0] = if n < EACH { Scan::VERSION + 90 } else { Scan::VERSION };
        if n >= EACH {
            // No body begins with a number of ten bytes that never ends.
            value[1..].fill(0xff);
        }
        let key: [u8; 16] = world.source.rng.random();
        records.push(Append {
            topic: Topic::Scans,
            key: Bytes::copy_from_slice(&key),
            value: Bytes::copy_from_slice(&value),
        });
    }
    for result in world.backends.log.append(records).await {
        result?;
    }
    world.send(&evening).all().await?;
    world.tell(&evening).await?;
    noise.end().await?;
    let after = processor::rejected::list(&world.backends.log).await?.len();
    let rejected = after - before;
    world.promise(rejected >= 2 * EACH, format!("{rejected} of {} are in `rejected`", 2 * EACH));
    Ok(())
}

/// C3: webhooks don't notice.
async fn store_away(
    world: &mut World,
    away: impl AsyncFnOnce(&World) -> anyhow::Result<()>,
    at_least: Duration,
) -> anyhow::Result<()> {
    while_away((world, "C3"), away, at_least, |world, refused| {
        let what = format!("{refused} webhooks were refused for want of the store");
        world.promise(refused == 0, what);
        Ok(())
    })
    .await
}

/// C3: the node dies.
pub async fn store_killed(world: &mut World) -> anyhow::Result<()> {
    store_away(world, async |world| world.servers.cassandra[0].kill().await, Duration::ZERO).await
}

/// C3: the node hangs.
pub async fn store_stopped(world: &mut World) -> anyhow::Result<()> {
    store_away(world, async |world| world.servers.cassandra[0].signal("STOP"), AWAY).await
}

/// C3: answers come, but late.
pub async fn store_late(world: &mut World) -> anyhow::Result<()> {
    let link = link(Part::Processor, Peer::Cql);
    let late = Toxic::Late(5_000);
    let away = async |world: &World| world.servers.proxy.suffer(&link, late).await;
    store_away(world, away, AWAY).await
}
