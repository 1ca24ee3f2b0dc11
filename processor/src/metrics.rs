//! What is counted.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Records taken in, by topic.
pub const IN: &str = "processor_records_total";
/// Records by what became of them: stored, retired, not_running, on_hold, trial, nothing.
pub const OUT: &str = "processor_results_total";
/// Records rejected, by cause.
pub const REJECTED: &str = "processor_rejected_total";
/// Time from a delivery to the last of its rows.
pub const DURATION: &str = "processor_delivery_duration_seconds";
/// From the event at LINE to the row.
pub const SCAN_TO_ROW: &str = "scan_to_row_seconds";
/// Records not yet done, by topic.
pub const LAG: &str = "processor_lag_records";
/// How long ago the oldest record that is being worked on was appended, by topic.
pub const LAG_SECONDS: &str = "processor_lag_seconds";

/// Describes them to the recorder.
pub fn describe() {
    describe_counter!(IN, "records taken in, by topic");
    describe_counter!(OUT, "records by what became of them");
    describe_counter!(REJECTED, "records rejected, by cause");
    describe_histogram!(DURATION, Unit::Seconds, "time from a delivery to the last of its rows");
    describe_histogram!(SCAN_TO_ROW, Unit::Seconds, "time from the event at LINE to the row");
    describe_gauge!(LAG, "records not yet done, by topic");
    describe_gauge!(LAG_SECONDS, Unit::Seconds, "age of the oldest record that is being worked on");
}
