//! A page before it is a PDF or a picture: blocks in reading order, each with what it means and
//! what is drawn.

use std::{collections::BTreeSet, sync::Arc};

use schemas::language::Language;

use super::{
    FlyerError,
    qr::Matrix,
    text::{Line, Paragraph, Room, Style, fit},
};

/// A millimetre in points.
pub(super) const MM: f32 = 72.0 / 25.4;

/// A page. Lengths are in points, from the upper left corner; what is drawn is larger by `scale`.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) scale: f32,
    pub(super) blocks: Vec<Block>,
    /// Characters for which `〓` stands.
    pub(super) missing: BTreeSet<char>,
}

/// A piece of a page with one meaning.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) role: Role,
    pub(super) language: Language,
    /// Upside down: the page turned by 180° about its middle.
    pub(super) turned: bool,
    pub(super) items: Vec<Item>,
}

/// What a block is to somebody who can't see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The heading of a page.
    Title,
    /// A heading under it.
    Heading,
    Paragraph,
    /// A picture, and the words in its place.
    Figure(&'static str),
    /// A rule, a fold, a repetition: nothing.
    Decoration,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Line {
        line: Line,
        x: f32,
        base: f32,
        size: f32,
        ink: Ink,
    },
    Rect {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    /// With its quiet zone.
    Qr {
        matrix: Arc<Matrix>,
        x: f32,
        y: f32,
        side: f32,
    },
    Icon {
        x: f32,
        y: f32,
        side: f32,
    },
}

/// Black on white, and white on black for one band; grey for rules only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    White,
    Grey,
}

impl Ink {
    /// 0 is black.
    pub(super) fn lightness(self) -> u8 {
        match self {
            Ink::Black => 0,
            Ink::White => 255,
            Ink::Grey => 150,
        }
    }
}

/// A box of a page, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// A box, in millimetres.
pub(super) fn area(x: f32, y: f32, width: f32, height: f32) -> Area {
    Area { x: x * MM, y: y * MM, width: width * MM, height: height * MM }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
}

/// How a text is set.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) role: Role,
    pub(super) style: Style,
    /// Points, at most.
    pub(super) size: f32,
    pub(super) leading: f32,
    pub(super) align: Align,
    pub(super) ink: Ink,
    /// In the middle of its area's height, not at its top.
    pub(super) middle: bool,
}

impl Look {
    pub(super) fn regular(size: f32) -> Self {
        Self {
            role: Role::Paragraph,
            style: Style::Regular,
            size,
            leading: 1.45,
            align: Align::Left,
            ink: Ink::Black,
            middle: false,
        }
    }

    pub(super) fn bold(size: f32) -> Self {
        Self { style: Style::Bold, leading: 1.3, ..Self::regular(size) }
    }

    pub(super) fn words(language: Language, size: f32) -> Self {
        Self { style: Style::Words(language), ..Self::regular(size) }
    }

    pub(super) fn centred(self) -> Self {
        Self { align: Align::Centre, ..self }
    }

    pub(super) fn in_the_middle(self) -> Self {
        Self { middle: true, ..self }
    }

    pub(super) fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    pub(super) fn leading(self, leading: f32) -> Self {
        Self { leading, ..self }
    }
}

impl Scene {
    /// An empty page of so many millimetres.
    pub(super) fn new(width: f32, height: f32) -> Self {
        Self {
            width: width * MM,
            height: height * MM,
            scale: 1.0,
            blocks: Vec::new(),
            missing: BTreeSet::new(),
        }
    }

    fn push(&mut self, role: Role, language: Language, items: Vec<Item>) {
        self.blocks.push(Block { role, language, turned: false, items });
    }

    /// Sets a text into an area, and says where it ends, in points from the top. A text that does
    /// not even fit in the smallest letters is an error: nothing is cut.
    pub(super) fn text(&mut self, text: &str, area: Area, look: Look) -> Result<f32, FlyerError> {
        let room =
            Room { width: area.width, height: area.height, size: look.size, leading: look.leading };
        let set = fit(text, look.style, room).ok_or(FlyerError::NameTooLong)?;
        let language = match look.style {
            Style::Words(language) => language,
            Style::Regular | Style::Bold => Language::Japanese,
        };
        Ok(self.paragraph(set, area, (look, language)))
    }

