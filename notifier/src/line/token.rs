//! Stateless channel access tokens: fetched with id and secret, good for 15 minutes, kept nowhere.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{LineConfig, LineError, Secret};

/// A token is replaced so long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// Two renewals are at least so far apart, however many requests are refused.
const RENEW_APART: Duration = Duration::from_secs(1);

/// The channel access token that counts now.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    url: String,
    channel_id: String,
    secrets: Vec<Secret>,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Secret,
    fetched_at: Instant,
    good_until: Instant,
}

impl Tokens {
    pub(super) fn new(http: reqwest::Client, api_url: &str, config: &LineConfig) -> Self {
        let shared = Shared {
            http,
            url: format!("{api_url}/oauth2/v3/token"),
            channel_id: config.channel_id.clone(),
            secrets: config.channel_secrets.clone(),
            held: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A token that is good for a while. One request fetches it for all that wait.
    pub async fn current(&self) -> Result<Secret, LineError> {
        let mut held = self.shared.held.lock().await;
        if let Some(held) = &*held
            && Instant::now() + RENEW_BEFORE < held.good_until
        {
            return Ok(held.token.clone());
        }
        let fetched = self.shared.fetch().await;
        match (fetched, &*held) {
            (Ok(new), _) => Ok(held.insert(new).token.clone()),
            // The old one still serves for a few minutes.
            (Err(_), Some(old)) if Instant::now() < old.good_until => Ok(old.token.clone()),
            (Err(error), _) => Err(error),
        }
    }

    /// A new token, since LINE refused the one we have.
    pub async fn renew(&self) -> Result<(), LineError> {
        let mut held = self.shared.held.lock().await;
        if held.as_ref().is_some_and(|held| held.fetched_at.elapsed() < RENEW_APART) {
            return Ok(());
        }
        *held = Some(self.shared.fetch().await?);
        Ok(())
    }
}

impl Shared {
    /// Asks with one secret after the other: while one is being replaced, the old or the new one
    /// counts.
    async fn fetch(&self) -> Result<Held, LineError> {
        #[derive(Deserialize)]
        struct Issued {
            access_token: Secret,
            expires_in: u64,
        }
        let mut error = LineError::NoToken;
        for secret in &self.secrets {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", &self.channel_id),
                ("client_secret", secret.expose()),
            ];
            let fetched_at = Instant::now();
            let Ok(response) = self.http.post(&self.url).form(&form).send().await else {
                error = LineError::Unreachable;
                continue;
            };
            if response.status().is_server_error() {
                error = LineError::Status(response.status().as_u16());
                continue;
            }
            if !response.status().is_success() {
                continue;
            }
            let Ok(body) = response.bytes().await else {
                error = LineError::Unreachable;
                continue;
            };
            let issued: Issued =
                serde_json::from_slice(&body).map_err(|_| LineError::Unreadable)?;
            return Ok(Held {
                token: issued.access_token,
                fetched_at,
                good_until: fetched_at + Duration::from_secs(issued.expires_in),
            });
        }
        Err(error)
    }
}
