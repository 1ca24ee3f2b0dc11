//! What a generator does: draws events from its rate, its places and its people.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    scenario_file::{Arrivals, Generator, Point, Then},
    trace::{Kind, Step},
};

impl Generator {
    /// Adds all that it does.
    pub(super) fn run(&self, seed: u64, places: u32, steps: &mut Vec<Step>) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (first, last) = self.venues.range(places);
        let venues = Choice::new(first, last, self.venues.skew);
        let visitors = Choice::new(self.visitors.first, self.visitors.last, self.visitors.skew);
        let mut moments = Moments::new(&self.rate);
        let mut sum = 0.0;
        loop {
            sum += match self.arrivals {
                Arrivals::Random => -(1.0 - rng.random::<f64>()).ln(),
                Arrivals::Even if sum == 0.0 => 0.5,
                Arrivals::Even => 1.0,
            };
            let Some(at) = moments.at(sum) else { return };
            let visitor = visitors.draw(&mut rng).into();
            let mut happens = |at, kind, rng: &mut StdRng| {
                let venue = if kind == Kind::Scan { venues.draw(rng) } else { 0 };
                steps.push(Step { at, venue, visitor, kind });
            };
            let kind = self.kind(&mut rng);
            happens(at, kind, &mut rng);
            for Then { kind: next, share, after: [from, to] } in &self.then {
                // Only messages can be taken back.
                if !rng.random_bool(*share) || (*next == Kind::Unsend && !kind.is_message()) {
                    continue;
                }
                let (from, to) = (u64::from(from.0) * 1_000_000, u64::from(to.0) * 1_000_000);
                happens(at + rng.random_range(from..=to), *next, &mut rng);
            }
        }
    }

    /// One of its kinds, by their weights.
    fn kind(&self, rng: &mut StdRng) -> Kind {
        let all: u64 = self.kinds.values().map(|weight| u64::from(*weight)).sum();
        let mut point = rng.random_range(0..all.max(1));
        for (kind, weight) in &self.kinds {
            if point < u64::from(*weight) {
                return *kind;
            }
            point -= u64::from(*weight);
        }
        Kind::Scan
    }
}

/// A number of a range, the first ones more often.
struct Choice {
    first: u32,
    last: u32,
    /// Sums of the weights up to each; empty where all are alike.
    sums: Vec<f64>,
}

impl Choice {
    fn new(first: u32, last: u32, skew: f64) -> Self {
        let mut sum = 0.0;
        let weigh = |n: u32| {
            sum += f64::from(n - first + 1).powf(-skew);
            sum
        };
        let sums = if skew == 0.0 { Vec::new() } else { (first..=last).map(weigh).collect() };
        Self { first, last, sums }
    }

    fn draw(&self, rng: &mut StdRng) -> u32 {
        let Some(all) = self.sums.last() else {
            return rng.random_range(self.first..=self.last);
        };
        let point = rng.random::<f64>() * all;
        let rank = self.sums.partition_point(|sum| *sum <= point).min(self.sums.len() - 1);
        self.first + u32::try_from(rank).unwrap_or_default()
    }
}

/// The moments at which the events of a rate come: where its area has grown to a sum. Asked with
/// growing sums.
struct Moments<'a> {
    rate: &'a [Point],
    before: f64,
}

impl<'a> Moments<'a> {
    fn new(rate: &'a [Point]) -> Self {
        Self { rate, before: 0.0 }
    }

    /// In µs; `None` after the end.
    fn at(&mut self, sum: f64) -> Option<u64> {
        loop {
            let [from, to, ..] = self.rate else { return None };
            let seconds = f64::from(to.at.0 - from.at.0);
            let area = (from.per_second + to.per_second) / 2.0 * seconds;
            let rest = sum - self.before;
            if rest < area {
                let slope = (to.per_second - from.per_second) / seconds;
                let root = (from.per_second.powi(2) + 2.0 * slope * rest).max(0.0).sqrt();
                let after = (2.0 * rest / (from.per_second + root)).min(seconds);
                return Some(((f64::from(from.at.0) + after) * 1e6).round() as u64);
            }
            self.before += area;
            self.rate = &self.rate[1..];
        }
    }
}
