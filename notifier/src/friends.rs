//! Friends from LINE's own list: most people of an account that is older than this system are
//! unknown to it otherwise.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use schemas::{
    identity::KeyRing,
    ids::EventId,
    visitor::{VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use storage::{Append, Log};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Friends,
    jobs::Clock,
    line::{LineClient, LineError},
    metrics,
};

/// How long after a failure the list is asked for again.
const RETRY: Duration = Duration::from_secs(60);

/// Takes in friends.
pub struct Importer<L> {
    /// Where records go.
    pub log: L,
    /// Who lists them.
    pub line: LineClient,
    /// Names and seals them.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// What time it is.
    pub clock: Clock,
}

impl<L: Log> Importer<L> {
    /// Takes in the list at the start and then every so many hours, until `shutdown`.
    pub async fn run(&self, config: &Friends, shutdown: &CancellationToken) {
        if !config.import {
            return shutdown.cancelled().await;
        }
        loop {
            let wait = match self.import().await {
                Ok(count) => {
                    tracing::info!(count, "friends were taken in from LINE's list");
                    Duration::from_secs(config.every_hours * 3_600)
                }
                Err(ImportError::Line(LineError::Status(403))) => {
                    tracing::warn!(
                        "LINE lists friends to verified accounts only: people who are friends from before stay unknown until they write or add the account"
                    );
                    return shutdown.cancelled().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "friends can't be taken in; it will be tried again");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Takes in the whole list, page by page. Every record is stamped with the start of the import,
    /// so that somebody who blocks the account meanwhile stays blocked.
    pub async fn import(&self) -> Result<u64, ImportError> {
        let started = (self.clock)();
        let mut count = 0;
        let mut page = None;
        loop {
            let followers = self.line.followers(page.as_deref()).await?;
            let keys = self.keys.load_full();
            let appends: Vec<Append> = followers
                .users
                .iter()
                .map(|user| {
                    let (visitor, sealed) = keys.seal_visitor(user);
                    let record = VisitorRecord {
                        visitor,
                        sealed,
                        event: EventId::default(),
                        at: started,
                        received_at: started,
                        reply_token: None,
                        action: VisitorAction::ListedAsFriend,
                    };
                    let (key, value) = (record.key(), record.encode());
                    Append { topic: VisitorRecord::TOPIC, key, value }
                })
                .collect();
            for result in self.log.append(appends).await {
                result?;
                count += 1;
                ::metrics::counter!(metrics::FRIENDS_IMPORTED).increment(1);
            }
            page = followers.next;
            if page.is_none() {
                return Ok(count);
            }
        }
    }
}

/// Why the list was not taken in whole. Taking it in again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// LINE did not give it.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] storage::LogError),
}
