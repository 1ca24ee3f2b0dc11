//! The staff card: what to tell guests. A5.

use super::{
    super::{
        FlyerError,
        scene::{Ink, Look, MM, Role, Scene, area},
        words,
    },
    Flyer,
};

/// 148 × 210 mm.
pub(super) fn page(flyer: &Flyer<'_>) -> Result<Scene, FlyerError> {
    let mut scene = Scene::new(148.0, 210.0);
    let title = Look::bold(16.0).role(Role::Title).centred().in_the_middle();
    scene.text(words::STAFF_TITLE, area(9.0, 8.0, 130.0, 10.0), title)?;
    let place = format!("{}　{}", flyer.poster.facility, flyer.poster.venue);
    let look = Look::bold(11.0).leading(1.2).role(Role::Heading).centred().in_the_middle();
    scene.text(&place, area(9.0, 19.0, 130.0, 11.0), look)?;
    scene.fill(area(9.0, 31.0, 130.0, 0.3), Ink::Black);
    let mut y = 34.0;
    for (head, text) in words::STAFF {
        scene.text(head, area(9.0, y, 26.0, 10.0), Look::bold(11.0))?;
        let bottom = scene.text(text, area(37.0, y, 102.0, 22.0), Look::regular(11.0))?;
        y = bottom / MM + 2.6;
    }
    scene.qr(&flyer.matrix, (7.0, 128.0, 66.0));
    flyer.account(&mut scene, area(76.0, 134.0, 63.0, 16.0), 11.0)?;
    let label = Look::regular(8.0).centred().in_the_middle();
    scene.text(words::SHORT_WITHOUT_QR, area(76.0, 160.0, 63.0, 5.0), label)?;
    flyer.typed(&mut scene, area(76.0, 166.0, 63.0, 9.0), 13.0)?;
    let small = Look::regular(7.0).leading(1.3);
    scene.text(&flyer.footer(), area(9.0, 197.0, 130.0, 4.0), small.clone())?;
    scene.text(words::TRADEMARK, area(9.0, 201.0, 130.0, 4.0), small)?;
    Ok(scene)
}
