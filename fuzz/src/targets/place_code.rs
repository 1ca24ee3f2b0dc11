//! A visitor's words: a place code is found as it was printed, in whatever shape, or not at all.

use std::sync::LazyLock;

use schemas::place_code::{Found, PlaceKeys};

static KEYS: LazyLock<PlaceKeys> =
    LazyLock::new(|| PlaceKeys::from_file(&super::written("test-places.json")).expect("test keys"));

pub(super) fn run(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    match KEYS.find(&text) {
        Found::Code(code) => {
            assert_eq!(KEYS.code(code.venue(), code.issue()), code, "it is one of ours");
            let printed = code.to_string();
            let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c);
            for shape in [
                printed.clone(),
                code.check_in_text(),
                printed.to_lowercase(),
                printed.replace('-', ""),
                printed.replace('-', "　"),
                printed.replace('-', " \u{200b}"),
                printed.chars().map(wide).collect(),
                format!("いま、{printed}。"),
            ] {
                assert_eq!(KEYS.find(&shape), Found::Code(code), "{shape}");
            }
            super::came_to(("code", text.len() / 16))
        }
        Found::Refused(problem) => super::came_to(problem),
        Found::Nothing => super::came_to(("nothing", text.len() / 16)),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let list = super::written("venues.csv");
    let texts = list.lines().skip(1).filter_map(|line| line.rsplit(',').next());
    texts.map(|text| text.as_bytes().to_vec()).collect()
}
