//! Every problem of a submitted job at once.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    ids::VenueId,
    job::{JobContent, JobVenue},
    language::Language,
    registry::Registry,
    time::{DAY_MS, EventTime},
    visit::Window,
};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::problem::FieldError;

/// Places of one job.
const MAX_VENUES: usize = 200;
/// The longest window: 14 days.
const MAX_WINDOW_MS: i64 = 14 * DAY_MS;
/// The widest padding: half a day.
const MAX_PADDING_MINUTES: u32 = 720;
/// LINE's limit of a text message, in UTF-16 code units.
const MAX_TEXT_UNITS: usize = 5_000;
/// Characters of an official's reference.
const MAX_REFERENCE: usize = 200;
/// A facility of one letter can't be told from any text.
const FACILITY_LETTERS: usize = 2;
/// Shorter venues (「本館」, 「1F」) are words of any text: they name nothing by themselves.
const VENUE_LETTERS: usize = 3;

/// A job as officials submit it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The places, by id.
    #[schema(example = json!(["0H3K9M2P7X"]))]
    pub venues: Vec<String>,
    /// When the infected person was there.
    pub window: WindowRequest,
    /// How much the window is widened at both ends, in minutes: 0 to 720.
    #[serde(default)]
    #[schema(example = 30)]
    pub padding_minutes: u32,
    /// Language code (`ja`, `ja-easy`, `en`, `zh`, `ko`, `pt`, `vi`) → text. `ja` is required.
    #[schema(example = json!({"ja": "県からのお知らせです。"}))]
    pub messages: BTreeMap<String, String>,
    /// The officials' own reference.
    #[serde(default)]
    #[schema(example = "case 2026-113")]
    pub reference: String,
}

/// A window of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRequest {
    /// Its first moment: RFC 3339 with an offset.
    #[schema(example = "2026-11-20T18:00:00+09:00")]
    pub from: String,
    /// The moment after its last: RFC 3339 with an offset.
    #[schema(example = "2026-11-20T21:00:00+09:00")]
    pub to: String,
}

/// Problems as they are found.
#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, pointer: impl Into<String>, code: &str, detail: impl Into<String>) {
        let (pointer, code, detail) = (pointer.into(), code.to_owned(), detail.into());
        self.0.push(FieldError { pointer, code, detail });
    }
}

/// Makes the content of a job, or says everything that is wrong with it.
pub fn content(
    request: &JobRequest,
    registry: &Registry,
    now: EventTime,
) -> Result<JobContent, Vec<FieldError>> {
    let mut problems = Problems::default();
    let venues = venues(request, registry, &mut problems);
    let window = window(&request.window, now, &mut problems);
    if request.padding_minutes > MAX_PADDING_MINUTES {
        problems.add(
            "/padding_minutes",
            "out_of_range",
            format!("前後に広げる時間は0分から{MAX_PADDING_MINUTES}分までです。"),
        );
    }
    if request.reference.chars().count() > MAX_REFERENCE {
        problems.add("/reference", "too_long", format!("{MAX_REFERENCE}文字までです。"));
    }
    let messages = messages(request, registry, &venues, &mut problems);
    match window {
        Some(window) if problems.0.is_empty() => Ok(JobContent {
            venues,
            window,
            padding_minutes: request.padding_minutes,
            messages,
            reference: request.reference.clone(),
        }),
        _ => Err(problems.0),
    }
}

