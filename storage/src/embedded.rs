//! The log and the store of one machine, in one directory.
//!
//! ```text
//!  <dir>/format        version of this layout
//!  <dir>/lock          held while a process uses the directory; its pid inside
//!  <dir>/acknowledged  how far writes were acknowledged: see `journal`
//!  <dir>/socket        where tools reach the process that holds the directory
//!  <dir>/db/           the engine (fjall): `*.jnl` journals, `keyspaces/` tables
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `writer` | one thread turns everything to be written into batches, one fsync each |
//! | `log` | appends, readers, groups |
//! | `store` | pages of rows |
//! | `row` | how rows merge, how keys are ordered |
//! | `dump` | every row of a table, for whoever moves it elsewhere |
//! | `journal` | tells a torn tail from corruption |
//!
//! Every log record lies in the keyspace of its topic under (partition, offset); every row in the
//! keyspace of its table, or of its table and event day. Group commit: whatever waits when a batch
//! begins shares its fsync.

mod dump;
mod journal;
mod log;
pub(crate) mod row;
mod store;
mod writer;

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions,
    config::{BlockSizePolicy, FilterPolicy},
};
use parking_lot::RwLock;
use schemas::{
    time::{DAY_MS, EventTime},
    topic::Topic,
};
use tokio::sync::watch;

pub use self::{
    dump::{DumpPosition, Dumped, RowBytes},
    log::{EmbeddedLog, EmbeddedMember, EmbeddedReader},
    store::EmbeddedStore,
};
use crate::{
    error::{Kind, LogError, StoreError},
    rows::visits::SCANS,
    sabotage,
};

/// The layout that this build reads and writes.
const FORMAT: &str = "anshin data directory, format 1\n";
/// Bytes of a block of `scans`, of which a whole hour is read at once. 500 rows in a table of
/// 20,000,000 took 1.19 of the time that they took in one of 1,000,000 with the engine's 4 kB, and
/// 0.95 with this, on the same machine.
const SCANS_BLOCK: u32 = 16 << 10;
/// How often old records and days are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(15 * 60);

/// Tells the time in ms since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// The clock of the machine.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let ms = since.map_or(0, |since| since.as_millis());
        EventTime(i64::try_from(ms).unwrap_or(i64::MAX)).plus(sabotage::clock_ahead_ms())
    })
}

/// How a data directory is used.
#[derive(Clone)]
pub struct EmbeddedConfig {
    /// Rows of retained tables, and records of `scans` and `visitors`, live for so many days.
    pub retention_days: u32,
    /// What time it is.
    pub clock: Clock,
}

impl std::fmt::Debug for EmbeddedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedConfig")
            .field("retention_days", &self.retention_days)
            .finish_non_exhaustive()
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { retention_days: 28, clock: system_clock() }
    }
}

/// A data directory that can't be opened. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error(
        "data directory {dir} is in use by another process{holder}: stop that one, or use another directory"
    )]
    InUse {
        /// Which.
        dir: PathBuf,
        /// ` (pid 123)` where known.
        holder: String,
    },
    /// Made by a later version.
    #[error(
        "data directory {dir} has a format that this version does not know: use the version that wrote it, or a later one"
    )]
    UnknownFormat {
        /// Which.
        dir: PathBuf,
    },
    /// It can't be made, read or written.
    #[error("data directory {dir} can't be used: {source}: check path, owner and free space")]
    Io {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that was acknowledged is not there any more.
    #[error(
        "{file} is damaged: writes that were acknowledged are missing; nothing was changed: restore the data directory from a backup, or bring back the file"
    )]
    Damaged {
        /// The file, or the directory where no single file is known.
        file: PathBuf,
    },
    /// The engine can't start.
    #[error("data directory {dir} can't be opened: {source}: restore it from a backup")]
    Engine {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: fjall::Error,
    },
}

/// A data directory in use: one log and one store.
///
/// Dropping the last clone, and the last handle made from it, flushes and closes it.
#[derive(Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
    /// Closes when the writer thread has ended.
    ended: watch::Receiver<()>,
}

