//! Where it is killed, by the names of the kill points.

use std::{fs, path::Path, pin::pin, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rand::RngExt;
use schemas::{scan::Scan, time::EventTime, topic::Topic, wire::WireRecord};
use storage::{Append, Log, any::AnyLog};
use tokio::time::Instant;

use super::{
    life::Life,
    town::{Town, World},
};
use crate::platform::{Platform, faults::Fault};

/// People of an evening: enough for both ways of sending, both languages, and for some who take
/// back, ask to be forgotten or block the account.
const PEOPLE: usize = 40;
/// Few enough for all requests to be on their way at the same time.
const FEW: usize = 10;
/// More than may be told in a second.
const MANY: usize = 70;
/// An evening and its job take about so long.
const EVENING_TAKES: Duration = Duration::from_millis(600);
/// More than the weeks of keys that there are ahead.
const LONG_AGO: i64 = 70 * 24 * 3_600_000;

type Run = for<'a> fn(&'a mut World, &'static Point, u64) -> BoxFuture<'a, anyhow::Result<()>>;

/// Where it is killed.
pub struct Point {
    /// Its name, and what has come about there.
    pub name: &'static str,
    /// What it needs in the binary.
    pub in_binary: &'static [&'static str],
    /// How many passes are let by, at most.
    pub at_most: u64,
    /// One trial; told how many passes are let by.
    pub run: Run,
}

impl Point {
    /// `K12`.
    pub fn short(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }

    /// What arms it.
    fn lines(&self, lets_by: u64) -> Vec<String> {
        let line = |name: &&str| match name.starts_with("kill point") {
            true => format!("{name}={lets_by}"),
            false => (*name).to_owned(),
        };
        self.in_binary.iter().map(line).collect()
    }
}

/// A kill point that an evening and its job pass often enough.
macro_rules! passed {
    ($name:literal, $at_most:literal) => {
        passed!($name, $at_most, |world, point, lets_by| Box::pin(evening(world, point, lets_by)))
    };
    ($name:literal, $at_most:literal, $run:expr) => {
        Point {
            name: $name,
            in_binary: &[concat!("kill point ", $name)],
            at_most: $at_most,
            run: $run,
        }
    };
}

/// A kill point of the spool, which takes webhooks while the log is away.
macro_rules! spooled {
    ($name:literal, $passed:literal, $at_most:literal, $run:expr) => {
        Point {
            name: $name,
            in_binary: &[concat!("kill point ", $passed), "fault the log is away"],
            at_most: $at_most,
            run: $run,
        }
    };
}

/// A moment that this process sees from outside.
const fn outside(name: &'static str, at_most: u64, run: Run) -> Point {
    Point { name, in_binary: &[], at_most, run }
}

