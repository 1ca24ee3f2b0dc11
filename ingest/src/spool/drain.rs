//! Segments back into the log, oldest first; and answers to whoever asks whether the spool is
//! empty.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use schemas::{
    spool::{SpoolRecord, Spools},
    time::EventTime,
};
use storage::{Append, Kind, Log, LogError, fault, follow::Follower, kill_point};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Spool, segment, writer::Work};
use crate::metrics;

/// Records appended at a time.
const CHUNK: usize = 500;
/// How long after a failure the log is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often the age of the oldest record is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Why draining ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The log can't go on.
    #[error("the log failed")]
    Log(#[from] LogError),
    /// The spool can't be read.
    #[error("spool directory {dir} can't be used: {source}")]
    Io {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The process ends, and the log did not take everything in time.
    #[error(
        "{frames} requests are left in spool directory {dir}: start an ingest on it again, it drains them"
    )]
    Left {
        /// How many.
        frames: u64,
        /// Where.
        dir: PathBuf,
    },
}

/// Says in the log that the spool is there, until the log has it. To be done before anything is put
/// into it: otherwise the read barrier would not ask it.
pub async fn announce<L: Log>(spool: &Spool, spools: &Follower<L, Spools>) -> Result<(), LogError> {
    let opened = SpoolRecord::Opened { spool: spool.id() };
    while let Err(error) = spools.append(&opened).await {
        wait_after(&error).await?;
    }
    Ok(())
}

/// Drains the spool until `stop`; then what is left, for at most `budget`. Says in the log that the
/// spool is empty whenever that is asked.
pub async fn drain<L: Log>(
    spool: Spool,
    log: L,
    spools: Follower<L, Spools>,
    stop: CancellationToken,
    budget: Duration,
) -> Result<(), DrainError> {
    let drainer = Drainer { spool: spool.clone(), log };
    let telling = tell_age(&spool);
    let work = async {
        let mut waiting = spool.waiting();
        let mut changes = spools.changes();
        let mut answered: Option<Uuid> = None;
        loop {
            let asked = {
                changes.borrow_and_update();
                spools.read(Spools::latest_question)
            };
            // In this order: what came in before the question is seen here.
            if waiting.borrow_and_update().frames > 0 {
                while fault!("the spool waits") {
                    tokio::time::sleep(RETRY).await;
                }
                drainer.segment().await?;
                continue;
            }
            if let Some(question) = asked.filter(|asked| answered != Some(*asked)) {
                let empty = SpoolRecord::Empty { spool: spool.id(), question };
                match spools.append(&empty).await {
                    Ok(()) => answered = Some(question),
                    Err(error) => wait_after(&error).await?,
                }
                continue;
            }
            tokio::select! {
                // The senders are ours and the follower's: they outlive this loop.
                _ = waiting.changed() => {}
                _ = changes.changed() => {}
            }
        }
    };
    tokio::select! {
        ended = work => return ended,
        () = telling => {}
        () = stop.cancelled() => {}
    }
    let rest = async {
        while spool.waiting().borrow().frames > 0 {
            drainer.segment().await?;
        }
        // Nobody has it from here on: whoever waits for its answers need not.
        let closed = SpoolRecord::Closed { spool: spool.id() };
        while let Err(error) = drainer.tell(&closed).await {
            wait_after(&error).await?;
        }
        Ok::<(), DrainError>(())
    };
    match tokio::time::timeout(budget, rest).await {
        Ok(ended) => ended,
        Err(_) if spool.waiting().borrow().frames == 0 => Ok(()),
        Err(_) => {
            let frames = spool.waiting().borrow().frames;
            Err(DrainError::Left { frames, dir: spool.dir().to_owned() })
        }
    }
}

async fn wait_after(error: &LogError) -> Result<(), LogError> {
    if error.kind() == Kind::Fatal {
        return Err(LogError::new(Kind::Fatal, error.to_string()));
    }
    tokio::time::sleep(RETRY).await;
    Ok(())
}

async fn tell_age(spool: &Spool) {
    let mut tick = tokio::time::interval(TELL_EVERY);
    loop {
        tick.tick().await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis() as i64);
        let oldest = spool.waiting().borrow().oldest;
        let age = oldest.map_or(0.0, |EventTime(at)| (now - at).max(0) as f64 / 1_000.0);
        ::metrics::gauge!(metrics::SPOOL_OLDEST).set(age);
    }
}

