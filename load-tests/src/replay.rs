//! Signed traffic at a fixed rate: open loop, latency from the moment a request was meant to leave.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use crate::platform::{
    Channel, Platform,
    journal::What,
    webhooks::{Event, Redelivery, WebhookSender},
};

/// What to replay, and how fast.
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// The product's webhook; on a loopback address.
    #[arg(long, default_value = "http://127.0.0.1:8080/webhook")]
    pub url: String,
    /// The channel's secret.
    #[arg(long, env = "ANSHIN_LOAD_CHANNEL_SECRET", default_value_t = Channel::default().secret)]
    pub channel_secret: String,
    /// The bot's user id.
    #[arg(long, default_value_t = Channel::default().bot_user_id)]
    pub bot_user_id: String,
    /// What `anshin venues import` printed.
    #[arg(long)]
    pub venues: PathBuf,
    /// Webhooks a second, one scan each.
    #[arg(long, default_value_t = 500)]
    pub rate: u32,
    /// For so long.
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// So many different visitors.
    #[arg(long, default_value_t = 20_000)]
    pub visitors: u64,
    /// Decides who goes where.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What a replay measured.
#[derive(Debug)]
pub struct Report {
    /// Webhooks meant to be sent.
    pub sent: u64,
    /// Of them, answered 200 at the first delivery.
    pub ok: u64,
    /// Latency of those, in µs, from the intended moment.
    pub latency: Histogram<u64>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |share: f64| self.latency.value_at_quantile(share) as f64 / 1_000.0;
        write!(
            f,
            "{} webhooks, {} answered 200; ms from the intended moment: p50 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}",
            self.sent,
            self.ok,
            at(0.5),
            at(0.99),
            at(0.999),
            self.latency.max() as f64 / 1_000.0
        )
    }
}

/// The check-in texts in what `anshin venues import` printed.
pub fn check_in_texts(csv: &str) -> Vec<String> {
    csv.lines()
        .skip(1)
        .filter_map(|line| line.splitn(3, ',').nth(2))
        .map(|text| text.trim_matches('"').to_owned())
        .collect()
}

/// Replays.
pub async fn run(replay: &Replay) -> anyhow::Result<Report> {
    let csv = std::fs::read_to_string(&replay.venues)?;
    let texts = check_in_texts(&csv);
    anyhow::ensure!(!texts.is_empty(), "{} names no places", replay.venues.display());
    let channel = Channel {
        secret: replay.channel_secret.clone(),
        bot_user_id: replay.bot_user_id.clone(),
        ..Channel::default()
    };
    let platform = Platform::new(channel, replay.seed);
    let sender = WebhookSender::new(Arc::clone(&platform), std::slice::from_ref(&replay.url))?;
    let mut rng = StdRng::seed_from_u64(replay.seed);
    let report = Arc::new(Mutex::new(Report {
        sent: 0,
        ok: 0,
        latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
    }));
    let mut tasks = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for n in 0..u64::from(replay.rate) * u64::from(replay.seconds) {
        let meant_for = begun + Duration::from_secs(1) * u32::try_from(n)? / replay.rate;
        tokio::time::sleep_until(meant_for).await;
        let visitor = rng.random_range(0..replay.visitors);
        let text = texts[rng.random_range(0..texts.len())].clone();
        let now = platform.clock.now();
        let message = (500_000_000_000_000_000 + n).to_string();
        let event = Event::new(format!("U{visitor:032x}"), now, What::Text { message, text });
        let (sender, report) = (sender.clone(), Arc::clone(&report));
        tasks.spawn(async move {
            let delivery = sender.deliver(&[event], Redelivery::First, meant_for).await;
            let mut report = report.lock();
            report.sent += 1;
            if delivery.status == 200 {
                report.ok += 1;
                let micros = u64::try_from(delivery.took.as_micros()).unwrap_or(u64::MAX);
                report.latency.saturating_record(micros);
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    let report = Arc::into_inner(report).map(Mutex::into_inner);
    report.ok_or_else(|| anyhow::anyhow!("a delivery did not end"))
}
