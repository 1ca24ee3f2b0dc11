//! One hardened HTTP listener, for every role that has one: a bound on headers, on idle
//! connections, on how many there are; a drain that finishes what is under way.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::Semaphore, task::AbortHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tower::ServiceExt;

/// How long open requests have to end once the listener is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connections are still taken after that.
const LINGER: Duration = Duration::from_millis(250);

/// How often, within the shorter of its limits, connections are looked at for idle ones.
const LOOKS: u32 = 8;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A connection whose first request has no whole header by then is closed.
    pub header_timeout: Duration,
    /// A connection that has had a request is closed after this without another whole header: one
    /// that never ends holds no more than a connection that is idle.
    pub idle_timeout: Duration,
    /// Open connections; for one more the idlest gives way, or else it waits.
    pub max_connections: usize,
    /// After it was told to stop it takes connections for so long: whoever sends them here may not
    /// have seen yet that the process is not ready any more.
    pub linger: Duration,
}

impl From<&crate::config::Listener> for Limits {
    fn from(config: &crate::config::Listener) -> Self {
        Self {
            header_timeout: Duration::from_millis(config.header_timeout_ms),
            idle_timeout: Duration::from_millis(config.idle_timeout_ms),
            max_connections: config.max_connections,
            linger: LINGER,
        }
    }
}

/// Binds an address.
pub async fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError {
        name: name.to_owned(),
        address,
        source,
    })
}

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{name}.listen: {address} can't be listened on: {source}")]
pub struct BindError {
    name: String,
    address: SocketAddr,
    source: std::io::Error,
}

/// Serves a router until `shutdown`, and a little longer; then no new connection is taken, and
/// requests under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let open = Arc::new(Open::default());
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's own time for headers would set up a timer for every request, and a limit on their
    // number would take each request's out of the heap instead of the stack (which has room for 100):
    // see `Open::end_idle`.
    builder.http1().header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    let mut closing = std::pin::pin!(async {
        shutdown.cancelled().await;
        tokio::time::sleep(limits.linger).await;
    });
    let end_idle = AbortOnDropHandle::new(tokio::spawn({
        let open = Arc::clone(&open);
        async move { open.end_idle(limits).await }
    }));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut closing => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, say: it passes.
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let slot = match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                open.give_way();
                let freed = tokio::select! {
                    freed = Arc::clone(&slots).acquire_owned() => freed,
                    () = &mut closing => break,
                };
                let Ok(slot) = freed else { break };
                slot
            }
        };
        // Latency counts; the kernel refuses only for a connection that is gone already.
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let listed = open.list(&activity);
        let (router, used) = (router.clone(), Arc::clone(&activity));
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, used) = (router.clone(), Arc::clone(&used));
            async move {
                let Some(_busy) = used.begin() else { return std::future::pending().await };
                let response = router.oneshot(request.map(Body::new)).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let task = tokio::spawn(async move {
            // Errors of a connection are the peer's: reset, malformed, too slow.
            let _ = connection.await;
            drop((listed, slot));
        });
        // Only here is it set.
        let _ = activity.task.set(task.abort_handle());
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("connections were still open after the drain"),
    }
    drop(end_idle);
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    all: Mutex<(u64, HashMap<u64, Arc<Activity>>)>,
}

impl Open {
    /// Lists a connection for as long as what is returned lives.
    fn list(self: &Arc<Self>, activity: &Arc<Activity>) -> Listed {
        let mut all = self.all.lock();
        let (number, connections) = &mut *all;
        *number += 1;
        connections.insert(*number, Arc::clone(activity));
        Listed { open: Arc::clone(self), number: *number }
    }

    /// Ends the connection that has been without a request for longest, one that never had any before
    /// all others. Where there are only such as have one, nothing: they end by themselves.
    fn give_way(&self) {
        let all = self.all.lock();
        let idle = all.1.values().filter_map(|activity| {
            let used = *activity.used.lock();
            (used.under_way == 0).then_some(((used.ever, used.last), activity))
        });
        if let Some((_, idlest)) = idle.min_by_key(|(used, _)| *used) {
            idlest.end_if(|_| true);
        }
    }

    /// Ends connections that have been without a request for longer than they may, for ever. One
    /// look at all of them now and then costs less than a timer in each, which every request would
    /// have to pass by.
    async fn end_idle(&self, limits: Limits) {
        let often = limits.header_timeout.min(limits.idle_timeout) / LOOKS;
        loop {
            tokio::time::sleep(often).await;
            let now = Instant::now();
            for activity in self.all.lock().1.values() {
                activity.end_if(|used| {
                    let span = if used.ever { limits.idle_timeout } else { limits.header_timeout };
                    now > used.last + span
                });
            }
        }
    }
}

/// A connection's place among those that are open.
struct Listed {
    open: Arc<Open>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.open.all.lock().1.remove(&self.number);
    }
}

/// What a connection is used for.
#[derive(Default)]
struct Activity {
    used: Mutex<Used>,
    /// What ends the connection.
    task: OnceLock<AbortHandle>,
}

#[derive(Clone, Copy)]
struct Used {
    /// Requests that have begun and not ended.
    under_way: usize,
    /// Whether there was any.
    ever: bool,
    /// When one last ended; before that, when the connection was made.
    last: Instant,
    /// Whether the connection is being ended: no request begins any more.
    ending: bool,
}

impl Default for Used {
    fn default() -> Self {
        Self { under_way: 0, ever: false, last: Instant::now(), ending: false }
    }
}

impl Activity {
    /// Notes that a request begins, unless the connection is being ended.
    fn begin(self: &Arc<Self>) -> Option<Busy> {
        let mut used = self.used.lock();
        if used.ending {
            return None;
        }
        (used.under_way, used.ever) = (used.under_way + 1, true);
        Some(Busy(Arc::clone(self)))
    }

    /// Ends the connection if it is without a request and `idle` says so. No request that has begun
    /// is cut off.
    fn end_if(&self, idle: impl FnOnce(&Used) -> bool) {
        let mut used = self.used.lock();
        if used.under_way == 0
            && idle(&used)
            && let Some(task) = self.task.get()
        {
            used.ending = true;
            task.abort();
        }
    }
}

/// A request that is under way.
struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut used = self.0.used.lock();
        (used.under_way, used.last) = (used.under_way - 1, Instant::now());
    }
}
