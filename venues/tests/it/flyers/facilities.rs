//! Facilities as they come, from a seed.

use schemas::{
    ids::VenueId,
    place_code::{Issue, PlaceKeys},
    registry::FacilityKind,
    time::EventTime,
};
use venues::flyer::Poster;

/// Facilities of a run.
pub(crate) const FACILITIES: usize = 60;

const NAMES: [&str; 12] = [
    "食堂みなと",
    "県立文化会館",
    "髙島屋﨑本店",
    "𠮷田屋",
    "Café Nguyễn",
    "한국집",
    "🍎りんご園",
    "名古屋市国際展示場ポートメッセなごや",
    "株式会社ﾊﾝｶｸ",
    "第一生命ビル 別館",
    "=1+1 カフェ",
    "O'Brien's Pub & Grill",
];
const VENUES: [&str; 10] = [
    "1階",
    "B2F",
    "大ホール",
    "第3会議室（南側）",
    "屋上ビアガーデン",
    "2階 座敷「梅」・「桜」の間",
    "West Wing",
    "新第1展示館東側エントランスホール及びコンベンションセンター2階大会議室A",
    "レジ前",
    "辻\u{e0100}の間",
];

/// A venue with the code of a number.
pub(crate) fn poster(number: u64) -> Poster {
    let keys = PlaceKeys::first([5; 32]);
    Poster {
        facility: NAMES[number as usize % NAMES.len()].to_owned(),
        venue: VENUES[number as usize / 5 % VENUES.len()].to_owned(),
        kind: FacilityKind::ALL[number as usize % FacilityKind::ALL.len()],
        code: keys.code(VenueId::from_u64(number), Issue(1)),
        // 2026-11-26 12:00 in Japan.
        issued_at: EventTime(1_795_662_000_000),
    }
}

/// Sixty of them.
pub(crate) fn posters(seed: u64) -> Vec<Poster> {
    // Knuth's multiplicative generator: any spread of numbers over 48 bits will do.
    let next = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(next(&seed), next).map(|n| poster(n >> 16)).take(FACILITIES).collect()
}
