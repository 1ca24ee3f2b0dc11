//! An installation on one machine moves to a cluster: `anshin copy`, by the real binary.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
};

use load_tests::{
    cluster::product,
    corpus::{Corpus, all_records, all_rows, cells, unpack},
    demo::{self, Demo, Roles, Servers, play},
    oracle,
    platform::{Channel, Platform},
    verify,
};
use schemas::{ids::FacilityId, time::EventTime, topic::Topic};
use serde_json::{Value as Json, json};
use storage::{
    Append, Cells, Log, Mutation, Position, Query, Record, Store, Value,
    embedded::{Embedded, EmbeddedConfig, system_clock},
    rows::{
        ALL_TABLES, Row,
        operators::{DraftRow, OperatorRow, OperatorTokenRow, OutboxRow},
    },
    store::Order,
};

use crate::cluster::server;

/// Runs `anshin copy`.
fn copy(dir: &Path, servers: &Servers, arguments: &[&str]) -> Output {
    let variables = servers.variables();
    // The servers are named on the command line alone.
    let variables = variables.iter().filter(|(name, _)| !name.ends_with("__URL"));
    let unused = format!("embedded://{}", dir.join("unused").display());
    Command::new(product().expect("the binary"))
        .arg("copy")
        .args(arguments)
        .env_clear()
        .envs(variables.copied())
        .env("ANSHIN__LOG__URL", &unused)
        .env("ANSHIN__STORE__URL", &unused)
        .output()
        .expect("it runs")
}

/// What it said, which must be one sentence, and what it exited with.
fn refused(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(output.stdout, b"", "nothing was copied");
    (output.status.code(), said)
}

