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
//! | `packed` | a directory as lines of text |
//! | `make` | the corpus of this version, from a day that was played |
//! | `rest` | what no short day brings: undecided chunks, every cause of a pause, … |

pub mod kinds;
mod make;
mod packed;
mod rest;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use schemas::{
    identity::{KeyRing, Pseudonym, VisitorId},
    ids::{FacilityId, JobId, PlanId, VenueId},
    job::{JobRecord, hex},
    registry::RegistryRecord,
    rejected::Rejected,
    scan::Scan,
    sending::{self, ChunkNumber},
    spool::SpoolRecord,
    time::{EventTime, Hour},
    topic::{Offset, Partition, Topic},
    visitor::VisitorRecord,
    wire::WireRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use storage::{
    Cells, Log, Mutation, Reader, Record, Table, Value,
    embedded::{DumpPosition, EmbeddedStore, RowBytes},
    rows::{
        ALL_TABLES, Row,
        access::TokenRow,
        ledger::{AttemptRow, ChunkKey, ChunkRow, OutcomeRow, PartKey},
        people::{self, NoticeRow},
        places::{FacilityRow, VenueRow},
        visits::{ScanRow, VisitRow},
    },
};
use uuid::Uuid;

pub use self::{
    make::make,
    packed::{Packed, unpack},
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

/// The bytes of what [`base64`] made.
pub fn unbase64(text: &str) -> anyhow::Result<Bytes> {
    Ok(BASE64_STANDARD.decode(text)?.into())
}

/// What a record reads as today.
pub struct ReadRecord {
    /// In words.
    pub reads: Json,
    /// The kinds that it is of.
    pub kinds: Vec<String>,
    /// Its key.
    pub key: Bytes,
    /// Its bytes, as they are written today.
    pub value: Bytes,
}

/// Reads a record.
pub fn read_record(topic: Topic, value: &[u8]) -> anyhow::Result<ReadRecord> {
    fn read<R: WireRecord>(
        value: &[u8],
        kinds: impl Fn(&R) -> Vec<String>,
    ) -> anyhow::Result<ReadRecord> {
        let record = R::decode(value)?;
        Ok(ReadRecord {
            reads: readable(serde_json::to_value(&record)?),
            kinds: kinds(&record),
            key: record.key(),
            value: record.encode(),
        })
    }
    match topic {
        Topic::Scans => read::<Scan>(value, kinds::of_scan),
        Topic::Visitors => read::<VisitorRecord>(value, kinds::of_visitor),
        Topic::Jobs => read::<JobRecord>(value, kinds::of_job),
        Topic::Registry => read::<RegistryRecord>(value, kinds::of_registry),
        Topic::Audit => bail!("nothing is written to audit yet"),
        Topic::Rejected => read::<Rejected>(value, kinds::of_rejected),
        Topic::Spools => read::<SpoolRecord>(value, kinds::of_spool),
    }
}

/// What a row reads as today.
pub struct ReadRow {
    /// In words.
    pub reads: Json,
    /// The kinds that it is of.
    pub kinds: Vec<String>,
}

/// Reads a row from the writes that make it.
pub fn read_row(table: &'static Table, writes: &[Mutation]) -> anyhow::Result<ReadRow> {
    let first = writes.first().context("a row has at least one write")?;
    let cells = cells(table, writes);
    let mut key = Key(first.partition.iter());
    let mut read = match table.name {
        "scans" => typed::<ScanRow>((key.venue()?, Hour(key.int()?)), cells, |_| Vec::new()),
        "visits_by_visitor" => typed::<VisitRow>(Pseudonym(key.bytes()?), cells, |_| Vec::new()),
        "visitors" => {
            let person = people::person(cells)?;
            let reads = serde_json::json!({"visitor": key.bytes::<16>()?, "person": person});
            Ok(ReadRow { reads: readable(reads), kinds: kinds::of_person(&person) })
        }
        "notices" => typed::<NoticeRow>(VisitorId(key.bytes()?), cells, |_| Vec::new()),
        "facilities" => typed::<FacilityRow>(key.facility()?, cells, |_| Vec::new()),
        "venues" => typed::<VenueRow>(key.venue()?, cells, |_| Vec::new()),
        "chunks" => typed::<ChunkRow>(key.chunk()?, cells, kinds::of_chunk),
        "attempts" => typed::<AttemptRow>(key.part()?, cells, kinds::of_attempt),
        "outcomes" => typed::<OutcomeRow>(key.part()?, cells, kinds::of_outcome),
        "api_tokens" => typed::<TokenRow>(key.bytes()?, cells, kinds::of_token),
        name => bail!("table {name} has no place in the corpus yet: read its rows here"),
    }?;
    read.kinds.push(kinds::table(table.name));
    Ok(read)
}

fn typed<R: Row + Serialize>(
    partition: R::Partition,
    cells: Cells,
    kinds: impl Fn(&R) -> Vec<String>,
) -> anyhow::Result<ReadRow> {
    let row = R::from_cells(&partition, cells)?;
    Ok(ReadRow { reads: readable(serde_json::to_value(&row)?), kinds: kinds(&row) })
}

/// A row's cells, from the writes that make it: none of them has another's columns.
pub fn cells(table: &Table, writes: &[Mutation]) -> Cells {
    let mut columns = vec![None; table.columns.len()];
    for (place, value) in writes.iter().flat_map(|write| write.columns.iter().enumerate()) {
        if value.is_some() {
            columns[place].clone_from(value);
        }
    }
    Cells { clustering: writes.first().map_or(Vec::new(), |w| w.clustering.clone()), columns }
}

/// The values of a partition's key, one after the other.
struct Key<'a>(std::slice::Iter<'a, Value>);

impl Key<'_> {
    fn int(&mut self) -> anyhow::Result<i64> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(*number),
            other => bail!("{other:?} is no number"),
        }
    }

    fn bytes<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        match self.0.next() {
            Some(Value::Blob(bytes)) => Ok(bytes.as_ref().try_into()?),
            other => bail!("{other:?} is no blob"),
        }
    }

    fn venue(&mut self) -> anyhow::Result<VenueId> {
        Ok(VenueId::from_u64(self.int()?.cast_unsigned()))
    }

    fn facility(&mut self) -> anyhow::Result<FacilityId> {
        Ok(FacilityId::from_u64(self.int()?.cast_unsigned()))
    }

    fn chunk(&mut self) -> anyhow::Result<ChunkKey> {
        Ok(ChunkKey {
            job: JobId(Uuid::from_bytes(self.bytes()?)),
            plan: PlanId(Uuid::from_bytes(self.bytes()?)),
            chunk: ChunkNumber(self.int()?.try_into()?),
        })
    }

    fn part(&mut self) -> anyhow::Result<PartKey> {
        let chunk = self.chunk()?;
        let Some(Value::Text(text)) = self.0.next() else { bail!("a part has a path") };
        let path = match text.parse() {
            Ok(person) => sending::Path::person(person),
            Err(_) => text.chars().fold(sending::Path::whole(), |path, step| match step {
                'L' => path.left(),
                _ => path.right(),
            }),
        };
        Ok(PartKey { chunk, path })
    }
}

/// Bytes in hexadecimal: a list of numbers tells nobody anything.
fn readable(value: Json) -> Json {
    match value {
        Json::Array(items) => {
            let byte = |item: &Json| u8::try_from(item.as_u64()?).ok();
            match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) if bytes.len() >= 8 => Json::String(hex(&bytes)),
                _ => Json::Array(items.into_iter().map(readable).collect()),
            }
        }
        Json::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, readable(value))).collect()
        }
        other => other,
    }
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

/// Whether all that was written down then reads so today. What today's words say beyond it is new.
pub fn agrees(then: &Json, today: &Json) -> anyhow::Result<()> {
    match (then, today) {
        (Json::Object(then), Json::Object(today)) => {
            for (name, value) in then {
                let read = today.get(name).with_context(|| format!("`{name}` is gone"))?;
                agrees(value, read).with_context(|| format!("in `{name}`"))?;
            }
        }
        (Json::Array(then), Json::Array(today)) if then.len() == today.len() => {
            for (then, today) in then.iter().zip(today) {
                agrees(then, today)?;
            }
        }
        _ => ensure!(then == today, "{then} reads as {today}"),
    }
    Ok(())
}
