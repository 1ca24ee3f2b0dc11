//! A browser for tests: keeps cookies, fills in forms as they were shown, reads mails.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use schemas::{place_code::PlaceKeys, registry::Registry};
use storage::{
    embedded::{Clock, Embedded, EmbeddedConfig, EmbeddedStore, system_clock},
    follow::Follower,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use venues::{
    Config,
    config::{Authority, Mail},
    flyer::{Account, Design},
    mail::Postman,
    web::{self, Deps, Site, Web},
};

/// The pages, on a store of their own.
pub struct Pages {
    pub router: Router,
    pub registry: Follower<storage::embedded::EmbeddedLog, Registry>,
    pub places: Arc<ArcSwap<PlaceKeys>>,
    pub store: EmbeddedStore,
    pub mailbox: PathBuf,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn pages(config: Config) -> Pages {
    pages_at(config, system_clock()).await
}

/// The pages, with a clock.
pub async fn pages_at(config: Config, clock: Clock) -> Pages {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let on_disk = EmbeddedConfig { clock: Arc::clone(&clock), ..EmbeddedConfig::default() };
    let embedded = Embedded::open(&data, on_disk).await.expect("opens");
    let mailbox = data.join("mailbox");
    let postman = Postman::new(&Mail::default(), Some(&data)).expect("a postman");
    pages_with(config, (dir, embedded, mailbox), postman, clock).await
}

pub async fn pages_with(
    config: Config,
    (dir, embedded, mailbox): (tempfile::TempDir, Embedded, PathBuf),
    postman: Postman,
    clock: Clock,
) -> Pages {
    let stop = CancellationToken::new();
    let places = Arc::new(ArcSwap::from_pointee(PlaceKeys::first([3; 32])));
    let authority = Authority {
        name: "見本県".to_owned(),
        division: "感染症対策課".to_owned(),
        phone: "045-000-0000".to_owned(),
        ..Authority::default()
    };
    let site = Site::new(&config, authority, &Mail::default(), ([127, 0, 0, 1], 8083).into());
    let deps = Deps {
        log: embedded.log(),
        store: embedded.store(),
        places: Arc::clone(&places),
        postman,
        design: Some(design()),
        clock,
    };
    let web = Web::new(&config, site, deps, &stop);
    let router = web::router(Arc::clone(&web));
    let (ready, mut is_ready) = tokio::sync::watch::channel(false);
    let until = stop.clone();
    tokio::spawn(async move { web.run(ready, until).await });
    is_ready.wait_for(|ready| *ready).await.expect("it gets ready");
    let registry = Follower::start(embedded.log(), &stop);
    Pages { router, registry, places, store: embedded.store(), mailbox, stop, _dir: dir }
}

/// What flyers have in common.
fn design() -> Design {
    let (id, name) = ("@anshin-test".to_owned(), "見本県 安心みえるLINE".to_owned());
    Design { account: Account { id, name, icon: None }, languages: Vec::new(), contact: None }
}

/// What a browser got.
pub struct Shown {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Shown {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&mark).map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// The value of a field that can be seen.
    pub fn value(&self, id: &str) -> String {
        let mark = format!("<input id=\"{id}\"");
        let rest = self.text.split_once(&mark).map_or("", |(_, rest)| rest);
        let tag = rest.split('>').next().unwrap_or_default();
        let value = tag.split_once("value=\"").map_or("", |(_, value)| value);
        value.split('"').next().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn has(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text} is not in {}", self.text);
        self
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

#[derive(Clone)]
pub struct Browser {
    router: Router,
    cookies: Vec<(String, String)>,
    pub peer: SocketAddr,
}

impl Browser {
    pub fn new(pages: &Pages) -> Self {
        let peer = ([192, 0, 2, 1], 40_000).into();
        Self { router: pages.router.clone(), cookies: Vec::new(), peer }
    }

    pub async fn get(&mut self, path: &str) -> Shown {
        self.ask(Request::get(path), Body::empty()).await
    }

    /// Opens a page, fills in its form, and sends it.
    pub async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let shown = self.get(path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}: {}", shown.text);
        self.send(path, &shown, fields).await
    }

    /// Sends a form that was shown.
    pub async fn send(&mut self, path: &str, shown: &Shown, fields: &[(&str, &str)]) -> Shown {
        let token = shown.hidden("form_token");
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::HOST, "127.0.0.1:8083")
            .header(header::ORIGIN, "http://127.0.0.1:8083")
            .header("sec-fetch-site", "same-origin");
        self.ask(request, Body::from(body.join("&"))).await
    }

    /// Sends a file.
    pub async fn upload(&mut self, path: &str, file: &[u8]) -> Shown {
        let token = self.get(path).await.hidden("form_token");
        let mut body = format!(
            "--x\r\ncontent-disposition: form-data; name=\"form_token\"\r\n\r\n{token}\r\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"rooms.csv\"\r\ncontent-type: text/csv\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--x--\r\n");
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        self.ask(request, Body::from(body)).await
    }

    pub async fn ask(&mut self, request: axum::http::request::Builder, body: Body) -> Shown {
        let (parts, body) = self.answer(request, body).await.into_parts();
        let bytes = to_bytes(body, 10 << 20).await.expect("a body");
        assert!(bytes.len() <= 100 << 10, "a page of {} bytes", bytes.len());
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Shown { status: parts.status, headers: parts.headers, text }
    }

    /// Downloads a file: its headers, and what is in it.
    pub async fn file(&mut self, path: &str) -> (HeaderMap, Vec<u8>) {
        let (parts, body) = self.answer(Request::get(path), Body::empty()).await.into_parts();
        let bytes = to_bytes(body, 100 << 20).await.expect("a body");
        assert_eq!(parts.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
        (parts.headers, bytes.to_vec())
    }

    /// An answer whose body was not read yet.
    pub async fn answer(&mut self, request: axum::http::request::Builder, body: Body) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header(header::COOKIE, cookies.join("; ")),
        };
        let mut request = request.body(body).expect("a request");
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let method = request.method().clone();
        let path = request.uri().to_string();
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            assert_ne!((&method, path.as_str()), (&Method::GET, "/static/style-3.css"));
            let cookie = cookie.to_str().expect("ASCII");
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite"), "{cookie}");
            let (name, value) =
                cookie.split(';').next().and_then(|c| c.split_once('=')).expect("=");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        response
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The mails so far, oldest first.
pub fn mails(pages: &Pages) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(&pages.mailbox) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a mail")).collect()
}

/// The path of the link in the newest mail.
pub fn link(pages: &Pages) -> String {
    let mail = mails(pages).pop().expect("a mail");
    let at = mail.find("http://127.0.0.1:8083").expect("a link");
    let rest = &mail[at + "http://127.0.0.1:8083".len()..];
    rest.split_whitespace().next().expect("a path").to_owned()
}

/// A browser whose operator has opened a link.
pub async fn let_in(pages: &Pages, address: &str) -> Browser {
    let mut browser = Browser::new(pages);
    browser.fill("/register", &[("mail", address)]).await.is(303);
    let link = link(pages);
    let opened = browser.fill(&link, &[]).await;
    opened.is(303);
    assert_eq!(opened.location(), "/register/continue");
    browser
}

pub const CAFE: [(&str, &str); 6] = [
    ("name", "カフェこもれび　駅前店"),
    ("kana", "かふぇこもれび"),
    ("kind", "restaurant"),
    ("postcode", "２３１ー０００１"),
    ("address", "神奈川県横浜市中区新港１−２−３"),
    ("phone", "（０４５）１２３−４５６７"),
];
