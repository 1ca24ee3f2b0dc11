//! The least that could do the same work: what a good engineer would write in an afternoon, with the
//! same libraries and settings, and without anything that the product promises.

pub mod handler;
pub mod pump;

use rdkafka::ClientConfig;

/// A client with the product's settings where they bear on speed.
fn client(kafka: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", kafka).set("socket.nagle.disable", "true");
    settings
}
