//! What an operator has registered, to look at and to change.
//!
//! ```text
//!  link in a mail ─▶ session ─▶ /manage ─▶ a facility ─▶ a floor or room
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`edit`] | what is said of a facility |
//! | [`venue`] | one floor or room: its name, its code, how often it is scanned |
//! | [`confirm`] | what is asked for once more before it is done |

pub mod confirm;
pub mod edit;
pub mod venue;

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use schemas::{
    ids::{FacilityId, VenueId},
    registry::{Facility, Registry, Venue},
    time::{DAY_MS, EventTime},
};
use serde::Deserialize;
use storage::{Log, Store, rows::TypedStore, rows::operators::OperatorRow};

use super::{
    Web,
    browser::Browser,
    flyers,
    form::Form,
    frame::Trouble,
    page::{FieldError, Page, html, moment, of_days, see_other},
    rooms::{ROOMS_OF_A_PAGE, pages},
    rooms_file,
};
use crate::{
    changes::{self, ChangeError},
    fields::show_postcode,
    language::PageLanguage,
    names,
    operator::Operator,
    scans::SILENT_DAYS,
};

/// Everything an operator has registered.
pub const ALL: &str = "/manage";

/// The page of a facility.
pub(super) fn page_of(facility: FacilityId) -> String {
    format!("{ALL}/{facility}")
}

/// The page of one of its venues.
pub(super) fn page_of_venue(facility: FacilityId, venue: VenueId) -> String {
    format!("{ALL}/{facility}/{venue}")
}

/// A facility, and the operator whose it is.
pub(crate) struct Mine {
    /// The operator.
    pub(crate) operator: Operator,
    /// The facility, as it is now.
    pub(crate) facility: Facility,
}

impl Mine {
    /// One of its venues.
    pub(super) fn venue(&self, id: &str) -> Result<&Venue, Trouble> {
        let found = self.facility.open_venues().find(|venue| venue.id.to_string() == id);
        found.ok_or(Trouble::NotFound)
    }
}

impl<L: Log, S: Store> Web<L, S> {
    /// The facility, if it is this operator's. Whether others have it is not told.
    pub(crate) async fn mine(&self, browser: &Browser, facility: &str) -> Result<Mine, Trouble> {
        let operator = self.operator(browser).await?;
        let id: FacilityId = facility.parse().map_err(|_| Trouble::NotFound)?;
        let rows = self.store.all::<OperatorRow>(&operator.id).await?;
        if !rows.iter().any(|row| row.facility == id) {
            return Err(Trouble::NotFound);
        }
        // Registered a moment ago, through another process: we may not have read it yet.
        let facility = self.registry.read(|registry| registry.facility(id).cloned());
        let facility = facility.ok_or(Trouble::Busy)?;
        match facility.removed {
            None => Ok(Mine { operator, facility }),
            Some(_) => Err(Trouble::NotFound),
        }
    }

    /// Changes a facility; one change after the other, so that of two tabs neither is lost.
    pub(crate) async fn change(
        &self,
        id: FacilityId,
        edit: impl FnOnce(&mut Facility) -> Result<(), ChangeError>,
    ) -> Result<Facility, ChangeError> {
        let _one_at_a_time = self.changing.lock().await;
        changes::change(&self.registry, id, (self.clock)(), edit).await
    }
}

/// What has just been done; in the address of the page that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// What is said of the facility was changed.
    Edited,
    /// A floor or room was added.
    Added,
    /// One got another name.
    Renamed,
    /// Its code was issued anew.
    Reissued,
    /// Its code was retired.
    Retired,
    /// It was removed.
    VenueRemoved,
    /// What was printed is tried out.
    TrialBegun,
    /// No more.
    TrialEnded,
    /// The facility was removed.
    Removed,
}

impl Done {
    const ALL: [Done; 9] = [
        Done::Edited,
        Done::Added,
        Done::Renamed,
        Done::Reissued,
        Done::Retired,
        Done::VenueRemoved,
        Done::TrialBegun,
        Done::TrialEnded,
        Done::Removed,
    ];

    const fn text(self, t: PageLanguage) -> &'static str {
        match self {
            Done::Edited => t.done_edited(),
            Done::Added => t.done_added(),
            Done::Renamed => t.done_renamed(),
            Done::Reissued => t.done_reissued(),
            Done::Retired => t.done_retired(),
            Done::VenueRemoved => t.done_venue_removed(),
            Done::TrialBegun => t.done_trial_begun(),
            Done::TrialEnded => t.done_trial_ended(),
            Done::Removed => t.done_removed(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Done::Edited => "edited",
            Done::Added => "added",
            Done::Renamed => "renamed",
            Done::Reissued => "reissued",
            Done::Retired => "retired",
            Done::VenueRemoved => "venue-removed",
            Done::TrialBegun => "trial-begun",
            Done::TrialEnded => "trial-ended",
            Done::Removed => "removed",
        }
    }

