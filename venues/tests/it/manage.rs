//! Operators look at what they registered, and change it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use schemas::{
    identity::{Pseudonym, SealedId},
    ids::{MessageHash, VenueId},
    place_code::Issue,
    registry::{Facility, RegistryRecord, Standing, Suspension, Verdict},
    service::LEAD_MS,
    time::{DAY_MS, EventTime, HOUR_MS},
};
use storage::rows::{TypedStore, operators::OperatorRow, visits::ScanRow};
use venues::{Config, operator::operator_id};

use crate::{
    browser::{Browser, CAFE, Pages, let_in, link, mails, pages, pages_at},
    print::{facility, with_floors},
};

/// Noon of a day in Japan.
const NOON: i64 = 1_795_489_200_000;

/// A clock that a test sets.
fn clock() -> (Arc<AtomicI64>, storage::embedded::Clock) {
    let at = Arc::new(AtomicI64::new(NOON));
    let told = Arc::clone(&at);
    (at, Arc::new(move || EventTime(told.load(Ordering::Relaxed))))
}

/// What is there now.
async fn now(pages: &Pages) -> Facility {
    pages.registry.caught_up().await.expect("the registry");
    facility(pages)
}

fn verdict(pages: &Pages, venue: VenueId, issue: u8, at: i64) -> Verdict {
    pages.registry.read(|registry| registry.verdict(venue, Issue(issue), EventTime(at)))
}

/// Presses the button of a page that asks once more.
async fn confirm(browser: &mut Browser, path: &str, chosen: &[(&str, &str)]) -> String {
    let asked = browser.get(path).await;
    asked.is(200);
    let issue = asked.hidden("issue");
    let fields: Vec<_> = chosen.iter().copied().chain([("issue", issue.as_str())]).collect();
    let done = browser.send(path, &asked, &fields).await;
    done.is(303).location().to_owned()
}

#[tokio::test]
async fn a_link_leads_to_what_was_registered_and_to_nothing_of_others() {
    let pages = pages(Config::default()).await;
    let mut owner = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut owner, 2).await;
    let at = format!("/manage/{}", cafe.id);

    let mut browser = Browser::new(&pages);
    browser.get("/manage").await.is(403).has("/manage/link");
    browser.get("/").await.is(200).has("/manage/link");
    let sent = browser.fill("/manage/link", &[("mail", "A@example.jp")]).await;
    assert_eq!(sent.is(303).location(), "/manage/link/sent");
    browser.get("/manage/link/sent").await.is(200).has("href=\"/manage/link\"");
    browser.fill("/manage/link", &[("mail", "nobody")]).await.is(422).has("/manage/link");
    let opened = browser.fill(&link(&pages), &[]).await;
    assert_eq!(opened.is(303).location(), "/manage");
    browser.get("/manage").await.is(200).has(&at).has("カフェこもれび 駅前店").has("2 か所");
    let shown = browser.get(&at).await;
    shown.is(200).has(&cafe.id.to_string()).has("0451234567").has("1階").has("2階");
    let places = pages.places.load();
    for venue in &cafe.venues {
        shown.has(&places.code(venue.id, venue.issue).to_string());
    }

    // Another operator, who may know the address of the page, is told nothing; nobody without a
    // session either. An operator of nothing has an empty list.
    let mut other = let_in(&pages, "b@example.jp").await;
    other.get("/manage").await.is(200).has("登録された施設はありません");
    let own = other.get("/register/facility").await;
    let venue = format!("{at}/{}", cafe.venues[0].id);
    for path in [at.clone(), format!("{at}/edit"), format!("{at}/do/remove"), venue.clone()] {
        other.get(&path).await.is(404);
        Browser::new(&pages).get(&path).await.is(403);
    }
    for path in [
        format!("{at}/add"),
        format!("{at}/edit"),
        format!("{at}/file"),
        format!("{at}/do/remove"),
        format!("{at}/do/copy"),
        format!("{venue}/name"),
        format!("{venue}/do/reissue"),
        format!("{venue}/do/retire"),
    ] {
        other.send(&path, &own, &[("new", "地下"), ("name", "地下")]).await.is(404);
        browser.post(&path, &[("form_token", "x")]).await.is(403);
    }
    browser.get(&format!("{at}/do/nothing")).await.is(404);
    browser.get(&format!("{at}/days")).await.is(404);
    browser.get(&format!("{at}/0000000000")).await.is(404);
    assert_eq!(now(&pages).await, cafe, "nothing has changed");
}

