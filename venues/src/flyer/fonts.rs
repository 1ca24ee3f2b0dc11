//! The faces: what they hold, how wide a glyph is, what it looks like.
//!
//! BIZ UDPGothic is a face made for public documents. What it lacks comes from subsets of Noto:
//! Vietnamese letters, Chinese and Korean words, rare kanji, emoji (`scripts/make-fonts`).

use std::sync::LazyLock;

use krilla::text::Font;
use skrifa::{
    FontRef, GlyphId, MetadataProvider,
    charmap::{Charmap, MapVariant},
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
    outline::{DrawSettings, OutlineGlyphCollection, OutlinePen},
};

/// A face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Face {
    Regular,
    Bold,
    LatinRegular,
    LatinBold,
    Chinese,
    Korean,
    /// Rare kanji and Hangul, bold: names have them, and names are bold.
    Names,
    Emoji,
}

const FACES: [(Face, &[u8]); 8] = [
    (Face::Regular, include_bytes!("../../assets/fonts/BIZUDPGothic-Regular.ttf")),
    (Face::Bold, include_bytes!("../../assets/fonts/BIZUDPGothic-Bold.ttf")),
    (Face::LatinRegular, include_bytes!("../../assets/fonts/NotoSans-Regular-latin.ttf")),
    (Face::LatinBold, include_bytes!("../../assets/fonts/NotoSans-Bold-latin.ttf")),
    (Face::Chinese, include_bytes!("../../assets/fonts/NotoSansCJKsc-Regular-words.otf")),
    (Face::Korean, include_bytes!("../../assets/fonts/NotoSansCJKkr-Regular-words.otf")),
    (Face::Names, include_bytes!("../../assets/fonts/NotoSansCJKjp-Bold-names.otf")),
    (Face::Emoji, include_bytes!("../../assets/fonts/NotoEmoji-Bold.ttf")),
];

struct Loaded {
    charmap: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    outlines: OutlineGlyphCollection<'static>,
    units_per_em: f32,
    /// Parsed once: it hashes the whole file.
    embeddable: Font,
}

/// In the order of [`Face`].
static LOADED: LazyLock<Vec<Loaded>> = LazyLock::new(|| {
    let load = |(_, data): &(Face, &'static [u8])| {
        let font = FontRef::new(data).expect("a font of ours, which a test reads");
        Loaded {
            charmap: font.charmap(),
            metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            outlines: font.outline_glyphs(),
            units_per_em: f32::from(
                font.metrics(Size::unscaled(), LocationRef::default()).units_per_em,
            ),
            embeddable: Font::new((*data).into(), 0).expect("a font of ours, which a test reads"),
        }
    };
    FACES.iter().map(load).collect()
});

impl Face {
    fn loaded(self) -> &'static Loaded {
        &LOADED[self as usize]
    }

    /// The glyph of a character, of the variant that a selector after it asks for.
    pub(super) fn glyph(self, c: char, selector: Option<char>) -> Option<u32> {
        let charmap = &self.loaded().charmap;
        let id = match selector {
            None => charmap.map(c),
            Some(selector) => match charmap.map_variant(c, selector)? {
                MapVariant::UseDefault => charmap.map(c),
                MapVariant::Variant(id) => Some(id),
            },
        }?;
        (id != GlyphId::NOTDEF).then(|| id.to_u32())
    }

    /// How far the next glyph is, in em.
    pub(super) fn advance(self, glyph: u32) -> f32 {
        let loaded = self.loaded();
        loaded.metrics.advance_width(GlyphId::new(glyph)).unwrap_or(0.0) / loaded.units_per_em
    }

    /// Draws the outline at a size, in pixels, upwards from the base line.
    pub(super) fn draw(self, glyph: u32, size: f32, pen: &mut impl OutlinePen) {
        let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
        if let Some(outline) = self.loaded().outlines.get(GlyphId::new(glyph)) {
            // The fonts are ours: their outlines can be drawn, which a test tries on all of them.
            let _ = outline.draw(settings, pen);
        }
    }

    /// The face as a document embeds it.
    pub(super) fn embeddable(self) -> Font {
        self.loaded().embeddable.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere(usize);

    impl OutlinePen for Nowhere {
        fn move_to(&mut self, _: f32, _: f32) {
            self.0 += 1;
        }
        fn line_to(&mut self, _: f32, _: f32) {}
        fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
        fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
        fn close(&mut self) {}
    }

    #[test]
    fn every_glyph_of_every_face_can_be_drawn() {
        for (n, (face, _)) in FACES.iter().enumerate() {
            assert_eq!(*face as usize, n);
            let loaded = face.loaded();
            assert_eq!(face.embeddable().units_per_em(), loaded.units_per_em);
            let settings = || DrawSettings::unhinted(Size::new(16.0), LocationRef::default());
            let mut drawn = Nowhere(0);
            for id in 0..loaded.metrics.glyph_count() {
                let outline = loaded.outlines.get(GlyphId::new(id)).expect("an outline");
                outline.draw(settings(), &mut drawn).expect("can be drawn");
            }
            assert!(drawn.0 > 100, "{face:?}");
        }
    }
}