/// All of them.
pub static POINTS: &[Point] = &[
    passed!("K1 head read, body not", 30),
    passed!("K2 signature checked", 30),
    passed!("K3 handed over, not durable", 30),
    passed!("K4 durable, not answered", 30),
    outside("K5 answered", 30, |world, _, lets_by| Box::pin(answered(world, lets_by))),
    spooled!("K6 half spooled", "K7 spooled, not fsynced", 5, |world, point, lets_by| {
        world.life.damage(tear_spool);
        Box::pin(evening(world, point, lets_by))
    }),
    spooled!("K7 spooled, not fsynced", "K7 spooled, not fsynced", 5, |world, point, lets_by| {
        Box::pin(evening(world, point, lets_by))
    }),
    spooled!("K8 spooled, not answered", "K8 spooled, not answered", 5, |world, point, lets_by| {
        Box::pin(evening(world, point, lets_by))
    }),
    spooled!("K9 drained, not deleted", "K9 drained, not deleted", 0, |world, point, lets_by| {
        Box::pin(evening(world, point, lets_by))
    }),
    passed!("K10 polled", 4),
    passed!("K11 half written", 4),
    passed!("K12 written, not committed", 4),
    passed!("K13 committed", 2),
    passed!("K14 rejected, not committed", 0, |world, point, lets_by| {
        Box::pin(rejected(world, point, lets_by))
    }),
    passed!("K15 asked, not logged", 1),
    passed!("K16 logged, not answered", 1),
    passed!("K17 approved, not answered", 0),
    passed!("K18 half planned", 1),
    passed!("K19 planned, not sealed", 0),
    passed!("K20 sealed", 0),
    passed!("K21 nothing attempted", 1),
    passed!("K22 attempted, not sent", 1),
    outside("K23 request on its way", 0, |world, _, _| {
        Box::pin(unanswered(world, Fault::HangBefore))
    }),
    outside("K24 accepted, answer not read", 0, |world, _, _| {
        Box::pin(unanswered(world, Fault::HangAfter))
    }),
    passed!("K25 answered, not noted", 8),
    passed!("K26 noted, not told", 8),
    passed!("K27 between halves", 2, |world, point, lets_by| {
        Box::pin(between_halves(world, point, lets_by))
    }),
    passed!("K28 resolved, not completed", 0),
    passed!("K29 half forgotten", 1),
    passed!("K30 keys written, not in place", 0, |world, point, _| {
        Box::pin(keys_destroyed(world, point))
    }),
    passed!("K31 on disk, not noted", 30, |world, point, lets_by| {
        world.life.damage(tear_journal);
        Box::pin(evening(world, point, lets_by))
    }),
    passed!("K32 days swept, records not", 0, |world, point, _| Box::pin(at_start(world, point))),
    outside("N7 a day without an answer", 0, |world, _, _| Box::pin(a_day_passes(world))),
    outside("I6 two jobs at once", 0, |world, _, _| Box::pin(two_jobs(world))),
    outside("J5 people of two weeks", 0, |world, point, _| Box::pin(two_weeks(world, point))),
    outside("random", 0, |world, _, _| Box::pin(at_random(world))),
];

/// Dies at the point somewhere in an evening and its job.
async fn evening(world: &mut World, point: &'static Point, lets_by: u64) -> anyhow::Result<()> {
    world.life.arm(&point.lines(lets_by), 1)?;
    let evening = world.town.evening(PEOPLE, point.short());
    world.life.live(world.town.tell(&evening)).await
}

/// K5: some webhooks have been answered.
async fn answered(world: &mut World, lets_by: u64) -> anyhow::Result<()> {
    let platform = std::sync::Arc::clone(&world.town.platform);
    let before = platform.journal.lock().events.len();
    world.life.kill_when(move || {
        let journal = platform.journal.lock();
        let answered = journal.events[before..].iter().filter(|event| event.acknowledged);
        answered.count() as u64 > lets_by
    });
    let evening = world.town.evening(PEOPLE, "K5");
    world.life.live(world.town.tell(&evening)).await
}

/// K14: records that nobody can read are among the others.
async fn rejected(world: &mut World, point: &'static Point, lets_by: u64) -> anyhow::Result<()> {
    const POISON: usize = 5;
    let before = processor::rejected::list(&AnyLog::Remote(world.town.reach().await?)).await?.len();
    world.life.arm(&point.lines(lets_by), 1)?;
    let evening = world.town.evening(PEOPLE, point.short());
    let town = &mut world.town;
    let work = async {
        // They are appended before it dies of them, whether or not it says so.
        poison(town, POISON).await?;
        town.tell(&evening).await
    };
    world.life.live(work).await?;
    world.life.process.ready().await?;
    let after = processor::rejected::list(&AnyLog::Remote(world.town.reach().await?)).await?.len();
    let kept = after - before;
    world.town.promise(kept >= POISON, format!("{kept} of {POISON} are in `rejected`"));
    Ok(())
}

async fn poison(town: &mut Town, count: usize) -> anyhow::Result<()> {
    let records = (0..count).map(|_| {
        let mut value: [u8; 64] = town.source.rng.random();
        value[0] = Scan::VERSION + 90;
        let key: [u8; 16] = town.source.rng.random();
        let (key, value) = (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value));
        Append { topic: Topic::Scans, key, value }
    });
    let records: Vec<_> = records.collect();
    // Its answer may be lost with the process.
    let _ = town.reach().await?.append(records).await;
    Ok(())
}

