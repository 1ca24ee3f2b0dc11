//! Days as people write them.

use schemas::{registry::EventDays, time::Day};
use unicode_normalization::UnicodeNormalization;

/// Why days can't be used. In Japanese: operators read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DaysError {
    /// There is no such day.
    #[error("日付は 2026-11-20 のように書いてください")]
    NoDay,
    /// One is there and the other is not.
    #[error("開催の最初の日と最後の日は、両方書いてください")]
    OneMissing,
    /// They are turned round.
    #[error("最後の日が最初の日より前です")]
    Turned,
}

/// Reads a day: `2026-11-20`, `2026/11/20`, `2026年11月20日`, `２０２６．１１．２０`.
pub fn day(text: &str) -> Result<Day, DaysError> {
    let plain: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    let numbers: Vec<&str> =
        plain.trim_end_matches('日').split(['-', '/', '.', '年', '月']).collect();
    let [year, month, day] = numbers[..] else { return Err(DaysError::NoDay) };
    let number = |text: &str| text.parse::<u16>().map_err(|_| DaysError::NoDay);
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    format!("{year:04}-{month:02}-{day:02}").parse().map_err(|_| DaysError::NoDay)
}

/// Reads the first and the last day of an event; `None` where neither is written.
pub fn event_days(first: &str, last: &str) -> Result<Option<EventDays>, DaysError> {
    match (first.trim(), last.trim()) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => Err(DaysError::OneMissing),
        (first, last) => {
            EventDays::new(day(first)?, day(last)?).map(Some).map_err(|_| DaysError::Turned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_people_write_them() {
        let wanted: Day = "2026-11-02".parse().unwrap();
        for text in [
            "2026-11-02",
            "2026/11/2",
            "2026年11月2日",
            " ２０２６．１１．０２ ",
            "2026 年 11 月 2 日",
        ] {
            assert_eq!(day(text), Ok(wanted), "{text}");
        }
        for text in ["", "11/2", "2026-13-01", "2026-02-29", "明日", "2026-11-02-03", "99999-1-1"]
        {
            assert_eq!(day(text), Err(DaysError::NoDay), "{text}");
        }
    }

    #[test]
    fn both_days_or_neither_and_in_order() {
        assert_eq!(event_days(" ", "").unwrap(), None);
        let days = event_days("2026/11/2", "2026/11/3").unwrap().unwrap();
        assert_eq!(days.codes_end().to_rfc3339_jst(), "2026-11-05T00:00:00+09:00");
        assert_eq!(event_days("2026/11/2", ""), Err(DaysError::OneMissing));
        assert_eq!(event_days("2026/11/2", "2026/11/1"), Err(DaysError::Turned));
        assert_eq!(event_days("2026/11/2", "x"), Err(DaysError::NoDay));
    }
}
