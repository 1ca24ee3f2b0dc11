//! The real binary: what it says, what it exits with, how it ends.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};

const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";

/// A place for data and keys, and the configuration that names it.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn anshin(&self, arguments: &[&str]) -> Command {
        let data = format!("embedded://{}", self.path("data").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_anshin"));
        command
            .args(arguments)
            .env_clear()
            .env("ANSHIN__LOG__URL", &data)
            .env("ANSHIN__STORE__URL", &data)
            .env("ANSHIN__KEYS__FILE", self.path("keys.json"))
            .env("ANSHIN__KEYS__PLACES_FILE", self.path("places.json"))
            .env("ANSHIN__LINE__CHANNEL_ID", "1656000000")
            .env("ANSHIN__LINE__CHANNEL_SECRETS", SECRET)
            // Nothing listens there: what LINE has to say is not what these tests are about.
            .env("ANSHIN__LINE__API_URL", "http://127.0.0.1:9")
            .env("ANSHIN__INGEST__LISTEN", "127.0.0.1:0")
            .env("ANSHIN__CONSOLE__LISTEN", "127.0.0.1:0")
            .env("ANSHIN__VENUES__LISTEN", "127.0.0.1:0")
            .env("ANSHIN__ADMIN__LISTEN", "127.0.0.1:0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.anshin(arguments).output().expect("it runs")
    }

    /// Runs it, which must succeed; what it printed.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn start(&self) -> Process {
        Process::start(self.anshin(&["all"]))
    }
}

