//! How others are served while very many connections are idle or slow: p99 of an open loop, in turns
//! with nothing beside it; and what becomes of connections beyond the listener's bound.

mod company;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use anyhow::ensure;
use clap::Args;
use hdrhistogram::Histogram;
use load_tests::cluster::{Cluster, Part};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use self::company::{Company, Kind};
use crate::{
    ingest::{VENUES, VISITORS},
    sample::{self, median, ms},
    setting::Setting,
    traffic::{Load, Pace, Requests, Until, load, status},
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Idle {
    /// Idle connections.
    #[arg(long, default_value_t = Self::default().idle)]
    idle: usize,
    /// Connections whose bodies dribble.
    #[arg(long, default_value_t = Self::default().slow)]
    slow: usize,
    /// Requests a second of those that are watched.
    #[arg(long, default_value_t = Self::default().rate)]
    rate: u32,
    /// Turns of each.
    #[arg(long, default_value_t = Self::default().rounds)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u64,
}

impl Default for Idle {
    fn default() -> Self {
        Self { idle: 10_000, slow: 500, rate: 500, rounds: 3, seconds: 8 }
    }
}

/// Connections of those that are watched.
const CONNECTIONS: usize = 64;
/// File descriptors beside connections: data files, clients, what is on its way out.
const OTHER_FILES: usize = 2_000;
/// A newcomer that was not answered by then was not served.
const SERVED_WITHIN: Duration = Duration::from_secs(10);

/// An `anshin ingest` on a data directory.
struct Endpoint {
    address: SocketAddr,
    requests: Arc<Requests>,
    _roles: Cluster,
    _setting: Setting,
}

/// Measures, and prints; the printed section.
pub async fn run(idle: &Idle) -> anyhow::Result<String> {
    allow_files(idle.idle + idle.slow + OTHER_FILES)?;
    let mut text = format!(
        "## Idle connections and slow bodies\n\nOpen loop, {} webhooks a second over {CONNECTIONS} connections, embedded log; {} turns of {} s each, in turns; medians.\n\n\
         | beside it | p50, ms | p99, ms | p99 ÷ p99 alone | what became of them |\n|---|---|---|---|---|\n",
        idle.rate, idle.rounds, idle.seconds,
    );
    text += &within_the_bound(idle).await?;
    text += &beyond_the_bound(idle).await?;
    print!("{text}");
    Ok(text)
}

/// One turn.
struct Turn {
    p50: f64,
    p99: f64,
    open: u64,
    closed: u64,
    too_slow: u64,
}

async fn within_the_bound(idle: &Idle) -> anyhow::Result<String> {
    let endpoint = Endpoint::start(Some(idle.idle + idle.slow + OTHER_FILES)).await?;
    let kinds = [None, Some((Kind::Idle, idle.idle)), Some((Kind::Slow, idle.slow))];
    let mut turns: [Vec<Turn>; 3] = Default::default();
    for round in 0..idle.rounds {
        for who in (0..kinds.len()).map(|n| (n + round) % kinds.len()) {
            turns[who].push(endpoint.turn(idle, kinds[who]).await?);
        }
    }
    let mut text = String::new();
    let names = [
        "nothing".to_owned(),
        format!("{} idle connections", idle.idle),
        format!("{} bodies of which a byte comes ten times a second", idle.slow),
    ];
    for ((name, own), kind) in names.iter().zip(&turns).zip(kinds) {
        let of = |what: fn(&Turn) -> f64| median(own.iter().map(what));
        let ratio = median(own.iter().zip(&turns[0]).map(|(own, alone)| own.p99 / alone.p99));
        let (open, closed, too_slow) = (
            own.iter().map(|turn| turn.open).min().unwrap_or_default(),
            own.iter().map(|turn| turn.closed).sum::<u64>(),
            own.iter().map(|turn| turn.too_slow).sum::<u64>(),
        );
        let fate = match kind {
            None => String::new(),
            Some((Kind::Slow, _)) => format!("{too_slow} answered 408; opened again each time"),
            Some(_) => format!("{open} or more open at the end of a turn, {closed} closed"),
        };
        text += &format!(
            "| {name} | {:.2} | {:.2} | {ratio:.2} | {fate} |\n",
            of(|turn| turn.p50),
            of(|turn| turn.p99)
        );
    }
    Ok(text)
}

/// As many silent connections as there are idle ones above, at the bound that is the default.
async fn beyond_the_bound(idle: &Idle) -> anyhow::Result<String> {
    let endpoint = Endpoint::start(None).await?;
    let (address, requests) = (endpoint.address, &endpoint.requests);
    let until = Until::Over(Duration::from_secs(idle.seconds * 2));
    let watched = {
        let requests = Arc::clone(requests);
        let pace = Pace::Open(idle.rate);
        tokio::spawn(async move { load(address, &requests, CONNECTIONS, pace, until).await })
    };
    // They are there before the others come.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let company = Company::keep(address, requests, Kind::Silent, idle.idle);
    let mut newcomers = sample::latencies();
    let mut unserved = 0;
    while !watched.is_finished() {
        let begun = Instant::now();
        let answer = status(address, requests.nth(0));
        match tokio::time::timeout(SERVED_WITHIN, answer).await {
            Ok(Ok(200)) => sample::record(&mut newcomers, begun.elapsed()),
            _ => unserved += 1,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let Load { latency, .. } = watched.await??;
    let closed = company.seen.closed.load(Relaxed);
    Ok(format!(
        "\nBeyond the bound: {} connections that say nothing, at the default `listener.max_connections`; whatever is closed is opened again. \
         Those that were there before: p50 {:.2} ms, p99 {:.2} ms. Silent ones closed: {closed} in {} s. \
         Newcomers, one after another, from connecting to 200: {}; not within {} s: {unserved}.\n",
        idle.idle,
        ms(&latency, 0.5),
        ms(&latency, 0.99),
        idle.seconds * 2,
        waited(&newcomers),
        SERVED_WITHIN.as_secs(),
    ))
}

fn waited(newcomers: &Histogram<u64>) -> String {
    let at = |quantile| ms(newcomers, quantile);
    format!("{} served, p50 {:.0} ms, max {:.0} ms", newcomers.len(), at(0.5), at(1.0))
}

impl Endpoint {
    /// With so many connections at most; `None`: as configured by default.
    async fn start(connections: Option<usize>) -> anyhow::Result<Self> {
        let setting = Setting::embedded()?;
        let mut roles = setting.roles()?;
        let product = roles.process(Part::Ingest, 0)?;
        if let Some(connections) = connections {
            product.set("ANSHIN__LISTENER__MAX_CONNECTIONS", &connections.to_string());
        }
        product.start()?;
        product.ready().await?;
        let address = product.listen;
        let places = server::keys::read_places(&setting.config.keys.places_file)?;
        let requests = Arc::new(Requests::make(&places, VISITORS, VENUES)?);
        load(address, &requests, CONNECTIONS, Pace::Closed, Until::AllSent).await?;
        Ok(Self { address, requests, _roles: roles, _setting: setting })
    }

    async fn turn(&self, idle: &Idle, company: Option<(Kind, usize)>) -> anyhow::Result<Turn> {
        let company = match company {
            Some((kind, many)) => {
                let company = Company::keep(self.address, &self.requests, kind, many);
                company.there(many).await?;
                Some(company)
            }
            None => None,
        };
        let until = Until::Over(Duration::from_secs(idle.seconds));
        let pace = Pace::Open(idle.rate);
        let load = load(self.address, &self.requests, CONNECTIONS, pace, until).await?;
        let seen = company.map(|company| Arc::clone(&company.seen)).unwrap_or_default();
        Ok(Turn {
            p50: ms(&load.latency, 0.5),
            p99: ms(&load.latency, 0.99),
            open: seen.open.load(Relaxed),
            closed: seen.closed.load(Relaxed),
            too_slow: seen.too_slow.load(Relaxed),
        })
    }
}

/// Lets this process, and those that it starts, have so many open files.
fn allow_files(files: usize) -> anyhow::Result<()> {
    let files = files as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < files) {
        ensure!(
            maximum.is_none_or(|maximum| maximum >= files),
            "{files} open files are needed, and `ulimit -Hn` allows {}: raise it, or pass --idle",
            maximum.unwrap_or_default()
        );
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}
