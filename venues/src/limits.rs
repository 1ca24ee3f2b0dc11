//! How often something may be asked for: by one client, for one address, by everybody.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::config::Config;

/// So many keys are remembered; with more, those are forgotten first that have asked for nothing
/// lately.
const KEYS: usize = 100_000;

/// A bucket for each key: `burst` at once, filled again over `span`.
struct Buckets<K> {
    burst: f64,
    span: Duration,
    left: HashMap<K, (f64, Instant)>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(burst: u32, span: Duration) -> Self {
        Self { burst: f64::from(burst), span, left: HashMap::new() }
    }

    fn filled(&self, (left, since): (f64, Instant), now: Instant) -> f64 {
        let again = now.saturating_duration_since(since).as_secs_f64() / self.span.as_secs_f64();
        (left + again * self.burst).min(self.burst)
    }

    fn has(&self, key: &K, now: Instant) -> bool {
        self.left.get(key).is_none_or(|state| self.filled(*state, now) >= 1.0)
    }

    fn take(&mut self, key: K, now: Instant) {
        if self.left.len() >= KEYS && !self.left.contains_key(&key) {
            let (burst, span) = (self.burst, self.span);
            self.left.retain(|_, (left, since)| {
                let again =
                    now.saturating_duration_since(*since).as_secs_f64() / span.as_secs_f64();
                *left + again * burst < burst
            });
            if self.left.len() >= KEYS {
                // Each of them is busy: the limit for all holds them.
                return;
            }
        }
        let state = self.left.get(&key).copied().unwrap_or((self.burst, now));
        let left = self.filled(state, now) - 1.0;
        self.left.insert(key, (left, now));
    }
}

/// The limits of one process.
pub struct Limits {
    clients: Mutex<Buckets<IpAddr>>,
    addresses: Mutex<Buckets<[u8; 32]>>,
    all: Mutex<Buckets<()>>,
}

impl Limits {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            clients: Mutex::new(Buckets::new(config.client_per_hour, HOUR)),
            addresses: Mutex::new(Buckets::new(config.address_per_hour, HOUR)),
            all: Mutex::new(Buckets::new(config.global_per_minute, MINUTE)),
        }
    }

    /// Whether a client may have something done now, and for an operator where one is named. What
    /// is refused counts for nothing, so whoever waits is let in again.
    pub fn take(&self, client: IpAddr, operator: Option<[u8; 32]>, now: Instant) -> bool {
        let client = network_of(client);
        let (mut clients, mut addresses, mut all) =
            (self.clients.lock(), self.addresses.lock(), self.all.lock());
        let free = clients.has(&client, now)
            && operator.is_none_or(|operator| addresses.has(&operator, now))
            && all.has(&(), now);
        if free {
            clients.take(client, now);
            if let Some(operator) = operator {
                addresses.take(operator, now);
            }
            all.take((), now);
        }
        free
    }
}

/// A client of IPv6 has a whole /64 to itself.
fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_none() => {
            IpAddr::V6((address.to_bits() >> 64 << 64).into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let config = Config {
            client_per_hour: 3,
            address_per_hour: 2,
            global_per_minute: 8,
            ..Config::default()
        };
        Limits::new(&config)
    }

    #[test]
    fn one_is_slowed_and_others_are_not() {
        let (limits, now) = (limits(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let taken = (0..1_000).filter(|_| limits.take(one, None, now)).count();
        assert_eq!(taken, 3);
        assert!(limits.take(other, None, now));
        let later = now + Duration::from_secs(20 * 60);
        assert!(limits.take(one, None, later));
        assert!(!limits.take(one, None, later));
    }

    #[test]
    fn an_address_is_spared_whoever_asks() {
        let (limits, now) = (limits(), Instant::now());
        let taken = (0..6u8).filter(|n| limits.take([192, 0, 2, *n].into(), Some([7; 32]), now));
        assert_eq!(taken.count(), 2);
        assert!(limits.take([192, 0, 2, 9].into(), Some([8; 32]), now));
    }

    #[test]
    fn everybody_together_is_bounded() {
        let (limits, now) = (limits(), Instant::now());
        let taken = (0..200u8).filter(|n| limits.take([192, 0, 2, *n].into(), None, now));
        assert_eq!(taken.count(), 8);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let (limits, now) = (limits(), Instant::now());
        let taken =
            (0..9u16).filter(|n| limits.take([0x2001, 0xdb8, 0, 1, 0, 0, 0, *n].into(), None, now));
        assert_eq!(taken.count(), 3);
    }
}
