//! Disks that are full or damaged, and backups.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::ensure;
use rand::RngExt;
use tokio::time::Instant;

use super::Scene;
use crate::{
    faults::{damage, traffic::Sending},
    platform::webhooks::sign,
};

const PEOPLE: usize = 40;
/// In a long evening alerts are still going out a while later.
const MANY: usize = 100;
/// No file may grow beyond 64 MiB, which the engine's journal has from the start, and a little more.
const BLOCKS: usize = 131_080;
/// A journal, and a little more.
const SMALL: &str = "size=80m";
const LARGE: &str = "remount,size=1g";
/// A body of about this size that nobody can read is kept.
const BODY: usize = 1_000_000;
/// Longer than it takes to give up.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// W9: a process that is not allowed larger files, which is a full disk that needs no file system.
pub(super) async fn full(scene: &mut Scene) -> anyhow::Result<()> {
    let product = crate::cluster::product()?;
    let limited = scene.world.town.dir.join("limited");
    let script =
        format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f {BLOCKS}\nexec {} \"$@\"\n", product.display());
    fs::write(&limited, script)?;
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755))?;
    let taken = fills_up(scene, |process| {
        process.run_with(&limited);
        Ok(())
    })
    .await?;
    // As somebody does who has made room.
    scene.world.life.process.run_with(&product);
    well_again(scene, taken).await
}

/// W9: a small file system under the data directory.
pub(super) async fn small(scene: &mut Scene) -> anyhow::Result<()> {
    let data = scene.world.town.dir.join("data");
    let taken = fills_up(scene, |_| Ok(())).await?;
    mount(&["-o", LARGE], &data)?;
    well_again(scene, taken).await
}

