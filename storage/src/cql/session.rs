//! Connects to a CQL cluster; why a store can't be used.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use scylla::{
    authentication::{AuthError, AuthenticatorProvider, AuthenticatorSession},
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    policies::load_balancing::DefaultPolicy,
    statement::Consistency,
};

use crate::{embedded::Clock, kafka::is_loopback};

/// How often unreachable nodes are tried.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// A request that takes longer has failed, with an unknown outcome.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// A store on a CQL cluster: where, as whom.
#[derive(Clone)]
pub struct CqlConfig {
    /// `host:port` of some nodes.
    pub hosts: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The data centre whose nodes are asked; `None`: any.
    pub datacenter: Option<String>,
    /// Rows of retained tables live for so many days.
    pub retention_days: u32,
    /// What time it is.
    pub clock: Clock,
    /// TLS, always with verification of the node's certificate and name.
    pub tls: Option<Tls>,
    /// A user.
    pub login: Option<Login>,
    /// Whether a link without TLS may lead to another host than loopback.
    pub plain_text_to_any_host: bool,
}

/// TLS to the nodes.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authority that signed the nodes' certificates (PEM); `None`: the system's.
    pub ca_file: Option<PathBuf>,
}

/// A user of the nodes.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub username: String,
    /// A file with the password; read again for each connection.
    pub password_file: PathBuf,
}

impl fmt::Debug for CqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqlConfig")
            .field("hosts", &self.hosts)
            .field("keyspace", &self.keyspace)
            .finish_non_exhaustive()
    }
}

impl CqlConfig {
    pub(super) fn retention_micros(&self) -> i64 {
        i64::from(self.retention_days) * 86_400_000_000
    }

    /// Refuses a link that anybody on the way could read, unless it was asked for.
    pub fn check_hosts(&self) -> Result<(), CqlError> {
        let far = self.hosts.iter().find(|host| !is_loopback(host));
        match far.filter(|_| self.tls.is_none() && !self.plain_text_to_any_host) {
            Some(host) => Err(CqlError::PlainText { host: host.clone() }),
            None => Ok(()),
        }
    }

    fn at(&self) -> String {
        self.hosts.join(", ")
    }

    /// Sorts what the driver says by what a person can do about it.
    pub(super) fn failed(&self, error: &(dyn std::error::Error + 'static)) -> CqlError {
        let (mut text, mut source) = (error.to_string(), error.source());
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        let hosts = self.at();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["certificate", "UnknownIssuer", "TLS", "tls"]) {
            return CqlError::Tls { hosts, why: text };
        }
        if says(&[
            "AuthenticationError",
            "Authentication",
            "authentication",
            "username and/or password",
            "Bad credentials",
        ]) {
            return CqlError::Login { hosts };
        }
        if says(&["Keyspace", "keyspace"]) && says(&["does not exist", "doesn't exist"]) {
            return CqlError::NoKeyspace { keyspace: self.keyspace.clone() };
        }
        if says(&["does not exist", "unconfigured table", "Undefined column", "Unknown identifier"])
        {
            return CqlError::SchemaOlder { keyspace: self.keyspace.clone() };
        }
        CqlError::Unreachable { hosts, why: text }
    }
}

