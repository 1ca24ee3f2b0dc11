//! Opens log and store, or reaches the process that has them open.

use std::path::PathBuf;

use storage::{
    any::{AnyLog, AnyStore, embedded_dir},
    embedded::{Clock, Embedded, EmbeddedConfig, OpenError, system_clock},
    remote::Remote,
};

use crate::config::Config;

/// Log and store, and the directories that this process holds for them.
pub struct Backends {
    /// Where records go.
    pub log: AnyLog,
    /// Where rows go.
    pub store: AnyStore,
    /// Held directories: one for both, or one each.
    pub held: Vec<Embedded>,
}

/// Log or store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The URL names none.
    #[error(transparent)]
    Url(#[from] storage::any::UrlError),
    /// The directory can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The process that holds the directory does not answer.
    #[error(
        "data directory {dir} is in use, and the process that holds it can't be reached: {source}: look whether that process is well"
    )]
    Unreachable {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Opens log and store for roles: this process holds the directories.
pub async fn open(config: &Config, clock: Clock) -> Result<Backends, BackendError> {
    let (log_dir, store_dir) = (embedded_dir(&config.log.url)?, embedded_dir(&config.store.url)?);
    let how = EmbeddedConfig { retention_days: config.retention.days, clock };
    let first = Embedded::open(&log_dir, how.clone()).await?;
    let log = AnyLog::Embedded(first.log());
    if log_dir == store_dir {
        let store = AnyStore::Embedded(first.store());
        return Ok(Backends { log, store, held: vec![first] });
    }
    let second = Embedded::open(&store_dir, how).await?;
    let store = AnyStore::Embedded(second.store());
    Ok(Backends { log, store, held: vec![first, second] })
}

/// Opens log and store for a tool: where another process holds a directory, through its socket.
pub async fn open_or_reach(config: &Config) -> Result<Backends, BackendError> {
    match open(config, system_clock()).await {
        Err(BackendError::Open(OpenError::InUse { .. })) => {}
        opened => return opened,
    }
    let reach = async |url: &str| {
        let dir = embedded_dir(url)?;
        let reached = Remote::connect(&dir).await;
        reached.map_err(|source| BackendError::Unreachable { dir, source })
    };
    let log = AnyLog::Remote(reach(&config.log.url).await?);
    let store = AnyStore::Remote(reach(&config.store.url).await?);
    Ok(Backends { log, store, held: Vec::new() })
}

impl Backends {
    /// Closes the held directories, and waits until they are free.
    pub async fn close(self) {
        let Self { log, store, held } = self;
        drop((log, store));
        for embedded in held {
            embedded.close().await;
        }
    }
}
