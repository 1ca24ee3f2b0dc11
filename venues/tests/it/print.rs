//! Operators print flyers of what they registered, and of nothing else.

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use schemas::registry::Facility;
use venues::{Config, flyer::check_in_url, web::flyers::FILES_AT_ONCE};

use crate::{
    browser::{Browser, CAFE, Pages, let_in, pages},
    flyers::photograph::{self, Grey},
    journey::registered,
};

/// The one facility that is there.
pub fn facility(pages: &Pages) -> Facility {
    pages.registry.read(|registry| registry.facilities().next().cloned()).expect("a facility")
}

/// Registers the café with so many floors.
pub async fn with_floors(pages: &Pages, browser: &mut Browser, floors: usize) -> Facility {
    browser.fill("/register/facility", &CAFE).await.is(303);
    let list: String = (1..=floors).map(|n| format!("{n}階\r\n")).collect();
    browser.upload("/register/rooms/file", list.as_bytes()).await.is(303);
    browser.fill("/register/rooms", &[("do", "next")]).await.is(303);
    let check = browser.get("/register/check").await;
    let answers = check.hidden("answers");
    browser.send("/register/check", &check, &[("answers", &answers)]).await.is(303);
    pages.registry.caught_up().await.expect("the registry");
    facility(pages)
}

fn header(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers[name].to_str().expect("ASCII").to_owned()
}

/// The addresses that a page leads to and that have a text in them.
fn links(page: &str, with: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
    links.filter(|link| link.contains(with)).map(|link| link.replace("&#38;", "&")).collect()
}

fn urls(pages: &Pages, facility: &Facility) -> Vec<String> {
    let places = pages.places.load();
    let codes = facility.venues.iter().map(|venue| places.code(venue.id, venue.issue));
    codes.map(|code| check_in_url("@anshin-test", &code).expect("an address")).collect()
}

