//! Webhooks while ingest or Kafka is away.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use tokio::time::Instant;

use crate::{
    cluster::Part,
    faults::{
        damage,
        proxy::Toxic,
        rows::{AWAY, while_away},
        servers::{Peer, link},
        traffic::{JOB_VENUES, Sending},
        world::{SPOOL_BYTES, World},
    },
    platform::webhooks::{Redelivery, WebhookSender},
};

const PEOPLE: usize = 60;

/// W1: at whatever a webhook is at that moment.
pub async fn killed(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "W1");
    let noise = world.noise();
    let sending = world.send(&evening);
    for number in [0, 1] {
        sending.more(10).await?;
        world.process(Part::Ingest, number)?.kill();
        noise.more(10).await?;
        let ingest = world.process(Part::Ingest, number)?;
        ingest.start()?;
        ingest.ready().await?;
    }
    sending.all().await?;
    world.tell(&evening).await?;
    noise.end().await
}

/// W8: webhooks are acknowledged all the same, and what they said waits.
async fn kafka_away(
    world: &mut World,
    away: impl AsyncFnOnce(&World) -> anyhow::Result<()>,
    at_least: Duration,
) -> anyhow::Result<()> {
    while_away((world, "W8"), away, at_least, |world, _| {
        let spooled = world.spooled(0) + world.spooled(1);
        world.promise(spooled > 0, "webhooks were acknowledged, and no spool has them");
        world.promise_no_leak()
    })
    .await
}

/// W8: the broker dies.
pub async fn kafka_killed(world: &mut World) -> anyhow::Result<()> {
    kafka_away(world, async |world| world.servers.kafka[0].kill().await, Duration::ZERO).await
}

/// W8: the broker hangs.
pub async fn kafka_stopped(world: &mut World) -> anyhow::Result<()> {
    kafka_away(world, async |world| world.servers.kafka[0].signal("STOP"), AWAY).await
}

async fn suffers(world: &mut World, toxic: Toxic) -> anyhow::Result<()> {
    let link = link(Part::Ingest, Peer::Kafka);
    let away = async |world: &World| world.servers.proxy.suffer(&link, toxic).await;
    kafka_away(world, away, Duration::ZERO).await
}

/// W8: nothing comes through, and nothing says so.
pub async fn kafka_silent(world: &mut World) -> anyhow::Result<()> {
    suffers(world, Toxic::Silent).await
}

/// W8: a link for a tenth of the traffic.
pub async fn kafka_narrow(world: &mut World) -> anyhow::Result<()> {
    suffers(world, Toxic::Slow(2)).await
}

/// W8: acknowledged, but later than LINE waits.
pub async fn kafka_slow(world: &mut World) -> anyhow::Result<()> {
    suffers(world, Toxic::Late(1_500)).await
}

/// W9: the spool takes no more.
pub async fn spool_full(world: &mut World) -> anyhow::Result<()> {
    const SCANS: usize = 100;
    let ingest = world.process(Part::Ingest, 0)?;
    let (url, ready) =
        (format!("http://{}/webhook", ingest.listen), format!("http://{}/ready", ingest.admin));
    let sender = WebhookSender::new(Arc::clone(&world.platform), &[url])?;
    world.servers.proxy.suffer(&link(Part::Ingest, Peer::Kafka), Toxic::Silent).await?;
    let visitor = world.source.visitor();
    let mut at = world.source.begins;
    let refused = loop {
        let events: Vec<_> = (0..SCANS)
            .map(|n| world.source.scan(&visitor, JOB_VENUES + n % JOB_VENUES, at + n as i64))
            .collect();
        at += SCANS as i64;
        ensure!(at < world.source.begins + 100_000, "the spool does not become full");
        let delivery = sender.deliver(&events, Redelivery::First, Instant::now()).await;
        if delivery.status == 503 {
            break events;
        }
        world
            .promise(delivery.status == 200, format!("a webhook was answered {}", delivery.status));
    };
    world.source.begins = at;
    let spooled = world.spooled(0);
    world.promise(spooled <= SPOOL_BYTES, format!("the spool holds {spooled} bytes"));
    world.promise_no_leak()?;
    let status = reqwest::get(&ready).await?.status();
    world.promise(status == 503, format!("a full spool, and the process is ready: {status}"));
    world.servers.proxy.heal().await?;
    Sending::begin(&sender, refused.into_iter()).all().await?;
    world.process(Part::Ingest, 0)?.ready().await
}

/// W9: what a killed ingest left is not whole.
pub async fn spool_damaged(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "W9");
    world.servers.proxy.cut(&link(Part::Ingest, Peer::Kafka)).await?;
    world.send(&evening).all().await?;
    for number in [0, 1] {
        world.process(Part::Ingest, number)?.kill();
    }
    let spool = world.spool(0);
    damage::spool(&spool)?;
    let before = damage::quarantined(&spool);
    world.servers.proxy.heal().await?;
    for number in [0, 1] {
        let ingest = world.process(Part::Ingest, number)?;
        ingest.start()?;
        ingest.ready().await?;
    }
    world.tell(&evening).await?;
    let after = damage::quarantined(&spool);
    world.promise(
        after == before + 1,
        format!("the quarantine holds {after} frames, not one more than {before}"),
    );
    Ok(())
}
