//! Visitors of a trial, and webhooks that go on while something is broken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt, stream};
use rand::{RngExt, rngs::StdRng};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    platform::{
        journal::What,
        webhooks::{Event, Redelivery, WebhookSender},
    },
    scenario::{self, Visitor},
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// Places that jobs are about; noise is at the others.
pub const JOB_VENUES: usize = 6;
/// Webhooks of one sending under way at the same time.
const CONCURRENT: usize = 8;
/// LINE delivers again what was not acknowledged after this.
pub const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Nothing may keep a webhook from being acknowledged for so long.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(150);

/// Makes visitors, events and texts that nobody had before in this run.
pub struct Source {
    /// What decides.
    pub rng: StdRng,
    /// What visitors write at each place.
    pub texts: Vec<String>,
    /// When the next evening begins, ms.
    pub begins: i64,
    messages: u64,
}

/// People at the places that a job is about, and the job.
pub struct Evening {
    /// What they do, of each person in order.
    pub events: Vec<Event>,
    /// The people.
    pub visitors: Vec<Visitor>,
    /// Who asks for them.
    pub job: scenario::Job,
}

impl Source {
    /// One that has made nothing yet.
    pub fn new(rng: StdRng, texts: Vec<String>, begins: i64) -> Self {
        Self { rng, texts, begins, messages: 0 }
    }

    fn says(&mut self, text: &str) -> (String, What) {
        self.messages += 1;
        let message = (600_000_000_000_000_000 + self.messages).to_string();
        (message.clone(), What::Text { message, text: text.to_owned() })
    }

    /// A visitor whom nobody knows.
    pub fn visitor(&mut self) -> Visitor {
        Visitor { id: self.rng.random(), friend_before: false, language: "ja" }
    }

    /// A scan at a place.
    pub fn scan(&mut self, visitor: &Visitor, venue: usize, at: i64) -> Event {
        let text = self.texts[venue].clone();
        let (_, says) = self.says(&text);
        Event::new(visitor.user_id(), at, says)
    }

    /// When an evening begins; the next one is later.
    fn next(&mut self) -> i64 {
        // Officials write no parts of a second.
        let from = self.begins / SECOND * SECOND;
        self.begins += 30 * MINUTE;
        from
    }

    /// An evening of friends, all of whom stay friends and take nothing back.
    pub fn friends(&mut self, people: usize, reference: &str) -> Evening {
        let from = self.next();
        let (mut events, mut visitors) = (Vec::new(), Vec::new());
        for _ in 0..people {
            let visitor = self.visitor();
            let at = from + self.rng.random_range(0..20 * MINUTE);
            events.push(Event::new(visitor.user_id(), at - MINUTE, What::Follow));
            let venue = self.rng.random_range(0..JOB_VENUES);
            events.push(self.scan(&visitor, venue, at));
            visitors.push(visitor);
        }
        let job = job(from - MINUTE, from + 25 * MINUTE, reference);
        Evening { events, visitors, job }
    }

    /// An evening with so many people. Some are friends, speak English, block the account, take
    /// messages back or ask to be forgotten.
    pub fn evening(&mut self, people: usize, reference: &str) -> Evening {
        let from = self.next();
        let (mut events, mut visitors) = (Vec::new(), Vec::new());
        for n in 0..people {
            let visitor = self.visitor();
            let user = visitor.user_id();
            let at = from + self.rng.random_range(0..20 * MINUTE);
            if n % 4 == 0 {
                events.push(Event::new(user.clone(), at - MINUTE, What::Follow));
            }
            for scan in 0..1 + i64::from(n % 5 == 0) {
                let venue = self.rng.random_range(0..JOB_VENUES);
                let text = self.texts[venue].clone();
                let (message, says) = self.says(&text);
                let at = at + scan * MINUTE;
                events.push(Event::new(user.clone(), at, says));
                if n % 11 == 3 {
                    events.push(Event::new(user.clone(), at + 1, What::Unsend { message }));
                }
            }
            let later = at + 5 * MINUTE;
            match n % 13 {
                1 => {
                    let (_, says) = self.says("English");
                    events.push(Event::new(user, later, says));
                }
                2 => {
                    let (_, says) = self.says("忘れて");
                    events.push(Event::new(user, later, says));
                }
                4 if n % 4 != 0 => events.push(Event::new(user, later, What::Unfollow)),
                5 => {
                    let (_, says) = self.says(scenario::PLANTED_WORDS);
                    events.push(Event::new(user, later, says));
                }
                _ => {}
            }
            visitors.push(visitor);
        }
        let job = job(from - MINUTE, from + 25 * MINUTE, reference);
        Evening { events, visitors, job }
    }
}

