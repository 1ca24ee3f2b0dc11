//! Token buckets, retry keys, reply tokens, quota.

use std::collections::HashMap;

/// A retry key is honoured for so long from its first accepted request.
const RETRY_KEY_MS: i64 = 24 * 3_600_000;
/// A reply token can be used for so long after the event was delivered,
const REPLY_MS: i64 = 60_000;
/// and never later than this after the event.
const REPLY_AFTER_EVENT_MS: i64 = 20 * 60_000;
/// How long a stateless token is good.
const TOKEN_MS: i64 = 900_000;

/// What the platform remembers of a key that it accepted.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The id of the request that was accepted.
    pub request_id: String,
    /// What was asked for, to see whether a retry repeats it.
    pub body: Vec<u8>,
    at: i64,
}

/// A token bucket: LINE's rate limits are a second's worth, refilled evenly.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    at: i64,
}

struct ReplyToken {
    user: String,
    delivered_at: i64,
    event_at: i64,
}

/// Limits of one channel.
pub struct Limits {
    buckets: HashMap<&'static str, Bucket>,
    /// Requests a second where it is not what LINE allows.
    rates: HashMap<&'static str, f64>,
    keys: HashMap<String, Kept>,
    replies: HashMap<String, ReplyToken>,
    tokens: HashMap<String, i64>,
    quota: Option<u64>,
    used: u64,
}

impl Limits {
    pub(super) fn new(quota: Option<u64>) -> Self {
        Self {
            buckets: HashMap::new(),
            rates: HashMap::new(),
            keys: HashMap::new(),
            replies: HashMap::new(),
            tokens: HashMap::new(),
            quota,
            used: 0,
        }
    }

    /// Takes one request's worth from an endpoint's bucket; `false`: too fast.
    pub fn take(&mut self, endpoint: &'static str, now: i64) -> bool {
        let rate = self.rates.get(endpoint).copied().unwrap_or(match endpoint {
            "multicast" => 200.0,
            _ => 2_000.0,
        });
        let bucket = self.buckets.entry(endpoint).or_insert(Bucket { rate, tokens: rate, at: now });
        let passed = (now - bucket.at).max(0) as f64 / 1_000.0;
        bucket.tokens = (bucket.tokens + passed * bucket.rate).min(bucket.rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Allows an endpoint so many requests a second from now on; `None`: what LINE allows.
    pub fn allow(&mut self, endpoint: &'static str, per_second: Option<f64>) {
        self.buckets.remove(endpoint);
        match per_second {
            Some(rate) => self.rates.insert(endpoint, rate),
            None => self.rates.remove(endpoint),
        };
    }

    /// What was accepted under a key, if it is still honoured.
    pub fn kept(&self, key: &str, now: i64) -> Option<&Kept> {
        self.keys.get(key).filter(|kept| now - kept.at < RETRY_KEY_MS)
    }

    /// Remembers a key.
    pub fn keep(&mut self, key: &str, request_id: &str, body: &[u8], now: i64) {
        let kept = Kept { request_id: request_id.to_owned(), body: body.to_vec(), at: now };
        self.keys.insert(key.to_owned(), kept);
    }

    /// Makes a reply token for an event that is delivered now (again, perhaps).
    pub fn reply_token(&mut self, token: &str, user: &str, event_at: i64, now: i64) {
        let known = ReplyToken { user: user.to_owned(), delivered_at: now, event_at };
        self.replies.insert(token.to_owned(), known);
    }

    /// Uses a reply token, once; whose event it answers.
    pub fn use_reply(&mut self, token: &str, now: i64) -> Option<String> {
        let known = self.replies.remove(token)?;
        // Simulated days lie in the past: the second limit counts from the delivery there.
        let begun = known.event_at.max(known.delivered_at - REPLY_AFTER_EVENT_MS);
        let in_time =
            now - known.delivered_at <= REPLY_MS && now - begun <= REPLY_AFTER_EVENT_MS + REPLY_MS;
        in_time.then_some(known.user)
    }

    /// Issues a stateless token.
    pub fn issue(&mut self, token: &str, now: i64) {
        self.tokens.insert(token.to_owned(), now);
    }

    /// Whether a token is good.
    pub fn is_good(&self, token: &str, now: i64) -> bool {
        self.tokens.get(token).is_some_and(|at| now - at < TOKEN_MS)
    }

    /// Whether so many more messages fit into the month.
    pub fn fits(&self, messages: u64) -> bool {
        self.quota.is_none_or(|quota| self.used + messages <= quota)
    }

    /// Counts messages.
    pub fn consume(&mut self, messages: u64) {
        self.used += messages;
    }

    /// The quota.
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// Sets the quota.
    pub fn set_quota(&mut self, quota: Option<u64>) {
        self.quota = quota;
    }

    /// Messages used.
    pub fn used(&self) -> u64 {
        self.used
    }
}
