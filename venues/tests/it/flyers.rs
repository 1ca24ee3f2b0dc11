//! Flyers as paper is: printed, photographed badly, and read by two decoders.

mod facilities;
pub(crate) mod photograph;

use std::collections::BTreeSet;

use schemas::language::Language;
use venues::flyer::{self, Account, Design, FlyerError, Format, Media, Poster, check_in_url};

use self::{
    facilities::{FACILITIES, poster, posters},
    photograph::Grey,
};

fn design() -> Design {
    Design {
        account: Account {
            id: "@anshin-test".to_owned(),
            name: "愛知県 安心みえるLINE".to_owned(),
            icon: None,
        },
        languages: Language::ALL[1..].to_vec(),
        contact: Some("愛知県 感染症対策課 052-000-0000".to_owned()),
    }
}

/// Where a format's code lies on its page: left, top and side in mm; and the page's width.
fn place(format: Format) -> (f32, f32, f32, f32) {
    match format {
        Format::A4 | Format::Png => (10.0, 100.0, 94.0, 210.0),
        Format::A5 => (7.0, 70.5, 66.3, 148.0),
        Format::B2 => (24.5, 245.2, 230.6, 515.0),
        Format::Tent => (9.0, 153.5, 92.0, 210.0),
        Format::Stickers => (15.0, 18.5, 53.0, 210.0),
        Format::StaffCard => (7.0, 128.0, 66.0, 148.0),
        Format::Photo2L => (26.0, 50.5, 75.0, 127.0),
        Format::PhotoL => (18.2, 35.4, 52.6, 89.0),
    }
}

/// Prints the flyers at 150 dpi, on as few calls as possible, and cuts the code out with what
/// stands around it.
fn printed(format: Format, posters: &[Poster]) -> Vec<Grey> {
    let (left, top, side, _) = place(format);
    let cut = (left - 6.0, top - 6.0, side + 12.0, side + 12.0);
    match format.media() {
        Media::Pdf => {
            let made = flyer::together(posters, &design(), format).expect("a document");
            photograph::printed(&made.bytes, Some(cut))
        }
        _ => posters
            .iter()
            .map(|poster| {
                let one = std::slice::from_ref(poster);
                let made = flyer::together(one, &design(), format).expect("a picture");
                Grey::from_png(&made.bytes).halved().cut(cut)
            })
            .collect(),
    }
}

/// How askew it is held. ZBar reads the first; rqrr looks along rows of pixels for the corners and at
/// some angles misses one, so it may look again, as a phone does many times a second.
const DEGREES: [f32; 4] = [5.0, 3.0, 7.0, 1.0];

/// Every format × 60 facilities: printed at 150 dpi, blurred, held askew, read by two decoders that
/// know nothing of each other.
fn is_read_by_two(format: Format) {
    let posters = posters(0xf1_7e5);
    assert_eq!(posters.len(), FACILITIES);
    let pages = printed(format, &posters);
    assert_eq!(pages.len(), FACILITIES, "{format}");
    let blurred: Vec<Grey> = pages.iter().map(Grey::blurred).collect();
    let photographs: Vec<Grey> = blurred.iter().map(|page| page.turned(DEGREES[0])).collect();
    let by_zbar = photograph::zbar(&photographs);
    for (n, poster) in posters.iter().enumerate() {
        let wanted = check_in_url("@anshin-test", &poster.code).expect("an address");
        assert_eq!(by_zbar[n], wanted, "{format} {n} by zbar");
        let mut looks = DEGREES.into_iter();
        let read = looks.find_map(|degrees| photograph::rqrr(&blurred[n].turned(degrees)));
        assert_eq!(read, Some(wanted), "{format} {n} by rqrr");
    }
}

macro_rules! read_by_two {
    ($($name:ident: $format:ident,)*) => {$(
        #[test]
        fn $name() {
            is_read_by_two(Format::$format);
        }
    )*};
}

