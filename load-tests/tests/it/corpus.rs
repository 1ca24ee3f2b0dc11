//! What every version wrote is read as what it was.

use std::{collections::BTreeSet, path::Path, time::Duration};

use ingest::spool::{Spool, SpoolConfig, announce, drain};
use load_tests::corpus::{
    Corpus, agrees, all_records, all_rows, base64, kinds, read_record, read_row, record_line,
    row_line, table, topic, unbase64, unpack,
};
use notifier::planner::open_chunk;
use schemas::{
    job::hex,
    place_code::{Found, PlaceKeys},
    rejected::{Original, Rejected, WEBHOOK_CONTEXT},
    scan::Scan,
    spool::Spools,
    topic::Topic,
    visitor::VisitorRecord,
    wire::WireRecord,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use storage::{
    Group, Log,
    embedded::{Embedded, EmbeddedConfig, RowBytes},
    follow::Follower,
    rows::{ALL_TABLES, ledger::ChunkKey},
};
use tokio_util::sync::CancellationToken;

fn corpora() -> Vec<Corpus> {
    let all = Corpus::all().expect("the corpus is readable");
    assert!(!all.is_empty());
    all
}

/// The data directory of a version, at the time when it was made.
async fn data(corpus: &Corpus, dir: &Path) -> Embedded {
    unpack(&corpus.data, dir).expect("unpacked");
    let made_at = corpus.made_at;
    let clock = std::sync::Arc::new(move || made_at);
    let config = EmbeddedConfig { clock, ..EmbeddedConfig::default() };
    Embedded::open(dir, config).await.expect("the directory opens")
}

#[test]
fn every_record_reads_as_it_was_meant() {
    for corpus in corpora() {
        for (n, line) in (1..).zip(&corpus.records) {
            let place = format!("{}/records.jsonl:{n}", corpus.version);
            let topic = topic(&line.topic).expect("a topic");
            let (key, value) = (unbase64(&line.key), unbase64(&line.value));
            let (key, value) = (key.expect("base64"), value.expect("base64"));
            let read = read_record(topic, &value).unwrap_or_else(|e| panic!("{place}: {e:#}"));
            agrees(&line.reads, &read.reads).unwrap_or_else(|e| panic!("{place}: {e:#}"));
            assert_eq!(read.key, key, "{place}: the key would be another");
            assert_eq!(topic.partition_of(&key).0, line.partition, "{place}: keys have moved");
        }
    }
}

#[test]
fn every_row_reads_as_it_was_meant() {
    for corpus in corpora() {
        for (n, line) in (1..).zip(&corpus.rows) {
            let place = format!("{}/rows.jsonl:{n}", corpus.version);
            let table = table(&line.table).expect("a table");
            let bytes = |text: &str| unbase64(text).expect("base64").to_vec();
            let bytes = RowBytes { key: bytes(&line.key), row: bytes(&line.row) };
            let writes = bytes.read(table).unwrap_or_else(|e| panic!("{place}: {e}"));
            let read = read_row(table, &writes).unwrap_or_else(|e| panic!("{place}: {e:#}"));
            agrees(&line.reads, &read.reads).unwrap_or_else(|e| panic!("{place}: {e:#}"));
            let written: Vec<i64> = writes.iter().map(|write| write.timestamp).collect();
            assert_eq!(written, line.written, "{place}");
        }
    }
}

/// What this build writes is what the newest corpus holds: a change of an encoding needs a corpus.
#[test]
fn this_version_writes_what_the_newest_corpus_holds() {
    let newest = corpora().pop().expect("a corpus");
    let advice = "records or rows are written in another way: give this version its number, and `make corpus`";
    for line in &newest.records {
        let value = unbase64(&line.value).expect("base64");
        let read = read_record(topic(&line.topic).expect("a topic"), &value).expect("a record");
        assert_eq!(base64(&read.value), line.value, "{advice}: {}", line.reads);
        assert_eq!(read.reads, line.reads, "{advice}");
    }
    for line in &newest.rows {
        let table = table(&line.table).expect("a table");
        let bytes = |text: &str| unbase64(text).expect("base64").to_vec();
        let bytes = RowBytes { key: bytes(&line.key), row: bytes(&line.row) };
        let writes = bytes.read(table).expect("a row");
        assert_eq!(row_line(table, &writes).expect("a row"), *line, "{advice}");
    }
}

#[test]
fn every_kind_of_record_and_row_is_there() {
    let mut there = BTreeSet::new();
    for corpus in corpora() {
        for line in &corpus.records {
            let value = unbase64(&line.value).expect("base64");
            let read = read_record(topic(&line.topic).expect("a topic"), &value);
            there.extend(read.expect("a record").kinds);
        }
        for line in &corpus.rows {
            let bytes = |text: &str| unbase64(text).expect("base64").to_vec();
            let bytes = RowBytes { key: bytes(&line.key), row: bytes(&line.row) };
            let table = table(&line.table).expect("a table");
            let read = read_row(table, &bytes.read(table).expect("a row"));
            there.extend(read.expect("a row").kinds);
        }
    }
    let missing: Vec<_> = kinds::all().difference(&there).cloned().collect();
    assert_eq!(missing, [""; 0], "no corpus has these: `make corpus`");
}

#[tokio::test]
async fn a_data_directory_of_every_version_is_opened_and_holds_what_it_held() {
    for corpus in corpora() {
        let dir = tempfile::tempdir().expect("a directory");
        let embedded = data(&corpus, dir.path()).await;
        let records = all_records(&embedded.log()).await.expect("records");
        assert_eq!(records.len(), corpus.records.len(), "{}", corpus.version);
        for (record, then) in records.iter().zip(&corpus.records) {
            let today = record_line(record).expect("a record");
            let place = (&today.topic, today.partition, today.offset, &today.key, &today.value);
            assert_eq!(place, (&then.topic, then.partition, then.offset, &then.key, &then.value));
        }
        let mut rows = corpus.rows.iter();
        for table in ALL_TABLES {
            for writes in all_rows(&embedded.store(), table).expect("rows") {
                let (today, then) = (row_line(table, &writes).expect("a row"), rows.next());
                let then = then.expect("as many rows");
                assert_eq!((&today.table, &today.key), (&then.table, &then.key));
                assert_eq!(today.written, then.written);
                agrees(&then.reads, &today.reads).expect("the same row");
            }
        }
        assert_eq!(rows.next(), None, "{}: rows are missing", corpus.version);

        let committed = embedded.log().committed(Group::Processor, Topic::Scans).await;
        let ends = embedded.log().bounds(Topic::Scans).await.expect("bounds");
        let ends: Vec<_> = ends.into_iter().map(|range| Some(range.end)).collect();
        assert_eq!(committed.expect("offsets"), ends, "{}", corpus.version);
        embedded.close().await;
    }
}

/// Who sealed is known by the same name, and what was sealed opens.
#[tokio::test]
async fn what_was_sealed_opens_with_the_keys_of_its_time() {
    for Corpus { version, records, keys, .. } in &corpora() {
        let mut opened = 0;
        for line in records {
            let value = unbase64(&line.value).expect("base64");
            match topic(&line.topic).expect("a topic") {
                Topic::Scans => {
                    let scan = Scan::decode(&value).expect("a scan");
                    let user = keys
                        .open_scan(scan.epoch, scan.venue, scan.pseudonym, &scan.sealed)
                        .unwrap_or_else(|e| panic!("{version}: {e}"));
                    assert_eq!(keys.pseudonym(scan.epoch, &user), Ok(scan.pseudonym));
                    assert_eq!(scan.scanned_at.epoch(), scan.epoch);
                }
                Topic::Visitors => {
                    let record = VisitorRecord::decode(&value).expect("a visitor's record");
                    let user = keys.open_visitor(record.visitor, &record.sealed);
                    let user = user.unwrap_or_else(|e| panic!("{version}: {e}"));
                    assert_eq!(keys.visitor(&user), record.visitor);
                }
                Topic::Rejected => {
                    let Original::Webhook(sealed) = Rejected::decode(&value).expect("one").original
                    else {
                        continue;
                    };
                    keys.open(WEBHOOK_CONTEXT, &sealed)
                        .unwrap_or_else(|e| panic!("{version}: {e}"));
                }
                _ => continue,
            }
            opened += 1;
        }
        assert!(opened > 0, "{version}");
    }
}

#[tokio::test]
async fn frozen_recipients_open_with_the_keys_of_their_time() {
    for corpus in corpora() {
        let dir = tempfile::tempdir().expect("a directory");
        let embedded = data(&corpus, dir.path()).await;
        let chunks = corpus.rows.iter().filter(|line| line.table == "chunks");
        let mut opened = 0;
        for line in chunks {
            let key = &line.reads["key"];
            let uuid = |name: &str| key[name].as_str().and_then(|text| text.parse().ok());
            let key = ChunkKey {
                job: uuid("job").map(schemas::ids::JobId).expect("a job"),
                plan: uuid("plan").map(schemas::ids::PlanId).expect("a plan"),
                chunk: serde_json::from_value(key["chunk"].clone()).expect("a number"),
            };
            let chunk = open_chunk(&embedded.store(), &corpus.keys, key).await;
            let chunk = chunk.unwrap_or_else(|e| panic!("{}: {e}", corpus.version));
            assert_eq!(Json::from(chunk.recipients.len()), line.reads["people"]);
            opened += 1;
        }
        assert!(opened > 0, "{}", corpus.version);
        embedded.close().await;
    }
}

#[test]
fn codes_on_the_walls_are_still_known() {
    for Corpus { version, venues, places, .. } in corpora() {
        let keys = PlaceKeys::from_file(&places).expect("a key file");
        let mut known = 0;
        for line in venues.lines().skip(1) {
            let [venue, _, text] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{version}: {line}")
            };
            let Found::Code(code) = keys.find(text) else { panic!("{version}: {text}") };
            assert_eq!(code.venue().to_string(), venue, "{version}");
            known += 1;
        }
        assert!(known > 0, "{version}");
    }
}

