//! An exposure job: what officials ask for, and the one state machine that decides what counts.
//!
//! ```text
//!              ┌────────── edited ──────────┐
//!              ▼                            │
//!  submit ▶ submitted ── returned ─────▶ returned
//!              │  └───── rejected ─────▶ rejected ∎
//!           approved (by another person, of the current content)
//!              ▼
//!           approved ── planning ──▶ planning ── sealed ──▶ sending ── completed ──▶ completed
//!              │                        ▲                   │  ▲                       │  │
//!              │                        │              paused  resumed        sweep due  │ closed
//!              │                        │                   ▼  │                  │      ▼
//!              └──── cancelled ∎        │                  paused              planning  closed ∎
//! ```
//!
//! The `jobs` topic is the order of record. Everybody who wants to know the jobs folds its records
//! into [`Jobs`], in offset order; the first valid record wins, an invalid or repeated one changes
//! nothing.

mod content;
mod progress;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

pub use self::{
    content::{JobContent, JobVenue, hex},
    progress::Progress,
    record::{Actor, ChunkRef, Decision, JobEvent, JobRecord, PauseCause},
};
use crate::{
    ids::{JobId, PlanId, RecordId},
    sending::{ChunkNumber, ChunkTotals, PlanCounts},
    time::EventTime,
};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for a second person.
    Submitted,
    /// Sent back for changes.
    Returned,
    /// Refused for good.
    Rejected,
    /// Agreed to; waits for the planner.
    Approved,
    /// The planner waits for the read barrier or works out the recipients.
    Planning,
    /// A sealed plan is being sent.
    Sending,
    /// Stopped until resumed.
    Paused,
    /// Everything sealed so far is resolved; sweeps may follow.
    Completed,
    /// Over: no sweep follows.
    Closed,
    /// Stopped for good.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [State; 10] = [
        State::Submitted,
        State::Returned,
        State::Rejected,
        State::Approved,
        State::Planning,
        State::Sending,
        State::Paused,
        State::Completed,
        State::Closed,
        State::Cancelled,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            State::Submitted => "submitted",
            State::Returned => "returned",
            State::Rejected => "rejected",
            State::Approved => "approved",
            State::Planning => "planning",
            State::Sending => "sending",
            State::Paused => "paused",
            State::Completed => "completed",
            State::Closed => "closed",
            State::Cancelled => "cancelled",
        }
    }
}

/// A frozen plan of a job and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPlan {
    /// Its id.
    pub plan: PlanId,
    /// 0 for the first plan, 1 to 3 for the sweeps.
    pub sweep: u8,
    /// How many.
    pub counts: PlanCounts,
    /// Its hash.
    pub hash: String,
    /// The totals of each chunk that has any: the latest of those that are furthest.
    pub chunks: BTreeMap<ChunkNumber, ChunkTotals>,
    /// What was decided of undecided chunks.
    pub decisions: BTreeMap<ChunkNumber, ChunkDecision>,
}

/// What officials said of an undecided chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkDecision {
    /// Who said it first.
    pub proposed_by: Actor,
    /// What.
    pub decision: Decision,
    /// The second person who said the same; the decision counts only with one.
    pub confirmed_by: Option<Actor>,
    /// The plan in which its undecided people are sent to again.
    pub sent_again_by: Option<PlanId>,
}

/// A job as its records make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: State,
    /// Raised by every edit; 1 at first.
    pub version: u32,
    /// The current content.
    pub content: JobContent,
    /// [`JobContent::hash`] of it.
    pub content_hash: String,
    /// Everybody who wrote content of this job: none of them may approve it.
    pub authors: BTreeSet<Actor>,
    /// The key of the request that made it.
    pub idempotency_key: String,
    /// The hash of that request's body.
    pub body_hash: String,
    /// When it was submitted.
    pub submitted_at: EventTime,
    /// Who approved, and when.
    pub approved: Option<(Actor, EventTime)>,
    /// Why it was returned or rejected last.
    pub reason: Option<String>,
    /// Why it is paused, and the state to go back to.
    pub paused: Option<(PauseCause, State)>,
    /// How often it was resumed.
    pub resumes: u32,
    /// An approver gave up waiting for the read barrier.
    pub plan_anyway: bool,
    /// The sweep that is being planned or sent.
    pub sweep: u8,
    /// When the last sweep was completed.
    pub completed_at: Option<EventTime>,
    /// The sealed plans, oldest first.
    pub plans: Vec<SealedPlan>,
}

impl Job {
    /// Whether it is being sent, and was not stopped since it was as given.
    pub fn is_still_sent(&self, as_it_was: &Job) -> bool {
        self.state == State::Sending && self.resumes == as_it_was.resumes
    }
}

