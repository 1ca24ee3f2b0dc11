//! From paper to the store: flyers of the tool are printed, read, sent through the webhook, and the
//! visit is found at the place that the flyer names.

use std::{path::Path, process::Command, time::Duration};

use load_tests::{
    demo::{Roles, Stage, config},
    platform::{
        Clock,
        journal::What,
        webhooks::{Event, Redelivery},
    },
    scenario::{self, Size},
};
use schemas::{ids::VenueId, time::EventTime};
use server::flyers::Wanted;
use storage::{
    Store,
    rows::{TypedStore, visits::ScanRow},
};
use tokio::time::Instant;
use venues::flyer::Format;

/// A visit that has no row after that has none: an end for the test, no measure of anything.
const PATIENCE: Duration = Duration::from_secs(60);

const TOWN: Size = Size { facilities: 2, venues: 4, visitors: 10, scans: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn what_a_flyer_holds_becomes_a_visit_at_its_venue() {
    let dir = tempfile::tempdir().expect("a directory");
    let day = scenario::make(1, TOWN, Clock::default().now());
    let stage = Stage::open(dir.path(), &day, 1, &[]).await.expect("everything starts");
    let config = config(dir.path(), "http://127.0.0.1:9", &[]).expect("a configuration");
    let out = dir.path().join("flyers");
    let wanted = Wanted {
        out: out.clone(),
        facilities: Vec::new(),
        formats: vec![Format::A4],
        contact: None,
    };
    let mut said = Vec::new();
    server::flyers::make(&config, &wanted, &mut said).await.expect("flyers");
    let said = String::from_utf8(said).expect("names of files");
    let mut texts: Vec<String> = said.lines().flat_map(|file| read(&out.join(file))).collect();
    texts.sort();
    let mut prepared = load_tests::replay::check_in_texts(&stage.csv);
    prepared.sort();
    assert_eq!(texts, prepared, "each place has its flyer, and no two the same");

    for (n, text) in texts.iter().enumerate() {
        let at = stage.platform.clock.now() + n as i64;
        let user = day.visitors[n].user_id();
        let event =
            Event::new(user, at, What::Text { message: at.to_string(), text: text.clone() });
        let delivery = stage.sender.deliver(&[event], Redelivery::First, Instant::now()).await;
        assert_eq!(delivery.status, 200);
        let (venue, ..) =
            stage.places.iter().find(|(_, code, _)| text.ends_with(code)).expect("one");
        let venue: VenueId = venue.parse().expect("an id");
        let Roles::Here(running) = &stage.roles else { panic!("the roles are here") };
        let recorded = recorded(running.store(), venue, EventTime(at));
        tokio::time::timeout(PATIENCE, recorded).await.expect("the visit is recorded");
    }
    stage.end().await.expect("the roles end well");
}

/// Returns once there is a visit of this time at this venue.
async fn recorded(store: impl Store, venue: VenueId, at: EventTime) {
    loop {
        let rows = store.all::<ScanRow>(&(venue, at.hour())).await.expect("rows");
        if rows.iter().any(|row| row.scanned_at == at) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The texts that the codes of a document prepare, page by page. Poppler prints it at 150 dpi, and
/// ZBar reads it: rqrr finds no way through one code in very many that lies straight.
fn read(file: &Path) -> Vec<String> {
    let pages = tempfile::tempdir().expect("a directory");
    let page = pages.path().join("page");
    run(Command::new("pdftoppm").args(["-gray", "-r", "150"]).args([file, &page]));
    let mut pages: Vec<_> =
        pages.path().read_dir().expect("pages").map(|page| page.expect("a page").path()).collect();
    pages.sort();
    let only = ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"];
    let urls = run(Command::new("zbarimg").args(only).args(&pages));
    let texts = urls.lines().map(|url| {
        let text = url.strip_prefix("https://line.me/R/oaMessage/%40216ruabc/?");
        decoded(text.expect("LINE's address"))
    });
    let texts: Vec<String> = texts.collect();
    assert_eq!(texts.len(), pages.len(), "one code on a page");
    texts
}

/// What a command says.
fn run(command: &mut Command) -> String {
    let ran = command.output().expect("scripts/set-up test installs it");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit =
                    || char::from(rest.next().expect("a digit")).to_digit(16).expect("hex");
                (digit() * 16 + digit()) as u8
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
