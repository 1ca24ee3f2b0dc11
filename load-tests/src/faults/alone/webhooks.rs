//! Webhooks that are repeated, forged, odd.

use std::time::Duration;

use anyhow::ensure;
use rand::{RngExt, seq::SliceRandom};
use reqwest::Client;
use schemas::topic::Topic;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Scene;
use crate::{
    crash::town::Town,
    faults::traffic::Sending,
    platform::{
        journal::What,
        webhooks::{Redelivery, sign},
    },
};

const PEOPLE: usize = 60;
const DAY: i64 = 24 * 3_600_000;

/// W1: at each step of a webhook.
pub(super) async fn killed(scene: &mut Scene) -> anyhow::Result<()> {
    scene.killed_at(&["K1", "K2", "K3", "K4", "K5"]).await
}

/// W2: nobody's events come in the order in which they happened.
pub(super) async fn shuffled(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    let evening = town.evening(PEOPLE, "W2");
    let mut events = evening.events.clone();
    for event in &evening.events {
        for _ in 0..town.source.rng.random_range(0..3) {
            events.push(event.clone());
        }
    }
    events.shuffle(&mut town.source.rng);
    Sending::begin(&town.sender, events.into_iter()).all().await?;
    let job = town.approve(&evening).await?;
    town.completed(&job).await
}

/// W3: nobody but LINE can say anything.
pub(super) async fn forged(scene: &mut Scene) -> anyhow::Result<()> {
    const FLIPS: usize = 20;
    let town = scene.town();
    town.caught_up().await?;
    let all = [Topic::Scans, Topic::Visitors, Topic::Rejected];
    let before = town.records(&all).await?;
    let somebody = town.somebody();
    let event = town.source.scan(&somebody, 0, town.platform.clock.now());
    let (body, good) = town.sender.signed(&[event], Redelivery::First);
    let channel = town.platform.channel.lock().clone();
    let other_bot = body.replace(&channel.bot_user_id, "U00000000000000000000000000000000");
    let inside = format!("{} {}", &good[..20], &good[20..]);
    let mut forgeries: Vec<(Vec<u8>, Vec<String>)> = [
        vec![],
        vec![String::new()],
        vec!["x".to_owned()],
        vec!["=".repeat(44)],
        vec![good.to_lowercase()],
        vec![good.to_uppercase()],
        vec![good.trim_end_matches('=').to_owned()],
        vec![good.replace(['+', '/'], "_") + "="],
        vec![inside],
        vec![format!("{good}{good}")],
        vec![format!("sha256={good}")],
        vec![good.clone(), good.clone()],
        vec![sign("another secret", body.as_bytes())],
        vec![sign("", body.as_bytes())],
        vec![sign(&channel.secret, b"another body")],
        vec![sign(&channel.secret, b"")],
    ]
    .map(|signatures| (body.clone().into_bytes(), signatures))
    .into();
    let of_other = sign(&channel.secret, other_bot.as_bytes());
    forgeries.push((other_bot.into_bytes(), vec![of_other]));
    for _ in 0..FLIPS {
        let mut flipped = body.clone().into_bytes();
        let at = town.source.rng.random_range(0..flipped.len());
        flipped[at] ^= 1 << town.source.rng.random_range(0..8);
        forgeries.push((flipped, vec![good.clone()]));
        let mut signature = good.clone().into_bytes();
        let at = town.source.rng.random_range(0..42);
        signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
        forgeries.push((body.clone().into_bytes(), vec![String::from_utf8(signature)?]));
    }
    let http = Client::new();
    for (n, (body, signatures)) in forgeries.into_iter().enumerate() {
        let mut request = http.post(&town.webhook).body(body);
        for signature in signatures {
            request = request.header("x-line-signature", signature);
        }
        let status = request.send().await?.status();
        town.promise(status == 401, format!("forgery {n} was answered {status}"));
    }
    let after = town.records(&all).await?;
    town.promise(after == before, format!("forgeries left {} records", after - before));
    Ok(())
}

