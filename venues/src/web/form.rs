//! A form as it was sent.

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
    http::{HeaderMap, StatusCode, header},
};

use super::{browser::Browser, frame::Trouble};

/// The fields of a form of ours. Another site's, or one that this browser was not given, is
/// [`Trouble::Forbidden`].
#[derive(Clone, Debug, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    /// The file, where one was chosen.
    pub file: Option<Bytes>,
}

/// The field that carries the token.
pub const TOKEN: &str = "form_token";

impl Form {
    /// A field; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value)
    }

    /// All fields whose names begin so: the rest of their names, and their values, in order.
    pub fn all<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, &**value)))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &S) -> Result<Self, Trouble> {
        let browser = request.extensions().get::<Browser>().cloned().ok_or(Trouble::Unavailable)?;
        if !same_site(request.headers()) || !browser.known {
            return Err(Trouble::Forbidden);
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let form = match kind {
            Some(kind) if kind.starts_with("multipart/form-data") => {
                multipart(request, state).await?
            }
            _ => urlencoded(request, state).await?,
        };
        // Both are hashes of secrets: how long a comparison takes tells nothing about them.
        if form.get(TOKEN) != browser.cookie.form_token() {
            return Err(Trouble::Forbidden);
        }
        Ok(form)
    }
}

/// Whether the request comes from a page of ours, as far as the browser says so. Old browsers say
/// nothing: the token decides alone then.
fn same_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text("origin"), text("host")) {
        (None, _) => true,
        (Some("null"), _) => text("sec-fetch-site").is_some(),
        (Some(origin), host) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host
        }
    }
}

async fn urlencoded<S: Send + Sync>(request: Request, state: &S) -> Result<Form, Trouble> {
    let fields = axum::Form::<Vec<(String, String)>>::from_request(request, state).await;
    let fields = fields.map_err(|rejection| {
        use axum::response::IntoResponse;
        match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
            _ => Trouble::BadRequest,
        }
    })?;
    Ok(Form { fields: fields.0, file: None })
}

async fn multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Form, Trouble> {
    let failed = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
        _ => Trouble::BadRequest,
    };
    let mut parts =
        Multipart::from_request(request, state).await.map_err(|_| Trouble::BadRequest)?;
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(failed)? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(failed)?;
        if !is_file {
            let value = String::from_utf8(bytes.to_vec()).map_err(|_| Trouble::BadRequest)?;
            form.fields.push((name, value));
        } else if !bytes.is_empty() {
            form.file = Some(bytes);
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn only_pages_of_ours_send_forms() {
        let ask = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap()));
            same_site(&pairs.collect())
        };
        let host = ("host", "a.example");
        assert!(ask(&[host]));
        assert!(ask(&[host, ("origin", "https://a.example"), ("sec-fetch-site", "same-origin")]));
        assert!(ask(&[host, ("origin", "https://a.example")]));
        assert!(ask(&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!ask(&[host, ("origin", "null")]));
        assert!(!ask(&[host, ("origin", "https://b.example")]));
        assert!(!ask(&[host, ("origin", "https://a.example.b.example")]));
        assert!(!ask(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!ask(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!ask(&[host, ("sec-fetch-site", "none")]));
    }
}
