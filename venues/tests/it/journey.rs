//! Journeys of operators, page by page.

use axum::{body::Body, http::Request};
use schemas::place_code::Found;
use venues::Config;

use crate::browser::{Browser, CAFE, Pages, let_in, link, mails, pages};

fn config() -> Config {
    Config { prefecture: "神奈川県".to_owned(), ..Config::default() }
}

pub async fn registered(pages: &Pages, browser: &mut Browser, facility: &[(&str, &str)]) -> String {
    let answered = browser.fill("/register/facility", facility).await;
    assert_eq!(answered.is(303).location(), "/register/rooms");
    let rooms = browser.get("/register/rooms").await;
    let first = rooms.value("new");
    let answered =
        browser.send("/register/rooms", &rooms, &[("new", &first), ("do", "next")]).await;
    assert_eq!(answered.is(303).location(), "/register/check");
    let check = browser.get("/register/check").await;
    let answers = check.hidden("answers");
    let answered = browser.send("/register/check", &check, &[("answers", &answers)]).await;
    assert_eq!(answered.is(303).location(), "/register/done");
    pages.registry.caught_up().await.expect("the registry");
    browser.get("/register/done").await.is(200).text.clone()
}

#[tokio::test]
async fn one_room_in_three_minutes() {
    let pages = pages(config()).await;
    let mut browser = Browser::new(&pages);
    browser.get("/").await.is(200).has("/register");
    let sent = browser.fill("/register", &[("mail", " Ｔｅｎｃｈｏ＠Example.JP ")]).await;
    assert_eq!(sent.is(303).location(), "/register/sent");
    browser.get("/register/sent").await.is(200).has("Tencho@example.jp").has("届かないとき");
    let opened = browser.fill(&link(&pages), &[]).await;
    assert_eq!(opened.is(303).location(), "/register/continue");
    assert_eq!(browser.get("/register/continue").await.is(303).location(), "/register/facility");

    let done = registered(&pages, &mut browser, &CAFE).await;
    let facility = pages.registry.read(|registry| registry.facilities().next().cloned());
    let facility = facility.expect("a facility");
    assert_eq!(facility.name, "カフェこもれび 駅前店");
    let details = facility.details.expect("details");
    assert_eq!((&*details.kana, &*details.phone), ("カフェコモレビ", "0451234567"));
    assert_eq!(details.postcode, "2310001");
    assert_eq!(facility.venues.len(), 1);
    assert!(done.contains(&facility.id.to_string()));
    let places = pages.places.load();
    let code = places.code(facility.venues[0].id, facility.venues[0].issue).to_string();
    assert!(done.contains(&code), "the code is shown");
    assert!(matches!(places.find(&code), Found::Code(_)));
    let mail = mails(&pages).pop().expect("a mail");
    assert!(mail.contains(&facility.id.to_string()), "{mail}");

    // Back, and once more: nothing is registered twice.
    let check = browser.get("/register/check").await;
    assert_eq!(check.is(303).location(), "/register/done");
    assert_eq!(pages.registry.read(|registry| registry.facilities().count()), 1);
    // A branch begins with what branches share.
    let done = browser.get("/register/done").await;
    browser.send("/register/again", &done, &[]).await.is(303);
    let branch = browser.get("/register/facility").await;
    branch.has("value=\"restaurant\" checked").has("カフェこもれび 駅前店");
    assert_eq!(branch.value("phone"), "0451234567");
    assert_eq!(branch.value("name"), "");
}

#[tokio::test]
async fn a_link_is_good_once_and_for_whoever_has_it() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let used = link(&pages);
    browser.fill("/register/facility", &CAFE).await.is(303);
    // The same browser goes on where it was; another one is told.
    assert_eq!(browser.get(&used).await.is(303).location(), "/register/continue");
    let mut other = Browser::new(&pages);
    other.get(&used).await.is(404).has("すでに使われています");
    other.get("/link/00000000000000000000000000000000").await.is(404).has("使えません");
    other.get("/link/x").await.is(404);
    other.get("/register/facility").await.is(403).has("新しいリンク");
    // A new link opens the same draft, in another browser and language.
    other.fill("/en/register", &[("mail", "A@example.jp")]).await.is(303);
    let again = link(&pages);
    assert!(again.starts_with("/en/link/"), "{again}");
    // Looking at it, as mail servers do, uses nothing up.
    Browser::new(&pages).get(&again).await.is(200);
    let opened = other.fill(&again, &[]).await;
    assert_eq!(opened.is(303).location(), "/en/register/continue");
    let next = other.get("/en/register/continue").await;
    assert_eq!(next.is(303).location(), "/en/register/rooms");
    other.get("/en/register/facility").await.is(200).has("カフェこもれび 駅前店");
    // Whoever ends it is out.
    let shown = other.get("/en/register/facility").await;
    other.send("/en/register/end", &shown, &[]).await.is(303);
    other.get("/en/register/facility").await.is(403);
    browser.get("/register/facility").await.is(200);
}

