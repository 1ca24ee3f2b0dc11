//! Bearer token → person and role.

use axum::http::{HeaderMap, header};
use schemas::{ids::OfficialId, job::Actor};
use sha2::{Digest, Sha256};
use storage::{
    Store, StoreError,
    rows::{
        TypedStore,
        access::{Role, TokenRow},
    },
};

use crate::problem::Problem;

/// Who calls, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The official, or the service.
    pub holder: OfficialId,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// As records name them.
    pub fn actor(&self) -> Actor {
        match self.role {
            Role::Service => Actor::Service(self.holder.clone()),
            Role::Drafter | Role::Approver => Actor::Official(self.holder.clone()),
        }
    }

    /// Refuses everybody but persons who approve.
    pub fn must_approve(&self) -> Result<(), Problem> {
        match self.role {
            Role::Approver => Ok(()),
            Role::Service | Role::Drafter => Err(Problem::forbidden("承認者")),
        }
    }

    /// Refuses other systems.
    pub fn must_be_a_person(&self) -> Result<(), Problem> {
        match self.role {
            Role::Drafter | Role::Approver => Ok(()),
            Role::Service => Err(Problem::forbidden("職員")),
        }
    }
}

/// What a token is kept as.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Finds out who calls.
pub async fn caller<S: Store>(store: &S, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Err(Problem::unauthorized());
    };
    let found: Result<Option<TokenRow>, StoreError> = store.get(&token_hash(token)).await;
    match found {
        Ok(Some(row)) => Ok(Caller { holder: row.holder, role: row.role }),
        Ok(None) => Err(Problem::unauthorized()),
        Err(error) => {
            tracing::warn!(%error, "tokens can't be read");
            Err(Problem::unknown())
        }
    }
}
