//! The process: killed at a point, or when something has come about, and started again at once.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::time::Instant;

use crate::{
    cluster::{Process, Variables},
    platform::Platform,
};

const SIGKILL: i32 = 9;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A point that has not been reached so long after everything else was done is not reached.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// When this process kills it, where it does not do so itself.
type Condition = Box<dyn FnMut() -> bool + Send>;
/// What a crash leaves behind that a killed process does not.
type Damage = fn(&Path) -> anyhow::Result<()>;

/// The process and what is to become of it.
pub struct Life {
    /// The process.
    pub process: Process,
    /// How often it was killed.
    pub deaths: usize,
    /// When it was, by the stand-in's clock.
    pub died_at: Vec<i64>,
    platform: Arc<Platform>,
    ahead_ms: i64,
    dir: PathBuf,
    sabotage: PathBuf,
    /// Ends at this many deaths.
    until: usize,
    kill_when: Option<Condition>,
    damage: Option<Damage>,
}

impl Life {
    /// A process on a directory; it does not run yet.
    pub fn new(
        binary: &Path,
        dir: &Path,
        variables: &Variables,
        platform: Arc<Platform>,
    ) -> anyhow::Result<Self> {
        let mut process = Process::alone(binary, dir, variables)?;
        let sabotage = dir.join("sabotage");
        process.set("ANSHIN_SABOTAGE", &sabotage.display().to_string());
        Ok(Self {
            process,
            deaths: 0,
            died_at: Vec::new(),
            platform,
            ahead_ms: 0,
            dir: dir.to_owned(),
            sabotage,
            until: 0,
            kill_when: None,
            damage: None,
        })
    }

    /// What is to happen in it from now on, until it has died `times` times.
    pub fn arm(&mut self, lines: &[String], times: usize) -> anyhow::Result<()> {
        self.until = self.deaths + times;
        // Whole or not at all: it is read at any moment.
        let making = self.sabotage.with_extension("new");
        fs::write(&making, lines.join("\n"))?;
        fs::rename(making, &self.sabotage)?;
        Ok(())
    }

    /// Kills it once something has come about.
    pub fn kill_when(&mut self, condition: impl FnMut() -> bool + Send + 'static) {
        self.until = self.until.max(self.deaths + 1);
        self.kill_when = Some(Box::new(condition));
    }

    /// Kills it now, and puts its clock and the stand-in's forward before it is started again.
    pub async fn sleeps(&mut self, ms: i64) -> anyhow::Result<()> {
        self.process.kill();
        self.platform.clock.advance(ms);
        self.ahead_ms += ms;
        self.process.set("ANSHIN_CLOCK_AHEAD_MS", &self.ahead_ms.to_string());
        self.comes_back()?;
        self.process.ready().await
    }

    /// Kills it now, and lets something become of its directory before it is started again.
    pub async fn dies(
        &mut self,
        and: impl FnOnce(&mut Process, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.process.kill();
        and(&mut self.process, &self.dir)?;
        self.comes_back()?;
        self.process.ready().await
    }

    /// It was told to end, and has; it is started again.
    pub fn ended_well(&mut self) -> anyhow::Result<()> {
        self.comes_back()
    }

    /// Kills it now; from its next start on its clock is so far from the stand-in's, either way.
    pub async fn is_off_by(&mut self, ms: i64) -> anyhow::Result<()> {
        let off = (self.ahead_ms + ms).to_string();
        self.dies(|process, _| {
            process.set("ANSHIN_CLOCK_AHEAD_MS", &off);
            Ok(())
        })
        .await
    }

    /// Whether its clock is not the machine's any more.
    pub fn has_slept(&self) -> bool {
        self.ahead_ms > 0
    }

    /// Damages what it leaves at its next death.
    pub fn damage(&mut self, damage: Damage) {
        self.damage = Some(damage);
    }

    /// Works while it dies and comes back, until all is done and it has died as often as it was to.
    pub async fn live<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let done = tokio::select! {
            done = work => done?,
            failed = self.tend(None) => return Err(failed),
        };
        if self.deaths < self.until {
            // Unless the time is up.
            let why = self.tend(Some(Instant::now() + REACHED_WITHIN)).await;
            if self.deaths < self.until {
                return Err(why);
            }
        }
        self.rest()?;
        Ok(done)
    }

    /// Nothing is to happen to it any more.
    pub fn rest(&mut self) -> anyhow::Result<()> {
        self.until = self.deaths;
        self.kill_when = None;
        self.damage = None;
        match fs::remove_file(&self.sabotage) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Why it can't go on; or, with a deadline, that it has died often enough by then, or has not.
    async fn tend(&mut self, deadline: Option<Instant>) -> anyhow::Error {
        loop {
            if let Some(status) = self.process.ended() {
                if status.signal() != Some(SIGKILL) {
                    let last = self.process.last_words();
                    return anyhow::anyhow!("the process ended by itself ({status}): {last:?}");
                }
                if let Err(error) = self.comes_back() {
                    return error;
                }
            }
            if self.kill_when.as_mut().is_some_and(|condition| condition()) {
                self.kill_when = None;
                self.process.kill();
                if let Err(error) = self.comes_back() {
                    return error;
                }
            }
            if deadline.is_some_and(|at| self.deaths >= self.until || Instant::now() > at) {
                return anyhow::anyhow!("the point was not reached");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn comes_back(&mut self) -> anyhow::Result<()> {
        self.deaths += 1;
        self.died_at.push(self.platform.clock.now());
        if let Some(damage) = self.damage.take() {
            damage(&self.dir).context("it can't be damaged")?;
        }
        if self.deaths >= self.until {
            self.rest()?;
        }
        self.process.start()
    }
}
