//! Flyers of a facility, for whoever registered it: to look at, and to print.
//!
//! Making one takes a few milliseconds of a processor, so those of a large facility are made beside
//! the runtime, some at a time; a file counts until the browser has all of it.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use schemas::{
    ids::FacilityId,
    registry::{Facility, Venue},
};
use serde::Deserialize;
use storage::{Log, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Web,
    browser::Browser,
    frame::Trouble,
    manage,
    page::{Page, html},
    rooms::{ROOMS_OF_A_PAGE, Which, pages},
};
use crate::{
    flyer::{self, Design, Format, Media, Poster},
    language::PageLanguage,
};

/// Files that are being made or sent; whoever asks for one more is told to come again. With
/// `of_a_file` it bounds what flyers take of the memory.
pub const FILES_AT_ONCE: usize = 8;

/// A file is sent in pieces of so many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Files that are being made. The others wait: webhooks may need the processors more.
const MADE_AT_ONCE: usize = 2;

/// Flyers of one file: an archive of so many pictures has about 15 MB, a PDF of so many less.
const fn of_a_file(format: Format) -> usize {
    match format.media() {
        Media::Pdf => 100,
        _ => 20,
    }
}

/// The page of a facility's flyers.
pub(super) fn page_of(facility: FacilityId) -> String {
    format!("/flyers/{facility}")
}

/// Makes flyers, never too many at once.
pub(crate) struct Flyers {
    design: Option<Arc<Design>>,
    files: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A file that counts for as long as somebody has it.
struct Counted {
    bytes: Vec<u8>,
    _counts: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Flyers {
    pub(super) fn new(design: Option<Design>) -> Self {
        Self {
            design: design.map(Arc::new),
            files: Arc::new(Semaphore::new(FILES_AT_ONCE)),
            turns: Arc::new(Semaphore::new(MADE_AT_ONCE)),
        }
    }

    /// Whether it is known what they have in common.
    pub(super) fn can_be_made(&self) -> bool {
        self.design.is_some()
    }

    /// One file of them all.
    async fn make(&self, posters: Vec<Poster>, format: Format) -> Result<(Media, Bytes), Trouble> {
        let design = self.design.clone().ok_or(Trouble::NotFound)?;
        let counts = Arc::clone(&self.files).try_acquire_owned().map_err(|_| Trouble::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Trouble::Busy)?;
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let made = flyer::together(&posters, &design, format)?;
            let file = Counted { bytes: made.bytes, _counts: counts };
            Ok::<_, flyer::FlyerError>((made.media, Bytes::from_owner(file)))
        });
        match made.await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(error)) => {
                tracing::error!(%error, "flyers can't be made");
                Err(Trouble::Busy)
            }
            Err(error) => {
                tracing::error!(%error, "flyers were not made to the end");
                Err(Trouble::Busy)
            }
        }
    }
}

#[derive(Template)]
#[template(path = "flyers.html")]
struct FlyersPage {
    page: Page,
    facility: String,
    /// The page of the facility.
    back: String,
    /// The one venue; all of them if empty.
    venue: String,
    missing: String,
    rows: Vec<Row>,
    /// Where all of them are.
    all: String,
    venues: Vec<(String, String)>,
    number: usize,
    pages: usize,
}

/// A format.
struct Row {
    label: &'static str,
    files: Vec<File>,
}

/// A file of it.
struct File {
    /// Which of the venues are in it, where one file doesn't have them all.
    range: String,
    view: Option<String>,
    save: String,
}

const fn label(format: Format, t: PageLanguage) -> &'static str {
    match format {
        Format::A4 => t.flyers_a4(),
        Format::A5 => t.flyers_a5(),
        Format::B2 => t.flyers_b2(),
        Format::Tent => t.flyers_tent(),
        Format::Stickers => t.flyers_stickers(),
        Format::StaffCard => t.flyers_staff_card(),
        Format::Png => t.flyers_png(),
        Format::Photo2L => t.flyers_photo_2l(),
        Format::PhotoL => t.flyers_photo_l(),
    }
}

impl<L: Log, S: Store> Web<L, S> {
    /// The venues of a facility that flyers can be made for: those whose codes count, so that no
    /// flyer is printed that can't be used.
    pub(super) fn printable(&self, facility: &Facility) -> Vec<Venue> {
        match self.flyers.can_be_made() {
            true => {
                self.registry.read(|registry| registry.counting_venues(facility, (self.clock)()))
            }
            false => Vec::new(),
        }
    }
}

/// A facility of this operator's, with the venues that flyers can be made for.
async fn theirs<L: Log, S: Store>(
    web: &Web<L, S>,
    browser: &Browser,
    facility: &str,
) -> Result<Facility, Trouble> {
    let mut facility = web.mine(browser, facility).await?.facility;
    facility.venues = web.printable(&facility);
    match facility.venues.is_empty() {
        true => Err(Trouble::NotFound),
        false => Ok(facility),
    }
}

/// One of its venues.
fn venue<'a>(facility: &'a Facility, id: &str) -> Result<&'a Venue, Trouble> {
    facility.venues.iter().find(|venue| venue.id.to_string() == id).ok_or(Trouble::NotFound)
}

