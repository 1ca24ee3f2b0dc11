//! Floors and rooms from a file.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    form::Form,
    frame::Trouble,
    page::{FieldError, Page, html, see_other},
};
use crate::{draft::Room, list::Problem, rooms_file};

#[derive(Template)]
#[template(path = "file.html")]
struct FilePage {
    page: Page,
    problems: Vec<Problem>,
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
    Ok(html(StatusCode::OK, &FilePage { page, problems: Vec::new() }))
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
    let (text, problems) = match &form.file {
        None => (t.file_missing(), Vec::new()),
        Some(file) => match rooms_file::parse(file, &taken, t) {
            Ok(names) => {
                saved.draft.rooms.extend(names.into_iter().map(Room::new));
                web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
                return Ok(see_other(&t.path("/register/rooms")));
            }
            Err(problems) => (t.file_errors(), problems),
        },
    };
    let errors = vec![FieldError { field: "file".to_owned(), text: text.to_owned() }];
    let page = Page::with_form(&web, &browser, errors);
    Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &FilePage { page, problems }))
}
