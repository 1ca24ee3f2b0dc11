//! One floor or room.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use schemas::registry::{Facility, Venue};
use storage::{Log, Store};

use super::{Done, Mine, Shown, name_taken, page_of, page_of_venue, state_of};
use crate::{
    changes, names,
    scans::Count,
    web::{
        Web,
        browser::Browser,
        facility::name_problem,
        flyers,
        form::Form,
        frame::Trouble,
        page::{FieldError, Page, html, of_day},
    },
};

#[derive(Template)]
#[template(path = "manage_venue.html")]
struct VenuePage {
    page: Page,
    done: Option<&'static str>,
    facility: String,
    /// The page of the facility.
    back: String,
    name: String,
    /// As typed.
    typed: String,
    /// Its page.
    at: String,
    code: String,
    state: Option<String>,
    in_use: bool,
    on_trial: bool,
    can_go: bool,
    flyers: Option<String>,
    days: Vec<DayRow>,
}

/// A day of the chart.
struct DayRow {
    day: String,
    count: String,
    /// Of its bar: 0 to [`WIDEST`].
    width: u64,
}

/// The width of the longest bar.
const WIDEST: u64 = 100;

/// Shows it.
pub async fn show<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, id)): Path<(String, String)>,
    Query(shown): Query<Shown>,
) -> Result<Response, Trouble> {
    let mine = web.mine(&browser, &facility).await?;
    let venue = mine.venue(&id)?;
    let page = Page::with_form(&web, &browser, Vec::new());
    render(&web, page, (&mine, venue), (shown, venue.name.clone())).await
}

async fn render<L: Log, S: Store>(
    web: &Web<L, S>,
    page: Page,
    (Mine { facility, .. }, venue): (&Mine, &Venue),
    (shown, typed): (Shown, String),
) -> Result<Response, Trouble> {
    let (t, now) = (page.t, (web.clock)());
    let mut counts = web.scans.per_day(venue.id, now).await?;
    // Of the days before it was added there is nothing to tell.
    counts.retain(|(day, _)| venue.since.is_none_or(|since| day.next().start() > since));
    let most = counts.iter().map(|(_, count)| shown_as(*count)).max().unwrap_or(0).max(1);
    let days = counts.into_iter().map(|(day, count)| DayRow {
        day: of_day(day, t),
        count: match count {
            Count::Scans(scans) => scans.to_string(),
            Count::Few => t.scans_few().to_owned(),
        },
        width: shown_as(count) * WIDEST / most,
    });
    let in_use = venue.accepts(venue.issue, now);
    let flyers = web.printable(facility).iter().any(|printable| printable.id == venue.id);
    let status = match page.errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let shown = VenuePage {
        done: shown.done(t),
        facility: facility.name.clone(),
        back: page_of(facility.id),
        name: venue.name.clone(),
        typed,
        at: page_of_venue(facility.id, venue.id),
        code: web.places.load().code(venue.id, venue.issue).to_string(),
        state: state_of(venue, now, t),
        in_use,
        on_trial: venue.trial.is_some_and(|trial| now < trial.until),
        can_go: facility.open_venues().count() > 1,
        flyers: flyers.then(|| format!("{}/{}", flyers::page_of(facility.id), venue.id)),
        days: days.collect(),
        page,
    };
    Ok(html(status, &shown))
}

/// How long a bar is: of fewer than ten there is none.
const fn shown_as(count: Count) -> u64 {
    match count {
        Count::Scans(scans) => scans,
        Count::Few => 0,
    }
}

/// Gives it another name.
pub async fn rename<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    let venue = mine.venue(&id)?;
    let typed = form.get("name");
    let renamed = match names::name(typed) {
        Ok(name) => {
            let rename = |facility: &mut Facility| changes::rename(facility, venue.id, &name);
            web.change(mine.facility.id, rename).await.map_err(|error| name_taken(error, t))
        }
        Err(error) => Err(Ok(name_problem(error, t, t.error_room_new()))),
    };
    let at = page_of_venue(mine.facility.id, venue.id);
    match renamed {
        Ok(_) => Ok(Done::Renamed.at(&at, t)),
        Err(Ok(text)) => {
            let errors = vec![FieldError { field: "name".to_owned(), text }];
            let mut page = Page::with_form(&web, &browser, errors);
            page.path = at;
            let shown = (Shown::default(), typed.to_owned());
            render(&web, page, (&mine, venue), shown).await
        }
        Err(Err(trouble)) => Err(trouble),
    }
}
