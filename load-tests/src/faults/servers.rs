//! Kafka and Cassandra as processes of their own, so that they can be killed, stopped and started
//! again on their data; and the links to them.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::proxy::Proxy;
use crate::{
    children::Children,
    cluster::{Part, Variables},
};

/// Where the scripts that start servers are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers");

/// A server that roles reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The log.
    Kafka,
    /// The store.
    Cql,
}

/// How many nodes of Kafka and of Cassandra there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// One of each, and links that can be broken.
    One,
    /// Three of each, without links.
    Three,
}

/// The link of a role to a server, as the proxy names it.
pub fn link(part: Part, peer: Peer) -> String {
    match peer {
        Peer::Kafka => format!("{}-kafka", part.name()),
        Peer::Cql => format!("{}-cql", part.name()),
    }
}

/// A port that nobody listens on now. Below 32768, where the kernel takes the ports of outgoing
/// connections from: it could give a server's port away while the server is down.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..1_000 {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free")
}

/// One node of Kafka or Cassandra.
pub struct Server {
    script: PathBuf,
    run: PathBuf,
    variables: Variables,
    children: Arc<Children>,
}

impl Server {
    fn new(kind: &str, run: PathBuf, with: &Fetched, variables: &[(&str, String)]) -> Self {
        let script = Path::new(SCRIPTS).join(kind).join(format!("start-{kind}.sh"));
        let set = |key: &str, value: String| (key.to_owned(), value);
        let mut all = vec![
            set("LIB", with.jars.join(kind).display().to_string()),
            set("RUN", run.display().to_string()),
            set("HEAP", "512m".to_owned()),
        ];
        for key in ["PATH", "HOME", "JAVA_HOME", "JAVA_HOMES"] {
            all.extend(std::env::var(key).ok().map(|value| set(key, value)));
        }
        all.extend(variables.iter().map(|(key, value)| set(key, value.clone())));
        Self { script, run, variables: all, children: Arc::clone(&with.children) }
    }

    /// Starts it, on its data where it has some, and waits until it serves.
    pub async fn start(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.run)?;
        let mut command = Command::new(&self.script);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(self.run.join("start.log"))?);
        let mut script = self.children.spawn(&mut command)?;
        let status = loop {
            match script.try_wait()? {
                Some(status) => break status,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let said = std::fs::read_to_string(self.run.join("start.log")).unwrap_or_default();
        ensure!(status.success(), "a server does not start: {said}");
        Ok(())
    }

    /// Of the server, not of the script that started it; while it runs.
    fn pid(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.run.join("pid")).ok()?;
        pid.trim().parse().ok().filter(|pid| self.children.has(*pid))
    }

    /// `STOP` or `CONT`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().context("it does not run")?.to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        ensure!(sent.success(), "{name} can't be sent to a server");
        Ok(())
    }

    /// SIGKILL, as a machine that dies; waits until it is gone.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.signal("KILL")?;
        while self.pid().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// The servers of one run, and the proxy before them.
pub struct Servers {
    /// Kafka's nodes.
    pub kafka: Vec<Server>,
    /// Cassandra's nodes.
    pub cassandra: Vec<Server>,
    /// Links, where there is one node of each.
    pub proxy: Proxy,
    /// How this process reaches the log: past the proxy.
    pub log_url: String,
    /// How this process reaches the store, without the keyspace.
    pub cql_url: String,
    /// How each role reaches them.
    links: Vec<(Part, u16, u16)>,
}

/// What servers are made of, and what ends them.
struct Fetched {
    jars: PathBuf,
    children: Arc<Children>,
}

impl Fetched {
    async fn new() -> anyhow::Result<Self> {
        let children = Arc::new(Children::new()?);
        if let Some(jars) = std::env::var_os("ANSHIN_TEST_JARS") {
            return Ok(Self { jars: PathBuf::from(jars), children });
        }
        let mut fetch = Command::new(Path::new(SCRIPTS).join("fetch"));
        let fetch = children.spawn(fetch.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let output = tokio::task::spawn_blocking(move || fetch.wait_with_output()).await??;
        ensure!(output.status.success(), "scripts/servers/fetch failed: see above");
        let jars = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        Ok(Self { jars, children })
    }

    fn toxiproxy(&self) -> PathBuf {
        let named = std::env::var_os("ANSHIN_TEST_TOXIPROXY").map(PathBuf::from);
        named.unwrap_or_else(|| self.jars.join("toxiproxy/toxiproxy-server"))
    }
}

impl Servers {
    /// Starts them in a directory.
    pub async fn start(dir: &Path, nodes: Nodes) -> anyhow::Result<Self> {
        let with = Fetched::new().await?;
        let proxy = Proxy::start(&with.toxiproxy(), &with.children).await?;
        match nodes {
            Nodes::One => Self::one(dir, &with, proxy).await,
            Nodes::Three => Self::three(dir, &with, proxy).await,
        }
    }

