//! The contract of a log: an ordered, durable, partitioned sequence of records.

use std::{future::Future, ops::Range};

use bytes::Bytes;
use schemas::topic::{Offset, Partition, Topic};
use serde::{Deserialize, Serialize};

use crate::error::LogError;

/// A record on its way into the log. Its partition follows from its key
/// ([`Topic::partition_of`]), on every backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// Where it goes.
    pub topic: Topic,
    /// Records of one key keep their order.
    pub key: Bytes,
    /// The encoded record ([`schemas::wire`]).
    pub value: Bytes,
}

/// Where an appended record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: Partition,
    /// Its offset within the partition.
    pub offset: Offset,
}

/// A record read from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it lies.
    pub position: Position,
    /// Its key.
    pub key: Bytes,
    /// The encoded record.
    pub value: Bytes,
    /// When the log took it, by the log's clock, in ms since the Unix epoch. For measuring lag;
    /// never for meaning.
    pub appended_at: i64,
}

/// The name of a set of members that share the partitions of a topic between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Group {
    /// Turns records into rows. Its committed offsets on `scans` and `visitors` are what the
    /// planner's read barrier waits for.
    Processor,
    /// Answers visitors.
    Receipts,
    /// On `jobs`: whoever is assigned its one partition is the active planner and sender.
    Sender,
    /// Deletes the rows of people who asked to be forgotten.
    Hygiene,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 4] = [Group::Processor, Group::Receipts, Group::Sender, Group::Hygiene];

    /// The name on every backend.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Processor => "processor",
            Group::Receipts => "receipts",
            Group::Sender => "sender",
            Group::Hygiene => "hygiene",
        }
    }
}

/// An ordered, durable, partitioned log.
///
/// ```text
///              start        committed            end
///                │              │                 │
///   ─────────────┼──────────────┼─────────────────┼────────▶ offsets of one partition
///     dropped by │     done     │  delivered      │  not yet
///     retention  │  (by group)  │  again after a  │  written
///                │              │  crash          │
/// ```
///
/// What every backend promises, and [`crate::conformance`] checks:
///
/// 1. **Durable before `Ok`.** A record whose append returned `Ok` survives the death of the
///    process and of the machine, and is read by every later reader.
/// 2. **A result for each record.** `append` answers in the order of its input; some may have
///    failed where others succeeded. An error means *unknown*: the record may be in the log.
///    Appending it again may make a second copy; readers must bear that.
/// 3. **Order.** Records of one partition are read in one order, the same for every reader, and
///    records of one call that share a partition and succeed are in the order of the call.
///    Nothing is promised between partitions.
/// 4. **Offsets** rise within a partition, not always by one. `bounds` is `start..end`, `end`
///    being one past the last record that any reader may see.
/// 5. **At least once.** A member of a group is given every record from the committed offset on,
///    or from `start` where nothing was committed. Records delivered and not committed come again,
///    to this member or another.
/// 6. **Ownership.** [`Delivery::Assigned`] precedes the first record of a partition;
///    [`Delivery::Revoked`] comes before anybody else is assigned it wherever the member is alive
///    to take it. Commits made between receiving `Revoked` and the following `next` still count.
///    A member that was presumed dead learns of it by a commit error of kind
///    [`crate::Kind::Invalid`], and by `Revoked`.
pub trait Log: Clone + Send + Sync + 'static {
    /// A member of a group.
    type Member: Member;
    /// A reader outside any group.
    type Reader: Reader;

    /// Appends records and waits until they are durable.
    fn append(
        &self,
        records: Vec<Append>,
    ) -> impl Future<Output = Vec<Result<Position, LogError>>> + Send;

    /// `start..end` of every partition of the topic, by partition index.
    fn bounds(
        &self,
        topic: Topic,
    ) -> impl Future<Output = Result<Vec<Range<Offset>>, LogError>> + Send;

    /// What the group has committed, by partition index; `None` where it never did.
    fn committed(
        &self,
        group: Group,
        topic: Topic,
    ) -> impl Future<Output = Result<Vec<Option<Offset>>, LogError>> + Send;

    /// Joins a group on one topic. Leaving is dropping the member.
    fn join(
        &self,
        group: Group,
        topic: Topic,
    ) -> impl Future<Output = Result<Self::Member, LogError>> + Send;

    /// Reads one partition from an offset on, outside any group (a whole replay starts at
    /// `Offset(0)`; an offset before `start` means `start`).
    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> impl Future<Output = Result<Self::Reader, LogError>> + Send;
}

/// What a member of a group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// These partitions are the member's from now on; their records follow.
    Assigned(Vec<Partition>),
    /// These partitions are taken away at the member's next call of [`Member::next`]: commit now
    /// what is durable, and drop the rest.
    Revoked(Vec<Partition>),
    /// Records, in order within each partition. Never empty.
    Records(Vec<Record>),
}

/// A member of a group.
pub trait Member: Send {
    /// Waits for what comes next. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Delivery, LogError>> + Send;

    /// Commits, for each partition, the offset of the first record that is *not* done. Lower than
    /// before is allowed and means "again from there". Durable when `Ok`.
    fn commit(
        &mut self,
        offsets: &[(Partition, Offset)],
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// A reader of one partition.
pub trait Reader: Send {
    /// Waits until there is at least one record, and returns some, in order. Dropping the future
    /// loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send;
}
