//! What is done of a member's records, committed a few times a second: on a cluster each commit is
//! a record in a topic of the brokers, which costs more than the delivery that it is for.

use std::{collections::BTreeMap, time::Duration};

use schemas::topic::{Offset, Partition};
use tokio::time::Instant;

use crate::{
    error::{Kind, LogError},
    kill_point,
    log::{Delivery, Member, Record},
};

/// What was done for so long is committed.
const EVERY: Duration = Duration::from_millis(100);
/// How long somebody who leaves waits for the last commit.
const LAST: Duration = Duration::from_secs(1);

/// A member that commits what is [`done`](Self::done) by itself.
#[derive(Debug)]
pub struct Committing<M> {
    member: M,
    /// The first offset of each partition that is not done.
    done: BTreeMap<Partition, Offset>,
    /// When the next commit is due.
    due: Option<Instant>,
}

impl<M: Member> Committing<M> {
    /// A member that has done nothing yet.
    pub fn new(member: M) -> Self {
        Self { member, done: BTreeMap::new(), due: None }
    }

    /// Waits for what comes next, committing meanwhile. What is done of partitions that are taken
    /// away is committed before that is told.
    pub async fn next(&mut self) -> Result<Delivery, LogError> {
        loop {
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.commit().await?;
            }
            let due = self.due;
            tokio::select! {
                delivery = self.member.next() => {
                    if matches!(delivery, Ok(Delivery::Revoked(_))) {
                        self.commit().await?;
                        // If that failed, their next owner does it once more.
                        self.forget();
                    }
                    return delivery;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// Records that were delivered are done with: they need not come again.
    pub fn done(&mut self, records: &[Record]) {
        for record in records {
            self.done.insert(record.position.partition, record.position.offset.next());
        }
        self.due = self.due.or_else(|| Some(Instant::now() + EVERY));
    }

    /// Leaves, so that nothing that is done comes again, if the log answers soon.
    pub async fn leave(mut self) {
        if let Ok(Err(error)) = tokio::time::timeout(LAST, self.commit()).await {
            tracing::warn!(%error, "what was done last will be done once more");
        }
    }

    /// Commits what is done. What can't be committed now is tried again later.
    pub async fn commit(&mut self) -> Result<(), LogError> {
        let offsets: Vec<_> = self.done.iter().map(|(at, done)| (*at, *done)).collect();
        if offsets.is_empty() {
            self.forget();
            return Ok(());
        }
        match self.member.commit(&offsets).await {
            Ok(()) => {
                kill_point!("K13 committed");
                self.forget();
            }
            // They are somebody else's by now, who does them once more.
            Err(error) if error.kind() == Kind::Invalid => self.forget(),
            Err(error) if error.kind() == Kind::Fatal => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the commit will be tried again");
                self.due = Some(Instant::now() + EVERY);
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.done.clear();
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use bytes::Bytes;
    use parking_lot::Mutex;
    use schemas::topic::Topic;

    use super::*;
    use crate::log::Position;

    type Commits = Arc<Mutex<Vec<Vec<(u16, u64)>>>>;

    /// Gives what it was told to, then waits for ever; fails to commit as told.
    #[derive(Default)]
    struct Scripted {
        deliveries: VecDeque<Delivery>,
        failures: VecDeque<Kind>,
        commits: Commits,
    }

    impl Member for Scripted {
        async fn next(&mut self) -> Result<Delivery, LogError> {
            match self.deliveries.pop_front() {
                Some(delivery) => Ok(delivery),
                None => std::future::pending().await,
            }
        }

        async fn commit(&mut self, offsets: &[(Partition, Offset)]) -> Result<(), LogError> {
            if let Some(kind) = self.failures.pop_front() {
                return Err(LogError::new(kind, "a failure"));
            }
            self.commits.lock().push(offsets.iter().map(|(p, offset)| (p.0, offset.0)).collect());
            Ok(())
        }
    }

    fn records(partition: u16, offsets: impl IntoIterator<Item = u64>) -> Vec<Record> {
        let record = |offset| Record {
            position: Position {
                topic: Topic::Scans,
                partition: Partition(partition),
                offset: Offset(offset),
            },
            key: Bytes::new(),
            value: Bytes::new(),
            appended_at: 0,
        };
        offsets.into_iter().map(record).collect()
    }

    /// What is committed while somebody who has done this waits for more, in vain.
    async fn committed(
        script: Scripted,
        done: &[Vec<Record>],
    ) -> (Vec<Vec<(u16, u64)>>, Result<(), LogError>) {
        let commits = Arc::clone(&script.commits);
        let mut member = Committing::new(script);
        for records in done {
            member.done(records);
        }
        let waited = match tokio::time::timeout(EVERY * 10, member.next()).await {
            Ok(told) => told.map(drop),
            Err(_) => Ok(()),
        };
        (std::mem::take(&mut commits.lock()), waited)
    }

    #[tokio::test(start_paused = true)]
    async fn several_deliveries_are_one_commit_which_waits_for_no_other_delivery() {
        let done = [records(1, [0, 1]), records(2, [7]), records(1, [2, 5])];
        let (commits, waited) = committed(Scripted::default(), &done).await;
        waited.expect("nothing fails");
        assert_eq!(commits, [vec![(1, 6), (2, 8)]]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_committed_at_once_or_where_nothing_is_done() {
        let script = Scripted::default();
        let commits = Arc::clone(&script.commits);
        let mut member = Committing::new(script);
        assert!(tokio::time::timeout(EVERY * 10, member.next()).await.is_err());
        member.done(&records(1, [0]));
        assert!(tokio::time::timeout(EVERY / 2, member.next()).await.is_err());
        assert!(commits.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_away_is_committed_before_that_is_told() {
        for failures in [vec![], vec![Kind::Transient]] {
            let fails = !failures.is_empty();
            let script = Scripted {
                deliveries: [Delivery::Revoked(vec![Partition(1)])].into(),
                failures: failures.into(),
                ..Scripted::default()
            };
            let commits = Arc::clone(&script.commits);
            let mut member = Committing::new(script);
            member.done(&records(1, [0]));
            let told = member.next().await.expect("told");
            assert_eq!(told, Delivery::Revoked(vec![Partition(1)]));
            let expected = if fails { vec![] } else { vec![vec![(1, 1)]] };
            assert_eq!(*commits.lock(), expected);
            // It is somebody else's now.
            assert!(tokio::time::timeout(EVERY * 10, member.next()).await.is_err());
            assert_eq!(*commits.lock(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_commit_is_tried_again_as_far_as_that_helps() {
        let failing = |kinds: &[Kind]| Scripted {
            failures: kinds.iter().copied().collect(),
            ..Scripted::default()
        };
        let done = [records(1, [0])];
        let passing = failing(&[Kind::Transient, Kind::Saturated]);
        let (commits, waited) = committed(passing, &done).await;
        waited.expect("it passes");
        assert_eq!(commits, [vec![(1, 1)]]);

        let (commits, waited) = committed(failing(&[Kind::Invalid]), &done).await;
        waited.expect("somebody else does it once more");
        assert!(commits.is_empty());

        let (_, waited) = committed(failing(&[Kind::Fatal]), &done).await;
        assert_eq!(waited.expect_err("the log can't go on").kind(), Kind::Fatal);
    }

    #[tokio::test(start_paused = true)]
    async fn deliveries_that_never_end_keep_no_commit_off() {
        let script = Scripted {
            deliveries: (0..10).map(|n| Delivery::Records(records(1, [n]))).collect(),
            ..Scripted::default()
        };
        let commits = Arc::clone(&script.commits);
        let mut member = Committing::new(script);
        for _ in 0..10 {
            let Ok(Delivery::Records(records)) = member.next().await else { panic!("records") };
            member.done(&records);
            tokio::time::advance(EVERY * 6 / 10).await;
        }
        // Each second delivery finds one due.
        let expected: Vec<_> = [2, 4, 6, 8].map(|offset| vec![(1, offset)]).into();
        assert_eq!(*commits.lock(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_commits() {
        let script = Scripted::default();
        let commits = Arc::clone(&script.commits);
        let mut member = Committing::new(script);
        member.done(&records(1, [0]));
        member.leave().await;
        assert_eq!(*commits.lock(), [vec![(1, 1)]]);
    }
}
