//! The stand-in's time, which tests and scenarios can move.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// One second, in the milliseconds that everything here counts in.
pub const SECOND: i64 = 1_000;
/// One minute.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour.
pub const HOUR: i64 = 60 * MINUTE;
/// One day.
pub const DAY: i64 = 24 * HOUR;

/// A clock in ms since the Unix epoch. Its clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// The machine's clock plus this.
    Running(Arc<AtomicI64>),
    /// This, until somebody moves it.
    Stopped(Arc<AtomicI64>),
}

impl Clock {
    /// Goes with the machine's clock, and can be moved ahead of it.
    pub fn running() -> Self {
        Self { source: Source::Running(Arc::default()) }
    }

    /// Stands at `now` (ms since the Unix epoch) until it is moved, so that limits over time can
    /// be tested without waiting.
    pub fn stopped_at(now: i64) -> Self {
        Self { source: Source::Stopped(Arc::new(AtomicI64::new(now))) }
    }

    /// The time, in ms since the Unix epoch.
    pub fn now(&self) -> i64 {
        match &self.source {
            Source::Running(ahead) => {
                jiff::Timestamp::now().as_millisecond() + ahead.load(Ordering::Relaxed)
            }
            Source::Stopped(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves the time forward by `ms` (backward, if negative).
    pub fn advance(&self, ms: i64) {
        let (Source::Running(value) | Source::Stopped(value)) = &self.source;
        value.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::running()
    }
}

/// The calendar day in Japan that `at` falls on, as LINE's statistics count days.
pub fn day_in_japan(at: i64) -> jiff::civil::Date {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    jiff::tz::Offset::constant(9).to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let clock = Clock::stopped_at(5);
        clock.clone().advance(DAY);
        assert_eq!(clock.now(), 5 + DAY);
    }

    #[test]
    fn days_turn_at_midnight_in_japan() {
        let midnight = "2026-11-20T00:00:00+09:00".parse::<jiff::Timestamp>().unwrap();
        let midnight = midnight.as_millisecond();
        assert_eq!(day_in_japan(midnight), jiff::civil::date(2026, 11, 20));
        assert_eq!(day_in_japan(midnight - 1), jiff::civil::date(2026, 11, 19));
    }
}
