//! The pieces of a plan, and the keys under which they are sent.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{JobId, PlanId, UserId},
    language::Language,
    time::EventTime,
};

/// The largest number of people in a chunk: what LINE takes in one multicast.
pub const CHUNK_PEOPLE: usize = 500;

/// How long after its first unclear attempt a chunk is given up to the officials' decision, in ms.
/// LINE honours a retry key for 24 h from the first request and forgets it then.
pub const UNDECIDED_AFTER_MS: i64 = (23 * 60 + 30) * 60_000;

/// The number of a chunk within its plan, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkNumber(pub u32);

/// How a chunk is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To friends: one multicast for the whole chunk.
    Multicast,
    /// To people of unknown friend state: one multicast; LINE answers 200 whether it can deliver
    /// or not.
    MulticastUnknown,
    /// To people of unknown friend state who wrote within 7 days: a push for each.
    Push,
}

/// One person of a chunk. In memory and sealed only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The LINE user id.
    pub user: UserId,
    /// The latest scan that put them into the plan: an erasure after it takes them out again.
    pub last_scan: EventTime,
}

/// How many people a plan has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCounts {
    /// All whom we try to reach.
    pub targeted: u64,
    /// Of these, sent by multicast although nothing is known of their friend state.
    pub reach_unknown: u64,
    /// Not targeted: they had blocked the account.
    pub out_of_reach: u64,
    /// Number of chunks.
    pub chunks: u32,
    /// Of `targeted`, by language.
    pub by_language: BTreeMap<Language, u64>,
}

/// Where the people of one chunk stand; the rest of its people is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTotals {
    /// LINE took the message.
    pub accepted: u64,
    /// Tried with an unclear answer.
    pub retrying: u64,
    /// LINE refuses their id.
    pub invalid: u64,
    /// Unclear for too long.
    pub undecided: u64,
    /// Left out: erased or blocked since the plan.
    pub erased: u64,
}

impl ChunkTotals {
    /// Adds those of another chunk or part of one.
    pub fn add(&mut self, other: &ChunkTotals) {
        self.accepted += other.accepted;
        self.retrying += other.retrying;
        self.invalid += other.invalid;
        self.undecided += other.undecided;
        self.erased += other.erased;
    }

    /// Whether they may come after `before`. People only move on: from open to undecided or left
    /// out, and from there to what LINE has said, which stays.
    pub fn is_as_far_as(&self, before: &ChunkTotals) -> bool {
        let far = |totals: &ChunkTotals| {
            let said = totals.accepted + totals.invalid;
            (said, said + totals.undecided + totals.erased)
        };
        far(self) >= far(before)
    }
}

/// A chunk as people and the API name it: `<plan>.<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkName {
    /// The plan.
    pub plan: PlanId,
    /// The chunk.
    pub chunk: ChunkNumber,
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.plan, self.chunk.0)
    }
}

/// A text is no name of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a chunk such as 0190b6a8-…-….3")]
pub struct NotAChunk;

impl FromStr for ChunkName {
    type Err = NotAChunk;

    fn from_str(text: &str) -> Result<Self, NotAChunk> {
        let (plan, chunk) = text.rsplit_once('.').ok_or(NotAChunk)?;
        let plan = plan.parse().map_err(|_| NotAChunk)?;
        let chunk = chunk.parse().map(ChunkNumber).map_err(|_| NotAChunk)?;
        Ok(Self { plan, chunk })
    }
}

/// Which part of a chunk a request is for.
///
/// A multicast that LINE refuses because of one id is split in two, and so on; a push chunk has a
/// part for each person.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path(String);

impl Path {
    /// The whole chunk.
    pub fn whole() -> Self {
        Self::default()
    }

    /// The first half of this part: `⌈len / 2⌉` people.
    pub fn left(&self) -> Self {
        Self(format!("{}L", self.0))
    }

    /// The second half of this part.
    pub fn right(&self) -> Self {
        Self(format!("{}R", self.0))
    }

    /// One person of a push chunk, by place in the frozen list.
    pub fn person(index: usize) -> Self {
        Self(format!("{index}"))
    }

    /// Its form in keys and tables: empty, a word of `L` and `R`, or a number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of `len` people of the chunk's frozen list the part holds; for a person of a push
    /// chunk just that one.
    pub fn range(&self, len: usize) -> std::ops::Range<usize> {
        if let Ok(index) = self.0.parse::<usize>() {
            return index.min(len)..(index + 1).min(len);
        }
        self.0.bytes().fold(0..len, |range, step| {
            let middle = range.start + range.len().div_ceil(2);
            if step == b'L' { range.start..middle } else { middle..range.end }
        })
    }
}

/// The name space of our retry keys: UUIDv5 of `anshin.sending` in the URL name space.
const RETRY_KEYS: Uuid = Uuid::from_u128(0x5b37_0d6a_9d5e_5f0e_8a44_6ad0_35a1_20f4);

/// The `X-Line-Retry-Key` of a part of a chunk: the same for every attempt, by whomever, for ever.
/// LINE answers 409 to a key it has accepted a request with, so that nobody is told twice.
pub fn retry_key(job: JobId, plan: PlanId, chunk: ChunkNumber, path: &Path) -> Uuid {
    let name = format!("{job}|{plan}|{}|{}", chunk.0, path.as_str());
    Uuid::new_v5(&RETRY_KEYS, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn splitting_loses_nobody(len in 1..=CHUNK_PEOPLE, steps in "[LR]{0,9}") {
            let path = Path(steps);
            let whole = path.range(len);
            let (left, right) = (path.left().range(len), path.right().range(len));
            prop_assert_eq!(left.start, whole.start);
            prop_assert_eq!(left.end, right.start);
            prop_assert_eq!(right.end, whole.end);
        }

        #[test]
        fn names_of_chunks_survive_the_round_trip(plan: u128, chunk: u32) {
            let name = ChunkName { plan: PlanId(Uuid::from_u128(plan)), chunk: ChunkNumber(chunk) };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    #[test]
    fn retry_keys_never_change_and_never_meet() {
        let (job, plan) = (JobId(Uuid::from_u128(1)), PlanId(Uuid::from_u128(2)));
        let key = |chunk, path: &Path| retry_key(job, plan, ChunkNumber(chunk), path);
        let whole = Path::whole();
        let all = [
            key(0, &whole),
            key(1, &whole),
            key(0, &whole.left()),
            key(0, &whole.right()),
            key(0, &Path::person(0)),
            key(0, &Path::person(10)),
            key(1, &Path::person(0)),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], key(0, &Path::whole()));
    }
}