#[tokio::test]
async fn names_change_and_rooms_come_and_go() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 2).await;
    let at = format!("/manage/{}", cafe.id);
    let of = |n: usize| format!("{at}/{}", cafe.venues[n].id);

    // What is said of the place. A postcode fills in the address here, too.
    let looked = [("postcode", "2310001"), ("do", "look-up"), ("name", "X")];
    let found = browser.fill(&format!("{at}/edit"), &looked).await;
    assert_eq!(found.is(200).value("address"), "神奈川県横浜市中区新港");
    let mut said = CAFE.to_vec();
    said[0].1 = "http://evil.example";
    browser.fill(&format!("{at}/edit"), &said).await.is(422).has("id=\"name-error\"");
    said[0].1 = "喫茶こもれび";
    let saved = browser.fill(&format!("{at}/edit"), &said).await;
    assert_eq!(saved.is(303).location(), format!("{at}?done=edited"));
    browser.get(&format!("{at}?done=edited")).await.has("喫茶こもれび").has("role=\"status\"");

    // A floor gets another name; not one that is there, and nothing hostile.
    for (name, status) in [("2階", 422), ("", 422), ("http://a.example", 422), ("地下", 303)] {
        let shown = browser.get(&of(0)).await;
        browser.send(&format!("{}/name", of(0)), &shown, &[("name", name)]).await.is(status);
    }
    for (name, status) in [("2階", 422), (" ", 422), ("屋上", 303)] {
        let shown = browser.get(&at).await;
        browser.send(&format!("{at}/add"), &shown, &[("new", name)]).await.is(status);
    }
    let bad = "3階\r\n地下\r\nhttp://a.example\r\n";
    browser.upload(&format!("{at}/file"), bad.as_bytes()).await.is(422).has("<td>3</td>");
    browser.upload(&format!("{at}/file"), "3階\r\n4階\r\n".as_bytes()).await.is(303);
    let gone = confirm(&mut browser, &format!("{}/do/remove", of(1)), &[]).await;
    assert_eq!(gone, format!("{at}?done=venue-removed"));
    // The address of what is gone leads nowhere.
    browser.get(&of(1)).await.is(404);

    let after = now(&pages).await;
    let names: Vec<&str> = after.open_venues().map(|venue| &*venue.name).collect();
    assert_eq!(names, ["地下", "屋上", "3階", "4階"]);
    assert_eq!(after.name, "喫茶こもれび");
    assert_eq!(after.venues[0].id, cafe.venues[0].id, "its code stays");
    let at_last = after.updated_at.0;
    assert_eq!(verdict(&pages, cafe.venues[1].id, 1, at_last), Verdict::Retired);
    assert_eq!(verdict(&pages, cafe.venues[0].id, 1, at_last), Verdict::Counts);

    // The last one can't go by itself.
    for venue in after.open_venues().skip(1) {
        confirm(&mut browser, &format!("{at}/{}/do/remove", venue.id), &[]).await;
    }
    let shown = browser.get(&of(0)).await;
    assert!(!shown.text.contains("do/remove"), "it is not offered");
    browser.send(&format!("{}/do/remove", of(0)), &shown, &[]).await.is(404);
    assert_eq!(now(&pages).await.open_venues().count(), 1);
}

#[tokio::test]
async fn a_code_is_issued_anew_and_the_old_one_ends_when_it_was_said() {
    let (_, clock) = clock();
    let pages = pages_at(Config::default(), clock).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 3).await;
    let at = format!("/manage/{}", cafe.id);
    for (n, (old, ends)) in [("now", NOON), ("week", NOON + 7 * DAY_MS), ("", NOON + 7 * DAY_MS)]
        .into_iter()
        .enumerate()
    {
        let venue = cafe.venues[n].id;
        let page = format!("{at}/{venue}/do/reissue");
        let asked = browser.get(&page).await;
        let press = [("old", old), ("issue", "1")];
        let done = browser.send(&page, &asked, &press).await;
        assert_eq!(done.is(303).location(), format!("{at}/{venue}?done=reissued"));
        // Two presses of the button are one.
        browser.send(&page, &asked, &press).await.is(303);
        pages.registry.caught_up().await.expect("the registry");
        assert_eq!(verdict(&pages, venue, 1, ends - 1), Verdict::Counts);
        assert_eq!(verdict(&pages, venue, 1, ends), Verdict::Retired);
        assert_eq!(verdict(&pages, venue, 2, NOON), Verdict::Counts);
        let code = pages.places.load().code(venue, Issue(2)).to_string();
        browser.get(&format!("{at}/{venue}")).await.has(&code);
    }

    // What is retired has no flyers until there is a new code.
    let venue = cafe.venues[0].id;
    confirm(&mut browser, &format!("{at}/{venue}/do/retire"), &[]).await;
    pages.registry.caught_up().await.expect("the registry");
    assert_eq!(verdict(&pages, venue, 2, NOON), Verdict::Retired);
    let shown = browser.get(&format!("{at}/{venue}")).await;
    shown.is(200).has("廃止されています");
    assert!(!shown.text.contains("/flyers/"));
    browser.get(&format!("/flyers/{}/{venue}", cafe.id)).await.is(404);
    browser.get(&format!("/flyers/{}", cafe.id)).await.is(200);
    confirm(&mut browser, &format!("{at}/{venue}/do/reissue"), &[("old", "now")]).await;
    browser.get(&format!("/flyers/{}/{venue}", cafe.id)).await.is(200);
    pages.registry.caught_up().await.expect("the registry");
    assert_eq!(verdict(&pages, venue, 3, NOON), Verdict::Counts);
}

