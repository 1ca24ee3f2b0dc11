//! The backend that a URL names. On the path of a scan it is an enum, not a trait object.

use std::{ops::Range, path::PathBuf, sync::Arc};

use schemas::topic::{Offset, Partition, Topic};

use crate::{
    cql::CqlStore,
    embedded::{EmbeddedLog, EmbeddedMember, EmbeddedReader, EmbeddedStore},
    error::{LogError, StoreError},
    kafka::{KafkaLog, KafkaMember, KafkaReader},
    log::{Append, Delivery, Group, Log, Member, Position, Reader, Record},
    remote::{NoMember, Remote, RemoteReader},
    store::{Deletion, Mutation, Page, Query, Store},
};

/// A URL that names no backend of this build. One sentence: what, and what to write instead.
/// Never the whole URL: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme.
    #[error("`{0}` is no backend of this build: write {1}")]
    Scheme(String, &'static str),
    /// No absolute directory.
    #[error("`{0}` names no absolute directory: write embedded:///absolute/directory")]
    Directory(String),
    /// No hosts with ports.
    #[error("the hosts of `{0}` are not host:port,host:port: write {1}")]
    Hosts(&'static str, &'static str),
    /// No keyspace.
    #[error(
        "`cql` needs a keyspace of letters, digits and _: write cql://host:port,host:port/keyspace"
    )]
    Keyspace,
    /// A user in the URL.
    #[error("a URL with a user or password is not taken: they have keys of their own")]
    User,
}

const LOG_URLS: &str = "embedded:///absolute/directory or kafka://host:port,host:port";
const STORE_URLS: &str = "embedded:///absolute/directory or cql://host:port,host:port/keyspace";

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// In a directory of this machine.
    Embedded(PathBuf),
    /// On brokers (`host:port`).
    Kafka(Vec<String>),
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In a directory of this machine.
    Embedded(PathBuf),
    /// On nodes (`host:port`), in a keyspace.
    Cql(Vec<String>, String),
}

impl LogPlace {
    /// Reads `embedded:///dir` or `kafka://host:port,host:port`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        match split(url) {
            ("embedded", rest) => directory(url, rest).map(LogPlace::Embedded),
            ("kafka", rest) => {
                hosts("kafka", rest.trim_end_matches('/'), LOG_URLS).map(LogPlace::Kafka)
            }
            (scheme, _) => Err(UrlError::Scheme(scheme.chars().take(20).collect(), LOG_URLS)),
        }
    }
}

impl StorePlace {
    /// Reads `embedded:///dir` or `cql://host:port,host:port/keyspace`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        match split(url) {
            ("embedded", rest) => directory(url, rest).map(StorePlace::Embedded),
            ("cql", rest) => {
                let (nodes, keyspace) = rest.split_once('/').ok_or(UrlError::Keyspace)?;
                let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                let begins = keyspace.starts_with(|c: char| c.is_ascii_lowercase());
                if !begins || keyspace.len() > 48 || !keyspace.chars().all(word) {
                    return Err(UrlError::Keyspace);
                }
                Ok(StorePlace::Cql(hosts("cql", nodes, STORE_URLS)?, keyspace.to_owned()))
            }
            (scheme, _) => Err(UrlError::Scheme(scheme.chars().take(20).collect(), STORE_URLS)),
        }
    }
}

fn split(url: &str) -> (&str, &str) {
    url.split_once("://").unwrap_or((url, ""))
}

fn directory(url: &str, rest: &str) -> Result<PathBuf, UrlError> {
    if !rest.starts_with('/') || rest.len() < 2 {
        return Err(UrlError::Directory(url.to_owned()));
    }
    Ok(PathBuf::from(rest))
}

