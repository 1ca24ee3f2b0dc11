//! What each version wrote, kept in the repository, so that every later one is held to reading it.
//!
//! ```text
//!  load-tests/corpus/<version>/
//!    records.jsonl     records of the log: their bytes, and what they read as
//!    rows.jsonl        rows of the store: their bytes, and what they read as
//!    data.jsonl        a data directory that holds exactly these records and rows, packed
//!    spool.jsonl       a spool directory that holds the scans and what visitors did, packed
//!    venues.csv        places and the codes that are printed on their walls
//!    test-keys.json    the keys that sealed all of it: made for the corpus, used nowhere else
//!    test-places.json  the keys of the codes, likewise
//!    made-at           when
//! ```
//!
//! Bytes are base64 where they are written and hexadecimal in what they read as. A CQL store holds
//! the same values in columns of its own types ([`storage::table::Value`]); nothing is encoded
//! differently there.
//!
//! | module | what it does |
//! |---|---|
//! | `kinds` | every kind of record and row that there is |
//! | `read` | bytes into words |
//! | `packed` | a directory as lines of text |
//! | `make` | the corpus of this version, from a day that was played |
//! | `rest` | what no short day brings: undecided chunks, every cause of a pause, … |

pub mod kinds;
mod make;
mod packed;
mod read;
mod rest;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use schemas::{
    identity::KeyRing,
    time::EventTime,
    topic::{Offset, Partition, Topic},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use storage::{
    Log, Mutation, Reader, Record, Table,
    embedded::{DumpPosition, EmbeddedStore, RowBytes},
    rows::ALL_TABLES,
};

pub use self::{
    make::make,
    packed::{Packed, unpack},
    read::{ReadRecord, ReadRow, agrees, cells, read_record, read_row},
};

/// Where the versions are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordLine {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: u64,
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub value: String,
    /// What it reads as.
    pub reads: Json,
}

/// A row of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowLine {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub row: String,
    /// The write timestamps of its columns, in µs.
    pub written: Vec<i64>,
    /// What it reads as.
    pub reads: Json,
}

/// The corpus of a version.
pub struct Corpus {
    /// Which.
    pub version: String,
    /// When it was made.
    pub made_at: EventTime,
    /// Records of the log, by topic, partition and offset.
    pub records: Vec<RecordLine>,
    /// Rows of the store, by table and key.
    pub rows: Vec<RowLine>,
    /// A data directory with them.
    pub data: Vec<Packed>,
    /// A spool directory.
    pub spool: Vec<Packed>,
    /// What `anshin venues import` printed.
    pub venues: String,
    /// The keys of visitors.
    pub keys: KeyRing,
    /// The text of the keys of place codes.
    pub places: String,
}

impl Corpus {
    /// Every version's, oldest first.
    pub fn all() -> anyhow::Result<Vec<Corpus>> {
        let mut versions = Vec::new();
        for entry in fs::read_dir(root())? {
            let path = entry?.path();
            if path.is_dir() {
                versions.push(Self::read(&path)?);
            }
        }
        versions.sort_by_key(|corpus| corpus.made_at);
        Ok(versions)
    }

    fn read(dir: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let version = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            version,
            made_at: EventTime::parse_rfc3339(text("made-at")?.trim())?,
            records: lines(&text("records.jsonl")?)?,
            rows: lines(&text("rows.jsonl")?)?,
            data: lines(&text("data.jsonl")?)?,
            spool: lines(&text("spool.jsonl")?)?,
            venues: text("venues.csv")?,
            keys: KeyRing::from_file(&text("test-keys.json")?)?,
            places: text("test-places.json")?,
        })
    }
}

fn lines<T: for<'de> Deserialize<'de>>(text: &str) -> anyhow::Result<Vec<T>> {
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The topic of a name.
pub fn topic(name: &str) -> anyhow::Result<Topic> {
    let found = Topic::ALL.into_iter().find(|topic| topic.name() == name);
    found.with_context(|| format!("there is no topic {name} any more"))
}

/// The table of a name.
pub fn table(name: &str) -> anyhow::Result<&'static Table> {
    let found = ALL_TABLES.iter().find(|table| table.name == name);
    found.copied().with_context(|| format!("there is no table {name} any more"))
}

/// Bytes as the corpus has them.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The bytes of what [`base64()`] made.
pub fn unbase64(text: &str) -> anyhow::Result<Bytes> {
    Ok(BASE64_STANDARD.decode(text)?.into())
}

/// Everything in a log, by topic, partition and offset.
pub async fn all_records<L: Log>(log: &L) -> anyhow::Result<Vec<Record>> {
    let mut all = Vec::new();
    for topic in Topic::ALL {
        for (number, range) in (0..).zip(log.bounds(topic).await?) {
            let mut next = range.start;
            let mut reader = log.read(topic, Partition(number), Offset(0)).await?;
            while next < range.end {
                let records = reader.next().await?;
                next = records.last().map_or(range.end, |last| last.position.offset.next());
                all.extend(records);
            }
        }
    }
    Ok(all)
}

/// Every row of a table, as the writes that make it.
pub fn all_rows(
    store: &EmbeddedStore,
    table: &'static Table,
) -> anyhow::Result<Vec<Vec<Mutation>>> {
    let (mut rows, mut position) = (Vec::new(), Some(DumpPosition::default()));
    while let Some(at) = position {
        let dumped = store.dump(table, at, 1_000)?;
        rows.extend(dumped.rows);
        position = dumped.next;
    }
    Ok(rows)
}

/// The line of a record.
pub fn record_line(record: &Record) -> anyhow::Result<RecordLine> {
    let position = record.position;
    Ok(RecordLine {
        topic: position.topic.name().to_owned(),
        partition: position.partition.0,
        offset: position.offset.0,
        key: base64(&record.key),
        value: base64(&record.value),
        reads: read_record(position.topic, &record.value)?.reads,
    })
}

/// The line of a row.
pub fn row_line(table: &'static Table, writes: &[Mutation]) -> anyhow::Result<RowLine> {
    let RowBytes { key, row } = RowBytes::of(writes);
    Ok(RowLine {
        table: table.name.to_owned(),
        key: base64(&key),
        row: base64(&row),
        written: writes.iter().map(|write| write.timestamp).collect(),
        reads: read_row(table, writes)?.reads,
    })
}
