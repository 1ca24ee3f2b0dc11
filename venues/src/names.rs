//! Names of facilities and venues. They are echoed in messages to visitors, so they are made
//! harmless here.

use unicode_normalization::UnicodeNormalization;

/// Characters of a name.
pub const MAX_NAME: usize = 50;

/// Why a name can't be used. In Japanese: operators read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("名前がありません")]
    Empty,
    /// Longer than [`MAX_NAME`] characters.
    #[error("名前は50文字までです")]
    TooLong,
    /// A web address would become a link in the chat.
    #[error("名前にURLは使えません")]
    Address,
    /// Characters that can't be seen or that turn the writing direction.
    #[error("名前に使えない文字があります")]
    Hidden,
}

/// Normalises a name: full-width letters and half-width kana become ordinary ones, runs of spaces
/// become one.
pub fn name(text: &str) -> Result<String, NameError> {
    // A file may have joined cells with tabs or line breaks.
    let joined: String = text.nfkc().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let name = joined.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().count() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    if name.chars().any(is_hidden) {
        return Err(NameError::Hidden);
    }
    let lower = name.to_lowercase();
    if lower.contains("://") || lower.contains("www.") {
        return Err(NameError::Address);
    }
    Ok(name)
}

/// Control characters, and those that have no shape or change the direction of writing (Unicode's
/// `Cf`, as far as it occurs in names).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        assert_eq!(name(" ﾎﾃﾙ　Ｓｕｎ\t１階 ").as_deref(), Ok("ホテル Sun 1階"));
        assert_eq!(name("=1+1 カフェ🍎").as_deref(), Ok("=1+1 カフェ🍎"));
    }

    #[test]
    fn tricks_are_refused() {
        assert_eq!(name(" 　\n"), Err(NameError::Empty));
        assert_eq!(name(&"あ".repeat(51)), Err(NameError::TooLong));
        assert_eq!(name("県庁\u{202e}gpj"), Err(NameError::Hidden));
        assert_eq!(name("県\u{200b}庁"), Err(NameError::Hidden));
        assert_eq!(name("県\u{7}庁"), Err(NameError::Hidden));
        assert_eq!(name("http://evil.example"), Err(NameError::Address));
        assert_eq!(name("ＷＷＷ．evil．example"), Err(NameError::Address));
    }
}
