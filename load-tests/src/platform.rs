//! A stand-in for the LINE platform, as strict as the real one: built against LINE's own OpenAPI
//! files and documented answers, and used by everything here as the judge of what was accepted.
//!
//! | module | what it does |
//! |---|---|
//! | [`api`] | the endpoints: who is asked what, in which order checks are made |
//! | [`check`] | bodies: sizes, ids, message objects; errors as documented |
//! | [`limits`] | token buckets, retry keys, reply tokens, quota |
//! | [`people`] | friends, blocked, friends from before |
//! | [`faults`] | what can be made to go wrong |
//! | [`journal`] | everything that was sent and accepted |
//! | `admin` | how a stand-in that runs by itself is steered |
//! | [`target`] | where webhooks may go |
//! | [`webhooks`] | events as LINE sends them: signed, several in a body, delivered again |
//!
//! It talks to loopback addresses only, but for replays ([`target`]). Its clock can be moved, so that what LINE does after 24
//! hours can be seen at once.

mod admin;
pub mod api;
pub mod check;
pub mod faults;
pub mod journal;
pub mod limits;
pub mod people;
pub mod target;
pub mod webhooks;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tower::ServiceExt;

use self::{faults::Faults, journal::Journal, limits::Limits, people::People};

/// Where a connection can't be accepted, the next is tried after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A clock that can be moved.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// The time, in ms since the Unix epoch.
    pub fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        ms + self.ahead_ms.load(Ordering::Relaxed)
    }

    /// Moves it forward.
    pub fn advance(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// The channel that the stand-in plays.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The bot's user id.
    pub bot_user_id: String,
    /// Whether the account is verified: only then friends are listed.
    pub verified: bool,
    /// Messages a month; `None`: unlimited.
    pub quota: Option<u64>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            id: "1656000000".to_owned(),
            secret: "8c570fa6dd201bb328f1c1eac23a96d8".to_owned(),
            bot_user_id: "U8e742f61d673b39c7fff3cecb7536ef0".to_owned(),
            verified: true,
            quota: None,
        }
    }
}

/// The stand-in.
pub struct Platform {
    /// The channel.
    pub channel: Mutex<Channel>,
    /// Its clock.
    pub clock: Clock,
    /// The people of LINE.
    pub people: Mutex<People>,
    /// What goes wrong.
    pub faults: Mutex<Faults>,
    /// What happened.
    pub journal: Mutex<Journal>,
    /// Told after each request of the journal.
    pub asked: Notify,
    limits: Mutex<Limits>,
    webhook_url: Mutex<String>,
}

impl Platform {
    /// A stand-in for this channel. `seed` decides which requests meet a fault.
    pub fn new(channel: Channel, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            limits: Mutex::new(Limits::new(channel.quota)),
            channel: Mutex::new(channel),
            clock: Clock::default(),
            people: Mutex::default(),
            faults: Mutex::new(Faults::new(seed)),
            journal: Mutex::default(),
            asked: Notify::new(),
            webhook_url: Mutex::new(String::new()),
        })
    }

    /// Serves the API on a loopback address until the returned handle is dropped.
    pub async fn serve(self: &Arc<Self>, address: SocketAddr) -> std::io::Result<Serving> {
        if !address.ip().is_loopback() {
            return Err(std::io::Error::other("the stand-in listens on loopback addresses only"));
        }
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router = api::router(Arc::clone(self)).merge(admin::router(Arc::clone(self)));
        let task = tokio::spawn(async move {
            // Connections end with the handle, too.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of file descriptors, say, in a burst of webhooks: it passes.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                connections.spawn(converse(stream, router.clone()));
            }
        });
        Ok(Serving { address, task })
    }

    /// Sets the monthly quota.
    pub fn set_quota(&self, quota: Option<u64>) {
        self.limits.lock().set_quota(quota);
    }

    /// Allows an endpoint so many requests a second; `None`: what LINE allows.
    pub fn allow(&self, endpoint: &'static str, per_second: Option<f64>) {
        self.limits.lock().allow(endpoint, per_second);
    }

    /// How many messages of the quota were used.
    pub fn consumption(&self) -> u64 {
        self.limits.lock().used()
    }
}

/// Marks an answer that never arrives: the connection breaks instead.
#[derive(Clone, Copy)]
pub(crate) struct Broken;

async fn converse(stream: tokio::net::TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<Broken>() {
                Some(Broken) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
                None => Ok(response),
            }
        }
    });
    // The product sees how it ended; nobody here has to.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A stand-in that is being served.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// The address as the product's `line.api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
