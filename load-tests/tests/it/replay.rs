//! Replays: where they may go, how their webhooks end, and what they write.

use std::{net::SocketAddr, path::Path, time::Duration};

use clap::Parser;
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use load_tests::{
    demo::Stage,
    platform::target::Target,
    replay::{self, Replay, Report, trace::Kind},
    scenario::{self, Size},
};
use schemas::{ids::VenueId, time::EventTime};
use storage::rows::{TypedStore, visits::ScanRow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const VENUES: &str = "venue_id,place_code,check_in_text\n1,a,one\n2,b,two\n3,c,three\n";
const TOWN: Size = Size { facilities: 2, venues: 4, visitors: 1, scans: 1 };

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    replay: Replay,
}

fn asked(arguments: &[&str]) -> Replay {
    Cli::parse_from(std::iter::once(&"replay").chain(arguments)).replay
}

/// The roles beside a stand-in, in a directory.
async fn stage(dir: &Path, variables: &[(&str, &str)]) -> Stage {
    let now = load_tests::platform::Clock::default().now();
    let day = scenario::make_empty(TOWN, now);
    Stage::open(dir, &day, 1, variables).await.expect("everything starts")
}

/// Nothing is on a loopback address any more, as far as the guard is told.
async fn elsewhere(url: &str, admin: Option<&str>) -> anyhow::Result<Target> {
    Target::admitted_unless(url, admin, |_| false).await
}

fn why(refused: anyhow::Result<Target>) -> String {
    format!("{:#}", refused.expect_err("nothing may be sent there"))
}

#[tokio::test]
async fn what_is_elsewhere_is_refused_before_it_is_sent_anything() {
    for url in ["http://127.0.0.1:9/webhook", "http://127.9.8.7/", "https://[::1]:9/webhook"] {
        Target::admitted(url, None).await.expect("a loopback address");
    }
    for url in [
        "http://192.0.2.1/webhook",
        "https://api.line.me/webhook",
        "http://localhost.example/webhook",
        "http://127.0.0.1.example/webhook",
        "http://[::ffff:192.0.2.1]/webhook",
        "http://0.0.0.0/webhook",
    ] {
        assert!(why(Target::admitted(url, None).await).contains("not on a loopback address"));
        // Nobody asks an admin port on another host: it would be another process.
        let admin = Some("http://127.0.0.1:9090");
        assert!(why(Target::admitted(url, admin).await).contains("same host"), "{url}");
    }
    let said = why(Target::admitted("http://me:hunter2@192.0.2.1/", None).await);
    assert!(said.contains("no password") && !said.contains("hunter2"), "{said}");
    for url in ["192.0.2.1", "ftp://127.0.0.1/", ""] {
        assert!(Target::admitted(url, None).await.is_err(), "{url}");
    }
    let replay = asked(&["--venues", "/dev/null", "--url", "http://192.0.2.1/webhook"]);
    assert!(replay::run(&replay).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_elsewhere_says_itself_whether_a_stand_in_answers_it_for_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let stage = stage(dir.path(), &[]).await;
    let url = &stage.webhooks[0];
    let admin = format!("http://{}", stage.admins()[0]);
    let target = elsewhere(url, Some(&admin)).await.expect("the stand-in answers it for LINE");

    // Somebody who answers everything with 200 is no stand-in, and no admin port either.
    let other = serve_all_with_200().await;
    let other = format!("http://{other}");
    assert!(why(elsewhere(url, Some(&other)).await).contains("does not say"));
    let dir = tempfile::tempdir().expect("a directory");
    let (real, gone) = (("ANSHIN__LINE__API_URL", other.as_str()), "http://127.0.0.1:9");
    let with_line = self::stage(dir.path(), &[real]).await;
    let its_admin = format!("http://{}", with_line.admins()[0]);
    let said = why(elsewhere(&with_line.webhooks[0], Some(&its_admin)).await);
    assert!(said.contains("does not say") && said.contains("200"), "{said}");
    with_line.end().await.expect("it ends");
    assert!(why(elsewhere(url, Some(gone)).await).contains("does not answer"));

    // It may be started anew: what it said is asked for again.
    stage.end().await.expect("it ends");
    let revoked = target.revoked(Duration::from_millis(1)).await;
    assert!(format!("{revoked:#}").contains("does not answer"), "{revoked:#}");
}

async fn serve_all_with_200() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener.local_addr().expect("an address");
    let router = axum::Router::new().fallback(|| async { "stand-in" });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Answers in turn: 200, 503, 429, nothing, and 307 to itself.
async fn serve_in_turn() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let answers = ["200 OK", "503 No", "429 No", "", "307 There"];
        let mut turn = answers.iter().cycle();
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = *turn.next().expect("one more");
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.ends_with(b"]}") {
                    if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                        return;
                    }
                }
                if !answer.is_empty() {
                    let head = format!(
                        "HTTP/1.1 {answer}\r\nlocation: /webhook\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    // Whoever asked sees how it ended.
                    let _ = stream.write_all(head.as_bytes()).await;
                }
            });
        }
    });
    address
}

