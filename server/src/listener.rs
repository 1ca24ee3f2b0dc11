//! One hardened HTTP listener, for every role that has one: a bound on headers, on idle
//! connections, on how many there are; a drain that finishes what is under way.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long open requests have to end once the listener is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connections are still taken after that.
const LINGER: Duration = Duration::from_millis(250);

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A header that takes longer is given up; so is a connection that does not even begin one.
    pub header_timeout: Duration,
    /// A connection that has had a request is closed after this without another.
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
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(64);
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
        let last_request = Arc::new(Activity::default());
        let listed = open.list(&last_request);
        let (router, activity) = (router.clone(), Arc::clone(&last_request));
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, activity) = (router.clone(), Arc::clone(&activity));
            async move {
                let _busy = activity.begin();
                let response = router.oneshot(request.map(Body::new)).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // Errors of a connection are the peer's: reset, malformed, too slow.
                _ = connection => {}
                () = last_request.idle(limits) => {}
                () = last_request.gives_way.notified() => {}
            }
            drop((listed, slot));
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("connections were still open after the drain"),
    }
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    all: Mutex<(u64, HashMap<u64, Arc<Activity>>)>,
}

impl Open {
    /// Lists a connection for as long as what is returned lives.
    fn list(self: &Arc<Self>, activity: &Arc<Activity>) -> Listed {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, connections) = &mut *all;
        *number += 1;
        connections.insert(*number, Arc::clone(activity));
        Listed { open: Arc::clone(self), number: *number }
    }

    /// Ends the connection that has been without a request for longest, one that never had any before
    /// all others. Where there are only such as have one, nothing: they end by themselves.
    fn give_way(&self) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = all.1.values().filter_map(|activity| {
            let Used { under_way, ever, last } = activity.used();
            (under_way == 0).then_some(((ever, last), activity))
        });
        if let Some((_, idlest)) = idle.min_by_key(|(used, _)| *used) {
            idlest.gives_way.notify_one();
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
        let mut all = self.open.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.1.remove(&self.number);
    }
}

/// What a connection is used for.
struct Activity {
    used: Mutex<Used>,
    /// Told when the connection is to end for another's sake.
    gives_way: Notify,
}

#[derive(Clone, Copy)]
struct Used {
    /// Requests that have begun and not ended.
    under_way: usize,
    /// Whether there was any.
    ever: bool,
    /// When one last began or ended; before the first, when the connection was made.
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        let used = Used { under_way: 0, ever: false, last: Instant::now() };
        Self { used: Mutex::new(used), gives_way: Notify::new() }
    }
}

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.change(1);
        Busy(Arc::clone(self))
    }

    fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, by: isize) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = used.under_way.saturating_add_signed(by);
        *used = Used { under_way, ever: true, last: Instant::now() };
    }

    /// Returns once it has been without a request for longer than it may.
    async fn idle(&self, limits: Limits) {
        loop {
            let Used { under_way, ever, last } = self.used();
            let span = if ever { limits.idle_timeout } else { limits.header_timeout };
            let until = if under_way > 0 { Instant::now() + span } else { last + span };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(-1);
    }
}
