//! What a replay measured: how each webhook ended, and how long the answered ones took.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;

use super::trace::Kind;

/// What a replay measured.
#[derive(Debug, Default)]
pub struct Report {
    /// Webhooks that left.
    pub sent: u64,
    /// Most under way at the same time.
    pub most_under_way: usize,
    /// From the first to the last answer.
    pub took: Duration,
    /// How they ended, by what they were about.
    pub kinds: BTreeMap<Kind, Ends>,
}

/// How webhooks ended.
#[derive(Debug)]
pub struct Ends {
    /// Answered 200: in µs from the intended moment.
    pub ok: Histogram<u64>,
    /// Answered otherwise, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Not answered in time, or not reached.
    pub unanswered: u64,
}

/// Latencies in µs, up to ten minutes.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds that are in order")
}

impl Default for Ends {
    fn default() -> Self {
        Self { ok: latencies(), refused: BTreeMap::new(), unanswered: 0 }
    }
}

impl Ends {
    fn add(&mut self, other: &Ends) {
        self.ok += &other.ok;
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        self.unanswered += other.unanswered;
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        self.ok.len() + self.refused.values().sum::<u64>() + self.unanswered
    }
}

impl Report {
    /// One webhook ended: with a status, or with 0.
    pub(super) fn ended(&mut self, kind: Kind, status: u16, micros: u64) {
        let ends = self.kinds.entry(kind).or_default();
        match status {
            200 => ends.ok.saturating_record(micros),
            0 => ends.unanswered += 1,
            other => *ends.refused.entry(other).or_default() += 1,
        }
    }

    /// How all of them ended.
    pub fn total(&self) -> Ends {
        let mut total = Ends::default();
        for ends in self.kinds.values() {
            total.add(ends);
        }
        total
    }

    /// Whether every webhook that left has ended in exactly one way.
    pub fn adds_up(&self) -> bool {
        self.total().count() == self.sent
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let seconds = self.took.as_secs_f64();
        writeln!(f, "{:<12}{:>9}  in {seconds:.1} s", "webhooks", self.sent)?;
        writeln!(f, "{:<12}{:>9}", "answered 200", total.ok.len())?;
        for (status, count) in &total.refused {
            writeln!(f, "refused {status:<4}{count:>9}")?;
        }
        writeln!(f, "{:<12}{:>9}", "unanswered", total.unanswered)?;
        let sum = if self.adds_up() { "which is all of them" } else { "WHICH IS NOT ALL OF THEM" };
        writeln!(f, "{:<12}{:>9}  {sum}", "sum", total.count())?;
        writeln!(f, "at most {} under way at the same time", self.most_under_way)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<12}{:>9}{:>9}{:>9}{:>9}{:>9}  ms from the intended moment",
            "answered 200", "count", "p50", "p99", "p99.9", "max"
        )?;
        for (kind, ends) in &self.kinds {
            row(f, kind.name(), &ends.ok)?;
        }
        row(f, "all", &total.ok)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, ok: &Histogram<u64>) -> fmt::Result {
    let at = |share: f64| ok.value_at_quantile(share) as f64 / 1_000.0;
    let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), ok.max() as f64 / 1_000.0);
    writeln!(f, "{name:<12}{:>9}{p50:>9.1}{p99:>9.1}{p999:>9.1}{max:>9.1}", ok.len())
}