    /// Leads to a page that says so.
    pub(super) fn at(self, page: &str, t: PageLanguage) -> Response {
        see_other(&format!("{}?done={}", t.path(page), self.name()))
    }
}

/// What a page is asked to show.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Shown {
    page: Option<usize>,
    /// The name of what has just been done.
    #[serde(default)]
    done: String,
}

impl Shown {
    /// What to say of what has just been done.
    pub(super) fn done(&self, t: PageLanguage) -> Option<&'static str> {
        Done::ALL.iter().find(|done| done.name() == self.done).map(|done| done.text(t))
    }
}

#[derive(Template)]
#[template(path = "manage.html")]
struct AllPage {
    page: Page,
    mail: String,
    done: Option<&'static str>,
    facilities: Vec<Entry>,
}

struct Entry {
    name: String,
    at: String,
    venues: usize,
    state: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "manage_facility.html")]
struct FacilityPage {
    page: Page,
    done: Option<&'static str>,
    name: String,
    /// Its page.
    at: String,
    notices: Vec<String>,
    answers: Vec<(&'static str, String)>,
    flyers: Option<String>,
    rows: Vec<Row>,
    total: usize,
    number: usize,
    pages: usize,
    new: String,
}

struct Row {
    name: String,
    code: String,
    at: String,
    states: Vec<String>,
}

/// Why the codes of a facility don't count now, if they don't.
fn hindrance(
    registry: &Registry,
    facility: &Facility,
    (now, t): (EventTime, PageLanguage),
) -> Option<&'static str> {
    let standing = registry.standing(facility.id);
    if standing.is_some_and(|standing| standing.suspension_at(now).is_some()) {
        Some(t.state_suspended())
    } else if registry.is_awaiting_admission(facility, now) {
        Some(t.state_awaiting())
    } else if facility.days.is_some_and(|days| days.codes_end() <= now) {
        Some(t.state_over())
    } else {
        None
    }
}

/// How a venue's code is, where there is something to say of it.
pub(super) fn state_of(venue: &Venue, now: EventTime, t: PageLanguage) -> Option<String> {
    if !venue.accepts(venue.issue, now) {
        return Some(t.state_retired().to_owned());
    }
    let trial = venue.trial.filter(|trial| now < trial.until)?;
    Some(t.state_trial().replace("{until}", &moment(trial.until, t)))
}

/// Shows everything an operator has registered.
pub async fn all<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Query(shown): Query<Shown>,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let now = (web.clock)();
    let rows = web.store.all::<OperatorRow>(&operator.id).await?;
    let (facilities, gone) = web.registry.read(|registry| {
        let mut gone = Vec::new();
        let mut facilities = Vec::new();
        for row in &rows {
            match registry.facility(row.facility) {
                Some(facility) if facility.removed.is_some() => gone.push(row.deletion(now)),
                Some(facility) => facilities.push(Entry {
                    name: facility.name.clone(),
                    at: page_of(facility.id),
                    venues: facility.open_venues().count(),
                    state: hindrance(registry, facility, (now, t)),
                }),
                None => {}
            }
        }
        (facilities, gone)
    });
    if !gone.is_empty() {
        // Whoever removed them died before this.
        web.store.delete(gone).await?;
    }
    let page = Page::with_form(&web, &browser, Vec::new());
    let done = shown.done(t);
    Ok(html(StatusCode::OK, &AllPage { page, mail: operator.address, done, facilities }))
}

/// Shows a facility.
pub async fn facility<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Trouble> {
    let mine = web.mine(&browser, &facility).await?;
    let page = Page::with_form(&web, &browser, Vec::new());
    show(&web, page, &mine, (shown, String::new())).await
}

