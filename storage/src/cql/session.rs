//! Sessions: connecting, and coming back.
//!
//! The driver's pools wait up to 10 s between two tries to reach a node that was away. That is long
//! when it is the only one, so a caller that finds no connection sets a task going that tries every
//! 250 ms to build a fresh session, and puts it in the place of the old one.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::select_ok;
use scylla::{
    authentication::{
        AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator,
    },
    client::{
        execution_profile::ExecutionProfile, session::Session as DriverSession,
        session_builder::SessionBuilder,
    },
    errors::ExecutionError,
    policies::load_balancing::DefaultPolicy,
    statement::Consistency,
};
use tokio::{net::TcpStream, sync::watch, time::Instant};

use super::{
    CqlConfig, CqlError, Login, error,
    schema::{self, LATEST},
    statements::{NotPrepared, Statements},
    tls,
};

/// How long a node may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a session may take to be ready.
const BUILD: Duration = Duration::from_secs(10);
/// How long the cluster may take to answer a request, all tries of the driver included.
pub(super) const REQUEST: Duration = Duration::from_secs(5);
/// How often a cluster that is away is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a caller waits for a cluster that is away: what is back within it is no error.
const WAIT: Duration = Duration::from_secs(2);
/// The generation of the first session.
const FIRST: u64 = 1;
/// How often an idle connection is tried.
const KEEPALIVE: Duration = Duration::from_secs(3);

/// A session of the driver.
pub(super) struct Session {
    pub(super) driver: DriverSession,
    /// Where its requests go.
    pub(super) datacenter: String,
}

/// A session, and the statements that were prepared in it.
pub(super) struct Connected {
    pub(super) session: DriverSession,
    pub(super) statements: Statements,
    /// Which session it is, counted from 1.
    generation: u64,
}

/// The session in use.
pub(super) struct Sessions {
    config: CqlConfig,
    current: ArcSwap<Connected>,
    /// How many sessions there have been.
    generation: watch::Sender<u64>,
    looking: AtomicBool,
}

impl Sessions {
    /// Connects, once the cluster answers; or says after `wait` why it does not.
    pub(super) async fn connect(config: CqlConfig, wait: Duration) -> Result<Arc<Self>, CqlError> {
        let connected = patiently(wait, || first(&config)).await?;
        Ok(Arc::new(Self {
            config,
            current: ArcSwap::from_pointee(connected),
            generation: watch::Sender::new(FIRST),
            looking: AtomicBool::new(false),
        }))
    }

    /// Makes a request. Where no node can be asked, waits a little for a fresh session and makes it
    /// again: all we ask may be asked twice.
    pub(super) async fn run<T, F: Future<Output = Result<T, ExecutionError>>>(
        self: &Arc<Self>,
        request: impl Fn(Arc<Connected>) -> F,
    ) -> Result<T, ExecutionError> {
        let deadline = Instant::now() + WAIT;
        loop {
            let connected = self.current.load_full();
            let used = connected.generation;
            let error = match request(connected).await {
                Err(error) if error::is_cut_off(&error) => error,
                result => return result,
            };
            self.look();
            // The sender lives as long as we do: an error is the time that is over.
            let mut generation = self.generation.subscribe();
            let fresh = generation.wait_for(|current| *current > used);
            let fresh = tokio::time::timeout_at(deadline, fresh).await;
            if fresh.is_err() {
                return Err(error);
            }
        }
    }

