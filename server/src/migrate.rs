//! Topics and tables: made where they are not, checked where they are.

use std::{io::Write, time::Duration};

use storage::{
    any::{LogPlace, StorePlace},
    cql,
    embedded::system_clock,
    kafka,
};

use crate::{backends::BackendError, config::Config};

/// Makes and checks what log and store need, or only says what it would do.
pub async fn migrate(
    config: &Config,
    dry_run: bool,
    out: &mut (impl Write + Send),
) -> Result<(), BackendError> {
    let wait = Duration::from_secs(config.startup.wait_seconds);
    let days = config.retention.days;
    // Whoever closed the output does not want to read it.
    match LogPlace::parse(&config.log.url)? {
        LogPlace::Kafka(brokers) => {
            kafka::migrate(&config.kafka.log(brokers), days, wait, dry_run, out).await?;
        }
        LogPlace::Embedded(_) => {
            let _ = writeln!(out, "log: a directory needs no migration");
        }
    }
    match StorePlace::parse(&config.store.url)? {
        StorePlace::Cql(hosts, keyspace) => {
            let store = config.cql.store((hosts, keyspace), days, system_clock());
            cql::migrate(&store, config.cql.replication, wait, dry_run, out).await?;
        }
        StorePlace::Embedded(_) => {
            let _ = writeln!(out, "store: a directory needs no migration");
        }
    }
    Ok(())
}
