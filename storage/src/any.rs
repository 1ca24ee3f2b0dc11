//! The backend that a URL names. On the path of a scan it is an enum, not a trait object.

use std::{ops::Range, path::PathBuf};

use schemas::topic::{Offset, Partition, Topic};

use crate::{
    embedded::{EmbeddedLog, EmbeddedMember, EmbeddedReader, EmbeddedStore},
    error::{LogError, StoreError},
    kafka::{KafkaLog, KafkaMember, KafkaReader},
    log::{Append, Delivery, Group, Log, Member, Position, Reader, Record},
    remote::{NoMember, Remote, RemoteReader},
    store::{Deletion, Mutation, Page, Query, Store},
};

/// A URL that names no backend of this build. One sentence: what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme.
    #[error("`{0}` is no backend of this build: write embedded:///absolute/directory")]
    Scheme(String),
    /// No absolute directory.
    #[error("`{0}` names no absolute directory: write embedded:///absolute/directory")]
    Directory(String),
}

/// The directory of an `embedded://` URL.
pub fn embedded_dir(url: &str) -> Result<PathBuf, UrlError> {
    let scheme = url.split("://").next().unwrap_or_default();
    let Some(dir) = url.strip_prefix("embedded://") else {
        // Never the whole URL: it may hold a password.
        return Err(UrlError::Scheme(scheme.chars().take(20).collect()));
    };
    if !dir.starts_with('/') || dir.len() < 2 {
        return Err(UrlError::Directory(url.to_owned()));
    }
    Ok(PathBuf::from(dir))
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
            AnyLog::Remote(log) => log.append(records).await,
            AnyLog::Kafka(log) => log.append(records).await,
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
}

impl Store for AnyStore {
    async fn write(&self, mutations: Vec<Mutation>) -> Result<(), StoreError> {
        match self {
            AnyStore::Embedded(store) => store.write(mutations).await,
            AnyStore::Remote(store) => store.write(mutations).await,
        }
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        match self {
            AnyStore::Embedded(store) => store.read(query).await,
            AnyStore::Remote(store) => Store::read(store, query).await,
        }
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        match self {
            AnyStore::Embedded(store) => store.delete(deletions).await,
            AnyStore::Remote(store) => store.delete(deletions).await,
        }
    }
}