/// What the writer thread, the log and the store share.
struct Shared {
    dir: PathBuf,
    db: Database,
    /// Where records are, by topic.
    topics: Vec<Keyspace>,
    config: EmbeddedConfig,
    work: tokio::sync::mpsc::Sender<writer::Work>,
    /// By topic and partition: first offset that is there, and the one after the last.
    bounds: RwLock<Vec<Vec<std::ops::Range<u64>>>>,
    /// Raised whenever records of a topic were appended; by topic.
    appended: Vec<watch::Sender<u64>>,
    groups: log::Groups,
    /// Set when writing has failed for good.
    failed: watch::Sender<bool>,
    /// Ends the sweep when the directory is closed.
    _sweep: tokio_util::sync::DropGuard,
    /// Held by the writer thread too, until it has closed the engine.
    lock: Arc<File>,
}

impl Embedded {
    /// Opens a data directory, making it where there is none. Needs a tokio runtime.
    pub async fn open(dir: impl Into<PathBuf>, config: EmbeddedConfig) -> Result<Self, OpenError> {
        let dir = dir.into();
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(dir, config));
        let (shared, inbox, sweep) = opening.await.map_err(|error| OpenError::Io {
            dir: PathBuf::new(),
            source: std::io::Error::other(error),
        })??;
        let (running, ended) = watch::channel(());
        let writer = writer::Writer::new(&shared);
        std::thread::Builder::new()
            .name("anshin-writer".to_owned())
            .spawn(move || {
                writer.run(inbox);
                drop(running);
            })
            .map_err(|source| OpenError::Io { dir: shared.dir.clone(), source })?;
        let work = shared.work.downgrade();
        tokio::spawn(sweep.run_until_cancelled_owned(async move {
            let mut tick = tokio::time::interval(SWEEP_EVERY);
            loop {
                tick.tick().await;
                let Some(work) = work.upgrade() else { return };
                let (done, _) = tokio::sync::oneshot::channel();
                if work.send(writer::Work::Sweep { done }).await.is_err() {
                    return;
                }
            }
        }));
        Ok(Self { shared, ended })
    }

    /// Closes the directory, and waits until it is free for the next. Every log and store made
    /// from it must have been dropped.
    pub async fn close(self) {
        let Self { shared, mut ended } = self;
        drop(shared);
        // An error says that the thread is gone: what we wait for.
        while ended.changed().await.is_ok() {}
    }

    #[allow(clippy::type_complexity)]
    fn open_blocking(
        dir: PathBuf,
        config: EmbeddedConfig,
    ) -> Result<
        (
            Arc<Shared>,
            tokio::sync::mpsc::Receiver<writer::Work>,
            tokio_util::sync::CancellationToken,
        ),
        OpenError,
    > {
        let io = |source| OpenError::Io { dir: dir.clone(), source };
        fs::create_dir_all(&dir).map_err(io)?;
        let lock = lock(&dir)?;
        check_format(&dir)?;
        let db = journal::open_checked(&dir)?;
        let engine = |source| OpenError::Engine { dir: dir.clone(), source };
        let topics = log::keyspaces(&db).map_err(engine)?;
        let mut bounds = Vec::new();
        for (topic, keyspace) in Topic::ALL.into_iter().zip(&topics) {
            bounds.push(log::bounds_of(keyspace, topic).map_err(engine)?);
        }
        let groups = log::Groups::load(&db).map_err(engine)?;
        let (work, inbox) = tokio::sync::mpsc::channel(writer::QUEUE);
        let sweep = tokio_util::sync::CancellationToken::new();
        let shared = Shared {
            db,
            topics,
            config,
            work,
            bounds: RwLock::new(bounds),
            appended: Topic::ALL.iter().map(|_| watch::Sender::new(0)).collect(),
            groups,
            failed: watch::Sender::new(false),
            _sweep: sweep.clone().drop_guard(),
            lock: Arc::new(lock),
            dir,
        };
        Ok((Arc::new(shared), inbox, sweep))
    }

    /// The log in the directory.
    pub fn log(&self) -> EmbeddedLog {
        EmbeddedLog::new(Arc::clone(&self.shared))
    }

    /// The store in the directory.
    pub fn store(&self) -> EmbeddedStore {
        EmbeddedStore::new(Arc::clone(&self.shared))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Returns when writing has failed for good: nothing is taken on from then on. Never, while the
    /// directory is well.
    pub async fn failed(&self) {
        let mut failed = self.shared.failed.subscribe();
        // The sender lives as long as we do.
        let _ = failed.wait_for(|failed| *failed).await;
    }

    /// Drops what is past retention, now. Happens by itself every quarter of an hour.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let (done, answer) = tokio::sync::oneshot::channel();
        self.shared.send(writer::Work::Sweep { done }).map_err(Failure::into_store)?;
        answer.await.unwrap_or(Err(Failure::Closed)).map_err(Failure::into_store)
    }
}

