//! The configuration: defaults, a file, the environment; checked before anything is bound.

mod links;

use std::{net::SocketAddr, path::PathBuf};

use notifier::line::Secret;
use serde::{Deserialize, de::DeserializeOwned};
use storage::{
    any::{LogPlace, StorePlace},
    embedded::system_clock,
};

pub use self::links::{Cql, Kafka};

/// The defaults, which are also the documentation.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where records go.
    pub log: Backend,
    /// Where rows go.
    pub store: Backend,
    /// How long a start may take.
    pub startup: Startup,
    /// How Kafka is reached.
    pub kafka: Kafka,
    /// How a CQL store is reached.
    pub cql: Cql,
    /// Where ingest keeps records while the log takes none.
    pub spool: ingest::spool::SpoolConfig,
    /// Where people are counted for a console in another process.
    pub preview: Preview,
    /// The LINE channel.
    pub line: Line,
    /// Key files.
    pub keys: Keys,
    /// The webhook endpoint.
    pub ingest: Listening<ingest::Config>,
    /// The officials' API.
    pub console: Listen,
    /// The operators' pages.
    pub venues: Listening<venues::Config>,
    /// Whose pages they are.
    pub authority: venues::config::Authority,
    /// How mail leaves.
    pub mail: venues::config::Mail,
    /// The admin port.
    pub admin: Listen,
    /// Limits of every listener.
    pub listener: Listener,
    /// How alerts are sent.
    pub sending: notifier::config::Sending,
    /// How visitors are answered.
    pub receipts: notifier::config::Receipts,
    /// How friends are taken in.
    pub friends: notifier::config::Friends,
    /// How long rows live.
    pub retention: Retention,
    /// How the process ends.
    pub shutdown: Shutdown,
}

/// A log or a store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// `embedded:///dir`, `kafka://…`, `cql://…`.
    pub url: String,
}

/// How long a start may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// Seconds to wait for log and store, at most.
    pub wait_seconds: u64,
}

/// Where people are counted for a console in another process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// Where the notifier counts.
    pub listen: SocketAddr,
    /// Where a console finds it, or empty.
    pub url: String,
    /// A file with the secret that both have, or empty.
    pub secret_file: PathBuf,
}

/// The LINE channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The channel's id.
    pub channel_id: String,
    /// Its secrets.
    pub channel_secrets: Vec<Secret>,
    /// A file with its secrets, one a line.
    pub channel_secrets_file: PathBuf,
    /// The bot's user id, or empty. Not shown: no log has anybody's user id.
    pub bot_user_id: Secret,
    /// The account's id, or empty.
    pub account_id: String,
    /// The account's name, or empty.
    pub account_name: String,
    /// A file with the account's picture, or empty.
    pub account_icon_file: PathBuf,
    /// Where LINE's API is.
    pub api_url: String,
}

/// Key files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Visitors' keys.
    pub file: PathBuf,
    /// Place codes' keys.
    pub places_file: PathBuf,
}

/// Where something listens, and its own settings beside that.
#[derive(Clone, Debug)]
pub struct Listening<C> {
    /// Where.
    pub listen: SocketAddr,
    /// Its settings.
    pub limits: C,
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for Listening<C> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut table = toml::Table::deserialize(deserializer)?;
        let listen = table.remove("listen").ok_or_else(|| D::Error::missing_field("listen"))?;
        let listen = listen.try_into().map_err(D::Error::custom)?;
        let limits = toml::Value::Table(table).try_into().map_err(D::Error::custom)?;
        Ok(Self { listen, limits })
    }
}

/// An address to listen on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Where.
    pub listen: SocketAddr,
}

/// Limits of every listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// A connection whose first request has no whole header by then is closed.
    pub header_timeout_ms: u64,
    /// A connection that has had a request is closed after this without another whole header.
    pub idle_timeout_ms: u64,
    /// Open connections of one listener.
    pub max_connections: usize,
}

/// How long rows live.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days.
    pub days: u32,
}

/// How the process ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// Seconds, at most.
    pub budget_seconds: u64,
}

