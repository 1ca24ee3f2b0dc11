//! Connections that are slow, idle, or say two things at once; and a burst.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::Scene;
use crate::{
    crash::{
        TRIALS_OF_A_WORLD,
        town::{STRANGE, Town},
    },
    faults::traffic::{ACKNOWLEDGED_WITHIN, AGAIN_AFTER, JOB_VENUES, Sending},
    platform::{
        target::{self, Target},
        webhooks::{Event, Redelivery, WebhookSender},
    },
};

/// Longer than any limit of a listener: a connection that is still open has none.
const FOR_EVER: Duration = Duration::from_secs(90);
/// Those who mean well wait longer than LINE does: an answer that is late is no lost one here.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that a client keeps who keeps any.
const KEPT: usize = 64;
/// Webhooks of a burst under way at the same time, at most: more than are worked on
/// (`ingest.max_in_flight`), fewer than connections are open (`listener.max_connections`). Where more
/// wait, it is for ports and files of this side, and for its share of the CPU.
const UNDER_WAY: usize = 2_000;
/// The last place that there is.
const LAST: usize = JOB_VENUES + TRIALS_OF_A_WORLD - 1;

/// This process and those that it starts may have as many files open as they are allowed to ask for.
pub(super) fn raise_limit_of_files() {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().nth(4));
    // Where that is refused, the row that needs many says how many it had.
    let pid = std::process::id().to_string();
    let _ = std::process::Command::new("prlimit")
        .args(["--pid", &pid, &format!("--nofile={0}:{0}", most.unwrap_or("1024"))])
        .status();
}

fn address(town: &Town) -> String {
    town.webhook.trim_start_matches("http://").trim_end_matches("/webhook").to_owned()
}

/// W6: whoever keeps connections from us keeps nobody else from being served.
pub(super) async fn attacked(scene: &mut Scene) -> anyhow::Result<()> {
    let (idle, slow) = if scene.full { (10_000, 500) } else { (1_000, 50) };
    let evening = scene.town().evening(20, "W6");
    scene.town().send(&evening).await?;
    let at = address(scene.town());
    let attack = Attack::begin(&at, idle, slow);
    attack.under_way(idle).await;
    let opened = attack.opened.load(Ordering::Relaxed);
    let (kept, new) = tokio::try_join!(
        legitimate(scene.world.town.clients(KEPT)?, scene.world.town.strangers(400)),
        legitimate(scene.world.town.clients(0)?, scene.world.town.strangers(400)),
    )?;
    for (name, legitimate) in [("on kept connections", &kept), ("on new connections", &new)] {
        let Legitimate { latency, refused } = legitimate;
        let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
        let (p50, p99, max) = (ms(0.5), ms(0.99), ms(1.0));
        scene.say(format!(
            "{} webhooks {name} beside {opened} idle and {} slow connections: p50 {p50:.1} ms, p99 {p99:.1} ms, longest {max:.1} ms",
            latency.len(),
            3 * slow,
        ));
        let what =
            format!("{} of {} webhooks {name} were not answered 200", refused, latency.len());
        scene.town().promise(*refused == 0, what);
    }
    let (open, longest) = attack.ends().await?;
    scene.say(format!("the last of the idle and slow connections was closed after {longest:.1?}"));
    let what = format!("{} connections were never given up, that had said {open:?}", open.len());
    scene.town().promise(open.is_empty(), what);
    pipelined(scene, &at).await?;
    ambiguous(scene, &at).await?;
    let job = scene.town().approve(&evening).await?;
    scene.town().completed(&job).await
}

/// Connections that nobody means well with.
struct Attack {
    opened: Arc<AtomicUsize>,
    /// What each said, and how long it was open; `None`: it was not closed.
    tasks: JoinSet<(&'static str, Option<Duration>)>,
}

impl Attack {
    fn begin(at: &str, idle: usize, slow: usize) -> Self {
        let opened = Arc::new(AtomicUsize::new(0));
        // More at once than the kernel lets wait would be open on this side alone.
        let connecting = Arc::new(Semaphore::new(100));
        let mut tasks = JoinSet::new();
        // Half a head of HTTP/1, half a preface of HTTP/2, half a body.
        let heads = [
            "POST /webhook HTTP/1.1\r\nhost: a\r\nx: ",
            "PRI * HTTP/2.0\r\n\r\nSM",
            "POST /webhook HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n",
        ];
        let all = (0..slow).flat_map(|_| heads.map(Some)).chain((0..idle).map(|_| None));
        for head in all {
            let (at, opened) = (at.to_owned(), Arc::clone(&opened));
            let connecting = Arc::clone(&connecting);
            tasks.spawn(async move {
                let turn = connecting.acquire_owned().await;
                let connected = TcpStream::connect(at).await;
                drop(turn);
                let said = head.unwrap_or("nothing");
                let Ok(mut stream) = connected else {
                    return (said, Some(Duration::ZERO));
                };
                opened.fetch_add(usize::from(head.is_none()), Ordering::Relaxed);
                let begun = Instant::now();
                let closed = tokio::time::timeout(FOR_EVER, dawdle(&mut stream, head)).await;
                let time = match closed {
                    Ok(()) => Some(begun.elapsed()),
                    Err(_) => is_unknown(&mut stream).await.then_some(Duration::ZERO),
                };
                (said, time)
            });
        }
        Self { opened, tasks }
    }

