//! Pages → PNG pictures at 300 dpi. Edges of boxes and of the QR code's modules lie on pixels.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use skrifa::outline::OutlinePen;

use super::{
    FlyerError,
    account::Icon,
    qr::Matrix,
    scene::{Ink, Item, Scene},
    text::Line,
};

/// Dots an inch.
const DPI: f32 = 300.0;

/// Rows of grey, 0 is black; and where the icon goes.
struct Sheet {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// From points to pixels.
    scale: f32,
    icons: Vec<(usize, usize, usize)>,
}

/// A picture of a page.
pub(super) fn picture(scene: &Scene, icon: Option<&Icon>) -> Result<Vec<u8>, FlyerError> {
    let scale = scene.scale * DPI / 72.0;
    let width = (scene.width * scale).round() as usize;
    let height = (scene.height * scale).round() as usize;
    let pixels = vec![255; width * height];
    let mut sheet = Sheet { width, height, pixels, scale, icons: Vec::new() };
    let mut rasterizer = Rasterizer::new(1, 1);
    // Upside down is only what is folded, and that is never a picture.
    for block in scene.blocks.iter().filter(|block| !block.turned) {
        for item in &block.items {
            match item {
                Item::Line { line, x, base, size, ink } => {
                    sheet.line(line, (*x, *base, *size, *ink), &mut rasterizer);
                }
                Item::Rect { x, y, width, height, ink } => {
                    let (left, top) = (sheet.at(*x), sheet.at(*y));
                    let right = sheet.at(x + width).max(left + 1);
                    let bottom = sheet.at(y + height).max(top + 1);
                    sheet.fill((left, top), (right, bottom), *ink);
                }
                Item::Qr { matrix, x, y, side } => sheet.qr(matrix, (*x, *y, *side)),
                Item::Icon { x, y, side } => {
                    let place = (sheet.at(*x), sheet.at(*y), sheet.at(*side));
                    sheet.icons.push(place);
                }
            }
        }
    }
    sheet.encode(icon).map_err(|error| FlyerError::Picture(error.to_string()))
}

impl Sheet {
    fn at(&self, points: f32) -> usize {
        (points * self.scale).round().max(0.0) as usize
    }

    fn fill(&mut self, (left, top): (usize, usize), (right, bottom): (usize, usize), ink: Ink) {
        let (right, bottom) = (right.min(self.width), bottom.min(self.height));
        for row in top..bottom {
            let row = row * self.width;
            self.pixels[row + left.min(right)..row + right].fill(ink.lightness());
        }
    }

    fn qr(&mut self, matrix: &Matrix, (x, y, side): (f32, f32, f32)) {
        // Whole pixels for a module; what is left over makes the quiet zone wider.
        let module = self.at(side) / matrix.side;
        let margin = (self.at(side) - module * matrix.side) / 2;
        let (x, y) = (self.at(x) + margin, self.at(y) + margin);
        for (column, row, length) in &matrix.runs {
            let (left, top) = (x + column * module, y + row * module);
            self.fill((left, top), (left + length * module, top + module), Ink::Black);
        }
    }

    fn line(
        &mut self,
        line: &Line,
        (x, base, size, ink): (f32, f32, f32, Ink),
        rasterizer: &mut Rasterizer,
    ) {
        let (mut x, base, size) = (x * self.scale, base * self.scale, size * self.scale);
        for glyph in &line.glyphs {
            let mut outline = Outline::default();
            glyph.face.draw(glyph.id, size, &mut outline);
            self.glyph(&outline, (x, base, ink), rasterizer);
            x += glyph.advance * size;
        }
    }