/// Shows the flyers of all venues, and where those of each are.
pub async fn of_facility<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path(facility): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    let facility = theirs(&web, &browser, &facility).await?;
    let pages = pages(facility.venues.len());
    let number = which.page.unwrap_or(1).clamp(1, pages);
    let all = page_of(facility.id);
    let shown = facility.venues.iter().skip((number - 1) * ROOMS_OF_A_PAGE).take(ROOMS_OF_A_PAGE);
    let venues = match facility.venues.len() {
        1 => Vec::new(),
        _ => shown.map(|venue| (venue.name.clone(), format!("{all}/{}", venue.id))).collect(),
    };
    let page = Page::new(&web, &browser);
    let shown = FlyersPage {
        rows: rows(&page, (&facility, None)),
        missing: missing(&facility.name, facility.venues.iter()).await,
        back: page.to(&manage::page_of(facility.id)),
        page,
        facility: facility.name,
        venue: String::new(),
        all,
        venues,
        number,
        pages,
    };
    Ok(html(StatusCode::OK, &shown))
}

/// Shows the flyers of one venue.
pub async fn of_venue<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, id)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let facility = theirs(&web, &browser, &facility).await?;
    let venue = venue(&facility, &id)?;
    let page = Page::new(&web, &browser);
    let shown = FlyersPage {
        rows: rows(&page, (&facility, Some(venue))),
        missing: missing(&facility.name, std::iter::once(venue)).await,
        back: page.to(&manage::page_of(facility.id)),
        page,
        venue: venue.name.clone(),
        all: page_of(facility.id),
        facility: facility.name,
        venues: Vec::new(),
        number: 1,
        pages: 1,
    };
    Ok(html(StatusCode::OK, &shown))
}

/// Characters that can't be printed. The first look at a character reads the fonts, which takes a
/// while.
async fn missing(facility: &str, venues: impl Iterator<Item = &Venue>) -> String {
    let mut names: Vec<String> = venues.map(|venue| venue.name.clone()).collect();
    names.push(facility.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        names.iter().flat_map(|name| flyer::missing(name)).collect::<BTreeSet<char>>()
    });
    let missing: Vec<String> =
        looked.await.unwrap_or_default().into_iter().map(String::from).collect();
    missing.join(" ")
}

/// The files of every format: of one venue, or of all.
fn rows(page: &Page, (facility, venue): (&Facility, Option<&Venue>)) -> Vec<Row> {
    let count = if venue.is_some() { 1 } else { facility.venues.len() };
    let row = |format: Format| {
        let parts = count.div_ceil(of_a_file(format));
        let file = |part: usize| {
            let path = format!("{}/files/{format}", page_of(facility.id));
            let which = match venue {
                Some(venue) => format!("venue={}", venue.id),
                None => format!("part={}", part + 1),
            };
            let address = format!("{}?{which}", page.to(&path));
            let (first, last) = numbers(part, (format, count));
            // A browser shows a document or a picture, and no archive.
            let shown = format.media() == Media::Pdf || last == first;
            File {
                range: if parts > 1 { format!("{first}–{last}") } else { String::new() },
                view: shown.then(|| address.clone()),
                save: format!("{address}&save=1"),
            }
        };
        Row { label: label(format, page.t), files: (0..parts).map(file).collect() }
    };
    Format::ALL.into_iter().map(row).collect()
}

/// The first and the last flyer of a part, from 1.
fn numbers(part: usize, (format, count): (Format, usize)) -> (usize, usize) {
    let first = part * of_a_file(format);
    (first + 1, (first + of_a_file(format)).min(count))
}

/// A body in pieces: whoever has a slow line takes one after the other, which can be seen.
fn in_pieces(mut bytes: Bytes) -> Body {
    let pieces = std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some(Ok::<Bytes, Infallible>(piece))
    });
    Body::from_stream(stream::iter(pieces))
}

/// Which file.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Of one venue.
    venue: Option<String>,
    /// Of all, the part, from 1.
    part: Option<usize>,
    /// To keep, not to look at.
    save: Option<String>,
}

/// Makes a file.
pub async fn file<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    Path((facility, format)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let facility = theirs(&web, &browser, &facility).await?;
    let format: Format = format.parse().map_err(|_| Trouble::NotFound)?;
    let (venues, called) = match &asked.venue {
        Some(id) => {
            let venue = venue(&facility, id)?;
            (std::slice::from_ref(venue), venue.name.clone())
        }
        None => {
            let mut parts = facility.venues.chunks(of_a_file(format));
            let part = asked.part.unwrap_or(1).checked_sub(1).ok_or(Trouble::NotFound)?;
            let venues = parts.nth(part).ok_or(Trouble::NotFound)?;
            let (first, last) = numbers(part, (format, facility.venues.len()));
            (venues, if last == 1 { venues[0].name.clone() } else { format!("{first}-{last}") })
        }
    };
    let posters = Poster::of(&facility, venues, &web.places.load(), (web.clock)());
    let (media, bytes) = web.flyers.make(posters, format).await?;
    let name = flyer::names_of_file(&facility.name, &called, format);
    let kind = if asked.save.is_some() { "attachment" } else { "inline" };
    let extension = media.extension();
    // RFC 6266: the plain name is for clients that don't know the other.
    let disposition = format!(
        "{kind}; filename=\"anshin_{format}.{extension}\"; filename*=UTF-8''{}.{extension}",
        flyer::encoded(&name)
    );
    let headers = [
        (header::CONTENT_TYPE, media.mime().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, bytes.len().to_string()),
    ];
    Ok((headers, in_pieces(bytes)).into_response())
}
