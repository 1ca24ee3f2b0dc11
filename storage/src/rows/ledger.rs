//! `chunks`, `attempts` and `outcomes`: the ledger of what was sent.
//!
//! Attempts and outcomes are only ever added, never changed: a last-write-wins cell would let a
//! sender that woke up late move the first stamp.

use bytes::Bytes;
use schemas::{
    identity::Sealed,
    ids::{JobId, PlanId},
    language::Language,
    sending::{ChunkNumber, Path, Way},
    time::{Epoch, EventTime},
};
use serde::Serialize;
use uuid::Uuid;

use super::{Columns, Row, blob, uuid_value};
use crate::{
    error::StoreError,
    store::{Cells, Mutation},
    table::{ColumnType::*, Life, Table, Value},
};

/// Frozen recipients.
pub static CHUNKS: Table = Table {
    name: "chunks",
    partition: &[("job", Blob), ("plan", Blob), ("chunk", Int)],
    clustering: &[],
    columns: &[
        ("language", Text),
        ("way", Text),
        ("epoch", Int),
        ("sealed_recipients", Blob),
        ("people", Int),
        ("hash", Blob),
        ("written_at", Int),
    ],
    life: Life::Kept,
};

/// What was about to be requested, written before each request.
pub static ATTEMPTS: Table = Table {
    name: "attempts",
    partition: &[("job", Blob), ("plan", Blob), ("chunk", Int), ("path", Text)],
    clustering: &[("attempted_at", Int), ("sender", Blob)],
    columns: &[("exclusions", Blob), ("body_hash", Blob)],
    life: Life::Kept,
};

/// What came of a request, written after it.
pub static OUTCOMES: Table = Table {
    name: "outcomes",
    partition: &[("job", Blob), ("plan", Blob), ("chunk", Int), ("path", Text)],
    clustering: &[("attempted_at", Int), ("sender", Blob)],
    columns: &[("result", Text), ("request_id", Text), ("answered_at", Int)],
    life: Life::Kept,
};

/// A chunk of a job's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ChunkKey {
    /// The job.
    pub job: JobId,
    /// The plan.
    pub plan: PlanId,
    /// The chunk.
    pub chunk: ChunkNumber,
}

impl ChunkKey {
    fn values(&self) -> Vec<Value> {
        vec![uuid_value(self.job.0), uuid_value(self.plan.0), Value::Int(i64::from(self.chunk.0))]
    }
}

/// A part of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PartKey {
    /// The chunk.
    pub chunk: ChunkKey,
    /// Which part of it.
    pub path: Path,
}

impl PartKey {
    fn values(&self) -> Vec<Value> {
        let mut values = self.chunk.values();
        values.push(Value::Text(self.path.as_str().to_owned()));
        values
    }
}

/// Frozen recipients: up to 500 of one language and one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChunkRow {
    /// Which chunk.
    pub key: ChunkKey,
    /// The language of all its people.
    pub language: Language,
    /// The way of all its people.
    pub way: Way,
    /// The recipients, sealed under the planning week's key.
    pub recipients: Sealed,
    /// How many.
    pub people: u32,
    /// SHA-256 of the recipients before sealing.
    pub hash: [u8; 32],
    /// When it was written, by the planner's clock.
    pub written_at: EventTime,
}

const fn way_name(way: Way) -> &'static str {
    match way {
        Way::Multicast => "multicast",
        Way::MulticastUnknown => "multicast_unknown",
        Way::Push => "push",
    }
}

impl Row for ChunkRow {
    const TABLE: &'static Table = &CHUNKS;
    type Partition = ChunkKey;

    fn partition(key: &ChunkKey) -> Vec<Value> {
        key.values()
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: self.key.values(),
            clustering: Vec::new(),
            columns: vec![
                Some(Value::Text(self.language.code().to_owned())),
                Some(Value::Text(way_name(self.way).to_owned())),
                Some(Value::Int(i64::from(self.recipients.epoch.0))),
                Some(Value::Blob(self.recipients.bytes.clone())),
                Some(Value::Int(i64::from(self.people))),
                Some(blob(&self.hash)),
                Some(Value::Int(self.written_at.0)),
            ],
            timestamp: self.written_at.micros(),
        }
    }

    fn from_cells(key: &ChunkKey, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        let language = columns.parsed()?;
        let way = columns.text()?;
        let way = [Way::Multicast, Way::MulticastUnknown, Way::Push]
            .into_iter()
            .find(|known| way_name(*known) == way)
            .ok_or_else(|| columns.broken())?;
        Ok(Self {
            key: *key,
            language,
            way,
            recipients: Sealed { epoch: Epoch(columns.number()?), bytes: columns.blob()? },
            people: columns.number()?,
            hash: columns.array()?,
            written_at: EventTime(columns.int()?),
        })
    }
}

