//! The address that a request comes from.

use std::net::IpAddr;

use axum::http::HeaderMap;

/// An address, or all that begin as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

/// IPv4 addresses as IPv6 has them, so that one comparison does for both.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    /// Reads `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host = width - length.unwrap_or(width).min(width);
        if length.is_some_and(|length| length > width) {
            return None;
        }
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Some(Self { address: bits(address) & mask, mask })
    }

    /// Whether an address is in it.
    pub fn has(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.address
    }
}

/// Who asks: the peer; behind proxies that are believed, the last address in `X-Forwarded-For` that
/// is not one of them. What stands before it, anybody may have written.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let believed = |address: IpAddr| proxies.iter().any(|network| network.has(address));
    let mut client = peer;
    let forwarded = headers.get_all("x-forwarded-for");
    let listed: Vec<&str> = forwarded
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for address in listed.iter().rev() {
        if !believed(client) {
            return client;
        }
        let Ok(address) = address.trim().parse() else { return client };
        client = address;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let net = |text| Network::parse(text).unwrap();
        assert!(net("10.0.0.0/8").has(ip("10.200.3.4")));
        assert!(!net("10.0.0.0/8").has(ip("11.0.0.1")));
        assert!(net("192.0.2.1").has(ip("192.0.2.1")));
        assert!(!net("192.0.2.1").has(ip("192.0.2.2")));
        assert!(net("0.0.0.0/0").has(ip("203.0.113.9")));
        assert!(net("2001:db8::/32").has(ip("2001:db8:1::9")));
        assert!(!net("2001:db8::/32").has(ip("2001:db9::9")));
        for text in ["", "ten", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_proxies_are_believed() {
        let proxies = [Network::parse("10.0.0.0/8").unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "198.51.100.7, 203.0.113.9, 10.0.0.2".parse().unwrap());
        assert_eq!(client(ip("192.0.2.1"), &headers, &proxies), ip("192.0.2.1"));
        assert_eq!(client(ip("10.0.0.1"), &headers, &proxies), ip("203.0.113.9"));
        assert_eq!(client(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
        headers.insert("x-forwarded-for", "not an address".parse().unwrap());
        assert_eq!(client(ip("10.0.0.1"), &headers, &proxies), ip("10.0.0.1"));
    }
}
