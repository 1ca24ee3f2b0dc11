//! The people of LINE, as far as they have to do with the account.

use std::collections::BTreeMap;

/// A push reaches those who wrote within this, friends or not.
const PUSH_REACHES_MS: i64 = 7 * 24 * 3_600_000;

/// A person.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Has added the account, and not blocked it.
    pub friend: bool,
    /// Has blocked it.
    pub blocked: bool,
    /// When they last added or blocked it, ms: what happened before changes nothing any more.
    pub changed_at: i64,
    /// An id that LINE refuses (400), whatever it looks like.
    pub refused: bool,
    /// When they last wrote to it, ms.
    pub wrote_at: Option<i64>,
    /// The name that their profile shows.
    pub name: String,
    /// The language that their profile shows.
    pub language: Option<String>,
}

/// All of them, by user id.
#[derive(Debug, Default)]
pub struct People {
    all: BTreeMap<String, Person>,
}

impl People {
    /// Adds a person, or changes one.
    pub fn set(&mut self, user: &str, person: Person) {
        self.all.insert(user.to_owned(), person);
    }

    /// A person, made if there is none.
    pub fn of(&mut self, user: &str) -> &mut Person {
        self.all.entry(user.to_owned()).or_default()
    }

    /// A person.
    pub fn get(&self, user: &str) -> Option<&Person> {
        self.all.get(user)
    }

    /// Whether a multicast reaches somebody.
    pub fn multicast_reaches(&self, user: &str) -> bool {
        self.get(user).is_some_and(|person| person.friend && !person.blocked)
    }

    /// Whether a push reaches somebody.
    pub fn push_reaches(&self, user: &str, now: i64) -> bool {
        self.get(user).is_some_and(|person| {
            let wrote = person.wrote_at.is_some_and(|at| now - at < PUSH_REACHES_MS);
            !person.blocked && (person.friend || wrote)
        })
    }

    /// Friends after `start`, at most so many; and where the next page begins.
    pub fn followers(&self, start: &str, limit: usize) -> (Vec<String>, Option<String>) {
        let mut friends = self
            .all
            .range(start.to_owned()..)
            .filter(|(_, person)| person.friend && !person.blocked)
            .map(|(user, _)| user.clone());
        let page = friends.by_ref().take(limit).collect();
        (page, friends.next())
    }
}