fn hosts(scheme: &'static str, text: &str, write: &'static str) -> Result<Vec<String>, UrlError> {
    if text.contains('@') {
        return Err(UrlError::User);
    }
    let all: Vec<String> = text.split(',').map(|host| host.trim().to_owned()).collect();
    let good = |host: &String| {
        host.rsplit_once(':').is_some_and(|(name, port)| {
            !name.is_empty()
                && !name.contains(['/', '?', ' '])
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if all.iter().all(good) { Ok(all) } else { Err(UrlError::Hosts(scheme, write)) }
}

/// A log of any backend.
#[derive(Clone)]
pub enum AnyLog {
    /// In this process.
    Embedded(EmbeddedLog),
    /// In the process that holds the directory.
    Remote(Remote),
    /// On Kafka.
    Kafka(KafkaLog),
}

/// A member of a group of any backend.
pub enum AnyMember {
    /// In this process.
    Embedded(EmbeddedMember),
    /// Never made.
    Remote(NoMember),
    /// On Kafka.
    Kafka(KafkaMember),
}

/// A reader of any backend.
pub enum AnyReader {
    /// In this process.
    Embedded(EmbeddedReader),
    /// Through the socket.
    Remote(RemoteReader),
    /// On Kafka.
    Kafka(KafkaReader),
}

impl Log for AnyLog {
    type Member = AnyMember;
    type Reader = AnyReader;

    async fn append(&self, records: Vec<Append>) -> Vec<Result<Position, LogError>> {
        match self {
            AnyLog::Embedded(log) => log.append(records).await,
            // In the heap, for what waits for the quickest of them would be four times as large.
            AnyLog::Remote(log) => Box::pin(log.append(records)).await,
            AnyLog::Kafka(log) => Box::pin(log.append(records)).await,
        }
    }

    async fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        match self {
            AnyLog::Embedded(log) => log.bounds(topic).await,
            AnyLog::Remote(log) => log.bounds(topic).await,
            AnyLog::Kafka(log) => log.bounds(topic).await,
        }
    }

    async fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        match self {
            AnyLog::Embedded(log) => log.committed(group, topic).await,
            AnyLog::Remote(log) => log.committed(group, topic).await,
            AnyLog::Kafka(log) => log.committed(group, topic).await,
        }
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<AnyMember, LogError> {
        match self {
            AnyLog::Embedded(log) => log.join(group, topic).await.map(AnyMember::Embedded),
            AnyLog::Remote(log) => log.join(group, topic).await.map(AnyMember::Remote),
            AnyLog::Kafka(log) => log.join(group, topic).await.map(AnyMember::Kafka),
        }
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<AnyReader, LogError> {
        match self {
            AnyLog::Embedded(log) => {
                log.read(topic, partition, from).await.map(AnyReader::Embedded)
            }
            AnyLog::Remote(log) => {
                Log::read(log, topic, partition, from).await.map(AnyReader::Remote)
            }
            AnyLog::Kafka(log) => log.read(topic, partition, from).await.map(AnyReader::Kafka),
        }
    }
}

impl Member for AnyMember {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        match self {
            AnyMember::Embedded(member) => member.next().await,
            AnyMember::Remote(member) => member.next().await,
            AnyMember::Kafka(member) => member.next().await,
        }
    }

    async fn commit(&mut self, offsets: &[(Partition, Offset)]) -> Result<(), LogError> {
        match self {
            AnyMember::Embedded(member) => member.commit(offsets).await,
            AnyMember::Remote(member) => member.commit(offsets).await,
            AnyMember::Kafka(member) => member.commit(offsets).await,
        }
    }
}

impl Reader for AnyReader {
    async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        match self {
            AnyReader::Embedded(reader) => reader.next().await,
            AnyReader::Remote(reader) => reader.next().await,
            AnyReader::Kafka(reader) => reader.next().await,
        }
    }
}

/// A store of any backend.
#[derive(Clone)]
pub enum AnyStore {
    /// In this process.
    Embedded(EmbeddedStore),
    /// In the process that holds the directory.
    Remote(Remote),
    /// On a CQL cluster.
    Cql(CqlStore),
}

impl Store for AnyStore {
    async fn write(&self, mutations: Arc<[Mutation]>) -> Result<(), StoreError> {
        match self {
            AnyStore::Embedded(store) => store.write(mutations).await,
            AnyStore::Remote(store) => store.write(mutations).await,
            AnyStore::Cql(store) => store.write(mutations).await,
        }
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        match self {
            AnyStore::Embedded(store) => store.read(query).await,
            AnyStore::Remote(store) => Store::read(store, query).await,
            AnyStore::Cql(store) => store.read(query).await,
        }
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        match self {
            AnyStore::Embedded(store) => store.delete(deletions).await,
            AnyStore::Remote(store) => store.delete(deletions).await,
            AnyStore::Cql(store) => store.delete(deletions).await,
        }
    }
}
