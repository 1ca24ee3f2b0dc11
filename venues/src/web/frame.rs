//! What is around every page: error pages, and the headers of every answer.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use storage::{Log, Store, StoreError};

use super::{
    Site, Web,
    browser::Browser,
    page::{ErrorPage, Page, html},
};
use crate::{
    changes::ChangeError, language::PageLanguage, register::RegisterError, secret::NoRandom,
    service,
};

/// Why there is an error page instead of an answer. What went wrong inside is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such page.
    NotFound,
    /// Not from a form of ours, or from one that this browser didn't get.
    Forbidden,
    /// The session is over.
    Expired,
    /// Too much at once.
    Slow,
    /// What we need can't be had, for now.
    Unavailable,
    /// It can't be read.
    BadRequest,
    /// The file is too large.
    TooLarge,
    /// The service does not run: nothing is registered.
    Closed,
    /// No flyers can be made, for now.
    Busy,
}

impl Trouble {
    const fn status(self) -> StatusCode {
        match self {
            Trouble::NotFound => StatusCode::NOT_FOUND,
            Trouble::Forbidden | Trouble::Expired => StatusCode::FORBIDDEN,
            Trouble::Slow => StatusCode::TOO_MANY_REQUESTS,
            Trouble::Unavailable | Trouble::Closed | Trouble::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Trouble::BadRequest => StatusCode::BAD_REQUEST,
            Trouble::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    const fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 | 405 => Trouble::NotFound,
            403 => Trouble::Forbidden,
            413 => Trouble::TooLarge,
            429 => Trouble::Slow,
            500.. => Trouble::Unavailable,
            _ => Trouble::BadRequest,
        }
    }

    const fn words(self, t: PageLanguage) -> (&'static str, &'static str) {
        match self {
            Trouble::NotFound => (t.not_found_title(), t.not_found_text()),
            Trouble::Forbidden => (t.forbidden_title(), t.forbidden_text()),
            Trouble::Expired => (t.expired_title(), t.expired_text()),
            Trouble::Slow => (t.slow_title(), t.slow_text()),
            Trouble::Unavailable => (t.unavailable_title(), t.unavailable_text()),
            Trouble::BadRequest => (t.bad_request_title(), t.bad_request_text()),
            Trouble::TooLarge => (t.too_large_title(), t.too_large_text()),
            Trouble::Closed => (t.closed_title(), t.closed_text()),
            Trouble::Busy => (t.busy_title(), t.busy_text()),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store failed a page");
        Trouble::Unavailable
    }
}

impl From<RegisterError> for Trouble {
    fn from(error: RegisterError) -> Self {
        tracing::warn!(%error, "a registration was not taken");
        Trouble::Unavailable
    }
}

impl From<ChangeError> for Trouble {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Log(error) => {
                tracing::warn!(%error, "a change was not taken");
                Trouble::Unavailable
            }
            // Another tab was first.
            _ => Trouble::NotFound,
        }
    }
}

impl From<NoRandom> for Trouble {
    fn from(error: NoRandom) -> Self {
        tracing::error!(%error, "no token can be made");
        Trouble::Unavailable
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Around every page.
pub async fn frame<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let browser = match Browser::of(&request, &web.site) {
        Ok(browser) => browser,
        Err(trouble) => return secured(trouble.status().into_response(), &web.site),
    };
    let is_asset = request.uri().path().starts_with("/static/");
    request.extensions_mut().insert(browser.clone());
    let is_head = request.method() == Method::HEAD;
    let closed = browser.page.starts_with("/register")
        && service::notice(&web.registry, (web.clock)()).is_some();
    let mut response = match closed {
        true => Trouble::Closed.into_response(),
        false => next.run(request).await,
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        let trouble = response.extensions().get::<Trouble>().copied();
        let is_ours = response.headers().get(header::CONTENT_TYPE) == Some(&super::page::HTML);
        if trouble.is_some() || !is_ours {
            let trouble = trouble.unwrap_or(Trouble::of_status(response.status()));
            let allow = response.headers().get(header::ALLOW).cloned();
            response = error_page(&web, &browser, trouble, response.status());
            if let Some(allow) = allow {
                response.headers_mut().insert(header::ALLOW, allow);
            }
        }
    }
    if let Some(cookie) = browser.fresh_cookie(&web.site) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    if is_head {
        *response.body_mut() = axum::body::Body::empty();
    }
    let mut response = secured(response, &web.site);
    if is_asset && response.status().is_success() {
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
    }
    response
}

fn error_page<L: Log, S: Store>(
    web: &Web<L, S>,
    browser: &Browser,
    trouble: Trouble,
    status: StatusCode,
) -> Response {
    let (title, text) = trouble.words(browser.language);
    let mut page = Page::new(web, browser);
    // The address may be of a form that was sent: the switch leads to what can be opened.
    if trouble == Trouble::NotFound {
        page.path = "/".to_owned();
    }
    let leads_to = match trouble {
        Trouble::Expired if browser.page.starts_with("/register") => "/register",
        Trouble::Expired => super::mail::MANAGE_LINK,
        _ => "/",
    };
    let leads_to = browser.language.path(leads_to);
    html(status, &ErrorPage { page, title, text, leads_to })
}

/// Headers of every answer: nothing may be loaded, framed or kept that isn't ours (S13).
fn secured(mut response: Response, site: &Site) -> Response {
    const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                       frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // `no-referrer` would make browsers send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if site.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
