//! What stands where, format by format.

mod card;
mod sheet;
mod small;

use std::sync::Arc;

use schemas::{language::Language, registry::FacilityKind};

use super::{
    Design, FlyerError, Format, Poster, check_in_url,
    qr::Matrix,
    scene::{Area, Ink, Look, MM, Role, Scene},
    words,
};

/// A flyer's words, ready to be set.
struct Flyer<'a> {
    poster: &'a Poster,
    design: &'a Design,
    matrix: Arc<Matrix>,
    code: String,
}

/// One page.
pub(super) fn page(poster: &Poster, design: &Design, format: Format) -> Result<Scene, FlyerError> {
    let url = check_in_url(&design.account.id, &poster.code)?;
    let matrix = Arc::new(Matrix::new(&url)?);
    let flyer = Flyer { poster, design, matrix, code: poster.code.to_string() };
    let scaled = |scene: Scene, scale| Scene { scale, ..scene };
    Ok(match format {
        Format::A4 | Format::Png => sheet::page(&flyer)?,
        // 148 of 210 mm, and 515 of 210: the shape is the same.
        Format::A5 => scaled(sheet::page(&flyer)?, 148.0 / 210.0),
        Format::B2 => scaled(sheet::page(&flyer)?, 515.0 / 210.0),
        Format::Tent => small::tent(&flyer)?,
        Format::Stickers => small::stickers(&flyer)?,
        Format::Photo2L => small::photo(&flyer, 127.0, 178.0)?,
        Format::PhotoL => scaled(small::photo(&flyer, 127.0, 181.23)?, 89.0 / 127.0),
        Format::StaffCard => card::page(&flyer)?,
    })
}

impl Flyer<'_> {
    /// `第1版 2026年11月26日(木)発行`.
    fn version(&self) -> String {
        let issue = self.poster.code.issue().0;
        let date = self.poster.issued_at.to_japanese();
        let date = date.split(' ').next().unwrap_or_default();
        format!("第{issue}版　{date}発行")
    }

    fn again(&self) -> &'static str {
        match self.poster.kind {
            FacilityKind::Event | FacilityKind::Hall => words::AGAIN_EVENT,
            _ => words::AGAIN,
        }
    }

    fn foreign(&self) -> impl Iterator<Item = (Language, words::Foreign)> {
        let chosen = self.design.languages.iter();
        chosen.filter_map(|language| Some((*language, words::foreign(*language)?)))
    }

    /// Version, contact and trademark.
    fn footer(&self) -> String {
        let contact = self.design.contact.as_ref();
        let contact = contact.map(|contact| format!("　{}{contact}", words::CONTACT));
        format!("{}{}", self.version(), contact.unwrap_or_default())
    }

    /// The account's picture, what it is, its name and its id, in a row.
    fn account(&self, scene: &mut Scene, area: Area, size: f32) -> Result<(), FlyerError> {
        let account = &self.design.account;
        let mut x = area.x;
        if account.icon.is_some() {
            scene.icon(Area { width: area.height, ..area });
            x += area.height + 2.0 * MM;
        }
        let column = |from: f32, part: f32| Area {
            x,
            y: area.y + area.height * from,
            width: area.x + area.width - x,
            height: area.height * part,
        };
        let label = format!("{}　{}", words::ACCOUNT, account.id);
        scene.text(
            &label,
            column(0.0, 0.3),
            Look::regular(size * 0.62).leading(1.2).in_the_middle(),
        )?;
        let name = Look::bold(size).leading(1.15).in_the_middle();
        scene.text(&account.name, column(0.3, 0.7), name)?;
        Ok(())
    }

    /// White on black: what this is about.
    fn band(&self, scene: &mut Scene, area: Area, size: f32) -> Result<(), FlyerError> {
        scene.fill(area, Ink::Black);
        let look = Look { ink: Ink::White, ..Look::bold(size) };
        let look = look.role(Role::Heading).leading(1.0).centred().in_the_middle();
        scene.text(words::TITLE, area, look)?;
        Ok(())
    }

    /// The code for typing, framed.
    fn typed(&self, scene: &mut Scene, area: Area, size: f32) -> Result<(), FlyerError> {
        scene.frame(area, 0.8);
        // One line, and never against the frame.
        let (padding, height) = (1.5 * MM, size.min(area.height));
        let inside = Area {
            x: area.x + padding,
            y: area.y + (area.height - height) / 2.0,
            width: area.width - 2.0 * padding,
            height,
        };
        scene.text(&self.code, inside, Look::bold(size).leading(1.0).centred().in_the_middle())?;
        Ok(())
    }
}
