//! Who answers at the configured address: LINE, or a stand-in for it.

use reqwest::Url;

use super::{LineClient, LineError};

/// LINE has no such path; a stand-in answers there with [`HEADER`].
const PATH: &str = "/_standin";
const HEADER: &str = "x-line-stand-in";

impl LineClient {
    /// Whether a stand-in for LINE answers at the configured address, by its own word, now. No token
    /// goes with the question, and LINE itself is never asked it.
    pub async fn is_stand_in(&self) -> Result<bool, LineError> {
        let url = Url::parse(&format!("{}{PATH}", self.api_url));
        let url = url.map_err(|_| LineError::Unreachable)?;
        if is_line(url.host_str().unwrap_or_default()) {
            return Ok(false);
        }
        let answer = self.http.get(url).send().await.map_err(|_| LineError::Unreachable)?;
        let says = answer.headers().get(HEADER).is_some_and(|value| value == "anshin-load");
        Ok(answer.status().is_success() && says)
    }
}

/// Whether a host is LINE's own.
fn is_line(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "line.me" || host.ends_with(".line.me")
}

#[cfg(test)]
mod tests {
    use super::is_line;

    #[test]
    fn lines_hosts_are_known() {
        for host in ["api.line.me", "api-data.line.me", "API.LINE.ME", "line.me", "api.line.me."] {
            assert!(is_line(host), "{host}");
        }
        for host in ["127.0.0.1", "api.line.me.example", "online.me", ""] {
            assert!(!is_line(host), "{host}");
        }
    }
}