#[tokio::test]
async fn everything_wrong_is_told_at_its_field() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let empty = browser.fill("/register/facility", &[]).await;
    empty.is(422).has("<title>エラー: ").has("入力内容を確かめてください");
    for field in ["name", "kana", "kind", "postcode", "address", "phone"] {
        empty.has(&format!("href=\"#{field}\"")).has(&format!("id=\"{field}-error\""));
    }
    for (name, words) in [
        ("県庁\u{202e}gpj", "目に見えない文字"),
        ("http://evil.example", "URL"),
        ("あ".repeat(10_000).as_str(), "50文字まで"),
        ("<script>alert(1)</script>", "&#60;script&#62;"),
    ] {
        let mut fields = CAFE;
        (fields[0].1, fields[5].1) = (name, "110");
        let shown = browser.fill("/register/facility", &fields).await;
        shown.is(422).has(words);
        assert!(!shown.text.contains("<script"));
        assert_eq!(shown.value("kana"), "かふぇこもれび", "what was typed is there");
    }
    for name in ["=cmd|'/c calc'!A1", "مطعم", "カフェ🍎"] {
        let mut fields = CAFE;
        fields[0].1 = name;
        browser.fill("/register/facility", &fields).await.is(303);
    }
    browser.fill("/register", &[("mail", "nobody")]).await.is(422).has("id=\"mail-error\"");
}

#[tokio::test]
async fn a_postcode_fills_in_the_address() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let ask = |code| [("name", "A"), ("postcode", code), ("do", "look-up")];
    let found = browser.fill("/register/facility", &ask("〒2310001")).await;
    assert_eq!(found.is(200).value("address"), "神奈川県横浜市中区新港");
    assert_eq!(found.value("name"), "A");
    browser.fill("/register/facility", &ask("9999999")).await.is(422).has("見つかりません");
    // Unknown, or elsewhere: a warning, and no more.
    let mut fields = CAFE;
    (fields[3].1, fields[4].1) = ("9999999", "東京都千代田区1-1");
    browser.fill("/register/facility", &fields).await.is(303);
    browser.fill("/register/rooms", &[("new", "1階"), ("do", "next")]).await.is(303);
    browser.get("/register/check").await.is(200).has("県外").has("郵便番号が見つかりません");
}

#[tokio::test]
async fn fifty_floors_from_a_file_with_three_bad_lines() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    browser.fill("/register/facility", &CAFE).await.is(303);
    let floors = |bad: bool| {
        let line = |n| match (bad, n) {
            (true, 7) => "x".repeat(51),
            (true, 20) => "http://evil.example".to_owned(),
            (true, 31) => "6階".to_owned(),
            _ => format!("{n}階"),
        };
        (1..=50).map(|n| line(n) + "\r\n").collect::<String>()
    };
    let refused = browser.upload("/register/rooms/file", floors(true).as_bytes()).await;
    refused.is(422).has("<td>7</td>").has("<td>20</td>").has("<td>31</td>");
    browser.upload("/register/rooms/file", b"").await.is(422).has("ファイルを選んで");
    let good = floors(false);
    let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode(&good);
    browser.upload("/register/rooms/file", &sjis).await.is(303);
    let rooms = browser.get("/register/rooms").await;
    rooms.is(200).has("50 件").has("value=\"50階\"");
    // One renamed, one up, one gone, one more.
    let id = |n: usize| {
        let mark = format!("value=\"{n}階\"");
        let before = rooms.text.split(&mark).next().unwrap_or_default();
        let (_, id) = before.rsplit_once("<input id=\"").expect("a field");
        id.split('"').next().unwrap_or_default().to_owned()
    };
    let (second, third, fourth) = (id(2), id(3), id(4));
    let (up, remove) = (format!("up:{second}"), format!("remove:{third}"));
    browser.send("/register/rooms", &rooms, &[(&fourth, "屋上"), ("do", &up)]).await.is(303);
    browser.send("/register/rooms", &rooms, &[("do", &remove)]).await.is(303);
    // A second tab that still shows it: no harm.
    browser.send("/register/rooms", &rooms, &[("do", &remove), (&third, "3階")]).await.is(303);
    browser.send("/register/rooms", &rooms, &[("do", "add"), ("new", "6階")]).await.is(422);
    browser.send("/register/rooms", &rooms, &[("do", "next"), ("new", "地下")]).await.is(303);
    let check = browser.get("/register/check").await;
    let answers = check.hidden("answers");
    browser.send("/register/check", &check, &[("answers", &answers)]).await.is(303);
    pages.registry.caught_up().await.expect("the registry");
    let names: Vec<String> = pages.registry.read(|registry| {
        let facility = registry.facilities().next().expect("a facility");
        facility.venues.iter().map(|venue| venue.name.clone()).collect()
    });
    assert_eq!(names.len(), 50);
    assert_eq!(names[..3], ["2階", "1階", "屋上"]);
    assert_eq!(names[49], "地下");
}

