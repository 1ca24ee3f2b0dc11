//! The demo's day: who goes where and when, and what officials ask for. Pure, from a seed.

use std::borrow::Cow;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Japan is nine hours ahead of UTC all year.
const JST: i64 = 9 * HOUR;

/// How large a day is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Facilities.
    pub facilities: usize,
    /// Venues, spread over the facilities.
    pub venues: usize,
    /// Visitors.
    pub visitors: usize,
    /// Scans of them all, without duplicates and redeliveries.
    pub scans: usize,
}

impl Size {
    /// The day that `anshin-load demo` plays.
    pub const DEMO: Size = Size { facilities: 120, venues: 300, visitors: 20_000, scans: 60_000 };
    /// A day for tests.
    pub const SMALL: Size = Size { facilities: 12, venues: 30, visitors: 600, scans: 1_800 };
}

/// A day.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// When it begins: 17:00 in Japan, in ms since the Unix epoch.
    pub begins: i64,
    /// When it ends: 01:30 in Japan.
    pub ends: i64,
    /// The facilities, as an operator's list has them: facility, kind, venue.
    pub places: Vec<Place>,
    /// The visitors.
    pub visitors: Vec<Visitor>,
    /// What visitors do, by event time.
    pub steps: Vec<Step>,
    /// What officials ask for.
    pub jobs: Vec<Job>,
}

/// One line of an operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The facility's name.
    pub facility: String,
    /// Its kind.
    pub kind: &'static str,
    /// The floor or room.
    pub venue: String,
}

/// A visitor.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Their 16 bytes; `U` and hexadecimal on LINE.
    pub id: [u8; 16],
    /// Whether they were friends of the account before this system joined it.
    pub friend_before: bool,
    /// The language of their phone.
    pub language: &'static str,
}

impl Visitor {
    /// Their LINE user id.
    pub fn user_id(&self) -> String {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("U{hex}")
    }
}

/// What a visitor does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Event time, ms since the Unix epoch.
    pub at: i64,
    /// Index of the visitor.
    pub visitor: usize,
    /// What.
    pub deed: Deed,
}

/// What a visitor can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Reads the code of a venue (index into the places).
    Scan {
        /// Which.
        venue: usize,
        /// How it reaches the product.
        delivery: Delivery,
    },
    /// Adds the account.
    Follow,
    /// Blocks it.
    Block,
    /// Takes back the message of the scan with this index into the steps.
    Unsend {
        /// Which.
        scan: usize,
    },
    /// Asks to be forgotten.
    Erase,
    /// Chooses English.
    ChooseEnglish,
    /// Writes something that is no code; its words must be found nowhere.
    Chat,
}

/// How an event reaches the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Once.
    Once,
    /// Twice, as networks do.
    Twice,
    /// LINE saw no answer to the first and delivers it again.
    Redelivered,
}

/// An exposure job that the officials run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Indices into the places.
    pub venues: Vec<usize>,
    /// Begin of the window.
    pub from: i64,
    /// End of the window.
    pub to: i64,
    /// Widened at both ends by so many minutes.
    pub padding_minutes: u32,
    /// The Japanese message.
    pub japanese: Cow<'static, str>,
    /// The English message, if any.
    pub english: Option<Cow<'static, str>>,
    /// The officials' reference.
    pub reference: String,
}

/// Words that a visitor may write. They must be found in nothing that the product keeps.
pub const PLANTED_WORDS: &str = "きのうから喉が痛いのですが三丁目の田中医院はあいていますか";

const TOWNS: [&str; 12] = [
    "津",
    "四日市",
    "伊勢",
    "松阪",
    "桑名",
    "鈴鹿",
    "名張",
    "尾鷲",
    "亀山",
    "鳥羽",
    "熊野",
    "志摩",
];
const SITES: [(&str, &str); 10] = [
    ("食堂みなと", "restaurant"),
    ("居酒屋やまびこ", "restaurant"),
    ("書店あおぞら", "shop"),
    ("百貨店はなや", "shop"),
    ("文化会館", "hall"),
    ("映画館シネマ座", "hall"),
    ("秋まつり会場", "event"),
    ("商工会館", "office"),
    ("スポーツプラザ", "other"),
    ("カフェこもれび", "restaurant"),
];

/// The last evening that was over at `now`: its 17:00 in Japan.
pub fn last_evening(now: i64) -> i64 {
    let length = 8 * HOUR + 30 * MINUTE;
    let latest_begin = now - length;
    let today = (latest_begin + JST).div_euclid(DAY) * DAY - JST + 17 * HOUR;
    if today <= latest_begin { today } else { today - DAY }
}

