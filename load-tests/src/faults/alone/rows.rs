//! The faults, by the names of the fault matrix.

use futures_util::future::BoxFuture;

use super::{Scene, attack, disk, ending, officials, planning, records, sending, webhooks};

/// Which build of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// What ships.
    Product,
    /// The one with kill points in it.
    Breakable,
}

/// What the process has around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// What the trial before left.
    Shared,
    /// A directory of its own.
    Own,
    /// A directory of its own on a small file system: only where there is time, and leave to mount.
    SmallDisk,
}

/// A fault, and what must hold.
pub(super) struct Row {
    /// Of the matrix.
    pub(super) name: &'static str,
    /// What is broken.
    pub(super) fault: &'static str,
    /// What holds nevertheless.
    pub(super) promise: &'static str,
    /// Of which build.
    pub(super) binary: Binary,
    /// Where.
    pub(super) surroundings: Surroundings,
    /// How many evenings a trial has.
    pub(super) evenings: i64,
    /// How often the long run tries it.
    pub(super) trials: usize,
    /// One trial.
    pub(super) run: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, anyhow::Result<()>>,
}

impl Row {
    const fn on(self, binary: Binary) -> Self {
        Self { binary, ..self }
    }

    const fn around(self, surroundings: Surroundings) -> Self {
        Self { surroundings, ..self }
    }

    const fn evenings(self, evenings: i64) -> Self {
        Self { evenings, ..self }
    }
}

/// A row of one evening, of the product, in what the trial before left.
macro_rules! row {
    ($name:literal, $fault:literal, $promise:expr, $trials:literal, $run:path) => {
        Row {
            name: $name,
            fault: $fault,
            promise: $promise,
            binary: Binary::Product,
            surroundings: Surroundings::Shared,
            evenings: 1,
            trials: $trials,
            run: |scene| Box::pin($run(scene)),
        }
    };
}

const NO_200: &str = "no 200 without durability; what is not acknowledged is stored once";
const NEVER_5XX: &str = "4xx, or 200 and kept with its cause; never 5xx, no panic";
const BARRIER: &str = "a plan waits for every scan that was acknowledged";
const ONCE: &str = "everybody once, nobody twice";
const ONE_WINS: &str = "the first of the present content wins; nobody approves their own";
const FULL: &str = "503, never a false 200; everything acknowledged is there afterwards";

use Binary::Breakable;
use Surroundings::{Own, SmallDisk};

