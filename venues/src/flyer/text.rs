//! Text: characters → glyphs of several faces, and lines that break where Japanese allows it.

use std::{collections::BTreeSet, ops::Range};

use icu_segmenter::{
    LineSegmenter, LineSegmenterBorrowed,
    options::{LineBreakOptions, LineBreakStrictness},
};
use schemas::language::Language;

use super::fonts::Face;

/// Which faces a text is set in, the first that has a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Regular,
    Bold,
    /// The words of a language.
    Words(Language),
}

impl Style {
    fn faces(self) -> &'static [Face] {
        use Face::*;
        match self {
            Style::Regular | Style::Words(Language::Japanese | Language::EasyJapanese) => {
                &[Regular, LatinRegular, Names, Emoji]
            }
            Style::Bold => &[Bold, LatinBold, Names, Emoji],
            Style::Words(Language::English | Language::Portuguese | Language::Vietnamese) => {
                &[LatinRegular, Regular, Names, Emoji]
            }
            Style::Words(Language::Chinese) => &[Chinese, Regular, Names, Emoji],
            Style::Words(Language::Korean) => &[Korean, Regular, Names, Emoji],
        }
    }

    /// Whether it is Japanese that is set: names are, wherever they come from.
    fn is_japanese(self) -> bool {
        match self {
            Style::Regular | Style::Bold => true,
            Style::Words(language) => {
                matches!(language, Language::Japanese | Language::EasyJapanese)
            }
        }
    }

    /// Japanese printers' mark for a character that is not at hand, `〓`.
    fn substitute(self) -> (Face, u32) {
        let face = if self == Style::Bold { Face::Bold } else { Face::Regular };
        (face, face.glyph('〓', None).unwrap_or_default())
    }
}

/// A glyph and the text it stands for.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub(super) face: Face,
    pub(super) id: u32,
    /// In em.
    pub(super) advance: f32,
    /// Bytes of the text.
    pub(super) range: Range<usize>,
}

/// A text as glyphs, on one endless line.
pub(super) struct Shaped<'a> {
    text: &'a str,
    glyphs: Vec<Glyph>,
    /// Characters that no face has: `〓` stands for them.
    pub(super) missing: BTreeSet<char>,
}

/// Characters without a shape of their own: they choose a variant, join, or steer.
fn is_invisible(c: char) -> bool {
    c.is_control() && !c.is_whitespace()
        || is_selector(c)
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e007f}')
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters → glyphs. A variant that no face has is drawn as the plain character.
pub(super) fn shape(text: &str, style: Style) -> Shaped<'_> {
    let mut glyphs: Vec<Glyph> = Vec::with_capacity(text.len());
    let mut missing = BTreeSet::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let selector = chars.next_if(|(_, next)| is_selector(*next)).map(|(_, selector)| selector);
        let end = chars.peek().map_or(text.len(), |(next, _)| *next);
        if is_invisible(c) {
            continue;
        }
        let c = if c.is_whitespace() && c != '\u{3000}' { ' ' } else { c };
        let find = |selector| {
            let faces = style.faces().iter();
            faces
                .map(|face| (*face, face.glyph(c, selector)))
                .find_map(|(face, id)| Some((face, id?)))
        };
        let found = selector.and_then(|_| find(selector)).or_else(|| find(None));
        let (face, id) = found.unwrap_or_else(|| {
            missing.insert(c);
            style.substitute()
        });
        glyphs.push(Glyph { face, id, advance: face.advance(id), range: start..end });
    }
    Shaped { text, glyphs, missing }
}

/// Lines of a text at a size.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    /// In points.
    pub(super) size: f32,
    pub(super) lines: Vec<Line>,
    pub(super) missing: BTreeSet<char>,
}

/// One line: its own text, and glyphs whose ranges are in it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) glyphs: Vec<Glyph>,
    /// In points.
    pub(super) width: f32,
}

/// What a text has to fit into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In points.
    pub(super) width: f32,
    /// In points.
    pub(super) height: f32,
    /// The size that it gets if it can.
    pub(super) size: f32,
    /// From base line to base line, in em.
    pub(super) leading: f32,
}

/// Sizes are tried in steps of this factor.
const STEP: f32 = 0.96;
/// For this part of the size that they could have, lines are not broken between characters of one
/// kind: in a word in katakana, say, in whose middle Japanese may be broken and had better not be.
const BEFORE_BREAKING_PHRASES: f32 = 0.7;
/// No smaller than this part of the wanted size is a word broken where it must not be.
const BEFORE_BREAKING_WORDS: f32 = 0.5;
/// Nothing is set smaller than this part of the wanted size.
const SMALLEST: f32 = 0.12;