/// Makes the day that is over at `now`.
pub fn make(seed: u64, size: Size, now: i64) -> Scenario {
    let mut rng = StdRng::seed_from_u64(seed);
    let begins = last_evening(now);
    let places = places(size);
    let visitors = visitors(&mut rng, size);
    let steps = steps(&mut rng, size, begins, &visitors);
    let jobs = jobs(begins, size);
    Scenario { begins, ends: begins + 8 * HOUR + 30 * MINUTE, places, visitors, steps, jobs }
}

/// A day on which nobody goes anywhere yet, at so many places.
pub fn make_empty(size: Size, now: i64) -> Scenario {
    let begins = last_evening(now);
    let (places, ends) = (places(size), begins + 8 * HOUR + 30 * MINUTE);
    Scenario { begins, ends, places, visitors: Vec::new(), steps: Vec::new(), jobs: Vec::new() }
}

fn places(size: Size) -> Vec<Place> {
    (0..size.venues)
        .map(|venue| {
            let facility = venue % size.facilities;
            let (site, kind) = SITES[facility % SITES.len()];
            let town = TOWNS[facility / SITES.len() % TOWNS.len()];
            Place {
                facility: format!("{town}{site}"),
                kind,
                venue: format!("{}階", venue / size.facilities + 1),
            }
        })
        .collect()
}

fn visitors(rng: &mut StdRng, size: Size) -> Vec<Visitor> {
    (0..size.visitors)
        .map(|n| Visitor {
            id: rng.random(),
            friend_before: n % 3 == 0,
            language: if n % 10 == 9 { "en" } else { "ja" },
        })
        .collect()
}

fn steps(rng: &mut StdRng, size: Size, begins: i64, visitors: &[Visitor]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(size.scans * 5 / 4);
    for _ in 0..size.scans {
        let visitor = rng.random_range(0..visitors.len());
        // A third of all scans are at the places that the jobs will be about.
        let venue = if rng.random_bool(0.3) {
            rng.random_range(0..HOT_VENUES.min(size.venues))
        } else {
            rng.random_range(0..size.venues)
        };
        let delivery = match rng.random_range(0..100_u32) {
            0..3 => Delivery::Twice,
            3..5 => Delivery::Redelivered,
            _ => Delivery::Once,
        };
        let at = begins + rng.random_range(0..8 * HOUR + 30 * MINUTE);
        steps.push(Step { at, visitor, deed: Deed::Scan { venue, delivery } });
    }
    steps.sort_by_key(|step| step.at);

    let mut later = Vec::new();
    let mut seen = vec![false; visitors.len()];
    for (scan, step) in steps.iter().enumerate() {
        let first = !std::mem::replace(&mut seen[step.visitor], true);
        let mut also = |after: std::ops::Range<i64>, deed| {
            later.push(Step { at: step.at + rng.random_range(after), visitor: step.visitor, deed });
        };
        // By the visitor's number, so that a person does only one of the rare things.
        match step.visitor % 60 {
            // Friends from before who block the account in the evening.
            0 if first => also(MINUTE..3 * HOUR, Deed::Block),
            // A person who takes back one message.
            1 | 2 if first => also(1_000..20 * MINUTE, Deed::Unsend { scan }),
            4 if first => also(MINUTE..4 * HOUR, Deed::Erase),
            5 if first => also(500..2_000, Deed::Chat),
            // Adds the account, and blocks it later.
            7 if first => {
                also(500..3_000, Deed::Follow);
                also(HOUR..3 * HOUR, Deed::Block);
            }
            // One in five never follows.
            n if first && n % 5 == 3 => {}
            // Most add the account right after their first scan: the two events race.
            _ if first && !visitors[step.visitor].friend_before => also(200..5_000, Deed::Follow),
            _ => {}
        }
        if first && visitors[step.visitor].language == "en" {
            also(5_000..10_000, Deed::ChooseEnglish);
        }
    }
    // Unsend names its scan by place in `steps`: later steps go behind, and delivery sorts them.
    steps.extend(later);
    steps
}

/// So many venues are what the jobs are about.
const HOT_VENUES: usize = 9;

