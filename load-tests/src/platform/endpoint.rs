//! Which calls there are, and how often each may be made.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{
    clock::{HOUR, MINUTE, SECOND},
    population::UserId,
};

/// A call of the Messaging API that the stand-in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /v2/bot/message/multicast`
    Multicast,
    /// `POST /v2/bot/message/push`
    Push,
    /// `POST /v2/bot/message/reply`
    Reply,
    /// `POST /v2/bot/message/validate/multicast`
    ValidateMulticast,
    /// `POST /v2/bot/message/validate/push`
    ValidatePush,
    /// `POST /v2/bot/message/validate/reply`
    ValidateReply,
    /// `GET /v2/bot/profile/{userId}`
    Profile,
    /// `GET /v2/bot/followers/ids`
    Followers,
    /// `GET /v2/bot/message/quota`
    Quota,
    /// `GET /v2/bot/message/quota/consumption`
    Consumption,
    /// `GET /v2/bot/message/delivery/multicast`
    MulticastCount,
    /// `GET /v2/bot/message/delivery/push`
    PushCount,
    /// `GET /v2/bot/message/delivery/reply`
    ReplyCount,
    /// `GET /v2/bot/info`
    BotInfo,
    /// `GET /v2/bot/channel/webhook/endpoint`
    WebhookEndpoint,
    /// `PUT /v2/bot/channel/webhook/endpoint`
    SetWebhookEndpoint,
    /// `POST /v2/bot/channel/webhook/test`
    TestWebhook,
    /// `POST /oauth2/v3/token`
    Token,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 18] = [
        Endpoint::Multicast,
        Endpoint::Push,
        Endpoint::Reply,
        Endpoint::ValidateMulticast,
        Endpoint::ValidatePush,
        Endpoint::ValidateReply,
        Endpoint::Profile,
        Endpoint::Followers,
        Endpoint::Quota,
        Endpoint::Consumption,
        Endpoint::MulticastCount,
        Endpoint::PushCount,
        Endpoint::ReplyCount,
        Endpoint::BotInfo,
        Endpoint::WebhookEndpoint,
        Endpoint::SetWebhookEndpoint,
        Endpoint::TestWebhook,
        Endpoint::Token,
    ];

    /// Its path, with `{userId}` where LINE's OpenAPI file has it.
    pub const fn path(self) -> &'static str {
        match self {
            Endpoint::Multicast => "/v2/bot/message/multicast",
            Endpoint::Push => "/v2/bot/message/push",
            Endpoint::Reply => "/v2/bot/message/reply",
            Endpoint::ValidateMulticast => "/v2/bot/message/validate/multicast",
            Endpoint::ValidatePush => "/v2/bot/message/validate/push",
            Endpoint::ValidateReply => "/v2/bot/message/validate/reply",
            Endpoint::Profile => "/v2/bot/profile/{userId}",
            Endpoint::Followers => "/v2/bot/followers/ids",
            Endpoint::Quota => "/v2/bot/message/quota",
            Endpoint::Consumption => "/v2/bot/message/quota/consumption",
            Endpoint::MulticastCount => "/v2/bot/message/delivery/multicast",
            Endpoint::PushCount => "/v2/bot/message/delivery/push",
            Endpoint::ReplyCount => "/v2/bot/message/delivery/reply",
            Endpoint::BotInfo => "/v2/bot/info",
            Endpoint::WebhookEndpoint | Endpoint::SetWebhookEndpoint => {
                "/v2/bot/channel/webhook/endpoint"
            }
            Endpoint::TestWebhook => "/v2/bot/channel/webhook/test",
            Endpoint::Token => "/oauth2/v3/token",
        }
    }

    /// Its method.
    pub const fn method(self) -> Method {
        match self {
            Endpoint::Multicast
            | Endpoint::Push
            | Endpoint::Reply
            | Endpoint::ValidateMulticast
            | Endpoint::ValidatePush
            | Endpoint::ValidateReply
            | Endpoint::TestWebhook
            | Endpoint::Token => Method::POST,
            Endpoint::SetWebhookEndpoint => Method::PUT,
            _ => Method::GET,
        }
    }

    /// How often LINE lets a channel make this call ("Rate limits" of the reference).
    pub const fn documented_limit(self) -> Limit {
        match self {
            Endpoint::Multicast => Limit { calls: 200, per_ms: SECOND },
            Endpoint::WebhookEndpoint | Endpoint::SetWebhookEndpoint => {
                Limit { calls: 1_000, per_ms: MINUTE }
            }
            Endpoint::MulticastCount
            | Endpoint::PushCount
            | Endpoint::ReplyCount
            | Endpoint::TestWebhook => Limit { calls: 60, per_ms: HOUR },
            _ => Limit { calls: 2_000, per_ms: SECOND },
        }
    }
}

