//! The binary `anshin`: roles, tools, configuration, lifecycle, admin port.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | `config.default.toml`, a file, the environment; checked before anything is bound |
//! | [`backends`] | opens log and store, or reaches the process that has them open |
//! | [`roles`] | puts the roles together in one process, starts and ends them |
//! | [`counts`] | the narrow door between officials and visitors' rows |
//! | [`listener`] | one hardened HTTP listener for every role that has one |
//! | [`admin`] | `/live`, `/ready`, `/metrics`, `/line-api` |
//! | [`keys`] | key files |
//! | [`migrate`] | topics and tables, made and checked |
//! | [`copy`](mod@copy) | moves a data directory to a cluster |
//! | [`tools`] | what the subcommands beside the roles do |
//! | [`flyers`] | the subcommand that makes flyers |
//!
//! A process starts in this order: configuration, keys, log and store, addresses, roles, ready. It
//! ends in this: not ready, listeners drain, roles drain, log and store close. A role that ends by
//! itself ends the process with a failure.

pub mod admin;
pub mod backends;
pub mod config;
pub mod copy;
pub mod counts;
pub mod flyers;
pub mod keys;
pub mod listener;
pub mod migrate;
pub mod roles;
pub mod tools;

pub use config::{Config, ConfigError};
pub use roles::{Role, Running, StartError, start, start_by};
