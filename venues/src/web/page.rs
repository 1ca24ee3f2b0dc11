//! What stands on every page.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::time::{EventTime, HOUR_MS};
use storage::{Log, Store};

use super::{Web, assets, browser::Browser, frame::Trouble};
use crate::{config::Authority, language::PageLanguage};

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

/// The day that it is in Japan.
pub fn day_in_japan(at: EventTime) -> jiff::civil::Date {
    // Nine hours ahead, the whole year.
    let at = jiff::Timestamp::from_millisecond(at.plus(9 * HOUR_MS).0).unwrap_or_default();
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// A date: `2020年8月25日(火)`, `Tuesday, 25 August 2020`.
pub fn date(at: EventTime, language: PageLanguage) -> String {
    let at = day_in_japan(at);
    let day = usize::try_from(at.weekday().to_sunday_zero_offset()).unwrap_or_default();
    match language {
        PageLanguage::English => at.strftime("%A, %-d %B %Y").to_string(),
        PageLanguage::Japanese | PageLanguage::Easy => {
            let day = ["日", "月", "火", "水", "木", "金", "土"].get(day).copied().unwrap_or_default();
            format!("{}年{}月{}日({day})", at.year(), at.month(), at.day())
        }
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
    }
}