#[tokio::test]
async fn an_event_says_when_and_its_codes_end() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let mut fields = CAFE;
    fields[2].1 = "event";
    let answered = browser.fill("/register/facility", &fields).await;
    assert_eq!(answered.is(303).location(), "/register/days");
    browser
        .fill("/register/days", &[("first", "2099-12-03"), ("last", "2099-12-01")])
        .await
        .is(422);
    let days = [("first", "２０９９年１２月１日"), ("last", "2099/12/3")];
    assert_eq!(browser.fill("/register/days", &days).await.is(303).location(), "/register/rooms");
    browser.fill("/register/rooms", &[("new", "会場"), ("do", "next")]).await.is(303);
    let check = browser.get("/register/check").await;
    check.has("2099年12月1日(火) – 2099年12月3日(木)");
    let answers = check.hidden("answers");
    browser.send("/register/check", &check, &[("answers", &answers)]).await.is(303);
    pages.registry.caught_up().await.expect("the registry");
    let days = pages.registry.read(|registry| registry.facilities().next().expect("one").days);
    let end = days.expect("days").codes_end();
    assert_eq!(end.to_rfc3339_jst(), "2099-12-05T00:00:00+09:00");
}

#[tokio::test]
async fn what_another_tab_changed_is_looked_at_again() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    browser.fill("/register/facility", &CAFE).await.is(303);
    browser.fill("/register/rooms", &[("new", "1階"), ("do", "next")]).await.is(303);
    let check = browser.get("/register/check").await;
    let mut fields = CAFE;
    fields[0].1 = "喫茶こもれび";
    browser.fill("/register/facility", &fields).await.is(303);
    let answers = check.hidden("answers");
    let shown = browser.send("/register/check", &check, &[("answers", &answers)]).await;
    shown.is(200).has("別のタブ").has("喫茶こもれび");
    assert_eq!(pages.registry.read(|registry| registry.facilities().count()), 0);
    let answers = shown.hidden("answers");
    browser.send("/register/check", &shown, &[("answers", &answers)]).await.is(303);
    // Another operator at the same address is warned, and not stopped.
    let mut other = let_in(&pages, "b@example.jp").await;
    other.fill("/register/facility", &CAFE).await.is(303);
    other.fill("/register/rooms", &[("new", "1階"), ("do", "next")]).await.is(303);
    other.get("/register/check").await.is(200).has("同じ住所の施設");
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let pages = pages(config()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let posts = [
        "/register",
        "/register/facility",
        "/register/days",
        "/register/rooms",
        "/register/rooms/file",
        "/register/check",
        "/register/again",
        "/register/end",
        "/link/00000000000000000000000000000000",
    ];
    for path in posts {
        browser.post(path, &[("mail", "b@example.jp")]).await.is(403);
        let token = browser.get("/register").await.hidden("form_token");
        let body = format!("form_token={token}&mail=b%40example.jp");
        let foreign = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "127.0.0.1:8083")
            .header("origin", "https://evil.example");
        browser.ask(foreign, Body::from(body)).await.is(403).has("もう一度送信");
    }
    assert_eq!(mails(&pages).len(), 1, "nothing was sent for them");
    let another = Browser::new(&pages).get("/register").await.hidden("form_token");
    browser.post("/register", &[("form_token", &another), ("mail", "b@example.jp")]).await.is(403);
}

#[tokio::test]
async fn headers_of_every_answer() {
    let pages = pages(config()).await;
    let mut browser = Browser::new(&pages);
    for path in
        ["/", "/en", "/easy", "/register", "/nowhere", "/register/facility", "/static/style-3.css"]
    {
        let shown = browser.get(path).await;
        let header = |name: &str| shown.headers[name].to_str().expect("ASCII").to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        let kept = header("cache-control");
        assert_eq!(kept == "no-store", !path.starts_with("/static/"), "{path}");
        assert!(!shown.text.contains("<script") && !shown.text.contains("style=\""), "{path}");
        for part in shown.text.split("href=\"").skip(1) {
            let at = part.split('"').next().unwrap_or_default();
            assert!(at.starts_with(['/', '#']) || at.starts_with("tel:"), "{path}: {at}");
        }
    }
    browser.get("/nowhere").await.is(404).has("ページが見つかりません");
    browser.get("/en/nowhere").await.is(404).has("Page not found");
}

#[tokio::test]
async fn a_thousand_from_one_client_slow_nobody_else() {
    let pages = pages(Config { client_per_hour: 5, ..config() }).await;
    let mut flood = Browser::new(&pages);
    let form = flood.get("/register").await;
    let mut taken = 0;
    for n in 0..1_000 {
        let mail = format!("a{n}@example.jp");
        let sent = flood.send("/register", &form, &[("mail", &mail)]).await;
        match sent.status.as_u16() {
            303 => taken += 1,
            429 => _ = sent.has("少し待って"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(taken, 5);
    let mut other = Browser::new(&pages);
    other.peer = ([192, 0, 2, 2], 40_000).into();
    other.fill("/register", &[("mail", "b@example.jp")]).await.is(303);
}