/// W4: what is signed once is signed for ever.
pub(super) async fn replayed(scene: &mut Scene) -> anyhow::Result<()> {
    let town = scene.town();
    let evening = town.evening(PEOPLE, "W4");
    town.tell(&evening).await?;
    town.caught_up().await?;
    town.forgotten().await?;
    let sender = town.sender.clone();
    let all = evening.events.len();
    let bodies: Vec<_> =
        evening.events.chunks(3).map(|some| sender.signed(some, Redelivery::First)).collect();
    let rows = town.rows().await?;
    let replies = |town: &Town| town.platform.journal.lock().replies.len();
    let said = settled(town, replies).await;
    again(scene, &bodies).await?;
    scene.town().caught_up().await?;
    let more = settled(scene.town(), replies).await - said;
    // A text that asks for something is answered each time: its token tells whether it was before.
    scene.town().promise(more == 0, format!("{more} more replies"));
    // What was taken back is a row again for a moment, hidden as before.
    let same = scene.town().rows_become(rows).await?;
    scene.town().promise(same == rows, format!("{rows} rows became {same}"));
    // And the check-ins alone: nobody takes any of them back once more.
    let town = scene.town();
    let mut check_ins = evening.events;
    check_ins.retain(
        |event| matches!(&event.what, What::Text { text, .. } if town.source.texts.contains(text)),
    );
    let check_ins: Vec<_> =
        check_ins.chunks(3).map(|some| sender.signed(some, Redelivery::First)).collect();
    again(scene, &check_ins).await?;
    scene.town().caught_up().await?;
    let same = scene.town().rows_become(rows).await?;
    scene.town().promise(same == rows, format!("check-ins again: {rows} rows became {same}"));
    let broken = scene.world.judge().await?;
    scene.town().broken.extend(broken);
    // All of it is past retention then.
    scene.world.life.sleeps(29 * DAY).await?;
    // Of visitors there are more: friends are taken in at a start.
    let of_webhooks = [Topic::Scans, Topic::Rejected];
    let kept = scene.town().records(&of_webhooks).await?;
    let rejected = scene.town().rejected().await?;
    again(scene, &bodies).await?;
    scene.town().caught_up().await?;
    let rows = scene.town().rows().await?;
    scene.town().promise(rows == 0, format!("{rows} rows past retention"));
    let more = scene.town().rejected().await? - rejected;
    let records = scene.town().records(&of_webhooks).await? - kept;
    let counted = more <= all && records == more as u64 && more > all / 2;
    let what = format!("of {all} events past retention {more} are rejected, {records} kept");
    scene.town().promise(counted, what);
    scene.town().forget();
    Ok(())
}