#[tokio::test]
async fn a_print_is_tried_out_for_an_hour() {
    let (time, clock) = clock();
    let pages = pages_at(Config::default(), clock).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 2).await;
    let venue = cafe.venues[0].id;
    let at = format!("/manage/{}/{venue}", cafe.id);
    browser.get(&format!("{at}/do/try")).await.is(200).has("来店は記録されません");
    confirm(&mut browser, &format!("{at}/do/try"), &[]).await;
    pages.registry.caught_up().await.expect("the registry");
    let begins = NOON + LEAD_MS;
    for (at, wanted) in [
        (begins - 1, Verdict::Counts),
        (begins, Verdict::Trial),
        (begins + HOUR_MS - 1, Verdict::Trial),
        (begins + HOUR_MS, Verdict::Counts),
    ] {
        assert_eq!(verdict(&pages, venue, 1, at), wanted);
    }
    assert_eq!(verdict(&pages, cafe.venues[1].id, 1, begins), Verdict::Counts, "that one alone");
    browser.get(&at).await.is(200).has("13:00").has("印刷を試しています");
    time.store(NOON + 10 * 60_000, Ordering::Relaxed);
    confirm(&mut browser, &format!("{at}/do/end-trial"), &[]).await;
    pages.registry.caught_up().await.expect("the registry");
    let ends = NOON + 10 * 60_000 + LEAD_MS;
    assert_eq!(verdict(&pages, venue, 1, ends - 1), Verdict::Trial);
    assert_eq!(verdict(&pages, venue, 1, ends), Verdict::Counts);
}

fn scan(venue: VenueId, at: i64, n: u16) -> ScanRow {
    let mut pseudonym = [0; 16];
    pseudonym[..2].copy_from_slice(&n.to_be_bytes());
    ScanRow {
        venue,
        scanned_at: EventTime(at),
        pseudonym: Pseudonym(pseudonym),
        sealed: SealedId(Bytes::from_static(b"sealed")),
        epoch: EventTime(at).epoch(),
        issue: Issue(1),
        message: MessageHash([1; 16]),
    }
}

