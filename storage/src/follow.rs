//! A topic of one partition, folded into memory and kept current.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use schemas::{
    job::{Job, JobRecord, Jobs, Refusal},
    registry::{Registry, RegistryRecord},
    service::{SERVICE_KEY, Service},
    spool::{SpoolRecord, Spools},
    topic::{Offset, Partition, Topic},
    wire::{WireError, WireRecord},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Kind, LogError},
    log::{Append, Log, Reader, Record},
};

/// What a topic adds up to.
pub trait Fold: Default + Send + Sync + 'static {
    /// Its topic; of one partition.
    const TOPIC: Topic;
    /// What taking in a record came to, for whoever appended it.
    type Outcome: Send + 'static;

    /// Takes in the next record. An error means that it can't be read: it changes nothing, and
    /// [`Follower::unreadable`] counts it.
    fn apply(&mut self, record: &Record) -> Result<Self::Outcome, WireError>;
}

impl Fold for Jobs {
    const TOPIC: Topic = Topic::Jobs;
    type Outcome = Result<Job, Refusal>;

    fn apply(&mut self, record: &Record) -> Result<Self::Outcome, WireError> {
        Ok(Jobs::apply(self, &JobRecord::decode(&record.value)?).cloned())
    }
}

impl Fold for Registry {
    const TOPIC: Topic = Topic::Registry;
    type Outcome = ();

    fn apply(&mut self, record: &Record) -> Result<(), WireError> {
        Registry::apply(self, RegistryRecord::decode(&record.value)?);
        Ok(())
    }
}

/// The state of the service alone, for whoever needs no places: their records are not even read.
impl Fold for Arc<Service> {
    const TOPIC: Topic = Topic::Registry;
    type Outcome = ();

    fn apply(&mut self, record: &Record) -> Result<(), WireError> {
        if record.key == SERVICE_KEY
            && let RegistryRecord::Service(service) = RegistryRecord::decode(&record.value)?
        {
            *self = Arc::new(service);
        }
        Ok(())
    }
}

impl Fold for Spools {
    const TOPIC: Topic = Topic::Spools;
    type Outcome = ();

    fn apply(&mut self, record: &Record) -> Result<(), WireError> {
        Spools::apply(self, SpoolRecord::decode(&record.value)?);
        Ok(())
    }
}

/// How often a follower makes sure that it is current.
const FRESHNESS_CHECK: Duration = Duration::from_secs(1);
/// How long it waits after the log failed.
const RETRY: Duration = Duration::from_millis(250);

/// Follows the one partition of a topic for as long as it, or a clone of it, lives.
///
/// It replays the topic whole from its start, outside any group; so everybody who follows it sees
/// the same records in the same order and comes to the same state.
pub struct Follower<L: Log, F: Fold> {
    log: L,
    shared: Arc<Shared<F>>,
}

impl<L: Log, F: Fold> Clone for Follower<L, F> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), shared: Arc::clone(&self.shared) }
    }
}

struct Shared<F: Fold> {
    state: RwLock<F>,
    /// The offset after the last record that was taken in.
    applied: watch::Sender<Offset>,
    /// Appends of ours that wait for their outcome.
    waiting: Mutex<Waiting<F::Outcome>>,
    /// When everything in the log was last known to be taken in.
    fresh_at: Mutex<Option<Instant>>,
    /// Is told when that was found to be so again.
    checked: Notify,
    unreadable: watch::Sender<u64>,
    stop: CancellationToken,
}

impl<F: Fold> Drop for Shared<F> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An outcome may come before its append is acknowledged: appends open a ticket for the record's
/// bytes first.
struct Waiting<O> {
    next_ticket: u64,
    tickets: BTreeMap<u64, (Bytes, oneshot::Sender<Result<O, WireError>>)>,
}

impl<L: Log, F: Fold> Follower<L, F> {
    /// Begins to follow. Ends with `shutdown`, or when the last clone is dropped.
    pub fn start(log: L, shutdown: &CancellationToken) -> Self {
        debug_assert_eq!(F::TOPIC.partitions(), 1);
        let stop = shutdown.child_token();
        let shared = Arc::new(Shared {
            state: RwLock::new(F::default()),
            applied: watch::Sender::new(Offset(0)),
            waiting: Mutex::new(Waiting { next_ticket: 0, tickets: BTreeMap::new() }),
            fresh_at: Mutex::new(None),
            checked: Notify::new(),
            unreadable: watch::Sender::new(0),
            stop: stop.clone(),
        });
        // The tasks hold the state weakly: dropping the last follower ends them.
        let weak = Arc::downgrade(&shared);
        let reading = log.clone();
        let stop_reading = stop.clone();
        tokio::spawn(async move {
            let follow = async {
                let mut from = Offset(0);
                loop {
                    let error = match reading.read(F::TOPIC, Partition(0), from).await {
                        Ok(mut reader) => loop {
                            match reader.next().await {
                                Ok(records) => {
                                    let Some(shared) = weak.upgrade() else { return };
                                    for record in &records {
                                        shared.take(record);
                                        from = record.position.offset.next();
                                    }
                                }
                                Err(error) => break error,
                            }
                        },
                        Err(error) => error,
                    };
                    tracing::warn!(topic = F::TOPIC.name(), %error, "following a topic failed; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            };
            stop_reading.run_until_cancelled(follow).await;
        });
        let weak = Arc::downgrade(&shared);
        let checking = log.clone();
        let mut applied = shared.applied.subscribe();
        tokio::spawn(async move {
            let check = async {
                let mut tick = tokio::time::interval(FRESHNESS_CHECK);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    let asked_at = Instant::now();
                    let Ok(bounds) = checking.bounds(F::TOPIC).await else { continue };
                    let end = bounds.first().map_or(Offset(0), |range| range.end);
                    // Where much is appended, something always is on its way.
                    let taken = applied.wait_for(|at| *at >= end);
                    match tokio::time::timeout(FRESHNESS_CHECK, taken).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(_)) => return,
                        Err(_) => continue,
                    }
                    let Some(shared) = weak.upgrade() else { return };
                    *shared.fresh_at.lock() = Some(asked_at);
                    shared.checked.notify_waiters();
                }
            };
            stop.run_until_cancelled(check).await;
        });
        Self { log, shared }
    }

