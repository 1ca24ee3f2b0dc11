//! What is counted.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

/// Requests by status code and reason.
pub const REQUESTS: &str = "webhook_requests_total";
/// From the first byte of the body to the answer.
pub const DURATION: &str = "webhook_request_duration_seconds";
/// Requests being worked on.
pub const IN_FLIGHT: &str = "webhook_inflight";
/// Events by what became of them: scan, visitor, not_running (a check-in while the service did not
/// run), ignored, rejected.
pub const EVENTS: &str = "webhook_events_total";
/// Rejected events and bodies by cause.
pub const REJECTED: &str = "webhook_rejected_total";
/// Time that the log took to make a request's records durable.
pub const APPEND_DURATION: &str = "webhook_append_duration_seconds";

/// Bytes in the spool.
pub const SPOOL_BYTES: &str = "spool_bytes";
/// Age of the oldest request in the spool.
pub const SPOOL_OLDEST: &str = "spool_oldest_seconds";
/// Requests into and out of the spool, and what was put aside.
pub const SPOOL_RECORDS: &str = "spool_records_total";

/// Describes them to the recorder.
pub fn describe() {
    describe_counter!(REQUESTS, "webhook requests, by status code and reason");
    describe_histogram!(DURATION, Unit::Seconds, "time from body to answer");
    describe_gauge!(IN_FLIGHT, "webhook requests being worked on");
    describe_counter!(EVENTS, "webhook events, by what became of them");
    describe_counter!(REJECTED, "rejected events and bodies, by cause");
    describe_gauge!(SPOOL_BYTES, Unit::Bytes, "bytes in the spool");
    describe_gauge!(SPOOL_OLDEST, Unit::Seconds, "age of the oldest request in the spool");
    describe_counter!(
        SPOOL_RECORDS,
        "requests into (in) and out of (out) the spool, damaged ones (quarantined)"
    );
    describe_histogram!(APPEND_DURATION, Unit::Seconds, "time until records were durable");
}

/// What is counted with every check-in, looked up once: the look-ups would cost more than the
/// signature.
pub struct Usual {
    /// [`REQUESTS`] that were answered 200 and are durable.
    pub durable: Counter,
    /// [`DURATION`].
    pub duration: Histogram,
    /// [`IN_FLIGHT`].
    pub in_flight: Gauge,
    /// [`APPEND_DURATION`].
    pub append_duration: Histogram,
    /// [`EVENTS`] that are scans.
    pub scans: Counter,
}

impl Default for Usual {
    fn default() -> Self {
        Self {
            durable: counter!(REQUESTS, "code" => "200", "reason" => "durable"),
            duration: histogram!(DURATION),
            in_flight: gauge!(IN_FLIGHT),
            append_duration: histogram!(APPEND_DURATION),
            scans: counter!(EVENTS, "kind" => "scan"),
        }
    }
}
