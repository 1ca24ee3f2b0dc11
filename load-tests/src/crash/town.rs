//! Visitors, officials, the stand-in for LINE, and the judge.

mod look;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::ensure;
use console::view::{JobView, ProgressView};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Method, StatusCode};
use schemas::{time::EventTime, topic::Topic};
use storage::{
    Group, Log,
    any::{AnyLog, AnyStore},
    remote::Remote,
};
use tokio::time::Instant;

use super::{TRIALS_OF_A_WORLD, life::Life};
use crate::{
    cluster::free_address,
    demo::{self, Officials},
    faults::traffic::{Evening, JOB_VENUES, Sending, Source},
    oracle::{self, Difference},
    platform::{
        self, Channel, Platform, Serving,
        webhooks::{Redelivery, WebhookSender, sign},
    },
    scenario::{self, Scenario, Size},
    verify::{self, Record},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// After a crash, everything is done within this.
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);
/// Nobody who was there on one evening is still there on the next.
const BETWEEN_EVENINGS: i64 = 4 * HOUR;
/// The first evening is so long ago that all of them are over, and so recent that LINE pushes.
const FIRST_EVENING: i64 = 6 * DAY;
/// Of the places that evenings do not go to, so many are never asked about.
pub const STRANGE: usize = 3;
/// Requests to LINE in a second, at most: few enough for something to happen in between.
const RATES: [(&str, usize); 2] = [("multicast", 20), ("push", 40)];

/// A process with everything around it.
pub struct World {
    /// The process.
    pub life: Life,
    /// What is around it.
    pub town: Town,
}

/// What is around the process.
pub struct Town {
    /// The stand-in.
    pub platform: Arc<Platform>,
    /// The officials.
    pub officials: Officials,
    /// LINE's webhooks.
    pub sender: WebhookSender,
    /// Visitors and their events.
    pub source: Source,
    /// How the process is configured.
    pub config: server::Config,
    /// People whom LINE refuses.
    pub refused: BTreeSet<String>,
    /// Jobs that were given up, and how many people the product called undecided.
    pub undecided: BTreeMap<String, u64>,
    /// Broken promises that were seen on the way.
    pub broken: Vec<String>,
    /// How long is waited for a job.
    pub patience: Duration,
    /// Where the process keeps everything.
    pub dir: std::path::PathBuf,
    /// Where its webhooks come in.
    pub webhook: String,
    /// Whose ids must be found nowhere; the list of places.
    day: Scenario,
    record: Record,
    finished: Vec<(oracle::Job, ProgressView)>,
    known: BTreeSet<Difference>,
    /// Places that evenings do not go to and that are taken.
    apart: usize,
    /// Requests in the journal that were judged.
    judged: usize,
    _serving: Serving,
}

