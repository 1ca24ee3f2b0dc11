//! Records and rows into words.

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use schemas::{
    identity::{Pseudonym, VisitorId},
    ids::{FacilityId, JobId, PlanId, VenueId},
    job::{JobRecord, hex},
    registry::RegistryRecord,
    rejected::Rejected,
    scan::Scan,
    sending::{self, ChunkNumber},
    spool::SpoolRecord,
    time::Hour,
    topic::Topic,
    visitor::VisitorRecord,
    wire::WireRecord,
};
use serde::Serialize;
use serde_json::Value as Json;
use storage::{
    Cells, Mutation, Table, Value,
    rows::{
        Row,
        access::TokenRow,
        ledger::{AttemptRow, ChunkKey, ChunkRow, OutcomeRow, PartKey},
        operators::{DraftRow, OperatorRow, OperatorTokenRow, OutboxRow},
        people::{self, NoticeRow},
        places::{FacilityRow, VenueRow},
        visits::{ScanRow, VisitRow},
    },
};
use uuid::Uuid;

use super::kinds;

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
        "operator_tokens" => {
            typed::<OperatorTokenRow>(key.bytes()?, cells, kinds::of_operator_token)
        }
        "registration_drafts" => typed::<DraftRow>(key.bytes()?, cells, |_| Vec::new()),
        "operators" => typed::<OperatorRow>(key.bytes()?, cells, |_| Vec::new()),
        "outbox" => typed::<OutboxRow>(key.int()?, cells, |_| Vec::new()),
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
