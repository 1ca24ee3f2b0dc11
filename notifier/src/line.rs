//! The LINE Messaging API, as far as we use it.
//!
//! Every request is made once: whoever calls decides about another attempt, by [`Answer`].

mod stand_in;
mod token;

use std::{fmt, time::Duration};

use bytes::Bytes;
use reqwest::{Method, StatusCode, header};
use schemas::ids::UserId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::token::Tokens;
use crate::metrics;

/// No request takes longer, from the first byte to the last.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A secret text.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text: for the one request or key it is needed for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The same message to up to 500 friends.
    Multicast,
    /// A message to one person.
    Push,
    /// An answer to an event. Takes no retry key.
    Reply,
    /// Checks messages for a multicast without sending.
    ValidateMulticast,
}

impl Endpoint {
    const fn path(self) -> &'static str {
        match self {
            Endpoint::Multicast => "/v2/bot/message/multicast",
            Endpoint::Push => "/v2/bot/message/push",
            Endpoint::Reply => "/v2/bot/message/reply",
            Endpoint::ValidateMulticast => "/v2/bot/message/validate/multicast",
        }
    }

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::Multicast => "multicast",
            Endpoint::Push => "push",
            Endpoint::Reply => "reply",
            Endpoint::ValidateMulticast => "validate",
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: LINE took it. So it did where the body of the answer is cut off.
    Accepted {
        /// LINE's id of the request.
        request_id: Option<String>,
    },
    /// 409: LINE had taken an earlier request with the same key.
    AlreadyAccepted {
        /// LINE's id of that earlier request.
        request_id: Option<String>,
    },
    /// 400: nothing was sent to anybody.
    BadRequest {
        /// Whether it is a recipient that LINE refuses, not the message.
        names_recipient: bool,
    },
    /// 401, also with a new token.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 429 of either kind: too fast, or the monthly quota is used up. [`LineClient::quota`] tells.
    TooMany,
    /// Any other 4xx: LINE did not take it.
    Refused,
    /// 5xx, no answer in time, a connection that broke: LINE may have taken it.
    Unclear,
    /// No connection came about: LINE surely did not take it.
    NotSent,
}

impl Answer {
    /// Its name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Answer::Accepted { .. } => "accepted",
            Answer::AlreadyAccepted { .. } => "already_accepted",
            Answer::BadRequest { .. } => "bad_request",
            Answer::Unauthorized => "unauthorized",
            Answer::Forbidden => "forbidden",
            Answer::TooMany => "too_many",
            Answer::Refused => "refused",
            Answer::Unclear => "unclear",
            Answer::NotSent => "not_sent",
        }
    }
}

/// A call for information failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// LINE answered with this status.
    #[error("LINE answered {0}")]
    Status(u16),
    /// LINE can't be reached, or did not answer in time.
    #[error("LINE can't be reached at the configured address")]
    Unreachable,
    /// LINE gave no channel access token: channel id and secret do not fit.
    #[error("LINE gives no channel access token: check line.channel_id and line.channel_secrets")]
    NoToken,
    /// An answer without what it must have.
    #[error("LINE's answer can't be read")]
    Unreadable,
}

/// The monthly quota of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages a month; `None`: unlimited.
    pub limit: Option<u64>,
    /// Messages sent this month, approximately.
    pub used: u64,
}

impl Quota {
    /// Messages left; `None`: unlimited.
    pub fn remaining(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }
}

/// A page of friends.
#[derive(Debug)]
pub struct FollowersPage {
    /// The friends; ids that are none are left out.
    pub users: Vec<UserId>,
    /// What the next page is asked for with.
    pub next: Option<String>,
}

/// Who we are at LINE.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BotInfo {
    /// The bot's user id: what webhooks name as their destination.
    pub user_id: String,
    /// The account's id.
    pub basic_id: String,
    /// The account's name.
    pub display_name: String,
}

/// Where LINE delivers webhooks.
#[derive(Clone, Debug, Deserialize)]
pub struct WebhookEndpoint {
    /// The address.
    pub endpoint: String,
    /// Whether webhooks are switched on.
    pub active: bool,
}

/// Where and as whom LINE is called.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// `https://api.line.me`, or a stand-in.
    pub api_url: String,
    /// The channel's id.
    pub channel_id: String,
    /// The channel's secrets, the one that counts now among them.
    pub channel_secrets: Vec<Secret>,
}