fn refused(report: &Report) -> Vec<(u16, u64)> {
    report.total().refused.into_iter().collect()
}

#[tokio::test]
async fn every_webhook_ends_in_exactly_one_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let (venues, hlog) = (dir.path().join("venues.csv"), dir.path().join("r.hlog"));
    std::fs::write(&venues, VENUES).expect("written");
    let url = format!("http://{}/webhook", serve_in_turn().await);
    let (venues, log) = (venues.to_str().expect("a path"), hlog.to_str().expect("a path"));
    let replay =
        ["--venues", venues, "--url", &url, "--hlog", log, "--rate", "500", "--seconds", "1"];
    let report = replay::run(&asked(&replay)).await.expect("it runs").expect("a report");
    println!("{report}");
    assert!(report.adds_up());
    assert_eq!((report.sent, report.total().ok.len(), report.total().unanswered), (500, 100, 100));
    assert_eq!(refused(&report), [(307, 100), (429, 100), (503, 100)]);
    let table = report.to_string();
    for line in [
        "webhooks          500",
        "answered 200      100\n",
        "refused 503       100\n",
        "unanswered        100\n",
        "sum               500  which is all of them",
    ] {
        assert!(table.contains(line), "{line}");
    }
    assert_eq!(histogram(&hlog).len(), 100);
}

/// All intervals of a log, as another reader has them.
fn histogram(path: &Path) -> Histogram<u64> {
    let log = std::fs::read(path).expect("the log");
    let mut all = Histogram::new(3).expect("a histogram");
    let mut last = Duration::ZERO;
    for entry in IntervalLogIterator::new(&log) {
        let Ok(LogEntry::Interval(interval)) = entry else { continue };
        assert!(interval.start_timestamp() >= last);
        last = interval.start_timestamp();
        let bytes =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, interval.encoded_histogram());
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.expect("base64").as_slice()).expect("one");
        assert!((interval.max() - read.max() as f64 / 1_000.0).abs() < 0.001);
        all.add(read).expect("it fits");
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_is_written_as_a_trace_and_replayed_from_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let stage = stage(dir.path(), &[]).await;
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (venues, scenario, trace) = (path("venues.csv"), path("storm.toml"), path("storm.csv"));
    std::fs::write(
        &scenario,
        r#"[[generator]]
           name = "storm"
           rate = [{ at = "0:00", per_second = 10 }, { at = "0:01", per_second = 10 }]
           visitors = { first = 1, last = 1_000_000 }
           kinds = { scan = 8, follow = 1, text = 1 }
           then = [{ kind = "redelivery", share = 1.0, after = ["0:00:01", "0:00:20"] }]"#,
    )
    .expect("written");
    let url = stage.webhooks[0].as_str();
    let base = ["--venues", &venues, "--url", url, "--speed", "60"];
    let with = |more: &[&str]| asked(&[&base[..], more].concat());
    let written = replay::run(&with(&["--scenario", &scenario, "--write-trace", &trace])).await;
    assert!(written.expect("it is written").is_none());
    // A trace is what it was made of,
    let again = path("again.csv");
    replay::run(&with(&["--trace", &trace, "--write-trace", &again])).await.expect("written");
    let read = |path: &str| std::fs::read_to_string(path).expect("a trace");
    assert_eq!(read(&trace), read(&again));
    // and twice of it are twice the people.
    let report = replay::run(&with(&["--trace", &trace, "--times", "2"])).await;
    let report = report.expect("it runs").expect("a report");
    println!("{report}");
    let lines = |kind: &str| 2 * read(&trace).lines().filter(|line| line.ends_with(kind)).count();
    let (all, scans) = (lines("") as u64 - 2, lines("scan"));
    assert_eq!((report.sent, report.total().ok.len()), (all, all));
    let redelivered = report.kinds[&Kind::Redelivery].count();
    assert_eq!(redelivered * 2, all);

    // What was delivered twice is there once.
    let places: Vec<VenueId> =
        stage.places.iter().map(|(id, ..)| id.parse().expect("an id")).collect();
    let now = EventTime(stage.platform.clock.now()).hour();
    let begun = tokio::time::Instant::now();
    loop {
        let mut rows = 0;
        for place in &places {
            for back in 0..2 {
                let hour = schemas::time::Hour(now.0 - back);
                rows += stage.store().all::<ScanRow>(&(*place, hour)).await.expect("rows").len();
            }
        }
        assert!(rows <= scans, "{rows} rows of {scans} scans");
        if rows == scans {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{rows} rows of {scans} scans");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.end().await.expect("it ends");
}
