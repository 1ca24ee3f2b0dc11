//! What goes wrong: while connecting, as a sentence for whoever set it up; later, sorted by kind.

use std::path::PathBuf;

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind as Setup, DbError,
    ExecutionError, MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use super::CqlConfig;
use crate::error::{Kind, StoreError};

/// A cluster that can't be used. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum CqlError {
    /// No contact node is there.
    #[error("no CQL node answers at {hosts} ({why}): start it, or correct hosts and ports")]
    Unreachable {
        /// Which were tried.
        hosts: String,
        /// What came instead of an answer.
        why: String,
    },
    /// A node answers, but too few of them serve.
    #[error(
        "the CQL cluster at {hosts} can't serve now ({why}): look at its nodes, then start again"
    )]
    NotServing {
        /// Which were asked.
        hosts: String,
        /// What they said.
        why: String,
    },
    /// The name of a keyspace has characters that it can't have.
    #[error(
        "{keyspace:?} can't be the name of a keyspace: use up to 48 of a-z, 0-9 and _, beginning with a letter"
    )]
    KeyspaceName {
        /// What was given.
        keyspace: String,
    },
    /// Without TLS, passwords and rows would cross a network in the clear.
    #[error(
        "the CQL node at {host} is not on this machine and would be spoken to without TLS: set cql.tls = true, or cql.plain_text = \"to any host\" where the network itself is protected"
    )]
    PlainText {
        /// The first that is elsewhere.
        host: String,
    },
    /// Wrong user name or password.
    #[error(
        "the CQL cluster at {hosts} refuses user {username:?} with the password in {password_file}: correct one of them"
    )]
    Login {
        /// Which.
        hosts: String,
        /// Who.
        username: String,
        /// Where the password was read.
        password_file: PathBuf,
    },
    /// The cluster wants to know who we are.
    #[error("the CQL cluster at {hosts} wants a login: set cql.username and cql.password_file")]
    LoginWanted {
        /// Which.
        hosts: String,
    },
    /// A file with a password or certificates can't be used.
    #[error("{file} can't be used for the link to the CQL cluster ({why}): check path and owner")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The node shows a certificate that can't be trusted.
    #[error(
        "the CQL node at {hosts} shows a certificate that is not trusted ({why}): check cql.ca_file, and that the certificate names the node"
    )]
    Certificate {
        /// Which.
        hosts: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no TLS with the node.
    #[error(
        "no TLS with the CQL node at {hosts} ({why}): check the port, and that the node has TLS switched on"
    )]
    Tls {
        /// Which.
        hosts: String,
        /// What came instead.
        why: String,
    },
    /// The system trusts nobody.
    #[error("the system has no trusted certificates ({why}): install some, or set cql.ca_file")]
    Authorities {
        /// Why.
        why: String,
    },
    /// The datacenter is none of the cluster's.
    #[error(
        "the CQL cluster at {hosts} has no datacenter {datacenter:?} but {known}: correct cql.datacenter"
    )]
    Datacenter {
        /// Which cluster.
        hosts: String,
        /// What was given.
        datacenter: String,
        /// What it has.
        known: String,
    },
    /// More copies are wanted than there are nodes to keep them.
    #[error(
        "datacenter {datacenter:?} of the CQL cluster at {hosts} has {nodes} nodes, too few for cql.replication = {replication}: wait until more have joined, or set it lower"
    )]
    TooFewNodes {
        /// Which cluster.
        hosts: String,
        /// Which datacenter.
        datacenter: String,
        /// How many nodes.
        nodes: usize,
        /// How many copies.
        replication: u8,
    },
    /// There is no keyspace yet.
    #[error("the CQL cluster at {hosts} has no keyspace {keyspace}: run `anshin migrate`")]
    NoKeyspace {
        /// Which cluster.
        hosts: String,
        /// Which keyspace.
        keyspace: String,
    },
    /// The schema is older than this build.
    #[error(
        "keyspace {keyspace} of the CQL cluster at {hosts} has schema {found}, this version needs {wanted}: run `anshin migrate`"
    )]
    SchemaOlder {
        /// Which cluster.
        hosts: String,
        /// Which keyspace.
        keyspace: String,
        /// Its version.
        found: i32,
        /// Ours.
        wanted: i32,
    },
    /// The schema is newer than this build.
    #[error(
        "keyspace {keyspace} of the CQL cluster at {hosts} has schema {found}, this version knows {wanted}: use a later version"
    )]
    SchemaNewer {
        /// Which cluster.
        hosts: String,
        /// Which keyspace.
        keyspace: String,
        /// Its version.
        found: i32,
        /// Ours.
        wanted: i32,
    },
    /// A table has other columns than its version says.
    #[error(
        "table {table} in keyspace {keyspace} of the CQL cluster at {hosts} is not as `anshin migrate` made it: use a keyspace of its own, or restore it"
    )]
    Table {
        /// Which cluster.
        hosts: String,
        /// Which keyspace.
        keyspace: String,
        /// Which table.
        table: String,
    },
    /// A file of the schema is not what was applied.
    #[error(
        "keyspace {keyspace} of the CQL cluster at {hosts} was made with another {file} than this version has: use a version of the same line, or another keyspace"
    )]
    SchemaChanged {
        /// Which cluster.
        hosts: String,
        /// Which keyspace.
        keyspace: String,
        /// Which file.
        file: &'static str,
    },
    /// The cluster says no.
    #[error("the CQL cluster at {hosts} refuses {what} ({why})")]
    Refused {
        /// Which cluster.
        hosts: String,
        /// What we wanted.
        what: String,
        /// What it said.
        why: String,
    },
}

