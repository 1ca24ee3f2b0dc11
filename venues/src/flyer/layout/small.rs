//! Where there is little room: table tents, stickers, photo paper.

use super::{
    super::{
        FlyerError,
        scene::{Area, Look, MM, Role, Scene, area},
        words,
    },
    Flyer,
};

/// Photo paper: 127 mm wide, at least 178 mm high.
pub(super) fn photo(flyer: &Flyer<'_>, width: f32, height: f32) -> Result<Scene, FlyerError> {
    let mut scene = Scene::new(width, height);
    names(flyer, &mut scene, (area(8.0, 6.0, 111.0, 8.0), area(8.0, 14.0, 111.0, 25.0)))?;
    flyer.band(&mut scene, area(8.0, 40.0, 111.0, 10.0), 20.0)?;
    scene.qr(&flyer.matrix, (26.0, 50.5, 75.0));
    steps(&mut scene, area(8.0, 127.0, 52.0, 19.0), 11.0)?;
    flyer.account(&mut scene, area(62.0, 128.0, 57.0, 15.0), 11.0)?;
    without_qr(flyer, &mut scene, area(8.0, 146.0, 111.0, 14.0), 19.0)?;
    languages(flyer, &mut scene, area(8.0, 161.5, 111.0, 10.5), 7.5)?;
    foot(flyer, &mut scene, area(8.0, 172.5, 111.0, 4.5), 5.5)?;
    Ok(scene)
}

/// A4, folded into a tent: each side reads upright for who sits before it.
pub(super) fn tent(flyer: &Flyer<'_>) -> Result<Scene, FlyerError> {
    let mut scene = Scene::new(210.0, 297.0);
    let top = 148.5;
    let at = |x, y, width, height| area(x, top + y, width, height);
    names(flyer, &mut scene, (at(106.0, 7.0, 94.0, 10.0), at(106.0, 17.0, 94.0, 33.0)))?;
    flyer.band(&mut scene, at(106.0, 52.0, 94.0, 11.0), 20.0)?;
    scene.qr(&flyer.matrix, (9.0, top + 5.0, 92.0));
    steps(&mut scene, at(106.0, 66.0, 94.0, 24.0), 14.0)?;
    flyer.account(&mut scene, at(106.0, 93.0, 94.0, 15.0), 13.0)?;
    without_qr(flyer, &mut scene, at(12.0, 96.0, 86.0, 15.0), 16.0)?;
    languages(flyer, &mut scene, at(12.0, 112.5, 188.0, 7.0), 7.0)?;
    foot(flyer, &mut scene, at(12.0, 119.5, 188.0, 4.0), 6.0)?;
    let glue = Look::regular(8.0).centred().in_the_middle();
    scene.repeat_turned();
    scene.text(words::GLUE, area(10.0, 277.0, 190.0, 10.0), glue)?;
    for fold in [23.5, 148.5, 273.5] {
        scene.dashes(area(0.0, fold, 210.0, 0.1));
        scene.text(words::FOLD, area(2.0, fold + 0.3, 12.0, 3.5), Look::regular(6.0))?;
    }
    Ok(scene)
}

/// Stickers on an A4 sheet: columns, rows, width and height of one, margins.
const STICKERS: (usize, usize, f32, f32) = (2, 4, 92.0, 66.0);

