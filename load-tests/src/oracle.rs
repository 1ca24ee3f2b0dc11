//! The independent count: from what was sent to the product, who must have got what.
//!
//! It shares one sentence with the product and none of its code: *a visit matches a job iff
//! `scan < window_end + pad` and `scan + dwell > window_start − pad`*.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

const MINUTE: i64 = 60_000;

/// Everything that happened, as the outside world saw it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The places of the registry.
    pub places: Vec<Place>,
    /// Events that the product acknowledged with 2xx, in any order, each possibly several times.
    pub events: Vec<Event>,
    /// The jobs that were approved.
    pub jobs: Vec<Job>,
    /// What the platform accepted for whom.
    pub accepted: Vec<Accepted>,
}

/// A place of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The product's id of it.
    pub venue: String,
    /// The printed code: 20 characters in four groups.
    pub code: String,
    /// How long a visitor is taken to stay, in minutes.
    pub dwell_minutes: i64,
}

/// An event of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// LINE user id.
    pub user: String,
    /// Event time in ms.
    pub at: i64,
    /// What.
    pub deed: Deed,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A text message, with its message id.
    Text {
        /// The words.
        text: String,
        /// LINE's id of the message.
        message: String,
    },
    /// A message was taken back.
    Unsend {
        /// LINE's id of the message.
        message: String,
    },
    /// The account was added.
    Follow,
    /// The account was blocked.
    Block,
    /// The person asked to be forgotten.
    Erase,
    /// The person chose a language.
    Language(String),
}

/// A job that was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The places, by the product's ids.
    pub venues: Vec<String>,
    /// Begin of the window, ms.
    pub from: i64,
    /// End of the window, ms.
    pub to: i64,
    /// Widened at both ends, minutes.
    pub padding_minutes: i64,
    /// Language code → text.
    pub messages: BTreeMap<String, String>,
}

/// One message that the platform accepted for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// LINE user id.
    pub user: String,
    /// The words.
    pub text: String,
}

/// What the count says of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Who must get the message, and in which words.
    pub people: BTreeMap<String, String>,
    /// Who was there and has blocked the account.
    pub out_of_reach: BTreeSet<String>,
}

/// A difference between what must be and what is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Somebody who must have been told was not.
    Missed {
        /// The job.
        job: String,
        /// The person. Of the simulation: there are no real people here.
        user: String,
    },
    /// Somebody got the same message more than once.
    ToldTwice {
        /// The person.
        user: String,
        /// How often.
        times: usize,
        /// The words.
        text: String,
    },
    /// Somebody got an alert that is not theirs.
    WronglyTold {
        /// The person.
        user: String,
        /// The words.
        text: String,
    },
    /// A scan that was acknowledged is not in the store.
    ScanLost {
        /// The place.
        venue: String,
        /// Event time, ms.
        at: i64,
    },
    /// The store has a scan that nobody made.
    ScanInvented {
        /// The place.
        venue: String,
        /// Event time, ms.
        at: i64,
    },
    /// The product did what LINE forbids.
    Violation(String),
    /// The product kept what it must not keep.
    Leak(String),
    /// The product says another number than the count.
    Figure {
        /// Of what.
        what: String,
        /// The count.
        counted: u64,
        /// What the product says.
        said: u64,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::Missed { job, user } => {
                write!(f, "missed: {user} was there and got nothing for job {job}")
            }
            Difference::ToldTwice { user, times, text } => {
                write!(f, "told {times} times: {user}: {}", begin(text))
            }
            Difference::WronglyTold { user, text } => {
                write!(f, "wrongly told: {user}: {}", begin(text))
            }
            Difference::ScanLost { venue, at } => {
                write!(f, "lost: the scan at {venue} at {at} ms is not in the store")
            }
            Difference::ScanInvented { venue, at } => {
                write!(f, "invented: the store has a scan at {venue} at {at} ms that nobody made")
            }
            Difference::Violation(what) => write!(f, "against LINE's rules: {what}"),
            Difference::Leak(what) => write!(f, "kept: {what}"),
            Difference::Figure { what, counted, said } => {
                write!(f, "{what}: counted {counted}, the product says {said}")
            }
        }
    }
}

fn begin(text: &str) -> String {
    text.chars().take(20).collect()
}

impl Evidence {
    /// Every scan: place, person, time, and the message that made it; each once.
    fn scans(&self) -> BTreeSet<(&str, &str, i64, &str)> {
        let codes: BTreeMap<String, &str> =
            self.places.iter().map(|p| (letters(&p.code), p.venue.as_str())).collect();
        self.events
            .iter()
            .filter_map(|event| match &event.deed {
                Deed::Text { text, message } => {
                    // What the flyer prepares: a word, and the code at the end.
                    let letters = letters(text);
                    let code = letters.get(letters.len().checked_sub(20)?..)?;
                    let venue = codes.get(code)?;
                    Some((*venue, event.user.as_str(), event.at, message.as_str()))
                }
                _ => None,
            })
            .collect()
    }

