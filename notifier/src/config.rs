//! Limits and times of this role.

use serde::Deserialize;

/// How alerts are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sending {
    /// Multicasts a second, each to up to 500 people. LINE allows a channel 200: two senders that
    /// overlap in a fail-over stay within it.
    pub calls_per_second: u32,
    /// Pushes a second, each to one person. LINE allows a channel 2,000.
    pub pushes_per_second: u32,
    /// When, after the approval, people whose scans came late are looked for: seconds, rising.
    pub sweep_after_seconds: Vec<u64>,
    /// How far the clocks of machines may be apart, in seconds.
    pub max_skew_seconds: u64,
    /// Requests worked on at the same time.
    pub max_in_flight: usize,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            calls_per_second: 100,
            pushes_per_second: 1_000,
            sweep_after_seconds: vec![3_600, 86_400, 259_200],
            max_skew_seconds: 300,
            max_in_flight: 64,
        }
    }
}

/// How visitors are answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Receipts {
    /// Replies a second; above, the newest go first and the rest is shed. LINE allows 2,000.
    pub replies_per_second: u32,
    /// Replies worked on at the same time.
    pub max_in_flight: usize,
    /// A person who is no friend yet is looked at again after so long: a first scan and its
    /// `follow` race.
    pub second_look_ms: u64,
}

impl Default for Receipts {
    fn default() -> Self {
        Self { replies_per_second: 1_000, max_in_flight: 256, second_look_ms: 2_000 }
    }
}

/// How friends are taken in from LINE's list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Friends {
    /// Whether they are. LINE lists them to verified accounts only.
    pub import: bool,
    /// Again every so many hours.
    pub every_hours: u64,
}

impl Default for Friends {
    fn default() -> Self {
        Self { import: true, every_hours: 24 }
    }
}

fn range(problems: &mut Vec<String>, key: &str, value: u64, from: u64, to: u64) {
    if !(from..=to).contains(&value) {
        problems.push(format!("{key} is {value}; allowed: {from} to {to}"));
    }
}

impl Sending {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let p = &mut problems;
        range(p, "sending.calls_per_second", self.calls_per_second.into(), 1, 100);
        range(p, "sending.pushes_per_second", self.pushes_per_second.into(), 1, 1_000);
        range(p, "sending.max_skew_seconds", self.max_skew_seconds, 0, 3_600);
        range(p, "sending.max_in_flight", self.max_in_flight as u64, 1, 10_000);
        if !self.sweep_after_seconds.is_sorted() || self.sweep_after_seconds.len() > 100 {
            p.push("sending.sweep_after_seconds must rise, and have at most 100 entries".into());
        }
        problems
    }
}

impl Receipts {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let p = &mut problems;
        range(p, "receipts.replies_per_second", self.replies_per_second.into(), 1, 2_000);
        range(p, "receipts.max_in_flight", self.max_in_flight as u64, 1, 10_000);
        range(p, "receipts.second_look_ms", self.second_look_ms, 0, 30_000);
        problems
    }
}

impl Friends {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        range(&mut problems, "friends.every_hours", self.every_hours, 1, 720);
        problems
    }
}
