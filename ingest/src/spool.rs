//! The spool: where records wait, fsynced, while the log takes none.
//!
//! ```text
//!  <dir>/id            names the spool for as long as the directory lives
//!  <dir>/lock          held while a process uses it
//!  <dir>/0000000001.spool …   segments, oldest first: frames of one request's records each
//!  <dir>/quarantine/   frames that can't be read, or that the log refuses for good
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `segment` | frames: written, read back, a torn tail told from damage |
//! | `writer` | one thread: whatever waits shares an fsync |
//! | `drain` | segments back into the log, oldest first; answers the read barrier |
//!
//! A segment is deleted when the log has all of it; after a crash in between it is appended again,
//! which makes no second row. A directory that a dead process left is drained by the next that
//! gets it.

mod drain;
mod segment;
mod writer;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use schemas::time::EventTime;
use serde::Deserialize;
use storage::Append;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

pub use self::drain::{DrainError, announce, drain};
use self::writer::Work;
use crate::metrics;

/// Requests that may wait for the writer; one more is refused.
const WAITING: usize = 4_096;

/// Where the spool is, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// Its directory; empty: there is none.
    pub dir: PathBuf,
    /// Bytes, at most.
    pub max_bytes: u64,
}

impl SpoolConfig {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.dir.as_os_str().is_empty() && !self.dir.is_absolute() {
            problems.push("spool.dir must be an absolute directory, or empty".to_owned());
        }
        if !(1 << 20..=1 << 40).contains(&self.max_bytes) {
            problems.push(format!(
                "spool.max_bytes is {}; allowed: {} to {}",
                self.max_bytes,
                1 << 20,
                1_u64 << 40
            ));
        }
        problems
    }
}

/// A spool that can't be used. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("spool directory {0} is in use by another process: each process needs one of its own")]
    InUse(PathBuf),
    /// It can't be read or written.
    #[error("spool directory {dir} can't be used: {source}: check path, owner and free space")]
    Io {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds as much as it may.
    #[error("the spool is full")]
    Full,
    /// It is being closed.
    #[error("the spool is closed")]
    Closed,
}

/// How much waits in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Requests whose records wait.
    pub frames: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// When the oldest was taken in.
    pub oldest: Option<EventTime>,
}

/// A spool in use.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: Uuid,
    dir: PathBuf,
    max_bytes: u64,
    work: mpsc::Sender<Work>,
    waiting: watch::Sender<Waiting>,
    /// The log took nothing when it was last tried.
    log_is_down: AtomicBool,
    full: watch::Sender<bool>,
    next_segment: AtomicU64,
    _lock: File,
}

impl Spool {
    /// Opens the spool of a directory, making it where there is none.
    pub fn open(config: &SpoolConfig, now: EventTime) -> Result<Self, SpoolError> {
        let dir = config.dir.clone();
        let io = |source| SpoolError::Io { dir: dir.clone(), source };
        fs::create_dir_all(dir.join("quarantine")).map_err(io)?;
        let lock = File::create(dir.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(SpoolError::InUse(dir)),
            Err(fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        let id = identity(&dir).map_err(io)?;
        let mut waiting = Waiting::default();
        let mut last = 0;
        for (number, path) in segment::list(&dir).map_err(io)? {
            let read = segment::read(&path).map_err(io)?;
            waiting.frames += read.frames.len() as u64;
            waiting.bytes += fs::metadata(&path).map_err(io)?.len();
            if waiting.oldest.is_none() && !read.frames.is_empty() {
                waiting.oldest = read.frames.first().map(|frame| frame.at).or(Some(now));
            }
            last = number;
        }
        if waiting.frames > 0 {
            tracing::warn!(
                frames = waiting.frames,
                bytes = waiting.bytes,
                "an earlier process left records in the spool; they are drained first"
            );
        }
        let (work, inbox) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            id,
            dir: dir.clone(),
            max_bytes: config.max_bytes,
            work,
            log_is_down: AtomicBool::new(waiting.frames > 0),
            waiting: watch::Sender::new(waiting),
            full: watch::Sender::new(false),
            next_segment: AtomicU64::new(last + 1),
            _lock: lock,
        });
        let writer = writer::Writer::new(Arc::downgrade(&shared));
        std::thread::Builder::new()
            .name("anshin-spool".to_owned())
            .spawn(move || writer.run(inbox))
            .map_err(io)?;
        Ok(Self { shared })
    }

    /// Its name in the log.
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Takes in the records of one request; durable when `Ok`.
    pub async fn put(&self, records: &[Append], at: EventTime) -> Result<(), SpoolError> {
        let frame = segment::encode(records, at);
        let (done, answer) = oneshot::channel();
        self.shared.work.try_send(Work::Put { frame, at, done }).map_err(|_| SpoolError::Full)?;
        answer.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// How much waits, now and whenever it changes.
    pub fn waiting(&self) -> watch::Receiver<Waiting> {
        self.shared.waiting.subscribe()
    }

    /// Whether the spool has refused something for want of space, and has not been drained since.
    pub fn full(&self) -> watch::Receiver<bool> {
        self.shared.full.subscribe()
    }

    /// Whether the log is known to take nothing: asking it first would only cost time.
    pub fn log_is_down(&self) -> bool {
        self.shared.log_is_down.load(Ordering::Relaxed)
    }

    /// Notes that a record found no place here either. Where nothing is drained, nobody else would
    /// find out that the log is back.
    pub fn holds_nothing(&self) {
        if self.shared.waiting.borrow().frames == 0 {
            self.shared.log_is_down.store(false, Ordering::Relaxed);
        }
    }

    /// Notes that the log did not take what it was given. Draining finds out when it does again.
    pub fn log_is_away(&self) {
        self.shared.log_is_down.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// A frame is in: counted before anybody is told so.
    fn came_in(&self, bytes: u64, at: EventTime) {
        self.waiting.send_modify(|waiting| {
            waiting.frames += 1;
            waiting.bytes += bytes;
            waiting.oldest = waiting.oldest.or(Some(at));
        });
        ::metrics::counter!(metrics::SPOOL_RECORDS, "op" => "in").increment(1);
        self.report();
    }

    fn went_out(&self, frames: u64, bytes: u64, oldest: Option<EventTime>) {
        self.waiting.send_modify(|waiting| {
            waiting.frames = waiting.frames.saturating_sub(frames);
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
            waiting.oldest = oldest.filter(|_| waiting.frames > 0);
        });
        self.full.send_replace(false);
        ::metrics::counter!(metrics::SPOOL_RECORDS, "op" => "out").increment(frames);
        self.report();
    }

    fn report(&self) {
        ::metrics::gauge!(metrics::SPOOL_BYTES).set(self.waiting.borrow().bytes as f64);
    }
}

/// Reads the spool's name, or gives it one.
fn identity(dir: &Path) -> std::io::Result<Uuid> {
    let path = dir.join("id");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(std::io::Error::other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = Uuid::new_v4();
            let fresh = dir.join("id.new");
            fs::write(&fresh, id.to_string())?;
            File::open(&fresh)?.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(dir)?.sync_all()?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}
