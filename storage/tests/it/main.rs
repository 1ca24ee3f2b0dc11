//! The conformance suites on every backend, and what each of them alone must bear.

mod cql;
mod cql_links;
mod embedded;
mod follow;
mod kafka;
mod kafka_links;
mod kafka_mock;
mod kafka_mock_groups;
mod suites;
