//! Pages → PDF/UA-1: tagged, titled, with its language, fonts subset and embedded.

use std::num::NonZeroU16;

use krilla::{
    Document, SerializeSettings,
    color::luma,
    configure::{Accessibility, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect, Size, Transform},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, FillRule},
    surface::Surface,
    tagging::{Artifact, ArtifactType, ContentTag, Node, SpanTag, Tag, TagGroup, TagTree},
    text::{GlyphId, KrillaGlyph},
};
use schemas::language::Language;

use super::{
    FlyerError,
    account::Icon,
    qr::Matrix,
    scene::{Block, Ink, Item, Role, Scene},
    text::Line,
};

/// What a document says about itself.
pub(super) struct About {
    pub(super) title: String,
    /// Whose it is.
    pub(super) author: String,
    /// Year, month, day.
    pub(super) made_on: (u16, u8, u8),
}

/// One document of all the pages.
pub(super) fn document(
    scenes: &[Scene],
    icon: Option<&Icon>,
    about: About,
) -> Result<Vec<u8>, FlyerError> {
    let configuration = ConfigurationBuilder::new()
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| FlyerError::Pdf(format!("{error:?}")))?;
    let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let mut tags = TagTree::new().with_lang(Some("ja-JP".to_owned()));
    let mut outline = Outline::new();
    for (number, scene) in scenes.iter().enumerate() {
        if let Some(title) = scene.blocks.iter().find(|block| block.role == Role::Title) {
            let top = XyzDestination::new(number, Point::from_xy(0.0, 0.0));
            outline.push_child(OutlineNode::new(text_of(title), top));
        }
        let (width, height) = (scene.width * scene.scale, scene.height * scene.scale);
        let page = PageSettings::from_wh(width, height);
        let page = page.ok_or_else(|| FlyerError::Pdf("an empty page".to_owned()))?;
        let mut page = document.start_page_with(page);
        let mut surface = page.surface();
        surface.push_transform(&Transform::from_scale(scene.scale, scene.scale));
        let mut section = TagGroup::new(Tag::Section);
        for block in &scene.blocks {
            let turned = block.turned;
            if turned {
                let about = (scene.width, scene.height);
                surface
                    .push_transform(&Transform::from_row(-1.0, 0.0, 0.0, -1.0, about.0, about.1));
            }
            if let Some(node) = draw(&mut surface, block, icon) {
                section.push(node);
            }
            if turned {
                surface.pop();
            }
        }
        surface.pop();
        surface.finish();
        page.finish();
        tags.push(Node::Group(section));
    }
    let (year, month, day) = about.made_on;
    document.set_metadata(
        Metadata::new()
            .title(about.title)
            .authors(vec![about.author])
            .language("ja-JP".to_owned())
            .creation_date(DateTime::new(year).month(month).day(day)),
    );
    document.set_outline(outline);
    document.set_tag_tree(tags);
    document.finish().map_err(|error| FlyerError::Pdf(error.to_string()))
}

/// What a screen reader chooses its voice by.
fn bcp47(language: Language) -> &'static str {
    match language {
        Language::Japanese | Language::EasyJapanese => "ja-JP",
        Language::Chinese => "zh-Hans",
        other => other.code(),
    }
}

/// Draws a block, and gives its place in the tree of tags; decoration has none.
fn draw(surface: &mut Surface<'_>, block: &Block, icon: Option<&Icon>) -> Option<Node> {
    let lang = Some(bcp47(block.language).to_owned());
    let mut group = match &block.role {
        Role::Title => {
            TagGroup::new(Tag::Hn(NonZeroU16::MIN, Some(text_of(block))).with_lang(lang))
        }
        Role::Heading => {
            let level = NonZeroU16::MIN.saturating_add(1);
            TagGroup::new(Tag::Hn(level, Some(text_of(block))).with_lang(lang))
        }
        Role::Paragraph => TagGroup::new(Tag::P.with_lang(lang)),
        Role::Figure(alt) => TagGroup::new(Tag::Figure(Some((*alt).to_owned())).with_lang(lang)),
        Role::Decoration => {
            let artifact = Artifact::with_kind(ArtifactType::Layout);
            surface.start_tagged(ContentTag::Artifact(artifact));
            block.items.iter().for_each(|item| draw_item(surface, item, icon));
            surface.end_tagged();
            return None;
        }
    };
    for item in &block.items {
        let tag = match item {
            Item::Line { .. } => ContentTag::Span(SpanTag::empty()),
            _ => ContentTag::Other,
        };
        let id = surface.start_tagged(tag);
        draw_item(surface, item, icon);
        surface.end_tagged();
        group.push(id);
    }
    Some(Node::Group(group))
}

fn text_of(block: &Block) -> String {
    let lines = block.items.iter().filter_map(|item| match item {
        Item::Line { line, .. } => Some(line.text.as_str()),
        _ => None,
    });
    lines.collect()
}

fn fill(ink: Ink) -> Option<Fill> {
    let paint = luma::Color::new(ink.lightness()).into();
    Some(Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::NonZero })
}

fn draw_item(surface: &mut Surface<'_>, item: &Item, icon: Option<&Icon>) {
    match item {
        Item::Line { line, x, base, size, ink } => {
            surface.set_fill(fill(*ink));
            draw_line(surface, line, (*x, *base, *size));
        }
        Item::Rect { x, y, width, height, ink } => {
            surface.set_fill(fill(*ink));
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(rect);
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Item::Qr { matrix, x, y, side } => {
            surface.set_fill(fill(Ink::Black));
            draw_qr(surface, matrix, (*x, *y, *side));
        }
        Item::Icon { x, y, side } => {
            if let (Some(icon), Some(size)) = (icon, Size::from_wh(*side, *side)) {
                surface.push_transform(&Transform::from_translate(*x, *y));
                surface.draw_image(icon.embeddable.clone(), size);
                surface.pop();
            }
        }
    }
}

/// One call for each stretch of glyphs of one face.
fn draw_line(surface: &mut Surface<'_>, line: &Line, (mut x, base, size): (f32, f32, f32)) {
    for stretch in line.glyphs.chunk_by(|a, b| a.face == b.face) {
        let glyph = |glyph: &super::text::Glyph| {
            KrillaGlyph::new(
                GlyphId::new(glyph.id),
                glyph.advance,
                0.0,
                0.0,
                0.0,
                glyph.range.clone(),
                None,
            )
        };
        let glyphs: Vec<KrillaGlyph> = stretch.iter().map(glyph).collect();
        let font = stretch[0].face.embeddable();
        surface.draw_glyphs(Point::from_xy(x, base), &glyphs, font, &line.text, size, false);
        x += stretch.iter().map(|glyph| glyph.advance * size).sum::<f32>();
    }
}

fn draw_qr(surface: &mut Surface<'_>, matrix: &Matrix, (x, y, side): (f32, f32, f32)) {
    let module = side / matrix.side as f32;
    let mut path = PathBuilder::new();
    for (column, row, length) in &matrix.runs {
        let (x, y) = (x + *column as f32 * module, y + *row as f32 * module);
        if let Some(rect) = Rect::from_xywh(x, y, *length as f32 * module, module) {
            path.push_rect(rect);
        }
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}
