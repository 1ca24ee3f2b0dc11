//! `visitors` and `notices`: what people asked of us, and what they were told.

use std::collections::BTreeSet;

use bytes::Bytes;
use schemas::{
    identity::{Sealed, VisitorId},
    ids::MessageHash,
    language::Language,
    time::{Epoch, EventTime},
    visitor::{FriendState, Person, VisitorAction},
};
use serde::Serialize;

use super::{Columns, Row, blob};
use crate::{
    error::StoreError,
    store::{Cells, Mutation, Order, Query, Store},
    table::{ColumnType::*, Life, Table, Value},
};

/// One row a person: see [`Person`]. Each column carries the time of the record that set it, so
/// that the store merges exactly as [`Person::merge`] does.
pub static VISITORS: Table = Table {
    name: "visitors",
    partition: &[("visitor", Blob)],
    clustering: &[],
    columns: &[
        ("erased_through", Int),
        ("undone", Set),
        ("friend", Int),
        ("friend_at", Int),
        ("language", Text),
        ("language_at", Int),
        ("last_wrote", Int),
    ],
    life: Life::Kept,
};

/// Alerts that LINE accepted for a person, for "my last notice".
pub static NOTICES: Table = Table {
    name: "notices",
    partition: &[("visitor", Blob)],
    clustering: &[("accepted_at", Int)],
    columns: &[("epoch", Int), ("sealed_job", Blob), ("language", Text)],
    life: Life::Retained,
};

const BLOCKED: i64 = 1;
/// Greater than `BLOCKED`: on a tie friend wins.
const FRIEND: i64 = 2;

/// The write that merges one record into its person's row; `None` where it says nothing lasting.
pub fn person_mutation(
    visitor: VisitorId,
    at: EventTime,
    action: &VisitorAction,
) -> Option<Mutation> {
    let mut columns = vec![None; VISITORS.columns.len()];
    let time = Some(Value::Int(at.0));
    match action {
        VisitorAction::Erase => columns[0] = time,
        VisitorAction::Undo(message) => {
            let message = Bytes::copy_from_slice(&message.0);
            columns[1] = Some(Value::Set(BTreeSet::from([message])));
        }
        VisitorAction::Followed | VisitorAction::ListedAsFriend => {
            columns[2] = Some(Value::Int(FRIEND));
            columns[3] = time;
        }
        VisitorAction::Unfollowed => {
            columns[2] = Some(Value::Int(BLOCKED));
            columns[3] = time;
        }
        VisitorAction::ChoseLanguage(language) => {
            columns[4] = Some(Value::Text(language.code().to_owned()));
            columns[5] = time;
        }
        VisitorAction::Wrote => columns[6] = time,
        VisitorAction::CodeRefused(_) | VisitorAction::NotRecorded(_) => return None,
    }
    Some(Mutation {
        table: &VISITORS,
        partition: vec![blob(&visitor.0)],
        clustering: Vec::new(),
        columns,
        timestamp: at.micros(),
    })
}

/// Reads a person's row; nothing known where there is none.
pub async fn read_person<S: Store>(store: &S, visitor: VisitorId) -> Result<Person, StoreError> {
    let query = Query {
        table: &VISITORS,
        partition: vec![blob(&visitor.0)],
        from: None,
        to: None,
        order: Order::Ascending,
        limit: 1,
        cursor: None,
    };
    let row = store.read(query).await?.rows.into_iter().next();
    row.map_or_else(|| Ok(Person::default()), person)
}

/// Reads a person's row back. An error means that the store holds what no version of us wrote.
pub fn person(cells: Cells) -> Result<Person, StoreError> {
    let mut columns = Columns::new(&VISITORS, cells);
    let erased_through = columns.int_or_none()?.map(EventTime);
    let undone = match columns.next() {
        None => BTreeSet::new(),
        Some(Value::Set(messages)) => messages
            .into_iter()
            .map(|message| message.as_ref().try_into().map(MessageHash))
            .collect::<Result<_, _>>()
            .map_err(|_| columns.broken())?,
        Some(_) => return Err(columns.broken()),
    };
    let friend = columns.int_or_none()?;
    let friend_at = columns.int_or_none()?.map(EventTime);
    let friend = match (friend_at, friend) {
        (Some(at), Some(FRIEND)) => Some((at, FriendState::Friend)),
        (Some(at), Some(BLOCKED)) => Some((at, FriendState::Blocked)),
        (None, None) => None,
        _ => return Err(columns.broken()),
    };
    let language = columns.text_or_none()?;
    let language_at = columns.int_or_none()?.map(EventTime);
    let language = match (language_at, language) {
        (Some(at), Some(code)) => {
            let language: Language = code.parse().map_err(|_| columns.broken())?;
            Some((at, language))
        }
        (None, None) => None,
        _ => return Err(columns.broken()),
    };
    let last_wrote = columns.int_or_none()?.map(EventTime);
    Ok(Person { erased_through, undone, friend, language, last_wrote })
}

/// An alert that LINE accepted for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeRow {
    /// The person.
    pub visitor: VisitorId,
    /// When LINE accepted it.
    pub accepted_at: EventTime,
    /// Which job, sealed.
    pub sealed_job: Sealed,
    /// In which language.
    pub language: Language,
}

impl Row for NoticeRow {
    const TABLE: &'static Table = &NOTICES;
    type Partition = VisitorId;

    fn partition(visitor: &VisitorId) -> Vec<Value> {
        vec![blob(&visitor.0)]
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: Self::partition(&self.visitor),
            clustering: vec![Value::Int(self.accepted_at.0)],
            columns: vec![
                Some(Value::Int(i64::from(self.sealed_job.epoch.0))),
                Some(Value::Blob(self.sealed_job.bytes.clone())),
                Some(Value::Text(self.language.code().to_owned())),
            ],
            timestamp: self.accepted_at.micros(),
        }
    }

    fn from_cells(visitor: &VisitorId, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            visitor: *visitor,
            accepted_at: EventTime(columns.int()?),
            sealed_job: Sealed { epoch: Epoch(columns.number()?), bytes: columns.blob()? },
            language: columns.parsed()?,
        })
    }
}
