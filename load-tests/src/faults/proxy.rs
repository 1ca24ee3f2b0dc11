//! What stands between processes and servers: Toxiproxy, a process of its own, steered over its
//! HTTP API.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::servers::free_port;
use crate::children::Children;

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
    /// From one port to another, by name.
    links: BTreeMap<String, (u16, u16)>,
    /// Links that suffer or are cut.
    ill: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// Starts one, without links.
    pub async fn start(binary: &Path, children: &Children) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(binary);
        command
            .args(["-host", "127.0.0.1", "-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = children.spawn(&mut command);
        let child = child.with_context(|| format!("{} can't be started", binary.display()))?;
        // Toxiproxy refuses whoever looks like a browser.
        let http = reqwest::Client::builder().user_agent("anshin-load").build()?;
        let api = format!("http://127.0.0.1:{port}");
        let proxy = Self { child, api, http, links: BTreeMap::new(), ill: Mutex::default() };
        let begun = Instant::now();
        while proxy.http.get(format!("{}/version", proxy.api)).send().await.is_err() {
            ensure!(begun.elapsed() < LISTENS_WITHIN, "Toxiproxy does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(proxy)
    }

    /// A link from one port to another.
    pub async fn link(&mut self, name: &str, from: u16, to: u16) -> anyhow::Result<()> {
        self.links.insert(name.to_owned(), (from, to));
        self.create(name).await
    }

    /// Closes a link: its connections break, new ones are refused.
    pub async fn cut(&self, link: &str) -> anyhow::Result<()> {
        self.ill.lock().insert(link.to_owned());
        self.call(Method::PATCH, &format!("/proxies/{link}"), &json!({"enabled": false})).await
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
        self.ill.lock().insert(link.to_owned());
        for stream in streams {
            let toxic = json!({"type": kind, "stream": stream, "attributes": attributes});
            self.call(Method::POST, &format!("/proxies/{link}/toxics"), &toxic).await?;
        }
        Ok(())
    }

    /// All links are well again; the connections of those that were not break.
    pub async fn heal(&self) -> anyhow::Result<()> {
        let ill = std::mem::take(&mut *self.ill.lock());
        for link in ill {
            // Removing what it suffers from would hand on what is held back, and wait, for as long as
            // somebody has gone who should read it. A link that is deleted waits for nobody.
            self.call(Method::DELETE, &format!("/proxies/{link}"), &Value::Null).await?;
            self.create(&link).await?;
        }
        Ok(())
    }

    async fn create(&self, link: &str) -> anyhow::Result<()> {
        let (from, to) = self.links.get(link).context("no such link")?;
        let (from, to) = (format!("127.0.0.1:{from}"), format!("127.0.0.1:{to}"));
        let body = json!({"name": link, "listen": from, "upstream": to, "enabled": true});
        self.call(Method::POST, "/proxies", &body).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self.http.request(method, format!("{}{path}", self.api)).json(body);
        let response = request.send().await?;
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
