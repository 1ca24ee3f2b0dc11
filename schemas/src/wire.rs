//! How a record is written into the log: a version byte, then its body.
//!
//! High-volume records (`scans`, `visitors`, `rejected`) have a compact body (postcard). Records
//! that are kept for long and read by people in need (`jobs`, `registry`, `audit`) have a JSON
//! body. A change of a body that old readers would misread takes the next version byte; a reader
//! refuses versions that it doesn't know, and never guesses.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::topic::Topic;

/// Bytes that most records fit in: they are written without moving.
const MOST_RECORDS: usize = 256;

/// How the body of a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Postcard: compact, fields by position.
    Compact,
    /// JSON: fields by name; absent ones get their default.
    Json,
}

/// A record of a topic.
pub trait WireRecord: Serialize + DeserializeOwned {
    /// Its topic.
    const TOPIC: Topic;
    /// The version that is written, and the only one this build reads.
    const VERSION: u8;
    /// How the body is written.
    const BODY: Body;

    /// The key that chooses its partition.
    fn key(&self) -> Bytes;

    /// The bytes for the log.
    fn encode(&self) -> Bytes {
        let mut buffer = Vec::with_capacity(MOST_RECORDS);
        buffer.push(Self::VERSION);
        let encoded = match Self::BODY {
            Body::Compact => postcard::to_extend(self, buffer).ok(),
            Body::Json => serde_json::to_writer(&mut buffer, self).ok().map(|()| buffer),
        };
        // Both fail only for maps with keys that are no strings and for sequences of unknown
        // length; no record has one, and the round-trip tests cover every record.
        Bytes::from(encoded.expect("records have a wire form"))
    }

    /// Reads what [`WireRecord::encode`] wrote. All bytes must belong to the record.
    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (version, body) = bytes.split_first().ok_or(WireError::Malformed)?;
        if *version != Self::VERSION {
            return Err(WireError::UnknownVersion(*version));
        }
        match Self::BODY {
            Body::Compact => match postcard::take_from_bytes(body) {
                Ok((record, [])) => Ok(record),
                _ => Err(WireError::Malformed),
            },
            Body::Json => serde_json::from_slice(body).map_err(|_| WireError::Malformed),
        }
    }
}

/// Why bytes of the log are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Written by a later version of the system (or an earlier one, no longer read).
    #[error("record of unknown version {0}")]
    UnknownVersion(u8),
    /// The bytes are no record of this topic.
    #[error("malformed record")]
    Malformed,
}