    fn glyph(
        &mut self,
        outline: &Outline,
        (x, base, ink): (f32, f32, Ink),
        rasterizer: &mut Rasterizer,
    ) {
        let Some((low, high)) = outline.bounds() else { return };
        let (left, top) = ((x + low.x).floor() - 1.0, (base - high.y).floor() - 1.0);
        let width = (x + high.x - left).ceil() as usize + 2;
        let height = (base - low.y - top).ceil() as usize + 2;
        rasterizer.reset(width, height);
        let place = |p: Point| point(x + p.x - left, base - p.y - top);
        for segment in &outline.segments {
            match segment {
                Segment::Line(a, b) => rasterizer.draw_line(place(*a), place(*b)),
                Segment::Quad(a, b, c) => rasterizer.draw_quad(place(*a), place(*b), place(*c)),
                Segment::Cubic(a, b, c, d) => {
                    rasterizer.draw_cubic(place(*a), place(*b), place(*c), place(*d));
                }
            }
        }
        let ink = f32::from(ink.lightness());
        rasterizer.for_each_pixel_2d(|column, row, covered| {
            let (x, y) = (left as isize + column as isize, top as isize + row as isize);
            let inside =
                (0..self.width as isize).contains(&x) && (0..self.height as isize).contains(&y);
            if covered > 0.0 && inside {
                let pixel = &mut self.pixels[y as usize * self.width + x as usize];
                let covered = covered.min(1.0);
                *pixel = (f32::from(*pixel) * (1.0 - covered) + ink * covered).round() as u8;
            }
        });
    }

    /// Grey where there is no icon, colours where there is one.
    fn encode(self, icon: Option<&Icon>) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::with_capacity(256 << 10);
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        let icon = icon.filter(|_| !self.icons.is_empty());
        encoder.set_color(match icon {
            Some(_) => png::ColorType::Rgb,
            None => png::ColorType::Grayscale,
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let per_metre = (DPI / 0.0254).round() as u32;
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: per_metre,
            yppu: per_metre,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header()?;
        match icon {
            Some(icon) => writer.write_image_data(&self.coloured(icon))?,
            None => writer.write_image_data(&self.pixels)?,
        }
        writer.finish()?;
        Ok(file)
    }

    fn coloured(&self, icon: &Icon) -> Vec<u8> {
        let mut pixels: Vec<u8> = self.pixels.iter().flat_map(|grey| [*grey; 3]).collect();
        for (left, top, side) in &self.icons {
            for y in 0..(*side).min(self.height.saturating_sub(*top)) {
                for x in 0..(*side).min(self.width.saturating_sub(*left)) {
                    let from = |n: usize| n * icon.side as usize / side;
                    let from = (from(y) * icon.side as usize + from(x)) * 3;
                    let to = ((top + y) * self.width + left + x) * 3;
                    pixels[to..to + 3].copy_from_slice(&icon.pixels[from..from + 3]);
                }
            }
        }
        pixels
    }
}

enum Segment {
    Line(Point, Point),
    Quad(Point, Point, Point),
    Cubic(Point, Point, Point, Point),
}

/// The outline of a glyph, upwards from its base line.
#[derive(Default)]
struct Outline {
    segments: Vec<Segment>,
    points: Vec<Point>,
    start: Point,
    at: Point,
}

impl Outline {
    /// The lower left and the upper right corner of all points.
    fn bounds(&self) -> Option<(Point, Point)> {
        let first = *self.points.first()?;
        Some(self.points.iter().fold((first, first), |(low, high), p| {
            (point(low.x.min(p.x), low.y.min(p.y)), point(high.x.max(p.x), high.y.max(p.y)))
        }))
    }

    fn to(&mut self, through: [Point; 3], segment: impl FnOnce(Point, [Point; 3]) -> Segment) {
        self.points.extend([self.at, through[0], through[1], through[2]]);
        self.segments.push(segment(self.at, through));
        self.at = through[2];
    }
}

impl OutlinePen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = point(x, y);
        self.at = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.to([point(x, y); 3], |a, [_, _, b]| Segment::Line(a, b));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let through = [point(x1, y1), point(x1, y1), point(x, y)];
        self.to(through, |a, [b, _, c]| Segment::Quad(a, b, c));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let through = [point(x1, y1), point(x2, y2), point(x, y)];
        self.to(through, |a, [b, c, d]| Segment::Cubic(a, b, c, d));
    }

    fn close(&mut self) {
        let start = self.start;
        self.to([start; 3], |a, [_, _, b]| Segment::Line(a, b));
    }
}
