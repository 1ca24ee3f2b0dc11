use super::*;
use crate::replay::trace::{subjects, write};

const LUNCH: &str = r#"
[[generator]]
name = "restaurants"
rate = [
  { at = "0:00", per_second = 0 },
  { at = "0:05", per_second = 20 },
  { at = "0:10", per_second = 0 },
]
venues = { first = 1, last = 50, skew = 1.0 }
visitors = { first = 0, last = 999 }
kinds = { scan = 9, text = 1 }
then = [
  { kind = "redelivery", share = 0.2, after = ["0:00:02", "0:01"] },
  { kind = "unsend", share = 0.1, after = ["0:00:05", "0:02"] },
]

[[generator]]
name = "shops"
rate = [{ at = "0:02", per_second = 5 }, { at = "0:04", per_second = 5 }]
arrivals = "even"
visitors = { first = 1_000, last = 1_999 }
"#;

fn parse(text: &str) -> anyhow::Result<ScenarioFile> {
    ScenarioFile::parse(text, 100)
}

#[test]
fn a_seed_makes_one_trace() {
    let scenario = parse(LUNCH).unwrap();
    let csv = |seed| {
        let mut csv = Vec::new();
        write(&scenario.steps(seed, 100), &mut csv).unwrap();
        csv
    };
    assert_eq!(csv(1), csv(1));
    assert_ne!(csv(1), csv(2));
}

#[test]
fn what_happens_is_what_the_file_says() {
    let steps = parse(LUNCH).unwrap().steps(7, 100);
    assert!(steps.is_sorted_by_key(|step| step.at));
    subjects(&steps).expect("what is about an earlier event finds it");
    let count = |is: &dyn Fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    // Ten minutes of ten a second on average, give or take.
    let restaurant = |step: &Step| step.visitor < 1_000;
    let own = count(&|s| restaurant(s) && matches!(s.kind, Kind::Scan | Kind::Text));
    assert!((5_700..6_300).contains(&own), "{own}");
    let redelivered = count(&|step| step.kind == Kind::Redelivery);
    assert!((1_000..1_400).contains(&redelivered), "{redelivered}");
    assert!((450..750).contains(&count(&|step| step.kind == Kind::Unsend)));
    // Most come in the middle,
    let middle = count(&|s| restaurant(s) && (150_000_000..450_000_000).contains(&s.at));
    assert!(middle * 10 > own * 7, "{middle} of {own}");
    // and most of all to the first places: 1/H(50), more than a fifth.
    let first = count(&|step| restaurant(step) && step.venue == 1);
    assert!(first * 5 > own * 9 / 10, "{first} of {own}");
    assert!(count(&|step| restaurant(step) && step.venue > 50) == 0);
    // The second is as even as it says.
    let shops: Vec<u64> =
        steps.iter().filter(|step| step.visitor >= 1_000).map(|step| step.at).collect();
    assert_eq!(shops.len(), 600);
    assert!(shops.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(200_000) <= 1));
    assert_eq!(shops[0], 120_100_000);
}

#[test]
fn a_steady_rate_is_one_generator() {
    let steps = ScenarioFile::steady(500, 4, 20).steps(1, 3);
    assert_eq!(steps.len(), 2_000);
    assert_eq!((steps[0].at, steps[1].at), (1_000, 3_000));
    assert!(steps.iter().all(|step| step.visitor < 20 && (1..=3).contains(&step.venue)));
}

#[test]
fn every_problem_is_named_at_once() {
    let bad = LUNCH
        .replace("per_second = 20", "per_second = -1")
        .replace("last = 50", "last = 101")
        .replace("share = 0.2", "share = 2.0")
        .replace("text = 1", "unsend = 1")
        .replace("[\"0:00:05\", \"0:02\"]", "[\"0:03\", \"0:02\"]");
    let said = parse(&bad).expect_err("bad").to_string();
    for names in [
        "generator \"restaurants\": per_second is -1",
        "venues are 1 to 101; the list has 1 to 100",
        "share of redelivery is 2",
        "unsend is about an earlier event",
        "after of unsend goes backwards",
    ] {
        assert!(said.contains(names), "{said}");
    }
    for (from, to, names) in [
        ("\"0:05\"", "\"5 min\"", "is no time like"),
        ("\"0:05\"", "\"0:60\"", "is no time like"),
        ("name = \"shops\"", "nane = \"shops\"", "nane"),
        ("text = 1", "dance = 1", "dance"),
        ("\"even\"", "\"odd\"", "odd"),
        ("\"0:10\"", "\"0:04\"", "not in order"),
        ("per_second = 20", "per_second = 99_999", "events; at most"),
    ] {
        let said = format!("{:#}", parse(&LUNCH.replace(from, to)).expect_err(to));
        assert!(said.contains(names), "{to}: {said}");
    }
}

#[test]
fn the_scenarios_that_come_with_it_are_good() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let scenario = ScenarioFile::read(&path, 60)
            .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        let steps = scenario.steps(1, 60);
        subjects(&steps).unwrap_or_else(|lost| panic!("{}: {lost:?}", path.display()));
        assert!(steps.len() > 1_000, "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 4);
}
