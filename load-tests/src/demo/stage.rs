//! The roles beside the stand-in for LINE: in this process, or as processes on servers that are there.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use server::backends::Backends;
use storage::any::{AnyLog, AnyStore};
use tokio::time::Instant;

use super::{
    Officials,
    deliveries::{Traffic, deliver},
    show::Show,
};
use crate::{
    cluster::{Cluster, Part, Variables},
    platform::{Channel, Platform, Serving, people::Person, webhooks::WebhookSender},
    scenario::{Deed, Scenario},
};

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
    /// Where ingests listen for them.
    pub webhooks: Vec<String>,
    serving: Serving,
}

impl Stage {
    /// Starts everything in a directory. `variables` override the demo's configuration.
    pub async fn open(
        dir: &Path,
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
        dir: &Path,
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
pub fn config(dir: &Path, api_url: &str, more: &[(&str, &str)]) -> anyhow::Result<server::Config> {
    let data = format!("embedded://{}", dir.join("data").display());
    let at = [("ANSHIN__LOG__URL", data.as_str()), ("ANSHIN__STORE__URL", data.as_str())];
    let more: Vec<_> = at.into_iter().chain(more.iter().copied()).collect();
    Ok(server::Config::load(None, variables(dir, api_url, &more).into_iter())?)
}

/// What the demo's roles are told, on any backends; `more` overrides it.
pub fn variables(dir: &Path, api_url: &str, more: &[(&str, &str)]) -> Variables {
    let channel = Channel::default();
    let path = |name: &str| dir.join(name).display().to_string();
    let variables = [
        ("ANSHIN__LINE__CHANNEL_ID", channel.id),
        ("ANSHIN__LINE__CHANNEL_SECRETS", channel.secret),
        ("ANSHIN__LINE__BOT_USER_ID", channel.bot_user_id),
        ("ANSHIN__LINE__ACCOUNT_ID", "@216ruabc".to_owned()),
        ("ANSHIN__LINE__ACCOUNT_NAME", "安心みえるLINE".to_owned()),
        ("ANSHIN__LINE__API_URL", api_url.to_owned()),
        ("ANSHIN__KEYS__FILE", path("keys.json")),
        ("ANSHIN__KEYS__PLACES_FILE", path("places.json")),
        ("ANSHIN__INGEST__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__CONSOLE__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__VENUES__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
        ("ANSHIN__MAIL__FOLDER", path("mailbox")),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.chain(more).collect()
}

/// Imports the places as an operator would, through the socket of the running process.
pub(crate) async fn import(
    config: &server::Config,
    dir: &Path,
    day: &Scenario,
) -> anyhow::Result<String> {
    let file = dir.join("list.csv");
    std::fs::write(&file, day.csv())?;
    let mut printed = Vec::new();
    server::tools::import_venues(config, &file, false, &mut printed).await?;
    std::fs::write(dir.join("venues.csv"), &printed)?;
    Ok(String::from_utf8(printed)?)
}