impl World {
    /// Starts a process in a new directory, with places and officials.
    pub async fn open(
        dir: &Path,
        binary: &Path,
        seed: u64,
        mutant: Option<&str>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let platform = Platform::new(Channel::default(), seed);
        let venues = JOB_VENUES + TRIALS_OF_A_WORLD;
        let size = Size { facilities: 6, venues, visitors: 0, scans: 0 };
        let now = EventTime(platform.clock.now());
        let day = scenario::make_empty(size, now.0);
        let serving = platform.serve(([127, 0, 0, 1], 0).into()).await?;
        let data = format!("embedded://{}", dir.join("data").display());
        let (spool, console) = (dir.join("spools").display().to_string(), free_address()?);
        let rates = RATES.map(|(_, rate)| rate.to_string());
        let more = [
            ("ANSHIN__LOG__URL", data.as_str()),
            ("ANSHIN__STORE__URL", &data),
            ("ANSHIN__SPOOL__DIR", &spool),
            ("ANSHIN__CONSOLE__LISTEN", &console.to_string()),
            ("ANSHIN__SENDING__CALLS_PER_SECOND", &rates[0]),
            ("ANSHIN__SENDING__PUSHES_PER_SECOND", &rates[1]),
        ];
        let variables = demo::variables(dir, &serving.url(), &more);
        let config = server::Config::load(None, variables.clone().into_iter())?;
        let (file, places_file) = (&config.keys.file, &config.keys.places_file);
        server::keys::init(file, places_file, now, config.retention.days)?;
        let mut life = Life::new(binary, dir, &variables, Arc::clone(&platform))?;
        if let Some(mutant) = mutant {
            life.process.set("ANSHIN_MUTANT", &format!("mutant {mutant}"));
        }
        life.process.start()?;
        life.process.ready().await?;
        let csv = demo::import(&config, dir, &day).await?;
        let store = AnyStore::Remote(Remote::connect(&dir.join("data")).await?);
        let officials = Officials::new(&store, &[console]).await?;
        let places = demo::listed(&officials, &csv).await?;
        let webhook = format!("http://{}/webhook", life.process.listen);
        let sender = WebhookSender::new(Arc::clone(&platform), std::slice::from_ref(&webhook))?;
        let texts = crate::replay::check_in_texts(&csv);
        let source = Source::new(StdRng::seed_from_u64(seed), texts, now.0 - FIRST_EVENING);
        let town = Town {
            platform,
            officials,
            sender,
            source,
            config,
            refused: BTreeSet::new(),
            undecided: BTreeMap::new(),
            broken: Vec::new(),
            patience: RECOVERS_WITHIN,
            dir: dir.to_owned(),
            webhook,
            day,
            record: Record { places, ..Record::default() },
            finished: Vec::new(),
            known: BTreeSet::new(),
            apart: 0,
            judged: 0,
            _serving: serving,
        };
        Ok(Self { life, town })
    }

    /// What is left to chance from now on.
    pub fn begin(&mut self, mut chance: StdRng) {
        *self.town.platform.faults.lock() = platform::faults::Faults::new(chance.random());
        self.town.source.rng = chance;
        self.town.source.begins += BETWEEN_EVENINGS;
        self.town.patience = RECOVERS_WITHIN;
    }

    /// Whether so many more evenings are all over by now.
    pub fn has_room_for(&self, evenings: i64) -> bool {
        let last = self.town.source.begins + (evenings + 1) * BETWEEN_EVENINGS;
        last < self.town.platform.clock.now() && self.town.apart + STRANGE < TRIALS_OF_A_WORLD
    }

    /// Waits until all is done, and says which promises were broken since the last time.
    pub async fn judge(&mut self) -> anyhow::Result<Vec<String>> {
        self.town.platform.faults.lock().clear();
        self.life.process.ready().await?;
        self.town.judge(&self.life.died_at).await
    }

    /// Ends the process by SIGTERM: it must end well, and leave nothing that it must not.
    pub async fn end(mut self) -> anyhow::Result<Vec<String>> {
        let code = self.life.process.end().await?;
        let mut broken = Vec::new();
        if code != Some(0) {
            broken.push(format!("the process ended with {code:?} at SIGTERM"));
        }
        broken.extend(demo::leaks(&self.town.dir, &self.town.day)?);
        Ok(broken)
    }
}

impl Town {
    /// Log and store, through the socket of the process, while it is ready.
    pub async fn reach(&self) -> std::io::Result<Remote> {
        Remote::connect(&self.dir.join("data")).await
    }

