//! The side of the process that holds the directory.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::protocol::{self, Answer, Failed, Request};
use crate::{
    embedded::Embedded,
    error::StoreError,
    log::Log,
    store::{Deletion, Mutation, Query, Store},
};

/// Tools connected at the same time; one more waits.
const MAX_TOOLS: usize = 16;

/// Where tools reach a directory. They can connect from the moment that there is one.
pub struct Tools {
    embedded: Embedded,
    listener: UnixListener,
    path: PathBuf,
}

impl Tools {
    /// Listens in the directory.
    pub fn listen(embedded: &Embedded) -> std::io::Result<Self> {
        let path = embedded.dir().join("socket");
        // Left by a process that was killed; the directory's lock says that it is not in use.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = bind(embedded.dir())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { embedded: embedded.clone(), listener, path })
    }

    /// Serves tools until `shutdown`.
    pub async fn serve(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let Self { embedded, listener, path } = self;
        let mut tools = tokio::task::JoinSet::new();
        loop {
            while tools.len() >= MAX_TOOLS {
                tools.join_next().await;
            }
            let stream = tokio::select! {
                accepted = listener.accept() => accepted?.0,
                () = shutdown.cancelled() => break,
            };
            while tools.try_join_next().is_some() {}
            let (log, store) = (embedded.log(), embedded.store());
            tools.spawn(async move {
                if let Err(error) = converse(stream, log, store).await {
                    tracing::debug!(%error, "a tool has gone");
                }
            });
        }
        tools.shutdown().await;
        drop(listener);
        // The next process makes its own.
        let _ = std::fs::remove_file(path);
        Ok(())
    }
}

fn bind(dir: &Path) -> std::io::Result<UnixListener> {
    let (_held, path) = protocol::socket_path(dir)?;
    UnixListener::bind(path)
}

async fn converse(
    mut stream: UnixStream,
    log: crate::embedded::EmbeddedLog,
    store: crate::embedded::EmbeddedStore,
) -> std::io::Result<()> {
    while let Some(request) = protocol::receive(&mut stream).await? {
        let answer = answer(request, &log, &store).await.unwrap_or_else(Answer::Failed);
        protocol::send(&mut stream, &answer).await?;
    }
    Ok(())
}

async fn answer(
    request: Request,
    log: &crate::embedded::EmbeddedLog,
    store: &crate::embedded::EmbeddedStore,
) -> Result<Answer, Failed> {
    let log_failed = |error: crate::LogError| Failed::new(error.kind(), error.to_string());
    let store_failed = |error: StoreError| Failed::new(error.kind(), error.to_string());
    Ok(match request {
        Request::Append(records) => {
            let results = log.append(records).await;
            Answer::Appended(results.into_iter().map(|r| r.map_err(log_failed)).collect())
        }
        Request::Bounds(topic) => {
            let bounds = log.bounds(topic).await.map_err(log_failed)?;
            Answer::Bounds(bounds.into_iter().map(|range| (range.start, range.end)).collect())
        }
        Request::Committed(group, topic) => {
            Answer::Committed(log.committed(group, topic).await.map_err(log_failed)?)
        }
        Request::Read(topic, partition, from) => {
            Answer::Records(log.peek(topic, partition, from).map_err(log_failed)?)
        }
        Request::Write(mutations) => {
            let mutations: Result<Arc<[Mutation]>, _> =
                mutations.into_iter().map(Mutation::try_from).collect();
            store.write(mutations.map_err(store_failed)?).await.map_err(store_failed)?;
            Answer::Done
        }
        Request::Query(query) => {
            let query = Query::try_from(query).map_err(store_failed)?;
            Answer::Page(store.read(query).await.map_err(store_failed)?)
        }
        Request::Delete(deletions) => {
            let deletions: Result<Vec<Deletion>, _> =
                deletions.into_iter().map(Deletion::try_from).collect();
            store.delete(deletions.map_err(store_failed)?).await.map_err(store_failed)?;
            Answer::Done
        }
    })
}