    fn paragraph(&mut self, set: Paragraph, area: Area, (look, language): (Look, Language)) -> f32 {
        let Paragraph { size, lines, missing } = set;
        self.missing.extend(missing);
        let pitch = size * look.leading;
        let height = pitch * lines.len() as f32;
        let top = if look.middle { area.y + (area.height - height) / 2.0 } else { area.y };
        let mut items = Vec::with_capacity(lines.len());
        for (n, line) in lines.into_iter().enumerate() {
            let x = match look.align {
                Align::Left => area.x,
                Align::Centre => area.x + (area.width - line.width) / 2.0,
            };
            // The letters' box (0.88 em above the base line, 0.12 below) in the middle of its line.
            let base = top + pitch * n as f32 + (pitch - size) / 2.0 + 0.88 * size;
            items.push(Item::Line { line, x, base, size, ink: look.ink });
        }
        self.push(look.role, language, items);
        top + height
    }

    /// A filled box that means nothing.
    pub(super) fn fill(&mut self, area: Area, ink: Ink) {
        let Area { x, y, width, height } = area;
        let rect = Item::Rect { x, y, width, height, ink };
        self.push(Role::Decoration, Language::Japanese, vec![rect]);
    }

    /// A frame that means nothing, with a rule of so many points.
    pub(super) fn frame(&mut self, area: Area, rule: f32) {
        let Area { x, y, width, height } = area;
        for (x, y, width, height) in [
            (x, y, width, rule),
            (x, y + height - rule, width, rule),
            (x, y, rule, height),
            (x + width - rule, y, rule, height),
        ] {
            self.fill(Area { x, y, width, height }, Ink::Black);
        }
    }

    /// A dashed line, for scissors or a fold: along the longer side of its area.
    pub(super) fn dashes(&mut self, area: Area) {
        let (dash, rule) = (2.0 * MM, 0.4);
        let Area { x, y, width, height } = area;
        let count = (width.max(height) / (2.0 * dash)) as usize;
        let dashes = (0..count).map(|n| {
            let at = 2.0 * dash * n as f32;
            let ink = Ink::Grey;
            if width > height {
                Item::Rect { x: x + at, y, width: dash, height: rule, ink }
            } else {
                Item::Rect { x, y: y + at, width: rule, height: dash, ink }
            }
        });
        let items = dashes.collect();
        self.push(Role::Decoration, Language::Japanese, items);
    }

    /// The code, with its quiet zone, in a square.
    pub(super) fn qr(&mut self, matrix: &Arc<Matrix>, (x, y, side): (f32, f32, f32)) {
        let item = Item::Qr { matrix: Arc::clone(matrix), x: x * MM, y: y * MM, side: side * MM };
        let role = Role::Figure(super::words::QR_ALT);
        self.push(role, Language::Japanese, vec![item]);
    }

    /// The account's picture, in a square.
    pub(super) fn icon(&mut self, area: Area) {
        let item = Item::Icon { x: area.x, y: area.y, side: area.width };
        let role = Role::Figure(super::words::ICON_ALT);
        self.push(role, Language::Japanese, vec![item]);
    }

    /// All that is there once more, upside down, for who sits on the other side. It is a
    /// repetition, so it means nothing to who can't see it.
    pub(super) fn repeat_turned(&mut self) {
        let turned = self.blocks.iter().map(|block| Block {
            role: Role::Decoration,
            turned: true,
            ..block.clone()
        });
        let turned: Vec<Block> = turned.collect();
        self.blocks.extend(turned);
    }

    /// All that is there, moved by so many points. A repetition means nothing, as above.
    pub(super) fn moved(&self, dx: f32, dy: f32, again: bool) -> Vec<Block> {
        let mut blocks = self.blocks.clone();
        for block in &mut blocks {
            if again {
                block.role = Role::Decoration;
            }
            for item in &mut block.items {
                let (x, y) = match item {
                    Item::Line { x, base, .. } => (x, base),
                    Item::Rect { x, y, .. } | Item::Qr { x, y, .. } | Item::Icon { x, y, .. } => {
                        (x, y)
                    }
                };
                *x += dx;
                *y += dy;
            }
        }
        blocks
    }
}
