//! How far behind the role is, looked at once a second: asking a log on Kafka after every delivery
//! would cost more than the delivery.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use schemas::{time::EventTime, topic::Topic};
use storage::{Group, Log};
use tokio_util::sync::CancellationToken;

use crate::{Deps, metrics};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a consumer is working on: when the oldest of it was appended, in ms; 0 for nothing.
pub struct Working {
    topic: Topic,
    oldest: AtomicI64,
}

impl Working {
    /// Nothing yet.
    pub fn on(topic: Topic) -> Self {
        Self { topic, oldest: AtomicI64::new(0) }
    }

    /// The topic.
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// A delivery has come.
    pub fn begin(&self, oldest_ms: i64) {
        self.oldest.store(oldest_ms, Ordering::Relaxed);
    }

    /// It is done with.
    pub fn end(&self) {
        self.oldest.store(0, Ordering::Relaxed);
    }

    /// How long ago the oldest of what is worked on was appended, in seconds; 0 for nothing.
    pub fn age(&self, now: EventTime) -> f64 {
        match self.oldest.load(Ordering::Relaxed) {
            0 => 0.0,
            oldest => (now.0 - oldest).max(0) as f64 / 1_000.0,
        }
    }
}

/// Shows lag until `shutdown`, whether or not the log answers.
pub async fn show<L: Log, S>(
    deps: &Deps<L, S>,
    all: &[Working],
    shutdown: &CancellationToken,
) -> Result<(), crate::Error> {
    let ages = async {
        loop {
            for working in all {
                let age = working.age((deps.clock)());
                ::metrics::gauge!(metrics::LAG_SECONDS, "topic" => working.topic.name()).set(age);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let counts = async {
        loop {
            for Working { topic, .. } in all {
                // A log that does not answer is told of by whoever works with it.
                if let Some(records) = records(&deps.log, *topic).await {
                    ::metrics::gauge!(metrics::LAG, "topic" => topic.name()).set(records as f64);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        never = ages => never,
        never = counts => never,
        () = shutdown.cancelled() => Ok(()),
    }
}

/// Records of a topic that are not done with; `None` where the log does not say.
pub async fn records<L: Log>(log: &L, topic: Topic) -> Option<u64> {
    let committed = log.committed(Group::Processor, topic).await.ok()?;
    let bounds = log.bounds(topic).await.ok()?;
    let each = bounds.iter().zip(committed);
    Some(each.map(|(at, done)| at.end.0.saturating_sub(done.unwrap_or(at.start).0)).sum())
}
