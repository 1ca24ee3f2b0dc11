//! Links to a real Kafka that are encrypted, and where brokers ask who is there.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use rand::RngExt;
use schemas::topic::{Offset, Partition, Topic};
use storage::{
    kafka::{
        KafkaConfig, KafkaLog, KafkaReader, Link, OpenError, Sasl, SaslMechanism, Tls, migrate,
    },
    log::{Append, Delivery, Group, Log, Member, Reader},
};

use super::{kafka::config, kafka_mock::patiently};

const WAIT: Duration = Duration::from_secs(30);
const USER: &str = "anshin-test";

/// A script of scripts/servers.
fn script(name: &str) -> Command {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers");
    let mut command = Command::new(servers.join(name));
    command.env_clear().stdin(Stdio::null());
    for variable in ["PATH", "HOME", "JAVA_HOME"] {
        command.envs(std::env::var(variable).map(|value| (variable, value)));
    }
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Ports of loopback that are free. Not of those that the kernel gives to outgoing connections:
/// it could give one away while the broker restarts.
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

/// One broker with three listeners; stopped when dropped.
struct Broker {
    dir: tempfile::TempDir,
    jars: String,
    /// Asks for user and password.
    login: u16,
    /// Asks for a certificate.
    mutual: u16,
    /// Shows a certificate with another name.
    elsewhere: u16,
    controller: u16,
}

impl Broker {
    fn new() -> Self {
        let jars = std::env::var("ANSHIN_TEST_JARS").unwrap_or_else(|_| {
            panic!("ANSHIN_TEST_JARS names no jars: run the tests through scripts/servers/with --kafka --cassandra -- cargo test")
        });
        let dir = tempfile::tempdir().expect("a directory");
        let mut make = script("certificates");
        make.arg(dir.path());
        run(make);
        let [login, mutual, elsewhere, controller] = free_ports();
        Self { dir, jars, login, mutual, elsewhere, controller }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts it, with the data it has. `trusted` signed the certificates of its clients.
    fn start(&self, password: &str, trusted: &str) {
        let file = |name: &str| self.file(name).display().to_string();
        let key = std::fs::read_to_string(self.file("password")).expect("a password");
        let key = key.trim_end();
        let (login, mutual, elsewhere) = (self.login, self.mutual, self.elsewhere);
        let clients = format!(
            "CLIENT://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual},ELSEWHERE://127.0.0.1:{elsewhere}"
        );
        // The last line with a name counts.
        let mut more = vec![
            format!(
                "listeners={clients},INTERNAL://127.0.0.1:0,CONTROLLER://127.0.0.1:{}",
                self.controller
            ),
            format!("advertised.listeners={clients},INTERNAL://127.0.0.1:0"),
            "listener.security.protocol.map=CLIENT:SASL_SSL,MUTUAL:SSL,ELSEWHERE:SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
            "listener.name.mutual.ssl.client.auth=required".to_owned(),
            "listener.name.mutual.ssl.truststore.type=PEM".to_owned(),
            format!("listener.name.mutual.ssl.truststore.location={}", file(trusted)),
        ];
        for (listener, shown) in [("mutual", "server.p12"), ("elsewhere", "elsewhere.p12")] {
            let prefix = format!("listener.name.{listener}.ssl.keystore");
            more.push(format!("{prefix}.type=PKCS12"));
            more.push(format!("{prefix}.location={}", file(shown)));
            more.push(format!("{prefix}.password={key}"));
        }
        let mut start = script("kafka/start-kafka.sh");
        start
            .env("LIB", Path::new(&self.jars).join("kafka"))
            .env("RUN", self.file("kafka"))
            .env("HEAP", "384m")
            .env("PORT", self.login.to_string())
            .env("CONTROLLER_PORT", self.controller.to_string())
            .env("SECURITY", "SASL_SSL")
            .env("TLS_KEYSTORE", self.file("server.p12"))
            .env("TLS_PASSWORD", key)
            .env("USERS", format!("{USER}:{password}"))
            .env("EXTRA_PROPERTIES", more.join("\n"));
        run(start);
    }

    fn stop(&self) {
        let Ok(pid) = std::fs::read_to_string(self.file("kafka/pid")) else { return };
        let process = Path::new("/proc").join(pid.trim()).join("exe");
        // One that has ended has no executable any more.
        if std::fs::read_link(&process).is_ok() {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
        while std::fs::read_link(&process).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Where clients with a password go, and how.
    fn as_user(&self, mechanism: SaslMechanism, password: &str) -> KafkaConfig {
        let password_file = self.file(&format!("{}-{password}", mechanism.name()));
        std::fs::write(&password_file, format!("{password}\n")).expect("a file");
        let username = USER.to_owned();
        let sasl = Some(Sasl { mechanism, username, password_file });
        self.link(self.login, Link { tls: Some(self.tls("ca.pem")), sasl, ..Link::default() })
    }

    /// Where clients with a certificate go, and how.
    fn with_certificate(&self, name: Option<&str>) -> KafkaConfig {
        let mut tls = self.tls("ca.pem");
        tls.identity =
            name.map(|name| (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))));
        self.link(self.mutual, Link { tls: Some(tls), ..Link::default() })
    }

    fn tls(&self, ca: &str) -> Tls {
        Tls { ca_file: Some(self.file(ca)), ..Tls::default() }
    }

    fn link(&self, port: u16, link: Link) -> KafkaConfig {
        // All of them use the same topics.
        let prefix = "links.".to_owned();
        let session_timeout = Duration::from_secs(2);
        KafkaConfig { prefix, session_timeout, link, ..config(&format!("127.0.0.1:{port}")) }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn refused(config: &KafkaConfig, wait: Duration) -> OpenError {
    let opened = patiently("opening ends", KafkaLog::open(config.clone(), wait)).await;
    opened.err().expect("the log does not open")
}

async fn append(log: &KafkaLog, text: &str) -> Offset {
    let (key, value) = (Bytes::from_static(b"key"), Bytes::copy_from_slice(text.as_bytes()));
    let records = vec![Append { topic: Topic::Jobs, key, value }];
    patiently("an append gets through", async {
        loop {
            if let Some(Ok(position)) = log.append(records.clone()).await.pop() {
                break position.offset;
            }
        }
    })
    .await
}

async fn read_until(reader: &mut KafkaReader, text: &str) {
    patiently("a record is read", async {
        loop {
            let Ok(records) = reader.next().await else { continue };
            if records.iter().any(|record| record.value == text.as_bytes()) {
                break;
            }
        }
    })
    .await;
}

async fn take_until<M: Member>(member: &mut M, text: &str) {
    patiently("a member is given a record", async {
        loop {
            let Ok(Delivery::Records(records)) = member.next().await else { continue };
            if records.iter().any(|record| record.value == text.as_bytes()) {
                break;
            }
        }
    })
    .await;
}

async fn whoever_may_enters(broker: &Broker) {
    let ways = [
        ("a", broker.as_user(SaslMechanism::Plain, "first")),
        ("b", broker.as_user(SaslMechanism::ScramSha256, "first")),
        ("c", broker.as_user(SaslMechanism::ScramSha512, "first")),
        ("d", broker.with_certificate(Some("client"))),
    ];
    for (text, config) in ways {
        let log = KafkaLog::open(config, WAIT).await.expect("the log opens");
        let offset = append(&log, text).await;
        let mut reader = log.read(Topic::Jobs, Partition(0), offset).await.expect("a reader");
        read_until(&mut reader, text).await;
    }
}

async fn whoever_may_not_is_told_why(broker: &Broker) {
    let at = |config: &KafkaConfig| config.brokers[0].clone();

    let mut config = broker.as_user(SaslMechanism::Plain, "first");
    config.link.tls = Some(broker.tls("other-ca.pem"));
    let said = refused(&config, WAIT).await;
    assert!(matches!(said, OpenError::Tls { .. }), "{said}");
    assert!(said.to_string().contains(&at(&config)), "{said}");

    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]
    {
        let config = broker.as_user(mechanism, "wrong");
        let said = refused(&config, WAIT).await;
        assert!(matches!(said, OpenError::Login { .. }), "{mechanism:?}: {said}");
        assert!(said.to_string().contains(&at(&config)), "{said}");
        assert!(!said.to_string().contains("wrong"), "{said}");
    }

    let config =
        broker.link(broker.elsewhere, Link { tls: Some(broker.tls("ca.pem")), ..Link::default() });
    let said = refused(&config, WAIT).await;
    assert!(matches!(said, OpenError::Tls { .. }), "{said}");
    assert!(said.to_string().contains(&at(&config)), "{said}");

    for certificate in [None, Some("stranger")] {
        let config = broker.with_certificate(certificate);
        let said = refused(&config, WAIT).await;
        assert!(matches!(said, OpenError::Certificate { .. }), "{certificate:?}: {said}");
        assert!(said.to_string().contains("kafka.certificate_file"), "{certificate:?}: {said}");
    }

    let plain = broker.link(broker.mutual, Link::default());
    let said = refused(&plain, Duration::from_secs(1)).await;
    assert!(said.to_string().contains(&at(&plain)), "{said}");

    let mut config = broker.as_user(SaslMechanism::Plain, "first");
    let missing = broker.file("missing");
    config.link.sasl.as_mut().expect("a user").password_file = missing.clone();
    let said = refused(&config, WAIT).await;
    assert!(said.to_string().contains(&missing.display().to_string()), "{said}");
}

/// Secrets change while the log is in use; then brokers take only the new ones.
async fn secrets_may_be_changed(broker: &Broker) {
    let user = broker.as_user(SaslMechanism::Plain, "first");
    let password_file = user.link.sasl.as_ref().expect("a user").password_file.clone();
    for part in ["pem", "key"] {
        std::fs::copy(broker.file(&format!("client.{part}")), broker.file(&format!("own.{part}")))
            .expect("a copy");
    }
    let certified = broker.with_certificate(Some("own"));
    let mut in_use = Vec::new();
    for config in [user, certified] {
        let log = KafkaLog::open(config, WAIT).await.expect("the log opens");
        append(&log, "before").await;
        let mut reader = log.read(Topic::Jobs, Partition(0), Offset(0)).await.expect("a reader");
        read_until(&mut reader, "before").await;
        let group = [Group::Processor, Group::Sender][in_use.len()];
        let mut member = log.join(group, Topic::Jobs).await.expect("a member");
        take_until(&mut member, "before").await;
        in_use.push((log, reader, member));
    }
    // A slip, which is mended later: as long as this it is sure to be seen.
    std::fs::write(&password_file, "slip").expect("a file");
    tokio::time::sleep(Duration::from_secs(4)).await;
    broker.stop();
    std::fs::write(&password_file, "second").expect("a file");
    for part in ["pem", "key"] {
        let fresh = broker.file(&format!("stranger.{part}"));
        std::fs::copy(fresh, broker.file(&format!("own.{part}"))).expect("a copy");
    }
    broker.start("second", "other-ca.pem");
    for (log, reader, member) in &mut in_use {
        append(log, "after").await;
        read_until(reader, "after").await;
        take_until(member, "after").await;
        log.bounds(Topic::Jobs).await.expect("bounds are told");
        log.committed(Group::Sender, Topic::Jobs).await.expect("what is committed is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_protected() {
    let broker = Broker::new();
    broker.start("first", "ca.pem");
    let maker = broker.as_user(SaslMechanism::Plain, "first");
    migrate(&maker, 28, WAIT, false, &mut Vec::new()).await.expect("topics are made");
    whoever_may_enters(&broker).await;
    whoever_may_not_is_told_why(&broker).await;
    secrets_may_be_changed(&broker).await;
}
