//! The one stylesheet: the Digital Agency's design tokens (MIT), and ours made of them.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

const STYLE: &str = concat!(
    include_str!("../../assets/tokens.css"),
    include_str!("../../assets/style.css"),
    include_str!("../../assets/public.css")
);

/// Where it is. Whoever changes it gives it the next number: browsers keep it for a year.
pub const PATH: &str = "/static/style-3.css";

/// The stylesheet.
pub async fn stylesheet() -> Response {
    let css = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, css)], STYLE).into_response()
}
