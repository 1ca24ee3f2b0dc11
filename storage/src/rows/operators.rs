//! `operator_tokens`, `registration_drafts`, `operators` and `outbox`: who registers places, and
//! how far they have come.
//!
//! All but `operators` end with retention: a registration that was given up leaves nothing.

use schemas::{ids::FacilityId, time::EventTime};
use serde::Serialize;

use super::{Columns, Row, Span, blob};
use crate::{
    error::StoreError,
    store::{Cells, Deletion, Mutation, Order},
    table::{ColumnType::*, Life, Table, Value},
};

/// Links in mails and cookies of operators, by hash: they themselves are kept nowhere.
pub static OPERATOR_TOKENS: Table = Table {
    name: "operator_tokens",
    partition: &[("token_hash", Blob)],
    clustering: &[],
    columns: &[
        ("purpose", Text),
        ("address", Text),
        ("made_at", Int),
        ("expires_at", Int),
        ("used_at", Int),
    ],
    life: Life::Retained,
};

/// What operators have entered so far: each save is a row, the latest counts.
pub static REGISTRATION_DRAFTS: Table = Table {
    name: "registration_drafts",
    partition: &[("operator", Blob)],
    clustering: &[("saved_at", Int)],
    columns: &[("draft", Text)],
    life: Life::Retained,
};

/// Which facilities an operator has registered.
pub static OPERATORS: Table = Table {
    name: "operators",
    partition: &[("operator", Blob)],
    clustering: &[("facility", Int)],
    columns: &[("address", Text), ("since", Int)],
    life: Life::Kept,
};

/// Mails that have not left yet.
pub static OUTBOX: Table = Table {
    name: "outbox",
    partition: &[("hour", Int)],
    clustering: &[("queued_at", Int), ("id", Blob)],
    columns: &[("letter", Text), ("claim", Text)],
    life: Life::Retained,
};

/// An operator: SHA-256 of the mail address as everybody writes it.
pub type OperatorId = [u8; 32];

/// A link or a cookie of an operator.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct OperatorTokenRow {
    /// SHA-256 over it.
    pub token_hash: [u8; 32],
    /// What it is good for.
    pub purpose: String,
    /// The operator's mail address.
    pub address: String,
    /// When it was made; also the write time of all columns.
    pub made_at: EventTime,
    /// When it ends.
    pub expires_at: EventTime,
    /// When it was used; it is good once.
    pub used_at: Option<EventTime>,
}

impl std::fmt::Debug for OperatorTokenRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorTokenRow").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl Row for OperatorTokenRow {
    const TABLE: &'static Table = &OPERATOR_TOKENS;
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
                Some(Value::Text(self.purpose.clone())),
                Some(Value::Text(self.address.clone())),
                Some(Value::Int(self.made_at.0)),
                Some(Value::Int(self.expires_at.0)),
                self.used_at.map(|at| Value::Int(at.0)),
            ],
            timestamp: self.made_at.micros(),
        }
    }

    fn from_cells(token_hash: &[u8; 32], cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            token_hash: *token_hash,
            purpose: columns.text()?,
            address: columns.text()?,
            made_at: EventTime(columns.int()?),
            expires_at: EventTime(columns.int()?),
            used_at: columns.int_or_none()?.map(EventTime),
        })
    }
}

/// What an operator had entered at some moment.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DraftRow {
    /// Whose.
    pub operator: OperatorId,
    /// When it was saved; each save is later than the one before.
    pub saved_at: EventTime,
    /// The answers, as JSON.
    pub draft: String,
}

impl std::fmt::Debug for DraftRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DraftRow").field("saved_at", &self.saved_at).finish_non_exhaustive()
    }
}

impl DraftRow {
    /// Asks for the latest row of an operator.
    pub fn latest() -> Span {
        Span { order: Order::Descending, limit: 1, ..Span::default() }
    }