    /// Three nodes of each; everybody knows all of them.
    async fn three(dir: &Path, with: &Fetched, proxy: Proxy) -> anyhow::Result<Self> {
        const TOKENS: [i64; 3] =
            [-9_223_372_036_854_775_808, -3_074_457_345_618_258_603, 3_074_457_345_618_258_602];
        let (cql, storage) = (free_port()?, free_port()?);
        let ports = [free_port()?, free_port()?, free_port()?];
        let controllers = [free_port()?, free_port()?, free_port()?];
        let voters: Vec<String> =
            (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let seeds: Vec<String> = (1..=3).map(|n| format!("127.0.0.{n}:{storage}")).collect();
        let (mut kafka, mut cassandra) = (Vec::new(), Vec::new());
        for n in 0..3 {
            kafka.push(Server::new(
                "kafka",
                dir.join(format!("data/kafka-{n}")),
                with,
                &[
                    ("NODE_ID", (n + 1).to_string()),
                    ("PORT", ports[n].to_string()),
                    ("CONTROLLER_PORT", controllers[n].to_string()),
                    ("VOTERS", voters.join(",")),
                    ("RF", "3".to_owned()),
                    ("MIN_ISR", "2".to_owned()),
                ],
            ));
            cassandra.push(Server::new(
                "cassandra",
                dir.join(format!("data/cassandra-{n}")),
                with,
                &[
                    ("ADDRESS", format!("127.0.0.{}", n + 1)),
                    ("PORT", cql.to_string()),
                    ("STORAGE_PORT", storage.to_string()),
                    ("SEEDS", seeds.join(",")),
                    ("INITIAL_TOKEN", TOKENS[n].to_string()),
                    ("RING_DELAY_MS", "2000".to_owned()),
                    ("COMMITLOG_SYNC", "batch".to_owned()),
                ],
            ));
        }
        let all = kafka.iter().chain(&cassandra).map(Server::start);
        futures_util::future::try_join_all(all).await?;
        let brokers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let hosts: Vec<String> = (1..=3).map(|n| format!("127.0.0.{n}:{cql}")).collect();
        Ok(Self {
            kafka,
            cassandra,
            proxy,
            log_url: format!("kafka://{}", brokers.join(",")),
            cql_url: format!("cql://{}", hosts.join(",")),
            links: Vec::new(),
        })
    }

    /// One node of each, and a link from every role to each of them.
    async fn one(dir: &Path, with: &Fetched, mut proxy: Proxy) -> anyhow::Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let (cql, storage) = (free_port()?, free_port()?);
        // Kafka tells clients where to go on: each role has a listener of its own, which names the
        // role's link.
        let mut listeners = format!(
            "CLIENT://127.0.0.1:{port},INTERNAL://127.0.0.1:0,CONTROLLER://127.0.0.1:{controller}"
        );
        let mut advertised = format!("CLIENT://127.0.0.1:{port},INTERNAL://127.0.0.1:0");
        let mut map = "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        let mut links = Vec::new();
        for part in Part::ALL {
            let (inner, outer, store) = (free_port()?, free_port()?, free_port()?);
            let name = part.name().to_uppercase();
            listeners.push_str(&format!(",{name}://127.0.0.1:{inner}"));
            advertised.push_str(&format!(",{name}://127.0.0.1:{outer}"));
            map.push_str(&format!(",{name}:PLAINTEXT"));
            proxy.link(&link(part, Peer::Kafka), outer, inner).await?;
            proxy.link(&link(part, Peer::Cql), store, cql).await?;
            links.push((part, outer, store));
        }
        let properties = format!(
            "listeners={listeners}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={map}"
        );
        let kafka = Server::new(
            "kafka",
            dir.join("data/kafka"),
            with,
            &[
                ("PORT", port.to_string()),
                ("CONTROLLER_PORT", controller.to_string()),
                ("EXTRA_PROPERTIES", properties),
            ],
        );
        let cassandra = Server::new(
            "cassandra",
            dir.join("data/cassandra"),
            with,
            &[
                ("PORT", cql.to_string()),
                ("STORAGE_PORT", storage.to_string()),
                ("COMMITLOG_SYNC", "batch".to_owned()),
            ],
        );
        tokio::try_join!(kafka.start(), cassandra.start())?;
        Ok(Self {
            kafka: vec![kafka],
            cassandra: vec![cassandra],
            proxy,
            log_url: format!("kafka://127.0.0.1:{port}"),
            cql_url: format!("cql://127.0.0.1:{cql}"),
            links,
        })
    }

    /// What a role is told of its own way to the servers.
    pub fn variables(&self, part: Part, keyspace: &str) -> Variables {
        let of_part = self.links.iter().filter(|(linked, ..)| *linked == part);
        of_part
            .flat_map(|(_, kafka, cql)| {
                [
                    ("ANSHIN__LOG__URL".to_owned(), format!("kafka://127.0.0.1:{kafka}")),
                    ("ANSHIN__STORE__URL".to_owned(), format!("cql://127.0.0.1:{cql}/{keyspace}")),
                ]
            })
            .collect()
    }

    /// How many copies there are of everything.
    pub fn copies(&self) -> usize {
        self.kafka.len()
    }

    /// Every node runs, every link is well.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for server in self.kafka.iter().chain(&self.cassandra) {
            // Where a row has failed, it may have left one down.
            if server.pid().is_some() { server.signal("CONT")? } else { server.start().await? }
        }
        self.proxy.heal().await
    }
}
