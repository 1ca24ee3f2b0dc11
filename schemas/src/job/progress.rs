//! How far a job is.

use serde::{Deserialize, Serialize};

use super::{Job, State};
use crate::sending::ChunkTotals;

/// How many people stand where. At all times
/// `targeted = accepted + pending + retrying + invalid + undecided + erased + cancelled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// People in sealed plans whom we try to reach.
    pub targeted: u64,
    /// LINE took the message. Not the same as delivered.
    pub accepted: u64,
    /// Not tried yet.
    pub pending: u64,
    /// Tried with an unclear answer; tried again with the same key.
    pub retrying: u64,
    /// LINE refuses their id.
    pub invalid: u64,
    /// Unclear for so long that LINE may have forgotten the key: officials decide.
    pub undecided: u64,
    /// Left out when sent: they had asked to be forgotten, or blocked the account, since the plan.
    pub erased: u64,
    /// Not tried because the job was cancelled.
    pub cancelled: u64,
    /// Not in `targeted`: they had blocked the account.
    pub out_of_reach: u64,
    /// Of `targeted`: LINE takes the message, and nobody can tell whether they see it.
    pub reach_unknown: u64,
}

impl Job {
    /// How far the job is, over all its sealed plans.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for sealed in &self.plans {
            let mut reported = ChunkTotals::default();
            // People who are sent to again are counted in the plan that does so.
            let mut moved = 0;
            for (chunk, totals) in &sealed.chunks {
                let mut totals = *totals;
                if sealed.decisions.get(chunk).is_some_and(|said| said.sent_again_by.is_some()) {
                    moved += std::mem::take(&mut totals.undecided);
                }
                reported.add(&totals);
            }
            progress.targeted += sealed.counts.targeted - moved.min(sealed.counts.targeted);
            progress.accepted += reported.accepted;
            progress.retrying += reported.retrying;
            progress.invalid += reported.invalid;
            progress.undecided += reported.undecided;
            progress.erased += reported.erased;
            progress.out_of_reach += sealed.counts.out_of_reach;
            progress.reach_unknown += sealed.counts.reach_unknown;
        }
        let resolved = progress.accepted
            + progress.retrying
            + progress.invalid
            + progress.undecided
            + progress.erased;
        let rest = progress.targeted.saturating_sub(resolved);
        if self.state == State::Cancelled {
            progress.cancelled = rest;
        } else {
            progress.pending = rest;
        }
        progress
    }
}
