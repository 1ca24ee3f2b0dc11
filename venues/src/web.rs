//! The pages of operators: plain HTML from this process, no script, nothing from elsewhere.
//!
//! ```text
//!  request ─▶ frame (language, cookie, client) ─▶ form (same site? token?) ─▶ a page ─▶ headers
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`browser`] | what is known of whoever asks |
//! | [`client`] | the address that a request comes from, behind proxies too |
//! | [`form`] | a form as it was sent, refused if another site made it |
//! | [`frame`] | error pages, and the headers of every answer |
//! | [`page`] | what stands on every page; fields and their errors |
//! | [`assets`] | the one stylesheet |
//! | [`start`] | the start page |
//! | [`public`] | what this is, guides, questions, contact |
//! | [`mail`] | the mail address, and the link that is sent there |
//! | [`facility`], [`rooms`], [`rooms_file`] | the questions |
//! | [`check`] | checking the answers, registering them, the end |
//! | [`flyers`] | flyers of what was registered, to look at and to print |
//! | [`manage`] | what was registered, to look at and to change |

pub mod assets;
pub mod browser;
pub mod check;
pub mod client;
pub mod facility;
pub mod flyers;
pub mod form;
pub mod frame;
pub mod mail;
pub mod manage;
pub mod page;
pub mod public;
pub mod rooms;
pub mod rooms_file;
pub mod start;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use schemas::{place_code::PlaceKeys, registry::Registry, time::EventTime};
use storage::{Log, LogError, Store, follow::Follower};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{browser::Browser, client::Network, flyers::Flyers, frame::Trouble};
use crate::{
    changes,
    config::{Authority, Config, Mail},
    draft::Drafts,
    flyer::Design,
    limits::Limits,
    mail::Postman,
    operator::{Operator, Operators},
    outbox::{Outbox, Post, Sender},
    scans::Scans,
};

/// The largest body: a list of rooms as a file.
const MAX_BODY_BYTES: usize = 1 << 20;

/// How often facilities are looked for that were removed long ago.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// What the pages work with.
pub struct Deps<L, S> {
    /// Where registrations go.
    pub log: L,
    /// Where drafts are.
    pub store: S,
    /// Place codes' keys.
    pub places: Arc<ArcSwap<PlaceKeys>>,
    /// How mail leaves.
    pub postman: Postman,
    /// What flyers have in common; nothing, and there are none, where the account isn't known.
    pub design: Option<Design>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
}

/// Whose pages these are, and how they are reached.
#[derive(Clone, Debug)]
pub struct Site {
    /// Whose.
    pub authority: Authority,
    /// The prefecture, or empty.
    pub prefecture: String,
    /// The LINE account's id, with its `@`, or empty.
    pub account_id: String,
    /// For how long visits are kept.
    pub retention_days: u32,
    /// Whether what is registered is looked at first.
    pub review: bool,
    /// The sender of mails.
    pub mail_from: String,
    /// Their address, without a slash at its end.
    pub url: String,
    /// Proxies that are believed.
    proxies: Vec<Network>,
}

impl Site {
    /// As configured; `listen` is where operators find us if nothing else is said.
    pub fn new(config: &Config, authority: Authority, mail: &Mail, listen: SocketAddr) -> Self {
        let url = match config.url.trim_end_matches('/') {
            "" => format!("http://{listen}"),
            url => url.to_owned(),
        };
        let proxies = config.trusted_proxies.iter().filter_map(|text| Network::parse(text));
        Self {
            authority,
            prefecture: config.prefecture.clone(),
            account_id: String::new(),
            retention_days: 28,
            review: config.review,
            mail_from: mail.from.clone(),
            url,
            proxies: proxies.collect(),
        }
    }

    /// What the public pages tell of the visitors' side.
    pub fn telling(self, account_id: &str, retention_days: u32) -> Self {
        Self { account_id: account_id.to_owned(), retention_days, ..self }
    }