    /// Until as many as can be are open.
    async fn under_way(&self, idle: usize) {
        let begun = Instant::now();
        while self.opened.load(Ordering::Relaxed) < idle && begun.elapsed() < Duration::from_secs(3)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until all are closed by the other side: what those said that were not, and how long the
    /// longest was open.
    async fn ends(mut self) -> anyhow::Result<(Vec<&'static str>, Duration)> {
        let (mut open, mut longest) = (Vec::new(), Duration::ZERO);
        while let Some(ended) = self.tasks.join_next().await {
            match ended? {
                (_, Some(time)) => longest = longest.max(time),
                (said, None) => open.push(said),
            }
        }
        Ok((open, longest))
    }
}

/// Says a head, then a byte at a time, or nothing at all, until the other side closes.
async fn dawdle(stream: &mut TcpStream, head: Option<&str>) {
    let (mut read, mut write) = stream.split();
    let saying = async {
        let Some(head) = head else { return std::future::pending().await };
        let mut said = write.write_all(head.as_bytes()).await;
        while said.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            said = write.write_all(b"a").await;
        }
    };
    let reading = async {
        let mut some = [0; 512];
        while matches!(read.read(&mut some).await, Ok(1..)) {}
    };
    tokio::select! {
        () = saying => {}
        () = reading => {}
    }
}

/// Whether the other side knows nothing of a connection. Where more come at once than it has room for,
/// its kernel lets some go without a word, and says so only to whoever says something then.
async fn is_unknown(stream: &mut TcpStream) -> bool {
    let said = stream.write_all(b"a").await;
    let answer = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0])).await;
    said.is_err() || answer.is_ok_and(|read| read.is_err())
}

/// What became of those who mean well.
struct Legitimate {
    latency: Histogram<u64>,
    refused: usize,
}

async fn legitimate(sender: WebhookSender, events: Vec<Event>) -> anyhow::Result<Legitimate> {
    let mut all =
        Legitimate { latency: Histogram::new_with_bounds(1, 600_000_000, 3)?, refused: 0 };
    for event in events {
        let event = [event];
        let delivery = sender.deliver(&event, Redelivery::First, Instant::now()).await;
        all.latency.saturating_record(u64::try_from(delivery.took.as_micros())?);
        if delivery.status != 200 {
            all.refused += 1;
            sender.deliver_surely(&event, Instant::now()).await;
        }
    }
    Ok(all)
}

impl Town {
    /// One who waits for answers, and keeps so many connections for the next request.
    fn clients(&self, kept: usize) -> anyhow::Result<WebhookSender> {
        let http = target::client(PATIENCE).pool_max_idle_per_host(kept).build()?;
        let target = Target::loopback(&self.webhook)?;
        WebhookSender::by(http, Arc::clone(&self.platform), vec![target])
    }

    /// Scans of people of whom no job asks, at places of whom no job asks.
    pub(super) fn strangers(&mut self, count: usize) -> Vec<Event> {
        let at = self.source.begins;
        let scan = |n: usize| {
            let somebody = self.somebody();
            self.source.scan(&somebody, LAST - n % STRANGE, at + n as i64)
        };
        (0..count).map(scan).collect()
    }
}

