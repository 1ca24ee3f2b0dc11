//! The demo's day on a real Kafka and a real CQL store, two processes of each role, half of them
//! killed in the middle, the other half while alerts go out.

use load_tests::demo::{Demo, play};

pub fn server(name: &str) -> Option<String> {
    Some(std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests through scripts/servers/with --kafka --cassandra -- cargo test")
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_a_cluster_agrees_whoever_is_killed() {
    let demo = Demo {
        kafka: server("ANSHIN_TEST_KAFKA"),
        cql: server("ANSHIN_TEST_CQL"),
        kill: true,
        ..crate::demo::demo(31)
    };
    let played = play(&demo).await.expect("the day is played");
    assert_eq!(played.outcome.differences, []);
    played.end().await.expect("every process ends well");
}
