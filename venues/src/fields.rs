//! What operators type: taken in any width, with or without hyphens, and normalised.

use unicode_normalization::UnicodeNormalization;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldProblem {
    /// Nothing was entered.
    Missing,
    /// It is longer than it may be.
    TooLong,
    /// It does not look like what is asked for.
    Form,
    /// It holds characters that can't be seen or that turn the writing direction, or a web address.
    Tricks,
}

/// Letters, digits and hyphens in one width; what looks like a hyphen is one.
fn plain(text: &str) -> String {
    text.nfkc().map(hyphen).collect()
}

fn hyphen(c: char) -> char {
    match c {
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | 'ー' => '-',
        c => c,
    }
}

/// A mail address: `  Ｏ＠Example.JP ` → `O@example.jp`.
pub fn mail_address(text: &str) -> Result<String, FieldProblem> {
    let text: String = text.nfkc().collect();
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldProblem::Missing);
    }
    if text.len() > 254 {
        return Err(FieldProblem::TooLong);
    }
    let (local, domain) = text.rsplit_once('@').ok_or(FieldProblem::Form)?;
    // Japanese phones have addresses such as `a..b.@example.jp`: what a mail server takes is its own
    // business.
    let local_fits = !local.is_empty()
        && local.len() <= 64
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !local_fits || !domain.contains('.') || !domain.split('.').all(label_fits) {
        return Err(FieldProblem::Form);
    }
    Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// A postcode as its seven digits: `〒２３１－０００１` → `2310001`.
pub fn postcode(text: &str) -> Result<String, FieldProblem> {
    let text = plain(text);
    let text = text.trim().trim_start_matches('〒');
    if text.trim().is_empty() {
        return Err(FieldProblem::Missing);
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    match digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(digits),
        false => Err(FieldProblem::Form),
    }
}

/// A Japanese phone number as its digits: `（０４５）１２３－４５６７`, `+81 45 123 4567` → `0451234567`.
pub fn phone(text: &str) -> Result<String, FieldProblem> {
    let text = plain(text);
    if text.trim().is_empty() {
        return Err(FieldProblem::Missing);
    }
    let kept: String = text.chars().filter(|c| !matches!(c, '-' | ' ' | '(' | ')' | '.')).collect();
    let digits = match kept.strip_prefix("+81") {
        Some(rest) => format!("0{}", rest.trim_start_matches('0')),
        None => kept,
    };
    let fits = digits.starts_with('0')
        && (10..=11).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(digits) } else { Err(FieldProblem::Form) }
}

/// A name in katakana: hiragana and half-width kana become katakana.
pub fn kana(text: &str) -> Result<String, FieldProblem> {
    let name = match crate::names::name(text) {
        Ok(name) => name,
        Err(crate::names::NameError::Empty) => return Err(FieldProblem::Missing),
        Err(crate::names::NameError::TooLong) => return Err(FieldProblem::TooLong),
        Err(_) => return Err(FieldProblem::Tricks),
    };
    let katakana: String = name
        .chars()
        .map(|c| match c {
            'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
            c => c,
        })
        .collect();
    let fits = |c: char| {
        matches!(
            c,
            'ァ'..='ヺ' | 'ー' | '・' | ' ' | '-' | '.' | ',' | '&' | '\'' | '(' | ')' | '!'
        ) || c.is_ascii_alphanumeric()
    };
    if katakana.chars().all(fits) { Ok(katakana) } else { Err(FieldProblem::Form) }
}

/// Characters of an address.
pub const MAX_ADDRESS: usize = 120;

/// A postal address: one line, digits and hyphens in one width.
pub fn address(text: &str) -> Result<String, FieldProblem> {
    let text: Vec<char> = text.nfkc().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(char::is_ascii_digit);
    // Between digits, what looks like a hyphen is one; `センター` stays what it is.
    let text: String = (0..)
        .zip(&text)
        .map(|(at, c): (usize, &char)| {
            match is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)) {
                true => hyphen(*c),
                false => *c,
            }
        })
        .collect();
    let line = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return Err(FieldProblem::Missing);
    }
    if line.chars().count() > MAX_ADDRESS {
        return Err(FieldProblem::TooLong);
    }
    if line.chars().any(crate::names::is_hidden) || line.contains("://") {
        return Err(FieldProblem::Tricks);
    }
    Ok(line)
}

/// A postcode as people read it.
pub fn show_postcode(digits: &str) -> String {
    match digits.split_at_checked(3) {
        Some((area, rest)) if !rest.is_empty() => format!("{area}-{rest}"),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_width_and_any_hyphen() {
        for text in
            ["231-0001", "2310001", "〒２３１－０００１", " 231 0001 ", "231ー0001", "231—0001"]
        {
            assert_eq!(postcode(text).as_deref(), Ok("2310001"), "{text}");
        }
        for text in [
            "045-123-4567",
            "（０４５）１２３−４５６７",
            "+81 45-123-4567",
            "045ー123ー4567",
            "0451234567",
        ] {
            assert_eq!(phone(text).as_deref(), Ok("0451234567"), "{text}");
        }
        assert_eq!(phone("090 1234 5678").as_deref(), Ok("09012345678"));
        assert_eq!(kana("ｺｰﾋｰ こもれび").as_deref(), Ok("コーヒー コモレビ"));
        assert_eq!(address(" 横浜市中区\u{3000}１−２−３\n").as_deref(), Ok("横浜市中区 1-2-3"));
        assert_eq!(address("新港1ー2 みなとセンター").as_deref(), Ok("新港1-2 みなとセンター"));
    }

    #[test]
    fn what_can_t_be_meant_is_refused() {
        use FieldProblem::*;
        assert_eq!(postcode(" "), Err(Missing));
        assert_eq!(postcode("231-000"), Err(Form));
        assert_eq!(postcode("231-000a"), Err(Form));
        assert_eq!(phone("110"), Err(Form));
        assert_eq!(phone("12345678901"), Err(Form));
        assert_eq!(kana("食堂"), Err(Form));
        assert_eq!(address(&"あ".repeat(121)), Err(TooLong));
        assert_eq!(address("横浜市\u{202e}"), Err(Tricks));
        assert_eq!(address("http://evil.example/"), Err(Tricks));
    }

    #[test]
    fn mail_addresses() {
        use FieldProblem::*;
        assert_eq!(mail_address(" Ｔｅｎｃｈｏ＠Example.JP ").as_deref(), Ok("Tencho@example.jp"));
        assert_eq!(mail_address("a..b.@docomo.ne.jp").as_deref(), Ok("a..b.@docomo.ne.jp"));
        assert_eq!(mail_address(""), Err(Missing));
        for text in [
            "a",
            "a@",
            "@a.jp",
            "a@b",
            "a b@c.jp",
            "a@b..jp",
            "a@-b.jp",
            "a@b.jp\r\nBcc: x@y.jp",
            "\"a\"@b.jp",
            "a@[127.0.0.1]",
            "<a@b.jp>",
            "a,b@c.jp",
            "あ@b.jp",
        ] {
            assert_eq!(mail_address(text), Err(Form), "{text}");
        }
        assert_eq!(mail_address(&format!("{}@b.jp", "a".repeat(65))), Err(Form));
    }
}