/// A client of the Messaging API. Clones share connections and token.
#[derive(Clone)]
pub struct LineClient {
    http: reqwest::Client,
    api_url: String,
    tokens: Tokens,
}

impl fmt::Debug for LineClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineClient").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

impl LineClient {
    /// A client; connects when it is first used.
    pub fn new(config: &LineConfig) -> Result<Self, LineError> {
        let http = reqwest::Client::builder()
            .timeout(TOTAL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            // Every request that leaves us is one that we have counted and written down.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| LineError::Unreachable)?;
        let api_url = config.api_url.trim_end_matches('/').to_owned();
        let tokens = Tokens::new(http.clone(), &api_url, config);
        Ok(Self { http, api_url, tokens })
    }

    /// Sends frozen bytes; again, with a new token, where LINE refuses the one we have.
    pub async fn post(&self, endpoint: Endpoint, body: Bytes, retry_key: Option<Uuid>) -> Answer {
        let answer = self.post_once(endpoint, body.clone(), retry_key).await;
        if answer == Answer::Unauthorized && self.renew().await {
            return self.post_once(endpoint, body, retry_key).await;
        }
        answer
    }

    /// Whether there is a new token, since LINE refused the one we have.
    pub async fn renew(&self) -> bool {
        self.tokens.renew().await.is_ok()
    }

    /// Sends frozen bytes in one request, whatever becomes of it: for those who count requests.
    pub async fn post_once(
        &self,
        endpoint: Endpoint,
        body: Bytes,
        retry_key: Option<Uuid>,
    ) -> Answer {
        let begun = tokio::time::Instant::now();
        let answer = self.request(endpoint, body, retry_key).await;
        ::metrics::counter!(metrics::LINE_REQUESTS, "endpoint" => endpoint.name(), "answer" => answer.name())
            .increment(1);
        ::metrics::histogram!(metrics::LINE_DURATION, "endpoint" => endpoint.name())
            .record(begun.elapsed().as_secs_f64());
        answer
    }

    async fn request(&self, endpoint: Endpoint, body: Bytes, retry_key: Option<Uuid>) -> Answer {
        let token = match self.tokens.current().await {
            Ok(token) => token,
            Err(LineError::NoToken) => return Answer::Unauthorized,
            Err(_) => return Answer::NotSent,
        };
        let mut request = self
            .http
            .post(format!("{}{}", self.api_url, endpoint.path()))
            .bearer_auth(token.expose())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(key) = retry_key {
            request = request.header("X-Line-Retry-Key", key.to_string());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Answer::NotSent,
            Err(_) => return Answer::Unclear,
        };
        let id = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            // LINE's ids are UUIDs; nothing longer goes into the ledger.
            Some(value.chars().take(64).collect())
        };
        match response.status() {
            status if status.is_success() => {
                Answer::Accepted { request_id: id("x-line-request-id") }
            }
            StatusCode::CONFLICT => {
                Answer::AlreadyAccepted { request_id: id("x-line-accepted-request-id") }
            }
            StatusCode::BAD_REQUEST => {
                let body = response.bytes().await.unwrap_or_default();
                Answer::BadRequest { names_recipient: names_recipient(endpoint, &body) }
            }
            StatusCode::UNAUTHORIZED => Answer::Unauthorized,
            StatusCode::FORBIDDEN => Answer::Forbidden,
            StatusCode::TOO_MANY_REQUESTS => Answer::TooMany,
            status if status.is_client_error() => Answer::Refused,
            _ => Answer::Unclear,
        }
    }

    async fn get<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, LineError> {
        let mut renewed = false;
        loop {
            let token = self.tokens.current().await?;
            let request = self
                .http
                .request(Method::GET, format!("{}{path}", self.api_url))
                .query(query)
                .bearer_auth(token.expose());
            let response = request.send().await.map_err(|_| LineError::Unreachable)?;
            match response.status() {
                status if status.is_success() => {
                    let body = response.bytes().await.map_err(|_| LineError::Unreachable)?;
                    return serde_json::from_slice(&body).map_err(|_| LineError::Unreadable);
                }
                StatusCode::UNAUTHORIZED if !renewed => {
                    self.tokens.renew().await?;
                    renewed = true;
                }
                status => return Err(LineError::Status(status.as_u16())),
            }
        }
    }

