//! Bytes of a webhook → typed events, each alone.

use std::borrow::Cow;

use schemas::{
    ids::{EventId, UserId},
    scan::ReplyToken,
    time::EventTime,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The frame of a webhook body: its events are still raw.
#[derive(Deserialize)]
pub struct Frame<'a> {
    /// The bot that is meant; absent in old bodies.
    #[serde(borrow, default)]
    pub destination: Option<Text<'a>>,
    /// The events, in any order.
    #[serde(borrow)]
    pub events: Vec<&'a RawValue>,
}

/// Why a signed body has no events to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not JSON.
    NotJson,
    /// JSON without a list of events.
    NoEvents,
}

impl<'a> Frame<'a> {
    /// Splits a body into its events.
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let frame = serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => FrameError::NoEvents,
            _ => FrameError::NotJson,
        })?;
        // serde takes a list of the fields' values for an object, too.
        if body.trim_ascii_start().starts_with(b"{") {
            Ok(frame)
        } else {
            Err(FrameError::NoEvents)
        }
    }
}

/// An event of a kind that we act on.
#[derive(Debug)]
pub struct Event<'a> {
    /// LINE's id of the event.
    pub id: EventId,
    /// LINE's time of the event.
    pub at: EventTime,
    /// Who.
    pub user: UserId,
    /// What a reply is sent by.
    pub reply_token: Option<ReplyToken>,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A text message.
    Text {
        /// LINE's id of the message.
        message: Cow<'a, str>,
        /// The words.
        text: Cow<'a, str>,
    },
    /// A message was taken back.
    Unsend {
        /// LINE's id of the message.
        message: Cow<'a, str>,
    },
    /// The account was added or unblocked.
    Follow,
    /// The account was blocked.
    Unfollow,
    /// A button was pressed.
    Postback {
        /// What we had put into it.
        data: Cow<'a, str>,
    },
}

/// What one raw event turned out to be.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// An event of a kind that we act on.
    Event(Event<'a>),
    /// Of a kind, or from a source, that means nothing to us.
    Ignored(Ignored),
    /// Of a kind that we act on, and without what it needs.
    Malformed,
}

/// Why an event means nothing to us. A label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// A type of event that we do not act on, known or not.
    EventType,
    /// A message that is no text.
    MessageType,
    /// From a group or room, or from nobody.
    NotAUser,
    /// Words or a button that mean nothing to us.
    NoMeaning,
}

impl Ignored {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Ignored::EventType => "event_type",
            Ignored::MessageType => "message_type",
            Ignored::NotAUser => "not_a_user",
            Ignored::NoMeaning => "no_meaning",
        }
    }
}

/// Text of the body: borrowed from it unless it has escapes in it. serde borrows a bare `Cow`, and
/// copies one inside an `Option`; this is borrowed there, too.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

// LINE leaves out what has no value and adds properties without notice: everything is optional
// here, and what an event needs is decided by its type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    timestamp: Option<i64>,
    #[serde(borrow)]
    source: Option<RawSource<'a>>,
    #[serde(borrow)]
    webhook_event_id: Option<Text<'a>>,
    #[serde(borrow)]
    reply_token: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    unsend: Option<RawUnsend<'a>>,
    #[serde(borrow)]
    postback: Option<RawPostback<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSource<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct MessageKind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TextMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawUnsend<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawPostback<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Reads one raw event.
pub fn parse<'a>(raw: &'a RawValue) -> Parsed<'a> {
    if !is_object(raw) {
        return Parsed::Malformed;
    }
    let Ok(event) = serde_json::from_str::<RawEvent<'a>>(raw.get()) else {
        return Parsed::Malformed;
    };
    let what = match event.kind.as_ref() {
        "message" => {
            let Some(message) = event.message.filter(|message| is_object(message)) else {
                return Parsed::Malformed;
            };
            match serde_json::from_str::<TextMessage<'a>>(message.get()) {
                Ok(TextMessage { kind, id, text }) if kind == "text" => {
                    Some(What::Text { message: id, text })
                }
                // Of any other kind only that is read.
                _ => match serde_json::from_str::<MessageKind<'a>>(message.get()) {
                    Ok(MessageKind { kind }) if kind != "text" => {
                        return Parsed::Ignored(Ignored::MessageType);
                    }
                    _ => return Parsed::Malformed,
                },
            }
        }
        "unsend" => event.unsend.map(|unsend| What::Unsend { message: unsend.message_id }),
        "follow" => Some(What::Follow),
        "unfollow" => Some(What::Unfollow),
        "postback" => event.postback.map(|postback| What::Postback { data: postback.data }),
        _ => return Parsed::Ignored(Ignored::EventType),
    };
    let Some(source) = event.source else { return Parsed::Ignored(Ignored::NotAUser) };
    if source.kind.is_none_or(|Text(kind)| kind != "user") {
        return Parsed::Ignored(Ignored::NotAUser);
    }
    // Absent without the person's consent (LINE for PC only accounts from before April 2020).
    let Some(Text(user)) = source.user_id else { return Parsed::Ignored(Ignored::NotAUser) };
    let user = UserId::parse(&user).ok();
    let id = event.webhook_event_id.map_or(Ok(EventId::default()), |Text(id)| EventId::parse(&id));
    match (what, event.timestamp, user, id.ok()) {
        (Some(what), Some(at), Some(user), Some(id)) => Parsed::Event(Event {
            id,
            at: EventTime(at),
            user,
            reply_token: event.reply_token.map(|Text(token)| ReplyToken(token.into())),
            what,
        }),
        _ => Parsed::Malformed,
    }
}

/// Raw JSON has no space before it.
fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}
