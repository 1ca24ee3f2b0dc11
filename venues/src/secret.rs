//! Secrets in links and cookies.

use std::fmt;

use rand::TryRng;
use sha2::{Digest, Sha256};

/// 128 random bits that somebody was given; kept as a hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 16]);

/// The machine gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no random bytes")]
pub struct NoRandom;

impl Token {
    /// A new one.
    pub fn random() -> Result<Self, NoRandom> {
        let mut bytes = [0; 16];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| NoRandom)?;
        Ok(Self(bytes))
    }

    /// Reads 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|bits| Self(bits.to_be_bytes()))
    }

    /// As links and cookies have it.
    pub fn reveal(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        self.derive("kept")
    }

    /// What forms of a browser with this cookie carry: who knows it doesn't know the cookie.
    pub fn form_token(&self) -> String {
        let derived = self.derive("form");
        derived[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// It has 128 random bits, so a plain hash can't be searched.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update([0]).chain_update(self.0).finalize().into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_not_shown() {
        let token = Token::random().unwrap();
        assert_eq!(Token::parse(&token.reveal()), Some(token.clone()));
        assert!(!format!("{token:?}").contains(&token.reveal()));
        assert_ne!(Token::random(), Ok(token));
        for text in ["", "0123", &"g".repeat(32), &"A".repeat(32), &"+".repeat(32)] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