    /// Deletes this row, once a later one is there.
    pub fn deletion(&self) -> Deletion {
        Deletion {
            table: Self::TABLE,
            partition: Self::partition(&self.operator),
            clustering: Some(vec![Value::Int(self.saved_at.0)]),
            timestamp: self.saved_at.micros(),
        }
    }
}

impl Row for DraftRow {
    const TABLE: &'static Table = &REGISTRATION_DRAFTS;
    type Partition = OperatorId;

    fn partition(operator: &OperatorId) -> Vec<Value> {
        vec![blob(operator)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.operator),
            clustering: vec![Value::Int(self.saved_at.0)],
            columns: vec![Some(Value::Text(self.draft.clone()))],
            timestamp: self.saved_at.micros(),
        }
    }

    fn from_cells(operator: &OperatorId, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            operator: *operator,
            saved_at: EventTime(columns.int()?),
            draft: columns.text()?,
        })
    }
}

/// A facility of an operator.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct OperatorRow {
    /// The operator.
    pub operator: OperatorId,
    /// The facility.
    pub facility: FacilityId,
    /// The operator's mail address.
    pub address: String,
    /// Since when.
    pub since: EventTime,
}

impl std::fmt::Debug for OperatorRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorRow").field("facility", &self.facility).finish_non_exhaustive()
    }
}

impl OperatorRow {
    /// Deletes it: the facility is no longer this operator's.
    pub fn deletion(&self, at: EventTime) -> Deletion {
        Deletion {
            table: Self::TABLE,
            partition: Self::partition(&self.operator),
            clustering: Some(vec![Value::Int(self.facility.as_u64().cast_signed())]),
            timestamp: at.micros(),
        }
    }
}

impl Row for OperatorRow {
    const TABLE: &'static Table = &OPERATORS;
    type Partition = OperatorId;

    fn partition(operator: &OperatorId) -> Vec<Value> {
        vec![blob(operator)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.operator),
            clustering: vec![Value::Int(self.facility.as_u64().cast_signed())],
            columns: vec![Some(Value::Text(self.address.clone())), Some(Value::Int(self.since.0))],
            timestamp: self.since.micros(),
        }
    }

    fn from_cells(operator: &OperatorId, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            operator: *operator,
            facility: FacilityId::from_u64(columns.int()?.cast_unsigned()),
            address: columns.text()?,
            since: EventTime(columns.int()?),
        })
    }
}

/// A mail that has not left yet. No secret is in it: its link is made when it leaves.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct OutboxRow {
    /// When it was written; also the write time of all columns.
    pub queued_at: EventTime,
    /// Its id, random.
    pub id: [u8; 16],
    /// To whom, in which language, what; as JSON.
    pub letter: String,
    /// Who is about to send it, since when; the greatest counts. Empty: nobody.
    pub claim: String,
}

impl std::fmt::Debug for OutboxRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxRow").field("queued_at", &self.queued_at).finish_non_exhaustive()
    }
}

impl OutboxRow {
    /// The hour that it is found under.
    pub fn hour(&self) -> i64 {
        self.queued_at.hour().0
    }

    /// Deletes it, once it has left.
    pub fn deletion(&self) -> Deletion {
        Deletion {
            table: Self::TABLE,
            partition: Self::partition(&self.hour()),
            clustering: Some(vec![Value::Int(self.queued_at.0), blob(&self.id)]),
            timestamp: self.queued_at.micros(),
        }
    }
}

impl Row for OutboxRow {
    const TABLE: &'static Table = &OUTBOX;
    type Partition = i64;

    fn partition(hour: &i64) -> Vec<Value> {
        vec![Value::Int(*hour)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.hour()),
            clustering: vec![Value::Int(self.queued_at.0), blob(&self.id)],
            columns: vec![
                Some(Value::Text(self.letter.clone())),
                Some(Value::Text(self.claim.clone())),
            ],
            timestamp: self.queued_at.micros(),
        }
    }

    fn from_cells(_: &i64, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            queued_at: EventTime(columns.int()?),
            id: columns.array()?,
            letter: columns.text()?,
            claim: columns.text()?,
        })
    }
}
