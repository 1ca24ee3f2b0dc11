//! Sends a trace, open loop: each webhook leaves at its moment, whatever became of those before, and
//! its latency counts from that moment.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::Instant};

use super::{
    report::Report,
    trace::{Kind, Step, subjects},
};
use crate::{
    platform::{
        Clock,
        journal::What,
        target::Target,
        webhooks::{Event, Redelivery, WebhookSender},
    },
    scenario::PLANTED_WORDS,
};

/// A target elsewhere is asked so often whether it may still be sent to.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// How a trace is sent.
pub(super) struct Drive {
    pub(super) sender: WebhookSender,
    pub(super) target: Target,
    /// The check-in texts of the places, in the order of the list.
    pub(super) texts: Vec<String>,
    /// How many times as fast as the trace says.
    pub(super) speed: f64,
    /// Webhooks under way at the same time, at most.
    pub(super) in_flight: usize,
    /// Where latencies of this second go, too.
    pub(super) interval: Option<Arc<Mutex<Histogram<u64>>>>,
}

impl Drive {
    /// Sends it all, or until it is interrupted. Errors: it had to stop.
    pub(super) async fn run(&self, steps: &[Step]) -> anyhow::Result<Report> {
        let mut events = Events::new(&self.texts, steps)?;
        let report = Arc::new(Mutex::new(Report::default()));
        let (mut revoked, mut interrupted) =
            (pin!(self.target.revoked(ASK_EVERY)), pin!(tokio::signal::ctrl_c()));
        let mut tasks = JoinSet::new();
        let (mut sent, mut most_under_way, mut stopped) = (0_u64, 0, None);
        let begun = Instant::now();
        for (n, step) in steps.iter().enumerate() {
            let meant_for = begun + Duration::from_micros(step.at).div_f64(self.speed);
            tokio::select! {
                () = tokio::time::sleep_until(meant_for) => {}
                _ = &mut interrupted => break,
                why = &mut revoked => {
                    stopped = Some(why);
                    break;
                }
            }
            while tasks.len() >= self.in_flight {
                tasks.join_next().await.transpose().context("a delivery broke")?;
            }
            let (event, redelivery) = events.next(n, step)?;
            let (sender, report, kind) = (self.sender.clone(), Arc::clone(&report), step.kind);
            let interval = self.interval.clone();
            sent += 1;
            tasks.spawn(async move {
                let status = sender.send(&[event], redelivery).await;
                let micros = u64::try_from(meant_for.elapsed().as_micros()).unwrap_or(u64::MAX);
                report.lock().ended(kind, status, micros);
                if let (200, Some(interval)) = (status, interval) {
                    interval.lock().saturating_record(micros);
                }
            });
            most_under_way = most_under_way.max(tasks.len());
            while let Some(ended) = tasks.try_join_next() {
                ended.context("a delivery broke")?;
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a delivery broke")?;
        }
        let took = begun.elapsed();
        let mut report = std::mem::take(&mut *report.lock());
        (report.sent, report.most_under_way, report.took) = (sent, most_under_way, took);
        match stopped {
            Some(why) => Err(why.context(format!("\n{report}"))),
            None => Ok(report),
        }
    }
}

/// The events of a trace, made when they are sent.
struct Events<'a> {
    texts: &'a [String],
    about: Vec<Option<usize>>,
    /// Events that will be delivered again, once they were delivered; and how often still.
    kept: HashMap<usize, (Option<Event>, u32)>,
    first_message: u64,
}

impl<'a> Events<'a> {
    fn new(texts: &'a [String], steps: &[Step]) -> anyhow::Result<Self> {
        let about = subjects(steps).map_err(|_| anyhow::anyhow!("a step is about nothing"))?;
        let mut kept: HashMap<_, (Option<Event>, u32)> = HashMap::new();
        for (step, about) in steps.iter().zip(&about) {
            if let (Kind::Redelivery, Some(about)) = (step.kind, about) {
                kept.entry(*about).or_default().1 += 1;
            }
        }
        // Messages of this replay and of the next must not have the same ids.
        Ok(Self { texts, about, kept, first_message: now().unsigned_abs() * 100_000 })
    }

    /// The event of the n-th step.
    fn next(&mut self, n: usize, step: &Step) -> anyhow::Result<(Event, Redelivery)> {
        if let (Kind::Redelivery, Some(about)) = (step.kind, self.about[n]) {
            let (event, left) = self.kept.get_mut(&about).context("an event that was not kept")?;
            let again = event.clone().context("an event that was not delivered")?;
            *left -= 1;
            if *left == 0 {
                self.kept.remove(&about);
            }
            return Ok((again, Redelivery::Again));
        }
        let event = Event::new(format!("U{:032x}", step.visitor), now(), self.what(n, step));
        if let Some((keep, _)) = self.kept.get_mut(&n) {
            *keep = Some(event.clone());
        }
        Ok((event, Redelivery::First))
    }

    fn what(&self, n: usize, step: &Step) -> What {
        let message = |n: usize| (self.first_message + n as u64).to_string();
        let says = |text: &str| What::Text { message: message(n), text: text.to_owned() };
        match step.kind {
            Kind::Scan => says(&self.texts[step.venue as usize - 1]),
            Kind::Text => says(PLANTED_WORDS),
            Kind::Erase => says("忘れて"),
            Kind::Postback => What::Postback { data: "language=en".to_owned() },
            Kind::Follow => What::Follow,
            Kind::Unfollow => What::Unfollow,
            Kind::Unsend | Kind::Redelivery => {
                What::Unsend { message: message(self.about[n].unwrap_or(n)) }
            }
        }
    }
}

/// Now, in ms since the Unix epoch.
fn now() -> i64 {
    Clock::default().now()
}
