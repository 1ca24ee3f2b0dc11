//! Signed requests from many connections, each with one request under way at most.
//!
//! Written to sockets as they are, so that the driver takes as little of the machine as it can.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use load_tests::platform::{
    Channel, Platform,
    journal::What,
    webhooks::{Event, Redelivery, WebhookSender},
};
use schemas::{
    ids::VenueId,
    place_code::{Issue, PlaceKeys},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{sample, setting};

/// Whole HTTP requests, each a webhook with one check-in.
pub struct Requests(Vec<Vec<u8>>);

impl Requests {
    /// One for each visitor, at one of some places.
    pub fn make(places: &PlaceKeys, visitors: u64, venues: u64) -> anyhow::Result<Self> {
        let platform = Platform::new(Channel::default(), 1);
        let sender = WebhookSender::new(platform, &["http://127.0.0.1/webhook".to_owned()])?;
        let texts: Vec<String> = (0..venues)
            .map(|n| places.code(VenueId::from_u64(n + 1), Issue(1)).check_in_text())
            .collect();
        let requests = (0..visitors).zip(texts.iter().cycle()).map(|(n, text)| {
            let message = (500_000_000_000_000_000 + n).to_string();
            let what = What::Text { message, text: text.clone() };
            let event = Event::new(format!("U{n:032x}"), setting::now().0, what);
            let (body, signature) = sender.signed(&[event], Redelivery::First);
            format!(
                "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json; charset=utf-8\r\nuser-agent: LineBotWebhook/2.0\r\nx-line-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        });
        Ok(Self(requests.collect()))
    }

    /// The n-th; after the last, the first again.
    pub fn nth(&self, n: usize) -> &[u8] {
        n.checked_rem(self.0.len()).and_then(|n| self.0.get(n)).map_or(&[], Vec::as_slice)
    }

    /// The first, with a signature that is not its own.
    pub fn forged(&self) -> Vec<u8> {
        let mark = b"x-line-signature: ";
        let mut forged = self.nth(0).to_vec();
        let at = forged.windows(mark.len()).position(|window| window == mark);
        if let Some(letter) = at.and_then(|at| forged.get_mut(at + mark.len())) {
            *letter = if *letter == b'A' { b'B' } else { b'A' };
        }
        forged
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The status with which one request is answered, on a connection of its own.
pub async fn status(address: SocketAddr, request: &[u8]) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(1_024);
    while !answer.contains(&b'\n') {
        let read = stream.read_buf(&mut answer).await?;
        ensure!(read > 0, "a connection was closed");
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).context("an answer has a status")?;
    Ok(status.parse()?)
}

/// What a load came to.
pub struct Load {
    /// Requests answered 200. There were no other answers.
    pub answered: u64,
    /// From the moment at which a request was meant to leave to its answer, in µs. That this driver
    /// was late does not count, that an earlier answer was late does.
    pub latency: Histogram<u64>,
}

/// When requests leave.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each once the one before on its connection is answered: closed loop.
    Closed,
    /// So many a second over all connections, whatever is answered: open loop.
    Open(u32),
}

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After so long.
    Over(Duration),
    /// Once each request was sent.
    AllSent,
}

/// Sends requests over so many connections.
pub async fn load(
    address: SocketAddr,
    requests: &Arc<Requests>,
    connections: usize,
    pace: Pace,
    until: Until,
) -> anyhow::Result<Load> {
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..connections {
        let requests = Arc::clone(requests);
        let one = async move { one(address, &requests, (first, connections), pace, until).await };
        tasks.spawn(one);
    }
    let mut load = Load { answered: 0, latency: sample::latencies() };
    while let Some(one) = tasks.join_next().await {
        let one = one??;
        load.answered += one.answered;
        load.latency.add(one.latency)?;
    }
    Ok(load)
}

async fn one(
    address: SocketAddr,
    requests: &Requests,
    (first, step): (usize, usize),
    pace: Pace,
    until: Until,
) -> anyhow::Result<Load> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(1_024);
    let mut load = Load { answered: 0, latency: sample::latencies() };
    let begun = Instant::now();
    for n in (first..).step_by(step) {
        let over = match until {
            Until::Over(length) => begun.elapsed() >= length,
            Until::AllSent => n >= requests.len(),
        };
        if over {
            break;
        }
        let mut meant = Instant::now();
        if let Pace::Open(rate) = pace {
            let at = begun + Duration::from_secs(1) * u32::try_from(n)? / rate;
            if at > meant {
                tokio::time::sleep_until(at).await;
                meant = Instant::now();
            } else {
                meant = at;
            }
        }
        stream.write_all(&requests.0[n % requests.len()]).await?;
        answer.clear();
        while !answer.ends_with(b"\r\n\r\n") {
            let read = stream.read_buf(&mut answer).await?;
            ensure!(read > 0, "a connection was closed");
        }
        let head = std::str::from_utf8(&answer).context("an answer is text")?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "a webhook was answered: {head}");
        load.answered += 1;
        sample::record(&mut load.latency, meant.elapsed());
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::Requests;

    #[test]
    fn a_forged_request_differs_in_its_signature_alone() {
        let text =
            "POST /webhook HTTP/1.1\r\nx-line-signature: AbC=\r\ncontent-length: 2\r\n\r\n{}";
        let requests = Requests(vec![text.as_bytes().to_vec()]);
        assert_eq!(requests.forged(), text.replace("AbC=", "BbC=").into_bytes());
    }
}
