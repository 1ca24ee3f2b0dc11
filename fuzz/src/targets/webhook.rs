//! Webhook bodies, beside a plain walk over `serde_json::Value`: the same frames and events are
//! taken, with the same ids and words, and every event is counted once.

use std::sync::LazyLock;

use ingest::{
    Context,
    event::{self, Frame, FrameError, Ignored, Parsed, What},
    records_of_body,
    wrote::WroteMemory,
};
use schemas::{
    identity::KeyRing,
    ids::{EventId, UserId},
    place_code::PlaceKeys,
    service::Service,
    time::{DAY_MS, Epoch, EventTime},
};
use serde_json::{Map, Value};

use self::unique::Unique;

mod unique;

/// 2026-11-24T12:00:00+09:00.
const NOW: EventTime = EventTime(1_795_489_200_000);

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let first = NOW.plus(-28 * DAY_MS).epoch().0;
    KeyRing::generate((first..=NOW.epoch().0 + 1).map(Epoch), &mut || [7; 32])
});

pub(super) fn run(input: &[u8]) -> u64 {
    let context = Context {
        keys: &KEYS,
        places: &PlaceKeys::first([9; 32]),
        wrote: &WroteMemory::new(10),
        service: &Service::default(),
        now: NOW,
        retention_days: 28,
    };
    let outcome = records_of_body(input, None, &context).expect("all keys are there");
    let frame = Frame::parse(input);
    // A body that names something twice is none that LINE sends: readers may differ over it.
    let walked = serde_json::from_slice::<Unique>(input).ok();
    if let Some(Unique(body)) = &walked {
        assert_eq!(frame.as_ref().map(|frame| frame.events.len()).ok(), events(body), "{body}");
    }
    let frame = match frame {
        Ok(frame) => frame,
        Err(error) => {
            assert_eq!(outcome.rejected.len(), 1, "the body itself is kept");
            return super::came_to(error == FrameError::NotJson);
        }
    };
    let counted = outcome.scans + outcome.visitors + outcome.ignored.len();
    assert_eq!(counted + outcome.rejected.len(), frame.events.len(), "every event counts once");
    let mut came_to = Vec::new();
    for raw in &frame.events {
        let ours = seen(event::parse(raw));
        if let Ok(Unique(event)) = serde_json::from_str(raw.get())
            && let Some(walked) = walk(&event)
        {
            assert_eq!(ours, walked, "{event}");
        }
        came_to.push(std::mem::discriminant(&ours));
    }
    super::came_to((came_to, outcome.scans, outcome.visitors, outcome.rejected.len()))
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    super::files(&super::repository("ingest/tests/fixtures"))
}

/// What an event is taken for.
#[derive(Debug, PartialEq)]
enum Seen {
    Event { id: String, at: i64, user: UserId, what: String },
    Ignored(Ignored),
    Malformed,
}

fn seen(parsed: Parsed<'_>) -> Seen {
    match parsed {
        Parsed::Event(event) => Seen::Event {
            id: event.id.as_str().to_owned(),
            at: event.at.0,
            user: event.user,
            what: match event.what {
                What::Text { message, text } => format!("text {message} {text}"),
                What::Unsend { message } => format!("unsend {message}"),
                What::Follow => "follow".to_owned(),
                What::Unfollow => "unfollow".to_owned(),
                What::Postback { data } => format!("postback {data}"),
            },
        },
        Parsed::Ignored(why) => Seen::Ignored(why),
        Parsed::Malformed => Seen::Malformed,
    }
}

/// How many events a body has, if it is one.
fn events(body: &Value) -> Option<usize> {
    let body = body.as_object()?;
    text_or_none(body, "destination").ok()?;
    Some(body.get("events")?.as_array()?.len())
}

/// What an event should be taken for. `None`: it has a list where LINE has an object, which our
/// reader may take for one.
fn walk(event: &Value) -> Option<Seen> {
    let Some(event) = event.as_object() else { return Some(Seen::Malformed) };
    for name in ["source", "unsend", "postback"] {
        if event.get(name).is_some_and(Value::is_array) {
            return None;
        }
    }
    Some(walked(event).unwrap_or(Seen::Malformed))
}

fn walked(event: &Map<String, Value>) -> Result<Seen, Malformed> {
    let kind = text(event, "type")?;
    let at = match event.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(number) => Some(number.as_i64().ok_or(Malformed)?),
    };
    let id = text_or_none(event, "webhookEventId")?;
    text_or_none(event, "replyToken")?;
    let source = object_or_none(event, "source")?;
    let (of, user) = match source {
        Some(source) => (text_or_none(source, "type")?, text_or_none(source, "userId")?),
        None => (None, None),
    };
    let unsend = object_or_none(event, "unsend")?.map(|it| text(it, "messageId")).transpose()?;
    let postback = object_or_none(event, "postback")?.map(|it| text(it, "data")).transpose()?;
    let what = match kind {
        "message" => {
            let message = event.get("message").and_then(Value::as_object).ok_or(Malformed)?;
            if text(message, "type")? != "text" {
                return Ok(Seen::Ignored(Ignored::MessageType));
            }
            Some(format!("text {} {}", text(message, "id")?, text(message, "text")?))
        }
        "unsend" => unsend.map(|message| format!("unsend {message}")),
        "postback" => postback.map(|data| format!("postback {data}")),
        "follow" | "unfollow" => Some(kind.to_owned()),
        _ => return Ok(Seen::Ignored(Ignored::EventType)),
    };
    let Some(user) = user.filter(|_| of == Some("user")) else {
        return Ok(Seen::Ignored(Ignored::NotAUser));
    };
    let user = UserId::parse(user).map_err(|_| Malformed)?;
    let id = EventId::parse(id.unwrap_or_default()).map_err(|_| Malformed)?;
    let (what, at) = (what.ok_or(Malformed)?, at.ok_or(Malformed)?);
    Ok(Seen::Event { id: id.as_str().to_owned(), at, user, what })
}

struct Malformed;

fn text<'a>(of: &'a Map<String, Value>, name: &str) -> Result<&'a str, Malformed> {
    text_or_none(of, name)?.ok_or(Malformed)
}

fn text_or_none<'a>(of: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Malformed> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Malformed),
    }
}

fn object_or_none<'a>(
    of: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, Malformed> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Malformed),
    }
}
