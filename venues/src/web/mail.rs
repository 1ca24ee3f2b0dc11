//! The mail address, and the link that is sent there. Whether an address has registered anything
//! can't be told from any of these pages.

use std::{sync::Arc, time::Instant};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use storage::{Log, Store};

use super::{
    Web,
    browser::{Browser, set_cookie},
    form::Form,
    frame::Trouble,
    manage,
    page::{FieldError, Page, html, see_other},
};
use crate::{
    fields::{FieldProblem, mail_address},
    letter::{About, Letter},
    operator::{LinkState, Purpose, operator_id},
    secret::Token,
};

/// Where whoever has registered already asks for a link.
pub const MANAGE_LINK: &str = "/manage/link";

#[derive(Template)]
#[template(path = "register.html")]
struct Register {
    page: Page,
    /// The step of registration; empty where it is none.
    step: &'static str,
    title: &'static str,
    text: &'static str,
    /// Where the address goes.
    action: String,
    button: &'static str,
    mail: String,
}

#[derive(Template)]
#[template(path = "sent.html")]
struct Sent {
    page: Page,
    mail: String,
    from: String,
    late: bool,
    again: &'static str,
}

#[derive(Template)]
#[template(path = "link.html")]
struct Link {
    page: Page,
    action: String,
}

#[derive(Template)]
#[template(path = "bad_link.html")]
struct BadLink {
    page: Page,
    title: &'static str,
    text: &'static str,
}

/// The page that asks for an address, to send it a link to something.
fn asking(page: Page, about: About, mail: String) -> Register {
    let t = page.t;
    let action = page.to(page_that_asks(about));
    let (step, title, text, button) = match about {
        About::Manage => ("", t.manage_link_title(), t.manage_link_text(), t.manage_link_button()),
        _ => (t.step_mail(), t.register_title(), t.register_text(), t.register_button()),
    };
    Register { page, step, title, text, action, button, mail }
}

const fn page_that_asks(about: About) -> &'static str {
    match about {
        About::Manage => MANAGE_LINK,
        _ => "/register",
    }
}

/// Asks for the address. Whoever corrects one finds it there.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let page = Page::with_form(&web, &browser, Vec::new());
    html(StatusCode::OK, &asking(page, About::Register, entered(&headers)))
}

/// The same, for whoever has registered already.
pub async fn ask_to_manage<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let page = Page::with_form(&web, &browser, Vec::new());
    html(StatusCode::OK, &asking(page, About::Manage, entered(&headers)))
}

/// Sends a link to register.
pub async fn send<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    send_about(&web, &browser, (&form, About::Register)).await
}

/// Sends a link to change what was registered, whether or not anything was.
pub async fn send_to_manage<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    send_about(&web, &browser, (&form, About::Manage)).await
}

async fn send_about<L: Log, S: Store>(
    web: &Web<L, S>,
    browser: &Browser,
    (form, about): (&Form, About),
) -> Result<Response, Trouble> {
    let t = browser.language;
    let address = match mail_address(form.get("mail")) {
        Ok(address) => address,
        Err(problem) => {
            let text = match problem {
                FieldProblem::Missing => t.mail_missing(),
                FieldProblem::TooLong => t.mail_long(),
                FieldProblem::Form | FieldProblem::Tricks => t.mail_form(),
            };
            let errors = vec![FieldError { field: "mail".to_owned(), text: text.to_owned() }];
            let page = Page::with_form(web, browser, errors);
            let mail = form.get("mail").to_owned();
            return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &asking(page, about, mail)));
        }
    };
    if !web.limits.take(browser.client, Some(operator_id(&address)), Instant::now()) {
        return Err(Trouble::Slow);
    }
    let cookie = remember(&web.site, &address);
    let letter = Letter { to: address, language: t.language(), about };
    web.outbox.post(&letter).await?;
    let mut response = see_other(&t.path(&format!("{}/sent", page_that_asks(about))));
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Says that it was sent, or that it will be.
pub async fn sent<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let page = Page::new(&web, &browser);
    let (mail, from) = (entered(&headers), web.site.mail_from.clone());
    let late = web.outbox.is_late();
    let again = match browser.page.starts_with(MANAGE_LINK) {
        true => MANAGE_LINK,
        false => "/register",
    };
    html(StatusCode::OK, &Sent { page, mail, from, late, again })
}

