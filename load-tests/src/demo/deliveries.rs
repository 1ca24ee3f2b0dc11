//! The webhooks of a day, as LINE delivers them; and some that are odd.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{Stage, show::Show};
use crate::{
    platform::{
        journal::What,
        webhooks::{Event, Redelivery, WebhookSender, sign},
    },
    scenario::{self, Deed, Delivery, Scenario},
};

/// Bodies that are odd in one way each, so many of each kind.
const ODD: usize = 10;
/// Webhooks under way at the same time.
const CONCURRENT: usize = 48;

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
pub(super) async fn deliver(
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

/// What of the odd bodies is kept in `rejected`, and how often.
pub(super) fn expected_rejections() -> [(&'static str, u64); 4] {
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
pub(super) async fn odd_bodies(stage: &Stage, day: &Scenario) -> anyhow::Result<()> {
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
