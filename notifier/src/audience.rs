//! Who was there: the people of a job, worked out from rows. Planner and preview both use it.

use std::{collections::HashMap, iter, pin::pin, sync::Arc};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use schemas::{
    identity::{IdentityError, KeyRing},
    ids::{MessageHash, UserId, VenueId},
    job::JobContent,
    language::Language,
    sending::{Recipient, Way},
    time::{DAY_MS, Epoch, EventTime},
    visitor::{FriendState, Person},
};
use storage::{
    Store, StoreError, mutant,
    rows::{Span, TypedStore, people::read_person, visits::ScanRow},
};
use tokio_util::task::AbortOnDropHandle;

/// Store partitions and person rows read at the same time.
const CONCURRENT_READS: usize = 64;
/// So many people's rows are read one after another, then handed over together.
const SLICE: usize = 16;
/// LINE's push reaches people who wrote within this, friends or not.
const PUSH_REACHES_MS: i64 = 7 * DAY_MS;

/// One person to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who, and their latest scan that counts.
    pub recipient: Recipient,
    /// The language of the text that they get.
    pub language: Language,
    /// How.
    pub way: Way,
}

/// The people of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// People to be told, in no particular order.
    pub targets: Vec<Target>,
    /// People who were there and have blocked the account.
    pub out_of_reach: u64,
    /// For each venue of the job, how many people were there (each counted once).
    pub by_venue: Vec<(VenueId, u64)>,
    /// Rows whose sealed id does not open. Must be 0.
    pub unreadable: u64,
}

/// Why the people of a job can't be worked out now.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A key that must exist is missing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// A matching scan of one person.
struct Match {
    venue: usize,
    scanned_at: EventTime,
    message: MessageHash,
}

/// Works out the people of a job: matching scans, each opened, merged by person, without what they
/// took back.
pub async fn gather<S: Store>(
    store: &S,
    keys: &Arc<KeyRing>,
    content: &JobContent,
    now: EventTime,
) -> Result<Audience, AudienceError> {
    let (people, unreadable) = matches(store, keys, content).await?;
    let mut by_venue = vec![0_u64; content.venues.len()];
    let mut audience = Audience { unreadable, ..Audience::default() };
    let mut judged = pin!(read_people(store, keys, people));
    while let Some(some) = judged.try_next().await? {
        for (user, matches, person) in some {
            let counting = matches.iter().filter(|m| person.counts(m.scanned_at, &m.message));
            let last_scan = counting.clone().map(|m| m.scanned_at).max();
            let Some(last_scan) = last_scan else { continue };
            places(counting).for_each(|place| by_venue[place] += 1);
            match way(&person, last_scan, now) {
                Some(way) => {
                    let (language, _) = content.message_for(person.language());
                    let recipient = Recipient { user, last_scan };
                    audience.targets.push(Target { recipient, language, way });
                }
                None => audience.out_of_reach += 1,
            }
        }
    }
    let venues = content.venues.iter().map(|place| place.venue);
    audience.by_venue = venues.zip(by_venue).collect();
    Ok(audience)
}

/// People with their own rows, some at a time. In tasks of their own: a row costs as much to find and
/// to read from the embedded store as to merge, and there is more than one core.
fn read_people<S: Store>(
    store: &S,
    keys: &Arc<KeyRing>,
    people: People,
) -> impl Stream<Item = Result<Vec<(UserId, Vec<Match>, Person)>, AudienceError>> {
    let mut people = people.into_iter();
    let slices = iter::from_fn(move || {
        let slice: Vec<_> = people.by_ref().take(SLICE).collect();
        (!slice.is_empty()).then_some(slice)
    });
    stream::iter(slices)
        .map(|slice| {
            let (store, keys) = (store.clone(), Arc::clone(keys));
            in_a_task(async move {
                let mut read = Vec::with_capacity(slice.len());
                for ((user, _), matches) in slice {
                    let person = read_person(&store, keys.visitor(&user)).await?;
                    read.push((user, matches, person));
                }
                Ok(read)
            })
        })
        .buffer_unordered(CONCURRENT_READS)
}

/// Does it on whatever core is free; not any more once nobody waits for it.
async fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, AudienceError>> + Send + 'static,
) -> Result<T, AudienceError> {
    match AbortOnDropHandle::new(tokio::spawn(work)).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Where one person was, each place once.
fn places<'a>(matches: impl Iterator<Item = &'a Match> + Clone) -> impl Iterator<Item = usize> {
    let all = matches.clone();
    let first = move |(before, m): &(usize, &Match)| {
        !all.clone().take(*before).any(|other| other.venue == m.venue)
    };
    matches.enumerate().filter(first).map(|(_, m)| m.venue)
}

