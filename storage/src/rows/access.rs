//! `api_tokens`: who may call the officials' API.

use std::{fmt, str::FromStr};

use schemas::{ids::OfficialId, time::EventTime};
use serde::Serialize;

use super::{Columns, Row, blob};
use crate::{
    error::StoreError,
    store::{Cells, Mutation},
    table::{ColumnType::*, Life, Table, Value},
};

/// Tokens of the officials' API, by hash: the token itself is kept nowhere.
pub static API_TOKENS: Table = Table {
    name: "api_tokens",
    partition: &[("token_hash", Blob)],
    clustering: &[],
    columns: &[("holder", Text), ("role", Text), ("created_at", Int)],
    life: Life::Kept,
};

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Role {
    /// Another system: may draft and look.
    Service,
    /// An official who drafts and looks.
    Drafter,
    /// An official who also approves, stops and decides.
    Approver,
}

impl Role {
    /// Its name in the API and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Service => "service",
            Role::Drafter => "drafter",
            Role::Approver => "approver",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is none of our roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of drafter, approver")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Role::Service, Role::Drafter, Role::Approver]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

/// A token of the officials' API. Tokens belong to a person: four eyes compares holders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenRow {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The official, or the service.
    pub holder: OfficialId,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: EventTime,
}

impl Row for TokenRow {
    const TABLE: &'static Table = &API_TOKENS;
    type Partition = [u8; 32];

    fn partition(token_hash: &[u8; 32]) -> Vec<Value> {
        vec![blob(token_hash)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.token_hash),
            clustering: Vec::new(),
            columns: vec![
                Some(Value::Text(self.holder.as_str().to_owned())),
                Some(Value::Text(self.role.name().to_owned())),
                Some(Value::Int(self.created_at.0)),
            ],
            timestamp: self.created_at.micros(),
        }
    }

    fn from_cells(token_hash: &[u8; 32], cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            token_hash: *token_hash,
            holder: columns.parsed()?,
            role: columns.parsed()?,
            created_at: EventTime(columns.int()?),
        })
    }
}
