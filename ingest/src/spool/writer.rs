//! One thread writes the spool: whatever waits shares an fsync.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{Arc, Weak, atomic::Ordering},
};

use schemas::time::EventTime;
use storage::kill_point;
use tokio::sync::{mpsc, oneshot};

use super::{Shared, SpoolError, segment};

/// Frames written with one fsync, at most.
const BATCH: usize = 512;
/// A segment that has grown to this is followed by the next.
const SEGMENT_BYTES: u64 = 8 << 20;

type Done = oneshot::Sender<Result<(), SpoolError>>;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Work {
    /// Write a frame.
    Put { frame: Vec<u8>, at: EventTime, done: Done },
    /// Begin a new segment with the next frame, so that all there are can be drained.
    Seal { done: oneshot::Sender<()> },
}

pub(super) struct Writer {
    shared: Weak<Shared>,
    segment: Option<(File, u64)>,
}

impl Writer {
    pub(super) fn new(shared: Weak<Shared>) -> Self {
        Self { shared, segment: None }
    }

    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Work>) {
        let mut work = Vec::new();
        while inbox.blocking_recv_many(&mut work, BATCH) > 0 {
            let Some(shared) = self.shared.upgrade() else { return };
            let mut frames = Vec::new();
            for one in work.drain(..) {
                match one {
                    Work::Put { frame, at, done } => frames.push((frame, at, done)),
                    Work::Seal { done } => {
                        self.put(&shared, std::mem::take(&mut frames));
                        self.segment = None;
                        // Whoever asked may have gone.
                        let _ = done.send(());
                    }
                }
            }
            self.put(&shared, frames);
        }
    }

    fn put(&mut self, shared: &Arc<Shared>, frames: Vec<(Vec<u8>, EventTime, Done)>) {
        let mut bytes = shared.waiting.borrow().bytes;
        let (mut taken, mut buffer) = (Vec::new(), Vec::new());
        for (frame, at, done) in frames {
            bytes += frame.len() as u64;
            if bytes > shared.max_bytes {
                shared.full.send_replace(true);
                let _ = done.send(Err(SpoolError::Full));
                continue;
            }
            buffer.extend_from_slice(&frame);
            taken.push((frame.len() as u64, at, done));
        }
        if taken.is_empty() {
            return;
        }
        let written = self.write(shared, &buffer);
        if let Err(error) = &written {
            tracing::error!(%error, "the spool can't be written");
            shared.full.send_replace(true);
        }
        for (size, at, done) in taken {
            let answer = match &written {
                Ok(()) => {
                    shared.came_in(size, at);
                    Ok(())
                }
                Err(error) => Err(SpoolError::Io {
                    dir: shared.dir.clone(),
                    source: std::io::Error::new(error.kind(), error.to_string()),
                }),
            };
            let _ = done.send(answer);
        }
    }

    fn write(&mut self, shared: &Shared, bytes: &[u8]) -> std::io::Result<()> {
        let (mut file, length) = match self.segment.take() {
            Some((file, length)) if length < SEGMENT_BYTES => (file, length),
            _ => {
                let number = shared.next_segment.fetch_add(1, Ordering::Relaxed);
                let path = segment::path(&shared.dir, number);
                let file = OpenOptions::new().create_new(true).append(true).open(path)?;
                File::open(&shared.dir)?.sync_all()?;
                (file, 0)
            }
        };
        let written = file.write_all(bytes).and_then(|()| {
            kill_point!("K7 spooled, not fsynced");
            file.sync_data()
        });
        kill_point!("K8 spooled, not answered");
        if let Err(error) = written {
            // What is half there was not acknowledged. If it can't be cut off either, it is a torn
            // tail: the next frame goes to another segment in any case.
            if let Err(error) = file.set_len(length).and_then(|()| file.sync_all()) {
                tracing::warn!(%error, "the end of a segment of the spool can't be cut off");
            }
            return Err(error);
        }
        self.segment = Some((file, length + bytes.len() as u64));
        Ok(())
    }
}
