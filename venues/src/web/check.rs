//! Checking the answers, and registering them.

use std::{sync::Arc, time::Instant};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use schemas::registry::{Facility, FacilityKind, Venue};
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    facility::kind_name,
    flyers,
    form::Form,
    frame::Trouble,
    manage,
    page::{Page, html, of_days, see_other},
    rooms::{ROOMS_OF_A_PAGE, Which, pages},
};
use crate::{
    draft::Draft,
    fields::show_postcode,
    language::PageLanguage,
    letter::{About, Letter},
    postcode, register,
};

/// Rooms that are listed one by one.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage {
    page: Page,
    mail: String,
    answers: Vec<Answer>,
    rooms: Vec<String>,
    total: usize,
    notices: Vec<&'static str>,
    fingerprint: String,
}

struct Answer {
    label: &'static str,
    value: String,
    change: &'static str,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DonePage {
    page: Page,
    name: String,
    reference: String,
    flyers: Option<String>,
    /// The page to change it.
    manage: String,
    /// Whether the prefecture looks at it first.
    awaiting: bool,
    codes: Vec<(String, String)>,
    number: usize,
    pages: usize,
}

fn answers(draft: &Draft, t: PageLanguage) -> Vec<Answer> {
    let answer = |label, value: &str, change| Answer { label, value: value.to_owned(), change };
    let facility = "/register/facility";
    let kind = draft.kind.map(|kind| kind_name(kind, t)).unwrap_or_default();
    let mut answers = vec![
        answer(t.facility_name(), &draft.name, facility),
        answer(t.facility_kana(), &draft.kana, facility),
        answer(t.facility_kind(), kind, facility),
    ];
    if let Some(days) = draft.days.filter(|_| draft.kind == Some(FacilityKind::Event)) {
        answers.push(answer(t.check_days(), &of_days(days, t), "/register/days"));
    }
    answers.extend([
        answer(t.facility_postcode(), &show_postcode(&draft.postcode), facility),
        answer(t.facility_address(), &draft.address, facility),
        answer(t.facility_phone(), &draft.phone, facility),
    ]);
    answers
}

/// What may be wrong and may be right; none of it stops anybody.
fn notices<L: Log, S: Store>(web: &Web<L, S>, draft: &Draft, t: PageLanguage) -> Vec<&'static str> {
    let mut notices = Vec::new();
    let town = postcode::find(&draft.postcode);
    let here = postcode::prefecture_of(&draft.address);
    let prefecture = here.or(town.map(|town| town.prefecture));
    let ours = &web.site.prefecture;
    if !ours.is_empty() && prefecture.is_some_and(|prefecture| prefecture != ours) {
        notices.push(t.notice_elsewhere());
    }
    match town {
        None => notices.push(t.notice_postcode_unknown()),
        Some(town) if here.is_some_and(|here| here != town.prefecture) => {
            notices.push(t.notice_postcode_differs());
        }
        Some(_) => {}
    }
    let same = |text: &str| text.replace(' ', "");
    let twice = web.registry.read(|registry| {
        // What was removed has no details.
        registry.facilities().any(|facility| {
            let details = facility.details.as_ref();
            facility.id != draft.facility
                && details.is_some_and(|details| same(&details.address) == same(&draft.address))
        })
    });
    if twice {
        notices.push(t.notice_same_address());
    }
    notices
}

/// Shows the answers.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let draft = web.drafts.read(&operator.id).await?.draft;
    if draft.next_page() != "/register/check" {
        return Ok(see_other(&browser.language.path(draft.next_page())));
    }
    let notices = notices(&web, &draft, browser.language);
    Ok(shown(&web, &browser, (&draft, operator.address), notices))
}

fn shown<L: Log, S: Store>(
    web: &Web<L, S>,
    browser: &Browser,
    (draft, mail): (&Draft, String),
    notices: Vec<&'static str>,
) -> Response {
    let page = Page::with_form(web, browser, Vec::new());
    let rooms = draft.rooms.iter().take(SHOWN).map(|room| room.name.clone()).collect();
    let check = CheckPage {
        answers: answers(draft, page.t),
        page,
        mail,
        rooms,
        total: draft.rooms.len(),
        notices,
        fingerprint: draft.fingerprint(),
    };
    html(StatusCode::OK, &check)
}

/// Registers them, if they are those that were shown.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if saved.draft.next_page() != "/register/check" {
        return Ok(see_other(&t.path(saved.draft.next_page())));
    }
    if form.get("answers") != saved.draft.fingerprint() {
        let mut notices = notices(&web, &saved.draft, t);
        notices.insert(0, t.notice_changed());
        return Ok(shown(&web, &browser, (&saved.draft, operator.address), notices));
    }
    if !web.limits.take(browser.client, None, Instant::now()) {
        return Err(Trouble::Slow);
    }
    let now = (web.clock)();
    let on = (&web.registry, &web.store);
    register::register(&saved.draft, &operator, on, (web.site.review, now)).await?;
    saved.draft.registered_at = Some(now);
    web.drafts.save(&operator.id, &saved, now).await?;
    let about = About::Registered(saved.draft.facility);
    let letter = Letter { to: operator.address, language: t.language(), about };
    if let Err(error) = web.outbox.post(&letter).await {
        // It is registered, and the page shows all that the mail would.
        tracing::warn!(%error, "a mail about a registration can't be kept");
    }
    Ok(see_other(&t.path("/register/done")))
}

/// What was registered.
pub async fn done<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let draft = web.drafts.read(&operator.id).await?.draft;
    if draft.registered_at.is_none() {
        return Ok(see_other(&browser.language.path(draft.next_page())));
    }
    let facility = web.registry.read(|registry| registry.facility(draft.facility).cloned());
    let now = (web.clock)();
    let awaiting = facility.as_ref().is_some_and(|facility| {
        web.registry.read(|registry| registry.is_awaiting_admission(facility, now))
    });
    let printable = facility.as_ref().is_some_and(|f| !web.printable(f).is_empty());
    let venues =
        facility.as_ref().filter(|_| !awaiting).into_iter().flat_map(Facility::open_venues);
    let venues: Vec<Venue> = venues.cloned().collect();
    let name = facility.map_or(draft.name, |facility| facility.name);
    let pages = pages(venues.len());
    let number = which.page.unwrap_or(1).clamp(1, pages);
    let places = web.places.load();
    let shown = venues.iter().skip((number - 1) * ROOMS_OF_A_PAGE).take(ROOMS_OF_A_PAGE);
    let codes = shown
        .map(|venue| (venue.name.clone(), places.code(venue.id, venue.issue).to_string()))
        .collect();
    let page = Page::with_form(&web, &browser, Vec::new());
    let reference = draft.facility.to_string();
    let flyers = printable.then(|| page.to(&flyers::page_of(draft.facility)));
    let manage = page.to(&manage::page_of(draft.facility));
    let done = DonePage { page, name, reference, flyers, manage, awaiting, codes, number, pages };
    Ok(html(StatusCode::OK, &done))
}

/// Begins another registration with what branches have in common.
pub async fn again<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    _form: Form,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if saved.draft.registered_at.is_some() {
        saved.draft = Draft::branch_of(&saved.draft);
        web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
    }
    Ok(see_other(&browser.language.path(saved.draft.next_page())))
}

/// Ends the session of this browser.
pub async fn end<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    _form: Form,
) -> Result<Response, Trouble> {
    web.operators.end(&browser.cookie, (web.clock)()).await?;
    Ok(see_other(&browser.language.path("/")))
}
