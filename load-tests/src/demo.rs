//! Plays a day on all roles in one process beside the stand-in, and counts independently.

mod officials;
mod privacy;
mod show;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use server::backends::Backends;
use storage::any::{AnyLog, AnyStore};
use tokio::time::Instant;

pub use self::officials::Officials;
pub(crate) use self::privacy::leaks;
use self::show::Show;
use crate::{
    cluster::{Cluster, Part, Variables},
    oracle::{self, Difference},
    platform::{
        Channel, Clock, Platform, Serving,
        faults::Fault,
        journal::What,
        people::Person,
        webhooks::{Event, Redelivery, WebhookSender, sign},
    },
    scenario::{self, Deed, Delivery, Scenario, Size},
    verify::{self, Record},
};

/// How the demo is played.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Ends after the count: 0 where it agrees, 1 where it differs.
    #[arg(long)]
    pub exit: bool,
    /// Decides who goes where.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keeps data, keys, list of places and journal there (a new directory); a temporary one
    /// otherwise.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// A day of a few hundred visitors.
    #[arg(long)]
    pub small: bool,
    /// Plays on a Kafka that is there (`host:port,host:port`), with two processes of each role.
    #[arg(long, requires = "cql")]
    pub kafka: Option<String>,
    /// Plays on a CQL store that is there (`host:port,host:port`).
    #[arg(long, requires = "kafka")]
    pub cql: Option<String>,
    /// Copies that Kafka and the store make of everything.
    #[arg(long, default_value_t = 1)]
    pub copies: u8,
    /// Kills one process of each role in the middle of the day, the others while alerts go out.
    #[arg(long, requires = "kafka")]
    pub kill: bool,
    /// Takes one accepted message out of the journal before the count: it must be missed.
    #[arg(long, hide = true)]
    pub drop_message: bool,
    /// Takes one scan out of the store before the count: it must be missed.
    #[arg(long, hide = true)]
    pub drop_row: bool,
}

/// A Kafka and a CQL store that are there.
#[derive(Clone, Debug)]
pub struct Servers {
    log: String,
    store: String,
    prefix: String,
    copies: String,
}

impl Servers {
    /// With topics and a keyspace that nobody had before.
    pub fn new(kafka: &str, cql: &str, copies: u8) -> Self {
        let name = format!("demo_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        Self {
            log: format!("kafka://{kafka}"),
            store: format!("cql://{cql}/{name}"),
            prefix: format!("{name}."),
            copies: copies.to_string(),
        }
    }

    /// What roles are told of them.
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        let min_in_sync = if self.copies == "1" { "1" } else { "2" };
        vec![
            ("ANSHIN__LOG__URL", &self.log),
            ("ANSHIN__STORE__URL", &self.store),
            ("ANSHIN__KAFKA__PREFIX", &self.prefix),
            ("ANSHIN__KAFKA__REPLICATION", &self.copies),
            ("ANSHIN__KAFKA__MIN_IN_SYNC", min_in_sync),
            ("ANSHIN__CQL__REPLICATION", &self.copies),
        ]
    }
}

impl Demo {
    fn servers(&self) -> Option<Servers> {
        let (kafka, cql) = (self.kafka.as_deref()?, self.cql.as_deref()?);
        Some(Servers::new(kafka, cql, self.copies))
    }
}

/// Bodies that are odd in one way each, so many of each kind.
const ODD: usize = 10;
/// Webhooks under way at the same time.
const CONCURRENT: usize = 48;

/// What the day came to.
#[derive(Debug)]
pub struct Outcome {
    /// What differs; empty: it agrees.
    pub differences: Vec<Difference>,
    /// The table that is printed.
    pub table: Vec<(String, String)>,
}

/// A day that was played and is still up.
pub struct Played {
    /// What it came to.
    pub outcome: Outcome,
    /// Everything the judge works from.
    pub record: Record,
    /// Where data, keys and journal are.
    pub dir: PathBuf,
    /// What is still up.
    pub stage: Stage,
    _temporary: Option<tempfile::TempDir>,
}

