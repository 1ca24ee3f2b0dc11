//! The corpus of this version, from a day that was played.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use ingest::spool::{Spool, SpoolConfig};
use schemas::{identity::KeyRing, time::EventTime, topic::Topic};
use serde::Serialize;
use storage::{
    Append, Delivery, Group, Log, Member, Store,
    embedded::{Embedded, EmbeddedConfig, EmbeddedLog, system_clock},
    rows::ALL_TABLES,
};

use super::{
    all_records, all_rows, kinds, packed::pack, read_record, read_row, record_line, rest, row_line,
};
use crate::demo::{self, Demo};

/// So many of each topic and table are kept, and whatever is of a kind that none of these has.
const AT_LEAST: usize = 2;

/// Plays a small day with the product, keeps a little of what it wrote, adds what a day does not
/// bring, and writes it all down under `root`. Where it is.
pub async fn make(root: &Path) -> anyhow::Result<PathBuf> {
    let to = root.join(env!("CARGO_PKG_VERSION"));
    ensure!(
        !to.exists(),
        "{} is there already: what was released never changes; give the next version its number first",
        to.display()
    );
    let (day, kept) = (tempfile::tempdir()?, tempfile::tempdir()?);
    play(day.path()).await?;
    let now = system_clock()();
    let keys = KeyRing::from_file(&fs::read_to_string(day.path().join("keys.json"))?)?;

    let dir = kept.path().join("data");
    let from = Embedded::open(day.path().join("data"), EmbeddedConfig::default()).await?;
    let into = Embedded::open(&dir, EmbeddedConfig::default()).await?;
    let mut choice = Choice::default();
    choice.records(&from, &into, rest::records(&keys, now)?).await?;
    choice.rows(&from, &into, rest::rows(&keys, now)?).await?;
    commit(&into.log()).await?;

    let (mut rows, mut there) = (Vec::new(), BTreeSet::new());
    for table in ALL_TABLES {
        for writes in all_rows(&into.store(), table)? {
            there.extend(read_row(table, &writes)?.kinds);
            rows.push(row_line(table, &writes)?);
        }
    }
    let records = all_records(&into.log()).await?;
    for record in &records {
        there.extend(read_record(record.position.topic, &record.value)?.kinds);
    }
    let missing: Vec<_> = kinds::all().difference(&there).cloned().collect();
    ensure!(missing.is_empty(), "neither the day nor what is added to it has {missing:?}");
    from.close().await;
    into.close().await;
    let spooled = records
        .iter()
        .filter(|record| [Topic::Scans, Topic::Visitors].contains(&record.position.topic));
    let spooled = spooled.map(|record| Append {
        topic: record.position.topic,
        key: record.key.clone(),
        value: record.value.clone(),
    });
    let spool = kept.path().join("spool");
    fill_spool(&spool, spooled.collect(), now).await?;

    fs::create_dir_all(&to)?;
    let records: Vec<_> = records.iter().map(record_line).collect::<Result<_, _>>()?;
    fs::write(to.join("records.jsonl"), lines(&records)?)?;
    fs::write(to.join("rows.jsonl"), lines(&rows)?)?;
    fs::write(to.join("data.jsonl"), lines(&pack(&dir)?)?)?;
    fs::write(to.join("spool.jsonl"), lines(&pack(&spool)?)?)?;
    fs::write(to.join("made-at"), format!("{}\n", now.to_rfc3339_jst()))?;
    for (name, kept) in [
        ("keys.json", "test-keys.json"),
        ("places.json", "test-places.json"),
        ("venues.csv", "venues.csv"),
    ] {
        fs::copy(day.path().join(name), to.join(kept)).with_context(|| name.to_owned())?;
    }
    Ok(to)
}

async fn play(dir: &Path) -> anyhow::Result<()> {
    let demo = Demo {
        exit: true,
        seed: 1,
        dir: Some(dir.to_owned()),
        small: true,
        kafka: None,
        cql: None,
        copies: 1,
        kill: false,
        drop_message: false,
        drop_row: false,
    };
    let played = demo::play(&demo).await?;
    ensure!(played.outcome.differences.is_empty(), "the day does not agree with its count");
    played.end().await
}

/// What is kept.
#[derive(Default)]
struct Choice {
    seen: BTreeSet<String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Choice {
    fn wants(&mut self, of: &'static str, kinds: Vec<String>) -> bool {
        let count = self.counts.entry(of).or_default();
        let before = self.seen.len();
        self.seen.extend(kinds);
        let wanted = self.seen.len() > before || *count < AT_LEAST;
        *count += usize::from(wanted);
        wanted
    }

    async fn records(
        &mut self,
        from: &Embedded,
        into: &Embedded,
        rest: Vec<Append>,
    ) -> anyhow::Result<()> {
        let day = all_records(&from.log()).await?.into_iter().map(|record| Append {
            topic: record.position.topic,
            key: record.key,
            value: record.value,
        });
        for append in day.chain(rest) {
            let read = read_record(append.topic, &append.value)?;
            if self.wants(append.topic.name(), read.kinds) {
                let appended = into.log().append(vec![append]).await;
                appended.into_iter().collect::<Result<Vec<_>, _>>()?;
            }
        }
        Ok(())
    }

    async fn rows(
        &mut self,
        from: &Embedded,
        into: &Embedded,
        mut rest: Vec<storage::Mutation>,
    ) -> anyhow::Result<()> {
        for table in ALL_TABLES {
            let mut rows = all_rows(&from.store(), table)?;
            rows.extend(rest.extract_if(.., |row| row.table == *table).map(|row| vec![row]));
            for writes in rows {
                if self.wants(table.name, read_row(table, &writes)?.kinds) {
                    into.store().write(writes.into()).await?;
                }
            }
        }
        Ok(())
    }
}

/// The processor is done with every scan.
async fn commit(log: &EmbeddedLog) -> anyhow::Result<()> {
    let ends: Vec<_> = Topic::Scans
        .all_partitions()
        .zip(log.bounds(Topic::Scans).await?)
        .map(|(partition, range)| (partition, range.end))
        .collect();
    let mut member = log.join(Group::Processor, Topic::Scans).await?;
    let delivery = member.next().await?;
    ensure!(matches!(delivery, Delivery::Assigned(_)), "the only member is assigned everything");
    Ok(member.commit(&ends).await?)
}

/// Each record is a request's.
async fn fill_spool(dir: &Path, records: Vec<Append>, now: EventTime) -> anyhow::Result<()> {
    let config = SpoolConfig { dir: dir.to_owned(), max_bytes: 1 << 20 };
    let spool = Spool::open(&config, now)?;
    for record in records {
        spool.put(&[record], now).await?;
    }
    Ok(())
}

fn lines<T: Serialize>(all: &[T]) -> anyhow::Result<String> {
    let mut text = String::new();
    for one in all {
        text.push_str(&serde_json::to_string(one)?);
        text.push('\n');
    }
    Ok(text)
}
