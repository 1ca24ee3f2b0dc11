//! A scan on its way through the log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    identity::{Pseudonym, SealedId},
    ids::{EventId, MessageHash, VenueId},
    place_code::Issue,
    time::{Epoch, EventTime},
    topic::Topic,
    wire::{Body, WireRecord},
};

/// One visitor at one venue at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// LINE's id of the event, the same on a redelivery.
    pub event: EventId,
    /// Finds the scan when its message is unsent.
    pub message: MessageHash,
    /// The place.
    pub venue: VenueId,
    /// The issue of the place code that was read.
    pub issue: Issue,
    /// LINE's time of the event.
    pub scanned_at: EventTime,
    /// When the webhook came in, by our clock. For deadlines of replies only.
    pub received_at: EventTime,
    /// The visitor in this epoch.
    pub pseudonym: Pseudonym,
    /// The visitor's LINE user id, sealed.
    pub sealed: SealedId,
    /// The epoch of `scanned_at`: whose keys named and sealed.
    pub epoch: Epoch,
    /// What a reply is sent by, once, within a minute.
    pub reply_token: Option<ReplyToken>,
}

/// LINE's single-use permission to answer an event. Secret while it lives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyToken(pub Box<str>);

impl std::fmt::Debug for ReplyToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyToken([redacted])")
    }
}

impl WireRecord for Scan {
    const TOPIC: Topic = Topic::Scans;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Compact;

    fn key(&self) -> Bytes {
        Bytes::copy_from_slice(&self.venue.to_bytes())
    }
}