fn venues(request: &JobRequest, registry: &Registry, problems: &mut Problems) -> Vec<JobVenue> {
    if request.venues.is_empty() {
        problems.add("/venues", "empty", "場所を1か所以上選んでください。");
    }
    if request.venues.len() > MAX_VENUES {
        problems.add("/venues", "too_many", format!("場所は{MAX_VENUES}か所までです。"));
    }
    let mut seen = BTreeSet::new();
    let mut venues = Vec::new();
    for (n, id) in request.venues.iter().take(MAX_VENUES).enumerate() {
        let pointer = format!("/venues/{n}");
        let Ok(venue) = id.parse::<VenueId>() else {
            problems.add(pointer, "not_a_venue_id", "場所のIDは10文字の英数字です。");
            continue;
        };
        if !seen.insert(venue) {
            problems.add(pointer, "duplicate", "同じ場所が2回あります。");
            continue;
        }
        match registry.venue(venue) {
            Some((facility, _)) => {
                venues.push(JobVenue { venue, dwell_minutes: facility.kind.dwell_minutes() });
            }
            None => problems.add(pointer, "unknown_venue", "登録されていない場所です。"),
        }
    }
    venues
}

fn window(request: &WindowRequest, now: EventTime, problems: &mut Problems) -> Option<Window> {
    let mut time = |pointer: &str, text: &str| match EventTime::parse_rfc3339(text) {
        Ok(time) => Some(time),
        Err(_) => {
            problems.add(
                pointer,
                "not_a_time",
                "日時は時差を付けて書いてください（例: 2026-11-20T18:00:00+09:00）。",
            );
            None
        }
    };
    let from = time("/window/from", &request.from);
    let to = time("/window/to", &request.to);
    let (from, to) = (from?, to?);
    if to <= from {
        problems.add("/window", "reversed", "終わりは始まりより後にしてください。");
    } else if to.0 - from.0 > MAX_WINDOW_MS {
        problems.add("/window", "too_long", "期間は14日までです。");
    }
    if from > now {
        problems.add("/window/from", "in_the_future", "まだ来ていない日時です。");
    }
    Some(Window { from, to })
}

fn messages(
    request: &JobRequest,
    registry: &Registry,
    venues: &[JobVenue],
    problems: &mut Problems,
) -> BTreeMap<Language, String> {
    let names = names(registry, venues);
    let mut messages = BTreeMap::new();
    for (code, text) in &request.messages {
        let pointer = format!("/messages/{}", code.replace('~', "~0").replace('/', "~1"));
        let Ok(language) = code.parse::<Language>() else {
            problems.add(
                pointer,
                "unknown_language",
                "言語は ja, ja-easy, en, zh, ko, pt, vi のどれかです。",
            );
            continue;
        };
        if text.trim().is_empty() {
            problems.add(&pointer, "empty", "文章がありません。");
        }
        let units = text.encode_utf16().count();
        if units > MAX_TEXT_UNITS {
            problems.add(
                &pointer,
                "too_long",
                format!("{MAX_TEXT_UNITS}文字までです（今は{units}文字）。"),
            );
        }
        let plain = letters(text);
        for name in names.iter().filter(|name| plain.contains(name.letters.as_str())) {
            problems.add(
                &pointer,
                "names_a_place",
                format!("施設名「{}」が入っています。お知らせには施設名を書けません。", name.shown),
            );
        }
        messages.insert(language, text.clone());
    }
    if !messages.contains_key(&Language::Japanese) {
        problems.add("/messages/ja", "required", "日本語の文章が必要です。");
    }
    messages
}

struct Name {
    shown: String,
    letters: String,
}

/// Names that no message of the job may hold: of its facilities, and of its venues where they are
/// more than a floor.
fn names(registry: &Registry, venues: &[JobVenue]) -> Vec<Name> {
    let mut names = BTreeMap::new();
    for place in venues {
        let Some((facility, venue)) = registry.venue(place.venue) else { continue };
        for (shown, at_least) in [(&facility.name, FACILITY_LETTERS), (&venue.name, VENUE_LETTERS)]
        {
            let letters = letters(shown);
            if letters.chars().count() >= at_least {
                names.insert(letters, shown.clone());
            }
        }
    }
    names.into_iter().map(|(letters, shown)| Name { shown, letters }).collect()
}

/// Letters and digits in one width and case: what makes a name, however it is spaced or written.
pub(crate) fn letters(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}
