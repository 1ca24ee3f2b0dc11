//! What is counted.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests to LINE by endpoint and answer.
pub const LINE_REQUESTS: &str = "line_requests_total";
/// Time of requests to LINE.
pub const LINE_DURATION: &str = "line_request_duration_seconds";
/// Time from the approval's ends to the barrier.
pub const BARRIER_WAIT: &str = "plan_barrier_wait_seconds";
/// Time to work out and seal a plan, without the barrier.
pub const PLAN_DURATION: &str = "plan_duration_seconds";
/// Parts of chunks by result.
pub const PARTS: &str = "alert_parts_total";
/// People by result.
pub const RECIPIENTS: &str = "alert_recipients_total";
/// Sealed chunks that are missing or differ from their hash. Must be 0.
pub const LEDGER_MISMATCH: &str = "ledger_manifest_mismatch";
/// Requests a second that the sender allows itself now, by endpoint.
pub const RATE: &str = "line_rate_permits_per_second";
/// 1 where this process is the active planner and sender.
pub const SENDER_OWNER: &str = "sender_owner";
/// Jobs by state.
pub const JOBS: &str = "job_state";
/// Receipts by result.
pub const RECEIPTS: &str = "reply_total";
/// Friends taken in from LINE's list.
pub const FRIENDS_IMPORTED: &str = "friends_imported_total";
/// Scans deleted because their visitor asked for it.
pub const ERASED: &str = "erased_scans_total";

/// Describes them to the recorder.
pub fn describe() {
    describe_counter!(LINE_REQUESTS, "requests to LINE, by endpoint and answer");
    describe_histogram!(LINE_DURATION, Unit::Seconds, "time of requests to LINE");
    describe_histogram!(BARRIER_WAIT, Unit::Seconds, "time until every scan was a row");
    describe_histogram!(PLAN_DURATION, Unit::Seconds, "time to work out and seal a plan");
    describe_counter!(PARTS, "parts of chunks, by result");
    describe_counter!(RECIPIENTS, "people, by result");
    describe_gauge!(LEDGER_MISMATCH, "sealed chunks missing or changed; must be 0");
    describe_gauge!(RATE, "requests a second allowed now, by endpoint");
    describe_gauge!(SENDER_OWNER, "1 where this process is the active sender");
    describe_gauge!(JOBS, "jobs, by state");
    describe_counter!(RECEIPTS, "receipts, by result");
    describe_counter!(FRIENDS_IMPORTED, "friends taken in from LINE's list");
    describe_counter!(ERASED, "scans deleted because their visitor asked for it");
}
