//! One chunk: every request of it, each with its attempt before and its outcome after.

mod leave;
mod push;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rand::RngExt;
use schemas::{
    identity::KeyRing,
    ids::UserId,
    job::{Job, PauseCause},
    sending::{ChunkTotals, Path, Way, retry_key},
    visitor::FriendState,
};
use sha2::{Digest, Sha256};
use storage::{
    Log, Store, StoreError, kill_point, mutant,
    retry::{Tried, retry},
    rows::{
        TypedStore,
        ledger::{AttemptRow, ChunkKey, OutcomeRow, PartKey, SendResult},
        people::{NoticeRow, read_person},
    },
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    jobs::{AppendError, JobBook},
    ledger::{PartLedger, PartState, part},
    line::{Answer, Endpoint, LineClient, multicast_body},
    metrics,
    outcomes::Outcomes,
    pacer::Pacer,
    planner::{ChunkError, OpenChunk, open_chunk},
    turns::Turns,
};

/// After an unclear answer: first wait, longest wait.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// More invalid people than this in one chunk are no accident.
const MANY_INVALID: u64 = 20;

/// What sending works with. One for all chunks of all jobs.
pub struct Sender<L: Log, S> {
    /// Chunks, attempts, outcomes, people.
    pub store: S,
    /// Opens chunks.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// The jobs.
    pub book: JobBook<L>,
    /// LINE.
    pub line: LineClient,
    /// Permits for multicasts.
    pub multicast: Pacer,
    /// Permits for pushes.
    pub push: Pacer,
    /// This process, in attempt rows.
    pub id: Uuid,
    /// How far clocks of senders may be apart, in ms.
    pub max_skew_ms: i64,
    /// Bounds what is worked on at the same time.
    pub turns: Turns,
    /// Totals on their way to `jobs`.
    pub outcomes: Outcomes,
    /// Ends the sender.
    pub shutdown: CancellationToken,
}

/// Why a chunk is not worked on any more, short of being resolved.
#[derive(Debug)]
pub enum Halt {
    /// The job is not being sent any more, or we are to stop.
    Stopped,
    /// Store or log can't go on.
    Failed(String),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Failed(error.to_string())
    }
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(_) => Halt::Stopped,
            AppendError::Log(error) => Halt::Failed(error.to_string()),
        }
    }
}

/// A chunk being sent.
struct Chunk {
    /// As it was when the chunk was taken up.
    job: Arc<Job>,
    key: ChunkKey,
    opened: OpenChunk,
    text: String,
    /// Where the people of each part stand, as far as parts were looked at.
    parts: Mutex<std::collections::HashMap<Path, ChunkTotals>>,
    /// Cancelled once something keeps one of several requests from going on: the others end what
    /// they have begun, for LINE may have taken it, and begin nothing.
    halted: CancellationToken,
}

impl Chunk {
    fn totals(&self) -> ChunkTotals {
        let mut totals = ChunkTotals::default();
        self.parts.lock().values().for_each(|part| totals.add(part));
        totals
    }

    /// What LINE knows the request for a part by, however often and by whomever it is made.
    fn retry_key(&self, path: &Path) -> Uuid {
        if mutant!("random key") {
            return Uuid::new_v4();
        }
        retry_key(self.job.id, self.key.plan, self.key.chunk, path)
    }
}

/// How many people a part has.
#[derive(Clone, Copy)]
struct Heads {
    all: usize,
    left_out: usize,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The part is resolved.
    Resolved,
    /// Try again, after a wait.
    Again,
    /// The same, unless the monthly quota is used up.
    AgainWithinQuota,
    /// The job pauses.
    Pause(PauseCause),
}

/// What an answer means to a request for so many people: what is written down of it, and what
/// comes next.
pub fn verdict(answer: &Answer, people: usize) -> (SendResult, Next) {
    use SendResult::*;
    match answer {
        Answer::Accepted { .. } | Answer::AlreadyAccepted { .. } => (Accepted, Next::Resolved),
        Answer::BadRequest { names_recipient: true } if people > 1 => (Split, Next::Resolved),
        Answer::BadRequest { names_recipient: true } => (Invalid, Next::Resolved),
        Answer::BadRequest { names_recipient: false } | Answer::Refused => {
            (Refused, Next::Pause(PauseCause::MessageRefused))
        }
        Answer::Unauthorized => (Refused, Next::Pause(PauseCause::Unauthorized)),
        Answer::Forbidden => (Refused, Next::Pause(PauseCause::Forbidden)),
        Answer::TooMany => (Refused, Next::AgainWithinQuota),
        Answer::NotSent => (Refused, Next::Again),
        Answer::Unclear => (Ambiguous, Next::Again),
    }
}

