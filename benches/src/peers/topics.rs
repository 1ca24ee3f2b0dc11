//! A topic for each peer, and how many records it has in the end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};

/// How long brokers may take to answer.
const WITHIN: Duration = Duration::from_secs(30);

/// Makes a topic.
pub async fn make(kafka: &str, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(kafka).create()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(WITHIN));
    for made in admin.create_topics([&new], &options).await? {
        made.map_err(|(topic, why)| anyhow::anyhow!("topic {topic} can't be made: {why}"))?;
    }
    Ok(())
}

/// How many records a topic has once there are at least so many; fails where they do not come.
pub async fn records(kafka: &str, topic: &str, at_least: u64) -> anyhow::Result<u64> {
    let (kafka, topic) = (kafka.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = client(&kafka).create()?;
        let begun = Instant::now();
        loop {
            let found = count(&consumer, &topic)?;
            if found >= at_least {
                return Ok(found);
            }
            ensure!(
                begun.elapsed() < WITHIN,
                "{at_least} requests were answered 200, and topic {topic} has {found} records"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    })
    .await?
}

/// Nothing was ever deleted or compacted in these topics: offsets count.
fn count(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<u64> {
    let metadata = consumer.fetch_metadata(Some(topic), WITHIN)?;
    let topic_metadata = metadata.topics().first().context("the topic is there")?;
    let mut records = 0;
    for partition in topic_metadata.partitions() {
        let (first, next) = consumer.fetch_watermarks(topic, partition.id(), WITHIN)?;
        records += u64::try_from(next - first)?;
    }
    Ok(records)
}

fn client(kafka: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", kafka);
    settings
}
