//! Where webhooks may go: to loopback addresses, and elsewhere only where the target says itself that
//! a stand-in answers it for LINE. What was made up here must never reach LINE, nor people.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, ClientBuilder, Url};

/// An admin port answers within this.
const ADMIN_ANSWERS_WITHIN: Duration = Duration::from_secs(15);

/// A webhook endpoint that may be sent to.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    /// Asked again while traffic runs; none on a loopback address.
    admin: Option<Url>,
}

impl Target {
    /// An endpoint on a loopback address, given as such: a name could lead anywhere.
    pub fn loopback(url: &str) -> anyhow::Result<Self> {
        let url = parse(url)?;
        ensure!(is_at(&url, IpAddr::is_loopback), "webhooks go to loopback addresses only");
        Ok(Self { url, admin: None })
    }

    /// An endpoint on a loopback address, or one whose admin port says that a stand-in answers it
    /// for LINE.
    pub async fn admitted(url: &str, admin: Option<&str>) -> anyhow::Result<Self> {
        Self::admitted_unless(url, admin, IpAddr::is_loopback).await
    }

    /// The same; what needs no admin port is decided by `is_here`.
    pub async fn admitted_unless(
        url: &str,
        admin: Option<&str>,
        is_here: fn(&IpAddr) -> bool,
    ) -> anyhow::Result<Self> {
        let url = parse(url)?;
        if is_at(&url, is_here) {
            return Ok(Self { url, admin: None });
        }
        let Some(admin) = admin else {
            bail!(
                "the target is not on a loopback address: it is sent nothing unless its admin port \
                 (--admin http://host:9090) says that a stand-in answers it for LINE"
            );
        };
        let admin = parse(admin).context("--admin")?;
        // The admin port of another process would vouch for the wrong one.
        ensure!(admin.host() == url.host(), "--admin must be on the same host as --url");
        let target = Self { url, admin: Some(admin) };
        target.ask().await?;
        Ok(target)
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns once the target says no more that a stand-in answers it for LINE: it may have been
    /// started anew, with another configuration.
    pub async fn revoked(&self, every: Duration) -> anyhow::Error {
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = self.ask().await {
                return error.context("stopped");
            }
        }
    }

    async fn ask(&self) -> anyhow::Result<()> {
        let Some(admin) = &self.admin else { return Ok(()) };
        let mut url = admin.clone();
        url.set_path("/line-api");
        let asked = client(ADMIN_ANSWERS_WITHIN).build()?.get(url).send().await;
        // The error would show the address.
        let Ok(answer) = asked else { bail!("the target's admin port does not answer") };
        let status = answer.status();
        let said = answer.bytes().await.unwrap_or_default();
        ensure!(
            status == 200 && said.as_ref() == b"stand-in\n",
            "the target's admin port does not say that a stand-in answers it for LINE ({status})"
        );
        Ok(())
    }
}

/// For a client that goes where it is sent and nowhere else: no redirect, no proxy of the environment.
pub(crate) fn client(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .timeout(timeout)
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}

fn parse(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).context("an address that is no URL")?;
    ensure!(matches!(url.scheme(), "http" | "https"), "an address must be http:// or https://");
    let bare = url.username().is_empty() && url.password().is_none();
    ensure!(bare, "an address must have no user and no password in it");
    Ok(url)
}

fn is_at(url: &Url, wanted: fn(&IpAddr) -> bool) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse().is_ok_and(|address| wanted(&address))
}