/// Why a record changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It was applied before.
    #[error("already done")]
    Repeated,
    /// The key of the request has made a job already.
    #[error("the idempotency key has been used")]
    KeyUsed,
    /// There is no such job.
    #[error("no such job")]
    NoSuchJob,
    /// A job of this id exists.
    #[error("the job exists already")]
    Exists,
    /// The state does not allow it.
    #[error("not possible in the job's present state")]
    WrongState,
    /// It was approved on the basis of another content.
    #[error("the content has changed since")]
    StaleHash,
    /// Who wrote it may not approve it.
    #[error("nobody approves a job they wrote")]
    OwnJob,
    /// A service may draft, nothing else.
    #[error("only a person may do this")]
    NotAPerson,
    /// The plan or chunk is not one of this job, or the chunk is not undecided.
    #[error("no such undecided chunk")]
    NoSuchChunk,
    /// The same person can't decide twice.
    #[error("a second person has to decide the same")]
    SameDecider,
}

/// All jobs, as the records of the `jobs` topic make them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    jobs: BTreeMap<JobId, Job>,
    /// Records that came by, whether they counted or not: the first occurrence decides, so that
    /// one that was refused can't count later because its append was repeated.
    seen: HashSet<RecordId>,
    /// Which job a request made.
    requests: HashMap<(Actor, String), JobId>,
}

impl Jobs {
    /// Takes in the next record of the topic. `Ok` holds the job after it.
    pub fn apply(&mut self, record: &JobRecord) -> Result<&Job, Refusal> {
        if !self.seen.insert(record.id) {
            return Err(Refusal::Repeated);
        }
        if let JobEvent::Submitted { by, idempotency_key, .. } = &record.event {
            let request = (by.clone(), idempotency_key.clone());
            if self.requests.contains_key(&request) {
                return Err(Refusal::KeyUsed);
            }
            let job = transition(self.jobs.get(&record.job), record)?;
            self.requests.insert(request, record.job);
            return Ok(self.jobs.entry(record.job).insert_entry(job).into_mut());
        }
        let job = transition(self.jobs.get(&record.job), record)?;
        Ok(self.jobs.entry(record.job).insert_entry(job).into_mut())
    }

    /// A job.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// The job that a request of this person or service with this key made.
    pub fn by_request(&self, by: &Actor, idempotency_key: &str) -> Option<&Job> {
        let id = self.requests.get(&(by.clone(), idempotency_key.to_owned()))?;
        self.jobs.get(id)
    }

    /// All of them; ids are UUIDv7, so the oldest comes first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.values()
    }
}

/// Applies one record to its job. `Ok` holds the job after it; `Err` says why nothing changed.
///
/// The only place that knows what may follow what.
pub fn transition(job: Option<&Job>, record: &JobRecord) -> Result<Job, Refusal> {
    let Some(job) = job else {
        return match &record.event {
            JobEvent::Submitted { by, content, idempotency_key, body_hash } => Ok(Job {
                id: record.job,
                state: State::Submitted,
                version: 1,
                content: content.clone(),
                content_hash: content.hash(),
                authors: BTreeSet::from([by.clone()]),
                idempotency_key: idempotency_key.clone(),
                body_hash: body_hash.clone(),
                submitted_at: record.at,
                approved: None,
                reason: None,
                paused: None,
                resumes: 0,
                plan_anyway: false,
                sweep: 0,
                completed_at: None,
                plans: Vec::new(),
            }),
            _ => Err(Refusal::NoSuchJob),
        };
    };
    let mut next = job.clone();
    next.apply(record)?;
    Ok(next)
}

