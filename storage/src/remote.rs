//! A data directory through the process that holds it: what tools use while `anshin` runs.
//!
//! The process listens on `<dir>/socket`; only its own user may connect. A frame is a length (four
//! bytes, big-endian) and a postcard body; one request, one answer, in turn. Groups are not joined
//! through it.

mod protocol;
mod serve;

use std::{future::Future, ops::Range, path::Path, sync::Arc, time::Duration};

use schemas::topic::{Offset, Partition, Topic};
use tokio::{net::UnixStream, sync::Mutex};

use self::protocol::{Answer, Failed, Request, WireDeletion, WireMutation, WireQuery};
pub use self::serve::Tools;
use crate::{
    error::{Kind, LogError, StoreError},
    log::{Append, Delivery, Group, Log, Member, Position, Reader, Record},
    store::{Deletion, Mutation, Page, Query, Store},
};

/// How often a reader asks for more.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A log and a store in another process on this machine.
#[derive(Clone)]
pub struct Remote {
    stream: Arc<Mutex<UnixStream>>,
}

impl Remote {
    /// Connects to the process that holds a data directory.
    pub async fn connect(dir: &Path) -> std::io::Result<Self> {
        let (_held, path) = protocol::socket_path(dir)?;
        let stream = UnixStream::connect(path).await?;
        Ok(Self { stream: Arc::new(Mutex::new(stream)) })
    }

    async fn ask(&self, request: Request) -> Result<Answer, Failed> {
        let mut stream = self.stream.lock().await;
        let exchange = async {
            protocol::send(&mut *stream, &request).await?;
            protocol::receive(&mut *stream).await
        };
        let answer: std::io::Result<Option<Answer>> = exchange.await;
        match answer {
            Ok(Some(Answer::Failed(failed))) => Err(failed),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => Err(Failed {
                kind: protocol::FailedKind::Transient,
                message: "the process that holds the data directory has gone".to_owned(),
            }),
        }
    }
}

fn unexpected() -> Failed {
    Failed {
        kind: protocol::FailedKind::Fatal,
        message: "the process that holds the data directory is of another version".to_owned(),
    }
}

impl Log for Remote {
    type Member = NoMember;
    type Reader = RemoteReader;

    async fn append(&self, records: Vec<Append>) -> Vec<Result<Position, LogError>> {
        let count = records.len();
        let failed = match self.ask(Request::Append(records)).await {
            Ok(Answer::Appended(results)) if results.len() == count => {
                return results.into_iter().map(|r| r.map_err(Failed::into_log)).collect();
            }
            Ok(_) => unexpected(),
            Err(failed) => failed,
        };
        (0..count).map(|_| Err(failed.clone().into_log())).collect()
    }

    async fn bounds(&self, topic: Topic) -> Result<Vec<Range<Offset>>, LogError> {
        match self.ask(Request::Bounds(topic)).await.map_err(Failed::into_log)? {
            Answer::Bounds(bounds) => {
                Ok(bounds.into_iter().map(|(start, end)| start..end).collect())
            }
            _ => Err(unexpected().into_log()),
        }
    }

    async fn committed(&self, group: Group, topic: Topic) -> Result<Vec<Option<Offset>>, LogError> {
        match self.ask(Request::Committed(group, topic)).await.map_err(Failed::into_log)? {
            Answer::Committed(offsets) => Ok(offsets),
            _ => Err(unexpected().into_log()),
        }
    }

    async fn join(&self, _: Group, _: Topic) -> Result<NoMember, LogError> {
        Err(LogError::new(
            Kind::Invalid,
            "groups are joined in the process that holds the data directory",
        ))
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<RemoteReader, LogError> {
        Ok(RemoteReader { remote: self.clone(), topic, partition, next: from })
    }
}

/// Nobody joins a group through the socket.
pub enum NoMember {}

impl Member for NoMember {
    fn next(&mut self) -> impl Future<Output = Result<Delivery, LogError>> + Send {
        match *self {}
        #[allow(unreachable_code)]
        std::future::pending()
    }

    fn commit(
        &mut self,
        _: &[(Partition, Offset)],
    ) -> impl Future<Output = Result<(), LogError>> + Send {
        match *self {}
        #[allow(unreachable_code)]
        std::future::pending()
    }
}

/// Reads one partition through the socket.
pub struct RemoteReader {
    remote: Remote,
    topic: Topic,
    partition: Partition,
    next: Offset,
}

impl Reader for RemoteReader {
    async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            let request = Request::Read(self.topic, self.partition, self.next);
            match self.remote.ask(request).await.map_err(Failed::into_log)? {
                Answer::Records(records) => {
                    if let Some(last) = records.last() {
                        self.next = last.position.offset.next();
                        return Ok(records);
                    }
                }
                _ => return Err(unexpected().into_log()),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Store for Remote {
    async fn write(&self, mutations: Arc<[Mutation]>) -> Result<(), StoreError> {
        let mutations = mutations.iter().cloned().map(WireMutation::from).collect();
        match self.ask(Request::Write(mutations)).await.map_err(Failed::into_store)? {
            Answer::Done => Ok(()),
            _ => Err(unexpected().into_store()),
        }
    }

    async fn read(&self, query: Query) -> Result<Page, StoreError> {
        let query = WireQuery::from(query);
        match self.ask(Request::Query(query)).await.map_err(Failed::into_store)? {
            Answer::Page(page) => Ok(page),
            _ => Err(unexpected().into_store()),
        }
    }

    async fn delete(&self, deletions: Vec<Deletion>) -> Result<(), StoreError> {
        let deletions = deletions.into_iter().map(WireDeletion::from).collect();
        match self.ask(Request::Delete(deletions)).await.map_err(Failed::into_store)? {
            Answer::Done => Ok(()),
            _ => Err(unexpected().into_store()),
        }
    }
}