    /// Sets going a search for the cluster, if there is none yet.
    fn look(self: &Arc<Self>) {
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let sessions = Arc::downgrade(self);
        tracing::warn!("no connection to the CQL cluster is left; looking for it");
        tokio::spawn(async move {
            let since = Instant::now();
            while let Some(sessions) = Weak::upgrade(&sessions) {
                match sessions.reconnect().await {
                    Ok(()) => {
                        let away = since.elapsed().as_secs_f64();
                        tracing::info!(away, "connected to the CQL cluster again");
                        return;
                    }
                    // Nobody answers: that was said.
                    Err(CqlError::Unreachable { .. }) => {}
                    Err(error) => tracing::warn!(%error, "the CQL cluster can't be used yet"),
                }
                drop(sessions);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
    }

    async fn reconnect(&self) -> Result<(), CqlError> {
        let session = open(&self.config).await?;
        let next = *self.generation.borrow() + 1;
        self.current.store(Arc::new(prepared(&self.config, session, next).await?));
        // Before the others are woken, so that what fails for them from now on is looked into.
        self.looking.store(false, Ordering::Release);
        self.generation.send_replace(next);
        Ok(())
    }
}

/// Tries until it succeeds, fails for good, or `wait` is over.
pub(super) async fn patiently<T, F: Future<Output = Result<T, CqlError>>>(
    wait: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, CqlError> {
    let deadline = Instant::now() + wait;
    loop {
        match attempt().await {
            Err(error) if error.passes() && Instant::now() + LOOK_EVERY < deadline => {
                tracing::debug!(%error, "waiting for the CQL cluster");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            result => return result,
        }
    }
}

/// A session with a cluster that has our tables.
async fn first(config: &CqlConfig) -> Result<Connected, CqlError> {
    let session = open(config).await?;
    check_schema(config, &session).await?;
    prepared(config, session, FIRST).await
}

/// A session with the cluster, whatever keyspaces it has.
pub(super) async fn open(config: &CqlConfig) -> Result<Session, CqlError> {
    config.check()?;
    let contact = reach(config).await?;
    let context = config.tls.as_ref().map(|tls| tls::client_config(config, tls)).transpose()?;
    let mut profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .request_timeout(Some(REQUEST))
        .build()
        .into_handle();
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.hosts)
        .tls_context(context)
        .default_execution_profile_handle(profile.clone())
        .connection_timeout(CONNECT)
        // The node is told less, so that it is the one to say what took so long.
        .metadata_request_serverside_timeout(REQUEST - Duration::from_secs(1))
        .metadata_request_clientside_timeout(REQUEST)
        .hostname_resolution_timeout(Some(CONNECT))
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(REQUEST)
        .keyspaces_to_fetch([&config.keyspace])
        .tcp_nodelay(true);
    if let Some(login) = &config.login {
        builder = builder.authenticator_provider(Arc::new(PasswordFile(login.clone())));
    }
    let driver = match tokio::time::timeout(BUILD, builder.build()).await {
        Ok(Ok(driver)) => driver,
        Ok(Err(error)) => return Err(CqlError::connecting(config, &error)),
        Err(_) => {
            let why = format!("no answer within {} s", BUILD.as_secs());
            return Err(CqlError::Unreachable { hosts: config.names(), why });
        }
    };
    let datacenter = datacenter(config, &driver, contact)?;
    // Requests go to replicas, and stay in their datacenter: `LOCAL_QUORUM` means that of the node
    // that is asked.
    let policy = DefaultPolicy::builder().token_aware(true).prefer_datacenter(datacenter.clone());
    let local = profile.pointee_to_builder().load_balancing_policy(policy.build()).build();
    profile.map_to_another_profile(local);
    Ok(Session { driver, datacenter })
}

/// The configured datacenter, or that of the contact node that answered first.
fn datacenter(
    config: &CqlConfig,
    driver: &DriverSession,
    contact: SocketAddr,
) -> Result<String, CqlError> {
    let state = driver.get_cluster_state();
    let nodes = state.get_nodes_info();
    let Some(wanted) = &config.datacenter else {
        let contact = nodes.iter().find(|node| node.address.ip() == contact.ip());
        let found = contact.or_else(|| nodes.first()).and_then(|node| node.datacenter.clone());
        return found.ok_or_else(|| CqlError::NotServing {
            hosts: config.names(),
            why: "its nodes do not tell their datacenter".to_owned(),
        });
    };
    let mut known: Vec<&str> = nodes.iter().filter_map(|node| node.datacenter.as_deref()).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&wanted.as_str()) {
        return Ok(wanted.clone());
    }
    Err(CqlError::Datacenter {
        hosts: config.names(),
        datacenter: wanted.clone(),
        known: known.join(", "),
    })
}

/// Finds a contact host that accepts connections. The driver would log each one that does not as an
/// error, which is too much while we look for the cluster four times a second.
async fn reach(config: &CqlConfig) -> Result<SocketAddr, CqlError> {
    let attempts: Vec<_> = config.hosts.iter().map(|host| Box::pin(accepts(host))).collect();
    let unreachable = |why: String| CqlError::Unreachable { hosts: config.names(), why };
    if attempts.is_empty() {
        return Err(unreachable("none is named".to_owned()));
    }
    match select_ok(attempts).await {
        Ok((address, _)) => Ok(address),
        Err(error) => Err(unreachable(error.to_string())),
    }
}

async fn accepts(host: &str) -> io::Result<SocketAddr> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(host)).await;
    stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.peer_addr()
}

/// Prepares what we will ask.
async fn prepared(
    config: &CqlConfig,
    session: Session,
    generation: u64,
) -> Result<Connected, CqlError> {
    let session = session.driver;
    match Statements::prepare(&session, &config.keyspace).await {
        Ok(statements) => Ok(Connected { session, statements, generation }),
        Err(NotPrepared::Refused(error)) => Err(CqlError::preparing(config, &error)),
        Err(NotPrepared::Columns(table)) => Err(CqlError::Table {
            hosts: config.names(),
            keyspace: config.keyspace.clone(),
            table: table.to_owned(),
        }),
    }
}

/// Refuses a keyspace that was not made for this build.
async fn check_schema(config: &CqlConfig, session: &Session) -> Result<(), CqlError> {
    let (hosts, keyspace) = (config.names(), config.keyspace.clone());
    let session = &session.driver;
    if !schema::keyspace_exists(config, session).await? {
        return Err(CqlError::NoKeyspace { hosts, keyspace });
    }
    let found = schema::applied(config, session).await?.last().map_or(0, |file| file.version);
    match found {
        found if found < LATEST => {
            Err(CqlError::SchemaOlder { hosts, keyspace, found, wanted: LATEST })
        }
        found if found > LATEST => {
            Err(CqlError::SchemaNewer { hosts, keyspace, found, wanted: LATEST })
        }
        _ => Ok(()),
    }
}

/// Logs in with the password that the file holds at that moment: a new one counts with the next
/// connection.
struct PasswordFile(Login);

#[async_trait::async_trait]
impl AuthenticatorProvider for PasswordFile {
    async fn start_authentication_session(
        &self,
        authenticator: &str,
    ) -> Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError> {
        let password = tokio::fs::read_to_string(&self.0.password_file)
            .await
            .map_err(|error| error.to_string())?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        PlainTextAuthenticator::new(self.0.username.clone(), password)
            .start_authentication_session(authenticator)
            .await
    }
}
