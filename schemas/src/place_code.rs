//! The place code: what a QR code carries, verified without a look-up.
//!
//! ```text
//!  4 bits       48 bits      8 bits        40 bits
//! ┌─────────┬──────────────┬───────┬────────────────────┐
//! │ version │ venue        │ issue │ truncated HMAC     │  = 100 bits = 20 characters
//! └─────────┴──────────────┴───────┴────────────────────┘
//! ```

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::{crockford, identity::KeyFileError, ids::VenueId};

/// Characters of a code without its separators.
const LENGTH: usize = 20;
/// What stands before the code in the text of a QR code.
const CHECK_IN: &str = "チェックイン ";
/// A message of a visitor is searched for a code in so many characters. What a QR code prepares
/// has 30; LINE allows 5,000.
const SEARCHED: usize = 300;

/// The issue of a venue's code. A re-issue raises it; an old one can be retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Issue(pub u8);

/// A place code that was made by us or verified. Only [`PlaceKeys`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaceCode {
    venue: VenueId,
    issue: Issue,
    bits: u128,
}

impl PlaceCode {
    /// The place.
    pub fn venue(&self) -> VenueId {
        self.venue
    }

    /// The issue.
    pub fn issue(&self) -> Issue {
        self.issue
    }

    /// The text that the QR code prepares in the visitor's chat.
    pub fn check_in_text(&self) -> String {
        format!("{CHECK_IN}{self}")
    }
}

/// Four groups of five: `0123A-4567B-89CDE-FGHJK`.
impl fmt::Display for PlaceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crockford::encode::<LENGTH>(self.bits);
        for (n, group) in text.chunks(5).enumerate() {
            if n > 0 {
                f.write_str("-")?;
            }
            f.write_str(std::str::from_utf8(group).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Why something that looks like a place code is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum CodeProblem {
    /// Its key version is not known here: made by another system, or after keys were lost.
    #[error("place code of an unknown key version")]
    UnknownKeyVersion,
    /// Its check does not fit: mistyped or forged.
    #[error("place code that does not verify")]
    Forged,
}

/// What a message of a visitor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A place code of ours.
    Code(PlaceCode),
    /// Something in the form of a place code that does not verify.
    Refused(CodeProblem),
    /// Nothing like a place code.
    Nothing,
}

/// The keys of place codes, by version.
#[derive(Clone)]
pub struct PlaceKeys {
    current: u8,
    macs: BTreeMap<u8, Hmac<Sha256>>,
    file: PlaceKeyFile,
}

impl fmt::Debug for PlaceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceKeys").field("current", &self.current).finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceKeyFile {
    format: u32,
    current: u8,
    /// Key version → 32 bytes in base64.
    keys: BTreeMap<u8, String>,
}

impl PlaceKeys {
    /// A first key, version 1, from 32 random bytes.
    pub fn first(random: [u8; 32]) -> Self {
        let file = PlaceKeyFile {
            format: 1,
            current: 1,
            keys: BTreeMap::from([(1, BASE64_STANDARD.encode(random))]),
        };
        let macs = BTreeMap::from([(1, keyed(&random))]);
        Self { current: 1, macs, file }
    }

    /// Reads the text of a places key file.
    pub fn from_file(text: &str) -> Result<Self, KeyFileError> {
        let file: PlaceKeyFile =
            serde_json::from_str(text).map_err(|error| KeyFileError::form(&error))?;
        if file.format != 1 {
            return Err(KeyFileError::UnknownFormat(file.format));
        }
        let mut macs = BTreeMap::new();
        for (version, key) in &file.keys {
            let key = BASE64_STANDARD.decode(key).map_err(|_| KeyFileError::NotAKey)?;
            let key: [u8; 32] = key.try_into().map_err(|_| KeyFileError::NotAKey)?;
            if *version > 15 {
                return Err(KeyFileError::NotAKey);
            }
            macs.insert(*version, keyed(&key));
        }
        if !macs.contains_key(&file.current) {
            return Err(KeyFileError::NotAKey);
        }
        Ok(Self { current: file.current, macs, file })
    }

    /// The text of a places key file. Secret.
    pub fn to_file(&self) -> String {
        // A struct of numbers and strings always has a JSON form.
        serde_json::to_string_pretty(&self.file).unwrap_or_default()
    }

