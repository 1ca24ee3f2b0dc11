//! What is known of whoever asks.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use super::{Site, client::client, frame::Trouble};
use crate::{language::PageLanguage, secret::Token};

/// How long a cookie lives, in seconds: as long as a link (24 h).
const COOKIE_SECONDS: u32 = 24 * 3_600;

/// Who asks, in which language, for which page.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The language of the page.
    pub language: PageLanguage,
    /// The page, without its language: `/register`.
    pub page: String,
    /// Where the request comes from. In memory only, for limits.
    pub client: IpAddr,
    /// The browser's cookie, or a new one.
    pub cookie: Token,
    /// Whether the browser sent it.
    pub known: bool,
    /// Whether a page has made use of it.
    used: Arc<AtomicBool>,
}

impl Browser {
    /// Looks at a request.
    pub(super) fn of(request: &Request, site: &Site) -> Result<Self, Trouble> {
        let (language, page) = PageLanguage::of_path(request.uri().path());
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let sent = cookie(request.headers(), name(site.is_secure()));
        let known = sent.is_some();
        let cookie = match sent {
            Some(cookie) => cookie,
            None => Token::random().map_err(|_| Trouble::Unavailable)?,
        };
        Ok(Self {
            language,
            page: page.to_owned(),
            client: client(peer, request.headers(), &site.proxies),
            cookie,
            known,
            used: Arc::default(),
        })
    }

    /// What a form has to carry to be accepted from this browser.
    pub fn form_token(&self) -> String {
        self.used.store(true, Ordering::Relaxed);
        self.cookie.form_token()
    }

    /// The cookie to set with an answer, where a page made use of a new one.
    pub(super) fn fresh_cookie(&self, site: &Site) -> Option<HeaderValue> {
        let wanted = !self.known && self.used.load(Ordering::Relaxed);
        wanted.then(|| set_cookie(site, &self.cookie)).flatten()
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or(Trouble::Unavailable)
    }
}

/// `__Host-`: set by this host alone, over TLS alone. Without TLS (this machine) browsers refuse it.
const fn name(site_is_secure: bool) -> &'static str {
    if site_is_secure { "__Host-anshin" } else { "anshin" }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Token> {
    let sent = headers.get_all(header::COOKIE);
    let pairs = sent.iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    Token::parse(value.trim())
}

/// A header that gives the browser its cookie. `Lax`: who comes from the link in a mail has it.
pub fn set_cookie(site: &Site, cookie: &Token) -> Option<HeaderValue> {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let (name, value) = (name(site.is_secure()), cookie.reveal());
    let text =
        format!("{name}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).ok()
}
