//! The conformance suites on every backend, and what only the embedded one promises.

mod cql;
mod embedded;
mod follow;
mod suites;