/// A job about everybody at the places in a window.
pub fn job(from: i64, to: i64, reference: &str) -> scenario::Job {
    scenario::Job {
        venues: (0..JOB_VENUES).collect(),
        from,
        to,
        padding_minutes: 0,
        japanese: format!("【県からのお知らせ】体調に気をつけてお過ごしください。（{reference}）")
            .into(),
        english: Some(format!("A notice: please watch your health. ({reference})").into()),
        reference: reference.to_owned(),
    }
}

/// Delivers a body until it is acknowledged, as LINE does; how often it was not.
async fn surely(sender: &WebhookSender, events: &[Event]) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut refused = 0;
    let mut kind = Redelivery::First;
    loop {
        let delivery = sender.deliver(events, kind, Instant::now()).await;
        if (200..300).contains(&delivery.status) {
            return Ok(refused);
        }
        refused += 1;
        kind = Redelivery::Again;
        let waited = begun.elapsed();
        ensure!(waited < ACKNOWLEDGED_WITHIN, "a webhook is not acknowledged for {waited:?}");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Webhooks under way.
pub struct Sending {
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<u64>>,
}

impl Sending {
    /// Sends events, some bodies with several of them, some twice, each until it is acknowledged.
    pub fn begin(
        sender: &WebhookSender,
        events: impl Iterator<Item = Event> + Send + 'static,
    ) -> Self {
        Self::paced(sender, events, Duration::ZERO)
    }

    /// Likewise, with a pause before each body.
    pub fn paced(
        sender: &WebhookSender,
        mut events: impl Iterator<Item = Event> + Send + 'static,
        pause: Duration,
    ) -> Self {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let mut bodies = 0_usize;
        let stopped = Arc::clone(&stop);
        let bodies = std::iter::from_fn(move || {
            if stopped.load(Ordering::Relaxed) {
                return None;
            }
            bodies += 1;
            let size = if bodies.is_multiple_of(10) { 4 } else { 1 };
            let body: Vec<Event> = events.by_ref().take(size).collect();
            (!body.is_empty()).then_some((bodies, body))
        });
        let (sender, count) = (sender.clone(), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            let deliveries = stream::iter(bodies)
                .then(move |body| async move {
                    tokio::time::sleep(pause).await;
                    body
                })
                .map(|(n, body)| {
                    let (sender, count) = (sender.clone(), Arc::clone(&count));
                    async move {
                        let refused = surely(&sender, &body).await?;
                        count.fetch_add(body.len(), Ordering::Relaxed);
                        if n.is_multiple_of(25) {
                            sender.deliver(&body, Redelivery::Again, Instant::now()).await;
                        }
                        anyhow::Ok(refused)
                    }
                })
                .buffer_unordered(CONCURRENT);
            tokio::pin!(deliveries);
            let mut all = 0;
            while let Some(refused) = deliveries.next().await {
                all += refused?;
            }
            Ok(all)
        });
        Self { acknowledged, stop, task }
    }

    /// Events that were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more events are acknowledged.
    pub async fn more(&self, count: usize) -> anyhow::Result<()> {
        let (begun, from) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < from + count && !self.task.is_finished() {
            ensure!(begun.elapsed() < ACKNOWLEDGED_WITHIN, "webhooks are not acknowledged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Begins nothing more; waits until everything begun is acknowledged.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.all().await?;
        Ok(())
    }

    /// Waits until everything is acknowledged. How many deliveries were not.
    pub async fn all(mut self) -> anyhow::Result<u64> {
        (&mut self.task).await.context("sending ended badly")?
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Where a row has failed, what is under way is finished, and nothing begun.
        self.stop.store(true, Ordering::Relaxed);
    }
}