/// Delivers until the disk takes no more: each is 200 or 503, and the process ends. How many bodies
/// that can't be read are kept by then.
async fn fills_up(
    scene: &mut Scene,
    prepare: impl FnOnce(&mut crate::cluster::Process) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    scene
        .world
        .life
        .dies(|process, _| {
            // The spool holds one of these, and no second one.
            process.set("ANSHIN__SPOOL__MAX_BYTES", &(1 << 20).to_string());
            prepare(process)
        })
        .await?;
    let evening = scene.town().evening(PEOPLE, "W9");
    scene.town().tell(&evening).await?;
    scene.town().caught_up().await?;
    let before = scene.town().rejected().await?;
    let secret = scene.town().platform.channel.lock().secret.clone();
    let body = "x".repeat(BODY);
    let signature = sign(&secret, body.as_bytes());
    let http = reqwest::Client::new();
    let (mut taken, mut refused) = (0, 0);
    while taken < 2_000 {
        let request = http.post(&scene.world.town.webhook).header("x-line-signature", &signature);
        match request.body(body.clone()).send().await.map(|answer| answer.status().as_u16()) {
            Ok(200) => taken += 1,
            Ok(503) => refused += 1,
            Ok(other) => scene.town().promise(false, format!("a full disk was answered {other}")),
            // It is going, or has gone.
            Err(_) => break,
        }
    }
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = scene.world.life.process.ended() {
            break status;
        }
        ensure!(begun.elapsed() < ENDS_WITHIN, "a process that can't write stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let said = scene.world.life.process.last_words().join("\n");
    let well = status.code() == Some(1) && said.contains("data directory");
    scene.town().promise(well, format!("it ended with {status}: {said}"));
    scene.say(format!("{taken} bodies of 1 MB were answered 200, {refused} 503"));
    Ok(before + taken)
}

/// There is room again: everything that was acknowledged is there, and a job reaches everybody.
async fn well_again(scene: &mut Scene, wanted: usize) -> anyhow::Result<()> {
    scene.world.life.ended_well()?;
    scene.world.life.process.ready().await?;
    let begun = Instant::now();
    let mut kept = 0;
    // What is in the spool comes a little later.
    while kept < wanted && begun.elapsed() < ENDS_WITHIN {
        kept = scene.town().rejected().await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let what = format!("{wanted} bodies were acknowledged, {kept} are there");
    scene.town().promise(kept >= wanted, what);
    let evening = scene.town().evening(PEOPLE, "W9");
    scene.town().tell(&evening).await
}

/// A small file system for the data directory of a world that is to be opened.
pub(super) struct SmallDisk {
    data: PathBuf,
}

impl SmallDisk {
    pub(super) fn mount(dir: &Path) -> anyhow::Result<Self> {
        let data = dir.join("data");
        fs::create_dir_all(&data)?;
        mount(&["-t", "tmpfs", "-o", SMALL, "tmpfs"], &data)?;
        Ok(Self { data })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever has failed may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.data).status();
    }
}

fn mount(arguments: &[&str], on: &Path) -> anyhow::Result<()> {
    let output = Command::new("mount").args(arguments).arg(on).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mount {arguments:?}: {said}");
    Ok(())
}

/// Whether a file system can be mounted here at all.
pub(super) fn can_mount(dir: &Path) -> bool {
    SmallDisk::mount(&dir.join("may-mount")).is_ok()
}

/// W9: what was being written when it was killed.
pub(super) async fn torn(scene: &mut Scene) -> anyhow::Result<()> {
    scene.killed_at(&["K6", "K31"]).await
}

/// W9: a disk that has changed its mind about a byte.
pub(super) async fn flipped(scene: &mut Scene) -> anyhow::Result<()> {
    let flips = if scene.full { 10 } else { 4 };
    let evening = scene.town().evening(PEOPLE, "W9");
    scene.town().send(&evening).await?;
    scene.town().caught_up().await?;
    let data = scene.world.town.dir.join("data");
    let mut refusals = 0;
    for _ in 0..flips {
        scene.world.life.process.kill();
        let (journal, end) = damage::journal(&data)?;
        let at = scene.town().source.rng.random_range(0..end);
        let bits = 1 << scene.town().source.rng.random_range(0..8);
        damage::flip(&journal, at, bits)?;
        let before = fs::read(&journal)?;
        scene.world.life.ended_well()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = scene.world.life.process.ended() {
                break Some(status);
            }
            if scene.world.life.process.is_ready().await {
                break None;
            }
            ensure!(begun.elapsed() < ENDS_WITHIN, "it neither ends nor becomes ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let place = format!("byte {at} of {end}, bits {bits:#04x}");
        let Some(status) = status else {
            // Nothing may be missing then: what it cut off was not acknowledged.
            let broken = scene.world.judge().await?;
            let broken = broken.into_iter().map(|what| format!("{place}: {what}"));
            scene.world.town.broken.extend(broken);
            continue;
        };
        refusals += 1;
        let said = scene.world.life.process.last_words().join("\n");
        let named = status.code() == Some(69) && said.contains("from a backup");
        scene.town().promise(named, format!("{place}: it ended with {status}: {said}"));
        let same = fs::read(&journal)? == before;
        scene.town().promise(same, format!("{place}: it changed what it refused"));
        damage::flip(&journal, at, bits)?;
        scene.world.life.ended_well()?;
        scene.world.life.process.ready().await?;
    }
    scene.say(format!(
        "{refusals} of {flips} flips were refused; the others hit nothing that counts"
    ));
    let job = scene.town().approve(&evening).await?;
    scene.town().completed(&job).await
}

/// W9: the spool that a killed process left is not whole.
pub(super) async fn spool_damaged(scene: &mut Scene) -> anyhow::Result<()> {
    let lines = ["fault the log is away", "fault the spool waits"].map(str::to_owned);
    scene.world.life.arm(&lines, 0)?;
    let evening = scene.town().evening(PEOPLE, "W9");
    Sending::begin(&scene.world.town.sender, evening.events.clone().into_iter()).all().await?;
    let spool = scene.world.town.dir.join("spools");
    let before = damage::quarantined(&spool);
    scene.world.life.process.kill();
    scene.world.life.rest()?;
    damage::spool(&spool)?;
    scene.world.life.ended_well()?;
    scene.world.life.process.ready().await?;
    let job = scene.town().approve(&evening).await?;
    scene.town().completed(&job).await?;
    let after = damage::quarantined(&spool);
    let what = format!("the quarantine holds {after} frames, not one more than {before}");
    scene.town().promise(after == before + 1, what);
    Ok(())
}

/// N5: the backup knows of a sealed plan, and of no attempt; LINE has everything.
pub(super) async fn restored_before_sending(scene: &mut Scene) -> anyhow::Result<()> {
    let evening = scene.town().evening(PEOPLE, "N5");
    scene.town().send(&evening).await?;
    scene.world.life.arm(&["kill point K21 nothing attempted=0".to_owned()], 1)?;
    scene.world.life.damage(|dir| {
        // Of the evening before there may be one.
        let _ = fs::remove_dir_all(dir.join("backup"));
        damage::copy(&dir.join("data"), &dir.join("backup"))
    });
    let job = scene.world.life.live(scene.world.town.approve(&evening)).await?;
    scene.town().completed(&job).await?;
    let before = scene.town().platform.journal.lock().requests.len();
    restore(scene).await?;
    let again = scene.town().completed(&job).await;
    let conflicts = {
        let journal = scene.world.town.platform.journal.lock();
        let sending = journal.requests[before..]
            .iter()
            .filter(|request| matches!(request.endpoint.as_str(), "multicast" | "push"));
        let sending: Vec<u16> = sending.map(|request| request.status).collect();
        (sending.iter().filter(|status| **status == 409).count(), sending.len())
    };
    scene.say(format!(
        "after the restore {} of {} requests were answered 409",
        conflicts.0, conflicts.1
    ));
    let what = format!("{} of {} requests were answered 409", conflicts.0, conflicts.1);
    scene.town().promise(conflicts.0 > 0 && conflicts.0 == conflicts.1, what);
    again
}

/// P4: a copy of the directory as a machine that died left it, taken while alerts went out.
pub(super) async fn restored_while_sending(scene: &mut Scene) -> anyhow::Result<()> {
    let evening = scene.town().evening(MANY, "P4");
    scene.town().send(&evening).await?;
    let job = scene.town().approve(&evening).await?;
    let people = scene.town().source.rng.random_range(1..MANY / 3);
    scene.town().until_told(&job, people).await?;
    scene
        .world
        .life
        .dies(|_, dir| {
            let _ = fs::remove_dir_all(dir.join("backup"));
            damage::copy(&dir.join("data"), &dir.join("backup"))
        })
        .await?;
    // It goes on, and is lost later: how far it was is known to LINE alone.
    let later = scene.town().source.rng.random_range(people..MANY / 2);
    scene.town().until_told(&job, later).await?;
    restore(scene).await?;
    // LINE delivers some events once more.
    let events = evening.events.clone();
    Sending::begin(&scene.world.town.sender, events.into_iter().step_by(3)).all().await?;
    scene.town().completed(&job).await
}

/// Kills it, and starts it on the backup.
async fn restore(scene: &mut Scene) -> anyhow::Result<()> {
    scene
        .world
        .life
        .dies(|_, dir| {
            fs::remove_dir_all(dir.join("data"))?;
            damage::copy(&dir.join("backup"), &dir.join("data"))
        })
        .await
}
