//! The words of the domain, their encodings and their pure rules; no I/O, no async, no clock.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | typed identifiers |
//! | [`time`] | event time, hours, key epochs, how people read them |
//! | [`place_code`] | what a QR code carries: made, verified, found in a message |
//! | [`identity`] | pseudonyms, sealed ids, the keys behind them |
//! | [`scan`], [`visitor`], [`rejected`] | records that ingest makes; the row a person adds up to |
//! | [`registry`] | facilities and venues |
//! | [`service`] | whether the service runs, and since when |
//! | [`visit`] | the overlap of a visit with a window |
//! | [`job`] | an exposure job and its one state machine |
//! | [`sending`] | chunks, parts of chunks, retry keys |
//! | [`spool`] | which spools there are, and whether they are empty |
//! | [`language`] | the languages of messages |
//! | [`topic`], [`wire`] | topics, partitions, record encoding |
//!
//! Architecture invariant: nothing here reads a clock, a file or the network, and nothing here
//! prints a user id, a reply token or a key.

mod crockford;
pub mod identity;
pub mod ids;
pub mod job;
pub mod language;
pub mod place_code;
pub mod registry;
pub mod rejected;
pub mod scan;
pub mod sending;
pub mod service;
pub mod spool;
pub mod time;
pub mod topic;
pub mod visit;
pub mod visitor;
pub mod wire;
