//! A small cluster: every role as processes of its own, on a real Kafka and a real CQL store.
//!
//! Addresses are chosen once, so that a process that is killed comes back where it was.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rand::RngExt;
use tokio::time::Instant;

use crate::children::Children;

/// How long a process may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a process may take to end after SIGTERM.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What a process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Webhooks.
    Ingest,
    /// Records → rows.
    Processor,
    /// Alerts and receipts.
    Notifier,
    /// The officials' API.
    Console,
    /// All of it, on a directory of this machine: not a part of a cluster.
    All,
}

impl Part {
    /// Those of a cluster, in the order in which they are started.
    pub const ALL: [Part; 4] = [Part::Processor, Part::Notifier, Part::Console, Part::Ingest];

    /// The subcommand of `anshin`.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Ingest => "ingest",
            Part::Processor => "processor",
            Part::Notifier => "notifier",
            Part::Console => "console",
            Part::All => "all",
        }
    }
}

/// One process of the cluster.
pub struct Process {
    /// What it plays.
    pub part: Part,
    /// Which of its kind.
    pub number: usize,
    /// Where its work comes in: webhooks, the API, the preview.
    pub listen: SocketAddr,
    /// Its admin port.
    pub admin: SocketAddr,
    variables: Vec<(String, String)>,
    log: PathBuf,
    binary: PathBuf,
    child: Option<Child>,
    children: Arc<Children>,
}

/// A port that nobody listens on now. Below 32768, where the kernel takes the ports of outgoing
/// connections from: it could give a process's port away while the process restarts. One after the
/// other, so that two of one process, which nobody listens on yet, are never the same.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(rand::rng().random_range(0..10_000)));
    for _ in 0..100 {
        let port = 10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("100 ports of this machine are in use")
}

/// Where the binary of the product is: beside this one, or where `ANSHIN_BINARY` says.
pub fn product() -> anyhow::Result<PathBuf> {
    match std::env::var_os("ANSHIN_BINARY") {
        Some(path) => Ok(PathBuf::from(path)),
        None => beside("anshin").context("or name it in ANSHIN_BINARY"),
    }
}

/// A binary beside this one.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // A test binary lies in `deps`.
    let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join(name));
    let found = beside.into_iter().find(|path| path.is_file());
    found.with_context(|| format!("the binary `{name}` is not beside this one: build it"))
}

impl Process {
    /// Every role in one process, which logs to a file in `dir`; it does not run yet.
    pub fn alone(binary: &Path, dir: &Path, common: &Variables) -> anyhow::Result<Self> {
        let (listen, admin) = (free_address()?, free_address()?);
        let logs = dir.join("logs");
        std::fs::create_dir_all(&logs)?;
        let mut process = Self {
            part: Part::All,
            number: 0,
            listen,
            admin,
            variables: common.clone(),
            log: logs.join("all.log"),
            binary: binary.to_owned(),
            child: None,
            children: Arc::new(Children::new()?),
        };
        process.set("ANSHIN__INGEST__LISTEN", &listen.to_string());
        process.set("ANSHIN__ADMIN__LISTEN", &admin.to_string());
        Ok(process)
    }

