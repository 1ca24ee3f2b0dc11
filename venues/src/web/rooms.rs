//! The page about floors and rooms. Every press of a button saves what was typed; each button names
//! a room by its id, so that a second tab does no harm.

use std::{collections::HashSet, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    facility::{name_problem, only_room},
    form::Form,
    frame::Trouble,
    page::{FieldError, Page, html, see_other},
};
use crate::{
    draft::{Draft, MAX_ROOMS, Room},
    language::PageLanguage,
    names,
};

/// Rooms of one page: more would be too much for a phone.
pub(super) const ROOMS_OF_A_PAGE: usize = 50;

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    page: Page,
    rows: Vec<Row>,
    total: usize,
    number: usize,
    pages: usize,
    new: String,
    added: bool,
}

struct Row {
    id: String,
    number: usize,
    name: String,
}

/// Which page of a long list.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Which {
    /// From 1.
    pub page: Option<usize>,
}

/// How many pages so many rooms have.
pub(super) fn pages(rooms: usize) -> usize {
    rooms.div_ceil(ROOMS_OF_A_PAGE).max(1)
}

fn shown(page: Page, draft: &Draft, number: usize, new: String, added: bool) -> Response {
    let pages = pages(draft.rooms.len());
    let number = number.clamp(1, pages);
    let skipped = (number - 1) * ROOMS_OF_A_PAGE;
    let rooms = draft.rooms.iter().enumerate().skip(skipped).take(ROOMS_OF_A_PAGE);
    let row = |(at, room): (usize, &Room)| Row {
        id: field(room),
        number: at + 1,
        name: room.name.clone(),
    };
    let rows = rooms.map(row).collect();
    let status = match page.errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    html(status, &RoomsPage { page, rows, total: draft.rooms.len(), number, pages, new, added })
}

fn field(room: &Room) -> String {
    format!("room-{}", room.venue)
}

/// Asks.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let mut draft = web.drafts.read(&operator.id).await?.draft;
    let Some(kind) = draft.kind.filter(|_| draft.has_days() && draft.registered_at.is_none())
    else {
        return Ok(see_other(&browser.language.path(draft.next_page())));
    };
    let mut new = String::new();
    if draft.rooms.is_empty() {
        new = only_room(kind, browser.language).name;
    }
    draft.rooms.truncate(MAX_ROOMS);
    let page = Page::with_form(&web, &browser, Vec::new());
    Ok(shown(page, &draft, which.page.unwrap_or(1), new, false))
}

/// Takes what was typed, and does what the button says.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if saved.draft.registered_at.is_some() || !saved.draft.has_facility() {
        return Ok(see_other(&t.path(saved.draft.next_page())));
    }
    let mut number = form.get("page").parse().unwrap_or(1);
    let (action, which) = form.get("do").split_once(':').unwrap_or((form.get("do"), ""));
    // A room that is to go needs no name any more.
    if action == "remove" {
        saved.draft.rooms.retain(|room| field(room) != which);
    }
    let mut errors = rename(&mut saved.draft, &form, t);
    let mut new = form.get("new").to_owned();
    let wants_new = !new.trim().is_empty();
    if wants_new && matches!(action, "" | "add" | "next") {
        match add(&mut saved.draft, &new, t) {
            Ok(()) => {
                new.clear();
                number = pages(saved.draft.rooms.len());
            }
            Err(text) => errors.push(FieldError { field: "new".to_owned(), text }),
        }
    } else if action == "add" {
        let text = t.error_room_missing().to_owned();
        errors.push(FieldError { field: "new".to_owned(), text });
    }
    let place = saved.draft.rooms.iter().position(|room| field(room) == which);
    match (action, place) {
        ("up", Some(place)) if place > 0 => saved.draft.rooms.swap(place, place - 1),
        ("down", Some(place)) if place + 1 < saved.draft.rooms.len() => {
            saved.draft.rooms.swap(place, place + 1);
        }
        ("page", _) => number = which.parse().unwrap_or(1),
        _ => {}
    }
    let goes_on = action == "next" || (action.is_empty() && !wants_new);
    if goes_on && errors.is_empty() && saved.draft.rooms.is_empty() {
        let text = t.error_room_none().to_owned();
        errors.push(FieldError { field: "new".to_owned(), text });
    }
    if !errors.is_empty() {
        let typed = as_typed(&saved.draft, &form);
        let page = Page::with_form(&web, &browser, errors);
        return Ok(shown(page, &typed, number, new, false));
    }
    web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
    if goes_on {
        return Ok(see_other(&t.path(saved.draft.next_page())));
    }
    Ok(see_other(&format!("{}?page={number}", t.path("/register/rooms"))))
}

/// Names as they were typed. What is wrong is told at its field, and the name stays as it was.
fn rename(draft: &mut Draft, form: &Form, t: PageLanguage) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    for room in &mut draft.rooms {
        let id = field(room);
        let typed = form.all(&id).find(|(rest, _)| rest.is_empty()).map(|(_, typed)| typed);
        let wrong = match typed.map(names::name) {
            None => None,
            Some(Ok(name)) => {
                room.name = name;
                None
            }
            Some(Err(error)) => Some(name_problem(error, t, t.error_room_missing())),
        };
        let twice = !names.insert(room.name.clone()) && typed.is_some();
        let wrong = wrong.or_else(|| twice.then(|| t.error_room_twice().to_owned()));
        errors.extend(wrong.map(|text| FieldError { field: id, text }));
    }
    errors
}

fn add(draft: &mut Draft, typed: &str, t: PageLanguage) -> Result<(), String> {
    let name =
        names::name(typed).map_err(|error| name_problem(error, t, t.error_room_missing()))?;
    if draft.rooms.iter().any(|room| room.name == name) {
        return Err(t.error_room_twice().to_owned());
    }
    if draft.rooms.len() >= MAX_ROOMS {
        return Err(t.error_room_many().to_owned());
    }
    draft.rooms.push(Room::new(name));
    Ok(())
}

/// The rooms with the names that were typed, right or wrong.
fn as_typed(draft: &Draft, form: &Form) -> Draft {
    let mut draft = draft.clone();
    for room in &mut draft.rooms {
        let id = field(room);
        if let Some((_, typed)) = form.all(&id).find(|(rest, _)| rest.is_empty()) {
            room.name = typed.to_owned();
        }
    }
    draft
}