impl Played {
    /// Ends the process's roles.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stage.end().await
    }

    /// Waits for Ctrl-C, with everything up.
    pub async fn stay_up(self) -> anyhow::Result<()> {
        show::what_to_try(&self);
        tokio::signal::ctrl_c().await?;
        self.end().await
    }
}

/// The roles of a stage.
pub enum Roles {
    /// In this process.
    Here(Box<server::Running>),
    /// In processes of their own; and what this one reaches log and store with.
    Cluster(Cluster, Backends),
}

/// The roles beside the stand-in, with places registered and officials at work.
pub struct Stage {
    /// The stand-in.
    pub platform: Arc<Platform>,
    /// The roles.
    pub roles: Roles,
    /// The officials.
    pub officials: Officials,
    /// LINE's webhooks.
    pub sender: WebhookSender,
    /// What `anshin venues import` printed.
    pub csv: String,
    /// The places: product's id, printed code, dwell in minutes.
    pub places: Vec<(String, String, i64)>,
    webhooks: Vec<String>,
    serving: Serving,
}

impl Stage {
    /// Starts everything in a directory. `variables` override the demo's configuration.
    pub async fn open(
        dir: &std::path::Path,
        day: &Scenario,
        seed: u64,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let platform = Platform::new(Channel::default(), seed);
        populate(&platform, day);
        let serving = platform.serve(([127, 0, 0, 1], 0).into()).await?;
        let config = config(dir, &serving.url(), variables)?;
        let now = schemas::time::EventTime(platform.clock.now());
        let (file, places_file) = (&config.keys.file, &config.keys.places_file);
        if !file.exists() {
            server::keys::init(file, places_file, now, config.retention.days)?;
        }
        // The product and LINE live in one time, also where a test moves it.
        let line = Arc::clone(&platform);
        let clock = Arc::new(move || schemas::time::EventTime(line.clock.now()));
        let running = server::start_by(config.clone(), &server::Role::ALL, clock).await?;
        running.readiness.all().await;
        let csv = import(&config, dir, day).await?;
        let console = running.console.context("the console listens")?;
        let officials = Officials::new(&running.store(), &[console]).await?;
        let places = officials.places(&csv).await?;
        let webhooks =
            vec![format!("http://{}/webhook", running.ingest.context("ingest listens")?)];
        let sender = WebhookSender::new(Arc::clone(&platform), &webhooks)?;
        let roles = Roles::Here(Box::new(running));
        Ok(Self { platform, roles, officials, sender, csv, places, webhooks, serving })
    }

    /// Starts two processes of each role on servers that are there, in a directory.
    pub async fn open_cluster(
        dir: &std::path::Path,
        day: &Scenario,
        seed: u64,
        servers: &Servers,
    ) -> anyhow::Result<Self> {
        let platform = Platform::new(Channel::default(), seed);
        populate(&platform, day);
        let serving = platform.serve(([127, 0, 0, 1], 0).into()).await?;
        let variables = variables(dir, &serving.url(), &servers.variables());
        let config = server::Config::load(None, variables.clone().into_iter())?;
        let now = schemas::time::EventTime(platform.clock.now());
        let (file, places_file) = (&config.keys.file, &config.keys.places_file);
        if !file.exists() {
            server::keys::init(file, places_file, now, config.retention.days)?;
        }
        server::migrate::migrate(&config, false, &mut Vec::new()).await?;
        let mut cluster = Cluster::lay_out(dir, 2, &variables, |_, _| Vec::new())?;
        cluster.start().await?;
        let backends = server::backends::open_or_reach(&config).await?;
        let csv = import(&config, dir, day).await?;
        let consoles = cluster.addresses(Part::Console);
        let officials = Officials::new(&backends.store, &consoles).await?;
        let places = listed(&officials, &csv).await?;
        let ingests = cluster.addresses(Part::Ingest).into_iter();
        let webhooks: Vec<String> =
            ingests.map(|address| format!("http://{address}/webhook")).collect();
        let sender = WebhookSender::new(Arc::clone(&platform), &webhooks)?;
        let roles = Roles::Cluster(cluster, backends);
        Ok(Self { platform, roles, officials, sender, csv, places, webhooks, serving })
    }