/// A rate: so many calls in so many ms. As many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How many calls.
    pub calls: u32,
    /// In how many ms.
    pub per_ms: i64,
}

/// What a request line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A call, with the text in the place of `{userId}` if its path has one.
    Call(Endpoint, Option<String>),
    /// The path exists, the method does not. These do.
    WrongMethod(Vec<Method>),
    /// There is nothing at that path.
    Nothing,
}

/// Finds the call that a method and a path mean.
pub fn resolve(method: &Method, path: &str) -> Target {
    let mut methods = Vec::new();
    for endpoint in Endpoint::ALL {
        let parameter = match endpoint.path().split_once("{userId}") {
            None if path == endpoint.path() => None,
            Some((before, _)) => match path.strip_prefix(before) {
                Some(rest) if !rest.is_empty() && !rest.contains('/') => Some(rest.to_owned()),
                _ => continue,
            },
            None => continue,
        };
        if endpoint.method() == *method {
            return Target::Call(endpoint, parameter);
        }
        methods.push(endpoint.method());
    }
    if methods.is_empty() { Target::Nothing } else { Target::WrongMethod(methods) }
}

/// A token bucket, exact in whole milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    limit: Limit,
    /// In units of `1 / per_ms` calls.
    level: i64,
    filled_at: i64,
}

impl Bucket {
    /// A full one.
    pub fn new(limit: Limit, now: i64) -> Self {
        Self { limit, level: i64::from(limit.calls) * limit.per_ms, filled_at: now }
    }

    /// Takes one call out, if one is in.
    pub fn take(&mut self, now: i64) -> Result<(), Empty> {
        let elapsed = (now - self.filled_at).max(0);
        self.filled_at = now;
        let calls = i64::from(self.limit.calls);
        self.level =
            elapsed.saturating_mul(calls).saturating_add(self.level).min(calls * self.limit.per_ms);
        if self.level < self.limit.per_ms {
            return Err(Empty);
        }
        self.level -= self.limit.per_ms;
        Ok(())
    }
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

/// A user id in a path or a body, if it is one.
pub fn user_id(text: &str) -> Option<UserId> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_and_no_other() {
        for endpoint in Endpoint::ALL {
            let path = endpoint.path().replace("{userId}", "Uabc");
            let parameter = path.ends_with("Uabc").then(|| "Uabc".to_owned());
            assert_eq!(resolve(&endpoint.method(), &path), Target::Call(endpoint, parameter));
        }
        assert_eq!(resolve(&Method::GET, "/v2/bot/message/broadcast"), Target::Nothing);
        assert_eq!(resolve(&Method::GET, "/v2/bot/profile/"), Target::Nothing);
        let push = Endpoint::Push.path();
        assert_eq!(resolve(&Method::GET, push), Target::WrongMethod(vec![Method::POST]));
    }

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let mut bucket = Bucket::new(Limit { calls: 200, per_ms: SECOND }, 0);
        assert_eq!((0..300).filter(|_| bucket.take(0).is_ok()).count(), 200);
        assert_eq!(bucket.take(4), Err(Empty));
        assert_eq!(bucket.take(5), Ok(()));
        assert_eq!(bucket.take(5), Err(Empty));
        assert_eq!((0..300).filter(|_| bucket.take(HOUR).is_ok()).count(), 200);
    }
}
