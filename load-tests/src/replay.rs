//! Signed traffic: open loop, latency from the moment a webhook was meant to leave.
//!
//! | module | what it does |
//! |---|---|
//! | [`scenario_file`] | scenario files: generators of events |
//! | `generate` | draws events from rates, places and people |
//! | [`trace`] | what scenarios are turned into, and what is replayed |
//! | `drive` | sends a trace |
//! | [`report`] | how each webhook ended, and how long it took |
//! | `hlog` | the same for every second, for HdrHistogram's tools |
//!
//! What may be sent to is decided by [`Target`].

mod drive;
mod generate;
mod hlog;
pub mod report;
pub mod scenario_file;
pub mod trace;

use std::{fs::File, io::BufWriter, path::PathBuf};

use anyhow::Context as _;
use clap::Args;

pub use self::report::Report;
use self::{
    drive::Drive,
    hlog::HistogramLog,
    scenario_file::ScenarioFile,
    trace::{MAX_STEPS, Step},
};
use crate::platform::{Channel, Platform, target::Target, webhooks::WebhookSender};

/// What to replay, where to, and how fast.
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// The product's webhook. Not on a loopback address: only with --admin.
    #[arg(long, default_value = "http://127.0.0.1:8080/webhook")]
    pub url: String,
    /// The admin port of that product, on the same host: it must say that a stand-in answers the
    /// product for LINE. Asked now and every 10 s; not asked about loopback addresses.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// The channel's secret.
    #[arg(long, env = "ANSHIN_LOAD_CHANNEL_SECRET", hide_env_values = true, default_value_t = Channel::default().secret)]
    pub channel_secret: String,
    /// The bot's user id.
    #[arg(long, default_value_t = Channel::default().bot_user_id)]
    pub bot_user_id: String,
    /// What `anshin venues import` printed.
    #[arg(long)]
    pub venues: PathBuf,
    /// A scenario: generators of events (load-tests/scenarios). Several go on at the same time.
    #[arg(long, value_name = "FILE")]
    pub scenario: Vec<PathBuf>,
    /// A trace: offset_ms,venue,visitor,kind. Several go on at the same time.
    #[arg(long, value_name = "FILE")]
    pub trace: Vec<PathBuf>,
    /// With neither: webhooks a second, one scan each.
    #[arg(long, default_value_t = 500)]
    pub rate: u32,
    /// For so long.
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// So many different visitors.
    #[arg(long, default_value_t = 20_000)]
    pub visitors: u32,
    /// So many times the traffic: copies spread over a second, each with visitors of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub times: u32,
    /// So many times as fast.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Decides what scenarios make.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Webhooks under way at the same time, at most; one more waits, and its latency counts that.
    /// Each needs a file descriptor (ulimit -n).
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
    /// Writes what would be sent as a trace, and sends nothing.
    #[arg(long, value_name = "FILE")]
    pub write_trace: Option<PathBuf>,
    /// Writes a histogram of every second there, as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1e6).contains(speed));
    speed.ok_or_else(|| "allowed: 0.001 to 1000000".to_owned())
}

/// The check-in texts in what `anshin venues import` printed.
pub fn check_in_texts(csv: &str) -> Vec<String> {
    csv.lines()
        .skip(1)
        .filter_map(|line| line.splitn(3, ',').nth(2))
        .map(|text| text.trim_matches('"').to_owned())
        .collect()
}

/// Replays, or writes what would be replayed: then there is no report. Errors: nothing may be sent
/// there, what to send can't be used, or not every webhook ended in exactly one way.
pub async fn run(replay: &Replay) -> anyhow::Result<Option<Report>> {
    let csv = std::fs::read_to_string(&replay.venues)
        .with_context(|| format!("{}", replay.venues.display()))?;
    let texts = check_in_texts(&csv);
    anyhow::ensure!(!texts.is_empty(), "{} names no places", replay.venues.display());
    let steps = steps(replay, u32::try_from(texts.len())?)?;
    if let Some(path) = &replay.write_trace {
        let file = File::create(path).with_context(|| format!("{}", path.display()))?;
        trace::write(&steps, BufWriter::new(file))?;
        return Ok(None);
    }
    let target = Target::admitted(&replay.url, replay.admin.as_deref()).await?;
    send(replay, target, texts, &steps).await.map(Some)
}

/// Everything that is to happen, in order of time.
fn steps(replay: &Replay, places: u32) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (n, path) in (0..).zip(&replay.scenario) {
        let scenario = ScenarioFile::read(path, places);
        let scenario = scenario.with_context(|| format!("{}", path.display()))?;
        steps.extend(scenario.steps(replay.seed.wrapping_add(n << 48), places));
    }
    for path in &replay.trace {
        let name = || format!("{}", path.display());
        let file = File::open(path).with_context(name)?;
        steps.extend(trace::read(file, places).with_context(name)?);
    }
    if replay.scenario.is_empty() && replay.trace.is_empty() {
        let steady = ScenarioFile::steady(replay.rate, replay.seconds, replay.visitors);
        steps = steady.steps(replay.seed, places);
    }
    let all = steps.len() as u64 * u64::from(replay.times);
    anyhow::ensure!(all <= MAX_STEPS as u64, "{all} events; at most {MAX_STEPS} are replayed");
    Ok(trace::times(steps, replay.times))
}

/// Sends steps to a target that may be sent to.
pub async fn send(
    replay: &Replay,
    target: Target,
    texts: Vec<String>,
    steps: &[Step],
) -> anyhow::Result<Report> {
    let channel = Channel {
        secret: replay.channel_secret.clone(),
        bot_user_id: replay.bot_user_id.clone(),
        ..Channel::default()
    };
    let platform = Platform::new(channel, replay.seed);
    let sender = WebhookSender::to(platform, vec![target.clone()])?;
    let hlog = replay.hlog.as_deref().map(HistogramLog::create).transpose()?;
    let drive = Drive {
        sender,
        target,
        texts,
        speed: replay.speed,
        in_flight: replay.in_flight as usize,
        interval: hlog.as_ref().map(HistogramLog::interval),
    };
    let driven = drive.run(steps).await;
    if let Some(hlog) = hlog {
        hlog.end().await?;
    }
    let report = driven?;
    anyhow::ensure!(report.adds_up(), "not every webhook ended in one way:\n{report}");
    Ok(report)
}
