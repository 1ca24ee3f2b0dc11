//! One hardened HTTP listener, for every role that has one: a bound on headers, on idle
//! connections, on how many there are; a drain that finishes what is under way.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::StatusCode,
    response::IntoResponse,
};
use hyper::{
    Request, Version,
    body::{Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{io::InspectReader, sync::CancellationToken, task::AbortOnDropHandle};
use tower::ServiceExt;

/// How long open requests have to end once the listener is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connections are still taken after that.
const LINGER: Duration = Duration::from_millis(250);

/// How often, within the shorter of its limits, connections are looked at for idle ones.
const LOOKS: u32 = 8;

/// How long the next request of a connection may be on its way: as long as LINE waits for an answer.
const ABOUT_TO_SPEAK: Duration = Duration::from_secs(2);

/// Headers of a request: whoever sends more gets 431.
const MAX_HEADERS: usize = 64;

/// A body of more bytes than this, or of who knows how many, may take longer to send than a connection
/// may be idle.
const LONG_BODY: u64 = 64 << 10;

/// How soon another idle connection is asked to give way where the first one doesn't.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A connection is closed where a header is not whole by then: the first one counts from when the
    /// connection was made, a later one from its first bytes.
    pub header_timeout: Duration,
    /// A connection that has had a request is closed after this without another, and without taking
    /// any of the answer.
    pub idle_timeout: Duration,
    /// Open connections; for one more the idlest gives way, or else it waits.
    pub max_connections: usize,
    /// A connection that was made or used so recently does not give way: its next request may be on
    /// its way.
    pub about_to_speak: Duration,
    /// Whether handlers can ask who asks (`ConnectInfo`): it costs every request an allocation.
    pub tells_peers: bool,
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
            about_to_speak: ABOUT_TO_SPEAK,
            tells_peers: false,
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
    // hyper's own time for headers would set up a timer for every request (see `Open::end_idle`), and
    // a limit on their number would take each request's out of the heap instead of the stack, which
    // has room for 100 (see `MAX_HEADERS`).
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
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
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
                // Whoever is asked may turn out to have a request after all: then the next is.
                let freed = async {
                    loop {
                        open.give_way(limits);
                        let slot = Arc::clone(&slots).acquire_owned();
                        if let Ok(slot) = tokio::time::timeout(ASK_AGAIN, slot).await {
                            return slot;
                        }
                    }
                };
                let freed = tokio::select! {
                    freed = freed => freed,
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
                let _busy = used.begin(request.version());
                if request.headers().len() > MAX_HEADERS {
                    let say = "Send fewer headers than that: 64 at most.";
                    return Ok((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, say).into_response());
                }
                let mut request = request.map(Body::new);
                if limits.tells_peers {
                    request.extensions_mut().insert(ConnectInfo(peer));
                }
                let response = router.oneshot(request).await;
                let response = response.unwrap_or_else(|never| match never {});
                let is_long =
                    response.body().size_hint().exact().is_none_or(|bytes| bytes > LONG_BODY);
                Ok::<_, Infallible>(match is_long {
                    true => response.map(|body| Body::new(OnItsWay { body, connection: used })),
                    false => response,
                })
            }
        });
        let heard = Arc::clone(&activity);
        let stream = InspectReader::new(stream, move |bytes: &[u8]| heard.hear(bytes));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // What has come in is read first: a connection with a request is not idle, however
                // long the request had to wait to be read.
                biased;
                // Errors of a connection are the peer's: reset, malformed, too slow.
                _ = connection => {}
                () = activity.gives_way() => {}
            }
            drop((listed, slot));
        });
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

    /// Asks the connection to end that has been without a request for longest, one that never had any
    /// before all others; none where that one may be about to have one.
    fn give_way(&self, limits: Limits) {
        let all = self.all.lock();
        let idle = all.1.values().filter_map(|activity| {
            let used = *activity.used.lock();
            (used.under_way == 0).then_some((used, activity))
        });
        if let Some((used, idlest)) = idle.min_by_key(|(used, _)| (used.ever, used.last))
            && used.idle() >= limits.about_to_speak
        {
            idlest.asked.notify_one();
        }
    }

    /// Asks connections to end that have been without a request, or amid a header, for longer than
    /// they may, for ever.
    /// One look at all of them now and then costs less than a timer in each, which every request
    /// would have to pass by.
    async fn end_idle(&self, limits: Limits) {
        let often = limits.header_timeout.min(limits.idle_timeout) / LOOKS;
        loop {
            tokio::time::sleep(often).await;
            for activity in self.all.lock().1.values() {
                let used = *activity.used.lock();
                let span = if used.ever { limits.idle_timeout } else { limits.header_timeout };
                let speaks = used.speaks.map_or(Duration::ZERO, |since| since.elapsed());
                if used.idle() > span || speaks > limits.header_timeout {
                    activity.asked.notify_one();
                }
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
    /// Told when the connection is to end.
    asked: Notify,
}

#[derive(Clone, Copy)]
struct Used {
    /// Requests that have begun and not ended.
    under_way: usize,
    /// Whether there was any.
    ever: bool,
    /// When one last ended, or a piece of an answer was last taken; before that, when the connection
    /// was made.
    last: Instant,
    /// When the first bytes came of what is no whole header yet.
    speaks: Option<Instant>,
    /// What comes in may be about the connection, not the beginning of a request: HTTP/2, which has
    /// limits of its own.
    has_frames: bool,
}

impl Default for Used {
    fn default() -> Self {
        let last = Instant::now();
        Self { under_way: 0, ever: false, last, speaks: None, has_frames: false }
    }
}

impl Used {
    /// How long there has been no request: nothing where there is one.
    fn idle(&self) -> Duration {
        if self.under_way > 0 { Duration::ZERO } else { self.last.elapsed() }
    }
}

impl Activity {
    /// What has come in.
    fn hear(&self, bytes: &[u8]) {
        let mut used = self.used.lock();
        if used.under_way == 0 && !used.has_frames && !bytes.is_empty() {
            used.speaks.get_or_insert_with(Instant::now);
        }
    }

    fn begin(self: &Arc<Self>, version: Version) -> Busy {
        let mut used = self.used.lock();
        (used.under_way, used.ever, used.speaks) = (used.under_way + 1, true, None);
        used.has_frames = version == Version::HTTP_2;
        Busy(Arc::clone(self))
    }

    /// Returns once it is asked to, and without a request: none that has begun is cut off.
    async fn gives_way(&self) {
        loop {
            self.asked.notified().await;
            // Meanwhile the sockets are looked at, and the connection reads what has come in.
            tokio::task::yield_now().await;
            if self.used.lock().under_way == 0 {
                return;
            }
        }
    }
}

/// A body that is being sent: a connection is not idle where the other side takes one piece after the
/// other, however slowly.
struct OnItsWay {
    body: Body,
    connection: Arc<Activity>,
}

impl HttpBody for OnItsWay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let piece = Pin::new(&mut self.body).poll_frame(context);
        if piece.is_ready() {
            self.connection.used.lock().last = Instant::now();
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
