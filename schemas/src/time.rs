//! Event time: hours, days and key epochs of it.
//!
//! Everything that orders, expires or keys a record comes from LINE's event timestamp.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Japan has one time zone and no summer time.
const JST_OFFSET_MS: i64 = 9 * HOUR_MS;

/// A moment, in ms since the Unix epoch; of an event: LINE's `timestamp`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventTime(pub i64);

impl EventTime {
    /// The hour it lies in.
    pub fn hour(self) -> Hour {
        Hour(self.0.div_euclid(HOUR_MS))
    }

    /// The UTC day it lies in, in days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// The key epoch it belongs to.
    pub fn epoch(self) -> Epoch {
        // 1970-01-01 was a Thursday: the ISO week of day 0 began on day -3.
        let week = (self.day() + 3).div_euclid(7);
        Epoch(u32::try_from(week.max(0)).unwrap_or(u32::MAX))
    }

    /// The write timestamp of rows: µs since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0.saturating_mul(1_000)
    }

    /// Later by so many ms; stays at the ends of the number range.
    pub fn plus(self, ms: i64) -> EventTime {
        EventTime(self.0.saturating_add(ms))
    }

    /// Reads RFC 3339 with an offset or `Z`; a time without one is refused.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let timestamp = Timestamp::from_str(text).map_err(|_| TimeError)?;
        Ok(EventTime(timestamp.as_millisecond()))
    }

    /// RFC 3339 in Japanese time: `2026-11-20T18:00:00+09:00`.
    pub fn to_rfc3339_jst(self) -> String {
        let local = Timestamp::from_millisecond(self.0.saturating_add(JST_OFFSET_MS));
        match local {
            Ok(local) => format!("{}+09:00", local.strftime("%Y-%m-%dT%H:%M:%S")),
            Err(_) => String::new(),
        }
    }

    /// The day that it is then in Japan.
    pub fn day_in_japan(self) -> Day {
        Day::holding(self.0.saturating_add(JST_OFFSET_MS))
    }

    /// As people read it in Japan: `2020年8月25日(火) 12:03`.
    pub fn to_japanese(self) -> String {
        let Ok(local) = Timestamp::from_millisecond(self.0.saturating_add(JST_OFFSET_MS)) else {
            return String::new();
        };
        let local = local.to_zoned_datetime(TimeZone::UTC).datetime();
        let day = Day(local.date()).to_japanese();
        format!("{day} {}:{:02}", local.hour(), local.minute())
    }
}

/// A day in Japan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Day {
    /// The day that holds this many ms of local time since 1970-01-01.
    fn holding(local_ms: i64) -> Self {
        let end = if local_ms < 0 { Date::MIN } else { Date::MAX };
        Timestamp::from_millisecond(local_ms)
            .map_or(Day(end), |local| Day(TimeZone::UTC.to_datetime(local).date()))
    }

    /// Its first moment.
    pub fn start(self) -> EventTime {
        let midnight = TimeZone::UTC.to_timestamp(self.0.at(0, 0, 0, 0));
        let local_ms = midnight.map_or(i64::MAX, Timestamp::as_millisecond);
        EventTime(local_ms.saturating_sub(JST_OFFSET_MS))
    }

    /// The day after.
    pub fn next(self) -> Day {
        Day(self.0.tomorrow().unwrap_or(Date::MAX))
    }

    /// As people read it in Japan: `2020年8月25日(火)`.
    pub fn to_japanese(self) -> String {
        let weekday = match self.0.weekday() {
            Weekday::Monday => '月',
            Weekday::Tuesday => '火',
            Weekday::Wednesday => '水',
            Weekday::Thursday => '木',
            Weekday::Friday => '金',
            Weekday::Saturday => '土',
            Weekday::Sunday => '日',
        };
        format!("{}年{}月{}日({weekday})", self.0.year(), self.0.month(), self.0.day())
    }

    /// As people read it in English: `Tuesday, 25 August 2020`.
    pub fn to_english(self) -> String {
        self.0.strftime("%A, %-d %B %Y").to_string()
    }
}

/// `2020-08-25`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day such as 2020-08-25")]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let date = Date::strptime("%Y-%m-%d", text).map_err(|_| DayError)?;
        // Far from the ends of the calendar, a day always has a next one and a beginning.
        if (1970..=9000).contains(&date.year()) { Ok(Day(date)) } else { Err(DayError) }
    }
}

