//! What is asked for once more before it is done: what can't be taken back, and what visitors would
//! notice.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use schemas::{
    place_code::Issue,
    registry::{Facility, Venue},
    time::DAY_MS,
};
use storage::{
    Log, Store,
    rows::{TypedStore, operators::OperatorRow},
};

use super::{ALL, Done, Mine, page_of, page_of_venue};
use crate::{
    changes::{self, ChangeError},
    draft::Draft,
    language::PageLanguage,
    letter::{About, Letter},
    web::{
        Web,
        browser::Browser,
        form::Form,
        frame::Trouble,
        page::{Page, html, see_other},
    },
};

/// What becomes of a facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It is removed.
    Remove,
    /// A branch is registered like it.
    Copy,
}

/// What becomes of a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VenueAct {
    /// Its code is issued anew.
    Reissue,
    /// Its code is retired.
    Retire,
    /// It is removed.
    Remove,
    /// What was printed is tried out.
    Try,
    /// No more.
    EndTrial,
}

/// How long a code counts after it was issued anew: at once to its end, or some days.
const OVERLAPS: [(&str, i64); 3] = [("now", 0), ("week", 7), ("month", 28)];

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    page: Page,
    title: &'static str,
    subject: String,
    texts: Vec<String>,
    /// How long the old code counts, where that is asked.
    choices: Vec<(&'static str, &'static str)>,
    /// The issue that is decided about.
    issue: String,
    action: String,
    back: String,
    button: &'static str,
    danger: bool,
}

impl Act {
    fn parse(name: &str) -> Result<Self, Trouble> {
        match name {
            "remove" => Ok(Act::Remove),
            "copy" => Ok(Act::Copy),
            _ => Err(Trouble::NotFound),
        }
    }
}

impl VenueAct {
    fn parse(name: &str) -> Result<Self, Trouble> {
        match name {
            "reissue" => Ok(VenueAct::Reissue),
            "retire" => Ok(VenueAct::Retire),
            "remove" => Ok(VenueAct::Remove),
            "try" => Ok(VenueAct::Try),
            "end-trial" => Ok(VenueAct::EndTrial),
            _ => Err(Trouble::NotFound),
        }
    }

    const fn words(self, t: PageLanguage) -> (&'static str, &'static str, &'static str) {
        match self {
            VenueAct::Reissue => (t.reissue_title(), t.reissue_text(), t.reissue_button()),
            VenueAct::Retire => (t.retire_title(), t.retire_text(), t.retire_button()),
            VenueAct::Remove => {
                (t.remove_venue_title(), t.remove_venue_text(), t.remove_venue_button())
            }
            VenueAct::Try => (t.try_title(), t.try_text(), t.try_button()),
            VenueAct::EndTrial => (t.end_trial_title(), t.end_trial_text(), t.end_trial_button()),
        }
    }
}

/// Asks about a facility.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, act)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let Mine { operator, facility } = web.mine(&browser, &facility).await?;
    let page = Page::with_form(&web, &browser, Vec::new());
    let (title, texts, button) = match Act::parse(&act)? {
        Act::Remove => {
            let kept = t.remove_kept().replace("{days}", &web.site.retention_days.to_string());
            let texts = vec![t.remove_text().to_owned(), kept, t.remove_flyers().to_owned()];
            (t.remove_title(), texts, t.remove_button())
        }
        Act::Copy => {
            let mut texts = vec![t.copy_text().to_owned()];
            if web.drafts.read(&operator.id).await?.draft.is_under_way() {
                texts.push(t.copy_draft().to_owned());
            }
            (t.copy_title(), texts, t.copy_button())
        }
    };
    let confirm = ConfirmPage {
        title,
        subject: facility.name.clone(),
        texts,
        choices: Vec::new(),
        issue: String::new(),
        action: page.to(&format!("{}/do/{act}", page_of(facility.id))),
        back: page.to(&page_of(facility.id)),
        button,
        danger: act == "remove",
        page,
    };
    Ok(html(StatusCode::OK, &confirm))
}

/// Does it.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, act)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    match Act::parse(&act)? {
        Act::Remove => {
            remove(&web, &mine, t).await?;
            Ok(Done::Removed.at(ALL, t))
        }
        Act::Copy => {
            let mut saved = web.drafts.read(&mine.operator.id).await?;
            saved.draft = Draft::branch_of(&Draft::of(&mine.facility));
            web.drafts.save(&mine.operator.id, &saved, (web.clock)()).await?;
            Ok(see_other(&t.path(saved.draft.next_page())))
        }
    }
}