    /// The store that the roles write to.
    pub fn store(&self) -> AnyStore {
        match &self.roles {
            Roles::Here(running) => running.store(),
            Roles::Cluster(_, backends) => backends.store.clone(),
        }
    }

    /// The log that the roles write to.
    pub fn log(&self) -> AnyLog {
        match &self.roles {
            Roles::Here(running) => running.log(),
            Roles::Cluster(_, backends) => backends.log.clone(),
        }
    }

    /// Every admin port.
    pub fn admins(&self) -> Vec<SocketAddr> {
        match &self.roles {
            Roles::Here(running) => vec![running.admin],
            Roles::Cluster(cluster, _) => cluster.processes.iter().map(|p| p.admin).collect(),
        }
    }

    /// Where the stand-in for LINE is.
    pub fn line(&self) -> String {
        self.serving.url()
    }

    /// Kills one process of each role and starts it again, where they are processes.
    pub async fn kill_one_of_each(&mut self, number: usize) -> anyhow::Result<()> {
        match &mut self.roles {
            Roles::Here(_) => Ok(()),
            Roles::Cluster(cluster, _) => cluster.kill_one_of_each(number).await,
        }
    }

    /// Delivers a whole day, as fast as it is taken.
    pub async fn deliver(&self, day: &Scenario, seed: u64) -> anyhow::Result<Traffic> {
        deliver(&self.sender, day, &self.csv, seed, &Show::quiet()).await
    }

    /// Ends the roles.
    pub async fn end(self) -> anyhow::Result<()> {
        match self.roles {
            Roles::Here(running) => {
                running.stop();
                running.ended().await.context("the roles did not end well")
            }
            Roles::Cluster(cluster, backends) => {
                cluster.end().await?;
                backends.close().await;
                Ok(())
            }
        }
    }
}

