//! Connections that only take up room: idle ones, ones whose bodies dribble, ones that say nothing.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::Instant,
};

use crate::traffic::Requests;

/// Addresses that connections come from: the ports of one would not do for all that are closed and
/// opened again.
const SOURCES: usize = 50;
/// Connections opened at a time: an accept queue is no larger than that on some systems.
const OPENING: usize = 100;
/// How long all of them may take to be there.
const THERE_WITHIN: Duration = Duration::from_secs(60);
/// Between two bytes of a body that dribbles.
const DRIBBLE: Duration = Duration::from_millis(100);
/// Of a connection that was refused or closed at once.
const AGAIN: Duration = Duration::from_millis(100);

/// What they do.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// A request each, then nothing more.
    Idle,
    /// A head, then a byte of the body ten times a second, without end.
    Slow,
    /// Nothing at all.
    Silent,
}

/// What became of them.
#[derive(Default)]
pub struct Seen {
    /// Connections that are open, as far as this end knows.
    pub open: AtomicU64,
    /// Connections that the other end closed, without an answer.
    pub closed: AtomicU64,
    /// Requests that were answered as too slow.
    pub too_slow: AtomicU64,
}

/// Many of them; they end with this.
pub struct Company {
    /// What became of them so far.
    pub seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Company {
    /// Opens so many, and opens each again that is closed.
    pub fn keep(address: SocketAddr, requests: &Arc<Requests>, kind: Kind, many: usize) -> Self {
        let (seen, opening) =
            (Arc::<Seen>::default(), Arc::new(tokio::sync::Semaphore::new(OPENING)));
        let mut tasks = JoinSet::new();
        for n in 0..many {
            let (seen, opening) = (Arc::clone(&seen), Arc::clone(&opening));
            let requests = Arc::clone(requests);
            tasks.spawn(async move {
                loop {
                    // Never closed.
                    let Ok(slot) = opening.acquire().await else { return };
                    let opened = open(address, n, kind, &requests).await;
                    drop(slot);
                    let Ok(stream) = opened else {
                        tokio::time::sleep(AGAIN).await;
                        continue;
                    };
                    seen.open.fetch_add(1, Relaxed);
                    // However it ended, it is opened again.
                    let count = match stay(stream, kind).await {
                        Ok(true) => &seen.too_slow,
                        _ => &seen.closed,
                    };
                    seen.open.fetch_sub(1, Relaxed);
                    count.fetch_add(1, Relaxed);
                }
            });
        }
        Self { seen, _tasks: tasks }
    }

    /// Waits until so many are open.
    pub async fn there(&self, many: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        // Those whose time is up are on their way back.
        while self.seen.open.load(Relaxed) < many as u64 * 9 / 10 {
            let open = self.seen.open.load(Relaxed);
            ensure!(begun.elapsed() < THERE_WITHIN, "{open} of {many} connections are open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

async fn open(
    address: SocketAddr,
    n: usize,
    kind: Kind,
    requests: &Requests,
) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = u8::try_from(n % SOURCES + 2)?;
    socket.bind((Ipv4Addr::new(127, 0, 0, source), 0).into())?;
    let mut stream = socket.connect(address).await?;
    let request = requests.nth(n);
    match kind {
        Kind::Idle => {
            stream.write_all(request).await?;
            let mut answer = Vec::with_capacity(1_024);
            while !answer.ends_with(b"\r\n\r\n") {
                ensure!(stream.read_buf(&mut answer).await? > 0, "it was closed");
            }
        }
        Kind::Slow => {
            let body = request.windows(4).position(|end| end == b"\r\n\r\n");
            let body = body.context("a request has a head")? + 4;
            stream.write_all(request.get(..body).unwrap_or_default()).await?;
        }
        Kind::Silent => {}
    }
    Ok(stream)
}

/// Stays until the other end has had enough; whether it was told that it is too slow.
async fn stay(mut stream: TcpStream, kind: Kind) -> anyhow::Result<bool> {
    let mut answer = Vec::with_capacity(1_024);
    if kind != Kind::Slow {
        return Ok(stream.read_buf(&mut answer).await? > 0);
    }
    let (mut from, mut to) = stream.split();
    let dribble = async {
        loop {
            tokio::time::sleep(DRIBBLE).await;
            if to.write_all(b" ").await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        read = from.read_buf(&mut answer) => Ok(read? > 0 && answer.starts_with(b"HTTP/1.1 408 ")),
        () = dribble => Ok(false),
    }
}