impl<L: Log, S: Store> Sender<L, S> {
    /// Sends a chunk until every person of it is resolved.
    pub async fn send_chunk(&self, job: Arc<Job>, key: ChunkKey) -> Result<(), Halt> {
        let keys = self.keys.load_full();
        let opened = match open_chunk(&self.store, &keys, key).await {
            Ok(opened) => opened,
            Err(ChunkError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::error!(%error, "a sealed chunk can't be used");
                ::metrics::gauge!(metrics::LEDGER_MISMATCH).increment(1.0);
                self.book.pause(&job, PauseCause::LedgerMismatch).await?;
                return Err(Halt::Stopped);
            }
        };
        let (_, text) = job.content.message_for(opened.language);
        let (text, parts, halted) = (text.to_owned(), Mutex::default(), CancellationToken::new());
        let chunk = Chunk { job, key, opened, text, parts, halted };
        if chunk.opened.way == Way::Push {
            return self.push_chunk(&chunk).await;
        }
        let mut open = vec![Path::whole()];
        while let Some(path) = open.pop() {
            if path != Path::whole() {
                kill_point!("K27 between halves");
            }
            if self.multicast(&chunk, &path).await? == PartState::Split {
                open.extend([path.right(), path.left()]);
            }
        }
        Ok(())
    }

    /// Sends one part of a multicast chunk until it is resolved: how.
    async fn multicast(&self, chunk: &Chunk, path: &Path) -> Result<PartState, Halt> {
        let key = part(chunk.key, path.clone());
        let range = path.range(chunk.opened.recipients.len());
        let (mut failures, mut renewed) = (0, false);
        loop {
            let ledger = self.ledger(&key).await?;
            let state = self.guarded(&key, &ledger).await?;
            let heads = Heads { all: range.len(), left_out: ledger.exclusions().len() };
            self.note(chunk, path, state, heads);
            if !matches!(state, PartState::Open { .. }) {
                return Ok(state);
            }
            let (turn, ready) = self.turn(chunk, &self.multicast).await?;
            let exclusions = match ledger.attempts.first() {
                Some(oldest) => oldest.exclusions.clone(),
                None => self.exclusions(chunk, range.clone()).await?,
            };
            let (people, body) = frozen(chunk, range.clone(), &exclusions);
            let attempt = self.attempt(&key, &ledger, exclusions, &body).await?;
            // Everybody repeats the oldest attempt, also one that was written just before ours.
            let ledger = self.ledger(&key).await?;
            if !matches!(ledger.state(), PartState::Open { .. }) {
                continue;
            }
            let (people, body) = if ledger.exclusions() == attempt.exclusions {
                (people, body)
            } else {
                frozen(chunk, range.clone(), ledger.exclusions())
            };
            if people.is_empty() {
                self.outcome(&attempt, SendResult::Empty, None).await?;
                continue;
            }
            let permit = self.permit(chunk, &attempt, ready).await?;
            // Writing, or waiting, may have taken long.
            if ledger.is_too_late(self.book.now(), self.max_skew_ms) {
                continue;
            }
            let retry_key = Some(chunk.retry_key(path));
            let answer = self.line.post_once(Endpoint::Multicast, body, retry_key).await;
            drop((permit, turn));
            let next = self.settle(&attempt, answer, &people, &self.multicast).await?;
            match next {
                Next::Resolved => self.accepted_or_invalid(chunk, &key, &people).await?,
                Next::Again | Next::AgainWithinQuota => {
                    let heads = Heads { all: range.len(), left_out: ledger.exclusions().len() };
                    self.note(chunk, path, PartState::Open { tried: true }, heads);
                    self.wait(chunk, &mut failures).await?;
                }
                Next::Pause(PauseCause::Unauthorized) if !renewed && self.line.renew().await => {
                    renewed = true;
                }
                Next::Pause(cause) => return self.pause(&chunk.job, cause).await,
            }
        }
    }