read_by_two! {
    a4_is_read_by_two_decoders: A4,
    a5_is_read_by_two_decoders: A5,
    b2_is_read_by_two_decoders: B2,
    a_tent_is_read_by_two_decoders: Tent,
    a_sticker_is_read_by_two_decoders: Stickers,
    a_staff_card_is_read_by_two_decoders: StaffCard,
    a_picture_is_read_by_two_decoders: Png,
    a_2l_photo_is_read_by_two_decoders: Photo2L,
    an_l_photo_is_read_by_two_decoders: PhotoL,
}

#[test]
fn the_same_again_gives_the_same_bytes() {
    let posters = posters(1);
    for format in Format::ALL {
        let make = || flyer::together(&posters[..2], &design(), format).expect("a file").bytes;
        assert!(make() == make(), "{format}");
    }
}

#[test]
fn names_of_every_kind_are_printed_whole() {
    let long =
        "名古屋市国際展示場ポートメッセなごや新第1展示館東側エントランスホール及び会議室2階A";
    for (name, missing) in [
        ("髙島屋 﨑 𠮷 辻\u{e0100} 辻 葛\u{e0101}", ""),
        ("ﾊﾝｶｸｶﾅ ﾊﾟﾋﾟ ー", ""),
        ("🍎カフェ👩\u{200d}🍳☎\u{fe0f}", ""),
        ("Nguyễn Trãi Bäckerei Straße Москва", ""),
        ("한국집 简体中文馆", ""),
        (long, ""),
        ("InternationalConferenceCenterMainHallLevelB2Section", ""),
        ("خان الخليلي", "ابخلنيا"),
        ("\u{202e}ab\u{7}c\u{200b}", ""),
    ] {
        for format in Format::ALL {
            let poster = Poster { venue: name.to_owned(), ..poster(7) };
            let made = flyer::together(&[poster], &design(), format).expect("is printed");
            let allowed: BTreeSet<char> = missing.chars().collect();
            assert!(made.missing.is_subset(&allowed), "{format} {name} {:?}", made.missing);
            assert_eq!(made.missing.is_empty(), missing.is_empty(), "{format} {name}");
        }
    }
}

/// The text of a PDF is the text of the flyer, whichever face draws it: nothing is cut.
#[test]
fn the_names_can_be_read_from_the_document() {
    let names = [
        "髙島屋 﨑本店 𠮷田・辻の間",
        "🍎カフェ 한국집 Nguyễn",
        "名古屋市国際展示場 新第1展示館 東側大会議室及び控室",
    ];
    for name in names {
        let poster = Poster { venue: name.to_owned(), ..poster(7) };
        let made = flyer::together(&[poster], &design(), Format::A4).expect("is printed");
        let text = photograph::text(&made.bytes);
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert!(bare(&text).contains(&bare(name)), "{name} is not in {text}");
        for fixed in ["デンソーウェーブ", "第1版", "2026年11月26日(木)発行", "@anshin-test"]
        {
            assert!(bare(&text).contains(fixed), "{fixed} is not in {text}");
        }
    }
}

#[test]
fn what_cannot_be_printed_is_told() {
    let make = |poster: Poster| flyer::together(&[poster], &design(), Format::A4).err();
    let endless = Poster { venue: "あ".repeat(10_000), ..poster(1) };
    assert_eq!(make(endless), Some(FlyerError::NameTooLong));
    assert_eq!(flyer::together(&[], &design(), Format::A4).err(), Some(FlyerError::Count));
    let mut design = design();
    design.account.id = "anshin".to_owned();
    let made = flyer::together(&[poster(1)], &design, Format::A4);
    assert_eq!(made.err(), Some(FlyerError::AccountId));
}

#[test]
fn files_of_an_archive_have_harmless_names() {
    let hostile = Poster {
        facility: "=cmd|'/c calc'!A1".to_owned(),
        venue: "../../etc/passwd\n".to_owned(),
        ..poster(1)
    };
    let name = flyer::file_name(&hostile, Format::A4);
    assert!(!name.contains(['/', '\\', '.', '|', '\n']) && !name.starts_with('='), "{name}");
    let posters = [hostile, poster(2), poster(3)];
    let made = flyer::archive(&posters, &design(), Format::A5).expect("an archive");
    assert_eq!(made.media, Media::Zip);
    assert_eq!(photograph::files_of(&made.bytes), 3);
}
