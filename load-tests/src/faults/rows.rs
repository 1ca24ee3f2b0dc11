//! The faults, by the names of the fault matrix.

mod ingest;
mod links;
mod loss;
mod planning;
mod processor;
mod sending;

use futures_util::future::BoxFuture;

use super::world::World;

/// A fault, and what must hold.
pub(super) struct Row {
    /// Of the matrix.
    pub(super) name: &'static str,
    /// What is broken.
    pub(super) fault: &'static str,
    /// What holds nevertheless.
    pub(super) promise: &'static str,
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
        trials: 100,
        run: |world| Box::pin(ingest::killed(world)),
    },
    Row {
        name: "W8 killed",
        fault: "Kafka killed, started again",
        promise: SPOOLED,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_killed(world)),
    },
    Row {
        name: "W8 stopped",
        fault: "Kafka stopped for 10 s",
        promise: SPOOLED,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_stopped(world)),
    },
    Row {
        name: "W8 silent",
        fault: "ingest to Kafka: a black hole",
        promise: SPOOLED,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_silent(world)),
    },
    Row {
        name: "W8 slow",
        fault: "ingest to Kafka: answers 1.5 s late",
        promise: SPOOLED,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_slow(world)),
    },
    Row {
        name: "W8 narrow",
        fault: "ingest to Kafka: 2 KB a second",
        promise: SPOOLED,
        trials: 100,
        run: |world| Box::pin(ingest::kafka_narrow(world)),
    },
    Row {
        name: "W9 full",
        fault: "Kafka away until the spool is full",
        promise: "503, never a false 200; not ready; well again afterwards",
        trials: 30,
        run: |world| Box::pin(ingest::spool_full(world)),
    },
    Row {
        name: "W9 damaged",
        fault: "a killed ingest's spool: a torn end, a flipped byte",
        promise: "what is whole is drained; damage is kept in quarantine",
        trials: 30,
        run: |world| Box::pin(ingest::spool_damaged(world)),
    },
    Row {
        name: "C1 killed",
        fault: "processors killed in turn",
        promise: ONE_ROW,
        trials: 100,
        run: |world| Box::pin(processor::killed(world)),
    },
    Row {
        name: "C1 zombie",
        fault: "a processor stopped past its session, then going on",
        promise: ONE_ROW,
        trials: 100,
        run: |world| Box::pin(processor::zombie(world)),
    },
    Row {
        name: "C2",
        fault: "records that can't be read",
        promise: "kept in `rejected` with their cause; nothing blocks",
        trials: 30,
        run: |world| Box::pin(processor::poison(world)),
    },
    Row {
        name: "C3 killed",
        fault: "Cassandra killed, started again",
        promise: WAITS,
        trials: 50,
        run: |world| Box::pin(processor::store_killed(world)),
    },
    Row {
        name: "C3 stopped",
        fault: "Cassandra stopped for 8 s",
        promise: WAITS,
        trials: 50,
        run: |world| Box::pin(processor::store_stopped(world)),
    },
    Row {
        name: "C3 late",
        fault: "Cassandra's answers 5 s late",
        promise: WAITS,
        trials: 50,
        run: |world| Box::pin(processor::store_late(world)),
    },
    Row {
        name: "J3",
        fault: "the planner stopped, another takes over, the first goes on",
        promise: ONE_PLAN,
        trials: 100,
        run: |world| Box::pin(planning::two_planners(world)),
    },
    Row {
        name: "J4 log",
        fault: "a job while scans are in Kafka and no processor runs",
        promise: BARRIER,
        trials: 30,
        run: |world| Box::pin(planning::scans_in_the_log(world)),
    },
    Row {
        name: "J4 spool",
        fault: "a job while scans are in spools",
        promise: BARRIER,
        trials: 30,
        run: |world| Box::pin(planning::scans_in_spools(world)),
    },
    Row {
        name: "N1",
        fault: "the sender killed in the middle, three times",
        promise: ONCE,
        trials: 200,
        run: |world| Box::pin(sending::killed(world)),
    },
    Row {
        name: "N2",
        fault: "LINE fails one request in five",
        promise: ONCE,
        trials: 100,
        run: |world| Box::pin(sending::line_fails(world)),
    },
    Row {
        name: "N8",
        fault: "the sender stopped, another takes over, the first goes on",
        promise: ONCE,
        trials: 50,
        run: |world| Box::pin(sending::zombie(world)),
    },
    Row {
        name: "N9",
        fault: "a job cancelled in the middle",
        promise: "no request after those under way; totals add up",
        trials: 100,
        run: |world| Box::pin(sending::cancelled(world)),
    },
    Row {
        name: "P1 cut",
        fault: "each link cut in turn",
        promise: HEALS,
        trials: 50,
        run: |world| Box::pin(links::cut(world)),
    },
    Row {
        name: "P1 one way",
        fault: "on each link in turn answers vanish",
        promise: HEALS,
        trials: 50,
        run: |world| Box::pin(links::answers_lost(world)),
    },
    Row {
        name: "P1 short",
        fault: "on each link in turn connections end in the middle of an answer",
        promise: HEALS,
        trials: 50,
        run: |world| Box::pin(links::answers_cut_short(world)),
    },
    Row {
        name: "P3",
        fault: "SIGTERM to each process in turn",
        promise: "exit code 0 in time; nothing is lost",
        trials: 50,
        run: |world| Box::pin(links::terminated(world)),
    },
    Row {
        name: "P5",
        fault: "the keyspace dropped in the middle of a job, made again from the log",
        promise: "the job stops and asks; nobody twice; rows come back from the log",
        trials: 10,
        run: |world| Box::pin(loss::store_lost(world)),
    },
];