    /// Whether browsers reach us by TLS.
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// The pages.
pub struct Web<L: Log, S> {
    pub(crate) site: Site,
    pub(crate) store: S,
    pub(crate) registry: Follower<L, Registry>,
    pub(crate) places: Arc<ArcSwap<PlaceKeys>>,
    pub(crate) clock: Arc<dyn Fn() -> EventTime + Send + Sync>,
    pub(crate) operators: Arc<Operators<S>>,
    pub(crate) drafts: Drafts<S>,
    pub(crate) outbox: Outbox<S>,
    pub(crate) limits: Limits,
    pub(crate) flyers: Flyers,
    pub(crate) scans: Scans<S>,
    /// Held while a facility is changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl<L: Log, S: Store> Web<L, S> {
    /// Begins to follow the places.
    pub fn new(
        config: &Config,
        site: Site,
        deps: Deps<L, S>,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let Deps { log, store, places, postman, design, clock } = deps;
        let registry = Follower::start(log, shutdown);
        let operators = Arc::new(Operators::new(store.clone()));
        let sender = Sender { authority: site.authority.name.clone(), url: site.url.clone() };
        let post = Post { postman, sender };
        let outbox = Outbox::new(store.clone(), Arc::clone(&operators), post, Arc::clone(&clock));
        Arc::new(Self {
            site,
            drafts: Drafts(store.clone()),
            scans: Scans::new(store.clone()),
            changing: tokio::sync::Mutex::new(()),
            store,
            registry,
            places,
            clock,
            operators,
            outbox,
            limits: Limits::new(config),
            flyers: Flyers::new(design),
        })
    }

    /// Whoever has this browser's session; [`Trouble::Expired`] if nobody.
    pub(crate) async fn operator(&self, browser: &Browser) -> Result<Operator, Trouble> {
        if !browser.known {
            return Err(Trouble::Expired);
        }
        let operator = self.operators.session(&browser.cookie, (self.clock)()).await?;
        operator.ok_or(Trouble::Expired)
    }

    /// Ready once the places are current; runs until `shutdown`.
    pub async fn run(
        &self,
        ready: watch::Sender<bool>,
        shutdown: CancellationToken,
    ) -> Result<(), LogError> {
        tokio::select! {
            current = self.registry.caught_up_at_last() => current?,
            () = shutdown.cancelled() => return Ok(()),
        }
        ready.send_replace(true);
        tokio::join!(self.outbox.run(shutdown.clone()), self.forget_removed(shutdown));
        Ok(())
    }

    /// Forgets what was removed long ago, until `shutdown`.
    async fn forget_removed(&self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(FORGET_EVERY);
        let forgetting = async {
            loop {
                tick.tick().await;
                let (days, now) = (self.site.retention_days, (self.clock)());
                match changes::forget_removed(&self.registry, days, now).await {
                    Ok(0) => {}
                    Ok(forgotten) => tracing::info!(forgotten, "removed facilities are forgotten"),
                    Err(error) => tracing::warn!(%error, "removed facilities can't be forgotten"),
                }
            }
        };
        shutdown.run_until_cancelled(forgetting).await;
    }
}

/// All pages, in all languages.
pub fn router<L: Log, S: Store>(web: Arc<Web<L, S>>) -> Router {
    let pages = Router::new()
        .route("/", get(start::show::<L, S>))
        .route("/register", get(mail::ask::<L, S>).post(mail::send::<L, S>))
        .route("/register/sent", get(mail::sent::<L, S>))
        .route("/link/{token}", get(mail::link::<L, S>).post(mail::open::<L, S>))
        .route("/register/continue", get(mail::go_on::<L, S>))
        .route("/register/facility", get(facility::ask::<L, S>).post(facility::answer::<L, S>))
        .route(
            "/register/days",
            get(facility::ask_days::<L, S>).post(facility::answer_days::<L, S>),
        )
        .route("/register/rooms", get(rooms::ask::<L, S>).post(rooms::answer::<L, S>))
        .route(
            "/register/rooms/file",
            get(rooms_file::ask::<L, S>).post(rooms_file::answer::<L, S>),
        )
        .route("/register/check", get(check::ask::<L, S>).post(check::answer::<L, S>))
        .route("/register/done", get(check::done::<L, S>))
        .route("/register/again", post(check::again::<L, S>))
        .route("/register/end", post(check::end::<L, S>))
        .route("/flyers/{facility}", get(flyers::of_facility::<L, S>))
        .route("/flyers/{facility}/{venue}", get(flyers::of_venue::<L, S>))
        .route("/flyers/{facility}/files/{format}", get(flyers::file::<L, S>))
        .route("/manage/link", get(mail::ask_to_manage::<L, S>).post(mail::send_to_manage::<L, S>))
        .route("/manage/link/sent", get(mail::sent::<L, S>))
        .merge(manage::routes::<L, S>())
        .merge(public::routes::<L, S>());
    Router::new()
        .nest("/easy", pages.clone())
        .nest("/en", pages.clone())
        .merge(pages)
        .with_state(Arc::clone(&web))
        .route(assets::PATH, get(assets::stylesheet))
        .fallback(|| async { Trouble::NotFound })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(web, frame::frame::<L, S>))
}
