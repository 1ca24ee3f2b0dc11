//! The store in a ScyllaDB or Apache Cassandra cluster.
//!
//! ```text
//!  write ──▶ check ──▶ by table and partition ──▶ batches ──▶ ┐
//!  read, delete ─────▶ check ───────────────────────────────▶ ├─▶ session in use ──▶ cluster
//!                                     no node to ask: a fresh session takes its place ┘
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `session` | connects, with time-outs, and comes back after the cluster was away |
//! | `tls` | TLS, always verified |
//! | `statements` | every statement, made from the tables |
//! | `value` | our values on the wire |
//! | `write`, `read` | the calls |
//! | `error` | what goes wrong, as a sentence and as a [`Kind`] |
//! | `schema`, `migrate` | what tables there are; making them |
//!
//! Everything is read and written at `LOCAL_QUORUM`, with our own write timestamps; there are no
//! lightweight transactions. Every request may be repeated: the driver does it on another node where
//! a connection broke, callers do it where an answer did not come.
//!
//! Ties between writes with one timestamp are decided by the greater value, which is the servers'
//! rule too; where rows have a time to live, they look at the later end first.

mod error;
mod migrate;
mod read;
mod schema;
mod session;
mod statements;
mod tls;
mod value;
mod write;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};

use self::session::Sessions;
pub use self::{error::CqlError, migrate::migrate};
use crate::{
    embedded::Clock,
    error::{Kind, StoreError},
    kafka::is_loopback,
    store::{Deletion, Mutation, Page, Query, Store},
};

/// How many requests of one process are under way at a time; others wait.
const IN_FLIGHT: usize = 256;

/// How a cluster is reached.
#[derive(Clone)]
pub struct CqlConfig {
    /// Contact nodes, each `host:port`. One that answers is enough to find the others.
    pub hosts: Vec<String>,
    /// The keyspace that holds our tables.
    pub keyspace: String,
    /// The datacenter to talk to; the first contact node's where none is given.
    pub datacenter: Option<String>,
    /// Rows of retained tables live for so many days.
    pub retention_days: u32,
    /// What time it is.
    pub clock: Clock,
    /// TLS; none: in the clear.
    pub tls: Option<Tls>,
    /// Who we are; none: the cluster asks nobody.
    pub login: Option<Login>,
    /// Whether a link without TLS may lead to another host than loopback.
    pub plain_text_to_any_host: bool,
}

/// How to speak TLS. Certificates are always verified: against the address that is connected to, or
/// one of the contact hosts' names.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the trusted authorities, as PEM; the system's where no file is given. Read
    /// again with every connection.
    pub ca_file: Option<PathBuf>,
}

/// A user of the cluster.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its name.
    pub username: String,
    /// The file that holds its password. Read again with every connection.
    pub password_file: PathBuf,
}

impl std::fmt::Debug for CqlConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CqlConfig")
            .field("hosts", &self.hosts)
            .field("keyspace", &self.keyspace)
            .field("datacenter", &self.datacenter)
            .field("retention_days", &self.retention_days)
            .field("tls", &self.tls)
            .field("login", &self.login)
            .field("plain_text_to_any_host", &self.plain_text_to_any_host)
            .finish_non_exhaustive()
    }
}

impl CqlConfig {
    /// The contact nodes, for messages.
    fn names(&self) -> String {
        self.hosts.join(", ")
    }

    fn check(&self) -> Result<(), CqlError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let name = self.keyspace.as_bytes();
        let good = (1..=48).contains(&name.len())
            && name[0].is_ascii_lowercase()
            && name.iter().copied().all(plain);
        if !good {
            return Err(CqlError::KeyspaceName { keyspace: self.keyspace.clone() });
        }
        self.check_hosts()
    }

    /// Refuses a link that anybody on the way could read, unless it was asked for.
    pub fn check_hosts(&self) -> Result<(), CqlError> {
        let elsewhere = self.hosts.iter().find(|host| !is_loopback(host));
        match elsewhere.filter(|_| self.tls.is_none() && !self.plain_text_to_any_host) {
            Some(host) => Err(CqlError::PlainText { host: host.clone() }),
            None => Ok(()),
        }
    }
}

/// The tables in one keyspace of a cluster.
#[derive(Clone)]
pub struct CqlStore {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Arc<Sessions>,
    admission: Admission,
    retention_days: u32,
    clock: Clock,
}

impl CqlStore {
    /// Connects to a cluster and checks its schema. Waits until the cluster answers, `wait` at most;
    /// what it answers counts at once.
    pub async fn connect(config: CqlConfig, wait: Duration) -> Result<Self, CqlError> {
        let (retention_days, clock) = (config.retention_days, Arc::clone(&config.clock));
        let sessions = Sessions::connect(config, wait).await?;
        let admission = Admission::default();
        Ok(Self { shared: Arc::new(Shared { sessions, admission, retention_days, clock }) })
    }
}

/// Lets in so many requests at a time.
struct Admission {
    slots: Semaphore,
    /// Looked up once: it is set with every request.
    in_flight: metrics::Gauge,
}

impl Default for Admission {
    fn default() -> Self {
        let in_flight = metrics::gauge!("storage_cql_in_flight");
        Self { slots: Semaphore::new(IN_FLIGHT), in_flight }
    }
}

impl Admission {
    /// Waits for its turn.
    async fn admit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let permit = match self.slots.try_acquire() {
            Ok(permit) => Ok(permit),
            Err(_) => match tokio::time::timeout(session::REQUEST, self.slots.acquire()).await {
                Ok(Ok(permit)) => Ok(permit),
                _ => Err("too many requests to the CQL cluster wait"),
            },
        };
        self.in_flight.set((IN_FLIGHT - self.slots.available_permits()) as f64);
        permit.map_err(|why| StoreError::new(Kind::Saturated, why))
    }
}

impl Store for CqlStore {
    async fn write(&self, mutations: Arc<[Mutation]>) -> Result<(), StoreError> {
        self.shared.write(&mutations).await
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        self.shared.read(query).await
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        self.shared.delete(deletions).await
    }
}
