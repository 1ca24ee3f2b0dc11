//! What is done for each kind of error.

use std::{future::Future, time::Duration};

use rand::RngExt;
use tokio_util::sync::CancellationToken;

use crate::error::{Kind, LogError, StoreError};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// An error that says what to do about it.
pub trait HasKind: std::fmt::Display {
    /// What to do.
    fn kind(&self) -> Kind;
}

impl HasKind for LogError {
    fn kind(&self) -> Kind {
        self.kind()
    }
}

impl HasKind for StoreError {
    fn kind(&self) -> Kind {
        self.kind()
    }
}

/// How something that was tried for as long as it took came out.
#[derive(Debug)]
pub enum Tried<T, E> {
    /// It succeeded.
    Done(T),
    /// It never will (invalid or fatal).
    Failed(E),
    /// We are to stop; whether it succeeded is unknown.
    Stopped,
}

/// Tries until it succeeds, can't succeed, or we are to stop.
pub async fn retry<T, E: HasKind, F: Future<Output = Result<T, E>>>(
    what: &'static str,
    shutdown: &CancellationToken,
    mut attempt: impl FnMut() -> F,
) -> Tried<T, E> {
    let mut wait = FIRST;
    loop {
        let error = match attempt().await {
            Ok(value) => return Tried::Done(value),
            Err(error) => error,
        };
        match error.kind() {
            Kind::Invalid | Kind::Fatal => return Tried::Failed(error),
            Kind::Transient | Kind::Saturated => {}
        }
        tracing::warn!(what, %error, "will be tried again");
        let jittered = rand::rng().random_range(wait / 2..=wait);
        wait = (wait * 2).min(LONGEST);
        tokio::select! {
            () = tokio::time::sleep(jittered) => {}
            () = shutdown.cancelled() => return Tried::Stopped,
        }
    }
}