async fn show<L: Log, S: Store>(
    web: &Web<L, S>,
    page: Page,
    Mine { facility, .. }: &Mine,
    (shown, new): (Shown, String),
) -> Result<Response, Trouble> {
    let (t, now) = (page.t, (web.clock)());
    let venues: Vec<&Venue> = facility.open_venues().collect();
    let total = venues.len();
    let pages = pages(total);
    let number = shown.page.unwrap_or(1).clamp(1, pages);
    let places = web.places.load();
    let listed = venues.into_iter().skip((number - 1) * ROOMS_OF_A_PAGE).take(ROOMS_OF_A_PAGE);
    let listed: Vec<&Venue> = listed.collect();
    let hindrance = web.registry.read(|registry| {
        let text = hindrance(registry, facility, (now, t));
        let standing = registry.standing(facility.id);
        let reason = standing.and_then(|standing| standing.suspension_at(now));
        text.map(|text| (text, reason.map(|suspension| suspension.reason.clone())))
    });
    let in_use = |venue: &&&Venue| venue.accepts(venue.issue, now);
    // Nobody can have scanned what does not count, and what is new has had no time.
    let old =
        |venue: &&&Venue| venue.since.is_none_or(|since| since.plus(SILENT_DAYS * DAY_MS) <= now);
    let looked_at: Vec<VenueId> = match hindrance {
        Some(_) => Vec::new(),
        None => listed.iter().filter(in_use).filter(old).map(|venue| venue.id).collect(),
    };
    let silent = web.scans.silent(looked_at, now).await?;
    let row = |venue: &&Venue| {
        let hint = silent.contains(&venue.id).then(|| t.state_silent().to_owned());
        Row {
            name: venue.name.clone(),
            code: places.code(venue.id, venue.issue).to_string(),
            at: page_of_venue(facility.id, venue.id),
            states: state_of(venue, now, t).into_iter().chain(hint).collect(),
        }
    };
    let notices = hindrance.map(|(text, reason)| match reason {
        Some(reason) => format!("{text} {}: {reason}", t.notice_reason()),
        None => text.to_owned(),
    });
    let flyers = !web.printable(facility).is_empty();
    let flyers = flyers.then(|| flyers::page_of(facility.id));
    let status = match page.errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let shown = FacilityPage {
        done: shown.done(t),
        name: facility.name.clone(),
        at: page_of(facility.id),
        notices: notices.into_iter().collect(),
        answers: answers(facility, t),
        flyers,
        rows: listed.iter().map(row).collect(),
        total,
        number,
        pages,
        new,
        page,
    };
    Ok(html(status, &shown))
}

/// What is said of a facility, in words.
fn answers(facility: &Facility, t: PageLanguage) -> Vec<(&'static str, String)> {
    let mut answers = vec![
        (t.done_reference(), facility.id.to_string()),
        (t.facility_kind(), super::facility::kind_name(facility.kind, t).to_owned()),
    ];
    if let Some(days) = facility.days {
        answers.push((t.check_days(), of_days(days, t)));
    }
    if let Some(details) = &facility.details {
        answers.extend([
            (t.facility_kana(), details.kana.clone()),
            (t.facility_postcode(), show_postcode(&details.postcode)),
            (t.facility_address(), details.address.clone()),
            (t.facility_phone(), details.phone.clone()),
        ]);
    }
    answers
}

/// Adds a floor or a room.
pub async fn add<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    let new = form.get("new");
    let added = match names::name(new) {
        Ok(name) => {
            let now = (web.clock)();
            let add = |facility: &mut Facility| changes::add(facility, &[name], now);
            web.change(mine.facility.id, add).await.map_err(|error| name_taken(error, t))
        }
        Err(error) => Err(Ok(super::facility::name_problem(error, t, t.error_room_new()))),
    };
    match added {
        Ok(_) => Ok(Done::Added.at(&page_of(mine.facility.id), t)),
        Err(Ok(text)) => {
            let errors = vec![FieldError { field: "new".to_owned(), text }];
            let mut page = Page::with_form(&web, &browser, errors);
            page.path = page_of(mine.facility.id);
            show(&web, page, &mine, (Shown::default(), new.to_owned())).await
        }
        Err(Err(trouble)) => Err(trouble),
    }
}

/// What whoever typed a name is told, or the error page.
pub(super) fn name_taken(error: ChangeError, t: PageLanguage) -> Result<String, Trouble> {
    match error {
        ChangeError::NameTaken => Ok(t.error_room_twice().to_owned()),
        ChangeError::TooMany => Ok(t.error_room_many().to_owned()),
        other => Err(other.into()),
    }
}

/// The pages, in one language.
pub(super) fn routes<L: Log, S: Store>() -> Router<Arc<Web<L, S>>> {
    Router::new()
        .route("/manage", get(all::<L, S>))
        .route("/manage/{facility}", get(facility::<L, S>))
        .route("/manage/{facility}/add", post(add::<L, S>))
        .route(
            "/manage/{facility}/file",
            get(rooms_file::ask_more::<L, S>).post(rooms_file::answer_more::<L, S>),
        )
        .route("/manage/{facility}/edit", get(edit::ask::<L, S>).post(edit::answer::<L, S>))
        .route(
            "/manage/{facility}/days",
            get(edit::ask_days::<L, S>).post(edit::answer_days::<L, S>),
        )
        .route(
            "/manage/{facility}/do/{act}",
            get(confirm::ask::<L, S>).post(confirm::answer::<L, S>),
        )
        .route("/manage/{facility}/{venue}", get(venue::show::<L, S>))
        .route("/manage/{facility}/{venue}/name", post(venue::rename::<L, S>))
        .route(
            "/manage/{facility}/{venue}/do/{act}",
            get(confirm::ask_of_venue::<L, S>).post(confirm::answer_of_venue::<L, S>),
        )
}
