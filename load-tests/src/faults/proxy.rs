//! What stands between processes and servers: Toxiproxy, a process of its own, steered over its
//! HTTP API.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::servers::free_port;

/// How long Toxiproxy may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// What a link suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxic {
    /// Bytes of both directions vanish; connections stay open and silent.
    Silent,
    /// Requests arrive; answers vanish.
    AnswersLost,
    /// Every answer comes so much later, in ms.
    Late(u32),
    /// So many KB a second pass, in both directions.
    Slow(u32),
    /// A connection ends in the middle of an answer, once so many bytes of answers have passed.
    EndsAfter(u32),
}

/// A running Toxiproxy.
pub struct Proxy {
    child: Child,
    api: String,
    http: reqwest::Client,
}

impl Proxy {
    /// Starts one, without links.
    pub async fn start(binary: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let child = Command::new(binary)
            .args(["-host", "127.0.0.1", "-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} can't be started", binary.display()))?;
        // Toxiproxy refuses whoever looks like a browser.
        let http = reqwest::Client::builder().user_agent("anshin-load").build()?;
        let proxy = Self { child, api: format!("http://127.0.0.1:{port}"), http };
        let begun = Instant::now();
        while proxy.http.get(format!("{}/version", proxy.api)).send().await.is_err() {
            ensure!(begun.elapsed() < LISTENS_WITHIN, "Toxiproxy does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(proxy)
    }

    /// A link from one port to another.
    pub async fn link(&self, name: &str, from: u16, to: u16) -> anyhow::Result<()> {
        let (from, to) = (format!("127.0.0.1:{from}"), format!("127.0.0.1:{to}"));
        let link = json!({"name": name, "listen": from, "upstream": to, "enabled": true});
        self.post("/proxies", &link).await
    }

    /// Closes a link: its connections break, new ones are refused.
    pub async fn cut(&self, link: &str) -> anyhow::Result<()> {
        self.post(&format!("/proxies/{link}"), &json!({"enabled": false})).await
    }

    /// Lets a link suffer until [`Proxy::heal`].
    pub async fn suffer(&self, link: &str, toxic: Toxic) -> anyhow::Result<()> {
        let silence = ("timeout", json!({"timeout": 0}));
        let (kind, attributes) = match toxic {
            Toxic::Silent | Toxic::AnswersLost => silence,
            Toxic::Late(ms) => ("latency", json!({"latency": ms})),
            Toxic::Slow(rate) => ("bandwidth", json!({"rate": rate})),
            Toxic::EndsAfter(bytes) => ("limit_data", json!({"bytes": bytes})),
        };
        let streams: &[&str] = match toxic {
            Toxic::Silent | Toxic::Slow(_) => &["upstream", "downstream"],
            _ => &["downstream"],
        };
        for stream in streams {
            let toxic = json!({"type": kind, "stream": stream, "attributes": attributes});
            self.post(&format!("/proxies/{link}/toxics"), &toxic).await?;
        }
        Ok(())
    }

    /// All links are well again.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.post("/reset", &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let response = self.http.post(format!("{}{path}", self.api)).json(body).send().await?;
        let status = response.status();
        ensure!(status.is_success(), "Toxiproxy {path}: {status} {}", response.text().await?);
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
