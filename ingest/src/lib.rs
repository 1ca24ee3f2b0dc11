//! Webhook bytes → durable records.
//!
//! ```text
//!  POST /webhook ─▶ signature ─▶ event ─▶ record ─▶ log ─▶ 200
//!                      │            │        │       │
//!                     401    rejected (sealed)  spool ─▶ 200
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`webhook`] | one request: limits, order of steps, answer |
//! | [`signature`] | proves that LINE sent the bytes; makes [`signature::VerifiedBody`] |
//! | [`event`] | bytes → typed events, each alone, so that an odd one never loses its neighbours |
//! | [`command`] | words of a visitor → a place code, a command, or nothing |
//! | [`record`] | event → records of the log (pure) |
//! | [`wrote`] | who is known to have written today |
//! | [`spool`] | where records wait, fsynced, while the log takes none |
//! | [`config`], [`metrics`] | limits and their defaults; what is counted |
//!
//! What becomes of errors:
//!
//! | what | answer | kept |
//! |---|---|---|
//! | no or wrong signature, another bot's body | 401 | nothing; nothing is parsed |
//! | too large, too slow, too many at once | 413, 408, 503 | nothing; LINE delivers again |
//! | signed, but no JSON or no events | 200 | `rejected`, sealed |
//! | an event that lacks what its type needs, or is too old or ahead of time | 200 | it alone in `rejected`, sealed |
//! | a check-in while the service does not run, by its event time | 200 | that it was not recorded, without the place; counted |
//! | event and message types that mean nothing to us | 200 | nothing; counted |
//! | the log does not take the records in time | 200 | the spool has them, and drains when the log is back |
//! | the same, and the spool is full, fails, or there is none | 503 | perhaps some; delivered again, they make no second row |
//! | a key that must exist is missing | 503, and not ready | nothing |
//!
//! Events are split as raw JSON and parsed one by one with serde_json: measured at half the cost of
//! parsing the whole body at once, and a lone surrogate or a nesting of a thousand levels in one
//! event stays with that event.
//!
//! Architecture invariant: what a visitor wrote, and any location, picture or sticker, is dropped
//! in memory here. No record has a place for it.

pub mod command;
pub mod config;
pub mod event;
pub mod metrics;
pub mod record;
pub mod signature;
pub mod spool;
pub mod webhook;
pub mod wrote;

pub use config::Config;
pub use record::{Context, records_of_body};
pub use signature::{ChannelSecret, ChannelSecrets};
pub use webhook::{Deps, Ingest};
