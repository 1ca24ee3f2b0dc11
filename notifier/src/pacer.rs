//! How fast requests leave us: never faster than LINE allows, slower when LINE says so.
//!
//! A permit is given iff `requests in flight + answers of the last second < rate`. LINE counts a
//! request somewhere between our sending it and our reading the answer, so no window of a second
//! at LINE ever holds more than `rate`, whatever the network does.
//!
//! Whatever else is done while a permit is held takes from the rate: all of it is done before. But
//! what is made ready long before it is sent is out of date, so no more is made ready than is sent in
//! a quarter of a second.
//!
//! Each sender takes at most half of what LINE allows a channel: two of them overlapping in a
//! fail-over stay within the limit without knowing of one another.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use storage::mutant;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{line::Endpoint, metrics};

/// The window that LINE's limits are about.
const WINDOW: Duration = Duration::from_secs(1);
/// After a 429 the rate grows back by this part of its maximum each second.
const GROWTH: f64 = 0.05;

/// What is made ready ahead is sent within this part of a second.
const AHEAD: f64 = 0.25;

/// Gives permits for one endpoint.
#[derive(Clone)]
pub struct Pacer {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    maximum: f64,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    rate: f64,
    grown_at: Instant,
    /// Requests that are made ready, or are and wait for a permit.
    ahead: usize,
    in_flight: usize,
    answered: VecDeque<Instant>,
    unready: VecDeque<oneshot::Sender<Ready>>,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// Leave to make one request ready.
pub struct Ready {
    shared: Arc<Shared>,
}

impl Ready {
    /// Waits for leave to make the request; none is given after the shutdown.
    pub async fn permit(self) -> Option<Permit> {
        let (give, permit) = oneshot::channel();
        self.shared.state.lock().waiting.push_back(give);
        self.shared.changed.notify_one();
        permit.await.ok()
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.shared.state.lock().ahead -= 1;
        self.shared.changed.notify_one();
    }
}

/// Leave to make one request. Dropping it says that the request is over.
pub struct Permit {
    shared: Arc<Shared>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.in_flight -= 1;
        state.answered.push_back(Instant::now());
        drop(state);
        self.shared.changed.notify_one();
    }
}

impl Pacer {
    /// Permits for at most `per_second` requests in any second, until `shutdown`.
    pub fn start(endpoint: Endpoint, per_second: u32, shutdown: &CancellationToken) -> Self {
        let maximum = f64::from(per_second.max(1));
        ::metrics::gauge!(metrics::RATE, "endpoint" => endpoint.name()).set(maximum);
        let state = State {
            rate: maximum,
            grown_at: Instant::now(),
            ahead: 0,
            in_flight: 0,
            answered: VecDeque::new(),
            unready: VecDeque::new(),
            waiting: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            endpoint,
            maximum,
            state: Mutex::new(state),
            changed: Notify::new(),
        });
        let pacing = Arc::clone(&shared);
        let stop = shutdown.clone();
        tokio::spawn(async move { stop.run_until_cancelled(pace(&pacing)).await });
        Self { shared }
    }

    /// Waits for leave to make a request ready; none is given after the shutdown.
    pub async fn ready(&self) -> Option<Ready> {
        let (give, ready) = oneshot::channel();
        self.shared.state.lock().unready.push_back(give);
        self.shared.changed.notify_one();
        ready.await.ok()
    }

    /// LINE said 429: half as fast from now on, then slowly back.
    pub fn too_fast(&self) {
        let mut state = self.shared.state.lock();
        // One burst of refusals halves once.
        if state.grown_at.elapsed() >= WINDOW / 4 || state.rate >= self.shared.maximum {
            state.rate = (state.rate / 2.0).max(1.0);
            state.grown_at = Instant::now();
            let (name, rate) = (self.shared.endpoint.name(), state.rate);
            drop(state);
            ::metrics::gauge!(metrics::RATE, "endpoint" => name).set(rate);
            tracing::warn!(endpoint = name, rate, "LINE says too fast");
        }
    }
}

async fn pace(shared: &Arc<Shared>) {
    loop {
        let next = give_what_is_due(shared);
        match next {
            // Permits come back, or somebody asks.
            None => shared.changed.notified().await,
            Some(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = shared.changed.notified() => {}
                }
            }
        }
    }
}

