//! What can be made to go wrong, request by request.

use std::{collections::HashMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 500, and nothing was accepted.
    ErrorBefore,
    /// 500 although it was accepted.
    ErrorAfter,
    /// Accepted, and never answered.
    HangAfter,
    /// Never answered, and not accepted.
    HangBefore,
    /// Accepted; the connection breaks before the answer.
    ResetAfter,
    /// The connection breaks, and nothing was accepted.
    ResetBefore,
    /// 400: the token of a reply was used, or is too old.
    TokenUsed,
    /// 429: too fast.
    TooFast,
    /// 429: the month's messages are used up.
    QuotaGone,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
}

/// Which faults are on, by endpoint.
#[derive(Debug)]
pub struct Faults {
    rng: StdRng,
    shares: HashMap<&'static str, Vec<(Fault, f64)>>,
    next: HashMap<&'static str, Vec<Fault>>,
    /// How many requests to an endpoint have failed by chance, one after the other.
    in_a_row: HashMap<&'static str, u32>,
    latency: Duration,
}

/// Chance makes no more requests to an endpoint fail one after the other, short of all of them: the
/// product waits twice as long after each, so nine in a row, which a thousand requests do have, are
/// minutes of nothing.
const MOST_IN_A_ROW: u32 = 4;

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            shares: HashMap::new(),
            next: HashMap::new(),
            in_a_row: HashMap::new(),
            latency: Duration::ZERO,
        }
    }

    /// Makes a share (0 to 1) of the requests to an endpoint (`multicast`, `push`, `reply`, …) fail
    /// so.
    pub fn share(&mut self, endpoint: &'static str, fault: Fault, share: f64) {
        self.shares.entry(endpoint).or_default().push((fault, share));
    }

    /// Makes the next requests to an endpoint fail so, one after the other.
    pub fn next(&mut self, endpoint: &'static str, faults: &[Fault]) {
        self.next.entry(endpoint).or_default().extend(faults.iter().rev());
    }

    /// Every answer takes this longer.
    pub fn latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// Nothing goes wrong any more.
    pub fn clear(&mut self) {
        self.shares.clear();
        self.next.clear();
        self.latency = Duration::ZERO;
    }

    pub(super) fn draw(&mut self, endpoint: &str) -> (Option<Fault>, Duration) {
        if let Some(fault) = self.next.get_mut(endpoint).and_then(Vec::pop) {
            return (Some(fault), self.latency);
        }
        let Some((endpoint, shares)) = self.shares.get_key_value(endpoint) else {
            return (None, self.latency);
        };
        let mut point: f64 = self.rng.random();
        let mut drawn = None;
        for (fault, share) in shares {
            if point < *share {
                drawn = Some(*fault);
                break;
            }
            point -= share;
        }
        let all: f64 = shares.iter().map(|(_, share)| share).sum();
        let in_a_row = self.in_a_row.entry(endpoint).or_default();
        if drawn.is_some() && all < 1.0 && *in_a_row >= MOST_IN_A_ROW {
            drawn = None;
        }
        *in_a_row = if drawn.is_some() { *in_a_row + 1 } else { 0 };
        (drawn, self.latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_no_long_streaks_and_certainty_has() {
        let mut faults = Faults::new(103);
        faults.share("push", Fault::TooFast, 0.5);
        faults.share("push", Fault::ErrorBefore, 0.4);
        let drawn: Vec<bool> = (0..10_000).map(|_| faults.draw("push").0.is_some()).collect();
        let most = drawn.split(|failed| !failed).map(<[bool]>::len).max();
        assert_eq!(most, Some(MOST_IN_A_ROW as usize));
        faults.share("multicast", Fault::Unauthorized, 1.0);
        assert!((0..100).all(|_| faults.draw("multicast").0.is_some()));
    }
}
