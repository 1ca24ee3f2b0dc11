//! What stands on every page.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{
    registry::EventDays,
    service::ServiceState,
    time::{Day, EventTime},
};
use storage::{Log, Store};

use super::{Web, assets, browser::Browser, frame::Trouble, public};
use crate::{
    config::Authority,
    language::PageLanguage,
    service::{self, Notice},
};

/// The type of a page.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What the frame of a page needs.
#[derive(Clone, Debug)]
pub struct Page {
    /// The texts, in the language of the page.
    pub t: PageLanguage,
    /// Whose page it is.
    pub authority: Authority,
    /// The page, without its language.
    pub path: String,
    /// The form's token.
    pub form_token: String,
    /// Every error on it, for its summary. With any, the title begins with "エラー:".
    pub errors: Vec<FieldError>,
    /// Today, in words.
    pub today: String,
    /// What is said while the service does not run.
    pub notice: Option<Notice>,
    /// For how long visits are kept.
    pub retention_days: u32,
    /// The LINE account's id, with its `@`, or empty.
    pub account_id: String,
}

/// An error at a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The id of the field.
    pub field: String,
    /// What is wrong and what to do, in the language of the page.
    pub text: String,
}

impl Page {
    /// A page without a form.
    pub fn new<L: Log, S: Store>(web: &Web<L, S>, browser: &Browser) -> Self {
        Self {
            t: browser.language,
            authority: web.site.authority.clone(),
            path: browser.page.clone(),
            form_token: String::new(),
            errors: Vec::new(),
            today: date((web.clock)(), browser.language),
            notice: service::notice(&web.registry, (web.clock)()),
            retention_days: web.site.retention_days,
            account_id: web.site.account_id.clone(),
        }
    }

    /// A page with a form, and what is wrong with what was entered.
    pub fn with_form<L: Log, S: Store>(
        web: &Web<L, S>,
        browser: &Browser,
        errors: Vec<FieldError>,
    ) -> Self {
        Self { form_token: browser.form_token(), errors, ..Self::new(web, browser) }
    }

    /// Where the stylesheet is.
    pub fn stylesheet(&self) -> &'static str {
        assets::PATH
    }

    /// The address of a page, in the language of this one.
    pub fn to(&self, page: &str) -> String {
        self.t.path(page)
    }

    /// The address of this page in another language.
    pub fn this_in(&self, language: &PageLanguage) -> String {
        language.path(&self.path)
    }

    /// What the service's state means for whoever reads.
    pub fn notice_text(&self, notice: &Notice) -> &'static str {
        match notice.state {
            ServiceState::Preparing => self.t.notice_preparing(),
            ServiceState::Suspended | ServiceState::Running => self.t.notice_suspended(),
            ServiceState::Ended => self.t.notice_ended(),
        }
    }

    /// The public pages, with their names.
    pub fn navigation(&self) -> [(&'static str, &'static str); 5] {
        public::navigation(self.t)
    }

    /// Where feedback goes.
    pub fn feedback(&self) -> Option<String> {
        match (&self.authority.feedback, &self.authority.mail) {
            (url, _) if !url.is_empty() => Some(url.clone()),
            (_, mail) if !mail.is_empty() => Some(format!("mailto:{mail}")),
            _ => None,
        }
    }

    /// The languages of the switch.
    pub fn languages(&self) -> [PageLanguage; 3] {
        PageLanguage::ALL
    }

    /// The error at a field.
    pub fn error(&self, field: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| error.field == field);
        error.map(|error| error.text.as_str())
    }
}

/// A date: `2020年8月25日(火)`, `Tuesday, 25 August 2020`.
pub fn date(at: EventTime, language: PageLanguage) -> String {
    of_day(at.day_in_japan(), language)
}

/// A day in words.
pub fn of_day(day: Day, language: PageLanguage) -> String {
    match language {
        PageLanguage::English => day.to_english(),
        PageLanguage::Japanese | PageLanguage::Easy => day.to_japanese(),
    }
}

/// An event's days in words.
pub fn of_days(days: EventDays, language: PageLanguage) -> String {
    format!("{} – {}", of_day(days.first(), language), of_day(days.last(), language))
}

/// A moment: `2020年8月25日(火) 12:03`, `12:03 on Tuesday, 25 August 2020`.
pub fn moment(at: EventTime, language: PageLanguage) -> String {
    let japanese = at.to_japanese();
    match language {
        PageLanguage::English => {
            let clock = japanese.rsplit(' ').next().unwrap_or_default();
            format!("{clock} on {}", at.day_in_japan().to_english())
        }
        PageLanguage::Japanese | PageLanguage::Easy => japanese,
    }
}

/// Instead of a page.
#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage {
    pub(super) page: Page,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) leads_to: String,
}

/// After a form: the browser asks for another page, and going back sends nothing twice.
pub fn see_other(path: &str) -> Response {
    // Our own paths are ASCII.
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A page as an answer.
pub fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, HTML)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page can't be made");
            Trouble::Unavailable.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_people_write_them() {
        let at = EventTime::parse_rfc3339("2020-08-25T00:30:00+09:00").unwrap();
        assert_eq!(date(at, PageLanguage::Japanese), "2020年8月25日(火)");
        assert_eq!(date(at, PageLanguage::English), "Tuesday, 25 August 2020");
        assert_eq!(moment(at, PageLanguage::Japanese), "2020年8月25日(火) 0:30");
        assert_eq!(moment(at, PageLanguage::English), "0:30 on Tuesday, 25 August 2020");
    }
}