    /// The code of a venue's issue, under the current key.
    pub fn code(&self, venue: VenueId, issue: Issue) -> PlaceCode {
        // `current` is one of the keys: both constructors see to it.
        let tag =
            self.macs.get(&self.current).map_or(0, |mac| tag(mac, self.current, venue, issue));
        let bits = u128::from(self.current) << 96
            | u128::from(venue.as_u64()) << 48
            | u128::from(issue.0) << 40
            | u128::from(tag);
        PlaceCode { venue, issue, bits }
    }

    /// Verifies the 100 bits of a code.
    fn verify(&self, bits: u128) -> Result<PlaceCode, CodeProblem> {
        let version = (bits >> 96) as u8 & 15;
        let venue = VenueId::from_u64((bits >> 48) as u64);
        let issue = Issue((bits >> 40) as u8);
        let mac = self.macs.get(&version).ok_or(CodeProblem::UnknownKeyVersion)?;
        let mac = mac.clone().chain_update(message(version, venue, issue));
        let given = &((bits as u64) << 24).to_be_bytes()[..5];
        mac.verify_truncated_left(given).map_err(|_| CodeProblem::Forged)?;
        Ok(PlaceCode { venue, issue, bits })
    }

    /// Looks for a place code in what a visitor sent: in any case and width, with any spaces and
    /// hyphens, with words around it.
    pub fn find(&self, text: &str) -> Found {
        // What a QR code prepared comes as it was printed, and needs no search.
        if let Some(code) = printed(text).and_then(|bits| self.verify(bits).ok()) {
            return Found::Code(code);
        }
        let mut problem = None;
        for (bits, grouped) in candidates(text) {
            match self.verify(bits) {
                Ok(code) => return Found::Code(code),
                // Twenty characters out of ordinary words are no attempt at a code.
                Err(reason) if grouped => problem = problem.or(Some(reason)),
                Err(_) => {}
            }
        }
        problem.map_or(Found::Nothing, Found::Refused)
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn message(version: u8, venue: VenueId, issue: Issue) -> [u8; 8] {
    let [a, b, c, d, e, f] = venue.to_bytes();
    [version, a, b, c, d, e, f, issue.0]
}

fn tag(mac: &Hmac<Sha256>, version: u8, venue: VenueId, issue: Issue) -> u64 {
    let full = mac.clone().chain_update(message(version, venue, issue)).finalize().into_bytes();
    full[..5].iter().fold(0, |tag, byte| tag << 8 | u64::from(*byte))
}

/// The bits in a text that has the form of [`PlaceCode::check_in_text`].
fn printed(text: &str) -> Option<u128> {
    let groups = text.strip_prefix(CHECK_IN)?.as_bytes();
    let mut letters = [0; LENGTH];
    for (n, letters) in letters.chunks_mut(5).enumerate() {
        if n > 0 && groups.get(6 * n - 1) != Some(&b'-') {
            return None;
        }
        letters.copy_from_slice(groups.get(6 * n..6 * n + 5)?);
    }
    if groups.len() > LENGTH + 3 { None } else { crockford::decode::<LENGTH>(&letters) }
}

/// Every run of 20 code characters that begins and ends with a word, and whether it has the form
/// of a printed code: one word of 20, or four of five.
fn candidates(text: &str) -> Vec<(u128, bool)> {
    // What our own codes bring along is normal, and needs no second copy.
    let searched = match text.char_indices().nth(SEARCHED) {
        None if is_nfkc_quick(text.chars()) == IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfkc().take(SEARCHED).collect::<String>()),
    };
    let words: Vec<&str> = searched
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for start in 0..words.len() {
        let mut run = String::new();
        for (count, word) in words[start..].iter().enumerate() {
            run.push_str(word);
            if run.len() < LENGTH {
                continue;
            }
            if let Some(bits) = crockford::decode::<LENGTH>(run.as_bytes()) {
                let grouped = count == 0
                    || count == 3 && words[start..=start + 3].iter().all(|w| w.len() == 5);
                found.push((bits, grouped));
            }
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> PlaceKeys {
        PlaceKeys::first([7; 32])
    }

    proptest! {
        #[test]
        fn codes_survive_the_round_trip(venue in 0..VenueId::COUNT, issue: u8) {
            let code = keys().code(VenueId::from_u64(venue), Issue(issue));
            prop_assert_eq!(keys().find(&code.check_in_text()), Found::Code(code));
            prop_assert_eq!(code.venue().as_u64(), venue);
            prop_assert_eq!(code.issue(), Issue(issue));
        }

        #[test]
        fn every_single_bit_flip_is_refused(venue in 0..VenueId::COUNT, issue: u8, bit in 0..100_u32) {
            let bits = keys().code(VenueId::from_u64(venue), Issue(issue)).bits ^ 1 << bit;
            let text = crockford::encode::<LENGTH>(bits);
            let text = std::str::from_utf8(&text)?;
            let problem = if bit < 96 { CodeProblem::Forged } else { CodeProblem::UnknownKeyVersion };
            prop_assert_eq!(keys().find(text), Found::Refused(problem));
            // As a QR code prepares it, too.
            let forged = PlaceCode { venue: VenueId::from_u64(venue), issue: Issue(issue), bits };
            prop_assert_eq!(keys().find(&forged.check_in_text()), Found::Refused(problem));
        }

        #[test]
        fn a_code_is_found_as_it_is_and_made_normal(before in "\\PC{0,30}", after in "\\PC{0,300}") {
            let code = keys().code(VenueId::from_u64(7), Issue(1));
            let text = format!("{before}。{code}。{after}");
            let normal: String = text.nfkc().collect();
            prop_assert_eq!(keys().find(&text), keys().find(&normal));
        }

        #[test]
        fn what_people_say_is_no_code(text in "\\PC{0,400}") {
            prop_assert!(!matches!(keys().find(&text), Found::Code(_)));
        }
    }

    #[test]
    fn every_bit_of_one_code() {
        let bits = keys().code(VenueId::from_u64(0x1234_5678_9abc), Issue(3)).bits;
        for bit in 0..100 {
            assert!(keys().verify(bits ^ 1 << bit).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn typed_by_hand_it_works() {
        let code = keys().code(VenueId::from_u64(0x10_0000_0001), Issue(1));
        let printed = code.to_string();
        let full_width: String =
            printed.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
        let confused = printed.replace('0', "O").replace('1', "l").replace('V', "u");
        for text in [
            printed.clone(),
            printed.to_lowercase(),
            printed.replace('-', ""),
            printed.replace('-', " "),
            printed.replace('-', "　"),
            printed.replace('-', "ー"),
            printed.replace('-', "\n"),
            full_width,
            confused,
            code.check_in_text(),
            format!("{}。", code.check_in_text()),
            format!("ここです：{printed}。よろしく"),
            format!("Check in {} please", printed.replace('-', " ")),
        ] {
            assert_eq!(keys().find(&text), Found::Code(code), "{text}");
        }
    }

    #[test]
    fn ordinary_words_are_not_called_a_forged_code() {
        for text in
            ["", "こんにちは", "abcdefghijklmnopqrs", "thank you very much and bye", "0123456789"]
        {
            assert_eq!(keys().find(text), Found::Nothing, "{text}");
        }
    }

    #[test]
    fn another_prefectures_code_is_refused() {
        let foreign = PlaceKeys::first([8; 32]).code(VenueId::from_u64(1), Issue(1));
        assert_eq!(keys().find(&foreign.to_string()), Found::Refused(CodeProblem::Forged));
    }

    #[test]
    fn the_key_file_survives_the_round_trip_and_says_what_is_wrong() {
        let again = PlaceKeys::from_file(&keys().to_file()).unwrap();
        let venue = VenueId::from_u64(5);
        assert_eq!(again.code(venue, Issue(1)), keys().code(venue, Issue(1)));
        assert!(PlaceKeys::from_file("{}").is_err());
        assert!(PlaceKeys::from_file(r#"{"format":2,"current":1,"keys":{}}"#).is_err());
        assert!(PlaceKeys::from_file(r#"{"format":1,"current":1,"keys":{}}"#).is_err());
        assert!(PlaceKeys::from_file(r#"{"format":1,"current":1,"keys":{"1":"AAAA"}}"#).is_err());
    }
}
