//! What needs a Cassandra of its own: one that goes away and comes back, one that asks who is there.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    slice::from_ref,
    time::{Duration, Instant},
};

use rand::RngExt;
use storage::{
    Kind,
    cql::{CqlConfig, CqlError, CqlStore, Login, Tls},
    embedded::system_clock,
    rows::TypedStore,
};

use super::cql::{WAIT, apply, config, row};

const KEYSPACE: &str = "anshin_test";

/// A script of scripts/servers.
fn script(name: &str) -> Command {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers");
    let mut command = Command::new(servers.join(name));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    for variable in ["PATH", "HOME", "JAVA_HOME"] {
        command.envs(std::env::var(variable).map(|value| (variable, value)));
    }
    command
}

fn run(command: &mut Command) {
    let status = command.status().expect("the script runs");
    assert!(status.success(), "{command:?}");
}

/// Ports of loopback that are free. Not of those that the kernel gives to outgoing connections: it
/// could give one away while the node restarts.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = std::array::from_fn::<TcpListener, N, _>(|_| {
        loop {
            let port = rand::rng().random_range(20_000..32_000);
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                break listener;
            }
        }
    });
    held.map(|listener| listener.local_addr().expect("an address").port())
}

/// One node; killed when dropped.
struct Node {
    dir: tempfile::TempDir,
    jars: String,
    port: u16,
    storage_port: u16,
}

