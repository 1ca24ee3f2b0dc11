//! Every format with easy and with hard names, to look at; and how long each takes to make.
//!
//! `cargo run --release --package venues --example flyers -- DIR`
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, path::PathBuf, time::Instant};

use schemas::{
    ids::VenueId,
    language::Language,
    place_code::{Issue, PlaceKeys},
    registry::FacilityKind,
    time::EventTime,
};
use venues::flyer::{self, Account, Design, Format, Icon, Poster};

const PLACES: [(&str, &str, &str); 5] = [
    ("plain", "食堂みなと", "1階"),
    (
        "long",
        "名古屋市国際展示場ポートメッセなごや",
        "新第1展示館 東側エントランスホール及びコンベンションセンター 2階 大会議室A",
    ),
    ("rare", "株式会社髙島屋 﨑本店", "𠮷田・辻\u{e0100}の間 ﾊﾝｶｸ 🍎"),
    ("latin", "Nguyễn Trãi Café & Bäckerei", "InternationalConferenceCenterMainHallLevelB2"),
    ("hangul", "한국집 خان", "大ホール"),
];
/// Times that each is made for the figure.
const ROUNDS: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("which directory?")?);
    fs::create_dir_all(&dir)?;
    let keys = PlaceKeys::first([7; 32]);
    let account = Account {
        id: "@123abcde".to_owned(),
        name: "愛知県 安心みえるLINE".to_owned(),
        icon: Some(icon()?),
    };
    let languages = Language::ALL[1..].to_vec();
    let contact = Some("愛知県 感染症対策課 052-000-0000".to_owned());
    let design = Design { account, languages, contact };
    println!("| place | format | ms | kB | 〓 |\n|---|---|---|---|---|");
    for (n, (place, facility, venue)) in (1..).zip(PLACES) {
        let poster = Poster {
            facility: facility.to_owned(),
            venue: venue.to_owned(),
            kind: FacilityKind::Shop,
            code: keys.code(VenueId::from_u64(n << 40 | 0x1234_5678), Issue(1)),
            issued_at: EventTime(1_795_662_000_000),
        };
        for format in Format::ALL {
            let one = std::slice::from_ref(&poster);
            let made = flyer::together(one, &design, format)?;
            let started = Instant::now();
            for _ in 0..ROUNDS {
                flyer::together(one, &design, format)?;
            }
            let ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(ROUNDS);
            let missing: String = made.missing.iter().collect();
            println!("| {place} | {format} | {ms:.1} | {} | {missing} |", made.bytes.len() / 1_000);
            let name = format!("{place}-{format}.{}", made.media.extension());
            fs::write(dir.join(name), made.bytes)?;
        }
    }
    Ok(())
}

/// A disc on a square.
fn icon() -> Result<Icon, Box<dyn Error>> {
    let side = 240;
    let middle = f64::from(side) / 2.0;
    let mut pixels = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let far = (f64::from(x) - middle).hypot(f64::from(y) - middle) / middle;
            pixels.extend(if far < 0.4 {
                [255, 255, 255]
            } else if far < 0.9 {
                [0, 140, 100]
            } else {
                [225, 240, 235]
            });
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side as u32, side as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(Icon::from_png(&file)?)
}