#[tokio::test]
async fn one_room_is_printed_in_every_format() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let done = registered(&pages, &mut browser, &CAFE).await;
    let facility = facility(&pages);
    let at = format!("/flyers/{}", facility.id);
    assert_eq!(links(&done, "/flyers/"), [&*at]);
    for (language, words) in [
        ("", "何枚印刷して貼ってもかまいません"),
        ("/easy", "何枚（なんまい） はっても いいです"),
        ("/en", "as many copies of one code as you like"),
    ] {
        let page = browser.get(&format!("{language}{at}")).await;
        page.is(200).has(words).has("カフェこもれび 駅前店");
        assert_eq!(links(&page.text, "/files/").len(), 2 * 9, "to look at and to save, each");
    }
    let page = browser.get(&at).await.text;
    for link in links(&page, "/files/") {
        let (headers, bytes) = browser.file(&link).await;
        let (kind, disposition) =
            (header(&headers, header::CONTENT_TYPE), header(&headers, header::CONTENT_DISPOSITION));
        let (shown, extension) = match kind.as_str() {
            "application/pdf" => (photograph::printed(&bytes, None), "pdf"),
            "image/png" => (vec![Grey::from_png(&bytes).halved()], "png"),
            other => panic!("{link} is {other}"),
        };
        assert_eq!(shown.len(), 1, "{link}");
        let read = photograph::zbar(&shown);
        assert!(!read.is_empty() && read.iter().all(|url| *url == urls(&pages, &facility)[0]));
        let saved = link.ends_with("&save=1");
        assert!(disposition.starts_with(if saved { "attachment; " } else { "inline; " }), "{link}");
        // カフェこもれび_駅前店_…
        assert!(disposition.contains("filename*=UTF-8''%E3%82%AB%E3%83%95%E3%82%A7"));
        assert!(disposition.ends_with(&format!(".{extension}")), "{disposition}");
        assert_eq!(header(&headers, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(&headers, header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn floors_are_printed_together_in_parts_and_one_by_one() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let facility = with_floors(&pages, &mut browser, 103).await;
    let at = format!("/flyers/{}", facility.id);
    let page = browser.get(&at).await;
    page.is(200).has("1–100").has("1–20").has("101–103");
    let mut read = Vec::new();
    for link in links(&page.text, "/files/a5?").iter().filter(|link| link.contains("save")) {
        let (headers, bytes) = browser.file(link).await;
        assert_eq!(header(&headers, header::CONTENT_TYPE), "application/pdf");
        read.extend(photograph::zbar(&photograph::printed(&bytes, None)));
    }
    assert_eq!(read, urls(&pages, &facility), "every floor, in the operator's order");
    let pictures = links(&page.text, "/files/photo-l?");
    assert!(pictures.iter().all(|link| link.contains("save")), "nobody looks at an archive");
    let mut files = 0;
    for link in pictures {
        let (headers, bytes) = browser.file(&link).await;
        assert_eq!(header(&headers, header::CONTENT_TYPE), "application/zip");
        files += photograph::files_of(&bytes);
    }
    assert_eq!(files, 103);
    // One of them.
    let second = browser.get(&format!("{at}?page=2")).await;
    let floor = links(&second.is(200).text, &format!("{at}/")).into_iter();
    let floor: Vec<_> = floor.filter(|link| !link.contains("/files/")).collect();
    assert_eq!(floor.len(), 50);
    let page = browser.get(&floor[0]).await;
    page.is(200).has("51階").has(&at);
    let (headers, bytes) = browser.file(&links(&page.text, "/files/a4?")[0]).await;
    let read = photograph::zbar(&photograph::printed(&bytes, None));
    assert_eq!(read, urls(&pages, &facility)[50..51]);
    assert!(header(&headers, header::CONTENT_DISPOSITION).contains("_51%E9%9A%8E_a4.pdf"));
    for nothing in ["files/a4?part=3", "files/a4?part=0", "files/a3", "x", "files/a4?venue=x"] {
        browser.get(&format!("{at}/{nothing}")).await.is(404);
    }
}

#[tokio::test]
async fn a_thousand_rooms_have_a_page_that_a_phone_can_load() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let facility = with_floors(&pages, &mut browser, 1_000).await;
    let at = format!("/en/flyers/{}", facility.id);
    browser.get(&at).await.is(200).has("901–1000").has("981–1000");
    let (_, last) = browser.file(&format!("{at}/files/a5?part=10")).await;
    assert!(photograph::text(&last).contains("1000階"));
    browser.get(&format!("{at}/files/a5?part=11")).await.is(404);
}

#[tokio::test]
async fn nobody_else_gets_them() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    registered(&pages, &mut browser, &CAFE).await;
    let facility = facility(&pages);
    let venue = facility.venues[0].id;
    let at = format!("/flyers/{}", facility.id);
    let paths = [at.clone(), format!("{at}/{venue}"), format!("{at}/files/a4")];
    let mut stranger = Browser::new(&pages);
    let mut other = let_in(&pages, "b@example.jp").await;
    for path in &paths {
        stranger.get(path).await.is(403).has("新しいリンク");
        other.get(path).await.is(404).has("ページが見つかりません");
    }
    other.get("/flyers/x").await.is(404);
    // Also after another registration was begun; not any more once the session has ended.
    let done = browser.get("/register/done").await;
    browser.send("/register/again", &done, &[]).await.is(303);
    browser.file(&paths[2]).await;
    browser.send("/register/end", &done, &[]).await.is(303);
    browser.get(&paths[2]).await.is(403);
}

#[tokio::test]
async fn whoever_comes_when_all_are_busy_is_told() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    registered(&pages, &mut browser, &CAFE).await;
    let path = format!("/flyers/{}/files/a4", facility(&pages).id);
    let mut under_way = Vec::new();
    for _ in 0..FILES_AT_ONCE {
        let answer = browser.answer(Request::get(&path), Body::empty()).await;
        assert_eq!(answer.status(), 200);
        under_way.push(answer);
    }
    browser.get(&path).await.is(503).has("ちらしを作れません");
    // The pages are there all the while, and a file that was sent makes room for another.
    browser.get("/register/done").await.is(200);
    under_way.pop();
    browser.file(&path).await;
}

#[tokio::test]
async fn what_cannot_be_printed_is_told_before() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let mut fields = CAFE;
    fields[0].1 = "カフェ خان 髙﨑𠮷";
    registered(&pages, &mut browser, &fields).await;
    let page = browser.get(&format!("/flyers/{}", facility(&pages).id)).await;
    page.is(200).has("〓").has("ا خ ن");
}