impl Node {
    fn new() -> Self {
        let jars = std::env::var("ANSHIN_TEST_JARS").unwrap_or_else(|_| {
            panic!(
                "ANSHIN_TEST_JARS does not say where Cassandra's jars are: run `make test`, or \
                 `scripts/servers/with --cassandra -- cargo test --package storage`"
            )
        });
        let [port, storage_port] = free_ports();
        Self { dir: tempfile::tempdir().expect("a directory"), jars, port, storage_port }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn run_dir(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    /// Starts it, with its data where there is some; returns when it serves.
    fn start(&self, settings: &[(&str, &str)]) {
        let mut start = script("cassandra/start-cassandra.sh");
        start
            .env("LIB", format!("{}/cassandra", self.jars))
            .env("RUN", self.run_dir())
            .env("PORT", self.port.to_string())
            .env("STORAGE_PORT", self.storage_port.to_string())
            .env("COMMITLOG_SYNC", "batch")
            .env("HEAP", "512m")
            .envs(settings.iter().copied());
        run(&mut start);
    }

    /// As a crash ends it.
    fn kill(&self) {
        let Ok(pid) = fs::read_to_string(self.run_dir().join("pid")) else { return };
        let pid = pid.trim();
        let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        // A process that has ended but is not reaped yet has no executable any more.
        while Path::new(&format!("/proc/{pid}/exe")).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What was acknowledged is there after a crash, and the store comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_comes_back_with_its_node() {
    let node = Node::new();
    node.start(&[]);
    let config = config(node.host(), KEYSPACE);
    apply(&config).await.expect("migrated");
    let store = CqlStore::connect(config, WAIT).await.expect("a store");
    let written = row(system_clock()(), 1);
    let partition = (written.venue, written.scanned_at.hour());
    store.put(from_ref(&written)).await.expect("written");

    for _ in 0..2 {
        node.kill();
        // Long enough away for the driver's pauses to grow.
        let killed = Instant::now();
        while killed.elapsed() < Duration::from_secs(8) {
            let error = store.put(from_ref(&written)).await.expect_err("nobody there");
            assert_eq!(error.kind(), Kind::Transient, "{error}");
        }
        node.start(&[]);
        let serves = Instant::now();
        while let Err(error) = store.get::<storage::rows::visits::ScanRow>(&partition).await {
            assert_eq!(error.kind(), Kind::Transient, "{error}");
        }
        println!("back {:?} after the node", serves.elapsed());
        let found = store.get(&partition).await.expect("read");
        assert_eq!(found.as_ref(), Some(&written));
        store.put(from_ref(&written)).await.expect("written");
    }
}

/// A key store whose certificate names localhost and no address.
fn sign_for_localhost(dir: &Path, password: &str) {
    fs::write(dir.join("named.ext"), "subjectAltName=DNS:localhost\n").expect("written");
    let password = format!("pass:{password}");
    for arguments in [
        "req -new -key server.key -subj /CN=named -out named.csr".to_owned(),
        "x509 -req -in named.csr -CA ca.pem -CAkey ca.key -set_serial 77 -days 2 \
         -extfile named.ext -out named.pem"
            .to_owned(),
        format!(
            "pkcs12 -export -in named.pem -inkey server.key -certfile ca.pem -name named -passout {password} -out named.p12"
        ),
    ] {
        let mut openssl = Command::new("openssl");
        run(openssl.current_dir(dir).args(arguments.split_whitespace()).stderr(Stdio::null()));
    }
}

async fn refusal(config: CqlConfig) -> CqlError {
    CqlStore::connect(config, Duration::ZERO).await.err().expect("it can't be used")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_asked_on_both_sides() {
    let node = Node::new();
    let file = |name: &str| node.dir.path().join(name);
    run(script("certificates").arg(node.dir.path()));
    let text = |name: &str| fs::read_to_string(file(name)).expect("a file").trim().to_owned();
    let tls_password = text("password");
    let path = |name: &str| file(name).to_str().expect("a path").to_owned();
    let settings = |keystore: &str| {
        [
            ("AUTH", "1".to_owned()),
            ("TLS_KEYSTORE", path(keystore)),
            ("TLS_PASSWORD", tls_password.clone()),
        ]
    };
    let start = |keystore: &str| {
        let settings = settings(keystore);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        node.start(&settings);
    };
    start("server.p12");

    let password_file = file("cql-password");
    fs::write(&password_file, "cassandra\n").expect("written");
    let login = Some(Login { username: "cassandra".to_owned(), password_file });
    let tls = |ca: &str| Some(Tls { ca_file: Some(file(ca)) });
    let good = CqlConfig { tls: tls("ca.pem"), login, ..config(node.host(), KEYSPACE) };
    apply(&good).await.expect("migrated");
    let store = CqlStore::connect(good.clone(), WAIT).await.expect("a store");
    let written = row(system_clock()(), 1);
    store.put(from_ref(&written)).await.expect("written");

    let error = refusal(CqlConfig { tls: tls("other-ca.pem"), ..good.clone() }).await;
    assert!(matches!(error, CqlError::Certificate { .. }), "{error}");
    assert!(error.to_string().contains(&node.host()), "{error}");
    let error = refusal(CqlConfig { tls: Some(Tls { ca_file: None }), ..good.clone() }).await;
    let strangers = matches!(error, CqlError::Certificate { .. } | CqlError::Authorities { .. });
    assert!(strangers, "{error}");
    let error = refusal(CqlConfig { tls: None, ..good.clone() }).await;
    assert!(matches!(error, CqlError::Unreachable { .. }), "{error}");
    let error = refusal(CqlConfig { login: None, ..good.clone() }).await;
    assert!(matches!(error, CqlError::LoginWanted { .. }), "{error}");
    let nowhere = Login { username: "cassandra".to_owned(), password_file: file("nowhere") };
    let error = refusal(CqlConfig { login: Some(nowhere), ..good.clone() }).await;
    assert!(matches!(&error, CqlError::File { file, .. } if file.ends_with("nowhere")), "{error}");

    // The password is read again with each connection.
    fs::write(file("cql-password"), "another").expect("written");
    let error = refusal(good.clone()).await;
    assert!(matches!(error, CqlError::Login { .. }), "{error}");
    assert!(!error.to_string().contains("another"), "{error}");
    fs::write(file("cql-password"), "cassandra").expect("written");
    CqlStore::connect(good.clone(), WAIT).await.expect("a store again");

    // A certificate by the same authority, for somebody else.
    node.kill();
    start("elsewhere.p12");
    let error = refusal(good.clone()).await;
    assert!(matches!(error, CqlError::Certificate { .. }), "{error}");
    // Nor does the store that was there before talk to it.
    let error = store.put(from_ref(&written)).await.expect_err("a stranger");
    assert_eq!(error.kind(), Kind::Transient, "{error}");

    // One that names the contact host, not its address.
    sign_for_localhost(node.dir.path(), &tls_password);
    node.kill();
    start("named.p12");
    let error = refusal(good.clone()).await;
    assert!(matches!(error, CqlError::Certificate { .. }), "{error}");
    let hosts = vec![format!("localhost:{}", node.port)];
    let store = CqlStore::connect(CqlConfig { hosts, ..good }, WAIT).await.expect("a store");
    store.put(from_ref(&written)).await.expect("written");
}