type Rows = BTreeMap<(&'static str, Vec<Value>), Vec<Cells>>;

/// Every row of a directory, by partition.
fn rows(source: &Embedded) -> Rows {
    let mut rows = Rows::new();
    for table in ALL_TABLES {
        for writes in all_rows(&source.store(), table).expect("rows") {
            let partition = (table.name, writes[0].partition.clone());
            rows.entry(partition).or_default().push(cells(table, &writes));
        }
    }
    rows.values_mut().for_each(|rows| rows.sort_by(|a, b| a.clustering.cmp(&b.clustering)));
    rows
}

/// The rows of the same partitions in another store.
async fn rows_of<S: Store>(store: &S, partitions: &Rows) -> Rows {
    let mut rows = Rows::new();
    for (name, partition) in partitions.keys() {
        let table = ALL_TABLES.iter().find(|table| table.name == *name).expect("a table");
        let query = Query {
            table,
            partition: partition.clone(),
            from: None,
            to: None,
            order: Order::Ascending,
            limit: 5_000,
            cursor: None,
        };
        let page = store.read(query).await.expect("a page");
        assert!(page.rows.len() < 5_000, "one page holds all of a small day");
        rows.insert((name, partition.clone()), page.rows);
    }
    rows
}

/// Where each record lies, and its bytes.
fn bytes(records: &[Record]) -> Vec<(Position, &[u8], &[u8])> {
    records.iter().map(|record| (record.position, &record.key[..], &record.value[..])).collect()
}

/// What officials see of the jobs, with the tokens that they have.
async fn seen(console: SocketAddr, token: &str, jobs: &[oracle::Job]) -> Vec<(Json, Json)> {
    let http = reqwest::Client::new();
    let mut seen = Vec::new();
    for job in jobs {
        let url = format!("http://{console}/api/v1/exposure-jobs");
        let view = http.get(format!("{url}/{}", job.id)).bearer_auth(token);
        let view = view.send().await.expect("an answer").error_for_status().expect("the job");
        let asked = json!({
            "venues": job.venues,
            "window": {
                "from": EventTime(job.from).to_rfc3339_jst(),
                "to": EventTime(job.to).to_rfc3339_jst(),
            },
            "padding_minutes": job.padding_minutes,
            "messages": job.messages,
            "reference": "",
        });
        let counts = http.post(format!("{url}/preview")).bearer_auth(token).json(&asked);
        let counts = counts.send().await.expect("an answer").error_for_status().expect("counts");
        let mut counts: Json = counts.json().await.expect("JSON");
        // How far behind, not who was there.
        counts.as_object_mut().expect("an object").remove("behind_seconds");
        assert!(counts["people"].as_u64().is_some_and(|people| people > 0), "{counts}");
        seen.push((view.json().await.expect("JSON"), counts));
    }
    seen
}

/// A row of each table that only registrations write.
fn operators() -> Vec<Mutation> {
    let (at, address) = (system_clock()(), "tencho@example.jp".to_owned());
    let operator = [7; 32];
    let token = OperatorTokenRow {
        token_hash: [8; 32],
        purpose: "register".to_owned(),
        address: address.clone(),
        made_at: at,
        expires_at: at,
        used_at: None,
    };
    let draft = DraftRow { operator, saved_at: at, draft: "{}".to_owned() };
    let facility = FacilityId::from_u64(1);
    let of = OperatorRow { operator, facility, address, since: at };
    let (letter, claim) = ("{}".to_owned(), String::new());
    let mail = OutboxRow { queued_at: at, id: [9; 16], letter, claim };
    vec![token.to_mutation(), draft.to_mutation(), of.to_mutation(), mail.to_mutation()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moves_to_a_cluster_with_all_that_is_in_it() {
    let (kafka, cql) = (server("ANSHIN_TEST_KAFKA"), server("ANSHIN_TEST_CQL"));
    let servers = Servers::new(&kafka.expect("a Kafka"), &cql.expect("a store"), 1);
    let variables: BTreeMap<_, _> = servers.variables().into_iter().collect();
    let (log_url, store_url) = (variables["ANSHIN__LOG__URL"], variables["ANSHIN__STORE__URL"]);
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().to_owned();
    let data = dir.join("data");
    let from = format!("embedded://{}", data.display());
    let to = ["--from", &from, "--to", log_url, "--to", store_url];
    let move_it = || copy(&dir, &servers, &to);

    // A day on one machine.
    let played = play(&Demo { dir: Some(dir.clone()), ..crate::demo::demo(41) }).await;
    let played = played.expect("the day is played");
    assert_eq!(played.outcome.differences, []);
    let Roles::Here(running) = &played.stage.roles else { panic!("the day is on one machine") };
    let console = running.console.expect("the console listens");
    let token = played.stage.officials.drafter.clone();
    let record = played.record.clone();
    let before = seen(console, &token, &record.jobs).await;
    let (code, said) = refused(&move_it());
    assert!(code == Some(69) && said.contains("is in use by another process"), "{said}");
    played.end().await.expect("the roles end well");

    // Nothing is there to copy to; then topics alone; nothing to copy from.
    let (code, said) = refused(&move_it());
    assert!(code == Some(69) && said.contains("Kafka has no topic"), "{said}");
    let line = Platform::new(Channel::default(), 41);
    let serving = line.serve(([127, 0, 0, 1], 0).into()).await.expect("it listens");
    let config = demo::config(&dir, &serving.url(), &servers.variables()).expect("a configuration");
    server::migrate::migrate(&config, false, &mut Vec::new()).await.expect("topics and tables");
    let elsewhere = store_url.replace("/demo_", "/nobody_");
    let (code, said) =
        refused(&copy(&dir, &servers, &["--from", &from, "--to", log_url, "--to", &elsewhere]));
    assert!(code == Some(69) && said.contains("has no keyspace nobody_"), "{said}");
    let nowhere = dir.join("no-such-directory");
    let url = format!("embedded://{}", nowhere.display());
    let (code, said) =
        refused(&copy(&dir, &servers, &["--from", &url, "--to", log_url, "--to", store_url]));
    assert!(code == Some(69) && said.contains("there is no data directory at"), "{said}");
    assert!(!nowhere.exists(), "a directory is not made by copying from it");
    for wrong in [["--from", log_url, "--to", store_url], ["--from", &from, "--to", "mysql://a"]] {
        let (code, said) = refused(&copy(&dir, &servers, &wrong));
        assert!(code == Some(64) && said.contains("embedded:///"), "{said}");
    }

    // What a copy that was cut off has left there is the beginning of what is here.
    let source = Embedded::open(&data, EmbeddedConfig::default()).await.expect("the directory");
    source.store().write(operators().into()).await.expect("what a day without registrations lacks");
    let records = all_records(&source.log()).await.expect("records");
    let rows = rows(&source);
    source.close().await;
    let target = server::backends::open(&config, system_clock()).await.expect("the cluster");
    let jobs = records.iter().filter(|record| record.position.topic == Topic::Jobs);
    for record in jobs.take(2) {
        let (key, value) = (record.key.clone(), record.value.clone());
        let appended = target.log.append(vec![Append { topic: Topic::Jobs, key, value }]).await;
        assert!(appended[0].is_ok());
    }

    let mut said = Vec::new();
    for _ in 0..2 {
        let output = move_it();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}");
        said.push(String::from_utf8(output.stdout).expect("UTF-8"));
        let there = all_records(&target.log).await.expect("records");
        assert_eq!(bytes(&there), bytes(&records));
        assert_eq!(rows_of(&target.store, &rows).await, rows);
    }
    assert_eq!(said[0], said[1]);
    for topic in Topic::ALL {
        let count = records.iter().filter(|record| record.position.topic == topic).count();
        let line = format!("topic {topic}: {count} records, as many on both sides\n");
        assert!(said[0].contains(&line), "{line}{}", said[0]);
    }
    for table in ALL_TABLES {
        let of = rows.iter().filter(|((name, _), _)| *name == table.name);
        let count: usize = of.map(|(_, rows)| rows.len()).sum();
        assert!(count > 0, "the day has rows of {}", table.name);
        let line = format!("table {}: {count} rows, as many on both sides\n", table.name);
        assert!(said[0].contains(&line), "{line}{}", said[0]);
    }

    // Another directory does not go to the same topics.
    let corpus = Corpus::all().expect("the corpus").pop().expect("a version");
    unpack(&corpus.data, &dir.join("another")).expect("unpacked");
    let another = format!("embedded://{}", dir.join("another").display());
    let (code, said) =
        refused(&copy(&dir, &servers, &["--from", &another, "--to", log_url, "--to", store_url]));
    assert!(code == Some(1) && said.contains("the target has other records"), "{said}");
    let there = all_records(&target.log).await.expect("records");
    assert_eq!(bytes(&there), bytes(&records), "nothing was written before that was found out");

    // Officials find there what they had here; and nobody is told again.
    target.close().await;
    let running = server::start(config, &server::Role::ALL).await.expect("roles start");
    running.readiness.all().await;
    let console = running.console.expect("the console listens");
    assert_eq!(seen(console, &token, &record.jobs).await, before);
    let differences = verify::verify(&running.store(), &record).await.expect("counted");
    assert_eq!(differences, []);
    running.stop();
    running.ended().await.expect("the roles end well");
    assert_eq!(line.journal.lock().accepted, []);
}