#[tokio::test]
async fn scans_are_told_as_numbers_and_small_numbers_are_not() {
    let (time, clock) = clock();
    let pages = pages_at(Config::default(), clock).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 2).await;
    let (busy, silent) = (cafe.venues[0].id, cafe.venues[1].id);
    let at = format!("/manage/{}", cafe.id);
    // Too new for a hint, and for numbers.
    browser.get(&format!("{at}/{busy}")).await.is(200).has("あすから表示されます");
    assert!(!browser.get(&at).await.text.contains("読み取りがありません"));

    // Nine days later: yesterday 9 scans, the day before 10, another day 6,000 in one hour. Today's
    // are not told.
    let today = NOON + 9 * DAY_MS;
    time.store(today, Ordering::Relaxed);
    let mut rows: Vec<ScanRow> = (0..9).map(|n| scan(busy, today - DAY_MS, n)).collect();
    rows.extend((0..10).map(|n| scan(busy, today - 2 * DAY_MS + i64::from(n) * HOUR_MS / 2, n)));
    rows.extend((0..6_000).map(|n| scan(busy, today - 5 * DAY_MS + i64::from(n), n)));
    rows.extend((0..77).map(|n| scan(busy, today - 60_000, n)));
    // Longer ago than a week: the other floor is silent.
    rows.extend((0..20).map(|n| scan(silent, today - 8 * DAY_MS, n)));
    for rows in rows.chunks(1_000) {
        pages.store.put(rows).await.expect("written");
    }
    let mut browser = let_in(&pages, "a@example.jp").await;
    for _ in 0..2 {
        // The second time from memory.
        let shown = browser.get(&format!("{at}/{busy}")).await;
        shown.is(200);
        let cells: Vec<&str> = shown.text.split("<th scope=\"row\">").skip(1).collect();
        // It is nine days old.
        assert_eq!(cells.len(), 9);
        let count = |back: usize| {
            let rest = cells[9 - back].split_once("<td>").expect("a number").1;
            rest.split("</td>").next().unwrap_or_default().to_owned()
        };
        assert_eq!([1, 2, 3, 5].map(count), ["10回未満", "10", "0", "6000"]);
        assert!(!shown.text.contains("77"), "today is not over");
    }
    // A scan of yesterday that comes in late is counted: only what no late scan reaches is remembered.
    pages.store.put(&[scan(busy, today - DAY_MS, 99)]).await.expect("written");
    let shown = browser.get(&format!("{at}/{busy}")).await;
    assert!(!shown.text.contains("10回未満</td>"), "yesterday has ten");
    let shown = browser.get(&at).await;
    let hints: Vec<&str> =
        shown.text.split("<li>").filter(|part| part.contains("7日間、")).collect();
    assert_eq!(hints.len(), 1, "{}", shown.text);
    assert!(hints[0].contains("2階"));
    // One scan, and it is silent no more.
    pages.store.put(&[scan(silent, today - 3 * HOUR_MS, 1)]).await.expect("written");
    assert!(!browser.get(&at).await.text.contains("7日間、"));
}

#[tokio::test]
async fn what_is_removed_ends_and_only_its_name_stays_for_a_while() {
    let (time, clock) = clock();
    let pages = pages_at(Config::default(), clock).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 2).await;
    let at = format!("/manage/{}", cafe.id);
    let operator = operator_id("a@example.jp");
    time.store(NOON + HOUR_MS, Ordering::Relaxed);
    browser.get(&format!("{at}/do/remove")).await.is(200).has("28日あまり");
    let gone = confirm(&mut browser, &format!("{at}/do/remove"), &[]).await;
    assert_eq!(gone, "/manage?done=removed");
    browser.get(&gone).await.is(200).has("登録を削除しました").has("登録された施設はありません");
    browser.get(&at).await.is(404);
    browser.get(&format!("/flyers/{}", cafe.id)).await.is(404);
    let mail = mails(&pages).pop().expect("a mail");
    assert!(mail.contains("削除しました") && mail.contains(&cafe.id.to_string()), "{mail}");

    let after = now(&pages).await;
    assert_eq!((after.details, &*after.name), (None, "カフェこもれび 駅前店"));
    for venue in &cafe.venues {
        assert_eq!(verdict(&pages, venue.id, 1, NOON + HOUR_MS - 1), Verdict::Counts);
        assert_eq!(verdict(&pages, venue.id, 1, NOON + HOUR_MS), Verdict::Retired);
    }
    let rows = pages.store.all::<OperatorRow>(&operator).await.expect("rows");
    assert!(rows.is_empty(), "whose it was is not kept");
    // What was entered is gone as well: a new registration begins with nothing.
    assert_eq!(browser.get("/register/continue").await.location(), "/register/facility");
    assert_eq!(browser.get("/register/facility").await.value("phone"), "");

    // While visits there are kept, so is the name; then nothing is.
    let forget = async |days: i64| {
        let at = EventTime(NOON + HOUR_MS + days * DAY_MS);
        venues::changes::forget_removed(&pages.registry, 28, at).await.expect("done")
    };
    assert_eq!(forget(29).await, 0);
    assert_eq!(forget(30).await, 1);
    assert_eq!(forget(30).await, 0);
    let after = now(&pages).await;
    assert!(after.is_forgotten() && after.venues.iter().all(|venue| venue.name.is_empty()));
    let later = NOON + 40 * DAY_MS;
    assert_eq!(verdict(&pages, cafe.venues[0].id, 1, later), Verdict::Retired, "for ever");
}