/// Sets a text as large as it fits, up to the size wanted; nothing if it does not fit at all.
/// Smaller letters come before lines broken inside words, and somewhat smaller ones before lines
/// broken inside phrases.
pub(super) fn fit(text: &str, style: Style, room: Room) -> Option<Paragraph> {
    let shaped = shape(text, style);
    let breaks = shaped.breaks();
    let largest = |breaks: &[usize], smallest: f32, inside_words| {
        let mut size = room.size;
        while size >= smallest {
            let width = room.width / size;
            let most = (room.height / (size * room.leading) + 0.01).floor().max(0.0) as usize;
            if let Some(lines) = shaped.wrap(breaks, width, inside_words)
                && lines.len() <= most
            {
                return Some((size, shaped.balance(breaks, (width, inside_words), lines)));
            }
            size *= STEP;
        }
        None
    };
    let whole_words = largest(&breaks, room.size * BEFORE_BREAKING_WORDS, false);
    let (size, lines) = match whole_words {
        Some((size, _)) if style.is_japanese() => {
            let phrases: Vec<usize> =
                breaks.iter().copied().filter(|at| shaped.is_phrase(*at)).collect();
            largest(&phrases, size * BEFORE_BREAKING_PHRASES, false).or(whole_words)
        }
        Some(_) => whole_words,
        None => largest(&breaks, room.size * SMALLEST, true),
    }?;
    let lines = lines.into_iter().map(|line| shaped.line(line, size)).collect();
    Some(Paragraph { size, lines, missing: shaped.missing })
}

/// What kind of writing a character belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hiragana,
    Katakana,
    Kanji,
    Latin,
    Mark,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            '\u{3041}'..='\u{309f}' => Kind::Hiragana,
            '々' | '〆' | 'ヶ' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => {
                Kind::Kanji
            }
            '\u{20000}'..='\u{3ffff}' => Kind::Kanji,
            '\u{30a1}'..='\u{30fa}' | 'ー' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => {
                Kind::Katakana
            }
            c if c.is_alphanumeric() => Kind::Latin,
            _ => Kind::Mark,
        }
    }
}

const SEGMENTER: LineSegmenterBorrowed<'static> = {
    let mut options = LineBreakOptions::default();
    options.strictness = Some(LineBreakStrictness::Strict);
    LineSegmenter::new_for_non_complex_scripts(options)
};

