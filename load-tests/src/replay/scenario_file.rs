//! Scenario files: generators of events, merged by time. TOML, made to be copied and edited;
//! `load-tests/scenarios` has some.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use serde::Deserialize;

use super::trace::{Kind, MAX_STEPS, Step};

/// A scenario: generators at work at the same time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// One `[[generator]]` each.
    #[serde(rename = "generator")]
    pub generators: Vec<Generator>,
}

/// One stream of events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// What it is called in messages.
    pub name: String,
    /// Events a second at moments; in between on the straight line, before and after none.
    pub rate: Vec<Point>,
    /// When events come at this rate.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Where.
    #[serde(default)]
    pub venues: Places,
    /// Who.
    pub visitors: People,
    /// What, with weights. Scans, unless something is named.
    #[serde(default = "scans")]
    pub kinds: BTreeMap<Kind, u32>,
    /// What follows some of the events.
    #[serde(default)]
    pub then: Vec<Then>,
}

/// A rate at a moment.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// When.
    pub at: Offset,
    /// Events a second.
    pub per_second: f64,
}

/// When events come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// As people come, each by themselves (a Poisson process).
    #[default]
    Random,
    /// Evenly.
    Even,
}

/// Places of the list, by number.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// The first, from 1; the first unless named.
    pub first: Option<u32>,
    /// The last; the last of the list unless named.
    pub last: Option<u32>,
    /// 0: all alike. Otherwise the n-th is chosen 1/n^skew times as often as the first.
    #[serde(default)]
    pub skew: f64,
}

/// Visitors, by number. Generators that name the same numbers have the same people.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// As for places.
    #[serde(default)]
    pub skew: f64,
}

/// What follows some of the events, by the same visitor.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// What.
    pub kind: Kind,
    /// How many of the events it follows, 0 to 1.
    pub share: f64,
    /// How long after: between these two.
    pub after: [Offset; 2],
}

/// A time from the beginning, `h:mm` or `h:mm:ss`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Offset(pub u32);

impl TryFrom<String> for Offset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
        let seconds = match parts.as_deref() {
            Some(&[h, m]) if h < 1_000 && m < 60 => Some(h * 3_600 + m * 60),
            Some(&[h, m, s]) if h < 1_000 && m < 60 && s < 60 => Some(h * 3_600 + m * 60 + s),
            _ => None,
        };
        seconds.map(Self).ok_or_else(|| format!("{text:?} is no time like \"0:05\" or \"0:05:30\""))
    }
}

fn scans() -> BTreeMap<Kind, u32> {
    BTreeMap::from([(Kind::Scan, 1)])
}

impl ScenarioFile {
    /// Reads one, for a list of so many places. Errors: every problem, one on each line.
    pub fn read(path: &Path, places: u32) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).context("can't be read")?;
        Self::parse(&text, places)
    }

    fn parse(text: &str, places: u32) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        let problems: Vec<String> =
            scenario.generators.iter().flat_map(|generator| generator.problems(places)).collect();
        anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
        let events: f64 = scenario.generators.iter().map(Generator::expected).sum();
        let few = events < MAX_STEPS as f64;
        anyhow::ensure!(few, "about {events:.0} events; at most {MAX_STEPS} are replayed");
        Ok(scenario)
    }

    /// So many scans a second, evenly, by so many visitors, anywhere.
    pub fn steady(rate: u32, seconds: u32, visitors: u32) -> Self {
        let point = |at| Point { at: Offset(at), per_second: rate.into() };
        let generator = Generator {
            name: "steady".to_owned(),
            rate: vec![point(0), point(seconds)],
            arrivals: Arrivals::Even,
            venues: Places::default(),
            visitors: People { first: 0, last: visitors.saturating_sub(1), skew: 0.0 },
            kinds: scans(),
            then: Vec::new(),
        };
        Self { generators: vec![generator] }
    }

    /// What happens, in order of time: the same for the same seed and list.
    pub fn steps(&self, seed: u64, places: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for (n, generator) in (1..).zip(&self.generators) {
            // A change of one generator leaves what the others do.
            generator.run(seed.wrapping_add(n << 32), places, &mut steps);
        }
        steps.sort_by_key(|step| step.at);
        steps
    }
}

impl Generator {
    fn problems(&self, places: u32) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, what: String| {
            if !fine {
                problems.push(format!("generator {:?}: {what}", self.name));
            }
        };
        check(self.rate.len() > 1, "rate needs two moments or more".into());
        check(self.rate.is_sorted_by_key(|point| point.at), "rate is not in order of time".into());
        for Point { per_second, .. } in &self.rate {
            let fine = (0.0..=100_000.0).contains(per_second);
            check(fine, format!("per_second is {per_second}; allowed: 0 to 100000"));
        }
        let (first, last) = self.venues.range(places);
        let in_list = 1 <= first && first <= last && last <= places;
        check(in_list, format!("venues are {first} to {last}; the list has 1 to {places}"));
        let People { first, last, .. } = self.visitors;
        check(first <= last, format!("visitors are {first} to {last}"));
        for skew in [self.venues.skew, self.visitors.skew] {
            let fine = (0.0..=10.0).contains(&skew);
            check(fine, format!("skew is {skew}; allowed: 0 to 10"));
        }
        check(self.kinds.values().any(|weight| *weight > 0), "kinds has no weight".into());
        for kind in [Kind::Unsend, Kind::Redelivery] {
            let what = format!("{} is about an earlier event: it belongs into then", kind.name());
            check(!self.kinds.contains_key(&kind), what);
        }
        for Then { kind, share, after } in &self.then {
            let fine = (0.0..=1.0).contains(share);
            check(fine, format!("share of {} is {share}; allowed: 0 to 1", kind.name()));
            check(after[0] <= after[1], format!("after of {} goes backwards", kind.name()));
        }
        problems
    }

    /// About so many events come of it.
    fn expected(&self) -> f64 {
        let each = |pair: &[Point]| {
            let seconds = f64::from(pair[1].at.0 - pair[0].at.0);
            (pair[0].per_second + pair[1].per_second) / 2.0 * seconds
        };
        let followed: f64 = self.then.iter().map(|then| then.share).sum();
        self.rate.windows(2).map(each).sum::<f64>() * (1.0 + followed)
    }
}

impl Places {
    /// First and last, in a list of so many.
    pub(super) fn range(self, places: u32) -> (u32, u32) {
        (self.first.unwrap_or(1), self.last.unwrap_or(places))
    }
}

#[cfg(test)]
mod tests;