/// A count once it has stayed the same for longer than the product waits with an answer to somebody
/// who seems to be no friend (2 s).
async fn settled(town: &Town, count: impl Fn(&Town) -> usize) -> usize {
    let mut last = count(town);
    let mut same = 0;
    while same < 150 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = count(town);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

async fn again(scene: &mut Scene, bodies: &[(String, String)]) -> anyhow::Result<()> {
    let http = Client::new();
    for (body, signature) in bodies {
        let request = http.post(&scene.world.town.webhook).header("x-line-signature", signature);
        let status = request.body(body.clone()).send().await?.status();
        scene.town().promise(status == 200, format!("a body again: {status}"));
    }
    Ok(())
}

/// W5: signed, and of every odd shape.
pub(super) async fn odd(scene: &mut Scene) -> anyhow::Result<()> {
    let changed = if scene.full { 1_000 } else { 200 };
    let pid = scene.world.life.process.pid();
    let town = scene.town();
    let user = town.somebody().user_id();
    let now = town.platform.clock.now();
    let frame = |events: &str| {
        format!(r#"{{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[{events}]}}"#)
    };
    let event = |kind: &str, more: &str| {
        format!(
            r#"{{"type":"{kind}",{more}"webhookEventId":"01HZ","deliveryContext":{{"isRedelivery":false}},"timestamp":{now},"source":{{"type":"user","userId":"{user}"}},"mode":"active"}}"#
        )
    };
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let all = [
        event("membership", r#""membership":{"type":"joined"},"#),
        event("not a type yet", r#""new":{"a":[1,2,{"b":null}]},"#),
        event("message", r#""message":{"type":"hologram","id":"1"},"#),
        event("message", r#""message":{"type":"text","id":"1","text":"ok","mention":{"x":1}},"#),
        event("message", r#""message":{"type":"text","id":"1","text":5},"#),
        event("unsend", ""),
        event("follow", r#""follow":7,"#),
        r#"{"type":"message"}"#.to_owned(),
        "null".to_owned(),
        "5".to_owned(),
    ];
    let mut bodies: Vec<Vec<u8>> = all.iter().map(|event| frame(event).into_bytes()).collect();
    bodies.push(frame(&event("message", &format!(r#""new":{},"#, deep(1_000)))).into_bytes());
    bodies.push(frame(&event("message", &format!(r#""message":{},"#, deep(200_000)))).into_bytes());
    bodies.push(frame(&deep(400_000)).into_bytes());
    bodies.push("[".repeat(900_000).into_bytes());
    bodies.push(r#"{"a":"#.repeat(150_000).into_bytes());
    bodies.push(frame(&[all[0].as_str()].repeat(3_000).join(",")).into_bytes());
    bodies.push(vec![0xff; 100_000]);
    bodies.push(bomb());
    let good = frame(&all.join(","));
    for _ in 0..changed {
        bodies.push(change(&mut town.source.rng, good.as_bytes()));
    }
    let (http, secret) = (Client::new(), town.platform.channel.lock().secret.clone());
    for body in bodies {
        let request = http.post(&town.webhook).header("x-line-signature", sign(&secret, &body));
        let zipped = if body.starts_with(&[0x1f, 0x8b]) { "gzip" } else { "identity" };
        let begins = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let status = request.header("content-encoding", zipped).body(body).send().await?.status();
        let well = status.is_success() || status.is_client_error();
        town.promise(well, format!("a body that begins {begins:?} was answered {status}"));
    }
    for size in [(1 << 20) + 1, 3 << 20] {
        let answer = raw(town, Some(size)).await?;
        // Who sends on is cut off, and may not see the answer.
        let refused = answer.is_empty() || answer.contains(" 413 ");
        town.promise(refused, format!("{size} bytes were answered {answer:?}"));
    }
    let answer = raw(town, None).await?;
    town.promise(answer.contains(" 408 "), format!("a body without end was answered {answer:?}"));
    let log = std::fs::read_to_string(town.dir.join("logs/all.log"))?;
    town.promise(!log.contains("panicked"), "it panicked");
    scene.world.life.process.ready().await?;
    let same = scene.world.life.process.pid() == pid;
    scene.town().promise(same, "it was another process afterwards");
    // And it is as good as before.
    let evening = scene.town().evening(10, "W5");
    scene.town().tell(&evening).await
}

/// Sends a body of a size, or chunks without end, as long as that is taken; the answer's head.
async fn raw(town: &Town, size: Option<usize>) -> anyhow::Result<String> {
    let address = town.webhook.trim_start_matches("http://").trim_end_matches("/webhook");
    let mut stream = TcpStream::connect(address).await?;
    let length = match size {
        Some(size) => format!("content-length: {size}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let head =
        format!("POST /webhook HTTP/1.1\r\nhost: a\r\nx-line-signature: x\r\n{length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        let block = vec![b'x'; 64 << 10];
        let mut left = size;
        while left != Some(0) {
            let sent = match &mut left {
                Some(left) => {
                    let some = block.len().min(*left);
                    *left -= some;
                    write.write_all(&block[..some]).await
                }
                None => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    write.write_all(b"4\r\nxxxx\r\n").await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let reading = read.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
    sending.abort();
    ensure!(ended.is_ok(), "a connection with {length} is not closed");
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

/// Some bytes of a body become others, vanish or come twice.
fn change(rng: &mut rand::rngs::StdRng, good: &[u8]) -> Vec<u8> {
    let mut body = good.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..body.len());
        let to = (at + rng.random_range(1..40)).min(body.len());
        match rng.random_range(0..4) {
            0 => body[at] ^= 1 << rng.random_range(0..8),
            1 => body[at] = *b"\"\\{}[],:0-e\0".get(rng.random_range(0..12)).unwrap_or(&b'"'),
            2 => drop(body.drain(at..to)),
            _ => {
                let twice = body[at..to].to_vec();
                body.splice(at..at, twice);
            }
        }
        if body.is_empty() {
            body.push(b'{');
        }
    }
    body
}

/// A hundred kilobytes that gunzip makes sixteen megabytes of zeros of.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let (mut held, mut bits) = (0_u32, 0);
    let mut put = |value: u32, count: u32| {
        held |= value << bits;
        bits += count;
        while bits >= 8 {
            bytes.push((held & 0xff) as u8);
            held >>= 8;
            bits -= 8;
        }
    };
    // The last block, with fixed codes: a zero, then 258 bytes from one back, again and again.
    put(0b011, 3);
    put(0b0000_1100, 8);
    for _ in 0..65_000 {
        put(0b1010_0011, 8);
        put(0, 5);
    }
    put(0, 7);
    put(0, 8);
    bytes
}
