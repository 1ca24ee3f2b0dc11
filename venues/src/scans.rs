//! How often places are scanned: numbers of scans, never of whom, for whoever runs the place.
//!
//! Only days that are over are told, and small numbers are not: who watches a door and a number at
//! the same time learns nothing of anybody. What was counted of days that no late scan reaches is
//! remembered, so that a busy hall is counted once.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use schemas::{
    ids::VenueId,
    time::{DAY_MS, Day, EventTime, HOUR_MS, Hour},
};
use storage::{
    Store, StoreError,
    rows::{Span, TypedStore, visits::ScanRow},
    store::Order,
};
use tokio::sync::Semaphore;

/// Numbers from 1 up to this are not told (the suppression threshold of officials' counts, too).
const FEW: u64 = 10;
/// Days that are told.
pub const DAYS: i64 = 14;
/// A place that nobody has scanned for so many days gets a hint.
pub const SILENT_DAYS: i64 = 7;
/// Scans may come in so long after they were made, from a spool or by LINE delivering again.
const LATE_MS: i64 = DAY_MS;
/// Partitions read at once, for one page.
const READ_AT_ONCE: usize = 16;
/// Pages that count at once: the store has more important readers.
const PAGES_AT_ONCE: usize = 2;
/// Days and places that are remembered; with more, everything is counted anew.
const REMEMBERED: usize = 200_000;

/// How many scans a day had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many; 0, or enough to be told.
    Scans(u64),
    /// Some, but fewer than ten.
    Few,
}

impl Count {
    fn of(scans: u64) -> Self {
        if (1..FEW).contains(&scans) { Count::Few } else { Count::Scans(scans) }
    }
}

/// Counts scans in the store.
pub struct Scans<S> {
    store: S,
    days: Mutex<HashMap<(VenueId, Day), u64>>,
    /// The last hour in which a place is known to have been scanned.
    last: Mutex<HashMap<VenueId, Hour>>,
    turns: Semaphore,
}

impl<S: Store> Scans<S> {
    /// In a store.
    pub fn new(store: S) -> Self {
        let turns = Semaphore::new(PAGES_AT_ONCE);
        Self { store, days: Mutex::default(), last: Mutex::default(), turns }
    }

    /// Scans on each of the last days before today, the earliest first.
    pub async fn per_day(
        &self,
        venue: VenueId,
        now: EventTime,
    ) -> Result<Vec<(Day, Count)>, StoreError> {
        let _turn = self.turns.acquire().await;
        let today = now.day_in_japan().start();
        let mut days = Vec::new();
        for back in (1..=DAYS).rev() {
            let start = today.plus(-back * DAY_MS);
            let day = start.day_in_japan();
            let known = self.days.lock().get(&(venue, day)).copied();
            let scans = match known {
                Some(scans) => scans,
                None => {
                    let scans = self.count(venue, start).await?;
                    if start.plus(DAY_MS + LATE_MS) < now {
                        remember(&self.days, (venue, day), scans);
                    }
                    scans
                }
            };
            days.push((day, Count::of(scans)));
        }
        Ok(days)
    }

    /// Scans of a day that begins then.
    async fn count(&self, venue: VenueId, start: EventTime) -> Result<u64, StoreError> {
        let hours = (0..24).map(|hour| start.plus(hour * HOUR_MS).hour());
        stream::iter(hours.map(|hour| self.count_hour(venue, hour)))
            .buffer_unordered(READ_AT_ONCE)
            .try_fold(0, |all, scans| std::future::ready(Ok(all + scans)))
            .await
    }

    async fn count_hour(&self, venue: VenueId, hour: Hour) -> Result<u64, StoreError> {
        let (mut scans, mut cursor) = (0, None);
        loop {
            let span = Span { cursor, ..Span::default() };
            let page = self.store.page::<ScanRow>(&(venue, hour), span).await?;
            scans += page.rows.len() as u64;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(scans);
            }
        }
    }

    /// Which of these places nobody has scanned for a week.
    pub async fn silent(
        &self,
        venues: Vec<VenueId>,
        now: EventTime,
    ) -> Result<Vec<VenueId>, StoreError> {
        let _turn = self.turns.acquire().await;
        let looks = venues.into_iter().map(|venue| async move {
            let silent = !self.was_scanned(venue, now).await?;
            Ok::<_, StoreError>(silent.then_some(venue))
        });
        let silent: Vec<Option<VenueId>> =
            stream::iter(looks).buffered(READ_AT_ONCE).try_collect().await?;
        Ok(silent.into_iter().flatten().collect())
    }

    async fn was_scanned(&self, venue: VenueId, now: EventTime) -> Result<bool, StoreError> {
        let first = now.plus(-SILENT_DAYS * DAY_MS).hour();
        let known = self.last.lock().get(&venue).copied();
        if known.is_some_and(|hour| hour >= first) {
            return Ok(true);
        }
        for hour in (first.0..=now.hour().0).rev().map(Hour) {
            let span = Span { order: Order::Descending, limit: 1, ..Span::default() };
            if !self.store.page::<ScanRow>(&(venue, hour), span).await?.rows.is_empty() {
                remember(&self.last, venue, hour);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn remember<K: Eq + std::hash::Hash, V>(memory: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut memory = memory.lock();
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(key, value);
}
