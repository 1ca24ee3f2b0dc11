//! What a request needs before it is made.

use std::time::Duration;

use storage::{
    Log, Store,
    rows::ledger::{AttemptRow, SendResult},
};

use super::{Chunk, Halt, Sender};
use crate::{
    pacer::{Pacer, Permit, Ready},
    turns::Turn,
};

/// A sender that has not seen the end of `jobs` for so long does not send.
const FRESH: Duration = Duration::from_secs(5);

impl<L: Log, S: Store> Sender<L, S> {
    /// A turn to work on a request of a chunk, shortly before it can be made.
    pub(super) async fn turn(&self, chunk: &Chunk, pacer: &Pacer) -> Result<(Turn, Ready), Halt> {
        let turn = async {
            let turn = self.turns.take(chunk.job.id).await;
            Some((turn, pacer.ready().await?))
        };
        let turn = chunk.halted.run_until_cancelled(turn).await.flatten().ok_or(Halt::Stopped)?;
        self.may_be_sent(chunk).await?;
        Ok(turn)
    }

    /// Leave to make the request that was written down. Where it is not given, that is written down,
    /// too: LINE has seen nothing of it.
    pub(super) async fn permit(
        &self,
        chunk: &Chunk,
        attempt: &AttemptRow,
        ready: Ready,
    ) -> Result<Permit, Halt> {
        let permit = chunk.halted.run_until_cancelled(ready.permit()).await.flatten();
        let may = self.may_be_sent(chunk).await;
        match (permit, may) {
            (Some(permit), Ok(())) => Ok(permit),
            (_, may) => {
                self.outcome(attempt, SendResult::Refused, None).await?;
                Err(may.err().unwrap_or(Halt::Stopped))
            }
        }
    }

    /// The certainty that a chunk's job is being sent, and was not stopped since the chunk was taken
    /// up.
    async fn may_be_sent(&self, chunk: &Chunk) -> Result<(), Halt> {
        loop {
            let stopped = self.shutdown.is_cancelled() || chunk.halted.is_cancelled();
            if stopped || !self.book.is_still_sent(&chunk.job) {
                return Err(Halt::Stopped);
            }
            let follower = self.book.follower();
            if follower.fresh_within(FRESH) && follower.unreadable() == 0 {
                return Ok(());
            }
            tracing::warn!("nothing is sent: the order of record can't be read to its end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
