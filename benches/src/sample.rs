//! CPU time and memory of processes, medians, quantiles.

use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;

/// Ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

/// CPU time of a process so far, in user mode and for it in the kernel, all threads.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |n: usize| -> anyhow::Result<f64> {
        Ok(fields.get(n).context("a process has CPU times")?.parse()?)
    };
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS))
}

/// The most memory that a process has held at any time, in bytes.
pub fn peak(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()).context("it has memory")?;
    Ok(kb.parse::<u64>()? * 1_024)
}

/// Forgets the most memory that a process has held: from now on it counts anew from what it holds.
pub fn peak_anew(pid: u32) -> anyhow::Result<()> {
    // proc_pid_clear_refs(5): 5 resets VmHWM to what is resident now.
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Latencies in µs, up to ten minutes.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order")
}

/// Records a latency.
pub fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}

/// A quantile, in ms.
pub fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}