#[tokio::test]
async fn a_branch_begins_with_what_branches_share() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 3).await;
    let page = format!("/manage/{}/do/copy", cafe.id);
    let asked = browser.get(&page).await;
    assert!(!asked.text.contains("それは消えます"));
    assert_eq!(confirm(&mut browser, &page, &[]).await, "/register/facility");
    let branch = browser.get("/register/facility").await;
    branch.is(200).has("value=\"restaurant\" checked");
    assert_eq!((branch.value("name"), branch.value("phone")), (String::new(), "0451234567".into()));
    let mut said = CAFE.to_vec();
    said[0].1 = "カフェこもれび 港店";
    assert_eq!(browser.fill("/register/facility", &said).await.location(), "/register/check");
    // Half a registration is not thrown away unasked.
    browser.get(&page).await.is(200).has("それは消えます");
    let check = browser.get("/register/check").await;
    let answers = check.hidden("answers");
    browser.send("/register/check", &check, &[("answers", &answers)]).await.is(303);
    browser.get("/manage").await.is(200).has("駅前店").has("港店");
    pages.registry.caught_up().await.expect("the registry");
    let ids: std::collections::BTreeSet<VenueId> = pages.registry.read(|registry| {
        registry.facilities().flat_map(Facility::open_venues).map(|venue| venue.id).collect()
    });
    assert_eq!(ids.len(), 6, "each has codes of its own");
}

#[tokio::test]
async fn what_awaits_an_official_has_no_flyers_and_what_is_suspended_says_why() {
    let (_, clock) = clock();
    let pages = pages_at(Config { review: true, ..Config::default() }, clock).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 1).await;
    let at = format!("/manage/{}", cafe.id);
    let venue = cafe.venues[0].id;
    let code = pages.places.load().code(venue, Issue(1)).to_string();
    let done = browser.get("/register/done").await;
    done.is(200).has("県が登録の内容を確認しています");
    assert!(!done.text.contains(&code) && !done.text.contains("/flyers/"));
    browser.get(&at).await.is(200).has("県が登録の内容を確認しています");
    browser.get(&format!("/flyers/{}", cafe.id)).await.is(404);
    assert_eq!(verdict(&pages, venue, 1, NOON), Verdict::OnHold);

    let mut standing = Standing { admitted: Some(EventTime(NOON)), ..Standing::new(cafe.id) };
    let decided = RegistryRecord::Standing(standing.clone());
    pages.registry.append(&decided).await.expect("appended");
    assert_eq!(verdict(&pages, venue, 1, NOON), Verdict::Counts);
    // The pages follow the registry by themselves, a moment behind.
    let mut waited = 0;
    while browser.get(&format!("/flyers/{}", cafe.id)).await.status != 200 {
        waited += 1;
        assert!(waited < 1_000, "the pages do not learn of it");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    browser.get("/register/done").await.is(200).has(&code);

    let reason = "ちらしが<b>別の場所</b>に貼られています".to_owned();
    standing.suspensions.push(Suspension { from: EventTime(NOON), until: None, reason });
    let decided = RegistryRecord::Standing(standing);
    pages.registry.append(&decided).await.expect("appended");
    while browser.get(&format!("/flyers/{}", cafe.id)).await.status == 200 {
        waited += 1;
        assert!(waited < 2_000, "the pages do not learn of it");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let shown = browser.get(&at).await;
    shown.is(200).has("停止しています").has("ちらしが&#60;b&#62;別の場所");
    browser.get("/manage").await.has("停止しています");
    assert_eq!(verdict(&pages, venue, 1, NOON), Verdict::OnHold);
}

#[tokio::test]
async fn an_event_gets_other_days() {
    let pages = pages(Config::default()).await;
    let mut browser = let_in(&pages, "a@example.jp").await;
    let cafe = with_floors(&pages, &mut browser, 1).await;
    let at = format!("/manage/{}", cafe.id);
    let mut said = CAFE.to_vec();
    said[2].1 = "event";
    let asked = browser.fill(&format!("{at}/edit"), &said).await;
    assert_eq!(asked.is(303).location(), format!("{at}/days"));
    let days = format!("{at}/days");
    browser.fill(&days, &[("first", "2099-12-03"), ("last", "2099-12-01")]).await.is(422);
    browser.fill(&days, &[("first", "2099-12-01"), ("last", "2099-12-03")]).await.is(303);
    assert_eq!(now(&pages).await.days.expect("days").last().to_string(), "2099-12-03");
    browser.get(&at).await.is(200).has("2099年12月1日(火) – 2099年12月3日(木)");
    // A shop has no days.
    browser.fill(&format!("{at}/edit"), &CAFE).await.is(303);
    assert_eq!(now(&pages).await.days, None);
}