/// Removes a facility. First its codes end; whose it was goes last, so that whoever is interrupted
/// still finds it, and it is taken up again.
async fn remove<L: Log, S: Store>(
    web: &Web<L, S>,
    Mine { operator, facility }: &Mine,
    t: PageLanguage,
) -> Result<(), Trouble> {
    let now = (web.clock)();
    let gone = |facility: &mut Facility| {
        changes::remove(facility, now);
        Ok(())
    };
    web.change(facility.id, gone).await?;
    let saved = web.drafts.read(&operator.id).await?;
    if saved.draft.facility == facility.id {
        web.drafts.delete(&saved).await?;
    }
    let about = About::Removed(facility.id);
    let letter = Letter { to: operator.address.clone(), language: t.language(), about };
    if let Err(error) = web.outbox.post(&letter).await {
        // It is removed, and the page says so.
        tracing::warn!(%error, "a mail about a removal can't be kept");
    }
    let rows = web.store.all::<OperatorRow>(&operator.id).await?;
    let theirs = rows.iter().filter(|row| row.facility == facility.id);
    web.store.delete(theirs.map(|row| row.deletion(now)).collect()).await?;
    Ok(())
}

/// Asks about a venue.
pub async fn ask_of_venue<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, id, act)): Path<(String, String, String)>,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    let venue = mine.venue(&id)?;
    let kind = VenueAct::parse(&act)?;
    let page = Page::with_form(&web, &browser, Vec::new());
    let at = page_of_venue(mine.facility.id, venue.id);
    let (title, text, button) = kind.words(t);
    let choices = match kind {
        VenueAct::Reissue => {
            let label = |name| match name {
                "now" => t.reissue_now(),
                "week" => t.reissue_week(),
                _ => t.reissue_month(),
            };
            OVERLAPS.iter().map(|(name, _)| (*name, label(*name))).collect()
        }
        _ => Vec::new(),
    };
    let confirm = ConfirmPage {
        title,
        subject: format!("{} {}", mine.facility.name, venue.name),
        texts: vec![text.to_owned()],
        choices,
        issue: venue.issue.0.to_string(),
        action: page.to(&format!("{at}/do/{act}")),
        back: page.to(&at),
        button,
        danger: matches!(kind, VenueAct::Retire | VenueAct::Remove),
        page,
    };
    Ok(html(StatusCode::OK, &confirm))
}

/// Does it.
pub async fn answer_of_venue<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, id, act)): Path<(String, String, String)>,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let mine = web.mine(&browser, &facility).await?;
    let Venue { id: venue, .. } = *mine.venue(&id)?;
    let kind = VenueAct::parse(&act)?;
    let now = (web.clock)();
    let seen = form.get("issue").parse().ok().map(Issue);
    let overlap = OVERLAPS.iter().find(|(name, _)| *name == form.get("old"));
    // Whoever chose nothing gets what was chosen for them.
    let (_, days) = overlap.copied().unwrap_or(OVERLAPS[1]);
    let edit = |facility: &mut Facility| match kind {
        VenueAct::Reissue => changes::reissue(facility, venue, seen, now.plus(days * DAY_MS)),
        VenueAct::Retire => changes::retire(facility, venue, now),
        VenueAct::Remove => changes::remove_venue(facility, venue, now),
        VenueAct::Try => changes::try_out(facility, venue, now),
        VenueAct::EndTrial => changes::end_trial(facility, venue, now),
    };
    match web.change(mine.facility.id, edit).await {
        // A second press of the button: it has been done.
        Ok(_) | Err(ChangeError::Reissued) => {}
        Err(error) => return Err(error.into()),
    }
    let at = page_of_venue(mine.facility.id, venue);
    Ok(match kind {
        VenueAct::Reissue => Done::Reissued.at(&at, t),
        VenueAct::Retire => Done::Retired.at(&at, t),
        VenueAct::Remove => Done::VenueRemoved.at(&page_of(mine.facility.id), t),
        VenueAct::Try => Done::TrialBegun.at(&at, t),
        VenueAct::EndTrial => Done::TrialEnded.at(&at, t),
    })
}
