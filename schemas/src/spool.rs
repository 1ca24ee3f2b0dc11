//! Which spools there are, and whether they are empty: what the read barrier asks.
//!
//! A spool holds records that a visitor was told are safe and that the log does not have yet. So
//! before a plan is made somebody asks, and every spool that there is answers once it is empty.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    topic::Topic,
    wire::{Body, WireRecord},
};

/// A record of the `spools` topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum SpoolRecord {
    /// A process with this spool has begun: from now on there may be something in it.
    Opened {
        /// The spool: the same for as long as its directory lives.
        spool: Uuid,
    },
    /// Whether all spools are empty is asked.
    Asked {
        /// Which question.
        question: Uuid,
    },
    /// The spool was empty at some moment after the question.
    Empty {
        /// The spool.
        spool: Uuid,
        /// Which question.
        question: Uuid,
    },
    /// The spool is empty and no process has it any more; or somebody says that it is lost.
    Closed {
        /// The spool.
        spool: Uuid,
    },
}

impl WireRecord for SpoolRecord {
    const TOPIC: Topic = Topic::Spools;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Json;

    fn key(&self) -> Bytes {
        match self {
            // Closing replaces opening.
            SpoolRecord::Opened { spool } | SpoolRecord::Closed { spool } => {
                Bytes::copy_from_slice(spool.as_bytes())
            }
            SpoolRecord::Asked { .. } => Bytes::from_static(b"question"),
            SpoolRecord::Empty { spool, .. } => {
                Bytes::from([b"empty".as_slice(), spool.as_bytes()].concat())
            }
        }
    }
}

/// All spools, as the records of the topic add up.
#[derive(Clone, Debug, Default)]
pub struct Spools {
    /// Questions in the order of the log.
    questions: HashMap<Uuid, u64>,
    latest: Option<Uuid>,
    /// Open spools, and the latest question that each has answered (0: none).
    open: BTreeMap<Uuid, u64>,
}

impl Spools {
    /// Takes in the next record.
    pub fn apply(&mut self, record: SpoolRecord) {
        match record {
            SpoolRecord::Opened { spool } => {
                self.open.insert(spool, 0);
            }
            SpoolRecord::Asked { question } => {
                let place = self.questions.len() as u64 + 1;
                self.questions.entry(question).or_insert(place);
                self.latest = Some(question);
            }
            SpoolRecord::Empty { spool, question } => {
                // A question that compaction has dropped is older than any that is waited for.
                let place = self.questions.get(&question).copied().unwrap_or(0);
                if let Some(answered) = self.open.get_mut(&spool) {
                    *answered = place.max(*answered);
                }
            }
            SpoolRecord::Closed { spool } => {
                self.open.remove(&spool);
            }
        }
    }

    /// The question that spools have to answer now.
    pub fn latest_question(&self) -> Option<Uuid> {
        self.latest
    }

    /// Spools that have not yet answered this question or a later one.
    pub fn unanswered(&self, question: Uuid) -> Vec<Uuid> {
        let place = self.questions.get(&question).copied().unwrap_or(u64::MAX);
        self.open
            .iter()
            .filter(|(_, answered)| **answered < place)
            .map(|(spool, _)| *spool)
            .collect()
    }

    /// Every open spool.
    pub fn open(&self) -> impl Iterator<Item = Uuid> {
        self.open.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spools(records: &[SpoolRecord]) -> Spools {
        let mut spools = Spools::default();
        records.iter().for_each(|record| spools.apply(*record));
        spools
    }

    #[test]
    fn a_question_is_answered_by_every_spool_that_was_opened() {
        use SpoolRecord::*;
        let [one, two, first, second] = [1, 2, 3, 4].map(Uuid::from_u128);
        let opened = [Opened { spool: one }, Opened { spool: two }, Asked { question: first }];
        assert_eq!(spools(&opened).unanswered(first), [one, two]);
        let answered = |more: &[SpoolRecord]| spools(&[&opened, more].concat());
        let half = answered(&[Empty { spool: one, question: first }]);
        assert_eq!(half.unanswered(first), [two]);
        // A later answer answers what was asked before, an earlier one not what is asked later.
        let later = [Asked { question: second }, Empty { spool: one, question: second }];
        assert_eq!(answered(&later).unanswered(first), [two]);
        let earlier = [Asked { question: second }, Empty { spool: one, question: first }];
        assert_eq!(answered(&earlier).unanswered(second), [one, two]);
        // A new process with the spool may have put something into it.
        let again = [Empty { spool: one, question: first }, Opened { spool: one }];
        assert_eq!(answered(&again).unanswered(first), [one, two]);
        let closed = [Closed { spool: one }, Empty { spool: two, question: first }];
        assert!(answered(&closed).unanswered(first).is_empty());
        // Nobody has asked that.
        assert_eq!(spools(&opened[..2]).unanswered(first), [one, two]);
    }
}
