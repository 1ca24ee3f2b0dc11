//! Frames of the tools' socket.

use std::{
    fs::File,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use schemas::topic::{Offset, Partition, Topic};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    error::{Kind, LogError, StoreError},
    log::{Append, Group, Position, Record},
    rows::ALL_TABLES,
    store::{Cursor, Deletion, Mutation, Order, Page, Query},
    table::{Table, Value},
};

/// The largest frame.
const MAX_FRAME: u32 = 64 << 20;

/// Paths of sockets have at most 107 bytes; a directory's may be longer. The path is good while
/// the file is held.
pub(super) fn socket_path(dir: &Path) -> std::io::Result<(File, PathBuf)> {
    let held = File::open(dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/socket", held.as_raw_fd()));
    Ok((held, path))
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Append(Vec<Append>),
    Bounds(Topic),
    Committed(Group, Topic),
    Read(Topic, Partition, Offset),
    Write(Vec<WireMutation>),
    Query(WireQuery),
    Delete(Vec<WireDeletion>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Appended(Vec<Result<Position, Failed>>),
    Bounds(Vec<(Offset, Offset)>),
    Committed(Vec<Option<Offset>>),
    Records(Vec<Record>),
    Done,
    Page(Page),
    Failed(Failed),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) kind: FailedKind,
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum FailedKind {
    Transient,
    Saturated,
    Invalid,
    Fatal,
}

impl Failed {
    pub(super) fn new(kind: Kind, message: String) -> Self {
        let kind = match kind {
            Kind::Transient => FailedKind::Transient,
            Kind::Saturated => FailedKind::Saturated,
            Kind::Invalid => FailedKind::Invalid,
            Kind::Fatal => FailedKind::Fatal,
        };
        Self { kind, message }
    }

    fn kind(&self) -> Kind {
        match self.kind {
            FailedKind::Transient => Kind::Transient,
            FailedKind::Saturated => Kind::Saturated,
            FailedKind::Invalid => Kind::Invalid,
            FailedKind::Fatal => Kind::Fatal,
        }
    }

    pub(super) fn into_log(self) -> LogError {
        LogError::new(self.kind(), self.message)
    }

    pub(super) fn into_store(self) -> StoreError {
        StoreError::new(self.kind(), self.message)
    }
}

fn table(name: &str) -> Result<&'static Table, StoreError> {
    ALL_TABLES
        .iter()
        .find(|table| table.name == name)
        .copied()
        .ok_or_else(|| StoreError::new(Kind::Invalid, format!("there is no table `{name}`")))
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireMutation {
    table: String,
    partition: Vec<Value>,
    clustering: Vec<Value>,
    columns: Vec<Option<Value>>,
    timestamp: i64,
}

impl From<Mutation> for WireMutation {
    fn from(mutation: Mutation) -> Self {
        let Mutation { table, partition, clustering, columns, timestamp } = mutation;
        Self { table: table.name.to_owned(), partition, clustering, columns, timestamp }
    }
}

impl TryFrom<WireMutation> for Mutation {
    type Error = StoreError;

    fn try_from(wire: WireMutation) -> Result<Self, StoreError> {
        let WireMutation { table: name, partition, clustering, columns, timestamp } = wire;
        Ok(Self { table: table(&name)?, partition, clustering, columns, timestamp })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireQuery {
    table: String,
    partition: Vec<Value>,
    from: Option<Value>,
    to: Option<Value>,
    order: Order,
    limit: u64,
    cursor: Option<Cursor>,
}

impl From<Query> for WireQuery {
    fn from(query: Query) -> Self {
        let Query { table, partition, from, to, order, limit, cursor } = query;
        let (table, limit) = (table.name.to_owned(), limit as u64);
        Self { table, partition, from, to, order, limit, cursor }
    }
}

impl TryFrom<WireQuery> for Query {
    type Error = StoreError;

    fn try_from(wire: WireQuery) -> Result<Self, StoreError> {
        let WireQuery { table: name, partition, from, to, order, limit, cursor } = wire;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self { table: table(&name)?, partition, from, to, order, limit, cursor })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireDeletion {
    table: String,
    partition: Vec<Value>,
    clustering: Option<Vec<Value>>,
    timestamp: i64,
}

impl From<Deletion> for WireDeletion {
    fn from(deletion: Deletion) -> Self {
        let Deletion { table, partition, clustering, timestamp } = deletion;
        Self { table: table.name.to_owned(), partition, clustering, timestamp }
    }
}

impl TryFrom<WireDeletion> for Deletion {
    type Error = StoreError;

    fn try_from(wire: WireDeletion) -> Result<Self, StoreError> {
        let WireDeletion { table: name, partition, clustering, timestamp } = wire;
        Ok(Self { table: table(&name)?, partition, clustering, timestamp })
    }
}

/// Writes one frame.
pub(super) async fn send<T: Serialize>(
    stream: &mut (impl AsyncWriteExt + Unpin),
    frame: &T,
) -> std::io::Result<()> {
    let body = postcard::to_stdvec(frame).map_err(std::io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| std::io::Error::other("frame too large"))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&body).await?;
    stream.flush().await
}

/// Reads one frame; `None` at the end.
pub(super) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncReadExt + Unpin),
) -> std::io::Result<Option<T>> {
    let length = match stream.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_FRAME {
        return Err(std::io::Error::other("frame too large"));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    postcard::from_bytes(&body).map(Some).map_err(std::io::Error::other)
}