/// A4 with eight stickers of one place, to be cut or for label paper of that size.
pub(super) fn stickers(flyer: &Flyer<'_>) -> Result<Scene, FlyerError> {
    let (columns, rows, width, height) = STICKERS;
    let mut scene = Scene::new(210.0, 297.0);
    let (left, top) =
        ((210.0 - columns as f32 * width) / 2.0, (297.0 - rows as f32 * height) / 2.0);
    let mut one = Scene::new(210.0, 297.0);
    let at = |x, y, width, height| area(left + x, top + y, width, height);
    names(flyer, &mut one, (at(57.0, 3.5, 32.0, 7.0), at(57.0, 10.5, 32.0, 17.0)))?;
    flyer.band(&mut one, at(57.0, 28.5, 32.0, 5.5), 8.5)?;
    one.qr(&flyer.matrix, (left + 2.0, top + 2.0, 53.0));
    steps(&mut one, at(57.0, 35.5, 32.0, 9.0), 6.5)?;
    flyer.account(&mut one, at(57.0, 46.0, 32.0, 8.0), 7.0)?;
    let label = Look::regular(5.5).leading(1.1).centred().in_the_middle();
    one.text(words::SHORT_WITHOUT_QR, at(3.0, 55.2, 86.0, 2.3), label)?;
    let typed = Look::bold(11.0).leading(1.0).centred().in_the_middle();
    one.text(&flyer.code, at(3.0, 57.3, 86.0, 4.6), typed)?;
    let foot = format!("{}　{}", flyer.version(), words::TRADEMARK);
    let look = Look::regular(4.5).leading(1.1).centred().in_the_middle();
    one.text(&foot, at(3.0, 62.0, 86.0, 2.5), look)?;
    for row in 0..rows {
        for column in 0..columns {
            let (dx, dy) = (column as f32 * width * MM, row as f32 * height * MM);
            scene.blocks.extend(one.moved(dx, dy, row + column > 0));
        }
    }
    scene.missing = one.missing;
    for column in 0..=columns {
        scene.dashes(area(left + column as f32 * width, top, 0.1, rows as f32 * height));
    }
    for row in 0..=rows {
        scene.dashes(area(left, top + row as f32 * height, columns as f32 * width, 0.1));
    }
    Ok(scene)
}

/// The facility small, the venue as large as it goes.
fn names(
    flyer: &Flyer<'_>,
    scene: &mut Scene,
    (facility, venue): (Area, Area),
) -> Result<(), FlyerError> {
    let look = Look::bold(venue.height * 0.85).leading(1.1);
    let look = look.role(Role::Title).centred().in_the_middle();
    scene.text(&flyer.poster.venue, venue, look)?;
    let look = Look::bold(facility.height * 0.62).leading(1.12);
    let look = look.role(Role::Heading).centred().in_the_middle();
    scene.text(&flyer.poster.facility, facility, look)?;
    Ok(())
}

/// The three steps in few words.
fn steps(scene: &mut Scene, area: Area, size: f32) -> Result<(), FlyerError> {
    let row = area.height / 3.0;
    for (n, step) in words::SHORT_STEPS.into_iter().enumerate() {
        let number = ["❶", "❷", "❸"][n];
        let place = Area { y: area.y + row * n as f32, height: row, ..area };
        let look = Look::bold(size).leading(1.05).in_the_middle();
        scene.text(&format!("{number} {step}"), place, look)?;
    }
    Ok(())
}

/// The code for typing, under its label.
fn without_qr(
    flyer: &Flyer<'_>,
    scene: &mut Scene,
    area: Area,
    size: f32,
) -> Result<(), FlyerError> {
    let label = Area { height: area.height * 0.34, ..area };
    let (before, after) = words::WITHOUT_QR;
    let text = format!("{before}{}{after}", flyer.design.account.id);
    scene.text(&text, label, Look::regular(size * 0.42).leading(1.15).centred().in_the_middle())?;
    let typed = Area { y: area.y + label.height, height: area.height - label.height, ..area };
    flyer.typed(scene, typed, size)
}

/// A few words in each language, in columns.
fn languages(
    flyer: &Flyer<'_>,
    scene: &mut Scene,
    area: Area,
    size: f32,
) -> Result<(), FlyerError> {
    let columns = if area.width > 150.0 * MM { 3 } else { 2 };
    let rows = flyer.foreign().count().div_ceil(columns).max(1);
    let (width, height) = (area.width / columns as f32, area.height / rows as f32);
    for (n, (language, foreign)) in flyer.foreign().enumerate() {
        let place = Area {
            x: area.x + width * (n % columns) as f32,
            y: area.y + height * (n / columns) as f32,
            width: width - 2.0 * MM,
            height,
        };
        let look = Look::words(language, size).leading(1.1).in_the_middle();
        scene.text(foreign.short, place, look)?;
    }
    Ok(())
}

fn foot(flyer: &Flyer<'_>, scene: &mut Scene, area: Area, size: f32) -> Result<(), FlyerError> {
    let text = format!("{}　{}", flyer.footer(), words::TRADEMARK);
    scene.text(&text, area, Look::regular(size).leading(1.2).in_the_middle())?;
    Ok(())
}
