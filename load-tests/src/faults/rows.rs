//! The faults, by the names of the fault matrix.

mod ingest;
mod links;
mod loss;
mod nodes;
mod planning;
mod processor;
mod sending;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{servers::Nodes, world::World};

/// A fault, and what must hold.
pub(super) struct Row {
    /// Of the matrix.
    pub(super) name: &'static str,
    /// What is broken.
    pub(super) fault: &'static str,
    /// What holds nevertheless.
    pub(super) promise: &'static str,
    /// On how many nodes of Kafka and Cassandra.
    pub(super) nodes: Nodes,
    /// How often the long run tries it.
    pub(super) trials: usize,
    /// One trial.
    pub(super) run: for<'a> fn(&'a mut World) -> BoxFuture<'a, anyhow::Result<()>>,
}

const NO_200: &str = "no 200 without durability; what is not acknowledged is stored once";
const SPOOLED: &str = "200 after the spool has it, 503 where it is full; it is drained in order";
const ONE_ROW: &str = "offsets follow rows: each scan is one row, whoever writes it";
const WAITS: &str = "the write is tried again, nothing is committed before; webhooks go on";
const ONE_PLAN: &str = "people come from one sealed plan";
const BARRIER: &str = "a plan waits for every scan that was acknowledged";
const ONCE: &str = "everybody once, nobody twice";
const HEALS: &str = "nothing is lost or doubled; it heals";

/// All of them, in the order in which they are tried.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "W1",
        fault: "ingest killed under traffic",
        promise: NO_200,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::killed(world)),
    },
    Row {
        name: "W8 killed",
        fault: "Kafka killed, started again",
        promise: SPOOLED,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_killed(world)),
    },
    Row {
        name: "W8 stopped",
        fault: "Kafka stopped for 10 s",
        promise: SPOOLED,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_stopped(world)),
    },
    Row {
        name: "W8 silent",
        fault: "ingest to Kafka: a black hole",
        promise: SPOOLED,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_silent(world)),
    },
    Row {
        name: "W8 slow",
        fault: "ingest to Kafka: answers 1.5 s late",
        promise: SPOOLED,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_slow(world)),
    },
    Row {
        name: "W8 narrow",
        fault: "ingest to Kafka: 2 KB a second",
        promise: SPOOLED,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_narrow(world)),
    },
    Row {
        name: "W9 full",
        fault: "Kafka away until the spool is full",
        promise: "503, never a false 200; not ready; well again afterwards",
        nodes: Nodes::One,
        trials: 30,
        run: |world| Box::pin(ingest::spool_full(world)),
    },
    Row {
        name: "W9 damaged",
        fault: "a killed ingest's spool: a torn end, a flipped byte",
        promise: "what is whole is drained; damage is kept in quarantine",
        nodes: Nodes::One,
        trials: 30,
        run: |world| Box::pin(ingest::spool_damaged(world)),
    },
    Row {
        name: "C1 killed",
        fault: "processors killed in turn",
        promise: ONE_ROW,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(processor::killed(world)),
    },
    Row {
        name: "C1 zombie",
        fault: "a processor stopped past its session, then going on",
        promise: ONE_ROW,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(processor::zombie(world)),
    },
    Row {
        name: "C2",
        fault: "records that can't be read",
        promise: "kept in `rejected` with their cause; nothing blocks",
        nodes: Nodes::One,
        trials: 30,
        run: |world| Box::pin(processor::poison(world)),
    },
    Row {
        name: "C3 killed",
        fault: "Cassandra killed, started again",
        promise: WAITS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(processor::store_killed(world)),
    },
    Row {
        name: "C3 stopped",
        fault: "Cassandra stopped for 10 s",
        promise: WAITS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(processor::store_stopped(world)),
    },
    Row {
        name: "C3 late",
        fault: "Cassandra's answers 5 s late",
        promise: WAITS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(processor::store_late(world)),
    },
    Row {
        name: "J3",
        fault: "the planner stopped, another takes over, the first goes on",
        promise: ONE_PLAN,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(planning::two_planners(world)),
    },
    Row {
        name: "J4 log",
        fault: "a job while scans are in Kafka and no processor runs",
        promise: BARRIER,
        nodes: Nodes::One,
        trials: 30,
        run: |world| Box::pin(planning::scans_in_the_log(world)),
    },
    Row {
        name: "J4 spool",
        fault: "a job while scans are in spools",
        promise: BARRIER,
        nodes: Nodes::One,
        trials: 30,
        run: |world| Box::pin(planning::scans_in_spools(world)),
    },
    Row {
        name: "N1",
        fault: "the sender killed in the middle, three times",
        promise: ONCE,
        nodes: Nodes::One,
        trials: 200,
        run: |world| Box::pin(sending::killed(world)),
    },
    Row {
        name: "N2",
        fault: "LINE fails one request in five",
        promise: ONCE,
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(sending::line_fails(world)),
    },
    Row {
        name: "N8",
        fault: "the sender stopped, another takes over, the first goes on",
        promise: ONCE,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(sending::zombie(world)),
    },
    Row {
        name: "N9",
        fault: "a job cancelled in the middle",
        promise: "no request after those under way; totals add up",
        nodes: Nodes::One,
        trials: 100,
        run: |world| Box::pin(sending::cancelled(world)),
    },
    Row {
        name: "P1 cut",
        fault: "each link cut in turn",
        promise: HEALS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(links::cut(world)),
    },
    Row {
        name: "P1 one way",
        fault: "on each link in turn answers vanish",
        promise: HEALS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(links::answers_lost(world)),
    },
    Row {
        name: "P1 short",
        fault: "on each link in turn connections end in the middle of an answer",
        promise: HEALS,
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(links::answers_cut_short(world)),
    },
    Row {
        name: "P3",
        fault: "SIGTERM to each process in turn",
        promise: "exit code 0 in time; nothing is lost",
        nodes: Nodes::One,
        trials: 50,
        run: |world| Box::pin(links::terminated(world)),
    },
    Row {
        name: "P5",
        fault: "the keyspace dropped in the middle of a job, made again from the log",
        promise: "the job stops and asks; nobody twice; rows come back from the log",
        nodes: Nodes::One,
        trials: 10,
        run: |world| Box::pin(loss::store_lost(world)),
    },
    Row {
        name: "W8 of three",
        fault: "one of three brokers killed",
        promise: "nothing is lost or doubled; a job is planned and sent meanwhile",
        nodes: Nodes::Three,
        trials: 100,
        run: |world| Box::pin(nodes::broker_killed(world)),
    },
    Row {
        name: "C4",
        fault: "one of three nodes of the store killed",
        promise: "two of three are enough: for rows, a plan, a job",
        nodes: Nodes::Three,
        trials: 50,
        run: |world| Box::pin(nodes::node_killed(world)),
    },
];

/// So long a server or a link that hangs is away at least.
const AWAY: Duration = Duration::from_secs(10);

/// People come while something is away, and there is a look at it; then all is well again, and a job
/// asks for them.
async fn while_away(
    (world, row): (&mut World, &str),
    away: impl AsyncFnOnce(&World) -> anyhow::Result<()>,
    at_least: Duration,
    look: impl FnOnce(&mut World, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let evening = world.evening(60, row);
    let noise = world.noise();
    noise.more(10).await?;
    let begun = Instant::now();
    away(world).await?;
    let refused = world.send(&evening).all().await?;
    look(world, refused)?;
    tokio::time::sleep_until(begun + at_least).await;
    world.servers.heal().await?;
    world.tell(&evening).await?;
    noise.end().await
}
