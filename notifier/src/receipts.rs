//! Answers to visitors, by reply token, within seconds.
//!
//! A receipt is at most once and never worth a second try: a scan counts with or without it. It is
//! dropped when the webhook came in over 50 s ago, and shed, oldest first, above LINE's limit.

mod memory;
mod texts;

use std::{collections::VecDeque, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use schemas::{
    identity::KeyRing,
    ids::EventId,
    language::Language,
    place_code::CodeProblem,
    registry::{Registry, Verdict},
    scan::{ReplyToken, Scan},
    service::ServiceState,
    time::EventTime,
    topic::Topic,
    visitor::{FriendState, Person, VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use storage::{
    Append, Delivery, Group, Kind, Log, LogError, Record, Store,
    commits::Committing,
    follow::Follower,
    retry::{Tried, retry},
    rows::people::read_person,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::memory::{ScanMemory, Seen::*};
use crate::{
    config::Receipts,
    jobs::Clock,
    line::{Answer, Endpoint, LineClient, reply_body},
    metrics,
};

/// LINE takes a reply for about a minute after it delivered the event.
const TOO_LATE_MS: i64 = 50_000;
/// LINE delivers an event within seconds. What came in later than this after it happened was delivered
/// again, or replayed.
const DELIVERED_AGAIN_MS: i64 = 10_000;
/// People whose rows are looked at together.
const LOOKED_AT_TOGETHER: usize = 64;

/// What receipts work with.
pub struct Deps<L: Log, S> {
    /// Scans and visitors.
    pub log: L,
    /// People.
    pub store: S,
    /// Opens ids.
    pub keys: Arc<ArcSwap<KeyRing>>,
    /// Names of places, and retired codes.
    pub registry: Follower<L, Registry>,
    /// LINE.
    pub line: LineClient,
    /// What time it is.
    pub clock: Clock,
    /// The account that people are asked to add: `@…`.
    pub account_id: Option<String>,
}

/// What a visitor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Recorded { place: String, at: EventTime },
    Already { at: EventTime },
    Retired,
    OnHold,
    Trial { place: String },
    NotRecorded(ServiceState),
    Refused(CodeProblem),
    Erased,
    LanguageChosen,
}

/// A receipt on its way.
struct Due {
    token: ReplyToken,
    received_at: EventTime,
    visitor: schemas::identity::VisitorId,
    said: Said,
    language: Option<Language>,
}

/// Answers visitors until `shutdown`.
pub async fn run<L: Log, S: Store>(
    config: &Receipts,
    deps: Arc<Deps<L, S>>,
    shutdown: &CancellationToken,
) -> Result<(), LogError> {
    let queue = Arc::new(Queue::new(config.replies_per_second as usize * 2));
    let answering = answer_all(config, &deps, &queue, shutdown);
    let scans = follow(Topic::Scans, &deps, &queue, shutdown);
    let visitors = follow(Topic::Visitors, &deps, &queue, shutdown);
    tokio::select! {
        done = async { tokio::try_join!(scans, visitors) } => done.map(|_| ()),
        () = answering => Ok(()),
    }
}

/// Receipts that wait, newest first.
struct Queue {
    limit: usize,
    due: Mutex<VecDeque<Due>>,
    more: Notify,
}

impl Queue {
    fn new(limit: usize) -> Self {
        Self { limit, due: Mutex::default(), more: Notify::new() }
    }

    fn push(&self, due: Due) {
        let mut waiting = self.due.lock();
        waiting.push_back(due);
        if waiting.len() > self.limit {
            waiting.pop_front();
            count("shed");
        }
        drop(waiting);
        self.more.notify_one();
    }

    async fn newest(&self) -> Due {
        loop {
            if let Some(due) = self.due.lock().pop_back() {
                return due;
            }
            self.more.notified().await;
        }
    }
}

fn count(result: &'static str) {
    ::metrics::counter!(metrics::RECEIPTS, "result" => result).increment(1);
}

/// Reads one topic, and puts what is to be answered into the queue.
async fn follow<L: Log, S: Store>(
    topic: Topic,
    deps: &Deps<L, S>,
    queue: &Queue,
    shutdown: &CancellationToken,
) -> Result<(), LogError> {
    let mut member = Committing::new(deps.log.join(Group::Receipts, topic).await?);
    let mut memory = ScanMemory::default();
    loop {
        let delivery = tokio::select! {
            delivery = member.next() => delivery,
            () = shutdown.cancelled() => break,
        };
        match delivery {
            Ok(Delivery::Records(records)) => {
                for record in &records {
                    let due = match topic {
                        Topic::Scans => scanned(record, deps, &mut memory),
                        _ => asked(record),
                    };
                    due.into_iter().for_each(|due| queue.push(due));
                }
                if topic == Topic::Scans {
                    match forget_again(&records, deps, shutdown).await {
                        Tried::Done(()) => {}
                        Tried::Stopped => break,
                        Tried::Failed(error) => return Err(error),
                    }
                }
                member.done(&records);
            }
            Ok(Delivery::Revoked(partitions)) => memory.forget(&partitions),
            Ok(Delivery::Assigned(_)) => {}
            Err(error) if error.kind() == Kind::Fatal => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "receipts wait for the log");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
    member.leave().await;
    Ok(())
}

/// Asks once more for what people asked before, where a scan that they took back came in again: it is
/// a row again, hidden as it was, and `hygiene` deletes it as it did. Here, because here every scan is
/// seen by somebody who can tell whose it is.
async fn forget_again<L: Log, S: Store>(
    records: &[Record],
    deps: &Deps<L, S>,
    shutdown: &CancellationToken,
) -> Tried<(), LogError> {
    let late: Vec<Scan> = records
        .iter()
        .filter_map(|record| Scan::decode(&record.value).ok())
        .filter(|scan| scan.received_at.0 - scan.scanned_at.0 > DELIVERED_AGAIN_MS)
        .collect();
    let mut asked = pin!(
        stream::iter(late)
            .map(|scan| taken_back(scan, deps, shutdown))
            .buffer_unordered(LOOKED_AT_TOGETHER)
    );
    while let Some(tried) = asked.next().await {
        let Tried::Done(said) = tried else { return Tried::Stopped };
        let Some(said) = said else { continue };
        let append = || Append { topic: Topic::Visitors, key: said.key(), value: said.encode() };
        let appended = retry("forget again", shutdown, || async {
            deps.log
                .append(vec![append()])
                .await
                .into_iter()
                .try_for_each(|result| result.map(drop))
        });
        match appended.await {
            Tried::Done(()) => count("forgotten_again"),
            other => return other,
        }
    }
    Tried::Done(())
}

/// What the person of a scan asked for before it came in again, to be asked once more.
async fn taken_back<L: Log, S: Store>(
    scan: Scan,
    deps: &Deps<L, S>,
    shutdown: &CancellationToken,
) -> Tried<Option<VisitorRecord>, Infallible> {
    let keys = deps.keys.load_full();
    let opened = keys.open_scan(scan.epoch, scan.venue, scan.pseudonym, &scan.sealed);
    let Ok(user) = opened else { return Tried::Done(None) };
    let visitor = keys.visitor(&user);
    let person = match retry("look", shutdown, || read_person(&deps.store, visitor)).await {
        Tried::Done(person) => person,
        Tried::Stopped => return Tried::Stopped,
        // Hidden it stays, and it ends with retention.
        Tried::Failed(error) => {
            tracing::error!(%error, "a person's row can't be read");
            return Tried::Done(None);
        }
    };
    let said = person.taken_back(scan.scanned_at, &scan.message);
    Tried::Done(said.map(|(at, action)| VisitorRecord {
        visitor,
        sealed: keys.seal_visitor(&user).1,
        event: EventId::default(),
        at,
        received_at: (deps.clock)(),
        reply_token: None,
        action,
    }))
}

fn scanned<L: Log, S: Store>(
    record: &Record,
    deps: &Deps<L, S>,
    memory: &mut ScanMemory,
) -> Option<Due> {
    let scan = Scan::decode(&record.value).ok()?;
    let (verdict, place) = deps.registry.read(|registry| {
        let verdict = registry.verdict(scan.venue, scan.issue, scan.scanned_at);
        let place = registry.venue(scan.venue);
        (verdict, place.map(|(facility, venue)| format!("{} {}", facility.name, venue.name)))
    });
    let said = match verdict {
        // Nothing was recorded, so nothing is remembered.
        Verdict::Retired => Said::Retired,
        Verdict::OnHold => Said::OnHold,
        Verdict::Trial => Said::Trial { place: place.unwrap_or_default() },
        Verdict::NotRunning(state) => Said::NotRecorded(state),
        Verdict::Counts => match memory.see(record.position.partition, &scan) {
            Redelivered => {
                count("redelivery");
                return None;
            }
            Before(at) => Said::Already { at },
            First => {
                let place = place.unwrap_or_default();
                Said::Recorded { place, at: scan.scanned_at }
            }
        },
    };
    let token = scan.reply_token.clone()?;
    if is_late(scan.received_at, (deps.clock)()) {
        count("too_late");
        return None;
    }
    let keys = deps.keys.load();
    let user = keys.open_scan(scan.epoch, scan.venue, scan.pseudonym, &scan.sealed).ok()?;
    let visitor = keys.visitor(&user);
    Some(Due { token, received_at: scan.received_at, visitor, said, language: None })
}

fn asked(record: &Record) -> Option<Due> {
    let record = VisitorRecord::decode(&record.value).ok()?;
    let token = record.reply_token?;
    let (said, language) = match record.action {
        VisitorAction::CodeRefused(problem) => (Said::Refused(problem), None),
        VisitorAction::NotRecorded(state) => (Said::NotRecorded(state), None),
        VisitorAction::Erase => (Said::Erased, None),
        VisitorAction::ChoseLanguage(language) => (Said::LanguageChosen, Some(language)),
        _ => return None,
    };
    let (received_at, visitor) = (record.received_at, record.visitor);
    Some(Due { token, received_at, visitor, said, language })
}

fn is_late(received_at: EventTime, now: EventTime) -> bool {
    now.0 - received_at.0 > TOO_LATE_MS
}

/// Answers what waits, newest first, at most so many a second.
async fn answer_all<L: Log, S: Store>(
    config: &Receipts,
    deps: &Arc<Deps<L, S>>,
    queue: &Queue,
    shutdown: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(config.max_in_flight));
    let tasks = tokio_util::task::TaskTracker::new();
    let second_look = Duration::from_millis(config.second_look_ms);
    let gap = Duration::from_secs(1) / config.replies_per_second;
    let mut next = tokio::time::Instant::now();
    let answering = async {
        loop {
            // A short stall is caught up with; a long one is not made good by a burst.
            next = next.max(tokio::time::Instant::now() - gap * 50) + gap;
            tokio::time::sleep_until(next).await;
            let due = queue.newest().await;
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let deps = Arc::clone(deps);
            let slots = Arc::clone(&slots);
            tasks.spawn(async move {
                let mut person = look(&deps, &due).await;
                let mut slot = Some(slot);
                // A first scan and its `follow` race: before somebody is asked to add the
                // account, they are looked at again. Nobody waits for it.
                if asks_to_add(&due, &person) {
                    drop(slot.take());
                    tokio::time::sleep(second_look).await;
                    person = look(&deps, &due).await;
                    slot = slots.acquire_owned().await.ok();
                }
                answer(&deps, due, person).await;
                drop(slot);
            });
        }
    };
    shutdown.run_until_cancelled(answering).await;
    // What is under way ends within LINE's time-out; what waits is dropped.
    tasks.close();
    tasks.wait().await;
}

async fn look<L: Log, S: Store>(deps: &Deps<L, S>, due: &Due) -> Option<Person> {
    read_person(&deps.store, due.visitor).await.ok()
}

fn asks_to_add(due: &Due, person: &Option<Person>) -> bool {
    matches!(due.said, Said::Recorded { .. })
        && person.as_ref().is_some_and(|p| p.friend_state() != Some(FriendState::Friend))
}

async fn answer<L: Log, S: Store>(deps: &Deps<L, S>, due: Due, person: Option<Person>) {
    if is_late(due.received_at, (deps.clock)()) {
        return count("too_late");
    }
    let language =
        due.language.or_else(|| person.as_ref().map(Person::language)).unwrap_or_default();
    let mut text = texts::text(&due.said, language);
    if asks_to_add(&due, &person) {
        text.push_str("\n\n");
        text.push_str(&texts::please_add(deps.account_id.as_deref(), language));
    }
    let body = reply_body(&due.token.0, &text);
    match deps.line.post(Endpoint::Reply, body, None).await {
        Answer::Accepted { .. } => count("accepted"),
        Answer::BadRequest { .. } => count("token_not_taken"),
        Answer::TooMany => count("too_many"),
        // It may have arrived; a second one would be one too many.
        Answer::Unclear => count("unclear"),
        _ => count("failed"),
    }
}