/// K23, K24: LINE has begun with requests, and does not answer.
async fn unanswered(world: &mut World, fault: Fault) -> anyhow::Result<()> {
    let platform = std::sync::Arc::clone(&world.town.platform);
    {
        let mut faults = platform.faults.lock();
        faults.next("multicast", &[fault]);
        faults.next("push", &[fault; 3]);
    }
    let before = platform.journal.lock().requests.len();
    world.life.kill_when(move || {
        let journal = platform.journal.lock();
        let hanging = journal.requests[before..].iter().filter(|request| request.status == 0);
        hanging.count() >= 4
    });
    let evening = world.town.evening(PEOPLE, "unanswered");
    world.life.live(world.town.tell(&evening)).await
}

/// K27: LINE refuses somebody of a multicast, so that it is split.
async fn between_halves(
    world: &mut World,
    point: &'static Point,
    lets_by: u64,
) -> anyhow::Result<()> {
    world.life.arm(&point.lines(lets_by), 1)?;
    let evening = world.town.evening(PEOPLE, point.short());
    // The first of an evening is a friend, and stays one.
    let user = evening.visitors[0].user_id();
    world.town.platform.people.lock().of(&user).refused = true;
    world.town.refused.insert(user);
    world.life.live(world.town.tell(&evening)).await
}

/// K30: keys of weeks past retention are destroyed, whole or not at all.
async fn keys_destroyed(world: &mut World, point: &'static Point) -> anyhow::Result<()> {
    use std::os::unix::process::ExitStatusExt;

    let dir = tempfile::tempdir()?;
    let (file, places) = (dir.path().join("keys.json"), dir.path().join("places.json"));
    let (now, days) = (world.town.platform.clock.now(), world.town.config.retention.days);
    server::keys::init(&file, &places, EventTime(now - LONG_AGO), days)?;
    server::keys::rotate(&file, EventTime(now), days)?;
    let before = server::keys::read_ring(&file)?.epochs().count();
    let destroy = |life: &Life| {
        let mut command = life.process.command();
        command.args(["keys", "destroy"]).env("ANSHIN__KEYS__FILE", &file).output()
    };
    world.life.arm(&point.lines(0), 0)?;
    let killed = destroy(&world.life)?.status.signal();
    let kept = server::keys::read_ring(&file)?.epochs().count();
    world.life.rest()?;
    let again = destroy(&world.life)?.status.code();
    let left = server::keys::read_ring(&file)?.epochs().count();
    world.town.promise(killed == Some(9), "the point was never reached");
    world.town.promise(kept == before, format!("{kept} of {before} keys were left by a crash"));
    world.town.promise(again == Some(0), format!("destroying keys again: {again:?}"));
    world.town.promise(left < before, "no key was destroyed");
    world.life.deaths += usize::from(killed == Some(9));
    Ok(())
}

/// K32: what is done at every start dies, too.
async fn at_start(world: &mut World, point: &'static Point) -> anyhow::Result<()> {
    world.life.arm(&point.lines(0), 2)?;
    let evening = world.town.evening(PEOPLE, point.short());
    let begun = Instant::now();
    world.life.kill_when(move || begun.elapsed() > EVENING_TAKES / 3);
    world.life.live(world.town.tell(&evening)).await
}

/// N7: LINE accepts and does not answer, fails when it is asked again before its day is over, and
/// has forgotten the keys after that. Nobody may be told then, and officials are asked.
async fn a_day_passes(world: &mut World) -> anyhow::Result<()> {
    const HOUR: i64 = 3_600_000;
    let platform = std::sync::Arc::clone(&world.town.platform);
    let faults = |fault| {
        let mut faults = platform.faults.lock();
        faults.clear();
        for endpoint in ["multicast", "push"] {
            faults.share(endpoint, fault, 1.0);
        }
    };
    // Requests since then that were answered so, and how many people they were for.
    let since = |at: usize, status: u16| {
        let journal = platform.journal.lock();
        let sending = journal.requests[at..].iter().filter(|r| r.status == status && r.people > 0);
        let sending = sending.filter(|request| request.endpoint != "reply");
        sending.fold((0, 0), |(count, people), one| (count + 1, people + one.people as u64))
    };
    let evening = world.town.evening(FEW, "N7");
    world.town.send(&evening).await?;
    faults(Fault::HangAfter);
    let at = platform.journal.lock().requests.len();
    let job = world.town.approve(&evening).await?;
    // Everybody's request is on its way.
    let planned = world.town.wait_for(&job, |view| view.progress.targeted > 0).await?;
    reached(&platform, || since(at, 0).1 >= planned.progress.targeted).await?;
    let (requests, _) = since(at, 0);
    faults(Fault::ErrorBefore);
    let at = platform.journal.lock().requests.len();
    world.life.sleeps(23 * HOUR).await?;
    reached(&platform, || since(at, 500).0 >= 2 * requests).await?;
    platform.faults.lock().clear();
    world.life.sleeps(HOUR + HOUR / 6).await?;
    let undecided = world.town.given_up(&job).await?;
    world.town.promise(undecided > 0, "nobody is undecided a day after");
    Ok(())
}