#[tokio::test]
async fn a_spool_of_every_version_is_drained() {
    for corpus in corpora() {
        let dir = tempfile::tempdir().expect("a directory");
        unpack(&corpus.spool, &dir.path().join("spool")).expect("unpacked");
        let log = Embedded::open(dir.path().join("data"), EmbeddedConfig::default()).await;
        let log = log.expect("a log").log();

        let config = SpoolConfig { dir: dir.path().join("spool"), max_bytes: 1 << 20 };
        let spool = Spool::open(&config, corpus.made_at).expect("the spool opens");
        let spooled = corpus.records.iter().filter(|l| ["scans", "visitors"].contains(&&*l.topic));
        let spooled: Vec<_> = spooled.collect();
        assert_eq!(spool.waiting().borrow().frames, spooled.len() as u64, "{}", corpus.version);
        let (stop, following) = (CancellationToken::new(), CancellationToken::new());
        let spools: Follower<_, Spools> = Follower::start(log.clone(), &following);
        announce(&spool, &spools).await.expect("announced");
        // Stopped only when it is empty: what is cut off in the middle is appended once more.
        let mut waiting = spool.waiting();
        let draining = drain(spool, log.clone(), spools, stop.clone(), Duration::from_secs(60));
        let stopping = async {
            let empty = waiting.wait_for(|waiting| waiting.frames == 0).await;
            assert!(empty.is_ok(), "the spool ended before it was empty");
            stop.cancel();
        };
        let (drained, ()) = tokio::join!(draining, stopping);
        drained.unwrap_or_else(|e| panic!("{}: {e}", corpus.version));

        let mut records = all_records(&log).await.expect("records");
        records.retain(|record| record.position.topic != Topic::Spools);
        assert_eq!(records.len(), spooled.len(), "{}", corpus.version);
        for (record, then) in records.iter().zip(spooled) {
            let today = record_line(record).expect("a record");
            assert_eq!((&today.topic, &today.value), (&then.topic, &then.value));
        }
        let quarantined = std::fs::read_dir(dir.path().join("spool/quarantine"));
        assert_eq!(quarantined.expect("a directory").count(), 0, "{}", corpus.version);
    }
}

/// The test keys were made for the corpus, and no person's id is in it.
#[test]
fn no_id_is_in_it_in_clear() {
    for corpus in corpora() {
        let mut ids = BTreeSet::new();
        for line in corpus.records.iter().filter(|line| line.topic == "scans") {
            let scan = Scan::decode(&unbase64(&line.value).expect("base64")).expect("a scan");
            let user = corpus.keys.open_scan(scan.epoch, scan.venue, scan.pseudonym, &scan.sealed);
            ids.insert(user.expect("opens"));
        }
        let values = corpus.records.iter().map(|line| &line.value);
        let rows = corpus.rows.iter().map(|line| &line.row);
        for text in values.chain(rows) {
            let bytes = unbase64(text).expect("base64");
            for id in &ids {
                let hit = bytes.windows(16).any(|window| window == id.as_bytes());
                assert!(!hit, "{}: {}", corpus.version, hex(&Sha256::digest(&bytes)));
            }
        }
    }
}
