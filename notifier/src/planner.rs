//! Approved job → sealed plan: barrier, audience, chunks, quota, one record that decides.

mod chunks;

use std::{collections::HashSet, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use schemas::{
    identity::{IdentityError, KeyRing},
    ids::{JobId, PlanId, UserId},
    job::{ChunkRef, Job, JobEvent, PauseCause, SealedPlan, State},
    sending::{Path, PlanCounts, Way, retry_key},
    spool::Spools,
};
use sha2::{Digest, Sha256};
use storage::{
    Kind, Log, LogError, Store, StoreError, follow::Follower, kill_point, mutant,
    rows::ledger::ChunkKey,
};
use tokio::time::Instant;
use uuid::Uuid;

pub use self::chunks::{ChunkError, OpenChunk, open_chunk};
use crate::{
    audience::{self, Audience, AudienceError, Target},
    barrier::{self, Barrier},
    jobs::{AppendError, JobBook},
    ledger,
    line::{Answer, Endpoint, LineClient, LineError, multicast_body, validate_body},
    metrics,
};

/// Makes plans.
pub struct Planner<L: Log, S> {
    /// The log whose barrier is waited for.
    pub log: L,
    /// What is on its way to the log.
    pub spools: Follower<L, Spools>,
    /// Rows and chunks.
    pub store: S,
    /// Opens and seals people.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// The jobs.
    pub book: JobBook<L>,
    /// LINE.
    pub line: LineClient,
}

/// How making a plan came out, short of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// A plan was sealed, by us or by somebody else.
    Sealed,
    /// The job was paused: quota, a refused message, a damaged ledger.
    Paused,
    /// The job is not to be planned any more.
    GivenUp,
}

/// Why a plan can't be made now. Making it again later may work.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The log failed.
    #[error("the log failed")]
    Log(#[from] LogError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A key that must exist is missing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What was written does not read back as it was written.
    #[error("a chunk does not read back as it was written")]
    ReadBack,
    /// LINE did not say how many messages are left.
    #[error("LINE did not say how many messages are left: {0}")]
    Quota(LineError),
    /// LINE did not say whether it takes the text; its answer, named as in metrics.
    #[error("LINE did not say whether it takes the text of the message (answer: {0})")]
    Text(&'static str),
}

impl PlanError {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            PlanError::Log(error) => error.kind(),
            PlanError::Store(error) => error.kind(),
            PlanError::Identity(_)
            | PlanError::ReadBack
            | PlanError::Quota(_)
            | PlanError::Text(_) => Kind::Transient,
        }
    }
}

impl From<AudienceError> for PlanError {
    fn from(error: AudienceError) -> Self {
        match error {
            AudienceError::Store(error) => error.into(),
            AudienceError::Identity(error) => error.into(),
        }
    }
}

impl From<AppendError> for PlanError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Log(error) => error.into(),
            AppendError::Refused(refusal) => {
                LogError::new(Kind::Transient, refusal.to_string()).into()
            }
        }
    }
}

impl<L: Log, S: Store> Planner<L, S> {
    /// Makes the plan of a job in `planning`, waiting for the read barrier first. A new plan has a
    /// new id: what a crash left of an unsealed one is never looked at.
    pub async fn plan(&self, id: JobId) -> Result<Planned, PlanError> {
        let begun = Instant::now();
        let passed = async {
            barrier::spools_are_empty(&self.spools).await?;
            Barrier::take(&self.log).await?.reached(&self.log).await;
            Ok::<(), LogError>(())
        };
        tokio::select! {
            passed = passed => passed?,
            () = self.told_to_go_on(id) => {}
        }
        ::metrics::histogram!(metrics::BARRIER_WAIT).record(begun.elapsed().as_secs_f64());
        let Some(job) = self.book.job(id).filter(|job| job.state == State::Planning) else {
            return Ok(Planned::GivenUp);
        };
        let begun = Instant::now();
        let keys = self.keys.load_full();
        let earlier = match self.earlier_people(&job, &keys).await {
            Ok(earlier) => earlier,
            Err(ChunkError::Store(error)) => return Err(error.into()),
            Err(ChunkError::Identity(error @ IdentityError::MissingKey(_))) => {
                return Err(error.into());
            }
            Err(ChunkError::Missing | ChunkError::Changed | ChunkError::Identity(_)) => {
                ::metrics::gauge!(metrics::LEDGER_MISMATCH).increment(1.0);
                return self.pause(&job, PauseCause::LedgerMismatch).await;
            }
        };
        let mut audience =
            audience::gather(&self.store, &keys, &job.content, self.book.now()).await?;
        audience.targets.retain(|target| !earlier.contains(&target.recipient.user));
        let planned = self.seal(&job, audience, None, &keys).await;
        ::metrics::histogram!(metrics::PLAN_DURATION).record(begun.elapsed().as_secs_f64());
        planned
    }

    /// Plans the undecided people of a chunk once more, as two officials decided.
    pub async fn plan_again(&self, job: &Job, chunk: ChunkRef) -> Result<Planned, PlanError> {
        let keys = self.keys.load_full();
        let key = ChunkKey { job: job.id, plan: chunk.plan, chunk: chunk.chunk };
        let opened = match open_chunk(&self.store, &keys, key).await {
            Ok(opened) => opened,
            Err(ChunkError::Store(error)) => return Err(error.into()),
            Err(_) => return self.pause(job, PauseCause::LedgerMismatch).await,
        };
        let undecided = ledger::undecided_people(&self.store, key, &opened).await?;
        let targets = undecided
            .into_iter()
            .map(|recipient| Target { recipient, language: opened.language, way: opened.way })
            .collect();
        let audience = Audience { targets, ..Audience::default() };
        self.seal(job, audience, Some(chunk), &keys).await
    }