impl Shaped<'_> {
    /// Glyphs before which a line may begin; the end is one, the beginning is none.
    fn breaks(&self) -> Vec<usize> {
        let mut glyph = 0;
        let mut breaks = Vec::new();
        for at in SEGMENTER.segment_str(self.text).filter(|at| *at > 0) {
            while self.glyphs.get(glyph).is_some_and(|g| g.range.start < at) {
                glyph += 1;
            }
            breaks.push(glyph);
        }
        breaks.dedup();
        breaks
    }

    /// Whether a line that begins with this glyph begins a phrase, as far as the kinds of characters
    /// tell: 東側|エントランスホール|及び|会議室, 開いた|LINEの|トークで、|アカウント名と.
    fn is_phrase(&self, glyph: usize) -> bool {
        let at = |glyph: usize| self.glyphs.get(glyph).map(|g| &self.text[g.range.clone()]);
        let before = glyph.checked_sub(1).and_then(at).and_then(|text| text.chars().next());
        let after = at(glyph).and_then(|text| text.chars().next());
        let (Some(before), Some(after)) = (before, after) else { return true };
        match (Kind::of(before), Kind::of(after)) {
            (Kind::Mark, after) => after != Kind::Hiragana || "　、。！？・/ ".contains(before),
            (_, Kind::Mark) => "（「『【〔(".contains(after) || after.is_whitespace(),
            (before, after) if before == after => false,
            (_, Kind::Hiragana) => false,
            (Kind::Latin, _) | (Kind::Kanji, Kind::Latin) => false,
            _ => true,
        }
    }

    /// Without the spaces at its end: they may stand over the edge.
    fn trimmed(&self, glyphs: Range<usize>) -> Range<usize> {
        let blank = |g: &&Glyph| self.text[g.range.clone()].trim().is_empty();
        let blanks = self.glyphs[glyphs.clone()].iter().rev().take_while(blank).count();
        glyphs.start..glyphs.end - blanks
    }

    /// In em.
    fn width(&self, glyphs: Range<usize>) -> f32 {
        self.glyphs[self.trimmed(glyphs)].iter().map(|glyph| glyph.advance).sum()
    }

    /// Lines no wider than so many em; nothing where a word is wider and may not be broken.
    fn wrap(&self, breaks: &[usize], width: f32, inside_words: bool) -> Option<Vec<Range<usize>>> {
        let mut lines = Vec::new();
        let mut start = 0;
        let mut end = 0;
        for next in breaks {
            if self.width(start..*next) > width && end > start {
                lines.push(start..end);
                start = end;
            }
            while self.width(start..*next) > width {
                if !inside_words {
                    return None;
                }
                let fits = (start + 1..*next).rev().find(|at| self.width(start..*at) <= width)?;
                lines.push(start..fits);
                start = fits;
            }
            end = *next;
        }
        if end > start || lines.is_empty() {
            lines.push(start..end);
        }
        Some(lines)
    }

    /// As many lines, but none much shorter than the others.
    fn balance(
        &self,
        breaks: &[usize],
        (width, inside_words): (f32, bool),
        lines: Vec<Range<usize>>,
    ) -> Vec<Range<usize>> {
        let (mut narrow, mut wide, mut best) = (width / 2.0, width, lines);
        if best.len() == 1 {
            return best;
        }
        for _ in 0..8 {
            let middle = f32::midpoint(narrow, wide);
            match self.wrap(breaks, middle, inside_words) {
                Some(lines) if lines.len() <= best.len() => (wide, best) = (middle, lines),
                _ => narrow = middle,
            }
        }
        best
    }

    /// Its text keeps the spaces over the edge, so that the lines of a name read as the name.
    fn line(&self, glyphs: Range<usize>, size: f32) -> Line {
        let whole_end = self.glyphs[glyphs.clone()].last().map(|glyph| glyph.range.end);
        let glyphs = self.trimmed(glyphs);
        let width = self.width(glyphs.clone()) * size;
        let glyphs = &self.glyphs[glyphs];
        let end = whole_end.unwrap_or(0);
        let start = glyphs.first().map_or(end, |glyph| glyph.range.start);
        let moved = |glyph: &Glyph| Glyph {
            range: glyph.range.start - start..glyph.range.end - start,
            ..glyph.clone()
        };
        let text = self.text[start..end].to_owned();
        Line { text, glyphs: glyphs.iter().map(moved).collect(), width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Shaped<'_> {
        /// Whether every glyph is of this face.
        pub(in super::super) fn only(&self, face: Face) -> bool {
            self.glyphs.iter().all(|glyph| glyph.face == face)
        }
    }

    fn set(text: &str, width: f32) -> Vec<String> {
        let room = Room { width, height: 1_000.0, size: 10.0, leading: 1.0 };
        let set = fit(text, Style::Bold, room).expect("it fits");
        set.lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_break_as_japanese_typesetting_wants_it() {
        let text = "「アーケード」、センター。ショッピングモール（東館）ー２階。";
        for width in 40..200 {
            let lines = set(text, width as f32);
            assert_eq!(lines.concat(), text, "{width}");
            for line in &lines {
                let (first, last) = (line.chars().next().unwrap(), line.chars().last().unwrap());
                assert!(!"、。」）ーッョァ".contains(first), "{width} {lines:?}");
                assert!(!"「（".contains(last), "{width} {lines:?}");
            }
        }
    }

    #[test]
    fn lines_begin_with_phrases_where_they_can() {
        let room = |width, height| Room { width, height, size: 10.0, leading: 1.0 };
        let lines = |text, room| {
            let set = fit(text, Style::Bold, room).expect("it fits");
            set.lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
        };
        let account = lines("愛知県 安心みえるLINE", room(85.0, 20.0));
        assert_eq!(account, ["愛知県 ", "安心みえるLINE"]);
        let hall = lines("東側エントランスホール及び会議室", room(85.0, 30.0));
        assert_eq!(hall, ["東側", "エントランスホール", "及び会議室"]);
        let phone = lines("スマートフォンでQRコードを読み取る", room(110.0, 30.0));
        assert_eq!(phone, ["スマートフォンで", "QRコードを読み取る"]);
    }

    #[test]
    fn words_get_smaller_before_they_are_broken() {
        let room = |width| Room { width, height: 40.0, size: 20.0, leading: 1.0 };
        let words = fit("Entrance Hall", Style::Bold, room(70.0)).unwrap();
        let lines: Vec<&str> = words.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["Entrance ", "Hall"], "a heading reads as the name");
        assert!(words.size < 20.0);
        let long = fit(&"W".repeat(40), Style::Bold, room(70.0)).unwrap();
        assert!(long.lines.len() > 1 && long.size < 10.0);
        assert_eq!(long.lines.iter().map(|line| line.text.len()).sum::<usize>(), 40);
        assert!(fit(&"あ".repeat(10_000), Style::Bold, room(70.0)).is_none());
    }

    #[test]
    fn rare_characters_come_from_other_faces_or_are_told() {
        let shaped = shape("髙﨑𠮷辻\u{e0100}ﾊﾟ🍎한", Style::Bold);
        assert!(shaped.missing.is_empty(), "{:?}", shaped.missing);
        let plain = shape("辻", Style::Bold);
        assert_ne!(shaped.glyphs[3].id, plain.glyphs[0].id, "the variant with one dot");
        let unknown = shape("ا𒀀", Style::Bold);
        assert_eq!(unknown.missing.len(), 2);
        let geta = Face::Bold.glyph('〓', None).unwrap();
        assert!(unknown.glyphs.iter().all(|glyph| glyph.face == Face::Bold && glyph.id == geta));
        let selected = shape("あ\u{e01ef}い", Style::Bold);
        assert_eq!(selected.glyphs.len(), 2);
    }
}
