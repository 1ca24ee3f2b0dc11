//! The people on the stand-in platform, and what they are to the account.

use std::{collections::BTreeMap, fmt, ops::Bound, str::FromStr};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::clock::DAY;

/// Somebody who wrote within this may be pushed to without being a friend
/// (LINE: "Send push message", conditions).
pub const PUSH_WINDOW: i64 = 7 * DAY;

/// A LINE user id: `U` and 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UserId([u8; 16]);

/// A text is no LINE user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a LINE user id is U and 32 lower-case hexadecimal digits")]
pub struct NotAUserId;

impl UserId {
    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = NotAUserId;

    fn from_str(text: &str) -> Result<Self, NotAUserId> {
        let digits = text.strip_prefix('U').ok_or(NotAUserId)?.as_bytes();
        let digits: &[u8; 32] = digits.try_into().map_err(|_| NotAUserId)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = value_of(pair[0]).ok_or(NotAUserId)? << 4 | value_of(pair[1]).ok_or(NotAUserId)?;
        }
        Ok(Self(bytes))
    }
}

const fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("U")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Test failures and errors quote values; an id is not for quoting.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for UserId {
    type Error = NotAUserId;

    fn try_from(text: String) -> Result<Self, NotAUserId> {
        text.parse()
    }
}

/// What a person is to the account, in the platform's own knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Friendship {
    /// Has added the account.
    Friend,
    /// Has never added it.
    Stranger,
    /// Has blocked it.
    Blocked,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The name they gave themselves.
    pub display_name: String,
    /// BCP 47; absent for people who have not consented to LINE's privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What they are to the account.
    pub friendship: Friendship,
    /// When they last wrote, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_wrote: Option<i64>,
}

impl User {
    /// Somebody whose phone is in Japanese.
    pub fn new(id: UserId, friendship: Friendship) -> Self {
        Self {
            id,
            display_name: format!("visitor {:02x}{:02x}", id.0[0], id.0[1]),
            language: Some("ja".to_owned()),
            friendship,
            last_wrote: None,
        }
    }

    /// With this language, or with none.
    #[must_use]
    pub fn speaking(mut self, language: Option<&str>) -> Self {
        self.language = language.map(str::to_owned);
        self
    }

    /// Whether a multicast reaches them: friends only.
    pub fn gets_multicasts(&self) -> bool {
        self.friendship == Friendship::Friend
    }

    /// Whether a push at `now` reaches them: friends, and strangers who wrote within seven days.
    pub fn gets_pushes(&self, now: i64) -> bool {
        match self.friendship {
            Friendship::Friend => true,
            Friendship::Stranger => self.last_wrote.is_some_and(|at| now - at < PUSH_WINDOW),
            Friendship::Blocked => false,
        }
    }

    /// Whether their profile can be read: friends, and strangers who wrote.
    pub fn shows_profile(&self) -> bool {
        match self.friendship {
            Friendship::Friend => true,
            Friendship::Stranger => self.last_wrote.is_some(),
            Friendship::Blocked => false,
        }
    }
}

/// Everybody the platform knows.
#[derive(Clone, Debug, Default)]
pub struct Population {
    people: BTreeMap<UserId, Person>,
}

#[derive(Clone, Debug)]
struct Person {
    user: User,
    /// Event time of the last follow or block; older ones that come later change nothing.
    changed_at: i64,
}

impl Population {
    /// `size` people from `seed`, in turn: a friend, a friend, a stranger; every tenth speaks
    /// English, and one in a hundred has blocked the account.
    pub fn generate(size: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut population = Self::default();
        for n in 0..size {
            let friendship = match n {
                n if n % 100 == 99 => Friendship::Blocked,
                n if n % 3 == 2 => Friendship::Stranger,
                _ => Friendship::Friend,
            };
            let language = if n % 10 == 9 { "en" } else { "ja" };
            let user = User::new(UserId(rng.random()), friendship).speaking(Some(language));
            population.add(user);
        }
        population
    }

    /// Adds a person, or replaces what is known of them.
    pub fn add(&mut self, user: User) {
        self.people.insert(user.id, Person { user, changed_at: i64::MIN });
    }

    /// A person, if the platform knows them.
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.people.get(&id).map(|person| &person.user)
    }

    /// How many people there are.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Everybody, by id.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.people.values().map(|person| &person.user)
    }

    /// Notes that somebody wrote at `at`. Whoever the platform doesn't know becomes a stranger.
    pub fn wrote(&mut self, id: UserId, at: i64) {
        let user = &mut self.person(id).user;
        user.last_wrote = user.last_wrote.max(Some(at));
    }

    /// Makes somebody something else at `at`, and says what they were before. `None`: something
    /// later than `at` is known already, so nothing changed.
    pub fn change(&mut self, id: UserId, friendship: Friendship, at: i64) -> Option<Friendship> {
        let person = self.person(id);
        if at < person.changed_at {
            return None;
        }
        person.changed_at = at;
        Some(std::mem::replace(&mut person.user.friendship, friendship))
    }

    /// Up to `limit` friends whose ids come after `after`, and whether there are more.
    pub fn friends_after(&self, after: Option<UserId>, limit: usize) -> (Vec<UserId>, More) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut friends = self
            .people
            .range((from, Bound::Unbounded))
            .filter(|(_, person)| person.user.friendship == Friendship::Friend)
            .map(|(id, _)| *id);
        let page = friends.by_ref().take(limit).collect();
        (page, if friends.next().is_some() { More::Yes } else { More::No })
    }

    fn person(&mut self, id: UserId) -> &mut Person {
        self.people.entry(id).or_insert_with(|| Person {
            user: User::new(id, Friendship::Stranger),
            changed_at: i64::MIN,
        })
    }
}

/// Whether a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// It does.
    Yes,
    /// It ends here.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict() {
        let id = "U8e742f61d673b39c7fff3cecb7536ef0";
        assert_eq!(id.parse::<UserId>().unwrap().to_string(), id);
        for wrong in [
            "",
            "U",
            "8e742f61d673b39c7fff3cecb7536ef0",
            "u8e742f61d673b39c7fff3cecb7536ef0",
            "U8E742f61d673b39c7fff3cecb7536ef0",
            "U8e742f61d673b39c7fff3cecb7536ef",
            "U8e742f61d673b39c7fff3cecb7536ef00",
            "C8e742f61d673b39c7fff3cecb7536ef0",
            "U8e742f61d673b39c7fff3cecb7536eあ",
        ] {
            assert_eq!(wrong.parse::<UserId>(), Err(NotAUserId), "{wrong}");
        }
    }

    #[test]
    fn an_older_change_that_comes_late_changes_nothing() {
        let mut population = Population::default();
        let id = UserId::from_bytes([7; 16]);
        assert_eq!(population.change(id, Friendship::Blocked, 20), Some(Friendship::Stranger));
        assert_eq!(population.change(id, Friendship::Friend, 10), None);
        assert_eq!(population.get(id).unwrap().friendship, Friendship::Blocked);
    }

    #[test]
    fn pushes_reach_a_stranger_for_seven_days() {
        let mut user = User::new(UserId::from_bytes([7; 16]), Friendship::Stranger);
        assert!(!user.gets_pushes(0));
        user.last_wrote = Some(0);
        assert!(user.gets_pushes(PUSH_WINDOW - 1));
        assert!(!user.gets_pushes(PUSH_WINDOW));
        assert!(!user.gets_multicasts());
    }
}
