//! Totals of chunks on their way to `jobs`: one record a second for each plan.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use schemas::{
    ids::{JobId, PlanId},
    job::JobEvent,
    sending::{ChunkNumber, ChunkTotals},
};
use storage::{Log, rows::ledger::ChunkKey};

use crate::jobs::{AppendError, JobBook};

type Changed = HashMap<(JobId, PlanId), BTreeMap<ChunkNumber, ChunkTotals>>;

/// Totals that changed since they were last told.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    changed: Arc<Mutex<Changed>>,
}

impl Outcomes {
    /// Notes the totals of a chunk.
    pub fn note(&self, key: ChunkKey, totals: ChunkTotals) {
        let mut changed = self.changed.lock();
        changed.entry((key.job, key.plan)).or_default().insert(key.chunk, totals);
    }

    /// Appends what changed, of one job or of all. What can't be appended is kept for the next
    /// time, unless something newer has been noted.
    pub async fn tell<L: Log>(
        &self,
        book: &JobBook<L>,
        only: Option<JobId>,
    ) -> Result<(), AppendError> {
        let due: Changed = {
            let mut changed = self.changed.lock();
            let (due, left) = std::mem::take(&mut *changed)
                .into_iter()
                .partition(|((job, _), _)| only.is_none_or(|only| only == *job));
            *changed = left;
            due
        };
        for ((job, plan), chunks) in due {
            let event = JobEvent::Outcomes { plan, chunks: chunks.clone() };
            match book.append(job, event).await {
                Ok(_) | Err(AppendError::Refused(_)) => {}
                Err(error) => {
                    let mut changed = self.changed.lock();
                    let kept = changed.entry((job, plan)).or_default();
                    for (chunk, totals) in chunks {
                        kept.entry(chunk).or_insert(totals);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
