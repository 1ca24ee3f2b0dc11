//! An HdrHistogram log: a histogram of every second, as HdrHistogram's own tools read them.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use hdrhistogram::{
    Histogram,
    serialization::{V2DeflateSerializer, interval_log::IntervalLogWriterBuilder},
};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::report::latencies;

const INTERVAL: Duration = Duration::from_secs(1);

/// A log that is being written.
pub(super) struct HistogramLog {
    interval: Arc<Mutex<Histogram<u64>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl HistogramLog {
    /// Begins one.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("{}", path.display()))?;
        let interval = Arc::new(Mutex::new(latencies()));
        let stop = CancellationToken::new();
        let task = tokio::spawn(write(file, Arc::clone(&interval), stop.clone()));
        Ok(Self { interval, stop, task })
    }

    /// Where latencies of now are recorded, in µs.
    pub(super) fn interval(&self) -> Arc<Mutex<Histogram<u64>>> {
        Arc::clone(&self.interval)
    }

    /// Writes the last interval.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await?
    }
}

async fn write(
    file: File,
    interval: Arc<Mutex<Histogram<u64>>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (mut file, mut serializer) = (BufWriter::new(file), V2DeflateSerializer::new());
    let (begun, now) = (Instant::now(), SystemTime::now());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(
            "anshin-load replay: webhooks answered 200, microseconds from the intended moment",
        )
        .with_start_time(now)
        .with_base_time(now)
        // The column of maxima in ms.
        .with_max_value_divisor(1_000.0)
        .begin_log_with(&mut file, &mut serializer)?;
    let mut from = Duration::ZERO;
    let mut last = false;
    while !last {
        tokio::select! {
            () = tokio::time::sleep_until(begun + from + INTERVAL) => {}
            () = stop.cancelled() => last = true,
        }
        let histogram = std::mem::replace(&mut *interval.lock(), latencies());
        let to = begun.elapsed();
        log.write_histogram(&histogram, from, to - from, None)
            .map_err(|error| anyhow::anyhow!("the histogram log can't be written: {error:?}"))?;
        from = to;
    }
    Ok(file.flush()?)
}
