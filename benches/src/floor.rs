//! The least that could do the same work: what a good engineer would write in an afternoon, with the
//! same libraries and settings, and without anything that the product promises.

pub mod handler;
pub mod pump;

use std::process::{Child, Command, Stdio};

use load_tests::platform::Channel;
use rdkafka::ClientConfig;

/// A client with the product's settings where they bear on speed.
fn client(kafka: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", kafka).set("socket.nagle.disable", "true");
    settings
}

/// One of them as a process, which ends with this.
pub struct Floor(Child);

impl Floor {
    /// Starts this binary with a hidden subcommand.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env("ANSHIN_BENCH_CHANNEL_SECRET", Channel::default().secret);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