struct Drainer<L> {
    spool: Spool,
    log: L,
}

impl<L: Log> Drainer<L> {
    async fn tell(&self, record: &SpoolRecord) -> Result<(), LogError> {
        use schemas::wire::WireRecord;
        let (topic, key) = (SpoolRecord::TOPIC, record.key());
        let append = Append { topic, key, value: record.encode() };
        let result = self.log.append(vec![append]).await.pop();
        result.map_or(Ok(()), |result| result.map(|_| ()))
    }

    /// Appends everything of the oldest segment, then deletes it.
    async fn segment(&self) -> Result<(), DrainError> {
        let dir = self.spool.dir().to_owned();
        let io = |source| DrainError::Io { dir: dir.clone(), source };
        // The segment that is written to is drained like the others: writing goes on in the next.
        let (done, sealed) = oneshot::channel();
        if self.spool.shared.work.send(Work::Seal { done }).await.is_ok() {
            // The writer ends with the last handle, and we have one.
            let _ = sealed.await;
        }
        let Some((_, path)) = segment::list(&dir).map_err(io)?.into_iter().next() else {
            return Ok(());
        };
        let bytes = fs::metadata(&path).map_err(io)?.len();
        let contents = segment::read(&path).map_err(io)?;
        if contents.torn > 0 {
            tracing::warn!(
                bytes = contents.torn,
                "a torn end of the spool, never acknowledged, is dropped"
            );
        }
        for (at, damaged) in &contents.damaged {
            ::metrics::counter!(metrics::SPOOL_RECORDS, "op" => "quarantined").increment(1);
            tracing::error!(at, "a frame of the spool is damaged; it is kept in its quarantine");
            quarantine(&dir, &path, *at, damaged).map_err(io)?;
        }
        let frames = contents.frames.len() as u64;
        let records: Vec<Append> = contents.frames.into_iter().flat_map(|f| f.records).collect();
        for (n, chunk) in records.chunks(CHUNK).enumerate() {
            self.append(chunk.to_vec(), &path, n).await?;
        }
        kill_point!("K9 drained, not deleted");
        fs::remove_file(&path).map_err(io)?;
        File::open(&dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        let oldest = match segment::list(&dir).map_err(io)?.first() {
            Some((_, next)) => {
                segment::read(next).map_err(io)?.frames.first().map(|frame| frame.at)
            }
            None => None,
        };
        self.spool.shared.went_out(frames, bytes, oldest);
        Ok(())
    }

    /// Appends records until all are in.
    async fn append(&self, mut left: Vec<Append>, path: &Path, n: usize) -> Result<(), DrainError> {
        while !left.is_empty() {
            let results = self.log.append(left.clone()).await;
            let mut failed = Vec::new();
            for (place, (record, result)) in left.into_iter().zip(results).enumerate() {
                let Err(error) = result else { continue };
                match error.kind() {
                    Kind::Fatal => return Err(error.into()),
                    Kind::Invalid => {
                        ::metrics::counter!(metrics::SPOOL_RECORDS, "op" => "quarantined")
                            .increment(1);
                        tracing::error!(%error, "the log refuses a record of the spool; it is kept in its quarantine");
                        let frame = segment::encode(std::slice::from_ref(&record), EventTime(0));
                        let dir = self.spool.dir();
                        quarantine(dir, path, n * CHUNK + place, &frame)
                            .map_err(|source| DrainError::Io { dir: dir.to_owned(), source })?;
                    }
                    Kind::Transient | Kind::Saturated => failed.push(record),
                }
            }
            self.spool.shared.log_is_down.store(!failed.is_empty(), Ordering::Relaxed);
            if !failed.is_empty() {
                tokio::time::sleep(RETRY).await;
            }
            left = failed;
        }
        Ok(())
    }
}

fn quarantine(dir: &Path, segment: &Path, at: usize, bytes: &[u8]) -> std::io::Result<()> {
    let name = segment.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut file = File::create(dir.join("quarantine").join(format!("{name}-{at}")))?;
    file.write_all(bytes)?;
    file.sync_all()
}
