//! What a QR code opens: the account's chat with the check-in text ready to send.

use schemas::place_code::PlaceCode;

use super::FlyerError;

/// Characters of a prepared text. What LINE allows on all of its surfaces (message actions).
pub const MAX_TEXT: usize = 300;

/// The address that the QR code of a place holds, for the LINE Official Account with this id
/// (`@…`).
///
/// LINE's URL scheme: `https://line.me/R/oaMessage/{LINE ID}/?{text}`, both percent-encoded.
pub fn check_in_url(account_id: &str, code: &PlaceCode) -> Result<String, FlyerError> {
    let text = code.check_in_text();
    if text.chars().count() > MAX_TEXT {
        return Err(FlyerError::TextTooLong);
    }
    if !is_account_id(account_id) {
        return Err(FlyerError::AccountId);
    }
    Ok(format!("https://line.me/R/oaMessage/{}/?{}", encoded(account_id), encoded(&text)))
}

/// Whether a text can be the id of a LINE Official Account: `@` and letters, digits and `. - _`; nine
/// characters that LINE gave, or a chosen name.
pub fn is_account_id(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = text.strip_prefix('@');
    name.is_some_and(|name| (1..=32).contains(&name.len()) && name.chars().all(known))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use schemas::{
        ids::VenueId,
        place_code::{Issue, PlaceKeys},
    };

    use super::*;

    #[test]
    fn the_address_is_lines() {
        let code = PlaceKeys::first([7; 32]).code(VenueId::from_u64(7), Issue(1));
        assert_eq!(
            check_in_url("@aichi-anshin", &code).unwrap(),
            format!(
                "https://line.me/R/oaMessage/%40aichi-anshin/?%E3%83%81%E3%82%A7%E3%83%83%E3%82%AF%E3%82%A4%E3%83%B3%20{code}"
            )
        );
        for id in ["", "@", "aichi", "@あいち", "@a/../b", "@a?b", &format!("@{}", "a".repeat(33))]
        {
            assert_eq!(check_in_url(id, &code), Err(FlyerError::AccountId), "{id}");
        }
    }
}