    /// Notes a broken promise where it does not hold.
    pub fn promise(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.broken.push(what.into());
        }
    }

    /// People of a new evening.
    pub fn evening(&mut self, people: usize, name: &str) -> Evening {
        let reference = format!("{name} {}", uuid::Uuid::new_v4().simple());
        let evening = self.source.evening(people, &reference);
        self.day.visitors.extend(evening.visitors.iter().cloned());
        evening
    }

    /// Delivers an evening until all of it is acknowledged; and a scan that LINE did not sign.
    pub async fn send(&mut self, evening: &Evening) -> anyhow::Result<()> {
        let sending = Sending::begin(&self.sender, evening.events.clone().into_iter());
        self.forge(evening.job.from + MINUTE).await?;
        sending.all().await?;
        Ok(())
    }

    async fn forge(&mut self, at: i64) -> anyhow::Result<()> {
        let stranger = self.source.visitor();
        let event = self.source.scan(&stranger, 0, at);
        let (body, _) = self.sender.signed(&[event], Redelivery::First);
        self.day.visitors.push(stranger);
        let signature = sign("another secret", body.as_bytes());
        let (http, begun) = (reqwest::Client::new(), Instant::now());
        loop {
            let request = http.post(&self.webhook).header("x-line-signature", &signature);
            match request.body(body.clone()).send().await {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => return Ok(()),
                Ok(response) => {
                    self.broken.push(format!("a forged webhook: {}", response.status()));
                    return Ok(());
                }
                Err(error) if begun.elapsed() > RECOVERS_WITHIN => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Submits a job and has it approved; its id. Officials try again while the process is away.
    pub async fn approve(&mut self, evening: &Evening) -> anyhow::Result<String> {
        let places = &self.record.places;
        let approved = self.officials.submit_until_approved(&evening.job, places, RECOVERS_WITHIN);
        let job = approved.await?;
        let id = job.id.clone();
        self.record.jobs.push(job);
        Ok(id)
    }

    /// Watches a job until it is as wished; its parts must add up at every look.
    pub async fn wait_for(
        &mut self,
        id: &str,
        wished: impl Fn(&JobView) -> bool,
    ) -> anyhow::Result<JobView> {
        let begun = Instant::now();
        let path = format!("/api/v1/exposure-jobs/{id}");
        let mut last = String::new();
        loop {
            // What is not an answer is a process that is away, or is coming back.
            let answer = self.officials.call(&self.officials.drafter, Method::GET, &path, None);
            if let Ok((StatusCode::OK, view)) = answer.await {
                let view: JobView = serde_json::from_value(view)?;
                let p = view.progress;
                let parts = [p.accepted, p.pending, p.retrying, p.invalid, p.undecided, p.erased];
                let sum = parts.iter().sum::<u64>() + p.cancelled;
                self.promise(
                    sum == p.targeted,
                    format!("the parts of job {id} do not add up: {p:?}"),
                );
                if wished(&view) {
                    return Ok(view);
                }
                last = format!("{} {p:?}", view.state);
            }
            let waited = begun.elapsed();
            ensure!(waited < self.patience, "job {id} does not get there: {last}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a job is complete.
    pub async fn completed(&mut self, id: &str) -> anyhow::Result<()> {
        let ends = ["completed", "closed", "paused", "cancelled"];
        let view = self.wait_for(id, |view| ends.contains(&view.state.as_str())).await?;
        let reached = matches!(view.state.as_str(), "completed" | "closed");
        self.promise(reached, format!("the job is {}: {:?}", view.state, view.paused));
        if reached {
            self.finished.push((self.job(id)?, view.progress));
        }
        Ok(())
    }

    /// Waits until nothing more can be done for a job than to ask officials, and gives it up: whoever
    /// was not told by then is one of those whom the product calls undecided. How many these are.
    pub async fn given_up(&mut self, id: &str) -> anyhow::Result<u64> {
        let view = self.wait_for(id, |view| {
            let open = view.progress.pending + view.progress.retrying;
            view.state != "sending" || (view.progress.targeted > 0 && open == 0)
        });
        let undecided = view.await?.progress.undecided;
        let path = format!("/api/v1/exposure-jobs/{id}/cancel");
        let approver = &self.officials.approver;
        let (status, view) = self.officials.call(approver, Method::POST, &path, None).await?;
        ensure!(status.is_success(), "cancel: {status} {view}");
        self.undecided.insert(id.to_owned(), undecided);
        Ok(undecided)
    }

    /// Delivers an evening, and has its job approved and sent.
    pub async fn tell(&mut self, evening: &Evening) -> anyhow::Result<()> {
        self.send(evening).await?;
        let job = self.approve(evening).await?;
        self.completed(&job).await
    }

    async fn judge(&mut self, died_at: &[i64]) -> anyhow::Result<Vec<String>> {
        let remote = self.reach().await?;
        let begun = Instant::now();
        loop {
            let lag = lag(&AnyLog::Remote(remote.clone()), ROWS).await?;
            if lag == 0 {
                break;
            }
            if begun.elapsed() > RECOVERS_WITHIN {
                self.broken.push(format!("{lag} records are no rows {RECOVERS_WITHIN:?} later"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.record.journal = self.platform.journal.lock().clone();
        let mut differences = verify::verify(&AnyStore::Remote(remote), &self.record).await?;
        let missed = |id: &str| {
            let of_this =
                |d: &&Difference| matches!(d, Difference::Missed { job, .. } if job == id);
            differences.iter().filter(of_this).count() as u64
        };
        let named: BTreeSet<&str> = self
            .undecided
            .iter()
            .filter(|(id, undecided)| missed(id) <= **undecided)
            .map(|(id, _)| id.as_str())
            .collect();
        differences.retain(|difference| match difference {
            // Officials have been asked about them.
            Difference::Missed { job, .. } if named.contains(job.as_str()) => false,
            // LINE takes nothing for them, and the product says so: see below.
            Difference::Missed { user, .. } => !self.refused.contains(user),
            _ => true,
        });
        let mut record = self.record.clone();
        for (job, mut progress) in self.finished.drain(..) {
            record.jobs = vec![job];
            let evidence = record.evidence();
            let expected = evidence.expected(&evidence.jobs[0]).people;
            let invalid = expected.keys().filter(|user| self.refused.contains(*user)).count();
            if progress.invalid == invalid as u64 {
                // Nobody can be told more.
                progress.accepted += std::mem::take(&mut progress.invalid);
            }
            differences.extend(demo::figures(&record, &[progress]));
        }
        differences.retain(|difference| self.known.insert(difference.clone()));
        let mut broken = std::mem::take(&mut self.broken);
        broken.extend(differences.iter().map(ToString::to_string));
        broken.extend(self.too_fast(died_at));
        Ok(broken)
    }

    /// Seconds that hold more requests than are configured. A process that comes back does not know
    /// of the one before: those two together.
    fn too_fast(&mut self, died_at: &[i64]) -> Vec<String> {
        let requests = &self.record.journal.requests[self.judged..];
        let mut broken = Vec::new();
        for (endpoint, rate) in RATES {
            let of_this = requests.iter().filter(|request| request.endpoint == endpoint);
            let mut times: Vec<i64> = of_this.map(|request| request.at).collect();
            times.sort_unstable();
            for (n, first) in times.iter().enumerate() {
                let second = *first..*first + 1_000;
                let count = times[n..].iter().take_while(|at| second.contains(at)).count();
                let lives = 1 + died_at.iter().filter(|at| second.contains(at)).count();
                if count > rate * lives {
                    broken.push(format!(
                        "{count} {endpoint} requests in a second, faster than {rate}"
                    ));
                    break;
                }
            }
        }
        self.judged = self.record.journal.requests.len();
        broken
    }
}

/// Who makes rows, and of what.
const ROWS: (Group, &[Topic]) = (Group::Processor, &[Topic::Scans, Topic::Visitors]);

/// Records of topics that a group is not done with.
async fn lag(log: &AnyLog, (group, topics): (Group, &[Topic])) -> anyhow::Result<u64> {
    let mut lag = 0;
    for &topic in topics {
        let bounds = log.bounds(topic).await?;
        let committed = log.committed(group, topic).await?;
        for (range, done) in bounds.into_iter().zip(committed) {
            lag += range.end.0.saturating_sub(done.unwrap_or(range.start).max(range.start).0);
        }
    }
    Ok(lag)
}
