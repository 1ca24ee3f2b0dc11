//! What the ledger says of a chunk: which parts are resolved, and how.

use schemas::sending::{ChunkTotals, Path, Recipient, UNDECIDED_AFTER_MS, Way};
use schemas::time::EventTime;
use storage::{
    Store, StoreError, mutant,
    rows::{
        TypedStore,
        ledger::{AttemptRow, ChunkKey, OutcomeRow, PartKey, SendResult},
    },
};

use crate::planner::OpenChunk;

/// Attempts and outcomes of one part.
#[derive(Clone, Debug, Default)]
pub struct PartLedger {
    /// Oldest first; for a person of a push chunk those of the whole chunk, then their own.
    pub attempts: Vec<AttemptRow>,
    /// In the order of their attempts.
    pub outcomes: Vec<OutcomeRow>,
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// Nothing is known that ends it; `tried` says whether an answer is unclear.
    Open {
        /// Whether LINE may have taken an attempt.
        tried: bool,
    },
    /// LINE took it.
    Accepted,
    /// LINE refuses its only recipient.
    Invalid,
    /// Its halves stand for it.
    Split,
    /// Everybody of it was left out.
    Empty,
    /// Unclear for too long.
    Undecided,
}

impl PartLedger {
    /// Reads what is known of a part.
    pub async fn read<S: Store>(store: &S, part: &PartKey) -> Result<Self, StoreError> {
        // Outcomes first: an attempt that is made in between is then at worst taken for unclear.
        let outcomes = store.all::<OutcomeRow>(part).await?;
        let attempts = store.all::<AttemptRow>(part).await?;
        Ok(Self { attempts, outcomes })
    }

    /// How the part stands. Acceptance outweighs everything: LINE said so once.
    pub fn state(&self) -> PartState {
        let has = |result| self.outcomes.iter().any(|outcome| outcome.result == result);
        if has(SendResult::Accepted) {
            PartState::Accepted
        } else if has(SendResult::Split) {
            PartState::Split
        } else if has(SendResult::Invalid) {
            PartState::Invalid
        } else if has(SendResult::Empty) {
            PartState::Empty
        } else if has(SendResult::Undecided) {
            PartState::Undecided
        } else {
            PartState::Open { tried: self.oldest_unclear().is_some() }
        }
    }

    /// The oldest attempt that LINE may have taken without our knowing: one without an outcome, or
    /// with an unclear one. A definite refusal closes its attempt.
    pub fn oldest_unclear(&self) -> Option<&AttemptRow> {
        let closed = |attempt: &AttemptRow| {
            self.outcomes.iter().any(|outcome| {
                outcome.attempted_at == attempt.attempted_at
                    && outcome.sender == attempt.sender
                    && outcome.result != SendResult::Ambiguous
            })
        };
        // A person's own attempts of a push chunk come after those of the whole, of which one may
        // be later.
        let unclear = self.attempts.iter().filter(|attempt| !closed(attempt));
        if mutant!("no first-attempt stamp") {
            return unclear.max_by_key(|attempt| attempt.attempted_at);
        }
        unclear.min_by_key(|attempt| attempt.attempted_at)
    }

    /// Whether LINE may have forgotten the key of an unclear attempt by now.
    pub fn is_too_late(&self, now: EventTime, max_skew_ms: i64) -> bool {
        if mutant!("no 24 h guard") {
            return false;
        }
        self.oldest_unclear().is_some_and(|attempt| {
            now.plus(max_skew_ms) >= attempt.attempted_at.plus(UNDECIDED_AFTER_MS)
        })
    }

    /// The stamp of an attempt made at `now`: later than every attempt before it, whatever the
    /// clock does, so that each has a row of its own.
    pub fn next_attempt_at(&self, now: EventTime) -> EventTime {
        let last = self.attempts.iter().map(|attempt| attempt.attempted_at.0).max();
        last.map_or(now, |last| now.max(EventTime(last + 1)))
    }

    /// Who of the part is left out: what the oldest attempt says, for all time.
    pub fn exclusions(&self) -> &[u16] {
        self.attempts.first().map_or(&[], |attempt| &attempt.exclusions)
    }
}

/// The key of a part.
pub fn part(chunk: ChunkKey, path: Path) -> PartKey {
    PartKey { chunk, path }
}

/// How many people of a chunk stand where, from the ledger alone.
pub async fn totals<S: Store>(
    store: &S,
    key: ChunkKey,
    chunk: &OpenChunk,
) -> Result<ChunkTotals, StoreError> {
    let mut totals = ChunkTotals::default();
    for (path, ledger) in resolved(store, key, chunk).await? {
        let people = path.range(chunk.recipients.len());
        let all = people.len() as u64;
        let left_out =
            ledger.exclusions().iter().filter(|place| people.contains(&usize::from(**place)));
        let left_out = left_out.count() as u64;
        match ledger.state() {
            PartState::Accepted => totals.accepted += all - left_out,
            PartState::Invalid => totals.invalid += all - left_out,
            PartState::Undecided => totals.undecided += all - left_out,
            PartState::Open { tried: true } => totals.retrying += all - left_out,
            PartState::Empty => {}
            PartState::Split | PartState::Open { tried: false } => continue,
        }
        totals.erased += left_out;
    }
    Ok(totals)
}

