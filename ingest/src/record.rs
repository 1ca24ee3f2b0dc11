//! Events → records of the log. Pure: keys, places and the time are passed in.

use bytes::Bytes;
use schemas::{
    identity::{IdentityError, KeyRing},
    ids::EventId,
    place_code::{PlaceCode, PlaceKeys},
    rejected::{Original, RejectCause, Rejected, WEBHOOK_CONTEXT},
    scan::Scan,
    service::{Service, ServiceState},
    time::{DAY_MS, EventTime, HOUR_MS},
    topic::Topic,
    visitor::{VisitorAction, VisitorRecord},
    wire::WireRecord,
};
use storage::Append;

use crate::{
    command::{self, Command, Meaning},
    event::{self, Event, Frame, FrameError, Ignored, Parsed, Text, What},
    wrote::WroteMemory,
};

/// Events further ahead of our clock than this are not believed.
const FUTURE_MS: i64 = DAY_MS;
/// An event with less than this left of its retention is rejected: a lifetime of 0 would mean for
/// ever in some stores.
const RETENTION_LEFT_MS: i64 = HOUR_MS;

/// What turning events into records needs to know.
pub struct Context<'a> {
    /// Names and seals visitors.
    pub keys: &'a KeyRing,
    /// Verifies place codes.
    pub places: &'a PlaceKeys,
    /// Who is known to have written today.
    pub wrote: &'a WroteMemory,
    /// Whether the service runs. Where that is not known, it does: the processor looks again, and
    /// it waits until it knows.
    pub service: &'a Service,
    /// Our clock.
    pub now: EventTime,
    /// How long rows live.
    pub retention_days: u32,
}

/// What a body came to. Every event is in exactly one of the counts.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For the log.
    pub appends: Vec<Append>,
    /// Check-ins.
    pub scans: usize,
    /// Follows, blocks, commands and the like.
    pub visitors: usize,
    /// Check-ins while the service did not run. Nothing is kept of where.
    pub not_running: usize,
    /// Events that mean nothing to us, and why.
    pub ignored: Vec<Ignored>,
    /// Bodies and events that can't be used, and why.
    pub rejected: Vec<RejectCause>,
    /// Days on which people are now known to have written, to note once the log has them.
    pub wrote: Vec<(schemas::identity::VisitorId, EventTime)>,
}

/// A body of another bot than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Its `destination` is not our bot.
    #[error("the body is for another bot")]
    OtherBot,
    /// A key that must exist is not there.
    #[error(transparent)]
    Keys(#[from] IdentityError),
}

