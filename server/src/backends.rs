//! Opens log and store, or reaches the process that has them open.

use std::{path::PathBuf, time::Duration};

use storage::{
    any::{AnyLog, AnyStore, LogPlace, StorePlace},
    cql::CqlStore,
    embedded::{Clock, Embedded, EmbeddedConfig, OpenError, system_clock},
    kafka::KafkaLog,
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
    /// There is no directory to copy from.
    #[error("there is no data directory at {dir}: name the one that `anshin` has kept")]
    NoDirectory {
        /// Where none is.
        dir: PathBuf,
    },
    /// Kafka can't be used.
    #[error(transparent)]
    Kafka(#[from] storage::kafka::OpenError),
    /// The CQL store can't be used.
    #[error(transparent)]
    Cql(#[from] storage::cql::CqlError),
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

impl BackendError {
    /// 64 where the configuration is to blame, 69 where what it names can't be had.
    pub fn exit_code(&self) -> u8 {
        use storage::{cql::CqlError, kafka::OpenError as Kafka};
        match self {
            BackendError::Url(_)
            | BackendError::Kafka(
                Kafka::PlainText { .. } | Kafka::File { .. } | Kafka::Settings { .. },
            )
            | BackendError::Cql(CqlError::PlainText { .. } | CqlError::File { .. }) => 64,
            _ => 69,
        }
    }
}

/// Opens log and store for roles: this process holds the directories.
pub async fn open(config: &Config, clock: Clock) -> Result<Backends, BackendError> {
    let (log_at, store_at) =
        (LogPlace::parse(&config.log.url)?, StorePlace::parse(&config.store.url)?);
    let wait = Duration::from_secs(config.startup.wait_seconds);
    let how = EmbeddedConfig { retention_days: config.retention.days, clock: clock.clone() };
    let mut held: Vec<(PathBuf, Embedded)> = Vec::new();
    let log = match log_at {
        LogPlace::Kafka(brokers) => {
            AnyLog::Kafka(KafkaLog::open(config.kafka.log(brokers), wait).await?)
        }
        LogPlace::Embedded(dir) => {
            let embedded = Embedded::open(&dir, how.clone()).await?;
            held.push((dir, embedded.clone()));
            AnyLog::Embedded(embedded.log())
        }
    };
    let store = match store_at {
        StorePlace::Cql(hosts, keyspace) => {
            let cql = config.cql.store((hosts, keyspace), config.retention.days, clock);
            AnyStore::Cql(CqlStore::connect(cql, wait).await?)
        }
        StorePlace::Embedded(dir) => match held.first() {
            Some((log_dir, embedded)) if *log_dir == dir => AnyStore::Embedded(embedded.store()),
            _ => {
                let embedded = Embedded::open(&dir, how).await?;
                held.push((dir, embedded.clone()));
                AnyStore::Embedded(embedded.store())
            }
        },
    };
    Ok(Backends { log, store, held: held.into_iter().map(|(_, embedded)| embedded).collect() })
}

/// Opens log and store for a tool: where another process holds a directory, through its socket.
pub async fn open_or_reach(config: &Config) -> Result<Backends, BackendError> {
    match open(config, system_clock()).await {
        Err(BackendError::Open(OpenError::InUse { .. })) => {}
        opened => return opened,
    }
    let reach = async |dir: PathBuf| {
        let reached = Remote::connect(&dir).await;
        reached.map_err(|source| BackendError::Unreachable { dir, source })
    };
    // A directory is in use; whatever is none is opened as ever.
    let wait = Duration::from_secs(config.startup.wait_seconds);
    let log = match LogPlace::parse(&config.log.url)? {
        LogPlace::Embedded(dir) => AnyLog::Remote(reach(dir).await?),
        LogPlace::Kafka(brokers) => {
            AnyLog::Kafka(KafkaLog::open(config.kafka.log(brokers), wait).await?)
        }
    };
    let store = match StorePlace::parse(&config.store.url)? {
        StorePlace::Embedded(dir) => AnyStore::Remote(reach(dir).await?),
        StorePlace::Cql(hosts, keyspace) => {
            let place = (hosts, keyspace);
            let cql = config.cql.store(place, config.retention.days, system_clock());
            AnyStore::Cql(CqlStore::connect(cql, wait).await?)
        }
    };
    Ok(Backends { log, store, held: Vec::new() })
}

/// The log for ingest: where an append has to be durable or to have failed before LINE gives up.
pub async fn log_for_webhooks(config: &Config, log: &AnyLog) -> Result<AnyLog, BackendError> {
    let LogPlace::Kafka(brokers) = LogPlace::parse(&config.log.url)? else {
        return Ok(log.clone());
    };
    let mut kafka = config.kafka.log(brokers);
    kafka.delivery_deadline = Duration::from_millis(config.ingest.limits.append_deadline_ms);
    let wait = Duration::from_secs(config.startup.wait_seconds);
    Ok(AnyLog::Kafka(KafkaLog::open(kafka, wait).await?))
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
