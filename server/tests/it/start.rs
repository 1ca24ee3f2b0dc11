//! A process that has started, from within.

use server::{Config, Role, keys, start};
use storage::{embedded::system_clock, remote::Remote};

/// Whoever is told that it is ready uses tools at once.
#[tokio::test]
async fn tools_reach_a_process_as_soon_as_it_has_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let data = format!("embedded://{}", path("data"));
    let variables = [
        ("ANSHIN__LOG__URL", data.clone()),
        ("ANSHIN__STORE__URL", data),
        ("ANSHIN__KEYS__FILE", path("keys.json")),
        ("ANSHIN__KEYS__PLACES_FILE", path("places.json")),
        ("ANSHIN__LINE__CHANNEL_ID", "1656000000".to_owned()),
        ("ANSHIN__LINE__CHANNEL_SECRETS", "8c570fa6dd201bb328f1c1eac23a96d8".to_owned()),
        ("ANSHIN__CONSOLE__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__VENUES__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
    let config = Config::load(None, variables).expect("a configuration");
    let (file, places) = (&config.keys.file, &config.keys.places_file);
    keys::init(file, places, system_clock()(), config.retention.days).expect("keys");
    let running = start(config, &[Role::Processor]).await.expect("it starts");
    Remote::connect(&dir.path().join("data")).await.expect("a connection");
    running.stop();
    running.ended().await.expect("it ends well");
}