    fn unsent(&self) -> BTreeSet<&str> {
        self.events
            .iter()
            .filter_map(|event| match &event.deed {
                Deed::Unsend { message } => Some(message.as_str()),
                _ => None,
            })
            .collect()
    }

    fn erased_through(&self) -> BTreeMap<&str, i64> {
        let mut through = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.deed == Deed::Erase) {
            let at = through.entry(event.user.as_str()).or_insert(event.at);
            *at = event.at.max(*at);
        }
        through
    }

    /// The last word of each person on something, by event time.
    fn last<'a, T>(&'a self, pick: impl Fn(&'a Event) -> Option<T>) -> BTreeMap<&'a str, T> {
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.sort_by_key(|event| event.at);
        events.into_iter().filter_map(|event| Some((event.user.as_str(), pick(event)?))).collect()
    }

    /// Who must get what for a job.
    pub fn expected(&self, job: &Job) -> Expected {
        let places: BTreeMap<&str, &Place> =
            self.places.iter().map(|place| (place.venue.as_str(), place)).collect();
        let unsent = self.unsent();
        let erased = self.erased_through();
        let blocked = self.last(|event| match event.deed {
            Deed::Follow => Some(false),
            Deed::Block => Some(true),
            _ => None,
        });
        let language = self.last(|event| match &event.deed {
            Deed::Language(code) => Some(code.as_str()),
            _ => None,
        });
        let pad = job.padding_minutes * MINUTE;
        let mut expected = Expected::default();
        for (venue, user, at, message) in self.scans() {
            let Some(place) = places.get(venue) else { continue };
            let here = job.venues.iter().any(|wanted| wanted == venue);
            let dwell = place.dwell_minutes * MINUTE;
            let then = at < job.to + pad && at + dwell > job.from - pad;
            let forgotten =
                unsent.contains(message) || erased.get(user).is_some_and(|through| at <= *through);
            if !here || !then || forgotten {
                continue;
            }
            if blocked.get(user) == Some(&true) {
                expected.out_of_reach.insert(user.to_owned());
                continue;
            }
            let chosen = language.get(user).copied().unwrap_or("ja");
            let text = job
                .messages
                .get(chosen)
                .or_else(|| job.messages.get(if chosen.starts_with("ja") { "ja" } else { "en" }))
                .or_else(|| job.messages.get("ja"));
            expected.people.insert(user.to_owned(), text.cloned().unwrap_or_default());
        }
        expected
    }

    /// Compares what the platform accepted with what must be: every person of every job exactly
    /// once, nobody else.
    pub fn judge_messages(&self) -> Vec<Difference> {
        let mut got: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for accepted in &self.accepted {
            *got.entry((&accepted.user, &accepted.text)).or_default() += 1;
        }
        let mut due: BTreeMap<(String, String), &str> = BTreeMap::new();
        for job in &self.jobs {
            for (user, text) in self.expected(job).people {
                due.insert((user, text), &job.id);
            }
        }
        let mut differences = Vec::new();
        for ((user, text), job) in &due {
            if !got.contains_key(&(user.as_str(), text.as_str())) {
                differences.push(Difference::Missed { job: (*job).to_owned(), user: user.clone() });
            }
        }
        for ((user, text), times) in got {
            if !due.contains_key(&(user.to_owned(), text.to_owned())) {
                differences
                    .push(Difference::WronglyTold { user: user.to_owned(), text: text.to_owned() });
            } else if times > 1 {
                differences.push(Difference::ToldTwice {
                    user: user.to_owned(),
                    times,
                    text: text.to_owned(),
                });
            }
        }
        differences
    }

    /// Compares the scans of the store, as (venue, event time), with those that were acknowledged.
    /// Scans that their visitor took back may be there or not: the store forgets them in its own
    /// time.
    pub fn judge_store(&self, stored: &[(String, i64)]) -> Vec<Difference> {
        let unsent = self.unsent();
        let erased = self.erased_through();
        let mut must: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        let mut may: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        for (venue, user, at, message) in self.scans() {
            let forgotten =
                unsent.contains(message) || erased.get(user).is_some_and(|through| at <= *through);
            let count = if forgotten { &mut may } else { &mut must };
            *count.entry((venue, at)).or_default() += 1;
        }
        let mut differences = Vec::new();
        for (venue, at) in stored {
            let key = (venue.as_str(), *at);
            if let Some(left) = must.get_mut(&key).filter(|left| **left > 0) {
                *left -= 1;
            } else if let Some(left) = may.get_mut(&key).filter(|left| **left > 0) {
                *left -= 1;
            } else {
                differences.push(Difference::ScanInvented { venue: venue.clone(), at: *at });
            }
        }
        for ((venue, at), left) in must {
            for _ in 0..left {
                differences.push(Difference::ScanLost { venue: venue.to_owned(), at });
            }
        }
        differences
    }

    /// How many different scans were acknowledged.
    pub fn scans_acknowledged(&self) -> u64 {
        self.scans().len() as u64
    }
}