fn jobs(begins: i64, size: Size) -> Vec<Job> {
    let hot = HOT_VENUES.min(size.venues);
    vec![
        Job {
            venues: (0..hot * 2 / 3).collect(),
            from: begins + 2 * HOUR,
            to: begins + 4 * HOUR,
            padding_minutes: 30,
            japanese: "【県からのお知らせ】あなたが利用した施設を、新型コロナウイルスに感染した方が同じ日の同じ時間帯に利用していたことが分かりました。体調の変化に気をつけ、症状がある場合は受診・相談センターへお電話ください。".into(),
            english: Some(
                "[Notice from the prefecture] A person infected with the coronavirus was at a place you visited, on the same day and at about the same time. Please watch your health, and call the consultation centre if you feel ill.".into(),
            ),
            reference: "demo 1".to_owned(),
        },
        Job {
            // Shares two places with the first, and runs across midnight in Japan.
            venues: (hot * 2 / 3 - 2..hot).collect(),
            from: begins + 5 * HOUR + 30 * MINUTE,
            to: begins + 7 * HOUR + 30 * MINUTE,
            padding_minutes: 0,
            japanese: "【県からのお知らせ】昨夜ご利用の施設で、感染した方が同じ時間帯に滞在していました。発熱などの症状がある場合は、受診・相談センターへお電話ください。".into(),
            english: None,
            reference: "demo 2".to_owned(),
        },
    ]
}

impl Scenario {
    /// The operator's list, as a CSV file.
    pub fn csv(&self) -> String {
        let mut csv = String::from("facility,kind,venue\n");
        for place in &self.places {
            csv.push_str(&format!("{},{},{}\n", place.facility, place.kind, place.venue));
        }
        csv
    }

    /// The order in which LINE delivers the steps: by event time, but some late and out of order.
    pub fn delivery_order(&self, seed: u64) -> Vec<usize> {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let mut order: Vec<(i64, usize)> = self
            .steps
            .iter()
            .enumerate()
            .map(|(n, step)| {
                let delay = if rng.random_bool(0.05) { rng.random_range(0..HOUR) } else { 0 };
                (step.at + delay, n)
            })
            .collect();
        // Events of one moment come in any order.
        order.shuffle(&mut rng);
        order.sort_by_key(|(at, _)| *at / 1_000);
        order.into_iter().map(|(_, n)| n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_600_000_000;

    #[test]
    fn the_last_evening_is_over_and_began_at_17_in_japan() {
        for hours in 0..48 {
            let now = NOW + hours * HOUR;
            let begins = last_evening(now);
            assert_eq!((begins + JST).rem_euclid(DAY), 17 * HOUR);
            assert!(begins + 8 * HOUR + 30 * MINUTE <= now && now < begins + 2 * DAY);
        }
    }

    #[test]
    fn a_seed_makes_one_day() {
        let (one, two) = (make(7, Size::SMALL, NOW), make(7, Size::SMALL, NOW));
        assert_eq!(one.steps, two.steps);
        assert_eq!(one.delivery_order(7), two.delivery_order(7));
        assert_ne!(make(8, Size::SMALL, NOW).steps, one.steps);
    }

    #[test]
    fn the_day_holds_everything_the_demo_is_about() {
        let day = make(1, Size::DEMO, NOW);
        let facilities: std::collections::BTreeSet<_> =
            day.places.iter().map(|place| &place.facility).collect();
        assert_eq!((facilities.len(), day.places.len()), (120, 300));
        let count = |is: fn(&Deed) -> bool| day.steps.iter().filter(|s| is(&s.deed)).count();
        assert_eq!(count(|deed| matches!(deed, Deed::Scan { .. })), 60_000);
        let twice = count(|deed| matches!(deed, Deed::Scan { delivery: Delivery::Twice, .. }));
        assert!((1_500..2_100).contains(&twice), "{twice}");
        for is in [
            (|deed| matches!(deed, Deed::Unsend { .. })) as fn(&Deed) -> bool,
            |deed| *deed == Deed::Erase,
            |deed| *deed == Deed::Block,
            |deed| *deed == Deed::ChooseEnglish,
            |deed| *deed == Deed::Chat,
        ] {
            assert!(count(is) > 50);
        }
        assert!(day.jobs.iter().all(|job| job.venues.len() > 2));
    }

    #[test]
    fn an_unsent_message_is_one_of_the_same_person_and_earlier() {
        let day = make(3, Size::SMALL, NOW);
        for step in &day.steps {
            if let Deed::Unsend { scan } = step.deed {
                let scanned = &day.steps[scan];
                assert!(matches!(scanned.deed, Deed::Scan { .. }));
                assert_eq!(scanned.visitor, step.visitor);
                assert!(scanned.at < step.at);
            }
        }
    }
}