/// Waits until LINE has been asked for something.
async fn reached(platform: &Platform, mut about: impl FnMut() -> bool) -> anyhow::Result<()> {
    let coming = async {
        loop {
            // From here on no request goes unnoticed.
            let mut asked = pin!(platform.asked.notified());
            asked.as_mut().enable();
            if about() {
                return;
            }
            asked.await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(30), coming);
    within.await.context("LINE is not asked")
}

/// I6: one governor for all that is sent.
async fn two_jobs(world: &mut World) -> anyhow::Result<()> {
    let begun = Instant::now();
    world.life.kill_when(move || begun.elapsed() > EVENING_TAKES / 6);
    let town = &mut world.town;
    let both = [town.evening(MANY, "I6"), town.evening(MANY, "I6")];
    let work = async {
        for evening in &both {
            town.send(evening).await?;
        }
        let mut jobs = Vec::new();
        for evening in &both {
            jobs.push(town.approve(evening).await?);
        }
        for job in &jobs {
            town.completed(job).await?;
        }
        Ok(())
    };
    world.life.live(work).await
}

/// J5: somebody who came in two weeks has two pseudonyms, and is one person.
async fn two_weeks(world: &mut World, point: &'static Point) -> anyhow::Result<()> {
    let (begun, after) = (Instant::now(), world.town.source.rng.random_range(0.0..1.0));
    world.life.kill_when(move || begun.elapsed() > EVENING_TAKES.mul_f64(after));
    let evening = world.town.two_weeks(FEW, point.short());
    world.life.live(world.town.tell(&evening)).await
}

/// At any moment of an evening whose alerts meet errors.
async fn at_random(world: &mut World) -> anyhow::Result<()> {
    let town = &mut world.town;
    {
        let mut faults = town.platform.faults.lock();
        for endpoint in ["multicast", "push"] {
            for fault in [Fault::ErrorBefore, Fault::ErrorAfter, Fault::ResetAfter] {
                faults.share(endpoint, fault, 0.03);
            }
        }
    }
    let (begun, after) = (Instant::now(), town.source.rng.random_range(0.0..1.0));
    world.life.kill_when(move || begun.elapsed() > EVENING_TAKES.mul_f64(after));
    let evening = world.town.evening(PEOPLE, "random");
    world.life.live(world.town.tell(&evening)).await
}

/// Cuts the last bytes of the spool: of frames that were not acknowledged.
fn tear_spool(dir: &Path) -> anyhow::Result<()> {
    let spool = fs::read_dir(dir.join("spools"))?.flatten().map(|entry| entry.path());
    let newest = spool.filter(|path| path.extension().is_some_and(|x| x == "spool")).max();
    if let Some(segment) = newest {
        let file = fs::File::options().write(true).open(&segment)?;
        file.set_len(file.metadata()?.len().saturating_sub(3))?;
    }
    Ok(())
}

/// Begins one more batch behind the last one of the journal, as a crash in the middle of a write
/// leaves it. The engine lays the file out in advance, with zeros.
fn tear_journal(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::FileExt;

    let journals = fs::read_dir(dir.join("data/db"))?.flatten().map(|entry| entry.path());
    let newest = journals.filter(|path| path.extension().is_some_and(|x| x == "jnl")).max();
    if let Some(journal) = newest {
        let bytes = fs::read(&journal)?;
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let file = fs::File::options().write(true).open(&journal)?;
        // The first batch is longer than this: what is begun does not end.
        file.write_all_at(&bytes[..100.min(end)], end as u64)?;
    }
    Ok(())
}
