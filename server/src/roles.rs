//! Puts the roles together in one process, starts and ends them.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use ingest::{
    ChannelSecret, ChannelSecrets,
    spool::{Spool, SpoolError, announce, drain},
};
use notifier::line::{LineClient, LineConfig};
use schemas::{identity::KeyRing, place_code::PlaceKeys};
use storage::{
    Kind, LogError,
    any::{AnyLog, AnyStore, StorePlace},
    embedded::{Clock, system_clock},
    follow::Follower,
    remote::Tools,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use venues::mail::Postman;

use crate::{
    admin::{self, Readiness},
    backends::{self, BackendError, Backends},
    config::{Config, ConfigError},
    counts::{self, Counts, SecretFile},
    flyers,
    keys::{self, KeyError},
    listener::{self, BindError, Limits},
};

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Webhooks.
    Ingest,
    /// Records → rows.
    Processor,
    /// Alerts and receipts.
    Notifier,
    /// The officials' API.
    Console,
    /// The operators' pages.
    Venues,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] =
        [Role::Ingest, Role::Processor, Role::Notifier, Role::Console, Role::Venues];
}

/// Why a process can't start. One sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file can't be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Log or store can't be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The spool can't be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The log can't be told of the spool.
    #[error("the log can't be told of the spool")]
    Spools(#[source] LogError),
    /// Tools can have no socket.
    #[error("the socket for tools can't be made in the data directory")]
    Tools(#[source] std::io::Error),
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The client for LINE can't be made.
    #[error("the HTTP client can't be made: the machine's certificates can't be read")]
    Client,
}

impl StartError {
    /// 64: usage or configuration; 69: something that is needed can't be had.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Config(_) | StartError::Keys(_) => 64,
            StartError::Backend(error) => error.exit_code(),
            StartError::Spool(_)
            | StartError::Spools(_)
            | StartError::Tools(_)
            | StartError::Bind(_)
            | StartError::Client => 69,
        }
    }
}

/// A role or listener ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{role} ended by itself: {why}")]
pub struct Ended {
    role: &'static str,
    why: String,
}

/// A process at work.
pub struct Running {
    /// Where webhooks come in.
    pub ingest: Option<SocketAddr>,
    /// Where the officials' API is.
    pub console: Option<SocketAddr>,
    /// Where the operators' pages are.
    pub venues: Option<SocketAddr>,
    /// Where the admin port is.
    pub admin: SocketAddr,
    /// What is ready.
    pub readiness: Readiness,
    log: AnyLog,
    store: AnyStore,
    stop: CancellationToken,
    failing: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Ended>>,
}

impl Running {
    /// The log, for whoever runs beside the roles in one process.
    pub fn log(&self) -> AnyLog {
        self.log.clone()
    }

    /// The store, likewise.
    pub fn store(&self) -> AnyStore {
        self.store.clone()
    }

    /// Begins to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns when the process has failed by itself: a role ended, and what follows is the end.
    pub async fn failed(&self) {
        self.failing.cancelled().await;
    }

    /// Waits for the end.
    pub async fn ended(self) -> Result<(), Ended> {
        let Self { task, log, store, stop, .. } = self;
        // They keep the data directory open.
        drop((log, store));
        let ended = task.await;
        drop(stop);
        ended.unwrap_or_else(|error| Err(Ended { role: "process", why: error.to_string() }))
    }
}

/// What roles share. A key file is read only where a role of the process needs it: the others run
/// where it is not mounted.
struct Held {
    visitors: Option<Visitors>,
    places: Option<Arc<ArcSwap<PlaceKeys>>>,
}

/// What ingest and notifier have, and nobody else.
struct Visitors {
    keys: Arc<ArcSwap<KeyRing>>,
    secrets: ChannelSecrets,
}

/// Starts roles in this process, by the machine's clock.
pub async fn start(config: Config, roles: &[Role]) -> Result<Running, StartError> {
    start_by(config, roles, system_clock()).await
}

