//! A bare loop: records of Kafka → the product's rows, in the product's batches, then the offsets.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use rdkafka::{
    Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
};
use schemas::{scan::Scan, wire::WireRecord};
use scylla::{
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    statement::{
        Consistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};

/// Records of one turn, rows of one batch, requests under way: the product's.
const RECORDS: usize = 2_000;
const ROWS: usize = 100;
const IN_FLIGHT: usize = 256;
/// How long rows live, in seconds.
const TTL: i32 = 28 * 24 * 3_600;

/// Where from and where to.
#[derive(Clone, Debug, Args)]
pub struct Pump {
    /// Brokers.
    #[arg(long)]
    pub kafka: String,
    /// The topic.
    #[arg(long)]
    pub topic: String,
    /// The group.
    #[arg(long)]
    pub group: String,
    /// Nodes.
    #[arg(long)]
    pub cql: String,
    /// The keyspace.
    #[arg(long)]
    pub keyspace: String,
}

/// Pumps until it is killed.
pub async fn run(pump: Pump) -> anyhow::Result<()> {
    let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum).build();
    let session: Session = SessionBuilder::new()
        .known_nodes(pump.cql.split(','))
        .default_execution_profile_handle(profile.into_handle())
        .build()
        .await?;
    let keyspace = &pump.keyspace;
    let prepare = async |text: String| -> anyhow::Result<PreparedStatement> {
        let mut statement = session.prepare(text).await?;
        statement.set_is_idempotent(true);
        Ok(statement)
    };
    let scans = prepare(format!(
        "INSERT INTO {keyspace}.scans (venue, hour, scanned_at, pseudonym, sealed, epoch, issue, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
    ))
    .await?;
    let visits = prepare(format!(
        "INSERT INTO {keyspace}.visits_by_visitor (pseudonym, scanned_at, venue, message) VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
    ))
    .await?;
    let consumer: StreamConsumer = super::client(&pump.kafka)
        .set("group.id", &pump.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    consumer.subscribe(&[&pump.topic])?;
    let mut records = consumer.stream().ready_chunks(RECORDS);
    while let Some(chunk) = records.next().await {
        let mut groups: BTreeMap<(i64, i64), Vec<Scan>> = BTreeMap::new();
        for record in chunk {
            let scan = Scan::decode(record?.payload().unwrap_or_default())?;
            let venue = scan.venue.as_u64().cast_signed();
            groups.entry((venue, scan.scanned_at.hour().0)).or_default().push(scan);
        }
        let batches = groups
            .iter()
            .flat_map(|(key, scans)| scans.chunks(ROWS).map(move |scans| (*key, scans)));
        let batches =
            batches.map(|(key, rows)| write_scans(&session, &scans, key, rows).left_future());
        let singles = groups.iter().flat_map(|((venue, _), scans)| {
            scans.iter().map(|scan| write_visit(&session, &visits, *venue, scan).right_future())
        });
        stream::iter(batches.chain(singles))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        consumer.commit_consumer_state(CommitMode::Async)?;
    }
    Ok(())
}

async fn write_scans(
    session: &Session,
    statement: &PreparedStatement,
    (venue, hour): (i64, i64),
    scans: &[Scan],
) -> anyhow::Result<()> {
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    let values: Vec<_> = scans
        .iter()
        .map(|scan| {
            batch.append_statement(statement.clone());
            (
                venue,
                hour,
                scan.scanned_at.0,
                &scan.pseudonym.0[..],
                &scan.sealed.0[..],
                i64::from(scan.epoch.0),
                i64::from(scan.issue.0),
                &scan.message.0[..],
                scan.scanned_at.micros(),
                TTL,
            )
        })
        .collect();
    session.batch(&batch, values).await?;
    Ok(())
}

async fn write_visit(
    session: &Session,
    statement: &PreparedStatement,
    venue: i64,
    scan: &Scan,
) -> anyhow::Result<()> {
    let (at, micros) = (scan.scanned_at.0, scan.scanned_at.micros());
    let values = (&scan.pseudonym.0[..], at, venue, &scan.message.0[..], micros, TTL);
    session.execute_unpaged(statement, values).await?;
    Ok(())
}