    /// The state of a part; one whose unclear attempt is so old that LINE may have forgotten the
    /// key becomes undecided.
    async fn guarded(&self, key: &PartKey, ledger: &PartLedger) -> Result<PartState, Halt> {
        let state = ledger.state();
        let open = matches!(state, PartState::Open { .. });
        if !open || !ledger.is_too_late(self.book.now(), self.max_skew_ms) {
            return Ok(state);
        }
        let Some(unclear) = ledger.oldest_unclear() else { return Ok(state) };
        tracing::error!(job = %key.chunk.job, "a part of a chunk is undecided: officials have to say what becomes of it");
        // On the part itself, where the attempt may be of a whole push chunk; and as ours, for
        // whoever made it may be about to write that LINE took it.
        let attempt = AttemptRow { part: key.clone(), sender: self.id, ..unclear.clone() };
        self.outcome(&attempt, SendResult::Undecided, None).await?;
        Ok(PartState::Undecided)
    }

    /// Who of a range is left out: people who asked to be forgotten after their last scan, or have
    /// blocked the account since the plan.
    async fn exclusions(
        &self,
        chunk: &Chunk,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<u16>, Halt> {
        let keys = self.keys.load_full();
        let mut exclusions = Vec::new();
        for place in range {
            let recipient = &chunk.opened.recipients[place];
            let visitor = keys.visitor(&recipient.user);
            let person = self.persist("person", || read_person(&self.store, visitor)).await?;
            let erased = person.erased_through.is_some_and(|t| t >= recipient.last_scan);
            let blocked = person.friend_state() == Some(FriendState::Blocked);
            if erased || blocked {
                exclusions.push(u16::try_from(place).unwrap_or(u16::MAX));
            }
        }
        Ok(exclusions)
    }

    async fn ledger(&self, key: &PartKey) -> Result<PartLedger, Halt> {
        self.persist("ledger", || PartLedger::read(&self.store, key)).await
    }

    /// Writes down what is about to be requested.
    async fn attempt(
        &self,
        key: &PartKey,
        ledger: &PartLedger,
        exclusions: Vec<u16>,
        body: &[u8],
    ) -> Result<AttemptRow, Halt> {
        let attempt = AttemptRow {
            part: key.clone(),
            attempted_at: ledger.next_attempt_at(self.book.now()),
            sender: self.id,
            exclusions,
            body_hash: Sha256::digest(body).into(),
        };
        kill_point!("K21 nothing attempted");
        if !mutant!("key stored after send") {
            self.persist("attempt", || self.store.put(std::slice::from_ref(&attempt))).await?;
        }
        kill_point!("K22 attempted, not sent");
        Ok(attempt)
    }

    /// Writes down what came of it.
    async fn outcome(
        &self,
        attempt: &AttemptRow,
        result: SendResult,
        request_id: Option<String>,
    ) -> Result<(), Halt> {
        let row = OutcomeRow {
            part: attempt.part.clone(),
            attempted_at: attempt.attempted_at,
            sender: attempt.sender,
            result,
            request_id,
            answered_at: self.book.now().max(attempt.attempted_at),
        };
        self.persist("outcome", || self.store.put(std::slice::from_ref(&row))).await?;
        ::metrics::counter!(metrics::PARTS, "result" => result.name()).increment(1);
        Ok(())
    }

    /// Sorts an answer, and writes down its outcome.
    async fn settle(
        &self,
        attempt: &AttemptRow,
        answer: Answer,
        people: &[UserId],
        pacer: &Pacer,
    ) -> Result<Next, Halt> {
        let (result, next) = verdict(&answer, people.len());
        let next = match next {
            Next::AgainWithinQuota => self.too_many(people, pacer).await,
            next => next,
        };
        let request_id = match answer {
            Answer::Accepted { request_id } | Answer::AlreadyAccepted { request_id } => request_id,
            _ => None,
        };
        kill_point!("K25 answered, not noted");
        if mutant!("key stored after send") {
            self.persist("attempt", || self.store.put(std::slice::from_ref(attempt))).await?;
        }
        self.outcome(attempt, result, request_id).await?;
        kill_point!("K26 noted, not told");
        Ok(next)
    }

    /// 429 is either of two things, and only the quota tells which.
    async fn too_many(&self, people: &[UserId], pacer: &Pacer) -> Next {
        if let Ok(quota) = self.line.quota().await
            && let Some(remaining) = quota.remaining()
            && remaining < people.len() as u64
        {
            return Next::Pause(PauseCause::Quota { remaining: Some(remaining) });
        }
        pacer.too_fast();
        Next::Again
    }

    /// Notes for people what they were told, and looks whether too many are invalid.
    async fn accepted_or_invalid(
        &self,
        chunk: &Chunk,
        key: &PartKey,
        people: &[UserId],
    ) -> Result<(), Halt> {
        match self.ledger(key).await?.state() {
            PartState::Accepted => {
                ::metrics::counter!(metrics::RECIPIENTS, "result" => "accepted")
                    .increment(people.len() as u64);
                self.notices(chunk, people).await;
            }
            PartState::Invalid if chunk.totals().invalid >= MANY_INVALID => {
                self.pause(&chunk.job, PauseCause::ManyInvalid).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// For "my last notice" only: whether it succeeds decides nothing.
    async fn notices(&self, chunk: &Chunk, people: &[UserId]) {
        let keys = self.keys.load_full();
        let now = self.book.now();
        let rows: Result<Vec<NoticeRow>, _> = people
            .iter()
            .map(|user| {
                let visitor = keys.visitor(user);
                let sealed_job = keys.seal(now.epoch(), &visitor.0, chunk.job.id.0.as_bytes())?;
                let language = chunk.opened.language;
                Ok::<_, schemas::identity::IdentityError>(NoticeRow {
                    visitor,
                    accepted_at: now,
                    sealed_job,
                    language,
                })
            })
            .collect();
        match rows {
            Ok(rows) => {
                if let Err(error) = self.store.put(&rows).await {
                    tracing::warn!(%error, "notices are not noted");
                }
            }
            Err(error) => tracing::warn!(%error, "notices are not noted"),
        }
    }

    async fn pause<T>(&self, job: &Job, cause: PauseCause) -> Result<T, Halt> {
        self.book.pause(job, cause).await?;
        Err(Halt::Stopped)
    }

    /// Notes where the people of a part stand, and lets it be known.
    fn note(&self, chunk: &Chunk, path: &Path, state: PartState, heads: Heads) {
        let people = (heads.all - heads.left_out.min(heads.all)) as u64;
        let mut totals = ChunkTotals { erased: heads.left_out as u64, ..ChunkTotals::default() };
        match state {
            PartState::Accepted => totals.accepted = people,
            PartState::Invalid => totals.invalid = people,
            PartState::Undecided => totals.undecided = people,
            PartState::Open { tried: true } => totals.retrying = people,
            PartState::Empty => {}
            PartState::Split | PartState::Open { tried: false } => {
                totals = ChunkTotals::default();
            }
        }
        chunk.parts.lock().insert(path.clone(), totals);
        self.outcomes.note(chunk.key, chunk.totals());
    }

    /// Full jitter: any wait up to the present bound, which doubles.
    async fn wait(&self, chunk: &Chunk, failures: &mut u32) -> Result<(), Halt> {
        let bound = FIRST_WAIT.saturating_mul(1 << (*failures).min(10)).min(LONGEST_WAIT);
        *failures += 1;
        let wait = rand::rng().random_range(Duration::from_millis(20)..=bound);
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.shutdown.cancelled() => Err(Halt::Stopped),
            () = chunk.halted.cancelled() => Err(Halt::Stopped),
        }
    }

    async fn persist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        what: &'static str,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Halt> {
        match retry(what, &self.shutdown, attempt).await {
            Tried::Done(value) => Ok(value),
            Tried::Failed(error) => Err(error.into()),
            Tried::Stopped => Err(Halt::Stopped),
        }
    }
}

/// The people of a range without those left out, in frozen order, and the bytes for them.
fn frozen(
    chunk: &Chunk,
    range: std::ops::Range<usize>,
    exclusions: &[u16],
) -> (Vec<UserId>, bytes::Bytes) {
    let people: Vec<UserId> = range
        .filter(|place| !exclusions.iter().any(|out| usize::from(*out) == *place))
        .map(|place| chunk.opened.recipients[place].user)
        .collect();
    let body = multicast_body(&people, &chunk.text);
    (people, body)
}
