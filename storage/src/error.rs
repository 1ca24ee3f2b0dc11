//! Errors of a log or a store, sorted by what the caller should do.

use std::error::Error;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Passing: the same call may succeed later. Retry with backoff.
    Transient,
    /// The backend asks for less. Slow down or shed, then retry.
    Saturated,
    /// This input can never succeed. Do not retry; reject it with the cause.
    Invalid,
    /// The backend can't go on (disk full, corruption, wrong schema). Stop and tell a person.
    Fatal,
}

macro_rules! backend_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, thiserror::Error)]
        #[error("{message}")]
        pub struct $name {
            kind: Kind,
            message: String,
            #[source]
            source: Option<Box<dyn Error + Send + Sync>>,
        }

        impl $name {
            /// An error of `kind`, described in one sentence: what, where, what to do. The
            /// sentence never holds personal data.
            pub fn new(kind: Kind, message: impl Into<String>) -> Self {
                Self { kind, message: message.into(), source: None }
            }

            /// The same, with what caused it.
            pub fn with_source(
                kind: Kind,
                message: impl Into<String>,
                source: impl Into<Box<dyn Error + Send + Sync>>,
            ) -> Self {
                Self { kind, message: message.into(), source: Some(source.into()) }
            }

            /// What to do about it.
            pub fn kind(&self) -> Kind {
                self.kind
            }
        }
    };
}

backend_error! {
    /// A call to a log failed.
    LogError
}

backend_error! {
    /// A call to a store failed.
    StoreError
}
