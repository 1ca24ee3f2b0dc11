//! Routes, and the OpenAPI document that is generated from them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use storage::{Log, Store};
use utoipa::OpenApi;

use crate::{Console, Preview, facilities, jobs, problem::Problem};

/// A job's request has a few kilobytes; seven languages of 5,000 characters have 100.
const MAX_BODY_BYTES: usize = 512 << 10;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "anshin: officials' API",
        description = "Exposure jobs: drafted, approved by a second person, watched, stopped. Every call needs a bearer token; every error is a problem of RFC 9457.",
    ),
    paths(
        jobs::submit, jobs::list, jobs::preview, jobs::show, jobs::edit, jobs::approve,
        jobs::send_back, jobs::reject, jobs::pause, jobs::resume, jobs::cancel, jobs::decide,
        jobs::plan_anyway, jobs::find_venues, facilities::find, facilities::admit,
        facilities::suspend, facilities::resume,
    ),
    modifiers(&Bearer),
    security(("token" = [])),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
    }
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The officials' API.
pub fn router<L: Log, S: Store, P: Preview>(console: Arc<Console<L, S, P>>) -> Router {
    let document = Arc::new(openapi());
    let job = |action| format!("/api/v1/exposure-jobs/{{id}}/{action}");
    Router::new()
        .route("/api/v1/exposure-jobs", get(jobs::list::<L, S, P>).post(jobs::submit::<L, S, P>))
        .route("/api/v1/exposure-jobs/preview", post(jobs::preview::<L, S, P>))
        .route("/api/v1/exposure-jobs/{id}", get(jobs::show::<L, S, P>).put(jobs::edit::<L, S, P>))
        .route(&job("approve"), post(jobs::approve::<L, S, P>))
        .route(&job("return"), post(jobs::send_back::<L, S, P>))
        .route(&job("reject"), post(jobs::reject::<L, S, P>))
        .route(&job("pause"), post(jobs::pause::<L, S, P>))
        .route(&job("resume"), post(jobs::resume::<L, S, P>))
        .route(&job("cancel"), post(jobs::cancel::<L, S, P>))
        .route(&job("decide"), post(jobs::decide::<L, S, P>))
        .route(&job("plan-anyway"), post(jobs::plan_anyway::<L, S, P>))
        .route("/api/v1/venues", get(jobs::find_venues::<L, S, P>))
        .route("/api/v1/facilities", get(facilities::find::<L, S, P>))
        .route("/api/v1/facilities/{id}/admit", post(facilities::admit::<L, S, P>))
        .route("/api/v1/facilities/{id}/suspend", post(facilities::suspend::<L, S, P>))
        .route("/api/v1/facilities/{id}/resume", post(facilities::resume::<L, S, P>))
        .with_state(console)
        .route("/openapi.json", get(move || async move { Json((*document).clone()) }))
        .fallback(|| async { Problem::not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(secured))
}

/// An error as a problem, whoever answered it; its `Allow` header is kept.
fn uniform(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/problem+json");
    if !is_error || is_problem {
        return response;
    }
    let (code, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "メソッドを確かめてください。"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "リクエストが大きすぎます。"),
        _ => ("unreadable", "リクエストの形を確かめてください。"),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let title = "リクエストを受け付けられません";
    let mut answer = Problem::new(status, code, title, detail).into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

/// Headers of every answer: nothing of it is kept by anybody on the way. Errors that axum answers
/// itself (405, 413) become problems like all others.
async fn secured(response: Response) -> Response {
    let mut response = uniform(response);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
