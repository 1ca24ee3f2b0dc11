//! From a webhook to its rows, open loop, with two processes of each role, a Kafka, a Cassandra and
//! the stand-in for LINE all on this machine.
//!
//! Latency counts from the moment a webhook was meant to leave. One that is not answered 200 in
//! LINE's two seconds is delivered again, as LINE does, and counted; its latency includes both. Every
//! tenth scan is looked for, in both tables, until it is there. Visitors are friends of the account
//! who have written today: the record of that, and a second look at people who seem to be none, are
//! in the warm-up.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use clap::Args;
use hdrhistogram::Histogram;
use load_tests::{
    demo::Stage,
    platform::{Clock, journal::What, webhooks::Event},
    replay,
    scenario::{self, Size},
};
use schemas::{
    identity::{KeyRing, Pseudonym},
    ids::{UserId, VenueId},
    time::EventTime,
};
use storage::{
    any::AnyStore,
    rows::{
        Span, TypedStore,
        visits::{ScanRow, VisitRow},
    },
    table::Value,
};
use tokio::{task::JoinSet, time::Instant};

use crate::{sample, setting::Servers};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Visible {
    /// Webhooks a second, one run each, until one is more than the store bears.
    #[arg(long, value_delimiter = ',', default_values_t = Self::default().rates)]
    rates: Vec<u32>,
    /// Seconds of a run.
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u32,
}

impl Default for Visible {
    fn default() -> Self {
        Self { rates: vec![250, 500, 750, 1_000, 1_500, 2_000], seconds: 20 }
    }
}

/// Different visitors, who come again and again.
const VISITORS: u64 = 5_000;
/// Of so many scans, one is looked for.
const LOOKED_FOR: u64 = 10;
/// How often.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Before anything counts, so many webhooks a second for so many seconds: the servers compile what
/// they do often, and until then take several times as long.
const WARM_UP: (u32, u32) = (500, 90);
/// Half the rows later than this: the rate is more than the store bears.
const BEHIND_MS: f64 = 1_000.0;
/// Longer than that, something has gone wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures, and prints; the printed section.
pub async fn run(servers: &Servers, visible: &Visible) -> anyhow::Result<String> {
    let dir = tempfile::Builder::new().prefix("anshin-bench-").tempdir()?;
    let day = scenario::make_empty(Size::DEMO, Clock::default().now());
    let stage = Stage::open_cluster(dir.path(), &day, 1, &servers.names()).await?;
    let keys = Arc::new(server::keys::read_ring(&dir.path().join("keys.json"))?);
    let run = Run {
        texts: replay::check_in_texts(&stage.csv),
        venues: stage.places.iter().map(|(id, ..)| id.parse()).collect::<Result<_, _>>()?,
        store: stage.store(),
        stage,
        keys,
    };
    run.befriend().await?;
    let (rate, seconds) = WARM_UP;
    run.at(rate, seconds, 0).await?;
    let mut text = format!(
        "## From a webhook to its rows\n\nOpen loop, {} s at each rate, two processes of each role, {VISITORS} visitors who are friends; ms from the intended moment.\n\n\
         | webhooks/s | delivered again | 200: p50 | p99 | max | rows: p50 | p99 | max |\n|---|---|---|---|---|---|---|---|\n",
        visible.seconds
    );
    let mut first = 1_000_000;
    for rate in &visible.rates {
        let seen = run.at(*rate, visible.seconds, first).await?;
        first += 1_000_000;
        let at = |of: &Histogram<u64>| {
            format!(
                "{:.1} | {:.1} | {:.1}",
                sample::ms(of, 0.5),
                sample::ms(of, 0.99),
                sample::ms(of, 1.0)
            )
        };
        text += &format!(
            "| {rate} | {} | {} | {} |\n",
            seen.again,
            at(&seen.answered),
            at(&seen.visible)
        );
        if sample::ms(&seen.visible, 0.5) > BEHIND_MS {
            text += &format!("\n{rate} a second is more than this store bears.\n");
            break;
        }
    }
    run.stage.end().await?;
    print!("{text}");
    Ok(text)
}

