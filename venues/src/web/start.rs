//! The start page.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    page::{Page, html},
};

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    page: Page,
}

/// Shows it.
pub async fn show<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Response {
    html(StatusCode::OK, &Start { page: Page::new(&web, &browser) })
}
