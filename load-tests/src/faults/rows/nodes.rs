//! One node of three.

use rand::RngExt;

use crate::faults::{servers::Server, world::World};

const PEOPLE: usize = 60;

/// Everything goes on while a node is down: webhooks, rows, a plan, a job.
async fn one_down(
    world: &mut World,
    row: &str,
    of: impl Fn(&World) -> &[Server],
) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, row);
    let noise = world.noise();
    noise.more(10).await?;
    let node = world.source.rng.random_range(0..of(world).len());
    of(world)[node].kill().await?;
    world.send(&evening).all().await?;
    world.tell(&evening).await?;
    of(world)[node].start().await?;
    noise.more(10).await?;
    noise.end().await
}

/// W8: leaders move.
pub async fn broker_killed(world: &mut World) -> anyhow::Result<()> {
    one_down(world, "W8", |world| &world.servers.kafka).await
}

/// C4: a quorum is left.
pub async fn node_killed(world: &mut World) -> anyhow::Result<()> {
    one_down(world, "C4", |world| &world.servers.cassandra).await
}
