//! A peer as a process: told on its command line where to listen and where records go, and in its
//! environment the channel's secret. It says in one line what it is made of, once it serves.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use load_tests::{children::Children, cluster, platform::Channel};

/// How long a peer may take to serve.
const SERVES_WITHIN: Duration = Duration::from_secs(60);

/// One that serves.
pub struct Process {
    /// Where.
    pub listen: SocketAddr,
    /// What it is made of, with versions.
    pub made_of: String,
    child: Child,
}

impl Process {
    /// Starts a program with these arguments before its own, and waits until it serves.
    pub async fn start(
        children: &Children,
        program: &Path,
        first: &[&str],
        (kafka, topic): (&str, &str),
    ) -> anyhow::Result<Self> {
        let listen = cluster::free_address()?;
        let mut command = Command::new(program);
        command
            .args(first)
            .args(["--listen", &listen.to_string(), "--kafka", kafka, "--topic", topic])
            .env("ANSHIN_BENCH_CHANNEL_SECRET", Channel::default().secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = children.spawn(&mut command).with_context(|| {
            format!("{} can't be started: has benches/peers/build built it?", program.display())
        })?;
        let mut said = BufReader::new(child.stdout.take().context("it has an output")?);
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            // Where it ends before, the line is empty.
            said.read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(SERVES_WITHIN, line).await;
        let line = line.with_context(|| format!("{} does not serve", program.display()))???;
        ensure!(!line.is_empty(), "{} has ended before it served", program.display());
        Ok(Self { listen, made_of: line.trim().to_owned(), child })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
