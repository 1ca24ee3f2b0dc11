//! Proves that LINE sent the bytes.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use storage::mutant;

/// The secret of a LINE channel, keyed and ready. Its text is not kept.
#[derive(Clone)]
pub struct ChannelSecret(Hmac<Sha256>);

impl ChannelSecret {
    /// From the text that LINE's console shows. It is used as text, not as hexadecimal.
    pub fn new(text: &str) -> Self {
        Self(Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes a key of any length"))
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecret([redacted])")
    }
}

/// The secrets that count now: several while one is being replaced.
pub type ChannelSecrets = Arc<ArcSwap<Vec<ChannelSecret>>>;

/// A body that LINE signed. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedBody(Bytes);

impl VerifiedBody {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a request is not LINE's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `X-Line-Signature`, or more than one.
    #[error("no signature")]
    Missing,
    /// Not the base64 of 32 bytes.
    #[error("malformed signature")]
    Malformed,
    /// Made with another secret or for another body.
    #[error("wrong signature")]
    Wrong,
}

impl SignatureError {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            SignatureError::Missing => "no_signature",
            SignatureError::Malformed => "malformed_signature",
            SignatureError::Wrong => "wrong_signature",
        }
    }
}

/// Checks `X-Line-Signature`, the base64 of HMAC-SHA-256 over the raw body, in constant time.
pub fn verify(
    secrets: &[ChannelSecret],
    body: Bytes,
    signature: Option<&[u8]>,
) -> Result<VerifiedBody, SignatureError> {
    let signature = signature.ok_or(SignatureError::Missing)?;
    let mut given = [0; 32];
    // 44 characters; the decoder wants room for the padding.
    let mut room = [0; 33];
    match BASE64_STANDARD.decode_slice(signature, &mut room) {
        Ok(32) if signature.len() == 44 => given.copy_from_slice(&room[..32]),
        _ => return Err(SignatureError::Malformed),
    }
    for ChannelSecret(keyed) in secrets {
        let made = keyed.clone().chain_update(&body).verify_slice(&given);
        if made.is_ok() || mutant!("no signature check") {
            return Ok(VerifiedBody(body));
        }
    }
    Err(SignatureError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    // LINE's documentation, "Verify webhook signature".
    const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
    const BODY: &[u8] = br#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#;
    const SIGNATURE: &str = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=";

    fn check(
        secrets: &[&str],
        body: &'static [u8],
        signature: Option<&str>,
    ) -> Result<(), SignatureError> {
        let secrets: Vec<_> = secrets.iter().map(|text| ChannelSecret::new(text)).collect();
        let body = Bytes::from_static(body);
        verify(&secrets, body, signature.map(str::as_bytes)).map(|_| ())
    }

    #[test]
    fn the_documented_example_verifies() {
        assert_eq!(check(&[SECRET], BODY, Some(SIGNATURE)), Ok(()));
        assert_eq!(check(&["another", SECRET], BODY, Some(SIGNATURE)), Ok(()));
    }

    #[test]
    fn anything_else_does_not() {
        use SignatureError::*;
        let spaced = SIGNATURE.replace('G', " G");
        let unpadded = SIGNATURE.trim_end_matches('=');
        let url_safe = SIGNATURE.replace('+', "-");
        // Its last character has bits that 32 bytes do not have.
        let upper = SIGNATURE.to_uppercase();
        let zeros = format!("{}=", "A".repeat(43));
        let cases = [
            (&[SECRET][..], BODY, None, Missing),
            (&[SECRET], BODY, Some(""), Malformed),
            (&[SECRET], BODY, Some("invalid_signature"), Malformed),
            (&[SECRET], BODY, Some(&spaced), Malformed),
            (&[SECRET], BODY, Some(unpadded), Malformed),
            (&[SECRET], BODY, Some(&url_safe), Malformed),
            (&[SECRET], BODY, Some(&upper), Malformed),
            (&[SECRET], BODY, Some(&zeros), Wrong),
            (&[SECRET], b"{}", Some(SIGNATURE), Wrong),
            (&["another"], BODY, Some(SIGNATURE), Wrong),
            (&[], BODY, Some(SIGNATURE), Wrong),
        ];
        for (secrets, body, signature, error) in cases {
            assert_eq!(check(secrets, body, signature), Err(error), "{signature:?}");
        }
    }
}