impl Job {
    fn apply(&mut self, record: &JobRecord) -> Result<(), Refusal> {
        use State::*;
        match &record.event {
            JobEvent::Submitted { .. } => Err(Refusal::Exists),
            JobEvent::Edited { by, content } => {
                self.require(&[Submitted, Returned])?;
                self.content = content.clone();
                self.content_hash = content.hash();
                self.version += 1;
                self.authors.insert(by.clone());
                self.reason = None;
                self.state = Submitted;
                Ok(())
            }
            JobEvent::Approved { by, content_hash } => {
                self.require(&[Submitted])?;
                person(by)?;
                if self.authors.contains(by) {
                    return Err(Refusal::OwnJob);
                }
                if *content_hash != self.content_hash {
                    return Err(Refusal::StaleHash);
                }
                self.approved = Some((by.clone(), record.at));
                self.state = Approved;
                Ok(())
            }
            JobEvent::Returned { by, reason } => {
                self.require(&[Submitted])?;
                person(by)?;
                self.reason = Some(reason.clone());
                self.state = Returned;
                Ok(())
            }
            JobEvent::Rejected { by, reason } => {
                self.require(&[Submitted, Returned])?;
                person(by)?;
                self.reason = Some(reason.clone());
                self.state = Rejected;
                Ok(())
            }
            JobEvent::PlanAnyway { by } => {
                self.require(&[Approved, Planning])?;
                person(by)?;
                self.plan_anyway = true;
                Ok(())
            }
            JobEvent::Planning { sweep } => {
                // The first plan follows an approval, a sweep a completed one.
                let follows = match self.state {
                    Approved => *sweep == 0,
                    Completed => *sweep == self.sweep + 1,
                    _ => false,
                };
                if !follows {
                    return Err(Refusal::WrongState);
                }
                self.sweep = *sweep;
                self.state = Planning;
                Ok(())
            }
            JobEvent::Sealed { plan, sweep, counts, hash, again } => {
                if self.plans.iter().any(|sealed| sealed.plan == *plan) {
                    return Err(Refusal::Repeated);
                }
                if *sweep != self.sweep {
                    return Err(Refusal::WrongState);
                }
                match again {
                    // A plan sealed after the job was paused or cancelled is never sent.
                    None => self.require(&[Planning])?,
                    Some(chunk) => {
                        self.require(&[Sending])?;
                        self.agreed_again(*chunk)?.sent_again_by = Some(*plan);
                    }
                }
                self.plans.push(SealedPlan {
                    plan: *plan,
                    sweep: *sweep,
                    counts: counts.clone(),
                    hash: hash.clone(),
                    chunks: BTreeMap::new(),
                    decisions: BTreeMap::new(),
                });
                self.state = Sending;
                Ok(())
            }
            JobEvent::Outcomes { plan, chunks } => {
                // Also when cancelled: what was in flight is still counted.
                let sealed = self
                    .plans
                    .iter_mut()
                    .find(|sealed| sealed.plan == *plan)
                    .ok_or(Refusal::NoSuchChunk)?;
                for (chunk, said) in chunks {
                    let known = sealed.chunks.entry(*chunk).or_default();
                    if said.is_as_far_as(known) {
                        *known = *said;
                    }
                }
                Ok(())
            }
            JobEvent::Paused { cause, resumes } => {
                self.require(&[Approved, Planning, Sending])?;
                if resumes.is_some_and(|resumes| resumes != self.resumes) {
                    return Err(Refusal::WrongState);
                }
                self.paused = Some((cause.clone(), self.state));
                self.state = Paused;
                Ok(())
            }
            JobEvent::Resumed { by } => {
                self.require(&[Paused])?;
                person(by)?;
                let (_, before) = self.paused.take().ok_or(Refusal::WrongState)?;
                self.state = before;
                self.resumes += 1;
                Ok(())
            }
            JobEvent::Cancelled { by } => {
                self.require(&[
                    Submitted, Returned, Approved, Planning, Sending, Paused, Completed,
                ])?;
                person(by)?;
                self.paused = None;
                self.state = Cancelled;
                Ok(())
            }
            JobEvent::Decided { by, plan, chunk, decision } => {
                self.require(&[Sending, Paused])?;
                person(by)?;
                self.decide(by, *plan, *chunk, *decision)
            }
            JobEvent::Completed { sweep } => {
                self.require(&[Sending])?;
                if *sweep != self.sweep {
                    return Err(Refusal::WrongState);
                }
                self.completed_at = Some(record.at);
                self.state = Completed;
                Ok(())
            }
            JobEvent::Closed => {
                self.require(&[Completed])?;
                self.state = Closed;
                Ok(())
            }
        }
    }

    fn require(&self, allowed: &[State]) -> Result<(), Refusal> {
        if allowed.contains(&self.state) { Ok(()) } else { Err(Refusal::WrongState) }
    }

    fn decide(
        &mut self,
        by: &Actor,
        plan: PlanId,
        chunk: ChunkNumber,
        decision: Decision,
    ) -> Result<(), Refusal> {
        let sealed =
            self.plans.iter_mut().find(|sealed| sealed.plan == plan).ok_or(Refusal::NoSuchChunk)?;
        if sealed.chunks.get(&chunk).is_none_or(|totals| totals.undecided == 0) {
            return Err(Refusal::NoSuchChunk);
        }
        match sealed.decisions.get_mut(&chunk) {
            Some(said) if said.confirmed_by.is_some() => Err(Refusal::WrongState),
            Some(said) if said.proposed_by == *by => {
                if said.decision == decision {
                    return Err(Refusal::SameDecider);
                }
                said.decision = decision;
                Ok(())
            }
            Some(said) if said.decision == decision => {
                said.confirmed_by = Some(by.clone());
                Ok(())
            }
            _ => {
                let said = ChunkDecision {
                    proposed_by: by.clone(),
                    decision,
                    confirmed_by: None,
                    sent_again_by: None,
                };
                sealed.decisions.insert(chunk, said);
                Ok(())
            }
        }
    }

    /// The decision of two persons to send a chunk again that no plan has carried out yet.
    fn agreed_again(&mut self, chunk: ChunkRef) -> Result<&mut ChunkDecision, Refusal> {
        self.plans
            .iter_mut()
            .find(|sealed| sealed.plan == chunk.plan)
            .and_then(|sealed| sealed.decisions.get_mut(&chunk.chunk))
            .filter(|said| {
                said.decision == Decision::SendAgain
                    && said.confirmed_by.is_some()
                    && said.sent_again_by.is_none()
            })
            .ok_or(Refusal::NoSuchChunk)
    }
}

fn person(by: &Actor) -> Result<(), Refusal> {
    match by {
        Actor::Official(_) => Ok(()),
        Actor::Service(_) => Err(Refusal::NotAPerson),
    }
}

#[cfg(test)]
mod tests;