/// A configuration that can't be used: every problem, one on each line.
#[derive(Debug, thiserror::Error)]
#[error("bad configuration:\n{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads it: defaults, then `file`, then variables `ANSHIN__SECTION__KEY`.
    pub fn load(
        file: Option<&std::path::Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let one = |problem: String| ConfigError(vec![problem]);
        let mut table: toml::Table =
            toml::from_str(DEFAULTS).map_err(|error| one(error.to_string()))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| one(format!("{} can't be read: {error}", path.display())))?;
            // The message of a syntax error would show the line, which may hold a secret.
            let over: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
                let at = error.span().map_or(0, |span| text[..span.start].lines().count());
                one(format!("{}, line {at}: {}", path.display(), error.message()))
            })?;
            merge(&mut table, over);
        }
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("ANSHIN__") else { continue };
            set(&mut table, &key.to_lowercase(), &value).map_err(one)?;
        }
        let config: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| one(error.message().to_owned()))?;
        let problems = config.check();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// What is wrong with it: key, value, allowed range.
    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match LogPlace::parse(&self.log.url) {
            Ok(LogPlace::Kafka(brokers)) => {
                let checked = self.kafka.log(brokers).check_hosts();
                problems.extend(checked.err().map(|error| format!("log.url: {error}")));
            }
            Ok(LogPlace::Embedded(_)) => {}
            Err(error) => problems.push(format!("log.url: {error}")),
        }
        match StorePlace::parse(&self.store.url) {
            Ok(StorePlace::Cql(hosts, keyspace)) => {
                let store = self.cql.store((hosts, keyspace), self.retention.days, system_clock());
                let checked = store.check_hosts();
                problems.extend(checked.err().map(|error| format!("store.url: {error}")));
            }
            Ok(StorePlace::Embedded(_)) => {}
            Err(error) => problems.push(format!("store.url: {error}")),
        }
        problems.extend(self.kafka.check());
        problems.extend(self.cql.check());
        problems.extend(self.spool.check());
        let url = &self.preview.url;
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            problems.push("preview.url must begin with http:// or https://".to_owned());
        }
        let mut range = |key: &str, value: u64, from: u64, to: u64| {
            if !(from..=to).contains(&value) {
                problems.push(format!("{key} is {value}; allowed: {from} to {to}"));
            }
        };
        range("startup.wait_seconds", self.startup.wait_seconds, 1, 3_600);
        range("retention.days", self.retention.days.into(), 14, 60);
        range("shutdown.budget_seconds", self.shutdown.budget_seconds, 1, 600);
        range("listener.header_timeout_ms", self.listener.header_timeout_ms, 50, 60_000);
        range("listener.idle_timeout_ms", self.listener.idle_timeout_ms, 50, 3_600_000);
        range("listener.max_connections", self.listener.max_connections as u64, 1, 1_000_000);
        problems.extend(self.ingest.limits.check());
        problems.extend(self.venues.limits.check());
        problems.extend(self.mail.check());
        problems.extend(self.authority.check());
        problems.extend(self.sending.check());
        problems.extend(self.receipts.check());
        problems.extend(self.friends.check());
        let account = &self.line.account_id;
        if !account.is_empty() && !venues::flyer::is_account_id(account) {
            problems.push("line.account_id must be @ and letters, digits, . - _".to_owned());
        }
        if !allowed_api_url(&self.line.api_url) {
            problems.push("line.api_url must begin with https:// (http:// only for 127.0.0.0/8, [::1] and localhost)".to_owned());
        }
        problems
    }

    /// What roles that talk to LINE need beyond that.
    pub fn check_line(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if self.line.channel_id.is_empty() {
            problems.push("line.channel_id is empty: LINE's console shows it".to_owned());
        }
        match self.channel_secrets() {
            Ok(secrets) if secrets.is_empty() => problems.push(
                "line.channel_secrets is empty: LINE's console shows the channel secret".to_owned(),
            ),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError(problems)) }
    }

    /// The channel's secrets as they are now, from list and file.
    pub fn channel_secrets(&self) -> Result<Vec<Secret>, String> {
        let mut secrets = self.line.channel_secrets.clone();
        let file = &self.line.channel_secrets_file;
        if !file.as_os_str().is_empty() {
            let text = std::fs::read_to_string(file).map_err(|error| {
                format!("line.channel_secrets_file: {} can't be read: {error}", file.display())
            })?;
            secrets.extend(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(Secret::new));
        }
        Ok(secrets)
    }
}