/// A request that is about to be made. The oldest attempt of a part fixes exclusions and bytes for
/// all that follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    /// Which part.
    pub part: PartKey,
    /// When, by the sender's clock.
    pub attempted_at: EventTime,
    /// Which sender process.
    pub sender: Uuid,
    /// Places in the chunk's frozen list of people who are left out, as big-endian `u16`s.
    pub exclusions: Vec<u16>,
    /// SHA-256 of the request's body.
    pub body_hash: [u8; 32],
}

impl Row for AttemptRow {
    const TABLE: &'static Table = &ATTEMPTS;
    type Partition = PartKey;

    fn partition(part: &PartKey) -> Vec<Value> {
        part.values()
    }

    fn to_mutation(&self) -> Mutation {
        let exclusions: Vec<u8> =
            self.exclusions.iter().flat_map(|place| place.to_be_bytes()).collect();
        Mutation {
            table: Self::TABLE,
            partition: self.part.values(),
            clustering: vec![Value::Int(self.attempted_at.0), uuid_value(self.sender)],
            columns: vec![Some(Value::Blob(Bytes::from(exclusions))), Some(blob(&self.body_hash))],
            timestamp: self.attempted_at.micros(),
        }
    }

    fn from_cells(part: &PartKey, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        Ok(Self {
            part: part.clone(),
            attempted_at: EventTime(columns.int()?),
            sender: Uuid::from_bytes(columns.array()?),
            exclusions: columns
                .blob()?
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect(),
            body_hash: columns.array()?,
        })
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum SendResult {
    /// LINE took it (200), now or with an earlier request of the same key (409).
    Accepted,
    /// LINE answered that it did not take it: 429, 401, 403 or 400. The key is still free.
    Refused,
    /// LINE refuses the only recipient (400): the part is invalid and is not tried again.
    Invalid,
    /// LINE refuses one of several recipients (400): the part's halves are sent instead.
    Split,
    /// Everybody of the part had to be left out; nothing was requested.
    Empty,
    /// 5xx, no answer, a broken connection: LINE may or may not have taken it.
    Ambiguous,
    /// Ambiguous for so long that the key may be forgotten: officials decide.
    Undecided,
}

impl SendResult {
    /// All of them.
    pub const ALL: [SendResult; 7] = [
        SendResult::Accepted,
        SendResult::Refused,
        SendResult::Invalid,
        SendResult::Split,
        SendResult::Empty,
        SendResult::Ambiguous,
        SendResult::Undecided,
    ];

    /// Its name in the table and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            SendResult::Accepted => "accepted",
            SendResult::Refused => "refused",
            SendResult::Invalid => "invalid",
            SendResult::Split => "split",
            SendResult::Empty => "empty",
            SendResult::Ambiguous => "ambiguous",
            SendResult::Undecided => "undecided",
        }
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeRow {
    /// Which part.
    pub part: PartKey,
    /// The attempt's time.
    pub attempted_at: EventTime,
    /// The attempt's sender.
    pub sender: Uuid,
    /// What came of it.
    pub result: SendResult,
    /// LINE's id of the request that it accepted.
    pub request_id: Option<String>,
    /// When the answer came, by the sender's clock.
    pub answered_at: EventTime,
}

impl Row for OutcomeRow {
    const TABLE: &'static Table = &OUTCOMES;
    type Partition = PartKey;

    fn partition(part: &PartKey) -> Vec<Value> {
        part.values()
    }

    fn to_mutation(&self) -> Mutation {
        Mutation {
            table: Self::TABLE,
            partition: self.part.values(),
            clustering: vec![Value::Int(self.attempted_at.0), uuid_value(self.sender)],
            columns: vec![
                Some(Value::Text(self.result.name().to_owned())),
                self.request_id.clone().map(Value::Text),
                Some(Value::Int(self.answered_at.0)),
            ],
            timestamp: self.answered_at.micros(),
        }
    }

    fn from_cells(part: &PartKey, cells: Cells) -> Result<Self, StoreError> {
        let mut columns = Columns::new(Self::TABLE, cells);
        let attempted_at = EventTime(columns.int()?);
        let sender = Uuid::from_bytes(columns.array()?);
        let result = columns.text()?;
        let result = SendResult::ALL
            .into_iter()
            .find(|known| known.name() == result)
            .ok_or_else(|| columns.broken())?;
        Ok(Self {
            part: part.clone(),
            attempted_at,
            sender,
            result,
            request_id: columns.text_or_none()?,
            answered_at: EventTime(columns.int()?),
        })
    }
}
