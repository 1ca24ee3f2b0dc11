//! Servers that are there, and what a bench has on them: topics and a keyspace of its own, keys.

use std::{fmt::Write as _, path::Path, process::Command};

use clap::Args;
use load_tests::{
    cluster::{Cluster, Variables},
    demo,
};
use schemas::time::EventTime;
use tempfile::TempDir;

/// A Kafka and a CQL store, empty enough to fill.
#[derive(Clone, Debug, Args)]
pub struct Servers {
    /// Brokers of Kafka, `host:port,host:port`.
    #[arg(long, env = "ANSHIN_TEST_KAFKA")]
    pub kafka: String,
    /// Nodes of the store, `host:port,host:port`.
    #[arg(long, env = "ANSHIN_TEST_CQL")]
    pub cql: String,
}

/// A Kafka and a CQL store where they are named; data directories otherwise.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Brokers of Kafka, `host:port,host:port`.
    #[arg(long, env = "ANSHIN_TEST_KAFKA", requires = "cql")]
    kafka: Option<String>,
    /// Nodes of the store, `host:port,host:port`.
    #[arg(long, env = "ANSHIN_TEST_CQL", requires = "kafka")]
    cql: Option<String>,
}

impl Place {
    /// The servers, if there are any.
    pub fn servers(self) -> Option<Servers> {
        self.kafka.zip(self.cql).map(|(kafka, cql)| Servers { kafka, cql })
    }
}

impl Servers {
    /// Names for topics and a keyspace that nobody had before.
    pub fn names(&self) -> demo::Servers {
        demo::Servers::new(&self.kafka, &self.cql, 1)
    }
}

/// Topics, a keyspace and keys, and how roles are told of them.
pub struct Setting {
    /// What roles are told.
    pub variables: Variables,
    /// The same, as this process reads it.
    pub config: server::Config,
    /// Where keys and what processes write are.
    pub dir: TempDir,
}

impl Setting {
    /// Makes them on servers.
    pub async fn open(servers: &Servers) -> anyhow::Result<Self> {
        let setting = Self::make(|_| {
            servers
                .names()
                .variables()
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect()
        })?;
        server::migrate::migrate(&setting.config, false, &mut Vec::new()).await?;
        Ok(setting)
    }

    /// Makes topics on a Kafka; the store is a directory.
    pub async fn on_kafka(kafka: &str) -> anyhow::Result<Self> {
        let servers = demo::Servers::new(kafka, "", 1);
        let setting = Self::make(|dir| {
            let variables = servers.variables().into_iter().map(|(name, value)| match name {
                "ANSHIN__STORE__URL" => {
                    (name, format!("embedded://{}", dir.join("store").display()))
                }
                _ => (name, value.to_owned()),
            });
            variables.collect()
        })?;
        server::migrate::migrate(&setting.config, false, &mut Vec::new()).await?;
        Ok(setting)
    }

    /// Makes them in a data directory.
    pub fn embedded() -> anyhow::Result<Self> {
        Self::make(|dir| {
            let data = format!("embedded://{}", dir.join("data").display());
            vec![("ANSHIN__LOG__URL", data.clone()), ("ANSHIN__STORE__URL", data)]
        })
    }

    fn make(place: impl FnOnce(&Path) -> Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("anshin-bench-").tempdir()?;
        let nobody = "http://127.0.0.1:9";
        let place = place(dir.path());
        let place: Vec<_> = place.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let variables = demo::variables(dir.path(), nobody, &place);
        let config = server::Config::load(None, variables.clone().into_iter())?;
        let keys = &config.keys;
        server::keys::init(&keys.file, &keys.places_file, now(), config.retention.days)?;
        Ok(Self { variables, config, dir })
    }

    /// One process of each role, none of which runs yet.
    pub fn roles(&self) -> anyhow::Result<Cluster> {
        Cluster::lay_out(self.dir.path(), 1, &self.variables, |_, _| Vec::new())
    }
}

/// The time, by this machine.
pub fn now() -> EventTime {
    (storage::embedded::system_clock())()
}

/// What the figures were measured on.
pub fn machine(title: &str, command: &str) -> anyhow::Result<String> {
    let read = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut text = String::new();
    writeln!(text, "# {title}\n")?;
    writeln!(text, "Written by `{command}`. What counts are the ratios, each inside one run.\n")?;
    writeln!(
        text,
        "- {} cores of {}, {} of memory; whatever takes part shares them",
        std::thread::available_parallelism()?,
        read("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unnamed processor".to_owned()),
        read("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned()),
    )?;
    writeln!(text, "- {}", now().to_rfc3339_jst())?;
    writeln!(text, "- commit {}", commit.unwrap_or_default())?;
    print!("{text}");
    Ok(text)
}
