//! Flyers: what an operator prints, so that a visitor's phone opens the prefecture's chat with the
//! check-in text of exactly this place.
//!
//! ```text
//!  Poster, Design ─▶ layout (what stands where) ─▶ scene ─┬▶ pdf (tagged, PDF/UA-1)
//!                      │ text (glyphs, lines) ◀─ fonts    └▶ picture (PNG, 300 dpi)
//!                      └ qr ◀─ link (LINE's address)
//! ```
//!
//! Pure functions: the same posters, design and date give the same bytes. A name is never cut:
//! it gets smaller and goes on over several lines, which break where Japanese typesetting allows
//! it, and one that does not even fit then is [`FlyerError::NameTooLong`]. A character that no
//! face has is printed as `〓`, as Japanese printers do, and told in [`Made::missing`]; a variant of
//! a kanji that no face has is printed as the plain kanji.
//!
//! For people without a printer: convenience stores' multi-copiers take PDF up to version 1.7 and
//! PNG on plain paper (A4), and PNG on photo paper (L, 2L), up to 10 MB a file: [`Format::A4`],
//! [`Format::Png`], [`Format::Photo2L`] and [`Format::PhotoL`] are such files.

mod account;
mod archive;
mod fonts;
mod layout;
mod link;
mod pdf;
mod picture;
mod qr;
mod scene;
mod text;
mod words;

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemas::{
    language::Language,
    place_code::{PlaceCode, PlaceKeys},
    registry::{Facility, FacilityKind, Venue},
    time::EventTime,
};

pub(crate) use self::link::encoded;
pub use self::{
    account::{Account, Icon, IconError, MAX_ICON_BYTES},
    link::{MAX_TEXT, check_in_url, is_account_id},
};

/// Flyers of one call.
pub const MAX_POSTERS: usize = 500;

/// What one venue's flyer says.
#[derive(Clone, Debug)]
pub struct Poster {
    /// The facility's name.
    pub facility: String,
    /// The venue's name: what is printed largest.
    pub venue: String,
    /// What kind of facility it is.
    pub kind: FacilityKind,
    /// The code; its issue is printed as the flyer's version.
    pub code: PlaceCode,
    /// Printed as the date of issue, in Japanese time.
    pub issued_at: EventTime,
}

impl Poster {
    /// Of venues of a facility, as they are now.
    pub fn of(
        facility: &Facility,
        venues: &[Venue],
        places: &PlaceKeys,
        now: EventTime,
    ) -> Vec<Self> {
        let poster = |venue: &Venue| Self {
            facility: facility.name.clone(),
            venue: venue.name.clone(),
            kind: facility.kind,
            code: places.code(venue.id, venue.issue),
            issued_at: now,
        };
        venues.iter().map(poster).collect()
    }
}

/// What all flyers of a prefecture have in common.
#[derive(Clone, Debug)]
pub struct Design {
    /// The LINE Official Account that visitors write to.
    pub account: Account,
    /// Languages beside Japanese, in this order; six at most are there to choose from.
    pub languages: Vec<Language>,
    /// Whom to ask about a flyer: a division and its phone number.
    pub contact: Option<String>,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A4.
    A4,
    /// A5.
    A5,
    /// B2 (JIS), 515 × 728 mm.
    B2,
    /// A4 to fold into a table tent.
    Tent,
    /// A4 with eight stickers.
    Stickers,
    /// A5 for the staff: what to tell guests.
    StaffCard,
    /// A4 as a picture.
    Png,
    /// A picture for photo paper of 127 × 178 mm.
    Photo2L,
    /// A picture for photo paper of 89 × 127 mm.
    PhotoL,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 9] = [
        Format::A4,
        Format::A5,
        Format::B2,
        Format::Tent,
        Format::Stickers,
        Format::StaffCard,
        Format::Png,
        Format::Photo2L,
        Format::PhotoL,
    ];

    /// Its name in tools and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Format::A4 => "a4",
            Format::A5 => "a5",
            Format::B2 => "b2",
            Format::Tent => "tent",
            Format::Stickers => "stickers",
            Format::StaffCard => "staff-card",
            Format::Png => "png",
            Format::Photo2L => "photo-2l",
            Format::PhotoL => "photo-l",
        }
    }

    /// What kind of file one flyer is.
    pub const fn media(self) -> Media {
        match self {
            Format::Png | Format::Photo2L | Format::PhotoL => Media::Png,
            _ => Media::Pdf,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is none of our formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of a4, a5, b2, tent, stickers, staff-card, png, photo-2l, photo-l")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or(UnknownFormat)
    }
}

/// What kind of file was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A PDF document.
    Pdf,
    /// A picture.
    Png,
    /// An archive of several.
    Zip,
}

impl Media {
    /// Its media type.
    pub const fn mime(self) -> &'static str {
        match self {
            Media::Pdf => "application/pdf",
            Media::Png => "image/png",
            Media::Zip => "application/zip",
        }
    }

    /// How names of such files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Media::Pdf => "pdf",
            Media::Png => "png",
            Media::Zip => "zip",
        }
    }
}

