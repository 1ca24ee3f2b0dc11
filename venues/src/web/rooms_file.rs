//! Floors and rooms from a file.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use schemas::ids::FacilityId;
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    form::Form,
    frame::Trouble,
    manage::{self, Done},
    page::{FieldError, Page, html, see_other},
};
use crate::{changes, draft::Room, language::PageLanguage, list::Problem, rooms_file};

#[derive(Template)]
#[template(path = "file.html")]
struct FilePage {
    page: Page,
    /// The step of registration; empty where it is none.
    step: &'static str,
    /// The list that names are added to.
    back: String,
    /// Where the file goes.
    action: String,
    problems: Vec<Problem>,
}

/// The page within registration.
fn registering(page: Page, problems: Vec<Problem>) -> FilePage {
    let (back, action) = (page.to("/register/rooms"), page.to("/register/rooms/file"));
    FilePage { step: page.t.step_rooms(), page, back, action, problems }
}

/// The page of a facility that is registered.
fn of_facility(page: Page, facility: FacilityId, problems: Vec<Problem>) -> FilePage {
    let back = page.to(&manage::page_of(facility));
    FilePage { step: "", page, action: format!("{back}/file"), back, problems }
}

/// Asks for the file.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let draft = web.drafts.read(&operator.id).await?.draft;
    if !draft.has_facility() || draft.registered_at.is_some() {
        return Ok(see_other(&browser.language.path(draft.next_page())));
    }
    let page = Page::with_form(&web, &browser, Vec::new());
    Ok(html(StatusCode::OK, &registering(page, Vec::new())))
}

/// Adds what is in it, all or nothing.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if !saved.draft.has_facility() || saved.draft.registered_at.is_some() {
        return Ok(see_other(&t.path(saved.draft.next_page())));
    }
    let taken: Vec<String> = saved.draft.rooms.iter().map(|room| room.name.clone()).collect();
    match names_in(&form, &taken, t) {
        Ok(names) => {
            saved.draft.rooms.extend(names.into_iter().map(Room::new));
            web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
            Ok(see_other(&t.path("/register/rooms")))
        }
        Err((error, problems)) => {
            let page = Page::with_form(&web, &browser, vec![error]);
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &registering(page, problems)))
        }
    }
}

/// The names in a file, or what is wrong with it.
fn names_in(
    form: &Form,
    taken: &[String],
    t: PageLanguage,
) -> Result<Vec<String>, (FieldError, Vec<Problem>)> {
    let (text, problems) = match &form.file {
        None => (t.file_missing(), Vec::new()),
        Some(file) => match rooms_file::parse(file, taken, t) {
            Ok(names) => return Ok(names),
            Err(problems) => (t.file_errors(), problems),
        },
    };
    Err((FieldError { field: "file".to_owned(), text: text.to_owned() }, problems))
}

/// Asks for a file of floors and rooms of a facility that is registered.
pub async fn ask_more<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
) -> Result<Response, Trouble> {
    let mine = web.mine(&browser, &facility).await?;
    let page = Page::with_form(&web, &browser, Vec::new());
    Ok(html(StatusCode::OK, &of_facility(page, mine.facility.id, Vec::new())))
}

/// Adds what is in it, all or nothing.
pub async fn answer_more<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let facility = web.mine(&browser, &facility).await?.facility;
    let taken: Vec<String> = facility.open_venues().map(|venue| venue.name.clone()).collect();
    let (error, problems) = match names_in(&form, &taken, t) {
        Ok(names) => {
            let now = (web.clock)();
            let added = web.change(facility.id, |facility| changes::add(facility, &names, now));
            match added.await {
                Ok(_) => return Ok(Done::Added.at(&manage::page_of(facility.id), t)),
                Err(error) => {
                    let text = manage::name_taken(error, t)?;
                    (FieldError { field: "file".to_owned(), text }, Vec::new())
                }
            }
        }
        Err(wrong) => wrong,
    };
    let page = Page::with_form(&web, &browser, vec![error]);
    let shown = of_facility(page, facility.id, problems);
    Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &shown))
}
