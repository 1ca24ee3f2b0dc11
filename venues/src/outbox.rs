//! Mails wait in the store until they have left: one that is asked for while the mail server is
//! away goes out later.
//!
//! At least once: who dies after a mail has left and before that is written sends it again, with
//! another link; both are good once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use schemas::time::{EventTime, HOUR_MS, Hour};
use storage::{
    Store, StoreError,
    rows::{TypedStore, operators::OutboxRow},
    table::Value,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    letter::Letter,
    mail::{MailError, Postman},
    operator::{LINK_LASTS_MS, Operators},
    secret::Token,
};

/// Mails handed to the sender at once; with more, they wait in the store alone.
const WAITING: usize = 1_024;
/// How often the store is looked at for mails that wait.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Mails that are on their way at once.
const AT_ONCE: usize = 16;
/// A claim of somebody who died is over after this.
const CLAIM_LASTS_MS: i64 = 120_000;
/// How long a page waits to see whether its mail leaves.
const PAGE_WAITS: Duration = Duration::from_millis(1_500);

/// Whose mails these are, and where links lead.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Who signs.
    pub authority: String,
    /// The address of the pages.
    pub url: String,
}

/// How mails leave, and what they say of us.
pub struct Post {
    /// What takes them.
    pub postman: Postman,
    /// Whose they are.
    pub sender: Sender,
}

/// A mail that was handed to the sender, and whom to tell when it was tried.
type Handed = (OutboxRow, oneshot::Sender<()>);

/// Mails that wait.
pub struct Outbox<S> {
    store: S,
    operators: Arc<Operators<S>>,
    post: Post,
    clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
    /// This process, in claims.
    me: String,
    fresh: mpsc::Sender<Handed>,
    queue: parking_lot::Mutex<Option<mpsc::Receiver<Handed>>>,
    /// Mails that are in the queue or on their way: a look at the store passes them over.
    in_hand: parking_lot::Mutex<HashSet<[u8; 16]>>,
    /// Whether the last mail could not leave.
    late: watch::Sender<bool>,
}

impl<S: Store> Outbox<S> {
    /// On a store.
    pub fn new(
        store: S,
        operators: Arc<Operators<S>>,
        post: Post,
        clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
    ) -> Self {
        let (fresh, queue) = mpsc::channel(WAITING);
        Self {
            store,
            operators,
            post,
            clock,
            me: format!("{:016x}", rand::random::<u64>()),
            fresh,
            queue: parking_lot::Mutex::new(Some(queue)),
            in_hand: parking_lot::Mutex::default(),
            late: watch::Sender::new(false),
        }
    }

    /// Whether mails are late: the last one could not leave.
    pub fn is_late(&self) -> bool {
        *self.late.borrow()
    }

    /// Takes a mail: when this returns, it is not lost. Waits a moment to see whether it leaves.
    pub async fn post(&self, letter: &Letter) -> Result<(), StoreError> {
        let queued_at = (self.clock)();
        // A letter is words and numbers: it always has a JSON form.
        let text = serde_json::to_string(letter).unwrap_or_default();
        let row =
            OutboxRow { queued_at, id: rand::random(), letter: text, claim: self.claim(queued_at) };
        let id = row.id;
        self.in_hand.lock().insert(id);
        if let Err(error) = self.store.put(std::slice::from_ref(&row)).await {
            self.in_hand.lock().remove(&id);
            return Err(error);
        }
        let (told, done) = oneshot::channel();
        match self.fresh.try_send((row, told)) {
            // It may take longer, and the sender may be at its end: the mail is in the store.
            Ok(()) => _ = tokio::time::timeout(PAGE_WAITS, done).await,
            // A full queue: the next look at the store finds it.
            Err(_) => _ = self.in_hand.lock().remove(&id),
        }
        Ok(())
    }

    /// Sends what waits, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let Some(mut queue) = self.queue.lock().take() else { return };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut on_their_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(handed) = queue.recv(), if on_their_way.len() < AT_ONCE => {
                    on_their_way.push(self.deliver_and_tell(handed));
                }
                Some(()) = on_their_way.next() => {}
                _ = look.tick() => {
                    if let Err(error) = self.sweep().await {
                        tracing::warn!(%error, "mails that wait can't be read; trying again");
                    }
                }
            }
        }
    }

    async fn deliver_and_tell(&self, (row, told): Handed) {
        self.deliver(&row).await;
        self.in_hand.lock().remove(&row.id);
        // The page may have stopped waiting.
        let _ = told.send(());
    }

    fn claim(&self, at: EventTime) -> String {
        format!("{:015} {}", at.0, self.me)
    }

    /// Sends what waits in the store and is nobody's. A mail of a day ago is of no use any more.
    async fn sweep(&self) -> Result<(), StoreError> {
        let now = (self.clock)();
        let first = now.plus(-LINK_LASTS_MS - HOUR_MS).hour().0;
        for hour in first..=now.hour().0 {
            let until = now.plus(-CLAIM_LASTS_MS);
            let span = storage::rows::Span {
                to: Some(Value::Int(now.0)),
                limit: 500,
                ..storage::rows::Span::default()
            };
            let waiting = self.store.page::<OutboxRow>(&Hour(hour).0, span).await?;
            for mut row in waiting.rows {
                let mine = row.claim.ends_with(&self.me);
                let claimed: i64 =
                    row.claim.get(..15).and_then(|at| at.parse().ok()).unwrap_or_default();
                if self.in_hand.lock().contains(&row.id) || (!mine && claimed > until.0) {
                    continue;
                }
                row.claim = self.claim(now);
                self.store.put(std::slice::from_ref(&row)).await?;
                if !self.deliver(&row).await {
                    // The server is away: one try a look is enough.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether it has left, or never will.
    async fn deliver(&self, row: &OutboxRow) -> bool {
        let sent = match serde_json::from_str::<Letter>(&row.letter) {
            Ok(letter) if row.queued_at.plus(LINK_LASTS_MS) > (self.clock)() => {
                self.send(&letter).await
            }
            _ => Err(MailError::Refused),
        };
        match sent {
            Ok(()) => {
                self.late.send_replace(false);
            }
            Err(MailError::Refused) => {
                tracing::warn!("a mail was given up: the server refuses it, or it is a day old");
            }
            Err(error @ MailError::Later) => {
                if !self.late.send_replace(true) {
                    tracing::warn!(%error, "mails wait");
                }
                return false;
            }
        }
        if let Err(error) = self.store.delete(vec![row.deletion()]).await {
            tracing::warn!(%error, "a mail that has left can't be deleted: it may be sent again");
        }
        true
    }

    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let language = crate::language::PageLanguage::from_language(letter.language);
        let page = |page: &str| format!("{}{}", self.post.sender.url, language.path(page));
        let link = match letter.about.link() {
            None => None,
            Some(purpose) => {
                let token = Token::random().map_err(|_| MailError::Later)?;
                let made = self.operators.make_link(purpose, &letter.to, &token, (self.clock)());
                made.await.map_err(|_| MailError::Later)?;
                Some(page(&format!("/link/{}", token.reveal())))
            }
        };
        let url = link.clone().unwrap_or_else(|| page("/"));
        let words = letter.words(&self.post.sender.authority, &url);
        self.post.postman.send(&letter.to, &words, link.as_deref()).await
    }
}