/// Turns a signed body into records. Where `bot` is given, a body for another one is refused.
pub fn records_of_body(
    body: &[u8],
    bot: Option<&str>,
    context: &Context<'_>,
) -> Result<Outcome, BodyError> {
    let mut outcome = Outcome::default();
    let frame = match Frame::parse(body) {
        Ok(frame) => frame,
        Err(error) => {
            let cause = match error {
                FrameError::NotJson => RejectCause::NotJson,
                FrameError::NoEvents => RejectCause::NoEvents,
            };
            outcome.reject(cause, body, context)?;
            return Ok(outcome);
        }
    };
    if let (Some(bot), Some(Text(destination))) = (bot, &frame.destination)
        && destination != bot
    {
        return Err(BodyError::OtherBot);
    }
    for raw in frame.events {
        let raw_bytes = raw.get().as_bytes();
        match event::parse(raw) {
            Parsed::Ignored(why) => outcome.ignored.push(why),
            Parsed::Malformed => {
                outcome.reject(RejectCause::MalformedEvent, raw_bytes, context)?;
            }
            Parsed::Event(event) => outcome.take(event, raw_bytes, context)?,
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn take(
        &mut self,
        event: Event<'_>,
        raw: &[u8],
        context: &Context<'_>,
    ) -> Result<(), BodyError> {
        let deed = match &event.what {
            What::Text { message, text } => match command::meaning(text, context.places) {
                Meaning::CheckIn(code) => match context.service.state_at(event.at) {
                    ServiceState::Running => Deed::CheckIn(code, message.as_ref()),
                    state => Deed::Act(VisitorAction::NotRecorded(state)),
                },
                Meaning::Refused(problem) => Deed::Act(VisitorAction::CodeRefused(problem)),
                Meaning::Command(command) => Deed::Act(action(command)),
                Meaning::Nothing => Deed::Nothing,
            },
            What::Postback { data } => {
                command::button(data).map_or(Deed::Nothing, |command| Deed::Act(action(command)))
            }
            What::Unsend { message } => {
                Deed::Act(VisitorAction::Undo(context.keys.message(message)))
            }
            What::Follow => Deed::Act(VisitorAction::Followed),
            What::Unfollow => Deed::Act(VisitorAction::Unfollowed),
        };
        if let Deed::Nothing = deed {
            self.ignored.push(Ignored::NoMeaning);
            return Ok(());
        }
        if let Some(cause) = inadmissible(event.at, context) {
            return self.reject(cause, raw, context);
        }
        match deed {
            Deed::CheckIn(code, message) => {
                let scan = match scan(&event, code, message, context) {
                    Ok(scan) => scan,
                    // Its keys were destroyed: past retention by our keys if not by our clock.
                    Err(IdentityError::MissingKey(epoch))
                        if context.keys.epochs().next().is_some_and(|oldest| epoch < oldest) =>
                    {
                        return self.reject(RejectCause::KeysDestroyed, raw, context);
                    }
                    Err(error) => return Err(error.into()),
                };
                self.scans += 1;
                self.append(&scan);
                self.wrote(&event, context);
            }
            Deed::Act(action) => {
                match action {
                    VisitorAction::NotRecorded(_) => self.not_running += 1,
                    _ => self.visitors += 1,
                }
                let speaks = matches!(event.what, What::Text { .. } | What::Postback { .. });
                let record = visitor_record(&event, action, context);
                self.append(&record);
                if speaks {
                    self.wrote(&event, context);
                }
            }
            Deed::Nothing => {}
        }
        Ok(())
    }

    fn append<R: WireRecord>(&mut self, record: &R) {
        let (key, value) = (record.key(), record.encode());
        self.appends.push(Append { topic: R::TOPIC, key, value });
    }

    fn wrote(&mut self, event: &Event<'_>, context: &Context<'_>) {
        let visitor = context.keys.visitor(&event.user);
        let Some(day_start) = context.wrote.due(visitor, event.at) else { return };
        if self.wrote.contains(&(visitor, day_start)) {
            return;
        }
        let (visitor, sealed) = context.keys.seal_visitor(&event.user);
        self.append(&VisitorRecord {
            visitor,
            sealed,
            event: EventId::default(),
            at: day_start,
            received_at: day_start,
            reply_token: None,
            action: VisitorAction::Wrote,
        });
        self.wrote.push((visitor, day_start));
    }

    fn reject(
        &mut self,
        cause: RejectCause,
        raw: &[u8],
        context: &Context<'_>,
    ) -> Result<(), BodyError> {
        // Sealed under this week's key, so that it becomes unreadable with this week's scans.
        let sealed = context.keys.seal(context.now.epoch(), WEBHOOK_CONTEXT, raw)?;
        self.append(&Rejected { cause, at: context.now, original: Original::Webhook(sealed) });
        self.rejected.push(cause);
        Ok(())
    }
}

enum Deed<'a> {
    CheckIn(PlaceCode, &'a str),
    Act(VisitorAction),
    Nothing,
}

fn action(command: Command) -> VisitorAction {
    match command {
        Command::Erase => VisitorAction::Erase,
        Command::Language(language) => VisitorAction::ChoseLanguage(language),
    }
}

fn inadmissible(at: EventTime, context: &Context<'_>) -> Option<RejectCause> {
    let retention = i64::from(context.retention_days) * DAY_MS;
    if at > context.now.plus(FUTURE_MS) {
        Some(RejectCause::FromTheFuture)
    } else if at.plus(retention) < context.now.plus(RETENTION_LEFT_MS) {
        Some(RejectCause::PastRetention)
    } else {
        None
    }
}

fn scan(
    event: &Event<'_>,
    code: PlaceCode,
    message: &str,
    context: &Context<'_>,
) -> Result<Scan, IdentityError> {
    let epoch = event.at.epoch();
    let (pseudonym, sealed) = context.keys.seal_scan(epoch, code.venue(), &event.user)?;
    Ok(Scan {
        event: event.id.clone(),
        message: context.keys.message(message),
        venue: code.venue(),
        issue: code.issue(),
        scanned_at: event.at,
        received_at: context.now,
        pseudonym,
        sealed,
        epoch,
        reply_token: event.reply_token.clone(),
    })
}

fn visitor_record(
    event: &Event<'_>,
    action: VisitorAction,
    context: &Context<'_>,
) -> VisitorRecord {
    let (visitor, sealed) = context.keys.seal_visitor(&event.user);
    VisitorRecord {
        visitor,
        sealed,
        event: event.id.clone(),
        at: event.at,
        received_at: context.now,
        reply_token: event.reply_token.clone(),
        action,
    }
}

/// Opens a rejected body or event and reads it once more: what `anshin rejected replay` appends.
pub fn replay(
    sealed: &schemas::identity::Sealed,
    context: &Context<'_>,
) -> Result<Outcome, BodyError> {
    let original = context.keys.open(WEBHOOK_CONTEXT, sealed)?;
    let body = match Frame::parse(&original) {
        Ok(_) => Bytes::from(original),
        // A single event: in a frame of its own.
        Err(_) => Bytes::from([b"{\"events\":[".as_slice(), &original, b"]}"].concat()),
    };
    let outcome = records_of_body(&body, None, context)?;
    Ok(outcome)
}

/// Whether replaying changed nothing: what was rejected is rejected again.
impl Outcome {
    /// Whether everything in it was rejected.
    pub fn is_rejection(&self) -> bool {
        !self.appends.is_empty()
            && self.appends.iter().all(|append| append.topic == Topic::Rejected)
    }
}
