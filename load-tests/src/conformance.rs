//! The suites that admit a backend, on anybody's servers.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use clap::Args;
use schemas::time::EventTime;
use storage::{
    any::{AnyLog, AnyStore},
    conformance::{log_suite, store_suite},
    embedded::system_clock,
};

/// Which log and store to check, as in `log.url` and `store.url`. How they are reached (TLS, users)
/// comes from the environment, as for the product: `ANSHIN__KAFKA__…`, `ANSHIN__CQL__…`.
#[derive(Clone, Debug, Args)]
pub struct Conformance {
    /// kafka://host:port,host:port
    #[arg(long)]
    pub log: Option<String>,
    /// cql://host:port,host:port/any: keyspaces of the suite's own are made beside it.
    #[arg(long)]
    pub store: Option<String>,
}

/// Runs the suites; a broken promise is an error with its words. Topics and keyspaces that it makes
/// begin with `conformance_` and are left for a person to remove.
pub async fn run(conformance: &Conformance) -> anyhow::Result<()> {
    anyhow::ensure!(
        conformance.log.is_some() || conformance.store.is_some(),
        "nothing to check: name --log, --store or both"
    );
    if let Some(url) = conformance.log.clone() {
        println!("log: {} …", scheme(&url));
        judge(tokio::spawn(async move {
            log_suite(|| async { fresh_log(&url).await.expect("a log of the suite's own") }).await;
        }))
        .await?;
        println!("log: every promise is kept");
    }
    if let Some(url) = conformance.store.clone() {
        println!("store: {} …", scheme(&url));
        judge(tokio::spawn(async move {
            let EventTime(now) = system_clock()();
            let fresh = || async { fresh_store(&url).await.expect("a store of the suite's own") };
            store_suite(fresh, now * 1_000).await;
        }))
        .await?;
        println!("store: every promise is kept");
    }
    Ok(())
}

fn scheme(url: &str) -> &str {
    url.split("://").next().unwrap_or_default()
}

/// A suite says what is broken by a panic.
async fn judge(suite: tokio::task::JoinHandle<()>) -> anyhow::Result<()> {
    suite.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|w| (*w).to_owned()));
            anyhow::anyhow!("{}", words.unwrap_or_else(|| "a promise is broken".to_owned()))
        }
        Err(error) => error.into(),
    })
}

/// The product's configuration with a name that nobody had before.
fn config(more: [(&str, String); 2]) -> anyhow::Result<server::Config> {
    let variables = std::env::vars().filter(|(name, _)| {
        name.starts_with("ANSHIN__KAFKA__") || name.starts_with("ANSHIN__CQL__")
    });
    let more = more.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(server::Config::load(None, variables.chain(more))?)
}

fn name() -> String {
    format!("conformance_{}", &uuid::Uuid::new_v4().simple().to_string()[..16])
}

const WAIT: Duration = Duration::from_secs(30);

async fn fresh_log(url: &str) -> anyhow::Result<AnyLog> {
    use storage::{any::LogPlace, kafka};
    let config = config([
        ("ANSHIN__LOG__URL", url.to_owned()),
        ("ANSHIN__KAFKA__PREFIX", format!("{}.", name())),
    ])?;
    let LogPlace::Kafka(brokers) = LogPlace::parse(url)? else {
        anyhow::bail!(
            "--log must be kafka://…: the embedded log is checked by the product's tests"
        );
    };
    let log = config.kafka.log(brokers);
    kafka::migrate(&log, config.retention.days, WAIT, false, &mut std::io::sink()).await?;
    Ok(AnyLog::Kafka(kafka::KafkaLog::open(log, WAIT).await?))
}

async fn fresh_store(url: &str) -> anyhow::Result<AnyStore> {
    use storage::{any::StorePlace, cql};
    let config = config([
        ("ANSHIN__STORE__URL", url.to_owned()),
        // The suite shares nothing with the log.
        ("ANSHIN__KAFKA__PREFIX", String::new()),
    ])?;
    let StorePlace::Cql(hosts, _) = StorePlace::parse(url)? else {
        anyhow::bail!(
            "--store must be cql://…: the embedded store is checked by the product's tests"
        );
    };
    let store = config.cql.store((hosts, name()), config.retention.days, system_clock());
    cql::migrate(&store, config.cql.replication, WAIT, false, &mut std::io::sink()).await?;
    Ok(AnyStore::Cql(cql::CqlStore::connect(store, WAIT).await?))
}