/// Gives every permit that may be given now; when to look again if somebody still waits.
fn give_what_is_due(shared: &Arc<Shared>) -> Option<Instant> {
    let mut state = shared.state.lock();
    let now = Instant::now();
    while state.answered.front().is_some_and(|at| *at + WINDOW <= now) {
        state.answered.pop_front();
    }
    let grown = now.duration_since(state.grown_at).as_secs_f64();
    if state.rate < shared.maximum && grown >= 1.0 {
        state.rate = (state.rate + shared.maximum * GROWTH * grown.floor()).min(shared.maximum);
        state.grown_at = now;
        ::metrics::gauge!(metrics::RATE, "endpoint" => shared.endpoint.name()).set(state.rate);
    }
    // On one machine there is one process: it sends what two would that do not share a governor.
    let governors = if mutant!("governor per process") { 2.0 } else { 1.0 };
    let mut given = Vec::new();
    while ((state.in_flight + state.answered.len()) as f64) < state.rate.floor() * governors {
        let Some(waiter) = state.waiting.pop_front() else { break };
        // Those who gave up waiting take no permit.
        if !waiter.is_closed() {
            state.in_flight += 1;
            given.push(waiter);
        }
    }
    let mut may_begin = Vec::new();
    while (state.ahead as f64) < (state.rate * AHEAD).max(1.0) {
        let Some(waiter) = state.unready.pop_front() else { break };
        if !waiter.is_closed() {
            state.ahead += 1;
            may_begin.push(waiter);
        }
    }
    let waits = !state.waiting.is_empty();
    let oldest = state.answered.front().map(|at| *at + WINDOW);
    drop(state);
    for waiter in given {
        // If they gave up just now, the permit drops and comes back.
        let _ = waiter.send(Permit { shared: Arc::clone(shared) });
    }
    for waiter in may_begin {
        let _ = waiter.send(Ready { shared: Arc::clone(shared) });
    }
    if waits { oldest.or(Some(now + WINDOW / 10)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn permit(pacer: &Pacer) -> Permit {
        let ready = pacer.ready().await.expect("leave to begin");
        ready.permit().await.expect("a permit")
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_rate() {
        let shutdown = CancellationToken::new();
        let pacer = Pacer::start(Endpoint::Multicast, 100, &shutdown);
        let mut tasks = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for n in 0..1_000_u64 {
            let pacer = pacer.clone();
            tasks.spawn(async move {
                let permit = permit(&pacer).await;
                let sent = Instant::now();
                tokio::time::sleep(Duration::from_millis(n % 300)).await;
                // LINE counts a request anywhere between these two.
                drop(permit);
                (sent, Instant::now())
            });
        }
        let mut counted: Vec<Instant> = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (sent, answered) = done.expect("a task");
            counted.push(if counted.len().is_multiple_of(2) { sent } else { answered });
        }
        counted.sort();
        for window in counted.windows(101) {
            assert!(window[100] - window[0] >= WINDOW - Duration::from_millis(300));
        }
        // It does get on: a thousand permits at a hundred a second, with answers up to 0.3 s late.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_made_ready_is_not_long_before_it_is_sent() {
        for (rate, longest) in [(100, Duration::from_millis(1_250)), (1, Duration::from_secs(2))] {
            let shutdown = CancellationToken::new();
            let pacer = Pacer::start(Endpoint::Multicast, rate, &shutdown);
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..4 * rate {
                let pacer = pacer.clone();
                tasks.spawn(async move {
                    let ready = pacer.ready().await.expect("leave to begin");
                    let begun = Instant::now();
                    drop(ready.permit().await);
                    begun.elapsed()
                });
            }
            while let Some(waited) = tasks.join_next().await {
                let waited = waited.expect("a task");
                assert!(waited <= longest, "{waited:?} at {rate} a second");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn too_fast_halves_and_grows_back() {
        let shutdown = CancellationToken::new();
        let pacer = Pacer::start(Endpoint::Multicast, 100, &shutdown);
        let rate = || pacer.shared.state.lock().rate;
        pacer.too_fast();
        pacer.too_fast();
        assert!((rate() - 50.0).abs() < 0.1);
        tokio::time::sleep(Duration::from_secs(4)).await;
        drop(permit(&pacer).await);
        assert!(rate() > 65.0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(permit(&pacer).await);
        assert!((rate() - 100.0).abs() < 0.1);
    }
}