impl CqlError {
    /// Whether waiting may help.
    pub(super) fn passes(&self) -> bool {
        matches!(self, CqlError::Unreachable { .. } | CqlError::NotServing { .. })
    }

    /// Why there is no session.
    pub(super) fn connecting(config: &CqlConfig, error: &NewSessionError) -> Self {
        let hosts = config.names();
        match error {
            NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
                ConnectionPoolError::Broken { last_connection_error },
            )) => Self::no_connection(config, last_connection_error),
            NewSessionError::FailedToResolveAnyHostname(_) => {
                Self::Unreachable { hosts, why: "no such host".to_owned() }
            }
            error => Self::Unreachable { hosts, why: error.to_string() },
        }
    }

    fn no_connection(config: &CqlConfig, error: &ConnectionError) -> Self {
        let hosts = config.names();
        match error {
            ConnectionError::IoError(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                match inner {
                    Some(rustls::Error::InvalidCertificate(error)) => {
                        Self::Certificate { hosts, why: error.to_string() }
                    }
                    Some(error) => Self::Tls { hosts, why: error.to_string() },
                    None => Self::Unreachable { hosts, why: error.to_string() },
                }
            }
            ConnectionError::ConnectionSetupRequestError(error) => match error.get_error() {
                Setup::DbError(DbError::AuthenticationError, why) => match &config.login {
                    Some(login) => Self::Login {
                        hosts,
                        username: login.username.clone(),
                        password_file: login.password_file.clone(),
                    },
                    None => Self::Refused { hosts, what: "us".to_owned(), why: why.clone() },
                },
                Setup::MissingAuthentication => Self::LoginWanted { hosts },
                // Not the database's words but those of our `PasswordFile`.
                Setup::StartAuthSessionError(why) => match &config.login {
                    Some(login) => {
                        Self::File { file: login.password_file.clone(), why: why.clone() }
                    }
                    None => Self::LoginWanted { hosts },
                },
                Setup::DbError(DbError::ProtocolError, why) => {
                    Self::Refused { hosts, what: "CQL version 4".to_owned(), why: why.clone() }
                }
                error => Self::Unreachable { hosts, why: error.to_string() },
            },
            error => Self::Unreachable { hosts, why: error.to_string() },
        }
    }

    /// Why a statement of ours that holds no person's data failed.
    pub(super) fn asking(config: &CqlConfig, what: &str, error: &ExecutionError) -> Self {
        let hosts = config.names();
        let kind = kind(error);
        match error {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(_, why))
                if kind == Kind::Fatal =>
            {
                Self::Refused { hosts, what: what.to_owned(), why: why.clone() }
            }
            error => Self::NotServing { hosts, why: error.to_string() },
        }
    }

    /// Why a statement can't be prepared.
    pub(super) fn preparing(config: &CqlConfig, error: &PrepareError) -> Self {
        let error = ExecutionError::PrepareError(error.clone());
        match Self::asking(config, "", &error) {
            Self::NotServing { hosts, why } if kind(&error) == Kind::Fatal => {
                Self::Refused { hosts, what: "a statement".to_owned(), why }
            }
            error => error,
        }
    }
}

/// What to do about a failed request.
///
/// Rows are checked before they are sent, so what the server calls invalid is our statement: the
/// schema is not what it was when we connected, which is fatal.
pub(super) fn kind(error: &ExecutionError) -> Kind {
    match error {
        ExecutionError::BadQuery(_) => Kind::Invalid,
        ExecutionError::LastAttemptError(attempt)
        | ExecutionError::PrepareError(PrepareError::AllAttemptsFailed {
            first_attempt: attempt,
        }) => attempt_kind(attempt),
        _ => Kind::Transient,
    }
}

fn attempt_kind(error: &RequestAttemptError) -> Kind {
    match error {
        RequestAttemptError::UnableToAllocStreamId => Kind::Saturated,
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_) => Kind::Invalid,
        RequestAttemptError::DbError(error, _) => match error {
            DbError::Overloaded | DbError::RateLimitReached { .. } => Kind::Saturated,
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::Unauthorized
            | DbError::ConfigError => Kind::Fatal,
            // Too few nodes, too slow, starting, or a fault of the server: all may pass.
            _ => Kind::Transient,
        },
        _ => Kind::Transient,
    }
}

/// Whether no node could be asked: then a fresh session may find one before this one does.
pub(super) fn is_cut_off(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::EmptyPlan
            | ExecutionError::ConnectionPoolError(_)
            | ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_))
    )
}

/// The same for callers of the store. The server's own words stay out where they could quote a row.
pub(super) fn into_store(what: &str, table: &str, error: ExecutionError) -> StoreError {
    let kind = kind(&error);
    let why = match &error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, why)) => match error {
            // It names user and table, or what is missing of our statement.
            DbError::Unauthorized | DbError::Invalid => format!("{error}: {why}"),
            error => error.to_string(),
        },
        error => error.to_string(),
    };
    StoreError::new(kind, format!("{what} table `{table}` failed: {why}"))
}
