//! Records that can't be read; visitors' answers.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use schemas::{
    rejected::{Original, RejectCause, Rejected},
    scan::Scan,
    time::EventTime,
    topic::Topic,
    wire::WireRecord,
};
use storage::{Append, Log, Reader, Record, any::AnyLog};
use tokio::time::Instant;

use super::Scene;
use crate::{
    crash::town::Town,
    faults::traffic::{JOB_VENUES, Sending},
    platform::{faults::Fault, webhooks::Redelivery},
};

const PEOPLE: usize = 60;
/// LINE's events may be a day ahead.
const DAY: i64 = 24 * 3_600_000;

/// W10: a receipt is worth nothing beside a check-in.
pub(super) async fn replies_fail(scene: &mut Scene) -> anyhow::Result<()> {
    use Fault::*;
    let replies = |town: &Town| {
        let journal = town.platform.journal.lock();
        journal.requests.iter().filter(|request| request.endpoint == "reply").count()
    };
    let town = scene.town();
    let evening = town.evening(PEOPLE, "W10");
    {
        let mut faults = town.platform.faults.lock();
        let mix = [
            (TokenUsed, 0.15),
            (TooFast, 0.15),
            (ErrorBefore, 0.1),
            (ErrorAfter, 0.1),
            (ResetBefore, 0.1),
            (ResetAfter, 0.1),
            (HangBefore, 0.1),
            (HangAfter, 0.1),
            (Unauthorized, 0.05),
        ];
        for (fault, share) in mix {
            faults.share("reply", fault, share);
        }
    }
    let before = replies(town);
    town.tell(&evening).await?;
    // Those that are tried at all have been tried once nothing more comes for a while.
    let (mut tried, mut since) = (replies(town), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = replies(town);
        if now != tried {
            (tried, since) = (now, Instant::now());
        }
    }
    let (tried, events) = (tried - before, evening.events.len());
    // A token that LINE does not honour is asked for anew and the same reply sent once more: LINE has
    // surely not taken the first.
    let journal = town.platform.journal.lock().clone();
    let unauthorized = journal.requests.iter().filter(|r| r.endpoint == "reply" && r.status == 401);
    let allowed = events + unauthorized.count();
    town.promise(tried > 0, "nobody was answered");
    let what = format!("{tried} replies were tried for {events} events");
    town.promise(tried <= allowed, what);
    for visitor in &evening.visitors {
        let user = visitor.user_id();
        let got = journal.replies.iter().filter(|reply| reply.user == user).count();
        let did = evening.events.iter().filter(|event| event.user == user).count();
        town.promise(got <= did, format!("{got} replies to somebody who did {did} things"));
    }
    let accepted = journal.replies.len();
    scene.say(format!("{events} events, {tried} replies tried; {accepted} taken since the start"));
    Ok(())
}

/// C2: written by nobody, by a later version, with keys that nobody has, or too early.
pub(super) async fn poison(scene: &mut Scene) -> anyhow::Result<()> {
    const EACH: usize = 3;
    let town = scene.town();
    let evening = town.evening(PEOPLE, "C2");
    let before = town.rejected().await?;
    let noise = town.strangers(600);
    let first = vec![noise[0].clone()];
    Sending::begin(&town.sender, first.into_iter()).all().await?;
    let good = some_scan(&AnyLog::Remote(town.reach().await?)).await?;
    let noise = Sending::begin(&town.sender, noise.into_iter().skip(1));
    let mut records = vec![already_rejected(&good)];
    for n in 0..EACH as i64 {
        let mut later: [u8; 64] = town.source.rng.random();
        later[0] = Scan::VERSION + 90;
        let mut malformed = [0xff; 64];
        malformed[0] = Scan::VERSION;
        for value in [later, malformed] {
            let key: [u8; 16] = town.source.rng.random();
            let (key, value) = (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value));
            records.push(Append { topic: Topic::Scans, key, value });
        }
        // Somebody at a place of the job, in its window, whom no key opens: a row, and nobody.
        let mut scan = Scan::decode(&good.value)?;
        scan.venue = town.venue(0)?;
        scan.scanned_at = EventTime(evening.job.from + 60_000 + n);
        scan.epoch = scan.scanned_at.epoch();
        scan.pseudonym = schemas::identity::Pseudonym(town.source.rng.random());
        scan.reply_token = None;
        town.planted(0, scan.scanned_at.0);
        records.push(Append { topic: Topic::Scans, key: scan.key(), value: scan.encode() });
    }
    for result in town.reach().await?.append(records).await {
        result?;
    }
    // So far ahead that it is not believed yet.
    let early = town.source.visitor();
    let at = town.platform.clock.now() + DAY + 2_000;
    let early = [town.source.scan(&early, JOB_VENUES, at)];
    let status = town.sender.deliver(&early, Redelivery::First, Instant::now()).await.status;
    town.promise(status == 200, format!("an event that is too early was answered {status}"));
    town.tell(&evening).await?;
    noise.all().await?;
    town.caught_up().await?;
    let kept = town.rejected().await? - before;
    // Two kinds of records, the event, and the one that was there already.
    let wanted = 2 * EACH + 2;
    town.promise(kept == wanted, format!("{kept} of {wanted} are in `rejected`"));
    while town.platform.clock.now() + DAY < at {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rows = town.rows().await?;
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut command = scene.world.life.process.command();
        let output = command.args(["rejected", "replay"]).output()?;
        let words = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let what = format!("replay ended with {:?} and said {words:?}", output.status.code());
        scene.town().promise(output.status.success(), what);
        said.push(words);
        scene.town().caught_up().await?;
        let now = scene.town().rows().await?;
        let what = format!("{rows} rows became {now}, not one more");
        scene.town().promise(now == rows + 1, what);
    }
    scene.say(format!("{kept} rejected; replay said {:?}", said[0]));
    let same = said[0] == said[1] && said[0].starts_with("2 replayed");
    scene.town().promise(same, format!("replay said {said:?}"));
    Ok(())
}

/// A scan that is in the log.
async fn some_scan<L: Log>(log: &L) -> anyhow::Result<Record> {
    for (partition, range) in Topic::Scans.all_partitions().zip(log.bounds(Topic::Scans).await?) {
        if range.is_empty() {
            continue;
        }
        let mut reader = log.read(Topic::Scans, partition, range.start).await?;
        if let Some(record) = reader.next().await?.into_iter().next() {
            return Ok(record);
        }
    }
    anyhow::bail!("there is no scan in the log")
}

/// As an earlier version has left what it could not read, and this one can.
fn already_rejected(good: &Record) -> Append {
    let (position, key, value) = (good.position, good.key.clone(), good.value.clone());
    let (topic, partition, offset) = (position.topic, position.partition, position.offset);
    let original = Original::Record { topic, partition, offset, key, value };
    let (cause, at) = (RejectCause::UnknownVersion, EventTime(good.appended_at));
    let record = Rejected { cause, at, original };
    Append { topic: Topic::Rejected, key: record.key(), value: record.encode() }
}