/// Letters and digits only.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "12345-67890-ABCDE-FGHJK";

    fn scan(user: &str, at: i64, message: &str) -> Event {
        let text = format!("チェックイン {CODE}");
        Event { user: user.into(), at, deed: Deed::Text { text, message: message.into() } }
    }

    fn deed(user: &str, at: i64, deed: Deed) -> Event {
        Event { user: user.into(), at, deed }
    }

    fn accepted(user: &str, text: &str) -> Accepted {
        Accepted { user: user.into(), text: text.into() }
    }

    fn evidence() -> Evidence {
        let hour = 60 * MINUTE;
        Evidence {
            places: vec![Place { venue: "V".into(), code: CODE.into(), dwell_minutes: 60 }],
            events: vec![
                scan("inside", 10 * hour, "1"),
                scan("inside", 10 * hour, "1"),
                scan("edge", 9 * hour + 1, "2"),
                scan("early", 9 * hour, "3"),
                scan("late", 12 * hour, "4"),
                scan("unsent", 10 * hour, "5"),
                deed("unsent", 10 * hour + 1, Deed::Unsend { message: "5".into() }),
                scan("erased", 10 * hour, "6"),
                deed("erased", 10 * hour, Deed::Erase),
                scan("english", 11 * hour, "7"),
                deed("english", 1, Deed::Language("en".into())),
                scan("blocked", 11 * hour, "8"),
                deed("blocked", 2, Deed::Block),
                deed("blocked", 1, Deed::Follow),
            ],
            jobs: vec![Job {
                id: "J".into(),
                venues: vec!["V".into()],
                from: 10 * hour,
                to: 12 * hour,
                padding_minutes: 0,
                messages: BTreeMap::from([("ja".into(), "日".into()), ("en".into(), "E".into())]),
            }],
            accepted: vec![
                accepted("inside", "日"),
                accepted("edge", "日"),
                accepted("english", "E"),
            ],
        }
    }

    #[test]
    fn a_right_day_agrees() {
        let evidence = evidence();
        assert_eq!(evidence.judge_messages(), []);
        let expected = evidence.expected(&evidence.jobs[0]);
        assert_eq!(expected.people.len(), 3);
        assert_eq!(expected.out_of_reach, BTreeSet::from(["blocked".to_owned()]));
    }

    #[test]
    fn every_wrong_is_named() {
        let mut missed = evidence();
        missed.accepted.remove(1);
        let difference = Difference::Missed { job: "J".into(), user: "edge".into() };
        assert_eq!(missed.judge_messages(), [difference]);

        let mut twice = evidence();
        twice.accepted.push(accepted("inside", "日"));
        assert!(matches!(&twice.judge_messages()[..], [Difference::ToldTwice { times: 2, .. }]));

        for user in ["early", "late", "unsent", "erased", "blocked", "stranger"] {
            let mut wrongly = evidence();
            wrongly.accepted.push(accepted(user, "日"));
            let found = wrongly.judge_messages();
            assert!(matches!(&found[..], [Difference::WronglyTold { .. }]), "{user}: {found:?}");
        }
    }

    #[test]
    fn a_row_too_few_or_too_many_is_named() {
        let evidence = evidence();
        let mut rows: Vec<(String, i64)> =
            evidence.scans().into_iter().map(|(venue, _, at, _)| (venue.to_owned(), at)).collect();
        assert_eq!(evidence.judge_store(&rows), []);
        // Two that were taken back and may be gone already.
        let ten = 600 * MINUTE;
        let mut gone = 0;
        rows.retain(|(_, at)| {
            *at != ten || {
                gone += 1;
                gone == 1
            }
        });
        assert_eq!(evidence.judge_store(&rows), []);
        let lost = rows.pop().unwrap();
        let found = evidence.judge_store(&rows);
        assert!(matches!(&found[..], [Difference::ScanLost { at, .. }] if *at == lost.1));
        rows.push(lost);
        rows.push(("V".to_owned(), 5));
        let found = evidence.judge_store(&rows);
        assert!(matches!(&found[..], [Difference::ScanInvented { at: 5, .. }]));
    }
}