/// The people of a chunk of whom nobody knows whether LINE took their message.
pub async fn undecided_people<S: Store>(
    store: &S,
    key: ChunkKey,
    chunk: &OpenChunk,
) -> Result<Vec<Recipient>, StoreError> {
    let mut undecided = Vec::new();
    for (path, ledger) in resolved(store, key, chunk).await? {
        if ledger.state() != PartState::Undecided {
            continue;
        }
        for place in path.range(chunk.recipients.len()) {
            let left_out = ledger.exclusions().iter().any(|out| usize::from(*out) == place);
            if !left_out {
                undecided.push(chunk.recipients[place].clone());
            }
        }
    }
    Ok(undecided)
}

/// The parts that a chunk's people are in, each with its ledger. For a push chunk the attempt of
/// the whole says who is left out of it.
async fn resolved<S: Store>(
    store: &S,
    key: ChunkKey,
    chunk: &OpenChunk,
) -> Result<Vec<(Path, PartLedger)>, StoreError> {
    let whole = PartLedger::read(store, &part(key, Path::whole())).await?;
    let mut parts = Vec::new();
    if chunk.way == Way::Push {
        if whole.attempts.is_empty() {
            return Ok(parts);
        }
        for place in 0..chunk.recipients.len() {
            let path = Path::person(place);
            let person = PartLedger::read(store, &part(key, path.clone())).await?;
            let attempts = [whole.attempts.clone(), person.attempts].concat();
            parts.push((path, PartLedger { attempts, outcomes: person.outcomes }));
        }
        return Ok(parts);
    }
    let mut open = vec![(Path::whole(), whole)];
    while let Some((path, ledger)) = open.pop() {
        if ledger.state() == PartState::Split {
            for half in [path.left(), path.right()] {
                let below = PartLedger::read(store, &part(key, half.clone())).await?;
                open.push((half, below));
            }
        } else {
            parts.push((path, ledger));
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use schemas::{
        ids::{JobId, PlanId},
        sending::ChunkNumber,
    };
    use uuid::Uuid;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn key() -> PartKey {
        let (job, plan) = (JobId(Uuid::nil()), PlanId(Uuid::nil()));
        part(ChunkKey { job, plan, chunk: ChunkNumber(0) }, Path::whole())
    }

    fn attempt(at: i64) -> AttemptRow {
        let (part, sender) = (key(), Uuid::nil());
        let attempted_at = EventTime(at);
        AttemptRow { part, attempted_at, sender, exclusions: Vec::new(), body_hash: [0; 32] }
    }

    fn outcome(at: i64, result: SendResult) -> OutcomeRow {
        let (attempted_at, answered_at) = (EventTime(at), EventTime(at + 1));
        let (part, sender) = (key(), Uuid::nil());
        OutcomeRow { part, attempted_at, sender, result, request_id: None, answered_at }
    }

    #[test]
    fn the_guard_counts_from_the_oldest_attempt_whose_answer_is_unknown() {
        let attempts = vec![attempt(0), attempt(HOUR), attempt(2 * HOUR)];
        let refused = vec![outcome(0, SendResult::Refused), outcome(HOUR, SendResult::Ambiguous)];
        let ledger = PartLedger { attempts, outcomes: refused };
        let limit = HOUR + UNDECIDED_AFTER_MS;
        assert!(!ledger.is_too_late(EventTime(limit - 1), 0));
        assert!(ledger.is_too_late(EventTime(limit), 0));
        // Clocks may be apart: then it is too late sooner.
        assert!(ledger.is_too_late(EventTime(limit - 300_000), 300_000));
        assert!(!ledger.is_too_late(EventTime(limit - 300_001), 300_000));
    }

    #[test]
    fn a_late_attempt_for_a_whole_push_chunk_hides_no_older_one_for_a_person() {
        // Of the whole: one refused, one written late; then the person's.
        let attempts = vec![attempt(0), attempt(3 * HOUR), attempt(HOUR)];
        let ledger = PartLedger { attempts, outcomes: vec![outcome(0, SendResult::Refused)] };
        assert_eq!(ledger.oldest_unclear().map(|oldest| oldest.attempted_at.0), Some(HOUR));
    }

    #[test]
    fn definite_refusals_are_never_too_late() {
        let ledger = PartLedger {
            attempts: vec![attempt(0)],
            outcomes: vec![outcome(0, SendResult::Refused)],
        };
        assert!(!ledger.is_too_late(EventTime(i64::MAX / 2), 0));
        assert_eq!(ledger.state(), PartState::Open { tried: false });
        let ledger = PartLedger { outcomes: Vec::new(), ..ledger };
        assert_eq!(ledger.state(), PartState::Open { tried: true });
        assert!(ledger.is_too_late(EventTime(UNDECIDED_AFTER_MS), 0));
    }

    #[test]
    fn acceptance_outweighs_everything() {
        for other in SendResult::ALL {
            let outcomes = vec![outcome(0, other), outcome(1, SendResult::Accepted)];
            let ledger = PartLedger { attempts: vec![attempt(0), attempt(1)], outcomes };
            assert_eq!(ledger.state(), PartState::Accepted, "{other:?}");
        }
    }
}
