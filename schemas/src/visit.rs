//! A scan read as a stay, and when it meets the window of a job.

use serde::{Deserialize, Serialize};

use crate::time::{EventTime, Hour, MINUTE_MS};

/// A span of event time, `from` included, `to` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub from: EventTime,
    /// The moment after its last.
    pub to: EventTime,
}

/// What a job asks of the visits to one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The window of the job.
    pub window: Window,
    /// How much the window is widened at both ends, in minutes.
    pub padding_minutes: u32,
    /// How long a visitor is taken to stay after a scan, in minutes.
    pub dwell_minutes: u32,
}

impl Exposure {
    /// Whether a visit that began with this scan overlaps the padded window: the visit is
    /// `[scan, scan + dwell)`, and it matches iff
    /// `scan < window_end + pad` and `scan + dwell > window_start − pad`.
    pub fn matches(&self, scan: EventTime) -> bool {
        let pad = i64::from(self.padding_minutes) * MINUTE_MS;
        let dwell = i64::from(self.dwell_minutes) * MINUTE_MS;
        scan < self.window.to.plus(pad) && scan.plus(dwell) > self.window.from.plus(-pad)
    }

    /// The hours in which a matching scan can lie: from `window_start − pad − dwell` to
    /// `window_end + pad`.
    pub fn hours(&self) -> impl Iterator<Item = Hour> + use<> {
        let pad = i64::from(self.padding_minutes) * MINUTE_MS;
        let dwell = i64::from(self.dwell_minutes) * MINUTE_MS;
        let first = self.window.from.plus(-pad - dwell).hour();
        let last = self.window.to.plus(pad).hour();
        (first.0..=last.0).map(Hour)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::HOUR_MS;

    fn exposure(from: &str, to: &str, padding_minutes: u32, dwell_minutes: u32) -> Exposure {
        let at = |text| EventTime::parse_rfc3339(text).unwrap();
        Exposure { window: Window { from: at(from), to: at(to) }, padding_minutes, dwell_minutes }
    }

    #[test]
    fn the_edges_of_an_evening_across_midnight_in_japan() {
        let evening = exposure("2026-11-20T22:00:00+09:00", "2026-11-21T02:00:00+09:00", 30, 60);
        let matches = |text| evening.matches(EventTime::parse_rfc3339(text).unwrap());
        // Padded window: 21:30 to 02:30. A stay of 60 minutes that ends at 21:30 is over by then.
        assert!(!matches("2026-11-20T20:30:00.000+09:00"));
        assert!(matches("2026-11-20T20:30:00.001+09:00"));
        assert!(matches("2026-11-20T23:59:59.999+09:00"));
        assert!(matches("2026-11-21T00:00:00.000+09:00"));
        assert!(matches("2026-11-21T02:29:59.999+09:00"));
        assert!(!matches("2026-11-21T02:30:00.000+09:00"));
    }

    #[test]
    fn month_end_and_leap_day() {
        let night = exposure("2024-02-28T23:00:00+09:00", "2024-03-01T01:00:00+09:00", 0, 60);
        let matches = |text| night.matches(EventTime::parse_rfc3339(text).unwrap());
        assert!(matches("2024-02-29T12:00:00+09:00"));
        assert!(matches("2024-03-01T00:59:59+09:00"));
        assert!(!matches("2024-03-01T01:00:00+09:00"));
    }

    proptest! {
        #[test]
        fn every_match_lies_in_the_hours_read(
            from in 0..1_000 * HOUR_MS,
            length in 1..48 * HOUR_MS,
            padding_minutes in 0..600_u32,
            dwell_minutes in 1..600_u32,
            scan in -100 * HOUR_MS..1_200 * HOUR_MS,
        ) {
            let window = Window { from: EventTime(from), to: EventTime(from + length) };
            let exposure = Exposure { window, padding_minutes, dwell_minutes };
            let scan = EventTime(scan);
            if exposure.matches(scan) {
                prop_assert!(exposure.hours().any(|hour| hour == scan.hour()));
            }
        }

        #[test]
        fn overlap_is_what_it_is_of_intervals(
            from in 0..200_i64, length in 1..50_i64, pad in 0..10_u32, dwell in 1..20_u32,
            scan in -100..300_i64,
        ) {
            // Minute by minute, without the formula.
            let ms = |minute: i64| EventTime(minute * MINUTE_MS);
            let exposure = Exposure {
                window: Window { from: ms(from), to: ms(from + length) },
                padding_minutes: pad,
                dwell_minutes: dwell,
            };
            let pad = i64::from(pad);
            let stay = scan..scan + i64::from(dwell);
            let shared = (from - pad..from + length + pad).any(|minute| stay.contains(&minute));
            prop_assert_eq!(exposure.matches(ms(scan)), shared);
        }
    }
}