    /// Looks at the state. Do not hold it for long: no record is taken in meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&F) -> R) -> R {
        look(&self.shared.state.read())
    }

    /// Is told whenever records were taken in: the offset after the last one.
    pub fn changes(&self) -> watch::Receiver<Offset> {
        self.shared.applied.subscribe()
    }

    /// Waits until everything that was in the log at the time of the call has been taken in.
    pub async fn caught_up(&self) -> Result<(), LogError> {
        let bounds = self.log.bounds(F::TOPIC).await?;
        let range = bounds.first().cloned().unwrap_or(Offset(0)..Offset(0));
        if range.is_empty() {
            return Ok(());
        }
        let mut applied = self.changes();
        applied.wait_for(|at| *at >= range.end).await.map_err(|_| stopped())?;
        Ok(())
    }

    /// [`Follower::caught_up`], for a role that starts: what fails for the moment is tried again.
    pub async fn caught_up_at_last(&self) -> Result<(), LogError> {
        loop {
            match self.caught_up().await {
                Err(error) if matches!(error.kind(), Kind::Transient | Kind::Saturated) => {
                    tracing::warn!(topic = F::TOPIC.name(), %error, "waiting for the log");
                    tokio::time::sleep(RETRY).await;
                }
                done => return done,
            }
        }
    }

    /// Whether everything in the log was known to be taken in at some moment of the last `span`.
    pub fn fresh_within(&self, span: Duration) -> bool {
        self.shared.fresh_at.lock().is_some_and(|at| at.elapsed() <= span)
    }

    /// Waits until [`Follower::fresh_within`] is true.
    pub async fn known_within(&self, span: Duration) {
        loop {
            let checked = self.shared.checked.notified();
            if self.fresh_within(span) {
                return;
            }
            checked.await;
        }
    }

    /// How many records of the topic could not be read. While it is not zero, the state may miss
    /// something: a later version wrote to this log.
    pub fn unreadable(&self) -> u64 {
        *self.shared.unreadable.borrow()
    }

    /// Appends a record and waits until it was taken in: what it came to.
    ///
    /// An error means that it is unknown whether the record is in the log. The record must be
    /// harmless when repeated.
    pub async fn append<W: WireRecord>(&self, record: &W) -> Result<F::Outcome, LogError> {
        let value = record.encode();
        let (ticket, outcome) = self.shared.open_ticket(value.clone());
        let append = Append { topic: F::TOPIC, key: record.key(), value };
        let mut result = self.log.append(vec![append]).await;
        let appended = result.pop().unwrap_or_else(|| Err(stopped()));
        if let Err(error) = appended {
            self.shared.close_ticket(ticket);
            return Err(error);
        }
        let stop = self.shared.stop.clone();
        match stop.run_until_cancelled(outcome).await {
            Some(Ok(Ok(outcome))) => Ok(outcome),
            Some(Ok(Err(error))) => {
                Err(LogError::with_source(Kind::Fatal, "our own record can't be read back", error))
            }
            Some(Err(_)) | None => Err(stopped()),
        }
    }
}

impl<F: Fold> Shared<F> {
    fn take(&self, record: &Record) {
        let outcome = self.state.write().apply(record);
        if let Err(error) = &outcome {
            self.unreadable.send_modify(|count| *count += 1);
            tracing::error!(
                topic = F::TOPIC.name(),
                offset = record.position.offset.0,
                %error,
                "a record can't be read; a later version may have written it"
            );
        }
        self.answer(&record.value, outcome);
        self.applied.send_replace(record.position.offset.next());
    }

    fn open_ticket(&self, value: Bytes) -> (u64, oneshot::Receiver<Result<F::Outcome, WireError>>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let ticket = waiting.next_ticket;
        waiting.next_ticket += 1;
        waiting.tickets.insert(ticket, (value, sender));
        (ticket, receiver)
    }

    fn close_ticket(&self, ticket: u64) {
        self.waiting.lock().tickets.remove(&ticket);
    }

    /// The first record with these bytes answers the oldest append of them.
    fn answer(&self, value: &Bytes, outcome: Result<F::Outcome, WireError>) {
        let mut waiting = self.waiting.lock();
        let ticket = waiting.tickets.iter().find(|(_, (waits, _))| waits == value).map(|(t, _)| *t);
        if let Some((_, sender)) = ticket.and_then(|ticket| waiting.tickets.remove(&ticket)) {
            // The appender may have given up.
            let _ = sender.send(outcome);
        }
    }
}

fn stopped() -> LogError {
    LogError::new(Kind::Transient, "following the topic has stopped")
}