/// Starts roles in this process, by a clock that a simulation moves.
pub async fn start_by(config: Config, roles: &[Role], clock: Clock) -> Result<Running, StartError> {
    let roles: BTreeSet<Role> = roles.iter().copied().collect();
    let has = |role| roles.contains(&role);
    if has(Role::Ingest) || has(Role::Notifier) {
        config.check_line()?;
    }
    let held = hold(&config, &roles)?;
    let preview_secret = SecretFile::of(&config)?;
    let counts_elsewhere = match has(Role::Console) && !has(Role::Notifier) {
        true => Some(Counts::there(&config)?),
        false => None,
    };
    let line = LineClient::new(&LineConfig {
        api_url: config.line.api_url.clone(),
        channel_id: config.line.channel_id.clone(),
        channel_secrets: config.channel_secrets().map_err(|p| ConfigError(vec![p]))?,
    })
    .map_err(|_| StartError::Client)?;
    let postman = match has(Role::Venues) {
        true => Some(postman(&config)?),
        false => None,
    };
    let design = match has(Role::Venues) {
        true => flyers::design(&config).map_err(|error| ConfigError(vec![format!("{error:#}")]))?,
        false => None,
    };
    let recorder = admin::recorder();
    let backends = backends::open(&config, clock.clone()).await?;
    let spool = match has(Role::Ingest) && !config.spool.dir.as_os_str().is_empty() {
        true => Some(Spool::open(&config.spool, clock())?),
        false => None,
    };
    let admin_listener = listener::bind("admin", config.admin.listen).await?;
    let ingest_listener = match has(Role::Ingest) {
        true => Some(listener::bind("ingest", config.ingest.listen).await?),
        false => None,
    };
    let console_listener = match has(Role::Console) {
        true => Some(listener::bind("console", config.console.listen).await?),
        false => None,
    };
    let venues_listener = match has(Role::Venues) {
        true => Some(listener::bind("venues", config.venues.listen).await?),
        false => None,
    };
    let preview_listener = match has(Role::Notifier) && preview_secret.is_some() {
        true => Some(listener::bind("preview", config.preview.listen).await?),
        false => None,
    };
    let address = |listener: &tokio::net::TcpListener| listener.local_addr().ok();
    let admin_address = address(&admin_listener).unwrap_or(config.admin.listen);
    let (ingest, console) =
        (ingest_listener.as_ref().and_then(address), console_listener.as_ref().and_then(address));

    let venues = venues_listener.as_ref().and_then(address);
    let readiness = Readiness::default();
    let (stop, work, listen) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let limits = Limits::from(&config.listener);
    let mut listeners = JoinSet::new();
    let mut tasks: JoinSet<Result<(), Ended>> = JoinSet::new();
    let (log, store) = (backends.log.clone(), backends.store.clone());

    let router = admin::router(readiness.clone(), recorder.clone(), line.clone());
    // The admin port answers until the very end.
    let admin_stop = CancellationToken::new();
    let at_once = Limits { linger: Duration::ZERO, ..limits };
    let admin_task =
        tokio::spawn(listener::serve(admin_listener, router, at_once, admin_stop.clone()));
    let upkeep = tokio::spawn(admin::upkeep(recorder));
    let mut watchers = watch_files(&config, &held);

    for embedded in &backends.held {
        let (embedded, stop) = (embedded.clone(), work.clone());
        // Before anything is ready: what says that it is can be reached by tools.
        let tools = Tools::listen(&embedded).map_err(StartError::Tools)?;
        tasks.spawn(async move {
            tokio::select! {
                served = tools.serve(stop) => {
                    served.map_err(|error| Ended { role: "tools' socket", why: error.to_string() })
                }
                // A process that can't write is of no use, and must not look as if it were.
                () = embedded.failed() => {
                    let why = "its data directory takes no more writes; the log says why";
                    Err(Ended { role: "storage", why: why.to_owned() })
                }
            }
        });
    }
    if has(Role::Processor) {
        let deps = processor::Deps { log: log.clone(), store: store.clone(), clock: clock.clone() };
        let (ready, stop) = (readiness.role("processor"), work.clone());
        tasks.spawn(async move { told("processor", processor::run(deps, ready, stop).await) });
    }
    if let Some(visitors) = held.visitors.as_ref().filter(|_| has(Role::Notifier)) {
        let deps = notifier::Deps {
            log: log.clone(),
            store: store.clone(),
            keys: Arc::clone(&visitors.keys),
            line,
            clock: clock.clone(),
        };
        let account_id = Some(config.line.account_id.clone()).filter(|id| !id.is_empty());
        let limits = notifier::Config {
            sending: config.sending.clone(),
            receipts: config.receipts.clone(),
            friends: config.friends.clone(),
            account_id,
        };
        let (ready, stop) = (readiness.role("notifier"), work.clone());
        tasks
            .spawn(async move { told("notifier", notifier::run(limits, deps, ready, stop).await) });
    }
    let preview = held.visitors.as_ref().map(|visitors| notifier::preview::Preview {
        log: log.clone(),
        store: store.clone(),
        keys: Arc::clone(&visitors.keys),
        clock: clock.clone(),
    });
    if let (Some(listener), Some(secret), Some(preview)) =
        (preview_listener, preview_secret, &preview)
    {
        let router = counts::router(preview.clone(), secret);
        listeners.spawn(listener::serve(listener, router, limits, listen.clone()));
    }
    let counts = counts_elsewhere.or_else(|| preview.map(Counts::Here));
    if let (Some(listener), Some(counts)) = (console_listener, counts) {
        let console = console::Console::new(&log, store.clone(), counts, clock.clone(), &work);
        let (ready, stop) = (readiness.role("console"), work.clone());
        let router = console::router(Arc::clone(&console));
        tasks.spawn(async move { told("console", console.run(ready, stop).await) });
        listeners.spawn(listener::serve(listener, router, limits, listen.clone()));
    }
    if let (Some(listener), Some(at), Some(places), Some(postman)) =
        (venues_listener, venues, &held.places, postman)
    {
        let (ready, stop) = (readiness.role("venues"), work.clone());
        let deps = venues::web::Deps {
            log: log.clone(),
            store: store.clone(),
            places: Arc::clone(places),
            postman,
            design,
            clock: clock.clone(),
        };
        let pages = &config.venues.limits;
        let site = venues::web::Site::new(pages, config.authority.clone(), &config.mail, at)
            .telling(&config.line.account_id, config.retention.days);
        let web = venues::web::Web::new(pages, site, deps, &work);
        let router = venues::web::router(Arc::clone(&web));
        tasks.spawn(async move { told("venues", web.run(ready, stop).await) });
        let limits = Limits { tells_peers: true, ..limits };
        listeners.spawn(listener::serve(listener, router, limits, listen.clone()));
    }
    let budget = Duration::from_secs(config.shutdown.budget_seconds);
    if let (Some(listener), Some(visitors), Some(places)) =
        (ingest_listener, held.visitors.as_ref(), &held.places)
    {
        let service = Follower::start(log.clone(), &work);
        let log = backends::log_for_webhooks(&config, &log).await?;
        if let Some(spool) = &spool {
            let spools = Follower::start(log.clone(), &work);
            let wait = Duration::from_secs(config.startup.wait_seconds);
            let announced = tokio::time::timeout(wait, announce(spool, &spools)).await;
            announced.unwrap_or_else(|_| Err(no_answer())).map_err(StartError::Spools)?;
            let full = (spool.full(), readiness.role("spool"));
            watchers.spawn(ready_unless(full.0, full.1));
            // What is left is told before the process is given up.
            let drained = drain(spool.clone(), log.clone(), spools, work.clone(), budget * 3 / 4);
            tasks.spawn(async move { told("spool", drained.await) });
        }
        let deps = ingest::Deps {
            log,
            spool,
            keys: Arc::clone(&visitors.keys),
            places: Arc::clone(places),
            secrets: Arc::clone(&visitors.secrets),
            bot: Some(config.line.bot_user_id.expose().to_owned()).filter(|id| !id.is_empty()),
            service,
            retention_days: config.retention.days,
            clock,
        };
        let ready = readiness.role("ingest");
        let ingest = ingest::Ingest::new(config.ingest.limits.clone(), deps, ready);
        listeners.spawn(listener::serve(listener, ingest.router(), limits, listen.clone()));
    }
    readiness.started();

    let (ending, ready) = (stop.clone(), readiness.clone());
    let failing = CancellationToken::new();
    let failed_by_itself = failing.clone();
    let task = tokio::spawn(async move {
        let failed = tokio::select! {
            () = ending.cancelled() => None,
            Some(ended) = tasks.join_next() => Some(by_itself(ended)),
        };
        ready.drain();
        if failed.is_some() {
            failed_by_itself.cancel();
        }
        let drained = tokio::time::timeout(budget, async {
            listen.cancel();
            while listeners.join_next().await.is_some() {}
            work.cancel();
            let mut last = Ok(());
            while let Some(ended) = tasks.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => last = Err(error),
                    Err(error) => last = Err(Ended { role: "a role", why: error.to_string() }),
                }
            }
            watchers.shutdown().await;
            upkeep.abort();
            admin_stop.cancel();
            // It may have been stopped in any state.
            let _ = admin_task.await;
            close(backends).await;
            last
        });
        match (failed, drained.await) {
            (Some(error), _) => Err(error),
            (None, Ok(last)) => last,
            (None, Err(_)) => Err(Ended {
                role: "process",
                why:
                    "it did not drain within shutdown.budget_seconds; nothing acknowledged is lost"
                        .to_owned(),
            }),
        }
    });
    Ok(Running {
        ingest,
        console,
        venues,
        admin: admin_address,
        readiness,
        log,
        store,
        stop,
        failing,
        task,
    })
}

