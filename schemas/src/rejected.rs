//! What could not be used: kept sealed, with its cause.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    identity::Sealed,
    time::EventTime,
    topic::{Offset, Partition, Topic},
    wire::{Body, WireRecord},
};

/// A record of the `rejected` topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Why.
    pub cause: RejectCause,
    /// When it was rejected, by our clock.
    pub at: EventTime,
    /// Where it came from, and the bytes.
    pub original: Original,
}

/// What was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Original {
    /// A signed webhook body, or one event of it, sealed for the context [`WEBHOOK_CONTEXT`].
    Webhook(Sealed),
    /// A record of the log as it was; visitors in it are sealed already.
    Record {
        /// Its topic.
        topic: Topic,
        /// Its partition.
        partition: Partition,
        /// Its offset.
        offset: Offset,
        /// Its key.
        key: Bytes,
        /// Its bytes.
        value: Bytes,
    },
}

/// The context under which rejected webhook bytes are sealed.
pub const WEBHOOK_CONTEXT: &[u8] = b"rejected webhook";

/// Why something was rejected. A label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RejectCause {
    /// A signed body that is not JSON.
    NotJson,
    /// A signed body without a list of events.
    NoEvents,
    /// An event that does not have what its type needs.
    MalformedEvent,
    /// An event with less than an hour of retention left, or past it.
    PastRetention,
    /// An event more than 24 hours ahead of our clock.
    FromTheFuture,
    /// The keys of the event's epoch are gone for good.
    KeysDestroyed,
    /// A record of a version that this build does not know.
    UnknownVersion,
    /// Bytes that are no record.
    MalformedRecord,
    /// A row that the store refuses.
    RefusedByStore,
}

impl RejectCause {
    /// All of them.
    pub const ALL: [RejectCause; 9] = [
        RejectCause::NotJson,
        RejectCause::NoEvents,
        RejectCause::MalformedEvent,
        RejectCause::PastRetention,
        RejectCause::FromTheFuture,
        RejectCause::KeysDestroyed,
        RejectCause::UnknownVersion,
        RejectCause::MalformedRecord,
        RejectCause::RefusedByStore,
    ];

    /// Its name in metrics and listings.
    pub const fn name(self) -> &'static str {
        match self {
            RejectCause::NotJson => "not_json",
            RejectCause::NoEvents => "no_events",
            RejectCause::MalformedEvent => "malformed_event",
            RejectCause::PastRetention => "past_retention",
            RejectCause::FromTheFuture => "from_the_future",
            RejectCause::KeysDestroyed => "keys_destroyed",
            RejectCause::UnknownVersion => "unknown_version",
            RejectCause::MalformedRecord => "malformed_record",
            RejectCause::RefusedByStore => "refused_by_store",
        }
    }
}

impl WireRecord for Rejected {
    const TOPIC: Topic = Topic::Rejected;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Compact;

    fn key(&self) -> Bytes {
        Bytes::new()
    }
}