/// Everything at work.
struct Run {
    stage: Stage,
    store: AnyStore,
    keys: Arc<KeyRing>,
    texts: Vec<String>,
    venues: Vec<VenueId>,
}

fn user(n: u64) -> String {
    format!("U{n:032x}")
}

/// What was seen at one rate.
struct Seen {
    /// Deliveries after a webhook's first.
    again: u32,
    answered: Histogram<u64>,
    visible: Histogram<u64>,
}

/// Of one webhook: deliveries after the first, until its 200, until its rows where they were looked for.
type One = (u32, Duration, Option<Duration>);

impl Run {
    /// Everybody adds the account.
    async fn befriend(&self) -> anyhow::Result<()> {
        for first in (0..VISITORS).step_by(100) {
            let at = self.stage.platform.clock.now();
            let follow = |n| Event::new(user(n), at, What::Follow);
            let events: Vec<Event> = (first..first + 100).map(follow).collect();
            // The servers have just started.
            let (_, tries) = self.stage.sender.deliver_surely(&events, Instant::now()).await;
            ensure!(tries < 50, "nobody can add the account");
        }
        Ok(())
    }

    /// One rate; messages are numbered from `first`.
    async fn at(&self, rate: u32, seconds: u32, first: u64) -> anyhow::Result<Seen> {
        let (answered, visible) = (sample::latencies(), sample::latencies());
        let mut seen = Seen { again: 0, answered, visible };
        let mut tasks: JoinSet<anyhow::Result<One>> = JoinSet::new();
        let begun = Instant::now();
        for n in 0..u64::from(rate) * u64::from(seconds) {
            let meant_for = begun + Duration::from_secs(1) * u32::try_from(n)? / rate;
            tokio::time::sleep_until(meant_for).await;
            let (visitor, place) = (n % VISITORS, usize::try_from(n)? % self.texts.len());
            let message = (500_000_000_000_000_000 + first + n).to_string();
            let at = self.stage.platform.clock.now();
            let what = What::Text { message, text: self.texts[place].clone() };
            let event = Event::new(user(visitor), at, what);
            let (sender, store) = (self.stage.sender.clone(), self.store.clone());
            let (keys, venue) = (Arc::clone(&self.keys), self.venues[place]);
            tasks.spawn(async move {
                let (_, tries) = sender.deliver_surely(&[event], meant_for).await;
                let (again, answered) = (tries - 1, meant_for.elapsed());
                ensure!(again < 49, "a webhook is never answered 200");
                if n % LOOKED_FOR != 0 {
                    return Ok((again, answered, None));
                }
                let at = EventTime(at);
                let user = UserId::from_bytes(u128::from(visitor).to_be_bytes());
                look_for(&store, venue, at, keys.pseudonym(at.epoch(), &user)?).await?;
                Ok((again, answered, Some(meant_for.elapsed())))
            });
            while let Some(done) = tasks.try_join_next() {
                seen.take(done??);
            }
        }
        while let Some(done) = tasks.join_next().await {
            seen.take(done??);
        }
        Ok(seen)
    }
}

impl Seen {
    fn take(&mut self, (again, answered, visible): One) {
        self.again += again;
        sample::record(&mut self.answered, answered);
        if let Some(visible) = visible {
            sample::record(&mut self.visible, visible);
        }
    }
}

/// Returns once both rows of a scan are there.
async fn look_for(
    store: &AnyStore,
    venue: VenueId,
    at: EventTime,
    pseudonym: Pseudonym,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let moment =
        || Span { from: Some(Value::Int(at.0)), to: Some(Value::Int(at.0)), ..Span::default() };
    loop {
        let scans = store.page::<ScanRow>(&(venue, at.hour()), moment()).await?;
        if scans.rows.iter().any(|row| row.pseudonym == pseudonym)
            && !store.page::<VisitRow>(&pseudonym, moment()).await?.rows.is_empty()
        {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "the rows of a scan do not come");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