impl TryFrom<String> for Day {
    type Error = DayError;

    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// A text is no RFC 3339 time with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time with an offset such as 2026-11-20T18:00:00+09:00")]
pub struct TimeError;

/// A clock hour, counted from the Unix epoch. With a venue it names one partition of `scans`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hour(pub i64);

impl Hour {
    /// Its first moment.
    pub fn start(self) -> EventTime {
        EventTime(self.0 * HOUR_MS)
    }
}

/// An ISO week in UTC, counted from the one that holds 1970-01-01. Every epoch has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Its first moment: Monday 00:00 UTC.
    pub fn start(self) -> EventTime {
        EventTime((i64::from(self.0) * 7 - 3) * DAY_MS)
    }

    /// The moment after its last.
    pub fn end(self) -> EventTime {
        EventTime(self.start().0 + 7 * DAY_MS)
    }

    /// The epoch after this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

/// `2026-W47`.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.start().0) {
            Ok(start) => {
                let week = start.to_zoned_datetime(TimeZone::UTC).date().iso_week_date();
                write!(f, "{}-W{:02}", week.year(), week.week())
            }
            Err(_) => write!(f, "W{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> EventTime {
        EventTime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_epoch_is_an_iso_week() {
        assert_eq!(at("2026-11-22T23:59:59Z").epoch().to_string(), "2026-W47");
        assert_eq!(at("2026-11-23T00:00:00Z").epoch().to_string(), "2026-W48");
        assert_eq!(at("2027-01-01T12:00:00Z").epoch().to_string(), "2026-W53");
        let epoch = at("2026-11-24T00:00:00Z").epoch();
        assert_eq!(epoch.start(), at("2026-11-23T00:00:00Z"));
        assert_eq!(epoch.end(), at("2026-11-30T00:00:00Z"));
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        for text in ["2026-11-20T18:00:00", "2026-11-20", "18:00", "", "2026-13-01T00:00:00Z"] {
            assert_eq!(EventTime::parse_rfc3339(text), Err(TimeError), "{text}");
        }
        assert_eq!(at("2026-11-20T18:00:00+09:00"), at("2026-11-20T09:00:00Z"));
    }

    #[test]
    fn people_read_japanese_time() {
        assert_eq!(at("2020-08-25T03:03:59Z").to_japanese(), "2020年8月25日(火) 12:03");
        assert_eq!(at("2024-02-28T15:00:00Z").to_japanese(), "2024年2月29日(木) 0:00");
        assert_eq!(at("2026-11-20T09:00:00Z").to_rfc3339_jst(), "2026-11-20T18:00:00+09:00");
    }

    #[test]
    fn days_are_japans() {
        let day: Day = "2020-08-25".parse().unwrap();
        assert_eq!(day.start(), at("2020-08-25T00:00:00+09:00"));
        assert_eq!(day.next().start(), at("2020-08-26T00:00:00+09:00"));
        assert_eq!(at("2020-08-25T23:59:59.999+09:00").day_in_japan(), day);
        assert_eq!(at("2020-08-25T00:00:00+09:00").day_in_japan(), day);
        assert_eq!(day.to_japanese(), "2020年8月25日(火)");
        assert_eq!(day.to_english(), "Tuesday, 25 August 2020");
        assert_eq!(day.to_string(), "2020-08-25");
        for text in ["", "2020-02-30", "2020-8", "20200825", "2020-08-25T00:00", "-001-01-01"] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
        assert!(EventTime(i64::MAX).day_in_japan() > day);
    }

    proptest! {
        #[test]
        fn hours_days_and_epochs_hold_their_moments(ms in 0..4_000_000_000_000_i64) {
            let time = EventTime(ms);
            prop_assert!(time.hour().start() <= time && time < time.hour().start().plus(HOUR_MS));
            prop_assert!(time.epoch().start() <= time && time < time.epoch().end());
            prop_assert_eq!(time.epoch().end(), time.epoch().next().start());
            prop_assert_eq!(at(&time.to_rfc3339_jst()).0, ms / 1000 * 1000);
        }
    }
}
