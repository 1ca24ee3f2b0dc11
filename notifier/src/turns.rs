//! Whose request is worked on next: so many at a time, and jobs take turns.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use schemas::ids::JobId;
use tokio::sync::oneshot;

/// Gives turns, so many at a time. A small job does not wait for the end of a large one.
#[derive(Clone)]
pub struct Turns {
    queues: Arc<Mutex<Queues>>,
}

struct Queues {
    free: usize,
    waiting: HashMap<JobId, VecDeque<oneshot::Sender<Turn>>>,
    /// The jobs that have somebody waiting, the next one first.
    order: VecDeque<JobId>,
}

/// Leave to work on one request. Dropping it gives it to the next.
pub struct Turn {
    queues: Arc<Mutex<Queues>>,
}

impl Turns {
    /// So many turns at a time.
    pub fn new(at_a_time: usize) -> Self {
        let queues = Queues { free: at_a_time, waiting: HashMap::new(), order: VecDeque::new() };
        Self { queues: Arc::new(Mutex::new(queues)) }
    }

    /// Waits for the job's next turn.
    pub async fn take(&self, job: JobId) -> Turn {
        let (give, given) = oneshot::channel();
        {
            let mut queues = self.queues.lock();
            let waiting = queues.waiting.entry(job).or_default();
            waiting.push_back(give);
            if waiting.len() == 1 {
                queues.order.push_back(job);
            }
        }
        give_what_is_free(&self.queues);
        match given.await {
            Ok(turn) => turn,
            // Whoever waits is in a queue until they are given one.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queues.lock().free += 1;
        give_what_is_free(&self.queues);
    }
}

fn give_what_is_free(queues: &Arc<Mutex<Queues>>) {
    while let Some(next) = queues.lock().next() {
        // One who gave up just now drops it, and it comes back.
        let _ = next.send(Turn { queues: Arc::clone(queues) });
    }
}

impl Queues {
    /// Takes a turn for whoever is next.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while self.free > 0 {
            let job = self.order.pop_front()?;
            let Some(queue) = self.waiting.get_mut(&job) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&job);
            } else {
                self.order.push_back(job);
            }
            // Those who gave up waiting take none.
            if let Some(next) = next.filter(|next| !next.is_closed()) {
                self.free -= 1;
                return Some(next);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn job(n: u128) -> JobId {
        JobId(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn a_small_job_is_not_stuck_behind_a_large_one() {
        let turns = Turns::new(10);
        let mut large = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let turns = turns.clone();
            large.spawn(async move {
                let _turn = turns.take(job(1)).await;
                tokio::task::yield_now().await;
            });
        }
        tokio::task::yield_now().await;
        for _ in 0..5 {
            drop(turns.take(job(2)).await);
        }
        let mut done = 0;
        while large.try_join_next().is_some() {
            done += 1;
        }
        assert!(done < 100, "{done} of the large job went before 5 of the small one");
        while large.join_next().await.is_some() {}
        assert_eq!(turns.queues.lock().free, 10);
    }

    #[tokio::test]
    async fn those_who_give_up_take_none() {
        let turns = Turns::new(1);
        let held = turns.take(job(1)).await;
        for _ in 0..10_000 {
            let waits = turns.take(job(1));
            tokio::select! {
                biased;
                _ = waits => panic!("there is only one"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(held);
        drop(turns.take(job(2)).await);
        let queues = turns.queues.lock();
        assert_eq!((queues.free, queues.waiting.len(), queues.order.len()), (1, 0, 0));
    }
}
