//! Paper, and what a phone sees of it. Printing is Poppler's, not ours; reading is `rqrr` and ZBar.

use std::{fs, io::Write, path::Path, process::Command};

/// Dots an inch.
const DPI: f32 = 150.0;

/// A grey picture, 255 is white.
pub(crate) struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

fn dots(mm: f32) -> usize {
    (mm / 25.4 * DPI).round().max(0.0) as usize
}

/// What a tool printed. It comes with `scripts/set-up test`.
fn run(tool: &str, arguments: &[&str], files: &[std::path::PathBuf]) -> Vec<u8> {
    let ran = Command::new(tool).args(arguments).args(files).output();
    let ran =
        ran.unwrap_or_else(|error| panic!("{tool}: {error}; scripts/set-up test installs it"));
    assert!(ran.status.success(), "{tool}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// Every page of a document, or what is cut out of it (left, top, width, height in mm).
pub(crate) fn printed(pdf: &[u8], cut: Option<(f32, f32, f32, f32)>) -> Vec<Grey> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("flyer.pdf");
    fs::write(&file, pdf).expect("written");
    let pages = dir.path().join("page");
    let mut arguments = vec!["-gray".to_owned(), "-r".to_owned(), "150".to_owned()];
    if let Some((left, top, width, height)) = cut {
        for (option, mm) in [("-x", left), ("-y", top), ("-W", width), ("-H", height)] {
            arguments.extend([option.to_owned(), dots(mm).to_string()]);
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run("pdftoppm", &arguments, &[file, pages]);
    let entries = fs::read_dir(dir.path()).expect("pages");
    let mut pages: Vec<_> = entries.map(|entry| entry.expect("a page").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "pgm"));
    pages.sort();
    pages.iter().map(|path| Grey::from_pgm(&fs::read(path).expect("a page"))).collect()
}

/// The text of a document, as a reader copies it.
pub(crate) fn text(pdf: &[u8]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("flyer.pdf");
    fs::write(&file, pdf).expect("written");
    let text = run("pdftotext", &["-raw"], &[file, Path::new("-").to_owned()]);
    String::from_utf8(text).expect("UTF-8")
}

/// How many files an archive has, all of them whole.
pub(crate) fn files_of(zip: &[u8]) -> usize {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("flyers.zip");
    fs::write(&file, zip).expect("written");
    let look = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))";
    let count = run("python3", &["-c", look], &[file]);
    String::from_utf8(count).expect("a number").trim().parse().expect("a number")
}

/// What ZBar reads in each picture.
pub(crate) fn zbar(pictures: &[Grey]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let files: Vec<_> = pictures
        .iter()
        .enumerate()
        .map(|(n, picture)| {
            let path = dir.path().join(format!("{n:03}.pgm"));
            let mut file = fs::File::create(&path).expect("a file");
            write!(file, "P5\n{} {}\n255\n", picture.width, picture.height).expect("written");
            file.write_all(&picture.pixels).expect("written");
            path
        })
        .collect();
    let read = run("zbarimg", &["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"], &files);
    String::from_utf8(read).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// What rqrr reads, if there is exactly one code.
pub(crate) fn rqrr(picture: &Grey) -> Option<String> {
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(picture.width, picture.height, |x, y| {
            picture.pixels[y * picture.width + x]
        });
    let grids = prepared.detect_grids();
    let [grid] = &grids[..] else { return None };
    grid.decode().ok().map(|(_, text)| text)
}

impl Grey {
    fn from_pgm(file: &[u8]) -> Self {
        // P5, width height, 255, one white space, then the pixels.
        let mut words = file.splitn(5, |byte| byte.is_ascii_whitespace());
        let mut word = || words.next().expect("a header");
        assert_eq!(word(), b"P5");
        let mut number = || {
            let word = std::str::from_utf8(word()).expect("ASCII");
            word.parse::<usize>().expect("a number")
        };
        let (width, height, most) = (number(), number(), number());
        assert_eq!(most, 255);
        let pixels = word().to_vec();
        assert_eq!(pixels.len(), width * height);
        Self { width, height, pixels }
    }

    pub(crate) fn from_png(file: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let frame = reader.next_frame(&mut pixels).expect("a picture");
        assert_eq!(frame.color_type, png::ColorType::Grayscale);
        Self { width: frame.width as usize, height: frame.height as usize, pixels }
    }

    /// 300 dpi → 150 dpi.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let at = |dx, dy| u32::from(self.pixels[(2 * y + dy) * self.width + 2 * x + dx]);
                pixels.push(((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4) as u8);
            }
        }
        Self { width, height, pixels }
    }

    pub(crate) fn cut(&self, (left, top, width, height): (f32, f32, f32, f32)) -> Self {
        let (left, top) = (dots(left), dots(top));
        let width = dots(width).min(self.width - left);
        let height = dots(height).min(self.height - top);
        let row = |y: usize| &self.pixels[(top + y) * self.width + left..][..width];
        Self { width, height, pixels: (0..height).flat_map(row).copied().collect() }
    }

    /// Out of focus: the mean of 3 × 3 pixels.
    pub(crate) fn blurred(&self) -> Self {
        let mut pixels = vec![255; self.pixels.len()];
        for y in 1..self.height - 1 {
            for x in 1..self.width - 1 {
                let rows = [y - 1, y, y + 1].map(|y| &self.pixels[y * self.width + x - 1..][..3]);
                let sum: u32 = rows.iter().flat_map(|row| row.iter()).map(|p| u32::from(*p)).sum();
                pixels[y * self.width + x] = (sum / 9) as u8;
            }
        }
        Self { pixels, ..*self }
    }

    /// Held askew, on white.
    pub(crate) fn turned(&self, degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (w, h) = (self.width as f32, self.height as f32);
        let width = (w * cos + h * sin).ceil() as usize;
        let height = (w * sin + h * cos).ceil() as usize;
        let mut pixels = vec![255; width * height];
        for y in 0..height {
            for x in 0..width {
                let (dx, dy) = (x as f32 - width as f32 / 2.0, y as f32 - height as f32 / 2.0);
                let (from_x, from_y) =
                    (dx * cos + dy * sin + w / 2.0, dy * cos - dx * sin + h / 2.0);
                if from_x < 0.0 || from_y < 0.0 || from_x >= w - 1.0 || from_y >= h - 1.0 {
                    continue;
                }
                let (left, top) = (from_x as usize, from_y as usize);
                let (fx, fy) = (from_x.fract(), from_y.fract());
                let at = |dx, dy| f32::from(self.pixels[(top + dy) * self.width + left + dx]);
                let upper = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
                let lower = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
                pixels[y * width + x] = (upper * (1.0 - fy) + lower * fy) as u8;
            }
        }
        Self { width, height, pixels }
    }
}
