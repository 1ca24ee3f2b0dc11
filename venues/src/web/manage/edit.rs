//! What is said of a facility: the questions of registration once more, one page at a time.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use schemas::registry::{Facility, FacilityKind};
use storage::{Log, Store};

use super::{Done, Mine, page_of};
use crate::{
    draft::Draft,
    register,
    web::{
        Web,
        browser::Browser,
        facility::{self, Answers, Around},
        form::Form,
        frame::Trouble,
        page::{Page, see_other},
    },
};

fn around(page: &Page, Mine { facility, .. }: &Mine, asks: &str) -> Around {
    let at = page_of(facility.id);
    Around {
        step: "",
        title: page.t.edit_title(),
        action: page.to(&format!("{at}/{asks}")),
        button: page.t.edit_button(),
        back: Some(page.to(&at)),
    }
}

/// Asks.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
) -> Result<Response, Trouble> {
    let mine = web.mine(&browser, &facility).await?;
    let page = Page::with_form(&web, &browser, Vec::new());
    let answers = Answers::saved(&Draft::of(&mine.facility));
    let around = around(&page, &mine, "edit");
    Ok(facility::shown(page, around, answers, facility::Beside::default()))
}

/// Takes the answers, or looks up the postcode.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    let mut draft = Draft::of(&mine.facility);
    let (answers, errors, beside) = facility::taken(&form, &mut draft, t);
    if let Some(beside) = beside {
        let page = Page::with_form(&web, &browser, errors);
        let around = around(&page, &mine, "edit");
        return Ok(facility::shown(page, around, answers, beside));
    }
    let id = mine.facility.id;
    let facility = web.change(id, |facility: &mut Facility| {
        // What another tab has said of its days meanwhile stays.
        draft.days = facility.days;
        register::describe(facility, &draft);
        Ok(())
    });
    let facility = facility.await?;
    if facility.kind == FacilityKind::Event && facility.days.is_none() {
        return Ok(see_other(&t.path(&format!("{}/days", page_of(id)))));
    }
    Ok(Done::Edited.at(&page_of(id), t))
}

/// Asks for an event's days.
pub async fn ask_days<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
) -> Result<Response, Trouble> {
    let mine = event(&web, &browser, &facility).await?;
    let page = Page::with_form(&web, &browser, Vec::new());
    let around = around(&page, &mine, "days");
    let days = mine.facility.days.map(|days| (days.first().to_string(), days.last().to_string()));
    Ok(facility::shown_days(StatusCode::OK, page, around, days.unwrap_or_default()))
}

/// Takes an event's days.
pub async fn answer_days<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = event(&web, &browser, &facility).await?;
    match facility::days_of(&form, (web.clock)(), t) {
        Ok(days) => {
            let set = |facility: &mut Facility| {
                facility.days = Some(days).filter(|_| facility.kind == FacilityKind::Event);
                Ok(())
            };
            web.change(mine.facility.id, set).await?;
            Ok(Done::Edited.at(&page_of(mine.facility.id), t))
        }
        Err(errors) => {
            let page = Page::with_form(&web, &browser, errors);
            let around = around(&page, &mine, "days");
            let typed = (form.get("first").to_owned(), form.get("last").to_owned());
            Ok(facility::shown_days(StatusCode::UNPROCESSABLE_ENTITY, page, around, typed))
        }
    }
}

/// The facility, if it is an event.
async fn event<L: Log, S: Store>(
    web: &Web<L, S>,
    browser: &Browser,
    facility: &str,
) -> Result<Mine, Trouble> {
    let mine = web.mine(browser, facility).await?;
    match mine.facility.kind {
        FacilityKind::Event => Ok(mine),
        _ => Err(Trouble::NotFound),
    }
}
