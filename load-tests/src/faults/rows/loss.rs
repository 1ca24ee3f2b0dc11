//! The store is lost altogether, and comes back from the log.

use anyhow::{Context as _, ensure};
use schemas::topic::{Offset, Topic};
use scylla::client::session_builder::SessionBuilder;
use storage::{Delivery, Group, Log, Member, any::StorePlace};

use crate::{cluster::Part, demo::Officials, faults::world::World};

const PEOPLE: usize = 120;
/// What the log keeps for whoever makes the rows again.
const REPLAYED: [(Group, Topic); 4] = [
    (Group::Processor, Topic::Registry),
    (Group::Processor, Topic::Visitors),
    (Group::Processor, Topic::Scans),
    (Group::Hygiene, Topic::Visitors),
];

/// P5: in the middle of a job. What was planned and what was sent stood in the store alone, so the
/// job must stop and ask, and must not be planned or sent again by itself.
pub async fn store_lost(world: &mut World) -> anyhow::Result<()> {
    let evening = world.evening(PEOPLE, "P5");
    world.send(&evening).all().await?;
    let job = world.approve(&evening).await?;
    world.until_told(&job, 10).await?;
    world.act(&job, "pause").await?;
    // Processes whose rows are gone are started again once there are tables.
    for part in [Part::Processor, Part::Notifier] {
        for number in [0, 1] {
            let code = world.process(part, number)?.end().await?;
            world.promise(code == Some(0), format!("{} ended with {code:?}", part.name()));
        }
    }
    drop_keyspace(world).await?;
    server::migrate::migrate(&world.config, false, &mut Vec::new()).await?;
    // As Kafka's own tool for offsets does: the product has none.
    for (group, topic) in REPLAYED {
        again_from_the_start(&world.backends.log, group, topic).await?;
    }
    for part in [Part::Processor, Part::Notifier] {
        for number in [0, 1] {
            let process = world.process(part, number)?;
            process.start()?;
            process.ready().await?;
        }
    }
    // Tokens were rows.
    let consoles = world.cluster.addresses(Part::Console);
    world.officials = Officials::new(&world.backends.store, &consoles).await?;
    let told = world.told(&job)?;
    world.act(&job, "resume").await?;
    let view = world.officials.wait_for(&job, |view| view.state != "sending").await?;
    let cause = view.paused.map(|paused| paused.code).unwrap_or_default();
    let stopped = view.state == "paused" && cause == "ledger_mismatch";
    world.promise(stopped, format!("the job is {} ({cause})", view.state));
    let later = world.told(&job)?;
    world.promise(told == later, format!("{} people were told without a ledger", later - told));
    world.act(&job, "cancel").await?;
    world.given_up(&job)?;
    // Rows are back: another job reaches everybody.
    let mut again = world.evening(0, "P5 again");
    (again.job.from, again.job.to) = (evening.job.from, evening.job.to);
    world.tell(&again).await
}

async fn drop_keyspace(world: &World) -> anyhow::Result<()> {
    let StorePlace::Cql(hosts, keyspace) = StorePlace::parse(&world.config.store.url)? else {
        anyhow::bail!("the store is no cluster");
    };
    let session = SessionBuilder::new().known_nodes(&hosts).build().await?;
    session.query_unpaged(format!("DROP KEYSPACE {keyspace}"), ()).await?;
    session.await_schema_agreement().await?;
    Ok(())
}

/// Commits the beginning of every partition, as the only member of a group.
async fn again_from_the_start<L: Log>(log: &L, group: Group, topic: Topic) -> anyhow::Result<()> {
    let all = topic.all_partitions().count();
    let mut member = log.join(group, topic).await?;
    let mut owned = Vec::new();
    // Members that ended a moment ago still hold theirs for a session.
    while owned.len() < all {
        match member.next().await? {
            Delivery::Assigned(partitions) => owned.extend(partitions),
            Delivery::Revoked(gone) => owned.retain(|partition| !gone.contains(partition)),
            Delivery::Records(_) => {}
        }
    }
    let bounds = log.bounds(topic).await?;
    ensure!(bounds.len() == all, "partitions of a topic are missing");
    let start = |partition: &schemas::topic::Partition| {
        let range = bounds.get(usize::from(partition.0)).context("no such partition")?;
        anyhow::Ok((*partition, Offset(range.start.0)))
    };
    let offsets = owned.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    member.commit(&offsets).await?;
    Ok(())
}