    /// The monthly quota and how much of it is used.
    pub async fn quota(&self) -> Result<Quota, LineError> {
        #[derive(Deserialize)]
        struct Limit {
            value: Option<u64>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Consumption {
            total_usage: u64,
        }
        let limit: Limit = self.get("/v2/bot/message/quota", &[]).await?;
        let used: Consumption = self.get("/v2/bot/message/quota/consumption", &[]).await?;
        Ok(Quota { limit: limit.value, used: used.total_usage })
    }

    /// A page of friends. 403 where the account is not verified.
    pub async fn followers(&self, page: Option<&str>) -> Result<FollowersPage, LineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            user_ids: Vec<String>,
            next: Option<String>,
        }
        let mut query = vec![("limit", "1000")];
        query.extend(page.map(|page| ("start", page)));
        let page: Page = self.get("/v2/bot/followers/ids", &query).await?;
        let users = page.user_ids.iter().filter_map(|id| UserId::parse(id).ok()).collect();
        Ok(FollowersPage { users, next: page.next })
    }

    /// Who we are at LINE.
    pub async fn bot_info(&self) -> Result<BotInfo, LineError> {
        self.get("/v2/bot/info", &[]).await
    }

    /// Where LINE delivers webhooks.
    pub async fn webhook_endpoint(&self) -> Result<WebhookEndpoint, LineError> {
        self.get("/v2/bot/channel/webhook/endpoint", &[]).await
    }
}

/// Whether a 400 is about a recipient: a message or a property that names `to`. To a push, LINE
/// answers so for an id that the channel does not know, with words of its own.
fn names_recipient(endpoint: Endpoint, body: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    struct Error {
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        #[serde(default)]
        property: String,
    }
    let error: Error = serde_json::from_slice(body).unwrap_or_default();
    let is_to = |property: &str| property == "to" || property.starts_with("to[");
    // "to" alone is also an English word: in a sentence only an index marks the property.
    let in_message = error.message.split([' ', ',']).any(|word| word.starts_with("to["));
    let in_details = error.details.iter().any(|detail| is_to(&detail.property));
    let unknown = endpoint == Endpoint::Push && error.message == "Failed to send messages";
    in_message || in_details || unknown
}

#[derive(Serialize)]
struct TextMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

fn text_messages(text: &str) -> [TextMessage<'_>; 1] {
    [TextMessage { kind: "text", text }]
}

fn to_json(body: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(body).expect("texts and lists have a JSON form"))
}

/// The body of a multicast: the same bytes for the same people and text.
pub fn multicast_body(to: &[UserId], text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        to: Vec<String>,
        messages: [TextMessage<'a>; 1],
    }
    let to = to.iter().map(UserId::to_line).collect();
    to_json(&Body { to, messages: text_messages(text) })
}

/// The body of a push: the same bytes for the same person and text.
pub fn push_body(to: &UserId, text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        to: String,
        messages: [TextMessage<'a>; 1],
    }
    to_json(&Body { to: to.to_line(), messages: text_messages(text) })
}

/// The body of a reply.
pub fn reply_body(reply_token: &str, text: &str) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        reply_token: &'a str,
        messages: [TextMessage<'a>; 1],
    }
    to_json(&Body { reply_token, messages: text_messages(text) })
}

/// The body that asks whether a text could be sent.
pub fn validate_body(text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        messages: [TextMessage<'a>; 1],
    }
    to_json(&Body { messages: text_messages(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bad_request_is_about() {
        // LINE's reference: #send-multicast-message, #send-push-message, #error-responses.
        let multicast = |body: &str| names_recipient(Endpoint::Multicast, body.as_bytes());
        assert!(multicast(
            r#"{"message":"The property, to[1], in the request body is invalid (line: -, column: -)"}"#
        ));
        assert!(multicast(
            r#"{"message":"The request body has 1 error(s)","details":[{"message":"Invalid","property":"to[3]"}]}"#
        ));
        assert!(!multicast(
            r#"{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"}]}"#
        ));
        assert!(!multicast(r#"{"message":"Failed to send messages"}"#));
        assert!(names_recipient(Endpoint::Push, br#"{"message":"Failed to send messages"}"#));
        assert!(!multicast("not json"));
    }

    #[test]
    fn bodies_are_frozen() {
        let user = UserId::from_bytes([0xab; 16]);
        let id = "Uabababababababababababababababab";
        let text = r#"[{"type":"text","text":"お知らせ"}]"#;
        assert_eq!(
            multicast_body(&[user], "お知らせ"),
            format!(r#"{{"to":["{id}"],"messages":{text}}}"#)
        );
        assert_eq!(push_body(&user, "お知らせ"), format!(r#"{{"to":"{id}","messages":{text}}}"#));
    }
}