    /// Gives it a variable, from its next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Runs another binary from its next start on.
    pub fn run_with(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// A command of its binary, with all that it is told.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it; it may take a while to become ready.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command();
        command
            .arg(self.part.name())
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let started = self.children.spawn(&mut command);
        let failed = || format!("{} can't be started", self.binary.display());
        self.child = Some(started.with_context(failed)?);
        Ok(())
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("http://{}/ready", self.admin)).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let url = format!("http://{}/ready", self.admin);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        loop {
            if let Ok(answer) = http.get(&url).send().await
                && answer.status() == 200
            {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                anyhow::bail!("{} ended ({status}): {:?}", self.name(), self.last_words());
            }
            ensure!(begun.elapsed() < READY_WITHIN, "{} does not become ready", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How it ended, where it runs no more.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// What it logged last.
    pub fn last_words(&self) -> Vec<String> {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut tail: Vec<String> = said.lines().rev().take(3).map(str::to_owned).collect();
        tail.reverse();
        tail
    }

    /// `ingest-0`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.part.name(), self.number)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL, as a machine that dies.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by name: `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().context("it does not run")?.to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        ensure!(sent.success(), "{name} can't be sent to {}", self.name());
        Ok(())
    }

    /// SIGTERM, and waits for the end; its exit code.
    pub async fn end(&mut self) -> anyhow::Result<Option<i32>> {
        if self.child.is_none() {
            return Ok(None);
        }
        self.signal("TERM")?;
        let begun = Instant::now();
        while let Some(child) = &mut self.child {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status.code());
            }
            ensure!(begun.elapsed() < END_WITHIN, "{} does not end", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes of a cluster.
pub struct Cluster {
    /// All of them.
    pub processes: Vec<Process>,
    /// Where they log.
    pub dir: PathBuf,
}

/// How a process reaches log, store and LINE: variables for all, and more for each.
pub type Variables = Vec<(String, String)>;

impl Cluster {
    /// Lays out `each` processes of every role in a directory; nothing runs yet. `more` gives
    /// variables to one process alone, for example another way to the log.
    pub fn lay_out(
        dir: &Path,
        each: usize,
        common: &Variables,
        more: impl Fn(Part, usize) -> Variables,
    ) -> anyhow::Result<Self> {
        let binary = product()?;
        let children = Arc::new(Children::new()?);
        let logs = dir.join("logs");
        std::fs::create_dir_all(&logs)?;
        let secret = dir.join("preview-secret");
        std::fs::write(&secret, uuid::Uuid::new_v4().simple().to_string())?;
        // Consoles are told where a notifier counts.
        let counts: Vec<SocketAddr> =
            (0..each).map(|_| free_address()).collect::<anyhow::Result<_>>()?;
        let mut processes = Vec::new();
        for part in Part::ALL {
            for (number, counts) in counts.iter().enumerate() {
                let listen = match part {
                    Part::Notifier => *counts,
                    _ => free_address()?,
                };
                let admin = free_address()?;
                let name = format!("{}-{number}", part.name());
                let set = |key: &str, value: String| (format!("ANSHIN__{key}"), value);
                let mut variables = common.clone();
                variables.push(set("ADMIN__LISTEN", admin.to_string()));
                variables.push(set("KAFKA__INSTANCE", name.clone()));
                variables.push(set("PREVIEW__SECRET_FILE", secret.display().to_string()));
                match part {
                    Part::Ingest => {
                        variables.push(set("INGEST__LISTEN", listen.to_string()));
                        let spool = dir.join("spools").join(&name);
                        variables.push(set("SPOOL__DIR", spool.display().to_string()));
                    }
                    Part::Console => {
                        variables.push(set("CONSOLE__LISTEN", listen.to_string()));
                        variables.push(set("PREVIEW__URL", format!("http://{counts}")));
                    }
                    Part::Notifier => variables.push(set("PREVIEW__LISTEN", listen.to_string())),
                    Part::Processor | Part::All => {}
                }
                variables.extend(more(part, number));
                let log = logs.join(format!("{name}.log"));
                let (binary, child, children) = (binary.clone(), None, Arc::clone(&children));
                processes.push(Process {
                    part,
                    number,
                    listen,
                    admin,
                    variables,
                    log,
                    binary,
                    child,
                    children,
                });
            }
        }
        Ok(Self { processes, dir: dir.to_owned() })
    }

    /// Starts every process, and waits until all are ready.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.start()?;
        }
        for process in &mut self.processes {
            process.ready().await?;
        }
        Ok(())
    }

    /// One process.
    pub fn process(&mut self, part: Part, number: usize) -> anyhow::Result<&mut Process> {
        let found = self.processes.iter_mut().find(|p| p.part == part && p.number == number);
        found.context("there is no such process")
    }

    /// Where a role listens, all of its processes.
    pub fn addresses(&self, part: Part) -> Vec<SocketAddr> {
        self.processes.iter().filter(|p| p.part == part).map(|p| p.listen).collect()
    }

    /// Kills one of each role, and starts it again on what it left.
    pub async fn kill_one_of_each(&mut self, number: usize) -> anyhow::Result<()> {
        for process in self.processes.iter_mut().filter(|process| process.number == number) {
            process.kill();
        }
        for process in self.processes.iter_mut().filter(|process| process.number == number) {
            process.start()?;
        }
        for process in self.processes.iter_mut().filter(|process| process.number == number) {
            process.ready().await?;
        }
        Ok(())
    }

    /// Ends every process by SIGTERM; each must end well.
    pub async fn end(mut self) -> anyhow::Result<()> {
        // Who feeds goes first: an ingest leaves no spool behind.
        self.processes.reverse();
        for process in &mut self.processes {
            let code = process.end().await?;
            ensure!(matches!(code, Some(0) | None), "{} ended with {code:?}", process.name());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_processes_get_the_same_address() -> anyhow::Result<()> {
        let given: BTreeSet<_> = (0..1_000).map(|_| free_address()).collect::<Result<_, _>>()?;
        assert_eq!(given.len(), 1_000);
        Ok(())
    }
}
