//! The jobs, and how this role writes about them.

use std::{sync::Arc, time::Duration};

use schemas::{
    ids::{JobId, RecordId},
    job::{Job, JobEvent, JobRecord, Jobs, PauseCause, Refusal, State},
    time::EventTime,
};
use storage::{Kind, Log, LogError, follow::Follower};
use uuid::Uuid;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// All jobs, kept current from the `jobs` topic, and appended to.
pub struct JobBook<L: Log> {
    follower: Follower<L, Jobs>,
    clock: Clock,
}

impl<L: Log> Clone for JobBook<L> {
    fn clone(&self) -> Self {
        Self { follower: self.follower.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl<L: Log> JobBook<L> {
    /// Over a follower of `jobs`.
    pub fn new(follower: Follower<L, Jobs>, clock: Clock) -> Self {
        Self { follower, clock }
    }

    /// The follower.
    pub fn follower(&self) -> &Follower<L, Jobs> {
        &self.follower
    }

    /// The time.
    pub fn now(&self) -> EventTime {
        (self.clock)()
    }

    /// A job as it is now.
    pub fn job(&self, id: JobId) -> Option<Job> {
        self.follower.read(|jobs| jobs.get(id).cloned())
    }

    /// The state of a job now.
    pub fn state(&self, id: JobId) -> Option<State> {
        self.follower.read(|jobs| jobs.get(id).map(|job| job.state))
    }

    /// Whether a job is being sent, and was not stopped since it was as it is given.
    pub fn is_still_sent(&self, job: &Job) -> bool {
        self.follower.read(|jobs| jobs.get(job.id).is_some_and(|now| now.is_still_sent(job)))
    }

    /// Appends what happened, until it is certain that it is in the log; the same record each
    /// time, so that it counts once. What it came to is decided by the order of the log.
    pub async fn append(&self, job: JobId, event: JobEvent) -> Result<Job, AppendError> {
        let id = RecordId(Uuid::now_v7());
        let record = JobRecord { id, job, at: self.now(), event };
        let mut wait = Duration::from_millis(50);
        loop {
            match self.follower.append(&record).await {
                Ok(Ok(job)) => return Ok(job),
                // An earlier try was in the log after all; what it came to shows in the state.
                Ok(Err(Refusal::Repeated)) => {
                    return self.job(job).ok_or(AppendError::Refused(Refusal::NoSuchJob));
                }
                Ok(Err(refusal)) => return Err(AppendError::Refused(refusal)),
                Err(error) if error.kind() == Kind::Fatal => return Err(AppendError::Log(error)),
                Err(error) => {
                    tracing::warn!(%error, "a record of a job will be appended again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Pauses a job for what came of acting on it as it is given. Somebody else may have stopped it
    /// first, and somebody may have resumed it since: that is as good.
    pub async fn pause(&self, job: &Job, cause: PauseCause) -> Result<(), AppendError> {
        let paused = JobEvent::Paused { cause: cause.clone(), resumes: Some(job.resumes) };
        match self.append(job.id, paused).await {
            Ok(_) => {
                tracing::warn!(job = %job.id, ?cause, "a job is paused");
                Ok(())
            }
            Err(AppendError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until a job has left a state.
    pub async fn left(&self, id: JobId, state: State) {
        let mut changes = self.follower.changes();
        while self.state(id) == Some(state) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A record did not count.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The state machine refuses it.
    #[error("the job does not allow it: {0}")]
    Refused(#[from] Refusal),
    /// The log can't go on.
    #[error("the log failed")]
    Log(#[source] LogError),
}