impl Shared {
    fn send(&self, work: writer::Work) -> Result<(), Failure> {
        self.work.try_send(work).map_err(|error| match error {
            tokio::sync::mpsc::error::TrySendError::Full(_) => Failure::Saturated,
            tokio::sync::mpsc::error::TrySendError::Closed(_) => Failure::Closed,
        })
    }

    /// Rows whose write timestamp (µs) is below this are past retention.
    fn oldest_kept(&self) -> i64 {
        let now = (self.config.clock)();
        now.plus(-i64::from(self.config.retention_days) * DAY_MS).micros()
    }
}

/// Why a write or a read of the engine failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Too much waits already.
    Saturated,
    /// The writer has ended.
    Closed,
    /// The engine failed; it takes no writes from now on.
    Engine(String),
    /// The input is wrong.
    Invalid(String),
}

impl Failure {
    fn engine(dir: &Path, error: &fjall::Error) -> Self {
        let why = match error {
            fjall::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                "no space is left: free some and start again".to_owned()
            }
            fjall::Error::Storage(error) => {
                format!(
                    "a table under {} is damaged ({error}): restore it from a backup",
                    dir.join("db/keyspaces").display()
                )
            }
            error => format!("{error}: look at the disk, then start again"),
        };
        Self::Engine(format!("data directory {}: {why}", dir.display()))
    }

    fn parts(self) -> (Kind, String) {
        match self {
            Self::Saturated => (Kind::Saturated, "too many writes wait already".to_owned()),
            Self::Closed => (Kind::Fatal, "the data directory is closed".to_owned()),
            Self::Engine(message) => (Kind::Fatal, message),
            Self::Invalid(message) => (Kind::Invalid, message),
        }
    }

    fn into_log(self) -> LogError {
        let (kind, message) = self.parts();
        LogError::new(kind, message)
    }

    fn into_store(self) -> StoreError {
        let (kind, message) = self.parts();
        StoreError::new(kind, message)
    }
}

/// For the model, which merges rows as the engine does.
pub(crate) fn into_store(failure: Failure) -> StoreError {
    failure.into_store()
}

/// The keyspace of a name, made where it is not there yet.
fn keyspace_in(db: &Database, name: &str) -> fjall::Result<Keyspace> {
    db.keyspace(name, || {
        let options = KeyspaceCreateOptions::default();
        if name.starts_with(log::PREFIX) {
            // Records are read from an offset on, never looked for.
            return options.filter_policy(FilterPolicy::disabled());
        }
        match row::day_of_keyspace(name) {
            Some((_, table)) if table == SCANS.name => {
                options.data_block_size_policy(BlockSizePolicy::all(SCANS_BLOCK))
            }
            _ => options,
        }
    })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io { dir: dir.to_owned(), source };
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Only for the message.
            let _ = file.read_to_string(&mut pid);
            let holder = match pid.trim() {
                "" => String::new(),
                pid => format!(" (pid {pid})"),
            };
            return Err(OpenError::InUse { dir: dir.to_owned(), holder });
        }
        Err(fs::TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).map_err(io)?;
    write!(file, "{}", std::process::id()).map_err(io)?;
    Ok(file)
}

fn check_format(dir: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { dir: dir.to_owned(), source };
    let path = dir.join("format");
    match fs::read_to_string(&path) {
        Ok(text) if text == FORMAT => Ok(()),
        Ok(_) => Err(OpenError::UnknownFormat { dir: dir.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut file = File::create(&path).map_err(io)?;
            file.write_all(FORMAT.as_bytes()).map_err(io)?;
            file.sync_all().map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}