/// How a person is reached; `None`: they have blocked the account.
fn way(person: &Person, last_scan: EventTime, now: EventTime) -> Option<Way> {
    match person.friend_state() {
        Some(FriendState::Blocked) => None,
        Some(FriendState::Friend) => Some(Way::Multicast),
        None => {
            // A scan is a message that they wrote. Of other days only the start is known.
            let wrote = person.last_wrote.map_or(last_scan, |day| day.max(last_scan));
            let reached = wrote.plus(PUSH_REACHES_MS) > now;
            Some(if reached { Way::Push } else { Way::MulticastUnknown })
        }
    }
}

/// Told apart by who they are. (And, in a mutant, by the week that their pseudonym is of.)
type People = HashMap<(UserId, Option<Epoch>), Vec<Match>>;

/// Every matching scan, by person.
async fn matches<S: Store>(
    store: &S,
    keys: &Arc<KeyRing>,
    content: &JobContent,
) -> Result<(People, u64), AudienceError> {
    let partitions = content.exposures().enumerate().flat_map(|(place, (venue, exposure))| {
        exposure.hours().map(move |hour| (place, venue, exposure, hour))
    });
    let read = stream::iter(partitions)
        .map(|(place, venue, exposure, hour)| {
            let (store, keys) = (store.clone(), Arc::clone(keys));
            in_a_task(async move {
                let mut found = Vec::new();
                let mut unreadable = 0;
                let mut cursor = None;
                loop {
                    let span = Span { cursor, ..Span::default() };
                    let page = store.page::<ScanRow>(&(venue, hour), span).await?;
                    for row in page.rows.into_iter().filter(|row| exposure.matches(row.scanned_at))
                    {
                        match keys.open_scan(row.epoch, row.venue, row.pseudonym, &row.sealed) {
                            Ok(user) => found.push((
                                (user, mutant!("dedupe on the pseudonym").then_some(row.epoch)),
                                Match {
                                    venue: place,
                                    scanned_at: row.scanned_at,
                                    message: row.message,
                                },
                            )),
                            Err(IdentityError::DoesNotOpen) => unreadable += 1,
                            // Destroyed with the epoch: past retention.
                            Err(IdentityError::MissingKey(epoch))
                                if keys.epochs().next().is_some_and(|oldest| epoch < oldest) => {}
                            Err(error) => return Err(AudienceError::from(error)),
                        }
                    }
                    cursor = page.next;
                    if cursor.is_none() {
                        return Ok((found, unreadable));
                    }
                }
            })
        })
        .buffer_unordered(CONCURRENT_READS);
    let mut read = pin!(read);
    let mut people = People::new();
    let mut unreadable = 0;
    while let Some((found, broken)) = read.try_next().await? {
        unreadable += broken;
        for (person, m) in found {
            people.entry(person).or_default().push(m);
        }
    }
    if unreadable > 0 {
        tracing::error!(unreadable, "rows hold ids that do not open");
    }
    Ok((people, unreadable))
}

#[cfg(test)]
mod tests {
    use schemas::visitor::VisitorAction;

    use super::*;

    /// 2026-11-24T12:00:00+09:00.
    const NOW: EventTime = EventTime(1_795_489_200_000);

    fn person(deeds: &[(i64, VisitorAction)]) -> Person {
        let mut person = Person::default();
        for (days_ago, action) in deeds {
            person.merge(NOW.plus(-days_ago * DAY_MS), action);
        }
        person
    }

    #[test]
    fn whoever_is_at_a_place_twice_counts_there_once() {
        let message = MessageHash([0; 16]);
        let matches = [2, 0, 2, 2].map(|venue| Match { venue, scanned_at: NOW, message });
        assert_eq!(places(matches.iter()).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(places([].iter()).count(), 0);
    }

    #[test]
    fn who_is_reached_how() {
        use VisitorAction::*;
        let days_ago = |days: i64| NOW.plus(-days * DAY_MS);
        for (deeds, scanned, reached) in [
            (&[][..], days_ago(6), Some(Way::Push)),
            (&[], days_ago(7), Some(Way::MulticastUnknown)),
            // They wrote since, on a day of which only the start is known.
            (&[(6, Wrote)], days_ago(12), Some(Way::Push)),
            (&[(7, Wrote)], days_ago(12), Some(Way::MulticastUnknown)),
            (&[(20, Followed)], days_ago(12), Some(Way::Multicast)),
            (&[(20, ListedAsFriend)], days_ago(1), Some(Way::Multicast)),
            (&[(20, Followed), (3, Unfollowed)], days_ago(12), None),
            (&[(3, Followed), (20, Unfollowed)], days_ago(12), Some(Way::Multicast)),
        ] {
            assert_eq!(way(&person(deeds), scanned, NOW), reached, "{deeds:?}");
        }
    }
}