/// Many requests at once on one connection: each is answered, in order.
async fn pipelined(scene: &mut Scene, at: &str) -> anyhow::Result<()> {
    const REQUESTS: usize = 50;
    let town = scene.town();
    let mut all = String::new();
    for n in 0..REQUESTS {
        let body = format!(r#"{{"events":[]{}}}"#, " ".repeat(n));
        let secret = town.platform.channel.lock().secret.clone();
        let signature = crate::platform::webhooks::sign(&secret, body.as_bytes());
        // Every third has no right to be there.
        let signature = if n % 3 == 2 { "x".to_owned() } else { signature };
        let last = if n == REQUESTS - 1 { "connection: close\r\n" } else { "" };
        all += &format!(
            "POST /webhook HTTP/1.1\r\nhost: a\r\n{last}x-line-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let answers = statuses(&talk(at, &all).await?);
    let wanted: Vec<u16> = (0..REQUESTS).map(|n| if n % 3 == 2 { 401 } else { 200 }).collect();
    town.promise(answers == wanted, format!("pipelined requests were answered {answers:?}"));
    Ok(())
}

/// A request of whose end there are two opinions, and another behind it: nobody may have smuggled it.
async fn ambiguous(scene: &mut Scene, at: &str) -> anyhow::Result<()> {
    let hidden =
        "POST /webhook HTTP/1.1\r\nhost: a\r\nx-line-signature: x\r\ncontent-length: 0\r\n\r\n";
    let post = "POST /webhook HTTP/1.1\r\nhost: a\r\nx-line-signature: x\r\n";
    let length = hidden.len() + 5;
    for both in [
        format!("{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: chunked\r\ncontent-length: {length}\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: identity, chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: xchunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
        format!("{post}content-length: 5\r\ncontent-length: 0\r\n\r\n"),
        format!("{post}content-length: +5\r\n\r\n0\r\n\r\n"),
        format!("{post}content-length: 5, 0\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding : chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
    ] {
        let answers = statuses(&talk(at, &format!("{both}{hidden}")).await?);
        let one = answers.len() <= 1 && answers.iter().all(|status| (400..500).contains(status));
        scene.town().promise(one, format!("{both:?} with another behind it: {answers:?}"));
    }
    Ok(())
}

/// Says something on a new connection; everything that is answered until it is closed.
async fn talk(at: &str, say: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(say.as_bytes()).await?;
    let mut answer = Vec::new();
    // A reset is an end, too.
    let ended = tokio::time::timeout(FOR_EVER, stream.read_to_end(&mut answer)).await;
    ensure!(ended.is_ok(), "a connection is not closed after {say:?}");
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn statuses(said: &str) -> Vec<u16> {
    let heads = said.split("HTTP/1.1 ").skip(1);
    heads.filter_map(|head| head.get(..3)?.parse().ok()).collect()
}

/// W7: an announcement on television.
pub(super) async fn burst(scene: &mut Scene) -> anyhow::Result<()> {
    let seconds = if scene.full { 5.0 } else { 1.0 };
    // As fast as eight at a time are.
    let begun = Instant::now();
    let usual = scene.town().strangers(400);
    Sending::begin(&scene.world.town.sender, usual.into_iter()).all().await?;
    let usual = 400.0 / begun.elapsed().as_secs_f64();
    let sender = scene.world.town.clients(UNDER_WAY)?;
    let evening = scene.town().evening(40, "W7");
    let count = (usual * 10.0 * seconds) as usize;
    let events = scene.town().strangers(count);
    // The evening is in the middle of it, each person's own events one after the other.
    let job = tokio::spawn({
        let (sender, events) = (scene.world.town.sender.clone(), evening.events.clone());
        async move { Sending::begin(&sender, events.into_iter()).all().await }
    });
    let each = Duration::from_secs_f64(seconds / count as f64);
    let (begun, mut under_way) = (Instant::now(), JoinSet::new());
    let turns = Arc::new(Semaphore::new(UNDER_WAY));
    for (n, event) in events.into_iter().enumerate() {
        let meant_for = begun + each * n as u32;
        tokio::time::sleep_until(meant_for).await;
        let (sender, turns) = (sender.clone(), Arc::clone(&turns));
        under_way.spawn(async move {
            let event = [event];
            let mut first = None;
            let mut kind = Redelivery::First;
            loop {
                let turn = turns.acquire().await;
                let delivery = sender.deliver(&event, kind, meant_for).await;
                drop(turn);
                let first = *first.get_or_insert(delivery);
                if delivery.status == 200 || meant_for.elapsed() > ACKNOWLEDGED_WITHIN {
                    return (first, delivery.status == 200);
                }
                kind = Redelivery::Again;
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
    }
    let mut answers = BTreeMap::<u16, usize>::new();
    let (mut late, mut never) = (0, 0);
    let mut latency = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    while let Some(ended) = under_way.join_next().await {
        let (first, taken) = ended?;
        never += usize::from(!taken);
        *answers.entry(first.status).or_default() += 1;
        late += usize::from(first.took > Duration::from_secs(2));
        latency.saturating_record(u64::try_from(first.took.as_micros())?);
    }
    job.await??;
    let took = begun.elapsed().as_secs_f64();
    let p99 = latency.value_at_quantile(0.99) as f64 / 1_000.0;
    let of = |status| answers.get(&status).copied().unwrap_or_default();
    scene.say(format!(
        "{count} webhooks meant for {seconds} s (8 at a time are {usual:.0} a second) were all taken after {took:.1} s: at first {} were answered 200, {} 503; p99 {p99:.0} ms, {late} after LINE's 2 s",
        of(200),
        of(503),
    ));
    answers.retain(|status, _| ![200, 503].contains(status));
    let what =
        format!("webhooks were answered neither 200 nor 503 (status, how many): {answers:?}");
    scene.town().promise(answers.is_empty(), what);
    scene.town().promise(never == 0, format!("{never} webhooks were never taken"));
    let job = scene.town().approve(&evening).await?;
    scene.town().completed(&job).await
}

/// Webhooks one after the other, each on a connection of its own, until they are to end; when each
/// began and what was answered.
pub(super) fn one_by_one(
    town: &Town,
    events: Vec<Event>,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<Vec<(Instant, u16, Event)>>> {
    let sender = town.clients(0)?;
    Ok(tokio::spawn(async move {
        let mut answers = Vec::new();
        for event in events {
            if stop.is_cancelled() {
                break;
            }
            let begun = Instant::now();
            let one = std::slice::from_ref(&event);
            let status = sender.deliver(one, Redelivery::First, begun).await.status;
            answers.push((begun, status, event));
            if status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        answers
    }))
}
