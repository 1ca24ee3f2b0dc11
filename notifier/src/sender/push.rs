//! Push chunks: one attempt for the chunk, then one request and one retry key for each person.

use std::borrow::Cow;

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use schemas::{job::PauseCause, sending::Path};
use storage::{
    Log, Store,
    rows::{
        TypedStore,
        ledger::{AttemptRow, OutcomeRow},
    },
};

use super::{Chunk, Halt, Heads, Next, Sender};
use crate::{
    ledger::{PartLedger, PartState, part},
    line::{Endpoint, push_body},
};

/// Pushes of one chunk under way at the same time.
const CONCURRENT: usize = 16;

impl<L: Log, S: Store> Sender<L, S> {
    /// Sends a push chunk until every person of it is resolved.
    pub(super) async fn push_chunk(&self, chunk: &Chunk) -> Result<(), Halt> {
        let whole = part(chunk.key, Path::whole());
        let mut ledger = self.ledger(&whole).await?;
        let first = ledger.attempts.is_empty();
        if first {
            let turn = self.turn(chunk, &self.push).await?;
            let everybody = 0..chunk.opened.recipients.len();
            let exclusions = self.exclusions(chunk, everybody).await?;
            self.attempt(&whole, &ledger, exclusions, chunk.text.as_bytes()).await?;
            drop(turn);
            ledger = self.ledger(&whole).await?;
        }
        // Our own attempt covers the first request to each person only where it is the oldest.
        let covered = first && ledger.attempts.first().is_some_and(|a| a.sender == self.id);
        let whole = &ledger;
        let first = Mutex::new(Ok(()));
        let first_halt = &first;
        // Never dropped on the way: what LINE takes of a job that ends has to be noted, too.
        stream::iter(0..chunk.opened.recipients.len())
            .take_until(chunk.halted.cancelled())
            .for_each_concurrent(CONCURRENT, |place| async move {
                if let Err(halt) = self.push_to(chunk, place, whole, covered).await {
                    chunk.halted.cancel();
                    let mut first = first_halt.lock();
                    if first.is_ok() {
                        *first = Err(halt);
                    }
                }
            })
            .await;
        first.into_inner()
    }

    /// Sends to one person until they are resolved.
    async fn push_to(
        &self,
        chunk: &Chunk,
        place: usize,
        whole: &PartLedger,
        mut covered: bool,
    ) -> Result<(), Halt> {
        let path = Path::person(place);
        let key = part(chunk.key, path.clone());
        let left_out = whole.exclusions().iter().any(|out| usize::from(*out) == place);
        if left_out {
            self.note(chunk, &path, PartState::Empty, Heads { all: 1, left_out: 1 });
            return Ok(());
        }
        let user = chunk.opened.recipients[place].user;
        let body = push_body(&user, &chunk.text);
        let retry_key = chunk.retry_key(&path);
        let (mut failures, mut renewed) = (0, false);
        let mut whole = Cow::Borrowed(whole);
        loop {
            let ledger = self.person_ledger(chunk, &path, &whole).await?;
            let state = self.guarded(&key, &ledger).await?;
            if !(covered && state == PartState::Open { tried: true }) {
                self.note(chunk, &path, state, Heads { all: 1, left_out: 0 });
            }
            if !matches!(state, PartState::Open { .. }) {
                return Ok(());
            }
            let (turn, ready) = self.turn(chunk, &self.push).await?;
            let (attempt, ledger) = match whole.attempts.first() {
                Some(oldest) if std::mem::take(&mut covered) => {
                    (AttemptRow { part: key.clone(), ..oldest.clone() }, ledger)
                }
                _ => {
                    let attempt = self.attempt(&key, &ledger, Vec::new(), &body).await?;
                    // Another sender's attempt for the whole may have been written meanwhile, and
                    // covers a request to this person.
                    whole = Cow::Owned(self.ledger(&part(chunk.key, Path::whole())).await?);
                    (attempt, self.person_ledger(chunk, &path, &whole).await?)
                }
            };
            if !matches!(ledger.state(), PartState::Open { .. }) {
                continue;
            }
            let permit = self.permit(chunk, &attempt, ready).await?;
            // Writing, or waiting, may have taken long.
            if ledger.is_too_late(self.book.now(), self.max_skew_ms) {
                continue;
            }
            let answer = self.line.post_once(Endpoint::Push, body.clone(), Some(retry_key)).await;
            drop((permit, turn));
            match self.settle(&attempt, answer, &[user], &self.push).await? {
                Next::Resolved => self.accepted_or_invalid(chunk, &key, &[user]).await?,
                Next::Again | Next::AgainWithinQuota => {
                    self.note(
                        chunk,
                        &path,
                        PartState::Open { tried: true },
                        Heads { all: 1, left_out: 0 },
                    );
                    self.wait(chunk, &mut failures).await?;
                }
                Next::Pause(PauseCause::Unauthorized) if !renewed && self.line.renew().await => {
                    renewed = true;
                }
                Next::Pause(cause) => return self.pause(&chunk.job, cause).await,
            }
        }
    }

    /// What is known of one person: the attempt of the whole chunk counts as theirs.
    async fn person_ledger(
        &self,
        chunk: &Chunk,
        path: &Path,
        whole: &PartLedger,
    ) -> Result<PartLedger, Halt> {
        let key = part(chunk.key, path.clone());
        self.persist("ledger", || async {
            let outcomes = self.store.all::<OutcomeRow>(&key).await?;
            let mut attempts = whole.attempts.clone();
            attempts.extend(self.store.all::<AttemptRow>(&key).await?);
            Ok(PartLedger { attempts, outcomes })
        })
        .await
    }
}