/// The places, once every console lists them: each replays the list at its own pace.
pub(crate) async fn listed(
    officials: &Officials,
    csv: &str,
) -> anyhow::Result<Vec<(String, String, i64)>> {
    let begun = Instant::now();
    loop {
        match officials.places(csv).await {
            Ok(places) => return Ok(places),
            Err(error) if begun.elapsed() > Duration::from_secs(10) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Starts a cluster with the demo's places, says where everything is, and stays up.
pub async fn cluster_up(servers: &Servers, dir: Option<PathBuf>) -> anyhow::Result<()> {
    let (dir, _temporary) = directory(dir.as_deref())?;
    let day = scenario::make(1, Size::DEMO, Clock::default().now());
    let stage = Stage::open_cluster(&dir, &day, 1, servers).await?;
    show::cluster(&stage, &dir);
    tokio::signal::ctrl_c().await?;
    stage.end().await
}

/// The directory that was asked for, or a temporary one.
fn directory(
    wanted: Option<&std::path::Path>,
) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(dir) = wanted {
        std::fs::create_dir_all(dir)?;
        return Ok((std::path::absolute(dir)?, None));
    }
    let temporary = tempfile::Builder::new().prefix("anshin-demo-").tempdir()?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// Plays a day.
pub async fn play(demo: &Demo) -> anyhow::Result<Played> {
    let show = Show::new();
    let (dir, temporary) = directory(demo.dir.as_deref())?;
    let begun = Instant::now();
    let size = if demo.small { Size::SMALL } else { Size::DEMO };
    let day = scenario::make(demo.seed, size, Clock::default().now());
    let mut stage = match demo.servers() {
        Some(servers) => Stage::open_cluster(&dir, &day, demo.seed, &servers).await?,
        None => Stage::open(&dir, &day, demo.seed, &[]).await?,
    };
    show.line("every role is ready");
    let traffic = {
        let sender = stage.sender.clone();
        let csv = stage.csv.clone();
        let delivering = deliver(&sender, &day, &csv, demo.seed, &show);
        if demo.kill {
            // In the middle: the deliveries that meet a dead ingest are made again by LINE.
            let killing = async {
                sender.acknowledged(day.steps.len() / 2).await;
                stage.kill_one_of_each(0).await
            };
            let (traffic, killed) = tokio::join!(delivering, killing);
            killed?;
            traffic?
        } else {
            delivering.await?
        }
    };
    odd_bodies(&stage, &day).await?;

    // From here on LINE has a bad evening.
    faults(&stage.platform);
    let mut record = Record { places: stage.places.clone(), ..Record::default() };
    let mut finished = Vec::new();
    let sending = Instant::now();
    for job in &day.jobs {
        record.jobs.push(stage.officials.submit_and_approve(job, &record.places).await?);
    }
    if demo.kill {
        // The other one of each, while alerts go out: the standby takes over.
        stage.kill_one_of_each(1).await?;
    }
    for job in &record.jobs {
        finished.push(stage.officials.wait_until_completed(&job.id, &show).await?);
    }
    let sent_in = sending.elapsed();
    stage.platform.faults.lock().clear();
    record.journal = stage.platform.journal.lock().clone();
    tamper(demo, &mut record, &stage.store()).await?;
    std::fs::write(dir.join("record.json"), serde_json::to_vec(&record)?)?;

    let mut differences = verify::verify(&stage.store(), &record).await?;
    differences.extend(figures(&record, &finished));
    let evidence = record.evidence();
    for (job, asked) in evidence.jobs.iter().zip(&day.jobs) {
        let counts = stage.officials.preview(asked, &record.places).await?;
        let expected = evidence.expected(job);
        let people = (expected.people.len() + expected.out_of_reach.len()) as u64;
        // Small counts are withheld.
        let said = counts.people.or(counts.fewer_than.map(|_| people.min(9))).unwrap_or(0);
        figure(&mut differences, &format!("job {}: preview", job.id), people, said);
    }
    let rejected = rejected(&stage.log()).await?;
    for (cause, count) in expected_rejections() {
        let said = rejected.get(cause).copied().unwrap_or(0);
        figure(&mut differences, &format!("rejected: {cause}"), count, said);
    }
    let mut leaks = privacy::leaks(&dir, &day)?;
    for admin in stage.admins() {
        let metrics = reqwest::get(format!("http://{admin}/metrics")).await?;
        leaks.extend(privacy::leak_in_metrics(&metrics.bytes().await?, &day));
    }
    differences.extend(leaks.into_iter().map(Difference::Leak));

    let facts = Facts {
        record: &record,
        traffic: &traffic,
        rejected: &rejected,
        finished: &finished,
        sent_in,
        took: begun.elapsed(),
    };
    let outcome = Outcome { differences, table: show::table(&facts) };
    show::outcome(&outcome);
    Ok(Played { outcome, record, dir, stage, _temporary: temporary })
}

/// What the table is made of.
struct Facts<'a> {
    record: &'a Record,
    traffic: &'a Traffic,
    rejected: &'a BTreeMap<String, u64>,
    finished: &'a [console::view::ProgressView],
    sent_in: Duration,
    took: Duration,
}

fn populate(platform: &Platform, day: &Scenario) {
    // The day is over by the clock: whoever blocks the account in it is on LINE's list of friends no
    // more, also where somebody asks for the list in the middle of the deliveries.
    let blocks = day.steps.iter().filter(|step| step.deed == Deed::Block);
    let blocks: BTreeMap<usize, i64> = blocks.map(|step| (step.visitor, step.at)).collect();
    let mut people = platform.people.lock();
    for (n, visitor) in day.visitors.iter().enumerate() {
        people.set(
            &visitor.user_id(),
            Person {
                friend: visitor.friend_before && !blocks.contains_key(&n),
                blocked: blocks.contains_key(&n),
                changed_at: blocks.get(&n).copied().unwrap_or(0),
                name: format!("visitor {n}"),
                language: Some(visitor.language.to_owned()),
                ..Person::default()
            },
        );
    }
}

/// The configuration of the demo: all roles, embedded backends, free ports; `more` overrides it.
pub fn config(
    dir: &std::path::Path,
    api_url: &str,
    more: &[(&str, &str)],
) -> anyhow::Result<server::Config> {
    let data = format!("embedded://{}", dir.join("data").display());
    let at = [("ANSHIN__LOG__URL", data.as_str()), ("ANSHIN__STORE__URL", data.as_str())];
    let more: Vec<_> = at.into_iter().chain(more.iter().copied()).collect();
    Ok(server::Config::load(None, variables(dir, api_url, &more).into_iter())?)
}

/// What the demo's roles are told, on any backends; `more` overrides it.
pub fn variables(dir: &std::path::Path, api_url: &str, more: &[(&str, &str)]) -> Variables {
    let channel = Channel::default();
    let path = |name: &str| dir.join(name).display().to_string();
    let variables = [
        ("ANSHIN__LINE__CHANNEL_ID", channel.id),
        ("ANSHIN__LINE__CHANNEL_SECRETS", channel.secret),
        ("ANSHIN__LINE__BOT_USER_ID", channel.bot_user_id),
        ("ANSHIN__LINE__ACCOUNT_ID", "@216ruabc".to_owned()),
        ("ANSHIN__LINE__API_URL", api_url.to_owned()),
        ("ANSHIN__KEYS__FILE", path("keys.json")),
        ("ANSHIN__KEYS__PLACES_FILE", path("places.json")),
        ("ANSHIN__INGEST__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__CONSOLE__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.chain(more).collect()
}

/// Imports the places as an operator would, through the socket of the running process.
pub(crate) async fn import(
    config: &server::Config,
    dir: &std::path::Path,
    day: &Scenario,
) -> anyhow::Result<String> {
    let file = dir.join("list.csv");
    std::fs::write(&file, day.csv())?;
    let mut printed = Vec::new();
    server::tools::import_venues(config, &file, &mut printed).await?;
    std::fs::write(dir.join("venues.csv"), &printed)?;
    Ok(String::from_utf8(printed)?)
}

/// What the deliveries measured.
pub struct Traffic {
    /// Deliveries, those made again among them.
    pub webhooks: u64,
    /// Events in them, each once.
    pub events: u64,
    /// Deliveries that were made again.
    pub redelivered: u64,
    /// From the moment a first delivery was meant to leave, in µs.
    pub latency: Histogram<u64>,
    /// All of them.
    pub took: Duration,
}

/// Delivers the day, in LINE's order, as fast as it is taken.
async fn deliver(
    sender: &WebhookSender,
    day: &Scenario,
    csv: &str,
    seed: u64,
    show: &Show,
) -> anyhow::Result<Traffic> {
    let texts = crate::replay::check_in_texts(csv);
    let order = day.delivery_order(seed);
    let bar = show.bar("webhooks", order.len() as u64);
    let begun = Instant::now();
    // Some bodies hold several events, of several people.
    let bodies: Vec<Vec<usize>> = {
        let mut bodies = Vec::new();
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let size = if bodies.len() % 10 == 0 { 4 } else { 1 };
            let (body, after) = rest.split_at(size.min(rest.len()));
            bodies.push(body.to_vec());
            rest = after;
        }
        bodies
    };
    let deliveries = stream::iter(bodies)
        .map(|body| {
            let events: Vec<Event> = body.iter().map(|n| event(day, *n, &texts)).collect();
            let twice = body.iter().any(|n| delivery(day, *n) == Some(Delivery::Twice));
            let again = body.iter().any(|n| delivery(day, *n) == Some(Delivery::Redelivered));
            let bar = bar.clone();
            async move {
                let (first, mut count) = sender.deliver_surely(&events, Instant::now()).await;
                if twice || again {
                    let kind = if again { Redelivery::Again } else { Redelivery::First };
                    sender.deliver(&events, kind, Instant::now()).await;
                    count += 1;
                }
                bar.add(events.len() as u64);
                (first, count, events.len())
            }
        })
        .buffer_unordered(CONCURRENT);
    tokio::pin!(deliveries);
    let mut traffic = Traffic {
        webhooks: 0,
        events: 0,
        redelivered: 0,
        latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        took: Duration::ZERO,
    };
    while let Some((first, count, events)) = deliveries.next().await {
        traffic.webhooks += u64::from(count);
        traffic.redelivered += u64::from(count - 1);
        traffic.events += events as u64;
        traffic.latency.saturating_record(u64::try_from(first.took.as_micros())?);
    }
    bar.finish();
    traffic.took = begun.elapsed();
    Ok(traffic)
}

fn delivery(day: &Scenario, step: usize) -> Option<Delivery> {
    match day.steps[step].deed {
        Deed::Scan { delivery, .. } => Some(delivery),
        _ => None,
    }
}

/// LINE's id of the message of a step.
fn message(step: usize) -> String {
    (500_000_000_000_000_000 + step).to_string()
}

fn event(day: &Scenario, n: usize, texts: &[String]) -> Event {
    let step = &day.steps[n];
    let user = day.visitors[step.visitor].user_id();
    let says = |text: &str| What::Text { message: message(n), text: text.to_owned() };
    let what = match &step.deed {
        Deed::Scan { venue, .. } => says(&texts[*venue]),
        Deed::Follow => What::Follow,
        Deed::Block => What::Unfollow,
        Deed::Unsend { scan } => What::Unsend { message: message(*scan) },
        Deed::Erase => says("忘れて"),
        Deed::ChooseEnglish if n.is_multiple_of(2) => says("English"),
        Deed::ChooseEnglish => What::Postback { data: "language=en".to_owned() },
        Deed::Chat => says(scenario::PLANTED_WORDS),
    };
    Event::new(user, step.at, what)
}

fn expected_rejections() -> [(&'static str, u64); 4] {
    let each = ODD as u64;
    [
        ("not_json", each),
        ("malformed_event", each),
        ("past_retention", each),
        ("from_the_future", each),
    ]
}

/// Bodies that are signed and odd: each must be answered 200 and kept with its cause. And bodies
/// that LINE did not sign: 401.
async fn odd_bodies(stage: &Stage, day: &Scenario) -> anyhow::Result<()> {
    let (platform, webhook, csv) = (&stage.platform, &stage.webhooks[0], &stage.csv);
    let channel = platform.channel.lock().clone();
    let http = reqwest::Client::new();
    let text = &crate::replay::check_in_texts(csv)[0];
    let scan = |at: i64| {
        format!(
            r#"{{"type":"message","message":{{"type":"text","id":"1","text":"{text}"}},"timestamp":{at},"source":{{"type":"user","userId":"{}"}},"mode":"active"}}"#,
            day.visitors[0].user_id()
        )
    };
    let frame =
        |event: &str| format!(r#"{{"destination":"{}","events":[{event}]}}"#, channel.bot_user_id);
    let (hour, days) = (3_600_000, 24 * 3_600_000);
    let now = platform.clock.now();
    for n in 0..ODD as i64 {
        let bodies = [
            "not json".to_owned(),
            frame(r#"{"type":"message","message":{"type":"text","id":"1","text":"\uD83E"}}"#),
            frame(&scan(now - 28 * days - n * hour)),
            frame(&scan(now + 25 * hour + n)),
        ];
        for body in bodies {
            let signature = sign(&channel.secret, body.as_bytes());
            let request = http.post(webhook).header("X-Line-Signature", signature).body(body);
            let status = request.send().await?.status();
            anyhow::ensure!(status == 200, "an odd body was answered {status}");
        }
        let request = http.post(webhook).header("X-Line-Signature", sign("another", b"{}"));
        let status = request.body("{}").send().await?.status();
        anyhow::ensure!(status == 401, "a forged body was answered {status}");
    }
    Ok(())
}

fn faults(platform: &Platform) {
    let mut faults = platform.faults.lock();
    for (endpoint, share) in [("multicast", 0.08), ("push", 0.01)] {
        faults.share(endpoint, Fault::ErrorBefore, share);
        faults.share(endpoint, Fault::ErrorAfter, share);
        faults.share(endpoint, Fault::ResetAfter, share);
        faults.share(endpoint, Fault::TooFast, share / 2.0);
    }
    faults.next("multicast", &[Fault::HangAfter, Fault::Unauthorized]);
    faults.latency(Duration::from_millis(5));
}

/// For the test that the count notices.
async fn tamper(demo: &Demo, record: &mut Record, store: &AnyStore) -> anyhow::Result<()> {
    use storage::{
        Deletion, Store,
        rows::{Row, TypedStore, visits::ScanRow},
    };
    if demo.drop_message {
        record.journal.accepted.pop();
    }
    if demo.drop_row {
        let evidence = record.evidence();
        let expected = evidence.expected(&evidence.jobs[0]).people;
        let told = record.journal.events.iter().find(|event| {
            expected.contains_key(&event.user)
                && matches!(&event.what, What::Text { text, .. } if text.contains('-'))
        });
        let event = told.context("somebody was told")?;
        let at = schemas::time::EventTime(event.at);
        for (venue, _, _) in &record.places {
            let partition = (venue.parse()?, at.hour());
            let rows = store.all::<ScanRow>(&partition).await?;
            let Some(row) = rows.into_iter().find(|row| row.scanned_at == at) else { continue };
            let mutation = row.to_mutation();
            let deletion = Deletion {
                table: ScanRow::TABLE,
                partition: mutation.partition,
                clustering: Some(mutation.clustering),
                timestamp: mutation.timestamp,
            };
            store.delete(vec![deletion]).await?;
            return Ok(());
        }
    }
    Ok(())
}

async fn rejected(log: &AnyLog) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for rejected in processor::rejected::list(log).await? {
        let cause = rejected.cause.map_or("unreadable", |cause| cause.name());
        *counts.entry(cause.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// The product's own figures against the count.
pub(crate) fn figures(
    record: &Record,
    finished: &[console::view::ProgressView],
) -> Vec<Difference> {
    let evidence = record.evidence();
    let mut differences = Vec::new();
    for (job, progress) in evidence.jobs.iter().zip(finished) {
        let expected = evidence.expected(job);
        let name = |what: &str| format!("job {}: {what}", job.id);
        let people = expected.people.len() as u64;
        figure(&mut differences, &name("targeted"), people, progress.targeted);
        figure(&mut differences, &name("accepted"), people, progress.accepted);
        let out = expected.out_of_reach.len() as u64;
        figure(&mut differences, &name("out of reach"), out, progress.out_of_reach);
        let sum = progress.accepted
            + progress.pending
            + progress.retrying
            + progress.invalid
            + progress.undecided
            + progress.erased
            + progress.cancelled;
        figure(&mut differences, &name("sum of its parts"), progress.targeted, sum);
    }
    differences
}

fn figure(differences: &mut Vec<Difference>, what: &str, counted: u64, said: u64) {
    if counted != said {
        differences.push(Difference::Figure { what: what.to_owned(), counted, said });
    }
}

pub(crate) fn job_record(
    id: String,
    job: &scenario::Job,
    places: &[(String, String, i64)],
) -> oracle::Job {
    let mut messages = BTreeMap::from([("ja".to_owned(), job.japanese.to_string())]);
    messages.extend(job.english.iter().map(|text| ("en".to_owned(), text.to_string())));
    oracle::Job {
        id,
        venues: job.venues.iter().map(|venue| places[*venue].0.clone()).collect(),
        from: job.from,
        to: job.to,
        padding_minutes: i64::from(job.padding_minutes),
        messages,
    }
}
