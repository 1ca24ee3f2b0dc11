//! People who were at places, as rows, and the job that is to reach them.

use std::{collections::BTreeMap, ops::Range};

use futures_util::{StreamExt, TryStreamExt, stream};
use load_tests::platform::{Platform, people::Person};
use schemas::{
    identity::KeyRing,
    ids::{JobId, MessageHash, RecordId, UserId, VenueId},
    job::{Actor, JobContent, JobEvent, JobRecord, JobVenue},
    language::Language,
    place_code::Issue,
    time::{HOUR_MS, Hour},
    visit::Window,
    visitor::VisitorAction,
};
use server::backends::Backends;
use storage::{
    Store as _,
    rows::{TypedStore, people::person_mutation, visits::ScanRow},
};
use uuid::Uuid;

use crate::setting;

/// Visits of one hour of one place.
const VISITS: u64 = 500;
/// Partitions written at a time.
const FILLERS: usize = 8;
/// Places of crowds are numbered from here: nobody else's are.
const FIRST_VENUE: u64 = 1 << 40;

/// People, each of whom was at one place once.
pub struct Crowd {
    /// Who.
    pub users: Vec<UserId>,
    /// What they are to be told, and where they were.
    pub content: JobContent,
    friends: bool,
    hours: Range<i64>,
}

impl Crowd {
    /// Friends of the account, at so many places in twelve hours of yesterday.
    pub fn friends(people: u64, venues: u64) -> Self {
        Self::new(0, people, (0..venues, 12), true)
    }

    /// People of whom nothing is known but that they wrote yesterday: they are pushed to.
    pub fn strangers(people: u64) -> Self {
        Self::new(1 << 32, people, (1_000..1_002, 10), false)
    }

    fn new(first: u64, people: u64, (venues, hours): (Range<u64>, i64), friends: bool) -> Self {
        let begins = setting::now().plus(-36 * HOUR_MS).hour();
        let hours = begins.0..begins.0 + hours;
        let place = |n| JobVenue { venue: VenueId::from_u64(FIRST_VENUE + n), dwell_minutes: 60 };
        let content = JobContent {
            venues: venues.map(place).collect(),
            window: Window { from: Hour(hours.start).start(), to: Hour(hours.end).start() },
            padding_minutes: 0,
            messages: BTreeMap::from([(
                Language::Japanese,
                "この時間にいた方へお知らせです。体調の変化にご注意ください。".to_owned(),
            )]),
            reference: "bench".to_owned(),
        };
        let user = |n: u64| UserId::from_bytes(u128::from(first + n).to_be_bytes());
        Self { users: (0..people).map(user).collect(), content, friends, hours }
    }

    /// Partitions that have its visits.
    fn partitions(&self) -> impl Iterator<Item = (VenueId, Hour)> + '_ {
        let venues = self.content.venues.iter().map(|place| place.venue);
        venues.flat_map(|venue| self.hours.clone().map(move |hour| (venue, Hour(hour))))
    }

    /// Writes its rows.
    pub async fn fill(&self, backends: &Backends, keys: &KeyRing) -> anyhow::Result<()> {
        let of_hours = self.users.chunks(VISITS as usize).zip(self.partitions());
        stream::iter(of_hours)
            .map(|(users, partition)| self.fill_hour(backends, keys, users, partition))
            .buffer_unordered(FILLERS)
            .try_collect::<()>()
            .await
    }

    async fn fill_hour(
        &self,
        backends: &Backends,
        keys: &KeyRing,
        users: &[UserId],
        (venue, hour): (VenueId, Hour),
    ) -> anyhow::Result<()> {
        let epoch = hour.start().epoch();
        let (mut scans, mut people) = (Vec::new(), Vec::new());
        for (user, second) in users.iter().zip(0..) {
            let (pseudonym, sealed) = keys.seal_scan(epoch, venue, user)?;
            let scanned_at = hour.start().plus(second * 1_000);
            scans.push(ScanRow {
                venue,
                scanned_at,
                pseudonym,
                sealed,
                epoch,
                issue: Issue(1),
                message: MessageHash(*user.as_bytes()),
            });
            let followed = VisitorAction::Followed;
            people.extend(person_mutation(keys.visitor(user), scanned_at, &followed));
        }
        backends.store.put(&scans).await?;
        if self.friends {
            backends.store.write(people.into()).await?;
        }
        Ok(())
    }

    /// Makes them people of LINE.
    pub fn join(&self, platform: &Platform) {
        let mut people = platform.people.lock();
        for user in &self.users {
            let wrote_at = (!self.friends).then(|| Hour(self.hours.start).start().0);
            let person = Person { friend: self.friends, wrote_at, ..Person::default() };
            people.set(&user.to_line(), person);
        }
    }

    /// The records of a job for them, approved.
    pub fn approved(&self, job: JobId) -> anyhow::Result<[JobRecord; 2]> {
        let submitted = JobEvent::Submitted {
            by: official("sato")?,
            content: self.content.clone(),
            idempotency_key: job.to_string(),
            body_hash: String::new(),
        };
        let by = official("suzuki")?;
        let approved = JobEvent::Approved { by, content_hash: self.content.hash() };
        let record = |event| {
            let id = RecordId(Uuid::now_v7());
            JobRecord { id, job, at: setting::now(), event }
        };
        Ok([submitted, approved].map(record))
    }
}

/// An official.
pub fn official(name: &str) -> anyhow::Result<Actor> {
    Ok(Actor::Official(name.parse()?))
}