    /// Returns once the barrier need not be waited for: an approver said so, or the job is not to
    /// be planned any more.
    async fn told_to_go_on(&self, id: JobId) {
        let mut changes = self.book.follower().changes();
        loop {
            let waits = self
                .book
                .job(id)
                .is_some_and(|job| job.state == State::Planning && !job.plan_anyway);
            if !waits || changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn earlier_people(
        &self,
        job: &Job,
        keys: &KeyRing,
    ) -> Result<HashSet<UserId>, ChunkError> {
        let mut people = HashSet::new();
        for sealed in &job.plans {
            for chunk in chunks::numbers(sealed.counts.chunks) {
                let key = ChunkKey { job: job.id, plan: sealed.plan, chunk };
                let opened = open_chunk(&self.store, keys, key).await?;
                people.extend(opened.recipients.iter().map(|recipient| recipient.user));
            }
        }
        Ok(people)
    }

    async fn seal(
        &self,
        job: &Job,
        audience: Audience,
        again: Option<ChunkRef>,
        keys: &Arc<KeyRing>,
    ) -> Result<Planned, PlanError> {
        let plan = PlanId(Uuid::now_v7());
        let Audience { mut targets, out_of_reach, .. } = audience;
        // Hides who was there first: the order depends on the job and the person only.
        targets.sort_by_cached_key(|target| -> [u8; 32] {
            let name = Sha256::new_with_prefix(job.id.0.as_bytes());
            name.chain_update(target.recipient.user.as_bytes()).finalize().into()
        });
        let mut counts = PlanCounts { out_of_reach, ..PlanCounts::default() };
        for target in &targets {
            counts.targeted += 1;
            counts.reach_unknown += u64::from(target.way == Way::MulticastUnknown);
            *counts.by_language.entry(target.language).or_default() += 1;
        }
        let written = chunks::write(&self.store, keys, (job.id, plan), targets, self.book.now());
        let (chunk_count, hash) = written.await?;
        counts.chunks = chunk_count;
        if counts.targeted > 0 {
            // Before anything is sealed: a job that stops half-way is worse than one that waits.
            let quota = self.line.quota().await.map_err(PlanError::Quota)?;
            if quota.remaining().is_some_and(|remaining| remaining < counts.targeted) {
                let cause = PauseCause::Quota { remaining: quota.remaining() };
                return self.pause(job, cause).await;
            }
            for text in job.content.messages.values() {
                let body = validate_body(text);
                match self.line.post(Endpoint::ValidateMulticast, body, None).await {
                    Answer::Accepted { .. } => {}
                    Answer::BadRequest { .. } | Answer::Refused => {
                        return self.pause(job, PauseCause::MessageRefused).await;
                    }
                    Answer::Unauthorized => {
                        return self.pause(job, PauseCause::Unauthorized).await;
                    }
                    Answer::Forbidden => return self.pause(job, PauseCause::Forbidden).await,
                    answer => return Err(PlanError::Text(answer.name())),
                }
            }
        }
        if mutant!("send from an unsealed plan") {
            for chunk in chunks::numbers(chunk_count) {
                self.send_unsealed(job, ChunkKey { job: job.id, plan, chunk }, keys).await;
            }
        }
        let event = JobEvent::Sealed { plan, sweep: job.sweep, counts, hash, again };
        kill_point!("K19 planned, not sealed");
        match self.book.append(job.id, event).await {
            Ok(_) => {
                kill_point!("K20 sealed");
                Ok(Planned::Sealed)
            }
            // Somebody else sealed first, or the job was stopped meanwhile.
            Err(AppendError::Refused(_)) => Ok(Planned::GivenUp),
            Err(error) => Err(error.into()),
        }
    }

    /// What a mutant does: the request that the sender makes for a multicast chunk.
    async fn send_unsealed(&self, job: &Job, key: ChunkKey, keys: &KeyRing) {
        let Ok(opened) = open_chunk(&self.store, keys, key).await else { return };
        if opened.way != Way::Push {
            let people: Vec<_> = opened.recipients.iter().map(|person| person.user).collect();
            let body = multicast_body(&people, job.content.message_for(opened.language).1);
            let retry_key = retry_key(job.id, key.plan, key.chunk, &Path::whole());
            self.line.post(Endpoint::Multicast, body, Some(retry_key)).await;
        }
    }

    async fn pause(&self, job: &Job, cause: PauseCause) -> Result<Planned, PlanError> {
        self.book.pause(job, cause).await?;
        Ok(Planned::Paused)
    }
}

/// Whether the chunks of a sealed plan are what was sealed.
pub(crate) async fn chunks_match<S: Store>(
    store: &S,
    plan: (JobId, PlanId),
    sealed: &SealedPlan,
) -> Result<bool, StoreError> {
    chunks::matches_seal(store, plan, sealed.counts.chunks, &sealed.hash).await
}

/// How long after a failure a plan is tried again.
pub(crate) const RETRY_PLAN: Duration = Duration::from_secs(1);
