//! One hardened HTTP listener, for every role that has one: a bound on headers, on idle
//! connections, on how many there are; a drain that finishes what is under way.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long open requests have to end once the listener is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A header that takes longer is given up.
    pub header_timeout: Duration,
    /// A connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// Open connections; one more waits to be accepted.
    pub max_connections: usize,
}

impl From<&crate::config::Listener> for Limits {
    fn from(config: &crate::config::Listener) -> Self {
        Self {
            header_timeout: Duration::from_millis(config.header_timeout_ms),
            idle_timeout: Duration::from_millis(config.idle_timeout_ms),
            max_connections: config.max_connections,
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

/// Serves a router until `shutdown`; then no new connection is taken, and requests under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
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
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, say: it passes.
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Latency counts; the kernel refuses only for a connection that is gone already.
        let _ = stream.set_nodelay(true);
        let last_request = Arc::new(Activity::default());
        let (router, activity) = (router.clone(), Arc::clone(&last_request));
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, activity) = (router.clone(), Arc::clone(&activity));
            async move {
                let _busy = activity.begin();
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let response = router.oneshot(request).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let idle_timeout = limits.idle_timeout;
        tokio::spawn(async move {
            tokio::select! {
                // Errors of a connection are the peer's: reset, malformed, too slow.
                _ = connection => {}
                () = last_request.idle_for(idle_timeout) => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("connections were still open after the drain"),
    }
}

/// When a connection last had a request.
struct Activity {
    state: std::sync::Mutex<(usize, tokio::time::Instant)>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { state: std::sync::Mutex::new((0, tokio::time::Instant::now())) }
    }
}

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.change(1);
        Busy(Arc::clone(self))
    }

    fn change(&self, by: isize) {
        // Never poisoned: nothing below panics.
        if let Ok(mut state) = self.state.lock() {
            *state = (state.0.saturating_add_signed(by), tokio::time::Instant::now());
        }
    }

    /// Returns once there has been no request for so long.
    async fn idle_for(&self, span: Duration) {
        loop {
            let (open, last) = self.state.lock().map_or((0, tokio::time::Instant::now()), |s| *s);
            let until = if open > 0 { tokio::time::Instant::now() + span } else { last + span };
            if until <= tokio::time::Instant::now() {
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
