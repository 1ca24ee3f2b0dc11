//! What everybody may read: what this is, guides, questions, contact.
//!
//! The words are in `templates/public`, one file for each page and language: prose that people who
//! write no Rust can mend. A page that lacks a language does not compile.

use std::sync::Arc;

use askama::Template;
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use storage::{Log, Store};

use super::{
    Web,
    browser::Browser,
    page::{Page, html},
};
use crate::language::PageLanguage;

/// Where they are.
pub const ABOUT: &str = "/about";
/// For operators.
pub const OPERATORS: &str = "/guide/operators";
/// For visitors.
pub const VISITORS: &str = "/guide/visitors";
/// Questions and answers.
pub const QUESTIONS: &str = "/faq";
/// Contact.
pub const CONTACT: &str = "/contact";

/// The pages in their order, with their names in the navigation.
pub fn navigation(t: PageLanguage) -> [(&'static str, &'static str); 5] {
    [
        (ABOUT, t.nav_about()),
        (VISITORS, t.nav_visitors()),
        (OPERATORS, t.nav_operators()),
        (QUESTIONS, t.nav_questions()),
        (CONTACT, t.nav_contact()),
    ]
}

/// One page: its template chooses the words by language.
macro_rules! page {
    ($name:ident $show:ident $path:literal) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $name {
            page: Page,
        }

        async fn $show<L: Log, S: Store>(
            State(web): State<Arc<Web<L, S>>>,
            browser: Browser,
        ) -> Response {
            html(StatusCode::OK, &$name { page: Page::new(&web, &browser) })
        }
    };
}

page!(About about "public/about.html");
page!(Operators operators "public/operators.html");
page!(Visitors visitors "public/visitors.html");
page!(Questions questions "public/faq.html");
page!(Contact contact "public/contact.html");

/// All of them, in one language.
pub(super) fn routes<L: Log, S: Store>() -> Router<Arc<Web<L, S>>> {
    Router::new()
        .route(ABOUT, get(about::<L, S>))
        .route(OPERATORS, get(operators::<L, S>))
        .route(VISITORS, get(visitors::<L, S>))
        .route(QUESTIONS, get(questions::<L, S>))
        .route(CONTACT, get(contact::<L, S>))
}
