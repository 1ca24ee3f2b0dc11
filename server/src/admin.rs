//! The admin port: `/live`, `/ready`, `/metrics`, `/line-api`.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use notifier::line::LineClient;
use tokio::sync::watch;

/// Upper bounds of every histogram, in seconds (and counts).
const BUCKETS: [f64; 16] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0,
];

type Roles = Vec<(&'static str, watch::Receiver<bool>)>;

/// What is ready and what is not. Nothing is until [`started`](Self::started) is called: of roles
/// that have not been told of yet nobody knows.
#[derive(Clone, Default)]
pub struct Readiness {
    known: Arc<Mutex<(Stage, Roles)>>,
}

/// How far a process is.
#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Starting,
    Serving,
    Draining,
}

impl Readiness {
    /// A role tells by this whether it can do its work. Before [`started`](Self::started).
    pub fn role(&self, name: &'static str) -> watch::Sender<bool> {
        let (ready, receiver) = watch::channel(false);
        if let Ok(mut known) = self.known.lock() {
            debug_assert!(matches!(known.0, Stage::Starting), "{name} comes after all were there");
            known.1.push((name, receiver));
        }
        ready
    }

    /// Every role has been told of.
    pub fn started(&self) {
        self.go_to(Stage::Serving);
    }

    /// From now on nothing is ready.
    pub fn drain(&self) {
        self.go_to(Stage::Draining);
    }

    fn go_to(&self, stage: Stage) {
        if let Ok(mut known) = self.known.lock() {
            known.0 = stage;
        }
    }

    /// The names of what is not ready.
    pub fn unready(&self) -> Vec<&'static str> {
        let Ok(known) = self.known.lock() else { return vec!["admin"] };
        let (stage, roles) = &*known;
        match stage {
            Stage::Starting => vec!["starting"],
            Stage::Serving => {
                roles.iter().filter(|(_, ready)| !*ready.borrow()).map(|(name, _)| *name).collect()
            }
            Stage::Draining => vec!["draining"],
        }
    }

    /// Waits until everything is ready.
    pub async fn all(&self) {
        let receivers: Vec<_> = match self.known.lock() {
            Ok(known) => known.1.iter().map(|(_, ready)| ready.clone()).collect(),
            Err(_) => return,
        };
        for mut ready in receivers {
            // An error says that the role has ended: whoever waits sees that elsewhere.
            let _ = ready.wait_for(|ready| *ready).await;
        }
    }
}

/// The recorder of this process: one, however often it is asked for.
pub fn recorder() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            ingest::metrics::describe();
            processor::metrics::describe();
            notifier::metrics::describe();
            Some(handle)
        })
        .clone()
}

/// Keeps histograms from growing while nobody reads them.
pub async fn upkeep(handle: Option<PrometheusHandle>) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        if let Some(handle) = &handle {
            handle.run_upkeep();
        }
    }
}

/// The admin port's routes.
pub fn router(readiness: Readiness, handle: Option<PrometheusHandle>, line: LineClient) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route(
            "/ready",
            get(move || async move {
                let unready = readiness.unready();
                if unready.is_empty() {
                    (StatusCode::OK, "ready\n".to_owned()).into_response()
                } else {
                    let text = format!("not ready: {}\n", unready.join(", "));
                    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
                }
            }),
        )
        .route(
            "/metrics",
            get(move || async move { handle.map(|handle| handle.render()).unwrap_or_default() }),
        )
        .route("/line-api", get(move || line_api(line)))
}

/// Who answers this process at `line.api_url`: what a load test asks before it sends anything here.
async fn line_api(line: LineClient) -> (StatusCode, &'static str) {
    match line.is_stand_in().await {
        Ok(true) => (StatusCode::OK, "stand-in\n"),
        Ok(false) => (StatusCode::OK, "no stand-in\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "nobody answers\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn nothing_is_ready_before_every_role_is_told_of_and_once_it_drains() {
        let readiness = Readiness::default();
        assert_eq!(readiness.unready(), ["starting"]);
        let first = readiness.role("first");
        first.send_replace(true);
        assert_eq!(readiness.unready(), ["starting"]);
        let second = readiness.role("second");
        readiness.started();
        assert_eq!(readiness.unready(), ["second"]);
        second.send_replace(true);
        assert_eq!(readiness.unready(), [""; 0]);
        readiness.drain();
        assert_eq!(readiness.unready(), ["draining"]);
    }
}
