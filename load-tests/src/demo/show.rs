//! What the demo shows: bars on a terminal, plain lines otherwise; a table; what to try.
#![allow(clippy::print_stdout)]

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use schemas::time::EventTime;

use super::{Facts, Outcome, Played, Stage};

/// Shows progress.
pub(super) struct Show {
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Bars,
    Lines,
    Quiet,
}

/// Progress of one thing.
#[derive(Clone)]
pub(super) enum Bar {
    Terminal(ProgressBar),
    Plain { name: String, of: u64 },
    Quiet,
}

impl Show {
    pub(super) fn new() -> Self {
        Self { how: if std::io::stdout().is_terminal() { How::Bars } else { How::Lines } }
    }

    pub(super) fn quiet() -> Self {
        Self { how: How::Quiet }
    }

    pub(super) fn line(&self, text: &str) {
        if self.how != How::Quiet {
            println!("{text}");
        }
    }

    pub(super) fn bar(&self, name: &str, of: u64) -> Bar {
        match self.how {
            How::Quiet => return Bar::Quiet,
            How::Lines => {
                println!("{name}: {of} to do");
                return Bar::Plain { name: name.to_owned(), of };
            }
            How::Bars => {}
        }
        let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {pos}/{len} {per_sec}");
        let bar = ProgressBar::new(of).with_message(name.to_owned());
        Bar::Terminal(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Bar {
    pub(super) fn add(&self, count: u64) {
        if let Bar::Terminal(bar) = self {
            bar.inc(count);
        }
    }

    pub(super) fn set(&self, count: u64) {
        if let Bar::Terminal(bar) = self {
            bar.set_position(count);
        }
    }

    pub(super) fn finish(&self) {
        match self {
            Bar::Terminal(bar) => bar.finish(),
            Bar::Plain { name, of } => println!("{name}: {of} done"),
            Bar::Quiet => {}
        }
    }
}

pub(super) fn table(facts: &Facts<'_>) -> Vec<(String, String)> {
    let Facts { record, traffic, rejected, finished, sent_in, took } = facts;
    let ms = |share: f64| traffic.latency.value_at_quantile(share) as f64 / 1_000.0;
    let mut table = vec![
        (
            "webhooks".to_owned(),
            format!("{} ({} delivered again)", traffic.webhooks, traffic.redelivered),
        ),
        (
            "webhooks a second".to_owned(),
            format!("{:.0}", traffic.webhooks as f64 / traffic.took.as_secs_f64()),
        ),
        ("webhook p50 / p99".to_owned(), format!("{:.1} / {:.1} ms", ms(0.5), ms(0.99))),
        ("scans stored".to_owned(), record.evidence().scans_acknowledged().to_string()),
    ];
    for (cause, count) in rejected.iter() {
        table.push((format!("rejected: {cause}"), count.to_string()));
    }
    let evidence = record.evidence();
    let mut accepted = 0;
    for (job, progress) in evidence.jobs.iter().zip(finished.iter()) {
        let name = |what: &str| format!("job {}: {what}", &job.id[job.id.len() - 4..]);
        let expected = evidence.expected(job);
        accepted += progress.accepted;
        table.push((name("people expected"), expected.people.len().to_string()));
        table.push((name("accepted by LINE"), progress.accepted.to_string()));
        table.push((name("reach unknown"), progress.reach_unknown.to_string()));
        table.push((name("out of reach"), progress.out_of_reach.to_string()));
        table.push((name("undecided"), progress.undecided.to_string()));
    }
    let refused = |status: u16| {
        record
            .journal
            .requests
            .iter()
            .filter(|r| r.status == status && (r.endpoint == "multicast" || r.endpoint == "push"))
            .count()
    };
    table.push((
        "LINE's bad evening".to_owned(),
        format!(
            "{} × 500, {} × no answer, {} × 429, {} × 409",
            refused(500),
            refused(0),
            refused(429),
            refused(409)
        ),
    ));
    table.push((
        "people a second".to_owned(),
        format!("{:.0}", accepted as f64 / sent_in.as_secs_f64()),
    ));
    table.push(("wall time".to_owned(), format!("{:.1} s", took.as_secs_f64())));
    table
}

pub(super) fn outcome(outcome: &Outcome) {
    println!();
    let width = outcome.table.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &outcome.table {
        println!("  {name:width$}  {value}");
    }
    println!();
    if outcome.differences.is_empty() {
        println!("an independent count agrees");
        return;
    }
    println!("an independent count differs in {} places:", outcome.differences.len());
    for difference in outcome.differences.iter().take(20) {
        println!("  {difference}");
    }
}

/// Where everything of a cluster is.
pub(super) fn cluster(stage: &Stage, dir: &std::path::Path) {
    println!(
        "Everything stays up until Ctrl-C. Keys, list of places, spools, logs: {}",
        dir.display()
    );
    println!();
    for webhook in &stage.webhooks {
        println!("  webhooks    {webhook}");
    }
    println!("  officials   {}/api/v1", stage.officials.base());
    for admin in stage.admins() {
        println!("  admin       http://{admin}/ready /metrics");
    }
    println!("  LINE        {}", stage.line());
    println!();
    println!("  DRAFTER={}", stage.officials.drafter);
    println!("  APPROVER={}", stage.officials.approver);
    println!();
    println!("What to try:");
    println!();
    let list = dir.join("venues.csv");
    println!(
        "  anshin-load replay --url {} --venues {} --rate 200 --seconds 10",
        stage.webhooks[0],
        list.display()
    );
}

pub(super) fn what_to_try(played: &Played) {
    let api = played.stage.officials.base();
    let (drafter, approver) = (&played.stage.officials.drafter, &played.stage.officials.approver);
    let job = played.record.jobs.first().map_or("ID", |job| job.id.as_str());
    let venue = played.record.places.first().map_or("ID", |place| place.0.as_str());
    let time = |at: Option<i64>| EventTime(at.unwrap_or(0)).to_rfc3339_jst();
    let from = time(played.record.jobs.first().map(|job| job.from));
    let to = time(played.record.jobs.first().map(|job| job.to));
    let admins: Vec<_> = played.stage.admins().iter().map(ToString::to_string).collect();
    let admin = admins[0].clone();
    let ingest = played.stage.webhooks.join(" ");
    println!(
        r#"
Everything stays up until Ctrl-C. Data, keys, list of places: {dir}

  webhooks    {ingest}
  officials   {api}/api/v1   (description: {api}/openapi.json)
  admin       http://{admin}/live /ready /metrics

  DRAFTER={drafter}
  APPROVER={approver}

What to try:

  curl -H "Authorization: Bearer $DRAFTER" {api}/api/v1/exposure-jobs
  curl -H "Authorization: Bearer $DRAFTER" {api}/api/v1/exposure-jobs/{job}
  curl -H "Authorization: Bearer $DRAFTER" "{api}/api/v1/venues?query=%E3%82%AB%E3%83%95%E3%82%A7"
  curl -H "Authorization: Bearer $DRAFTER" -H "Content-Type: application/json" \
    -d '{body}' {api}/api/v1/exposure-jobs/preview
  curl -H "Authorization: Bearer $DRAFTER" -H "Content-Type: application/json" -H "Idempotency-Key: mine-1" \
    -d '{body}' {api}/api/v1/exposure-jobs
  curl -X PUT -H "Authorization: Bearer $DRAFTER" -H "Content-Type: application/json" \
    -d '{body}' {api}/api/v1/exposure-jobs/ID
  curl -H "Authorization: Bearer $APPROVER" -d '{{"content_hash":"HASH"}}' {api}/api/v1/exposure-jobs/ID/approve
  curl -H "Authorization: Bearer $APPROVER" -d '{{"reason":"時間帯を確認してください"}}' {api}/api/v1/exposure-jobs/ID/return
  curl -H "Authorization: Bearer $APPROVER" -d '{{"reason":"重複しています"}}' {api}/api/v1/exposure-jobs/ID/reject
  curl -X POST -H "Authorization: Bearer $DRAFTER" {api}/api/v1/exposure-jobs/ID/pause
  curl -X POST -H "Authorization: Bearer $APPROVER" {api}/api/v1/exposure-jobs/ID/resume
  curl -X POST -H "Authorization: Bearer $APPROVER" {api}/api/v1/exposure-jobs/ID/cancel
  curl -X POST -H "Authorization: Bearer $APPROVER" {api}/api/v1/exposure-jobs/ID/plan-anyway
  curl -H "Authorization: Bearer $APPROVER" -d '{{"chunk":"PLAN.0","resend":false}}' {api}/api/v1/exposure-jobs/ID/decide
  curl {api}/openapi.json
  curl http://{admin}/metrics
"#,
        dir = played.dir.display(),
        body = format_args!(
            r#"{{"venues":["{venue}"],"window":{{"from":"{from}","to":"{to}"}},"padding_minutes":30,"messages":{{"ja":"県からのお知らせです。"}},"reference":"mine"}}"#
        ),
    );
}
