//! The narrow door between officials and visitors' rows: numbers only.
//!
//! In one process the console asks the notifier's preview directly. In a cluster it asks over an
//! internal listener of the notifier, and both show the same secret.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use notifier::{line::Secret, preview};
use schemas::job::JobContent;
use sha2::{Digest, Sha256};
use storage::any::{AnyLog, AnyStore};

use crate::config::{Config, ConfigError};

/// A count over many places and hours may take long.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Counts people, here or in the notifier's process.
pub enum Counts {
    /// Here.
    Here(preview::Preview<AnyLog, AnyStore>),
    /// There.
    There(Box<There>),
}

/// The notifier's counts, asked over its internal listener.
pub struct There {
    http: reqwest::Client,
    url: String,
    secret: SecretFile,
}

/// The secret of the internal listener; read again each time, so that it can be replaced.
#[derive(Clone)]
pub struct SecretFile(std::path::PathBuf);

impl SecretFile {
    /// The configured one; `None` where there is none.
    pub fn of(config: &Config) -> Result<Option<Self>, ConfigError> {
        let path = &config.preview.secret_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let file = Self(path.clone());
        file.read().map_err(|problem| ConfigError(vec![problem]))?;
        Ok(Some(file))
    }

    fn read(&self) -> Result<Secret, String> {
        let path: &Path = &self.0;
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("preview.secret_file: {} can't be read: {error}", path.display())
        })?;
        if text.trim().len() < 16 {
            return Err(format!(
                "preview.secret_file: {} has less than 16 characters",
                path.display()
            ));
        }
        Ok(Secret::new(text.trim()))
    }

    /// Whether what was shown is the secret. Hashes are compared: how far they agree tells nothing.
    fn is(&self, shown: &str) -> bool {
        self.read().is_ok_and(|secret| {
            Sha256::digest(secret.expose().as_bytes()) == Sha256::digest(shown.as_bytes())
        })
    }
}

impl Counts {
    /// Asks the notifier that the configuration names.
    pub fn there(config: &Config) -> Result<Self, ConfigError> {
        let one = |problem: &str| ConfigError(vec![problem.to_owned()]);
        if config.preview.url.is_empty() {
            return Err(one(
                "preview.url is empty: a console in a process of its own needs a notifier's preview.listen",
            ));
        }
        let secret = SecretFile::of(config)?.ok_or_else(|| {
            one("preview.secret_file is empty: console and notifier need the same")
        })?;
        let http = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|_| one("the HTTP client can't be made"))?;
        let url = format!("{}/count", config.preview.url.trim_end_matches('/'));
        Ok(Counts::There(Box::new(There { http, url, secret })))
    }
}

impl console::Preview for Counts {
    async fn count(&self, content: &JobContent) -> Result<console::Counts, console::PreviewFailed> {
        match self {
            Counts::Here(preview) => count(preview, content).await,
            Counts::There(there) => there.count(content).await.map_err(|error| {
                // Its text would name the address; that is no secret.
                tracing::warn!(%error, "the notifier does not count");
                console::PreviewFailed
            }),
        }
    }
}

impl There {
    async fn count(&self, content: &JobContent) -> anyhow::Result<console::Counts> {
        let secret = self.secret.read().map_err(anyhow::Error::msg)?;
        let request = self.http.post(&self.url).bearer_auth(secret.expose()).json(content);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

async fn count(
    preview: &preview::Preview<AnyLog, AnyStore>,
    content: &JobContent,
) -> Result<console::Counts, console::PreviewFailed> {
    let counted = preview.count(content).await.map_err(|error| {
        tracing::warn!(%error, "people can't be counted");
        console::PreviewFailed
    })?;
    let few = |count: Option<u64>| count.is_none().then_some(preview::SMALLEST_COUNT);
    Ok(console::Counts {
        people: counted.people,
        fewer_than: few(counted.people),
        friends: counted.friends,
        reach_unknown: counted.reach_unknown,
        out_of_reach: counted.out_of_reach,
        by_venue: counted
            .by_venue
            .into_iter()
            .map(|(venue, people)| console::preview::VenueCount {
                venue,
                people,
                fewer_than: few(people),
            })
            .collect(),
        behind_seconds: counted.behind_seconds,
    })
}

struct Door {
    preview: preview::Preview<AnyLog, AnyStore>,
    secret: SecretFile,
}

/// The notifier's internal listener: `POST /count` with a job's content, answered with counts.
pub fn router(preview: preview::Preview<AnyLog, AnyStore>, secret: SecretFile) -> Router {
    Router::new().route("/count", post(answer)).with_state(Arc::new(Door { preview, secret }))
}

async fn answer(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    content: Result<Json<JobContent>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
    if !shown.is_some_and(|shown| door.secret.is(shown)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(Json(content)) = content else { return StatusCode::BAD_REQUEST.into_response() };
    match count(&door.preview, &content).await {
        Ok(counts) => Json(counts).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
