//! The LINE Official Account that a flyer names, for visitors to compare with what their phone
//! shows.

use std::fmt;

use krilla::image::Image;

/// Bytes of an icon's file.
pub const MAX_ICON_BYTES: usize = 2 << 20;
/// Pixels of a side.
const MAX_SIDE: u32 = 2_048;
/// Larger icons are made smaller: at 20 mm these are 300 dpi.
const KEPT_SIDE: u32 = 240;

/// A LINE Official Account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, with the `@`.
    pub id: String,
    /// Its name, as LINE shows it.
    pub name: String,
    /// Its picture, as LINE shows it.
    pub icon: Option<Icon>,
}

/// An account's picture, square.
#[derive(Clone)]
pub struct Icon {
    /// Pixels of a side.
    pub(super) side: u32,
    /// RGB, on white.
    pub(super) pixels: Vec<u8>,
    /// Compressed once for all documents.
    pub(super) embeddable: Image,
}

impl fmt::Debug for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Icon").field("side", &self.side).finish_non_exhaustive()
    }
}

/// Why a file is no icon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IconError {
    /// Larger than [`MAX_ICON_BYTES`].
    #[error("larger than 2 MiB")]
    TooLarge,
    /// Not a PNG file, or a broken one.
    #[error("no PNG file that can be read")]
    NotPng,
    /// A side is longer than 2,048 pixels.
    #[error("more than 2048 pixels wide or high")]
    TooManyPixels,
}

impl Icon {
    /// Reads a PNG file. Its middle is taken where it isn't square.
    pub fn from_png(file: &[u8]) -> Result<Self, IconError> {
        if file.len() > MAX_ICON_BYTES {
            return Err(IconError::TooLarge);
        }
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|_| IconError::NotPng)?;
        let (width, height) = (reader.info().width, reader.info().height);
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(IconError::TooManyPixels);
        }
        let size = reader.output_buffer_size().ok_or(IconError::NotPng)?;
        let mut raw = vec![0; size];
        let frame = reader.next_frame(&mut raw).map_err(|_| IconError::NotPng)?;
        let samples = frame.color_type.samples();
        let pixel = |x: u32, y: u32| {
            let at = y as usize * frame.line_size + x as usize * samples;
            match raw[at..at + samples] {
                [grey] => on_white([grey; 3], 255),
                [grey, alpha] => on_white([grey; 3], alpha),
                [r, g, b] => on_white([r, g, b], 255),
                [r, g, b, alpha, ..] => on_white([r, g, b], alpha),
                [] => [255; 3],
            }
        };
        let from = width.min(height);
        let side = from.min(KEPT_SIDE);
        let (left, top) = ((width - from) / 2, (height - from) / 2);
        let mut pixels = Vec::with_capacity((side * side * 3) as usize);
        for y in 0..side {
            for x in 0..side {
                // The mean of all pixels that become this one.
                let part = |n: u32| n * from / side..((n + 1) * from).div_ceil(side);
                let mut sum = [0_u32; 3];
                let mut count = 0;
                for y in part(y) {
                    for x in part(x) {
                        let rgb = pixel(left + x, top + y);
                        (0..3).for_each(|n| sum[n] += u32::from(rgb[n]));
                        count += 1;
                    }
                }
                pixels.extend(sum.map(|sum| (sum / count) as u8));
            }
        }
        let rgba = pixels.chunks(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect();
        let embeddable = Image::from_rgba8(rgba, side, side);
        Ok(Self { side, pixels, embeddable })
    }
}

fn on_white(rgb: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = u32::from(alpha);
    rgb.map(|part| ((u32::from(part) * alpha + 255 * (255 - alpha)) / 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, color: png::ColorType, pixel: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&pixel.repeat((width * height) as usize)).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn icons_of_every_kind_become_squares_on_white() {
        use png::ColorType::*;
        for (color, pixel, rgb) in [
            (Rgb, &[10, 20, 30][..], [10, 20, 30]),
            (Rgba, &[10, 20, 30, 0], [255, 255, 255]),
            (Grayscale, &[7], [7, 7, 7]),
            (GrayscaleAlpha, &[0, 255], [0, 0, 0]),
        ] {
            for (width, height) in [(1, 1), (300, 200), (240, 777)] {
                let icon = Icon::from_png(&png(width, height, color, pixel)).unwrap();
                assert_eq!(icon.side, width.min(height).min(KEPT_SIDE));
                assert!(icon.pixels.chunks(3).all(|pixel| pixel == rgb));
            }
        }
    }

    #[test]
    fn what_is_no_icon_is_refused() {
        assert_eq!(Icon::from_png(b"GIF89a").unwrap_err(), IconError::NotPng);
        let whole = png(50, 50, png::ColorType::Rgb, &[1, 2, 3]);
        assert_eq!(Icon::from_png(&whole[..whole.len() / 2]).unwrap_err(), IconError::NotPng);
        let wide = png(2_049, 1, png::ColorType::Grayscale, &[0]);
        assert_eq!(Icon::from_png(&wide).unwrap_err(), IconError::TooManyPixels);
        let huge = vec![0; MAX_ICON_BYTES + 1];
        assert_eq!(Icon::from_png(&huge).unwrap_err(), IconError::TooLarge);
    }
}