async fn close(backends: Backends) {
    // In a process of its own, whoever else holds a handle is gone. Beside a demo or a test they
    // may not be: they close the directory with the last one.
    let closing = backends.close();
    let _ = tokio::time::timeout(Duration::from_secs(5), closing).await;
}

fn told<E: std::error::Error>(role: &'static str, ended: Result<(), E>) -> Result<(), Ended> {
    ended.map_err(|error| {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            why.push_str(": ");
            why.push_str(&error.to_string());
            source = error.source();
        }
        Ended { role, why }
    })
}

fn by_itself(ended: Result<Result<(), Ended>, tokio::task::JoinError>) -> Ended {
    let error = match ended {
        Ok(Ok(())) => Ended { role: "a role", why: "without an error".to_owned() },
        Ok(Err(error)) => error,
        Err(error) => Ended { role: "a role", why: error.to_string() },
    };
    tracing::error!(%error, "the process ends");
    error
}

fn hold(config: &Config, roles: &BTreeSet<Role>) -> Result<Held, StartError> {
    // Ingest seals visitors' ids, the notifier opens them.
    let visitors = match roles.contains(&Role::Ingest) || roles.contains(&Role::Notifier) {
        true => {
            let secrets = config.channel_secrets().map_err(|problem| ConfigError(vec![problem]))?;
            let secrets: Vec<_> =
                secrets.iter().map(|text| ChannelSecret::new(text.expose())).collect();
            Some(Visitors {
                keys: Arc::new(ArcSwap::from_pointee(keys::read_ring(&config.keys.file)?)),
                secrets: Arc::new(ArcSwap::from_pointee(secrets)),
            })
        }
        false => None,
    };
    let places = match roles.contains(&Role::Ingest) || roles.contains(&Role::Venues) {
        true => Some(Arc::new(ArcSwap::from_pointee(keys::read_places(&config.keys.places_file)?))),
        false => None,
    };
    Ok(Held { visitors, places })
}