/// A file that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What kind it is.
    pub media: Media,
    /// The file.
    pub bytes: Vec<u8>,
    /// Characters that no face has: `〓` is printed for them.
    pub missing: BTreeSet<char>,
}

/// Why a flyer can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlyerError {
    /// The account's id is not `@` and 1 to 32 of `a-z 0-9 . - _`.
    #[error("the LINE account's id is none: @ and letters, digits, . - _")]
    AccountId,
    /// The check-in text is longer than [`MAX_TEXT`], or no QR code holds its address.
    #[error("the check-in text is too long")]
    TextTooLong,
    /// A name, the contact or the account's name does not fit in the smallest letters.
    #[error("a name is too long to be printed")]
    NameTooLong,
    /// No poster, or more than [`MAX_POSTERS`].
    #[error("1 to {MAX_POSTERS} flyers can be made at once")]
    Count,
    /// The PDF can't be written: a fault of ours.
    #[error("the PDF can't be written: {0}")]
    Pdf(String),
    /// The picture can't be written: a fault of ours.
    #[error("the picture can't be written: {0}")]
    Picture(String),
    /// The archive would be larger than 4 GiB.
    #[error("the archive is too large")]
    TooLarge,
}

/// One file with all the flyers, a page each; pictures have no pages, so several are an archive.
pub fn together(posters: &[Poster], design: &Design, format: Format) -> Result<Made, FlyerError> {
    let Some(first) = posters.first() else { return Err(FlyerError::Count) };
    if posters.len() > MAX_POSTERS {
        return Err(FlyerError::Count);
    }
    let media = format.media();
    if media == Media::Png {
        if posters.len() > 1 {
            return archive(posters, design, format);
        }
        let scene = layout::page(first, design, format)?;
        let bytes = picture::picture(&scene, design.account.icon.as_ref())?;
        return Ok(Made { media, bytes, missing: scene.missing });
    }
    let scenes = posters.iter().map(|poster| layout::page(poster, design, format));
    let scenes = scenes.collect::<Result<Vec<_>, _>>()?;
    let venue =
        if posters.len() == 1 { first.venue.clone() } else { format!("{}枚", posters.len()) };
    let about = pdf::About {
        title: format!("{}　{venue}　{}", first.facility, words::TITLE),
        author: design.account.name.clone(),
        made_on: date(first.issued_at),
    };
    let bytes = pdf::document(&scenes, design.account.icon.as_ref(), about)?;
    let missing = scenes.into_iter().flat_map(|scene| scene.missing).collect();
    Ok(Made { media, bytes, missing })
}

/// An archive with a file for each flyer, named by its number, facility and venue.
pub fn archive(posters: &[Poster], design: &Design, format: Format) -> Result<Made, FlyerError> {
    if posters.is_empty() || posters.len() > MAX_POSTERS {
        return Err(FlyerError::Count);
    }
    let mut missing = BTreeSet::new();
    let mut entries = Vec::with_capacity(posters.len());
    for (n, poster) in posters.iter().enumerate() {
        let made = together(std::slice::from_ref(poster), design, format)?;
        missing.extend(made.missing);
        entries.push(archive::Entry {
            name: format!("{:03}_{}.{}", n + 1, file_name(poster, format), made.media.extension()),
            bytes: made.bytes,
            made_on: date(poster.issued_at),
        });
    }
    let bytes = archive::archive(&entries).ok_or(FlyerError::TooLarge)?;
    Ok(Made { media: Media::Zip, bytes, missing })
}

/// Characters of a text for which `〓` would be printed.
pub fn missing(text: &str) -> BTreeSet<char> {
    text::shape(text, text::Style::Bold).missing
}

/// Bytes of a name in the name of a file: two of them and the format stay under the 255 that file
/// systems take.
const NAME_BYTES: usize = 90;

/// A name for the file of a flyer, without what follows the dot: safe on every system, and never a
/// formula in a list of files.
pub fn file_name(poster: &Poster, format: Format) -> String {
    names_of_file(&poster.facility, &poster.venue, format)
}

/// The same for what is flyers of several venues: `venues` says which.
pub(crate) fn names_of_file(facility: &str, venues: &str, format: Format) -> String {
    let cut = |name: &str| name[..name.floor_char_boundary(NAME_BYTES)].to_owned();
    let name = format!("{}_{}_{format}", cut(facility), cut(venues));
    let safe = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '.' => '_',
        c if c.is_control() || c.is_whitespace() => '_',
        c => c,
    };
    name.trim_start_matches(['=', '+', '-', '@']).chars().map(safe).collect()
}

/// Year, month and day in Japan.
fn date(at: EventTime) -> (u16, u8, u8) {
    let text = at.to_rfc3339_jst();
    let part = |range| text.get(range).and_then(|part: &str| part.parse::<u16>().ok());
    let small = |range| part(range).and_then(|n| u8::try_from(n).ok()).unwrap_or(1);
    (part(0..4).unwrap_or(1980), small(5..7), small(8..10))
}
