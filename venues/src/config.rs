//! What the pages are told about the prefecture, and where mail goes.

use std::path::PathBuf;

use serde::Deserialize;

/// The pages of operators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where operators find the pages: `https://…`. It stands in every mail. Empty: where we listen.
    pub url: String,
    /// The prefecture. Places elsewhere are warned about. Empty: nowhere is elsewhere.
    pub prefecture: String,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Whether the codes of what is registered count only once an official has admitted it.
    pub review: bool,
    /// Mails and registrations of one client in an hour.
    pub client_per_hour: u32,
    /// Mails to one address in an hour.
    pub address_per_hour: u32,
    /// Mails and registrations of everybody in a minute.
    pub global_per_minute: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefecture: String::new(),
            trusted_proxies: Vec::new(),
            review: false,
            client_per_hour: 60,
            address_per_hour: 5,
            global_per_minute: 3_000,
        }
    }
}

/// Whose pages these are: stands at the top and at the bottom of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The prefecture, as it signs.
    pub name: String,
    /// The section in charge.
    pub division: String,
    /// Its postal address.
    pub address: String,
    /// Its phone number.
    pub phone: String,
    /// Its fax number.
    pub fax: String,
    /// Its mail address.
    pub mail: String,
    /// Where people say what they think of the pages: `https://…`. Empty: its mail address.
    pub feedback: String,
}

impl Authority {
    /// What is wrong with it.
    pub fn check(&self) -> Vec<String> {
        if self.feedback.is_empty() || self.feedback.starts_with("https://") {
            return Vec::new();
        }
        vec!["authority.feedback must begin with https://, or be empty".to_owned()]
    }
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail server. Empty: mails are files in `folder`, and links are shown in the terminal.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `starttls`, `tls`, or `none` (to this machine only).
    pub tls: MailTls,
    /// Who signed the server's certificate (PEM). Empty: the system's authorities.
    pub ca_file: PathBuf,
    /// A user; empty: none.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
    /// The sender.
    pub from: String,
    /// Where mails go when there is no server. Empty: `mailbox` in the data directory.
    pub folder: PathBuf,
}

/// How the link to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// The connection becomes TLS before anything is said; a server that can't is not used.
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// In clear: to this machine only.
    None,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: MailTls::Starttls,
            ca_file: PathBuf::new(),
            username: String::new(),
            password_file: PathBuf::new(),
            from: "noreply@localhost".to_owned(),
            folder: PathBuf::new(),
        }
    }
}

impl Config {
    /// What is wrong with it: key, value, allowed range.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let rest = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        match rest {
            _ if self.url.is_empty() => {}
            Some(host) if !host.is_empty() && !host.contains('/') => {
                if self.url.starts_with("http://") && !is_loopback(host) {
                    problems.push("venues.url must begin with https:// (http:// only for 127.0.0.0/8, [::1] and localhost)".to_owned());
                }
            }
            _ => problems.push("venues.url must be https://host, without a path".to_owned()),
        }
        for proxy in &self.trusted_proxies {
            if crate::web::client::Network::parse(proxy).is_none() {
                problems.push(format!(
                    "venues.trusted_proxies: {proxy} is neither an address nor a network such as 10.0.0.0/8"
                ));
            }
        }
        for (key, value, most) in [
            ("client_per_hour", self.client_per_hour, 1_000_000),
            ("address_per_hour", self.address_per_hour, 10_000),
            ("global_per_minute", self.global_per_minute, 10_000_000),
        ] {
            if !(1..=most).contains(&value) {
                problems.push(format!("venues.{key} is {value}; allowed: 1 to {most}"));
            }
        }
        problems
    }
}

impl Mail {
    /// What is wrong with it.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.from.contains('@') {
            problems.push("mail.from must be a mail address".to_owned());
        }
        if self.tls == MailTls::None && !self.host.is_empty() && !is_loopback(&self.host) {
            problems
                .push("mail.tls = \"none\" is for a mail server on this machine only".to_owned());
        }
        problems
    }
}

/// Whether `host` or `host:port` is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
