//! The flyer proper: A4, and larger and smaller with the same shape.

use super::{
    super::{
        FlyerError,
        scene::{Area, Ink, Look, MM, Role, Scene, area},
        words,
    },
    Flyer,
};

/// 210 × 297 mm. The code is 92 mm wide, its modules about 1.5 mm.
pub(super) fn page(flyer: &Flyer<'_>) -> Result<Scene, FlyerError> {
    let mut scene = Scene::new(210.0, 297.0);
    let poster = flyer.poster;
    let facility = Look::bold(22.0).leading(1.15).role(Role::Heading).centred().in_the_middle();
    let venue = Look::bold(110.0).leading(1.1).role(Role::Title).centred().in_the_middle();
    scene.text(&poster.venue, area(13.0, 26.0, 184.0, 41.0), venue)?;
    scene.text(&poster.facility, area(13.0, 11.0, 184.0, 15.0), facility)?;
    flyer.band(&mut scene, area(13.0, 69.0, 184.0, 15.0), 30.0)?;
    let why = Look::regular(11.5).centred().in_the_middle();
    scene.text(words::WHY, area(13.0, 85.5, 184.0, 13.5), why)?;

    scene.qr(&flyer.matrix, (10.0, 100.0, 94.0));
    let bottom = steps(flyer, &mut scene, area(108.0, 102.0, 89.0, 60.0))? / MM;
    let again = area(108.0, bottom, 89.0, 172.0 - bottom);
    scene.text(flyer.again(), again, Look::bold(11.0).leading(1.3))?;
    let account = area(108.0, 173.5, 89.0, 21.0);
    scene.frame(account, 0.8);
    let inside = 2.5 * MM;
    let account = Area {
        x: account.x + inside,
        y: account.y + inside,
        width: account.width - 2.0 * inside,
        height: account.height - 2.0 * inside,
    };
    flyer.account(&mut scene, account, 15.0)?;

    let (before, after) = words::WITHOUT_QR;
    let without = format!("{before}{}{after}", flyer.design.account.id);
    let look = Look::regular(10.5).centred().in_the_middle();
    scene.text(&without, area(13.0, 196.5, 184.0, 7.0), look)?;
    flyer.typed(&mut scene, area(13.0, 204.0, 184.0, 15.0), 32.0)?;

    for (n, (language, foreign)) in flyer.foreign().enumerate() {
        let (column, row) = ((n % 2) as f32, (n / 2) as f32);
        let (x, y) = (13.0 + column * 94.0, 222.0 + row * 19.0);
        let bold = Look::words(language, 9.0).leading(1.2);
        scene.text(foreign.name, area(x, y, 90.0, 4.2), bold)?;
        let how = Look::words(language, 8.6).leading(1.32);
        scene.text(foreign.how, area(x, y + 4.2, 90.0, 13.8), how)?;
        scene.fill(area(x, y - 0.8, 90.0, 0.15), Ink::Grey);
    }

    scene.fill(area(13.0, 279.5, 184.0, 0.3), Ink::Black);
    let small = Look::regular(7.5).leading(1.4);
    scene.text(&flyer.footer(), area(13.0, 280.5, 184.0, 4.0), small.clone())?;
    let rest = format!("{}　{}。", words::REPRINT, words::TRADEMARK);
    scene.text(&rest, area(13.0, 284.5, 184.0, 4.0), small)?;
    Ok(scene)
}

/// The three steps, each with its number; says where they end.
fn steps(flyer: &Flyer<'_>, scene: &mut Scene, area: Area) -> Result<f32, FlyerError> {
    let mut y = area.y;
    let mut steps = words::STEPS;
    if flyer.design.account.icon.is_some() {
        steps[1] = words::STEP_WITH_ICON;
    }
    for (step, number) in steps.into_iter().zip(["❶", "❷", "❸"]) {
        let indent = 12.0 * MM;
        let row = Area { y, height: area.y + area.height - y, ..area };
        scene.text(number, Area { width: indent, ..row }, Look::bold(26.0).leading(1.0))?;
        let column = Area { x: row.x + indent, width: row.width - indent, ..row };
        let bottom = scene.text(step, column, Look::bold(13.0).leading(1.3))?;
        y = bottom.max(y + 9.5 * MM) + 2.5 * MM;
    }
    Ok(y)
}
