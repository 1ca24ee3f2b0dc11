//! Limits of the webhook endpoint.

use serde::Deserialize;

/// Limits of the webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The largest body taken, in bytes. LINE names no limit.
    pub max_body_bytes: usize,
    /// A body that takes longer to arrive is given up (408).
    pub body_deadline_ms: u64,
    /// The log must have the records within this; then 503. LINE waits 2 seconds.
    pub append_deadline_ms: u64,
    /// Requests worked on at the same time; one more gets 503.
    pub max_in_flight: usize,
    /// How many people the process remembers as having written today.
    pub wrote_memory: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            body_deadline_ms: 1_000,
            append_deadline_ms: 800,
            max_in_flight: 1_024,
            wrote_memory: 500_000,
        }
    }
}

impl Config {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: u64, from: u64, to: u64| {
            if !(from..=to).contains(&value) {
                problems.push(format!("ingest.{key} is {value}; allowed: {from} to {to}"));
            }
        };
        range("max_body_bytes", self.max_body_bytes as u64, 1_024, 64 << 20);
        range("body_deadline_ms", self.body_deadline_ms, 50, 60_000);
        range("append_deadline_ms", self.append_deadline_ms, 50, 60_000);
        range("max_in_flight", self.max_in_flight as u64, 1, 100_000);
        range("wrote_memory", self.wrote_memory as u64, 1, 100_000_000);
        problems
    }
}
