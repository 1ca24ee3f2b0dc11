//! Which job gets what done: the one active planner and sender.
//!
//! Whoever is assigned the partition of `jobs` in the group `sender` is active; the others stand
//! by, replaying. Everything needed to go on is in `jobs` and in the ledger, so a successor takes
//! up where the one before stopped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use schemas::{
    ids::JobId,
    job::{ChunkRef, Decision, Job, JobEvent, State},
};
use storage::{
    Delivery, Group, Kind, Log, LogError, Member, Store, kill_point, rows::ledger::ChunkKey,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Sending,
    jobs::{AppendError, JobBook},
    ledger, metrics,
    planner::{self, Planned, Planner, open_chunk},
    sender::{Halt, Sender},
};

/// Jobs are looked over at least so often: for sweeps that fall due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Totals are told so often while a job is sent.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Plans and sends, while this process is the active one.
pub struct Dispatch<L: Log, S> {
    /// For the election.
    pub log: L,
    /// The jobs.
    pub book: JobBook<L>,
    /// Makes plans.
    pub planner: Arc<Planner<L, S>>,
    /// Sends chunks.
    pub sender: Arc<Sender<L, S>>,
    /// When sweeps fall due.
    pub config: Sending,
}

/// What one job is having done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Plan,
    Send,
}