/// A CQL store can't be used. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum CqlError {
    /// No node answers.
    #[error(
        "the CQL store at {hosts} can't be reached: look whether it runs, and whether store.url names it ({why})"
    )]
    Unreachable {
        /// Where.
        hosts: String,
        /// What the driver says.
        why: String,
    },
    /// The certificate of a node is not trusted, or there is none.
    #[error(
        "the TLS link to the CQL store at {hosts} can't be made ({why}): look whether cql.ca_file signed the nodes' certificates"
    )]
    Tls {
        /// Where.
        hosts: String,
        /// What the TLS library says.
        why: String,
    },
    /// A node refuses the user.
    #[error(
        "the CQL store at {hosts} refuses user or password: look at cql.username and cql.password_file"
    )]
    Login {
        /// Where.
        hosts: String,
    },
    /// The link would be in plain text over a network.
    #[error(
        "the link to the CQL store at {host} would be in plain text: set cql.tls, or cql.plain_text = \"to any host\""
    )]
    PlainText {
        /// Where.
        host: String,
    },
    /// A file of the link can't be read.
    #[error("{file} can't be read: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The keyspace is not there.
    #[error("the CQL store has no keyspace {keyspace}: run `anshin migrate`")]
    NoKeyspace {
        /// Which.
        keyspace: String,
    },
    /// The schema is older than this build.
    #[error("the tables of keyspace {keyspace} are older than this version: run `anshin migrate`")]
    SchemaOlder {
        /// Which.
        keyspace: String,
    },
    /// The schema is newer than this build.
    #[error(
        "the tables of keyspace {keyspace} are of schema {found}, this version knows {known}: run the version that made them, or a later one"
    )]
    SchemaNewer {
        /// Which.
        keyspace: String,
        /// What is there.
        found: i32,
        /// What this build knows.
        known: i32,
    },
    /// A migration was not what this build has under its number.
    #[error(
        "schema {version} of keyspace {keyspace} was made by another file than this version's: use the version that made it"
    )]
    SchemaDiffers {
        /// Which.
        keyspace: String,
        /// The number.
        version: i32,
    },
    /// A statement of a migration failed.
    #[error("schema {version} can't be made: {why}")]
    Migration {
        /// The number.
        version: i32,
        /// What the server says.
        why: String,
    },
}

/// Connects; waits for the cluster for at most `wait`.
pub(super) async fn connect(config: &CqlConfig, wait: Duration) -> Result<Session, CqlError> {
    config.check_hosts()?;
    let deadline = Instant::now() + wait;
    loop {
        let why = match attempt(config).await {
            Ok(session) => return Ok(session),
            // What no waiting mends is told at once.
            Err(error @ CqlError::Unreachable { .. }) => error,
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return Err(why);
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

async fn attempt(config: &CqlConfig) -> Result<Session, CqlError> {
    let policy = DefaultPolicy::builder().token_aware(true);
    let policy = match &config.datacenter {
        Some(name) => policy.prefer_datacenter(name.clone()).permit_dc_failover(false),
        None => policy,
    };
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .request_timeout(Some(REQUEST_WITHIN))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.hosts)
        .connection_timeout(Duration::from_secs(3))
        .default_execution_profile_handle(profile.into_handle())
        .keyspaces_to_fetch([&config.keyspace])
        .tcp_nodelay(true)
        .driver_config_reporting(false);
    if let Some(tls) = &config.tls {
        builder = builder.tls_context(Some(client_tls(tls)?));
    }
    if let Some(login) = &config.login {
        read(&login.password_file)?;
        builder = builder.authenticator_provider(Arc::new(Password(login.clone())));
    }
    builder.build().await.map_err(|error| config.failed(&error))
}

fn read(file: &Path) -> Result<Vec<u8>, CqlError> {
    std::fs::read(file)
        .map_err(|error| CqlError::File { file: file.to_owned(), why: error.to_string() })
}

/// Certificates are read anew for each session.
fn client_tls(tls: &Tls) -> Result<Arc<rustls::ClientConfig>, CqlError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        Some(file) => {
            let broken = |why: String| CqlError::File { file: file.clone(), why };
            let pem = read(file)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| broken(error.to_string()))?;
                roots.add(certificate).map_err(|error| broken(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(broken("there is no certificate in it".to_owned()));
            }
        }
        None => {
            let (_, _) =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CqlError::Tls { hosts: String::new(), why: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Shows user and password; the password as the file has it at that moment.
struct Password(Login);

#[async_trait::async_trait]
impl AuthenticatorProvider for Password {
    async fn start_authentication_session(
        &self,
        _: &str,
    ) -> Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError> {
        let Login { username, password_file } = &self.0;
        let password = std::fs::read_to_string(password_file)
            .map_err(|_| "the file with the password can't be read".to_owned())?;
        let password = password.trim_end_matches(['\r', '\n']);
        let response = [b"\0", username.as_bytes(), b"\0", password.as_bytes()].concat();
        Ok((Some(response), Box::new(Shown)))
    }
}

/// The password was shown; there is nothing more to say.
struct Shown;

#[async_trait::async_trait]
impl AuthenticatorSession for Shown {
    async fn evaluate_challenge(&mut self, _: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
        Err("the server asks more than a password".to_owned())
    }

    async fn success(&mut self, _: Option<&[u8]>) -> Result<(), AuthError> {
        Ok(())
    }
}