/// What takes mails to operators.
fn postman(config: &Config) -> Result<Postman, ConfigError> {
    let data = match StorePlace::parse(&config.store.url) {
        Ok(StorePlace::Embedded(dir)) => Some(dir),
        _ => None,
    };
    Postman::new(&config.mail, data.as_deref())
        .map_err(|error| ConfigError(vec![error.to_string()]))
}

fn no_answer() -> LogError {
    LogError::new(Kind::Transient, "the log does not take the name of the spool")
}

/// A spool that is full makes its process unready.
async fn ready_unless(mut full: watch::Receiver<bool>, ready: watch::Sender<bool>) {
    loop {
        ready.send_replace(!*full.borrow_and_update());
        if full.changed().await.is_err() {
            return;
        }
    }
}

/// Keys and secrets are read again when their files change.
fn watch_files(config: &Config, held: &Held) -> JoinSet<()> {
    let mut watchers = JoinSet::new();
    if let Some(places) = &held.places {
        let file = config.keys.places_file.clone();
        watchers.spawn(keys::watch(file, Arc::clone(places), keys::read_places));
    }
    let Some(visitors) = &held.visitors else { return watchers };
    let file = config.keys.file.clone();
    watchers.spawn(keys::watch(file, Arc::clone(&visitors.keys), keys::read_ring));
    let file = config.line.channel_secrets_file.clone();
    if !file.as_os_str().is_empty() {
        let config = config.clone();
        watchers.spawn(keys::watch(file, Arc::clone(&visitors.secrets), move |path| {
            let secrets = config.channel_secrets().map_err(|problem| KeyError::Read {
                path: path.to_owned(),
                source: std::io::Error::other(problem),
            })?;
            Ok(secrets.iter().map(|text| ChannelSecret::new(text.expose())).collect())
        }));
    }
    watchers
}