/// What a link leads to. Looking changes nothing: mail servers look at links before people do.
pub async fn link<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(token): Path<String>,
) -> Result<Response, Trouble> {
    let state = match Token::parse(&token) {
        Some(token) => web.operators.look(&token, (web.clock)()).await?,
        None => LinkState::Unknown,
    };
    match state {
        LinkState::Good(_) => {
            let action = browser.page.clone();
            let mut page = Page::with_form(&web, &browser, Vec::new());
            page.path = action.clone();
            Ok(html(StatusCode::OK, &Link { page, action }))
        }
        // The same browser, once more: it goes on where it was.
        LinkState::Used(purpose) if web.operator(&browser).await.is_ok() => {
            Ok(see_other(&browser.language.path(opens(purpose))))
        }
        bad => Ok(bad_link(&web, &browser, bad)),
    }
}

/// Opens a link: the browser gets a new cookie, and is let in by it.
pub async fn open<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(token): Path<String>,
    _form: Form,
) -> Result<Response, Trouble> {
    let session = Token::random()?;
    let state = match Token::parse(&token) {
        Some(token) => web.operators.open(&token, &session, (web.clock)()).await?,
        None => LinkState::Unknown,
    };
    let page = match state {
        LinkState::Good(purpose) => opens(purpose),
        // A second press of the button.
        LinkState::Used(purpose) if web.operator(&browser).await.is_ok() => opens(purpose),
        bad => return Ok(bad_link(&web, &browser, bad)),
    };
    let mut response = see_other(&browser.language.path(page));
    if let (LinkState::Good(_), Some(cookie)) = (state, set_cookie(&web.site, &session)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What a link opens.
const fn opens(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Manage => manage::ALL,
        Purpose::Register | Purpose::Session => "/register/continue",
    }
}

/// Leads to where the operator was.
pub async fn go_on<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let saved = web.drafts.read(&operator.id).await?;
    Ok(see_other(&browser.language.path(saved.draft.next_page())))
}

fn bad_link<L: Log, S: Store>(web: &Web<L, S>, browser: &Browser, state: LinkState) -> Response {
    let t = browser.language;
    let (title, text) = match state {
        LinkState::Used(_) => (t.link_used_title(), t.link_used_text()),
        LinkState::Expired => (t.link_expired_title(), t.link_expired_text()),
        LinkState::Good(_) | LinkState::Unknown => (t.link_unknown_title(), t.link_unknown_text()),
    };
    let page = Page::new(web, browser);
    html(StatusCode::NOT_FOUND, &BadLink { page, title, text })
}

/// The address that this browser entered within the hour, so that nobody types it twice. Only the
/// browser has it.
const REMEMBERED: &str = "anshin-mail";

fn remember(site: &super::Site, address: &str) -> Option<HeaderValue> {
    let hex: String = address.bytes().map(|byte| format!("{byte:02x}")).collect();
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let text =
        format!("{REMEMBERED}={hex}; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok()
}

fn entered(headers: &HeaderMap) -> String {
    let sent = headers.get_all(header::COOKIE);
    let pairs = sent.iter().filter_map(|value| value.to_str().ok());
    let hex = pairs
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(REMEMBERED)?.strip_prefix('='))
        .next()
        .unwrap_or_default();
    let bytes = (0..hex.len())
        .step_by(2)
        .map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let bytes: Option<Vec<u8>> = bytes.collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    // Whatever stands there, only an address is shown.
    mail_address(&text).unwrap_or_default()
}