impl<L: Log, S: Store> Dispatch<L, S> {
    /// Works until `shutdown`: active whenever elected.
    pub async fn run(self, shutdown: &CancellationToken) -> Result<(), LogError> {
        let this = Arc::new(self);
        let mut member = this.log.join(Group::Sender, schemas::topic::Topic::Jobs).await?;
        let mut active: Option<(CancellationToken, tokio::task::JoinHandle<()>)> = None;
        loop {
            let delivery = tokio::select! {
                delivery = member.next() => delivery,
                () = shutdown.cancelled() => break,
            };
            match delivery {
                Ok(Delivery::Assigned(_)) => {
                    tracing::info!("this process is the active sender");
                    ::metrics::gauge!(metrics::SENDER_OWNER).set(1.0);
                    let stop = shutdown.child_token();
                    let dispatch = Arc::clone(&this);
                    let token = stop.clone();
                    let task = tokio::spawn(async move { dispatch.active(token).await });
                    active = Some((stop, task));
                }
                Ok(Delivery::Revoked(_)) => {
                    ::metrics::gauge!(metrics::SENDER_OWNER).set(0.0);
                    stand_down(&mut active).await;
                }
                // The state comes from the replay; the offsets only keep the group's lag honest.
                Ok(Delivery::Records(records)) => {
                    if let Some(last) = records.last() {
                        let at = (last.position.partition, last.position.offset.next());
                        if let Err(error) = member.commit(&[at]).await {
                            tracing::debug!(%error, "the sender's offset is not committed");
                        }
                    }
                }
                Err(error) if error.kind() == Kind::Fatal => {
                    stand_down(&mut active).await;
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, "the sender waits for the log");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        }
        stand_down(&mut active).await;
        Ok(())
    }

    /// Drives every job by its state until told to stop.
    async fn active(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks: JoinSet<(JobId, Work)> = JoinSet::new();
        let mut busy: HashMap<JobId, Work> = HashMap::new();
        let mut changes = self.book.follower().changes();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        ::metrics::gauge!(metrics::LEDGER_MISMATCH).set(0.0);
        let mut unreadable = 0;
        loop {
            changes.borrow_and_update();
            self.count_jobs();
            if self.book.follower().unreadable() > unreadable {
                unreadable = self.book.follower().unreadable();
                tracing::error!(
                    unreadable,
                    "nothing is planned or sent: `jobs` has records of a later version; run that version"
                );
            }
            let jobs: Vec<Job> = self.book.follower().read(|jobs| {
                let open = |job: &&Job| {
                    !matches!(job.state, State::Closed | State::Rejected | State::Cancelled)
                };
                jobs.iter().filter(open).cloned().collect()
            });
            for job in jobs.into_iter().filter(|_| self.book.follower().unreadable() == 0) {
                if busy.contains_key(&job.id) {
                    continue;
                }
                let work = match job.state {
                    State::Approved => self.begin_planning(&job, 0).await,
                    State::Planning => Some(Work::Plan),
                    State::Sending => Some(Work::Send),
                    State::Completed => self.sweep_or_close(&job).await,
                    _ => None,
                };
                let Some(work) = work else { continue };
                busy.insert(job.id, work);
                let dispatch = Arc::clone(&self);
                let stop = stop.clone();
                tasks.spawn(async move {
                    let id = job.id;
                    let done = async {
                        match work {
                            Work::Plan => dispatch.plan(id).await,
                            Work::Send => dispatch.send(id).await,
                        }
                    };
                    stop.run_until_cancelled(done).await;
                    (id, work)
                });
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => {}
                _ = tick.tick() => {}
                Some(done) = tasks.join_next() => match done {
                    Ok((job, _)) => { busy.remove(&job); }
                    Err(error) => {
                        tracing::error!(%error, "work on a job ended badly; it is taken up again");
                        busy.clear();
                        tasks.abort_all();
                        while tasks.join_next().await.is_some() {}
                    }
                },
            }
        }
        tasks.shutdown().await;
    }

    fn count_jobs(&self) {
        let mut counts = [0_u32; State::ALL.len()];
        self.book.follower().read(|jobs| {
            for job in jobs.iter() {
                counts[job.state as usize] += 1;
            }
        });
        for (state, count) in State::ALL.into_iter().zip(counts) {
            ::metrics::gauge!(metrics::JOBS, "state" => state.name()).set(f64::from(count));
        }
    }

    async fn begin_planning(&self, job: &Job, sweep: u8) -> Option<Work> {
        match self.book.append(job.id, JobEvent::Planning { sweep }).await {
            Ok(job) => (job.state == State::Planning).then_some(Work::Plan),
            Err(error) => {
                tracing::warn!(%error, "planning can't begin");
                None
            }
        }
    }

    /// The next sweep once it is due; after the last one the job is closed.
    async fn sweep_or_close(&self, job: &Job) -> Option<Work> {
        let (_, approved_at) = job.approved.as_ref()?;
        let Some(after) = self.config.sweep_after_seconds.get(usize::from(job.sweep)) else {
            if let Err(error) = self.book.append(job.id, JobEvent::Closed).await {
                tracing::warn!(%error, "a job can't be closed");
            }
            return None;
        };
        let due = approved_at.plus(i64::try_from(*after).unwrap_or(i64::MAX).saturating_mul(1_000));
        if self.book.now() < due {
            return None;
        }
        self.begin_planning(job, job.sweep + 1).await
    }

    async fn plan(&self, id: JobId) {
        while self.book.state(id) == Some(State::Planning) {
            match self.planner.plan(id).await {
                Ok(Planned::Sealed | Planned::Paused | Planned::GivenUp) => {}
                Err(error) => {
                    tracing::warn!(job = %id, error = &error as &dyn std::error::Error, "a plan can't be made now; it will be tried again");
                    tokio::time::sleep(planner::RETRY_PLAN).await;
                }
            }
        }
    }

    /// Sends a job until it is complete or is not to be sent any more.
    async fn send(&self, id: JobId) {
        loop {
            let Some(job) = self.book.job(id).filter(|job| job.state == State::Sending) else {
                return;
            };
            let sent = {
                let telling = async {
                    let mut tick = tokio::time::interval(TELL_EVERY);
                    loop {
                        tick.tick().await;
                        if let Err(error) = self.sender.outcomes.tell(&self.book, Some(id)).await {
                            tracing::warn!(%error, "totals can't be told");
                        }
                    }
                };
                tokio::select! {
                    sent = self.send_plans(&job) => sent,
                    never = telling => never,
                }
            };
            if let Err(error) = self.sender.outcomes.tell(&self.book, Some(id)).await {
                tracing::warn!(%error, "totals can't be told");
            }
            match sent {
                Ok(()) => {}
                Err(Halt::Stopped) => return,
                Err(Halt::Failed(why)) => {
                    tracing::error!(job = %id, why, "sending can't go on; it will be taken up again");
                    tokio::time::sleep(planner::RETRY_PLAN).await;
                    continue;
                }
            }
            match self.reconcile(id).await {
                Ok(Reconciled::Complete) => return,
                Ok(Reconciled::Again) => {}
                Ok(Reconciled::WaitsForOfficials) => {
                    let mut changes = self.book.follower().changes();
                    changes.borrow_and_update();
                    // Whatever was decided before we looked is in the job by now.
                    let still = self.book.job(id).is_some_and(|now| now == job);
                    if still && changes.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(job = %id, error, "the ledger can't be compared; it will be tried again");
                    tokio::time::sleep(planner::RETRY_PLAN).await;
                }
            }
        }
    }

    /// Sends every chunk of every sealed plan; chunks that are resolved already cost a read.
    async fn send_plans(&self, job: &Job) -> Result<(), Halt> {
        let job = Arc::new(job.clone());
        let mut chunks = JoinSet::new();
        for sealed in &job.plans {
            for chunk in (0..sealed.counts.chunks).map(schemas::sending::ChunkNumber) {
                let key = ChunkKey { job: job.id, plan: sealed.plan, chunk };
                let (sender, job) = (Arc::clone(&self.sender), Arc::clone(&job));
                chunks.spawn(async move { sender.send_chunk(job, key).await });
            }
        }
        let mut first = Ok(());
        while let Some(sent) = chunks.join_next().await {
            let sent = sent.unwrap_or_else(|error| Err(Halt::Failed(error.to_string())));
            if first.is_ok() {
                first = sent;
            }
            if first.is_err() {
                // The others see it by themselves: each looks at the job before each request.
                continue;
            }
        }
        first
    }

    /// Compares the ledger with what was sealed. Only then is a job complete.
    async fn reconcile(&self, id: JobId) -> Result<Reconciled, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let keys = self.planner.keys.load_full();
        let Some(job) = self.book.job(id).filter(|job| job.state == State::Sending) else {
            return Ok(Reconciled::Complete);
        };
        let mut open = 0;
        let mut undecided = Vec::new();
        for sealed in &job.plans {
            let whole = planner::chunks_match(&self.planner.store, (id, sealed.plan), sealed);
            if !whole.await.map_err(|error| text(&error))? {
                ::metrics::gauge!(metrics::LEDGER_MISMATCH).increment(1.0);
                let cause = schemas::job::PauseCause::LedgerMismatch;
                self.book.pause(&job, cause).await.map_err(|error| text(&error))?;
                return Ok(Reconciled::Complete);
            }
            let mut counted = 0;
            for chunk in (0..sealed.counts.chunks).map(schemas::sending::ChunkNumber) {
                let key = ChunkKey { job: id, plan: sealed.plan, chunk };
                let store = &self.planner.store;
                let opened = open_chunk(store, &keys, key).await.map_err(|error| text(&error))?;
                let totals =
                    ledger::totals(store, key, &opened).await.map_err(|error| text(&error))?;
                counted += totals.accepted + totals.invalid + totals.undecided + totals.erased;
                self.sender.outcomes.note(key, totals);
                if totals.undecided > 0 {
                    undecided.push(ChunkRef { plan: sealed.plan, chunk });
                }
            }
            open += sealed.counts.targeted.saturating_sub(counted);
        }
        self.sender.outcomes.tell(&self.book, Some(id)).await.map_err(|error| text(&error))?;
        if open > 0 {
            return Ok(Reconciled::Again);
        }
        let mut waits = false;
        for chunk in undecided {
            let said = job
                .plans
                .iter()
                .find(|sealed| sealed.plan == chunk.plan)
                .and_then(|sealed| sealed.decisions.get(&chunk.chunk));
            match said.filter(|said| said.confirmed_by.is_some()) {
                None => waits = true,
                Some(said) if said.decision == Decision::Leave => {}
                Some(said) if said.sent_again_by.is_some() => {}
                Some(_) => {
                    let planned = self.planner.plan_again(&job, chunk).await;
                    planned.map_err(|error| text(&error))?;
                    return Ok(Reconciled::Again);
                }
            }
        }
        if waits {
            return Ok(Reconciled::WaitsForOfficials);
        }
        kill_point!("K28 resolved, not completed");
        match self.book.append(id, JobEvent::Completed { sweep: job.sweep }).await {
            Ok(_) | Err(AppendError::Refused(_)) => Ok(Reconciled::Complete),
            Err(error) => Err(text(&error)),
        }
    }
}

/// What comparing ledger and seal came to.
enum Reconciled {
    /// Everything is resolved, or the job is not to be sent any more.
    Complete,
    /// There is something to send.
    Again,
    /// Only undecided chunks are left.
    WaitsForOfficials,
}

async fn stand_down(active: &mut Option<(CancellationToken, tokio::task::JoinHandle<()>)>) {
    if let Some((stop, task)) = active.take() {
        stop.cancel();
        if let Err(error) = task.await {
            tracing::error!(%error, "the sender ended badly");
        }
    }
}