struct Process {
    child: Child,
    log: Vec<String>,
    rest: Option<std::thread::JoinHandle<Vec<String>>>,
    ingest: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let mut process = Process { child, log: Vec::new(), rest: None, ingest: None, admin: None };
        let mut lines = lines.map_while(Result::ok);
        for line in lines.by_ref() {
            let said: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            process.log.push(line);
            let fields = &said["fields"];
            if fields["message"] == "started" {
                let address = |key: &str| fields[key].as_str().and_then(|a| a.parse().ok());
                process.ingest = address("ingest");
                process.admin = address("admin");
                break;
            }
        }
        // Read to its end: a full pipe would stop the process.
        process.rest = Some(std::thread::spawn(move || lines.collect()));
        process
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin.expect("the admin port"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ready(process: &Process) {
    loop {
        let answer = reqwest::get(process.url("/ready")).await.expect("an answer");
        if answer.status() == 200 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_configuration_is_64_and_one_sentence_before_anything_is_made() {
    for (variable, value, names) in [
        ("ANSHIN__RETENTION__DAYS", "5", "retention.days is 5; allowed: 14 to 60"),
        ("ANSHIN__LOG__URL", "mysql://127.0.0.1:9092", "`mysql` is no backend of this build"),
        ("ANSHIN__LOG__URL", "kafka://127.0.0.1", "the hosts of `kafka` are not host:port"),
        ("ANSHIN__LOG__URL", "kafka://kafka.example:9092", "would be in plain text"),
        ("ANSHIN__STORE__URL", "cql://cql.example:9042/anshin", "would be spoken to without TLS"),
        ("ANSHIN__STORE__URL", "cql://127.0.0.1:9042", "needs a keyspace"),
        (
            "ANSHIN__STORE__URL",
            "cql://me:hunter2@127.0.0.1:9042/a",
            "a URL with a user or password",
        ),
        ("ANSHIN__KAFKA__SASL", "GSSAPI", "allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("ANSHIN__KAFKA__PLAIN_TEXT", "yes", "kafka.plain_text must be"),
        ("ANSHIN__CQL__USERNAME", "me", "cql.username and cql.password_file belong together"),
        ("ANSHIN__INGEST__LISTEN", "nowhere", "bad configuration"),
        ("ANSHIN__INGEST__NO_SUCH", "1", "there is no such key"),
        ("ANSHIN__LINE__CHANNEL_ID", "", "line.channel_id is empty"),
        ("ANSHIN__LINE__CHANNEL_SECRETS", "", "line.channel_secrets is empty"),
    ] {
        let home = Home::new();
        let output = home.anshin(&["all"]).env(variable, value).output().expect("it runs");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{variable}: {said}");
        assert!(said.contains(names), "{variable}: {said}");
        assert!(!home.path("data").exists());
    }
    let output = Home::new().run(&["no-such-command"]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_configuration_file_is_read_and_its_mistakes_are_named() {
    let home = Home::new();
    let file = home.path("anshin.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("written");
        home.run(&["check-config", "--config", file.to_str().expect("a path")])
    };
    assert_eq!(check("[retention]\ndays = 30\n").status.code(), Some(0));
    for (text, names) in [
        ("[retention]\ndays = 5\n", "retention.days is 5"),
        ("[retention]\ndayz = 20\n", "dayz"),
        ("[no_such]\n", "no_such"),
        ("[line]\nchannel_secrets = [\"hunter2\n", "line 2"),
    ] {
        let output = check(text);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{text}: {said}");
        assert!(said.contains(names) && !said.contains("hunter2"), "{text}: {said}");
    }
}

#[test]
fn keys_are_made_once_rotated_and_destroyed() {
    let home = Home::new();
    let output = home.run(&["all"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("anshin keys init"), "{}", said(&output));

    home.ok(&["keys", "init"]);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(home.path("keys.json")).expect("the file"),
    );
    assert_eq!(mode & 0o777, 0o600);
    let again = home.run(&["keys", "init"]);
    assert_eq!(again.status.code(), Some(64));
    assert!(said(&again).contains("exists already"));

    let before = std::fs::read(home.path("keys.json")).expect("the file");
    assert!(home.ok(&["keys", "rotate"]).contains("0 weeks"));
    assert!(home.ok(&["keys", "destroy"]).contains("0 weeks"));
    assert_eq!(std::fs::read(home.path("keys.json")).expect("the file"), before);
    // A longer retention touches older weeks, which get keys; a shorter one destroys them.
    let longer = |arguments: &[&str], days: &str| {
        home.anshin(arguments).env("ANSHIN__RETENTION__DAYS", days).output().expect("it runs")
    };
    assert_eq!(longer(&["keys", "rotate"], "42").stdout, b"keys were made for 2 weeks\n");
    assert_eq!(longer(&["keys", "destroy"], "28").stdout, b"keys of 2 weeks were destroyed\n");
    std::fs::write(home.path("keys.json"), "{}").expect("written");
    assert_eq!(home.run(&["keys", "rotate"]).status.code(), Some(64));
}

fn import(home: &Home, csv: &str) -> Output {
    let file = home.path("list.csv");
    std::fs::write(&file, csv).expect("written");
    home.run(&["venues", "import", file.to_str().expect("a path")])
}

#[test]
fn places_and_tokens_without_a_running_process() {
    let home = Home::new();
    home.ok(&["keys", "init"]);
    let bad = import(&home, "facility,kind,venue\nA店,zoo,1階\n,shop,1階\n");
    assert_eq!(bad.status.code(), Some(1));
    assert!(said(&bad).contains("2行目") && said(&bad).contains("3行目"), "{}", said(&bad));

    let list = "facility,kind,venue\n食堂みなと,restaurant,1階\n";
    let first = import(&home, list);
    let text = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(text.starts_with("venue_id,place_code,check_in_text\n"), "{text}");
    assert!(text.contains("チェックイン "), "{text}");
    assert_eq!(import(&home, list).stdout, first.stdout);
    let venue = text.lines().nth(1).and_then(|l| l.split(',').next()).expect("an id");
    assert_ne!(home.ok(&["venues", "reissue", venue]).trim(), "");
    assert_ne!(import(&home, list).stdout, first.stdout);

    let token = home.ok(&["tokens", "create", "--official", "sato", "--role", "drafter"]);
    assert!(token.starts_with("anshin_") && token.trim().len() > 40);
    home.ok(&["tokens", "create", "--service", "case-system"]);
    for wrong in [
        &["tokens", "create"][..],
        &["tokens", "create", "--official", "sato"],
        &["tokens", "create", "--official", "sato", "--role", "king"],
        &["tokens", "create", "--official", "a b", "--role", "drafter"],
        &["tokens", "create", "--official", "sato", "--role", "service"],
    ] {
        assert_eq!(home.run(wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn the_openapi_document_and_the_defaults_need_nothing() {
    let home = Home::new();
    let document: serde_json::Value = serde_json::from_str(&home.ok(&["openapi"])).expect("JSON");
    assert!(document["paths"]["/api/v1/exposure-jobs/{id}/approve"]["post"].is_object());
    assert!(home.ok(&["check-config", "--defaults"]).contains("[retention]"));
}

fn sign(body: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    BASE64_STANDARD.encode(mac.chain_update(body).finalize().into_bytes())
}

async fn post(process: &Process, body: String) -> u16 {
    let url = format!("http://{}/webhook", process.ingest.expect("ingest listens"));
    let request = reqwest::Client::new().post(url).header("X-Line-Signature", sign(&body));
    request.body(body).send().await.expect("an answer").status().as_u16()
}

/// From a signed webhook to the end of the process, with tools at work beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_from_start_to_end() {
    let home = Home::new();
    home.ok(&["keys", "init"]);
    let mut process = home.start();
    ready(&process).await;

    // Tools reach it through the socket in its directory.
    let list = import(&home, "facility,kind,venue\n食堂みなと,restaurant,1階\n");
    assert_eq!(list.status.code(), Some(0), "{}", said(&list));
    let list = String::from_utf8(list.stdout).expect("UTF-8");
    let text = list.lines().nth(1).and_then(|line| line.split(',').nth(2)).expect("a text");
    home.ok(&["tokens", "create", "--official", "sato", "--role", "drafter"]);
    let second = home.run(&["all"]);
    assert_eq!(second.status.code(), Some(69));
    assert!(said(&second).contains("is in use by another process (pid"), "{}", said(&second));

    let user = "U4af4980629000000000000000000000a";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    let body = format!(
        r#"{{"events":[{{"type":"message","message":{{"type":"text","id":"1","text":"{text}"}},"timestamp":{now},"source":{{"type":"user","userId":"{user}"}}}}]}}"#
    );
    assert_eq!(post(&process, body.clone()).await, 200);
    assert_eq!(post(&process, "not json".to_owned()).await, 200);
    let stored = r#"processor_results_total{topic="scans",result="stored"} 1"#;
    let metrics = loop {
        let answer = reqwest::get(process.url("/metrics")).await.expect("an answer");
        let metrics = answer.text().await.expect("a text");
        if metrics.contains(stored) {
            break metrics;
        }
        tokio::task::yield_now().await;
    };
    assert!(metrics.contains("webhook_requests_total{code=\"200\""), "{metrics}");
    assert!(!metrics.contains(user));
    assert!(home.ok(&["rejected", "list"]).ends_with("1 rejected\n"));
    assert_eq!(home.ok(&["rejected", "replay"]), "0 replayed, 1 still rejected\n");
    assert_eq!(home.ok(&["service", "show"]), "running\n");
    home.ok(&["service", "set", "suspended", "--reason", " 台風の　ため "]);
    let shown = home.ok(&["service", "show"]);
    assert!(shown.starts_with("running\nsuspended\tfrom 20"), "{shown}");
    assert!(shown.ends_with("\t台風の ため\n"), "{shown}");
    for wrong in [
        &["service", "set", "asleep"][..],
        &["service", "set", "ended", "--from", "2020-08-25T12:00:00+09:00"],
        &["service", "set", "ended", "--from", "2090-08-25T12:00:00"],
        &["service", "set", "ended", "--reason", "a\u{202e}b"],
    ] {
        assert_eq!(home.run(wrong).status.code(), Some(64), "{wrong:?}");
    }
    assert_eq!(home.ok(&["service", "show"]), shown);
    let admin = process.admin.expect("the admin port").to_string();
    let health = || home.anshin(&["healthcheck"]).env("ANSHIN__ADMIN__LISTEN", &admin).output();
    assert_eq!(health().expect("it runs").status.code(), Some(0));

    process.signal("-TERM");
    let ended = process.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(health().expect("it runs").status.code(), Some(1));
    assert!(!home.path("data/socket").exists());
    let rest = process.rest.take().expect("a log").join().expect("the log is read");
    assert!(rest.iter().any(|line| line.contains("stopping")), "{rest:?}");
    let mut log = process.log.iter().chain(&rest);
    assert!(log.all(|line| !line.contains(user) && !line.contains(SECRET)));
    assert!(nowhere(&home.path("data"), user.as_bytes()));

    // What was acknowledged is there after a kill, too.
    let mut process = home.start();
    ready(&process).await;
    assert_eq!(post(&process, body.replace("\"id\":\"1\"", "\"id\":\"2\"")).await, 200);
    process.signal("-KILL");
    assert_eq!(process.child.wait().expect("it ends").code(), None);
    assert!(home.ok(&["rejected", "list"]).ends_with("1 rejected\n"));
}

fn nowhere(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).expect("a directory").all(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return nowhere(&path, needle);
        }
        let bytes = std::fs::read(&path).expect("a file");
        !bytes.windows(needle.len()).any(|window| window == needle)
    })
}

/// A disk that takes no more: 503, then the end of the process; everything acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let home = Home::new();
    home.ok(&["keys", "init"]);
    // No file may grow beyond 64 MiB and a little: a full disk that needs no file system of its own.
    let shell =
        format!("trap '' XFSZ; ulimit -f 131080; exec {} all", env!("CARGO_BIN_EXE_anshin"));
    let mut limited = Command::new("sh");
    limited.args(["-c", &shell]).env_clear();
    limited.envs(home.anshin(&[]).get_envs().filter_map(|(key, value)| Some((key, value?))));
    let mut process = Process::start(limited);
    ready(&process).await;
    let body = "x".repeat(1_000_000);
    let mut acknowledged = 0;
    let last = loop {
        match post(&process, body.clone()).await {
            200 => acknowledged += 1,
            other => break other,
        }
        assert!(acknowledged < 200, "the limit was never met");
    };
    assert_eq!(last, 503);
    let ended = process.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1));
    assert!(acknowledged > 10);
    let listed = home.ok(&["rejected", "list"]);
    assert!(listed.ends_with(&format!("{acknowledged} rejected\n")), "{acknowledged}");
}

/// Roles on a cluster that can't be had, or is not what it should be.
#[test]
fn a_cluster_that_can_not_be_used_is_69_and_one_sentence() {
    let server = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run the tests through scripts/servers/with --kafka --cassandra -- cargo test")
        })
    };
    let (kafka, cql) = (server("ANSHIN_TEST_KAFKA"), server("ANSHIN_TEST_CQL"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let nobody = free.expect("an address").to_string();
    let name = format!("s{}", std::process::id());
    let (log, store) = (format!("kafka://{kafka}"), format!("cql://{cql}/{name}"));
    let (no_log, no_store) = (format!("kafka://{nobody}"), format!("cql://{nobody}/{name}"));
    let home = Home::new();
    home.ok(&["keys", "init"]);
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut command = home.anshin(arguments);
        command
            .env("ANSHIN__LOG__URL", &log)
            .env("ANSHIN__STORE__URL", &store)
            .env("ANSHIN__STARTUP__WAIT_SECONDS", "1")
            .env("ANSHIN__KAFKA__PREFIX", format!("{name}."))
            .env("ANSHIN__KAFKA__REPLICATION", "1")
            .env("ANSHIN__KAFKA__MIN_IN_SYNC", "1")
            .env("ANSHIN__CQL__REPLICATION", "1")
            .envs(more.iter().copied());
        command.output().expect("it runs")
    };
    let refused = |arguments: &[&str], more: &[(&str, &str)], words: &[&str]| {
        let output = run(arguments, more);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(69), "{more:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(words.iter().all(|word| last.contains(word)), "{more:?}: {last}");
    };
    refused(&["processor"], &[("ANSHIN__LOG__URL", &no_log)], &["Kafka", &nobody]);
    refused(&["processor"], &[], &["has no topic", "run `anshin migrate`"]);
    let more = [("ANSHIN__KAFKA__REPLICATION", "3")];
    refused(&["migrate"], &more, &["kafka.replication is 3"]);
    let said_so = run(&["migrate", "--dry-run"], &[]);
    assert_eq!(said_so.status.code(), Some(0), "{}", said(&said_so));
    refused(&["processor"], &[], &["has no topic"]);
    refused(&["migrate"], &[("ANSHIN__STORE__URL", &no_store)], &["CQL node", &nobody]);
    // Topics are there by now, tables are not.
    refused(&["processor"], &[], &["no keyspace", &name, "run `anshin migrate`"]);
    let migrated = run(&["migrate"], &[]);
    assert_eq!(migrated.status.code(), Some(0), "{}", said(&migrated));
    refused(&["processor"], &more, &["has replication 1 where kafka.replication is 3"]);
    // A console that is to ask nobody for counts.
    let output = run(&["console"], &[]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("preview.url is empty"), "{}", said(&output));
}

/// What the crash harness builds in stays out of what ships.
#[test]
fn nothing_that_breaks_it_on_purpose_is_in_it() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_anshin")).expect("the binary");
    let has = |text: &[u8]| {
        let begins = binary.iter().enumerate().filter(|(_, byte)| **byte == text[0]);
        begins.into_iter().any(|(at, _)| binary[at..].starts_with(text))
    };
    assert!(has(b"ANSHIN__"));
    for name in
        ["ANSHIN_SABOTAGE", "ANSHIN_CLOCK_AHEAD_MS", "ANSHIN_MUTANT", "kill point K", "mutant no "]
    {
        assert!(!has(name.as_bytes()), "{name}");
    }
}