/// All of them, in the order in which they are tried.
pub(super) const ROWS: &[Row] = &[
    row!("W1", "killed at K1 to K5", NO_200, 100, webhooks::killed).on(Breakable).evenings(6),
    row!(
        "W2",
        "an evening shuffled, each event up to three times",
        "one row for each scan, whatever the order; friends by event time",
        1_000,
        webhooks::shuffled
    ),
    row!(
        "W3",
        "signatures missing, wrong, of something else",
        "401, and nothing is kept",
        100,
        webhooks::forged
    ),
    row!(
        "W4",
        "valid bodies again, at once and 29 days later",
        "no new row, no second reply; counted; past retention kept out",
        20,
        webhooks::replayed
    )
    .on(Breakable)
    .around(Own),
    row!(
        "W5",
        "bodies huge, deep, endless, zipped, unknown, damaged",
        NEVER_5XX,
        100,
        webhooks::odd
    ),
    row!(
        "W6",
        "connections slow, idle, pipelined, ambiguous",
        "given up; all others are answered 200 at once",
        10,
        attack::attacked
    ),
    row!(
        "W7",
        "ten times as many webhooks as usual",
        "each is 200 or 503; nothing is lost",
        20,
        attack::burst
    )
    .around(Own),
    row!("W9 full", "files that may not grow any more", FULL, 30, disk::full).around(Own),
    row!("W9 small", "a file system that is full", FULL, 30, disk::small).around(SmallDisk),
    row!(
        "W9 torn",
        "killed in the middle of a record, of log and spool",
        "what was acknowledged is read, the torn end is not",
        100,
        disk::torn
    )
    .on(Breakable)
    .evenings(3),
    row!(
        "W9 flipped",
        "a flipped byte in the log",
        "refused, and said so; well again with the byte; nothing is lost in silence",
        30,
        disk::flipped
    )
    .around(Own),
    row!(
        "W9 spool",
        "a flipped byte and a torn end in the spool",
        "what is whole is drained; damage is kept in quarantine",
        100,
        disk::spool_damaged
    )
    .on(Breakable),
    row!(
        "W10",
        "the reply API refuses, fails, hangs",
        "check-ins are stored all the same; no reply twice, none tried again",
        50,
        records::replies_fail
    ),
    row!(
        "C2",
        "one record in a hundred can't be read or opened",
        "kept in `rejected` with their cause; nothing blocks; replay repeats no row",
        30,
        records::poison
    )
    .around(Own),
    row!(
        "J1",
        "1,000 requests for a job at once with one key",
        "one job; another body with the key is 409",
        20,
        officials::submitted_often
    ),
    row!(
        "J2 race",
        "approved, edited and approved by its author at once",
        ONE_WINS,
        100,
        officials::race
    ),
    row!("J2 killed", "killed at K15 to K17", ONE_WINS, 100, officials::killed)
        .on(Breakable)
        .evenings(4),
    row!("J4 log", "a job while scans are in the log", BARRIER, 30, planning::scans_in_the_log)
        .on(Breakable),
    row!(
        "J4 spool",
        "a job while scans are in the spool",
        BARRIER,
        30,
        planning::scans_in_the_spool
    )
    .on(Breakable),
    row!(
        "J5",
        "keys made and destroyed between two visits, in two weeks",
        ONCE,
        50,
        planning::keys_change
    ),
    row!(
        "J6",
        "the clock 2 h ahead, then 2 h behind",
        "times are LINE's; no key is given up before its time",
        30,
        planning::clock_is_off
    )
    .on(Breakable)
    .around(Own),
    row!("N1", "killed at K21 to K28, and at a random moment", ONCE, 200, sending::killed)
        .on(Breakable)
        .evenings(10),
    row!("N2", "LINE fails one request in five", ONCE, 500, sending::line_fails),
    row!(
        "N3",
        "LINE takes half as many requests as are configured",
        "slower, no chunk lost, no hot loop",
        50,
        sending::too_fast
    )
    // A sender that has learned from the trial before may be refused nothing.
    .around(Own),
    row!(
        "N4",
        "the month's messages used up, 401, 403",
        "paused with its cause; resumed, it goes on where it was",
        50,
        sending::refused
    ),
    row!(
        "N5",
        "LINE has taken what a restored backup has not tried",
        "409 counts as accepted; nobody twice",
        50,
        disk::restored_before_sending
    )
    .on(Breakable),
    row!(
        "N6",
        "some of 500 people are refused",
        "they alone are invalid; at most 18 more requests for each",
        50,
        sending::some_invalid
    ),
    row!(
        "N7",
        "no answer for 23 h 30",
        "nothing is sent any more; the exact count is undecided",
        20,
        sending::a_day_passes
    )
    .on(Breakable)
    .around(Own)
    .evenings(2),
    row!(
        "N9",
        "a job cancelled in the middle",
        "no request after those under way; totals add up; no resuming",
        200,
        sending::cancelled
    ),
    row!(
        "P3",
        "SIGTERM under traffic and during a job",
        "exit code 0; whoever asks while it is ready is answered 200",
        100,
        ending::terminated
    ),
    row!("P4 killed", "killed at random moments", ONCE, 1_000, ending::killed)
        .on(Breakable)
        .evenings(2),
    row!(
        "P4 restored",
        "killed while alerts go out; a backup of that moment restored later",
        ONCE,
        100,
        disk::restored_while_sending
    ),
];
