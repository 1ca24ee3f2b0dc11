//! Events as LINE sends them: signed, several in a body, delivered again where no 2xx came back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{sync::watch, time::Instant};

use super::{
    Platform,
    journal::{Delivered, What},
    target::{self, Target},
};

/// LINE waits so long for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// An event on its way to the product.
#[derive(Clone, Debug)]
pub struct Event {
    /// LINE user id.
    pub user: String,
    /// Event time, ms.
    pub at: i64,
    /// What.
    pub what: What,
    id: String,
    reply_token: String,
}

impl Event {
    /// A new event.
    pub fn new(user: String, at: i64, what: What) -> Self {
        let id = ulid(at);
        let reply_token = uuid::Uuid::new_v4().simple().to_string();
        Self { user, at, what, id, reply_token }
    }

    /// The event as LINE writes it: compact, properties in LINE's order, none without a value.
    fn json(&self, redelivery: Redelivery) -> String {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let (kind, what) = match &self.what {
            What::Text { message, text: words } => (
                "message",
                format!(
                    r#""message":{{"type":"text","id":"{message}","quoteToken":"q3Plxr4AgKd","text":{}}},"#,
                    text(words)
                ),
            ),
            What::Unsend { message } => {
                ("unsend", format!(r#""unsend":{{"messageId":"{message}"}},"#))
            }
            What::Follow => ("follow", r#""follow":{"isUnblocked":false},"#.to_owned()),
            What::Unfollow => ("unfollow", String::new()),
            What::Postback { data } => {
                ("postback", format!(r#""postback":{{"data":{}}},"#, text(data)))
            }
        };
        let reply = match self.what {
            What::Unsend { .. } | What::Unfollow => String::new(),
            _ => format!(r#""replyToken":"{}","#, self.reply_token),
        };
        let again = redelivery == Redelivery::Again;
        format!(
            r#"{{"type":"{kind}",{what}"webhookEventId":"{}","deliveryContext":{{"isRedelivery":{again}}},"timestamp":{},"source":{{"type":"user","userId":"{}"}},{reply}"mode":"active"}}"#,
            self.id, self.at, self.user
        )
    }
}

/// Whether a delivery is the first of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// The first.
    First,
    /// Another.
    Again,
}

/// A ULID of a moment, as `webhookEventId`s are.
fn ulid(at: i64) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let random = uuid::Uuid::new_v4().as_u128() >> 48;
    let mut number = (u128::from(at.unsigned_abs()) << 80) | random;
    let mut text = [0; 26];
    for place in text.iter_mut().rev() {
        *place = LETTERS[(number % 32) as usize];
        number /= 32;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// How a delivery went.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The status of the answer; 0 where none came in time.
    pub status: u16,
    /// From the moment it was meant to be sent.
    pub took: Duration,
}

/// Sends webhooks for a stand-in.
#[derive(Clone)]
pub struct WebhookSender {
    platform: Arc<Platform>,
    http: reqwest::Client,
    targets: Arc<[Target]>,
    turn: Arc<AtomicUsize>,
    acknowledged: watch::Sender<usize>,
}

impl WebhookSender {
    /// To a product on loopback addresses, in turn, as whatever balances load would.
    pub fn new(platform: Arc<Platform>, urls: &[String]) -> anyhow::Result<Self> {
        let targets = urls.iter().map(|url| Target::loopback(url)).collect::<Result<_, _>>()?;
        Self::to(platform, targets)
    }

    /// To targets that may be sent to, in turn.
    pub fn to(platform: Arc<Platform>, targets: Vec<Target>) -> anyhow::Result<Self> {
        Self::by(target::client(ANSWER_WITHIN).build()?, platform, targets)
    }

    /// The same by a client that waits longer than LINE, say, or makes a connection each time.
    pub fn by(
        http: reqwest::Client,
        platform: Arc<Platform>,
        targets: Vec<Target>,
    ) -> anyhow::Result<Self> {
        let first = targets.first().ok_or_else(|| anyhow::anyhow!("no address for webhooks"))?;
        first.url().as_str().clone_into(&mut platform.webhook_url.lock());
        let (turn, acknowledged) = (Arc::default(), watch::Sender::new(0));
        Ok(Self { platform, http, targets: targets.into(), turn, acknowledged })
    }

    /// Waits until so many events were acknowledged by the product.
    pub async fn acknowledged(&self, events: usize) {
        // The sender is ours: it never closes.
        let _ = self.acknowledged.subscribe().wait_for(|count| *count >= events).await;
    }

    /// The bytes of a webhook and their signature.
    pub fn signed(&self, events: &[Event], redelivery: Redelivery) -> (String, String) {
        let channel = self.platform.channel.lock().clone();
        let all: Vec<String> = events.iter().map(|event| event.json(redelivery)).collect();
        let body =
            format!(r#"{{"destination":"{}","events":[{}]}}"#, channel.bot_user_id, all.join(","));
        (body.clone(), sign(&channel.secret, body.as_bytes()))
    }

    /// Delivers events in one body, once. What the people of LINE did takes effect at LINE first.
    pub async fn deliver(
        &self,
        events: &[Event],
        redelivery: Redelivery,
        meant_for: Instant,
    ) -> Delivery {
        let now = self.platform.clock.now();
        for event in events {
            self.happened(event);
            let mut limits = self.platform.limits.lock();
            limits.reply_token(&event.reply_token, &event.user, event.at, now);
        }
        let status = self.send(events, redelivery).await;
        let acknowledged = (200..300).contains(&status);
        if acknowledged {
            self.acknowledged.send_modify(|count| *count += events.len());
        }
        let mut journal = self.platform.journal.lock();
        for event in events {
            let (user, at, what) = (event.user.clone(), event.at, event.what.clone());
            journal.events.push(Delivered { user, at, what, acknowledged });
        }
        Delivery { status, took: meant_for.elapsed() }
    }

    /// Posts events in one body and writes nothing down: the status of the answer, 0 where none
    /// came in time.
    pub async fn send(&self, events: &[Event], redelivery: Redelivery) -> u16 {
        let (body, signature) = self.signed(events, redelivery);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.targets.len();
        let request = self
            .http
            .post(self.targets[turn].url().clone())
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "LineBotWebhook/2.0")
            .header("x-line-signature", signature)
            .body(body);
        request.send().await.map_or(0, |response| response.status().as_u16())
    }

    /// Delivers events until the product has acknowledged them; the first delivery and how many
    /// there were.
    pub async fn deliver_surely(&self, events: &[Event], meant_for: Instant) -> (Delivery, u32) {
        let first = self.deliver(events, Redelivery::First, meant_for).await;
        let mut last = first;
        let mut count = 1;
        while !(200..300).contains(&last.status) && count < 50 {
            tokio::time::sleep(Duration::from_millis(50 * u64::from(count.min(20)))).await;
            last = self.deliver(events, Redelivery::Again, Instant::now()).await;
            count += 1;
        }
        (first, count)
    }

    fn happened(&self, event: &Event) {
        let now = self.platform.clock.now();
        let mut people = self.platform.people.lock();
        let person = people.of(&event.user);
        match &event.what {
            What::Follow | What::Unfollow if event.at < person.changed_at => {}
            What::Follow => {
                person.friend = true;
                person.blocked = false;
                person.changed_at = event.at;
            }
            What::Unfollow => {
                person.blocked = true;
                person.changed_at = event.at;
            }
            What::Text { .. } | What::Postback { .. } => {
                person.wrote_at = person.wrote_at.max(Some(event.at.min(now)));
            }
            What::Unsend { .. } => {}
        }
    }
}

/// `X-Line-Signature` of a body.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mac = mac.expect("HMAC takes a key of any length").chain_update(body);
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
