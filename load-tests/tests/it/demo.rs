//! The demo's day on several seeds, and that its count notices.

use load_tests::{
    demo::{Demo, play},
    oracle::Difference,
};

pub fn demo(seed: u64) -> Demo {
    Demo {
        exit: true,
        seed,
        dir: None,
        small: true,
        kafka: None,
        cql: None,
        copies: 1,
        kill: false,
        drop_message: false,
        drop_row: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_agrees() {
    for seed in [11, 12, 13] {
        let played = play(&demo(seed)).await.expect("the day is played");
        assert_eq!(played.outcome.differences, [], "seed {seed}");
        played.end().await.expect("the roles end well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_taken_away_is_missed_by_name() {
    let played = play(&Demo { drop_message: true, ..demo(21) }).await.expect("played");
    let missed = played.outcome.differences.iter().any(|d| matches!(d, Difference::Missed { .. }));
    assert!(missed, "{:?}", played.outcome.differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_taken_away_is_missed_by_name() {
    let played = play(&Demo { drop_row: true, ..demo(22) }).await.expect("played");
    // Where it was the only scan that put its person into a job, the preview misses them, too.
    let differences = &played.outcome.differences;
    let (lost, others): (Vec<_>, Vec<_>) =
        differences.iter().partition(|d| matches!(d, Difference::ScanLost { .. }));
    assert_eq!(lost.len(), 1, "{differences:?}");
    let of_preview =
        |d: &&Difference| matches!(d, Difference::Figure { what, .. } if what.ends_with("preview"));
    assert!(others.iter().all(of_preview), "{differences:?}");
}