fn allowed_api_url(url: &str) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn merge(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Sets `section__key` from text, in the type that the default has.
fn set(table: &mut toml::Table, key: &str, text: &str) -> Result<(), String> {
    let unknown = || format!("ANSHIN__{}: there is no such key", key.to_uppercase());
    let (section, name) = key.split_once("__").ok_or_else(unknown)?;
    let section = table.get_mut(section).and_then(toml::Value::as_table_mut).ok_or_else(unknown)?;
    let default = section.get(name).ok_or_else(unknown)?;
    let number = |text: &str| {
        text.trim()
            .parse::<i64>()
            .map(toml::Value::Integer)
            .map_err(|_| format!("ANSHIN__{} is not a whole number", key.to_uppercase()))
    };
    let list = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    let value = match default {
        toml::Value::Integer(_) => number(text)?,
        toml::Value::Boolean(_) => match text.trim() {
            "true" => toml::Value::Boolean(true),
            "false" => toml::Value::Boolean(false),
            _ => return Err(format!("ANSHIN__{} must be true or false", key.to_uppercase())),
        },
        toml::Value::Array(items) if items.first().is_some_and(toml::Value::is_integer) => {
            let numbers: Result<Vec<_>, _> = list(text).iter().map(|item| number(item)).collect();
            toml::Value::Array(numbers?)
        }
        toml::Value::Array(_) => {
            toml::Value::Array(list(text).into_iter().map(toml::Value::String).collect())
        }
        _ => toml::Value::String(text.to_owned()),
    };
    section.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let owned = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(None, owned.collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn the_defaults_are_what_the_code_says() {
        let config = load(&[]).unwrap();
        assert_eq!(config.ingest.limits, ingest::Config::default());
        assert_eq!(config.venues.limits, venues::Config::default());
        assert_eq!(config.authority, venues::config::Authority::default());
        assert_eq!(config.mail, venues::config::Mail::default());
        assert_eq!(config.sending, notifier::config::Sending::default());
        assert_eq!(config.receipts, notifier::config::Receipts::default());
        assert_eq!(config.friends, notifier::config::Friends::default());
    }

    #[test]
    fn the_environment_overrides_in_the_type_of_the_default() {
        let config = load(&[
            ("ANSHIN__RETENTION__DAYS", "30"),
            ("ANSHIN__LINE__CHANNEL_SECRETS", "one, two"),
            ("ANSHIN__SENDING__SWEEP_AFTER_SECONDS", "5,6"),
            ("ANSHIN__FRIENDS__IMPORT", "false"),
            ("ANSHIN__INGEST__LISTEN", "127.0.0.1:0"),
            ("OTHER", "ignored"),
        ])
        .unwrap();
        assert_eq!(config.retention.days, 30);
        assert_eq!(config.line.channel_secrets.len(), 2);
        assert_eq!(config.sending.sweep_after_seconds, [5, 6]);
        assert!(!config.friends.import);
    }

    #[test]
    fn every_problem_names_key_value_and_range() {
        for (key, value, names) in [
            ("ANSHIN__RETENTION__DAYS", "13", "retention.days is 13; allowed: 14 to 60"),
            ("ANSHIN__RETENTION__DAYS", "soon", "ANSHIN__RETENTION__DAYS is not a whole number"),
            ("ANSHIN__NO__SUCH", "1", "ANSHIN__NO__SUCH: there is no such key"),
            ("ANSHIN__INGEST__NO_SUCH", "1", "there is no such key"),
            ("ANSHIN__LOG__URL", "mysql://user:hunter2@host", "log.url: `mysql`"),
            ("ANSHIN__LOG__URL", "embedded://data", "names no absolute directory"),
            ("ANSHIN__LINE__API_URL", "http://api.line.me", "line.api_url"),
            ("ANSHIN__LINE__API_URL", "http://127.0.0.1.evil.example", "line.api_url"),
            ("ANSHIN__LINE__ACCOUNT_ID", "pref", "line.account_id"),
            ("ANSHIN__CONSOLE__LISTEN", "here", "socket address"),
            ("ANSHIN__SENDING__CALLS_PER_SECOND", "200", "sending.calls_per_second is 200"),
        ] {
            let error = load(&[(key, value)]).expect_err(key).to_string();
            assert!(error.contains(names), "{key}={value}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = load(&[("ANSHIN__LINE__CHANNEL_SECRETS", "hunter2")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
