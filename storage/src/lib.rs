//! A log and a store: the only crate that knows what is behind them.
//!
//! ```text
//!  roles ──▶ Log, Store (contracts) ──▶ AnyLog, AnyStore ──▶ embedded directory
//!                  ▲                                    ├──▶ Kafka; ScyllaDB or Cassandra
//!                  │                                    └──▶ another process's, by its socket
//!             conformance
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`log`], [`store`] | the contracts, as documentation of the traits |
//! | [`table`], [`rows`] | what tables are made of; every table and its typed rows |
//! | [`error`], [`retry`] | errors by what to do about them; doing it |
//! | [`follow`] | a topic folded into memory and kept current |
//! | [`commits`] | a member that commits what is done a few times a second |
//! | [`embedded`] | log and store of one machine, in one directory |
//! | [`kafka`], [`cql`] | a log on Kafka; a store on ScyllaDB or Cassandra |
//! | [`remote`] | a directory through the process that holds it |
//! | [`any`] | the backend that a URL names |
//! | [`conformance`] | the contracts, checked: what a backend must pass |
//! | [`sabotage`] | kill points and mutants, for tests of promises: nothing without features of theirs |
//! | `model` | a backend in memory as nasty as a cluster, for tests (feature `model`) |
//!
//! Every error has a [`Kind`]: transient and saturated are tried again by [`retry`], invalid is
//! told to whoever wrote it, fatal ends the role.
//!
//! Architecture invariant: no other crate names a storage engine, and no role knows which backend
//! it has.

pub mod any;
pub mod commits;
pub mod conformance;
pub mod cql;
pub mod embedded;
pub mod error;
pub mod follow;
pub mod kafka;
pub mod log;
#[cfg(feature = "model")]
pub mod model;
pub mod remote;
pub mod retry;
pub mod rows;
pub mod sabotage;
pub mod store;
pub mod table;

pub use error::{Kind, LogError, StoreError};
pub use log::{Append, Delivery, Group, Log, Member, Position, Reader, Record};
pub use store::{Cells, Cursor, Deletion, Mutation, Order, Page, Query, Store};
pub use table::{Column, ColumnType, Life, Table, Value};
