//! Who a visitor is to us: pseudonyms, sealed ids, and the keys behind them.
//!
//! - For each epoch (ISO week) two random keys: one makes the pseudonym in the key of scan rows,
//!   one seals the LINE user id beside it. Destroying them makes the epoch's rows, log records,
//!   rejected records and backups unreadable together.
//! - A long-lived pair for the table of people, so that it can't be joined with the table of
//!   places without keys.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    ids::{MessageHash, UserId, VenueId},
    time::Epoch,
};

/// Length of a sealed user id: nonce 12, id 16, tag 16.
pub const SEALED_ID_BYTES: usize = NONCE_LEN + 16 + 16;

/// A visitor within one epoch: `HMAC-SHA-256(k_pseudo[epoch], id)[..16]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pseudonym(pub [u8; 16]);

/// A visitor for as long as the long-lived key lives: the key of the table of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VisitorId(pub [u8; 16]);

/// A LINE user id under AES-256-GCM; only who holds the keys can open it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SealedId(pub Bytes);

/// Any bytes under AES-256-GCM with the key of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose key opens it.
    pub epoch: Epoch,
    /// Nonce, ciphertext and tag.
    pub bytes: Bytes,
}

/// A key is not there, or does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The epoch's keys are not in the key file: destroyed after retention, or not made yet.
    #[error(
        "no keys for epoch {0}: run `anshin keys rotate`, or wait until the mounted key file is current"
    )]
    MissingKey(Epoch),
    /// What was sealed does not open with this key and context.
    #[error("sealed bytes do not open: another key, or changed bytes")]
    DoesNotOpen,
}

/// Why the text of a key file can't be used. Never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not the JSON of a key file.
    #[error("not a key file (line {line}, column {column}): make one with `anshin keys init`")]
    Form {
        /// Line of the first mistake.
        line: usize,
        /// Column of the first mistake.
        column: usize,
    },
    /// Made by a later version.
    #[error("key file of format {0}; this version reads format 1")]
    UnknownFormat(u32),
    /// A key is not 32 bytes in base64, or the current one is absent.
    #[error("a key in the file is not 32 bytes in base64, or the current one is absent")]
    NotAKey,
}

impl KeyFileError {
    pub(crate) fn form(error: &serde_json::Error) -> Self {
        Self::Form { line: error.line(), column: error.column() }
    }
}

/// Two keys: one to name, one to seal.
struct Pair {
    pseudonym: Hmac<Sha256>,
    seal: RandomizedNonceKey,
}

impl Pair {
    fn new(pseudonym: &[u8; 32], seal: &[u8; 32]) -> Self {
        Self {
            pseudonym: Hmac::new_from_slice(pseudonym).expect("HMAC takes a key of any length"),
            seal: RandomizedNonceKey::new(&AES_256_GCM, seal)
                .expect("AES-256 takes a key of 32 bytes"),
        }
    }

    fn name(&self, purpose: &[u8], bytes: &[u8]) -> [u8; 16] {
        let full = self.pseudonym.clone().chain_update(purpose).chain_update(bytes).finalize();
        let mut name = [0; 16];
        name.copy_from_slice(&full.into_bytes()[..16]);
        name
    }

    fn seal(&self, aad: &[u8], plain: &[u8]) -> Bytes {
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + 16);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(plain);
        let (nonce, tag) = self
            .seal
            .seal_in_place_separate_tag(Aad::from(aad), &mut sealed[NONCE_LEN..])
            .expect("what we seal is far below the 64 GiB that GCM takes");
        sealed[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Bytes::from(sealed)
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let (nonce, cipher) =
            sealed.split_at_checked(NONCE_LEN).ok_or(IdentityError::DoesNotOpen)?;
        let nonce =
            Nonce::try_assume_unique_for_key(nonce).map_err(|_| IdentityError::DoesNotOpen)?;
        let mut buffer = cipher.to_vec();
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(aad), &mut buffer)
            .map_err(|_| IdentityError::DoesNotOpen)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }

    fn open_id(&self, aad: &[u8], sealed: &SealedId) -> Result<UserId, IdentityError> {
        let plain = self.open(aad, &sealed.0)?;
        plain.try_into().map(UserId::from_bytes).map_err(|_| IdentityError::DoesNotOpen)
    }
}

/// All keys that name and seal visitors. Held by ingest and notifier only.
pub struct KeyRing {
    visitor: Pair,
    epochs: BTreeMap<Epoch, Pair>,
    file: KeyFile,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("epochs", &self.epochs.keys().map(Epoch::to_string).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    visitor: KeyPairText,
    epochs: Vec<EpochKeys>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyPairText {
    pseudonym: String,
    seal: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochKeys {
    /// Weeks since the one that holds 1970-01-01.
    epoch: Epoch,
    /// For people; not read.
    week: String,
    pseudonym: String,
    seal: String,
}

impl KeyPairText {
    fn random(random: &mut impl FnMut() -> [u8; 32]) -> Self {
        Self { pseudonym: BASE64_STANDARD.encode(random()), seal: BASE64_STANDARD.encode(random()) }
    }
}

fn pair(pseudonym: &str, seal: &str) -> Result<Pair, KeyFileError> {
    let key = |text: &str| -> Result<[u8; 32], KeyFileError> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| KeyFileError::NotAKey)?;
        bytes.try_into().map_err(|_| KeyFileError::NotAKey)
    };
    Ok(Pair::new(&key(pseudonym)?, &key(seal)?))
}

impl KeyRing {
    /// New keys: the long-lived ones and those of the given epochs. `random` must be a
    /// cryptographic source.
    pub fn generate(
        epochs: impl IntoIterator<Item = Epoch>,
        random: &mut impl FnMut() -> [u8; 32],
    ) -> Self {
        let visitor = KeyPairText::random(random);
        let pair =
            pair(&visitor.pseudonym, &visitor.seal).expect("32 random bytes in base64 are a key");
        let file = KeyFile { format: 1, visitor, epochs: Vec::new() };
        let mut ring = Self { visitor: pair, epochs: BTreeMap::new(), file };
        for epoch in epochs {
            ring.add(epoch, random);
        }
        ring
    }

    /// Makes keys for an epoch that has none; otherwise does nothing. Whether it made some.
    pub fn add(&mut self, epoch: Epoch, random: &mut impl FnMut() -> [u8; 32]) -> bool {
        if self.epochs.contains_key(&epoch) {
            return false;
        }
        let text = KeyPairText::random(random);
        let keys = pair(&text.pseudonym, &text.seal).expect("32 random bytes in base64 are a key");
        self.epochs.insert(epoch, keys);
        self.file.epochs.push(EpochKeys {
            epoch,
            week: epoch.to_string(),
            pseudonym: text.pseudonym,
            seal: text.seal,
        });
        self.file.epochs.sort_by_key(|keys| keys.epoch);
        true
    }

    /// Destroys the keys of every epoch before `first`; returns which.
    pub fn destroy_before(&mut self, first: Epoch) -> Vec<Epoch> {
        let kept = self.epochs.split_off(&first);
        let destroyed = std::mem::replace(&mut self.epochs, kept).into_keys().collect();
        self.file.epochs.retain(|keys| keys.epoch >= first);
        destroyed
    }

    /// Reads the text of a key file.
    pub fn from_file(text: &str) -> Result<Self, KeyFileError> {
        let file: KeyFile =
            serde_json::from_str(text).map_err(|error| KeyFileError::form(&error))?;
        if file.format != 1 {
            return Err(KeyFileError::UnknownFormat(file.format));
        }
        let visitor = pair(&file.visitor.pseudonym, &file.visitor.seal)?;
        let mut epochs = BTreeMap::new();
        for keys in &file.epochs {
            epochs.insert(keys.epoch, pair(&keys.pseudonym, &keys.seal)?);
        }
        Ok(Self { visitor, epochs, file })
    }

    /// The text of a key file. Secret.
    pub fn to_file(&self) -> String {
        // A struct of numbers and strings always has a JSON form.
        serde_json::to_string_pretty(&self.file).unwrap_or_default()
    }

    /// The epochs that have keys, oldest first.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = Epoch> + '_ {
        self.epochs.keys().copied()
    }

    fn epoch(&self, epoch: Epoch) -> Result<&Pair, IdentityError> {
        self.epochs.get(&epoch).ok_or(IdentityError::MissingKey(epoch))
    }

    /// The pseudonym of a visitor in an epoch.
    pub fn pseudonym(&self, epoch: Epoch, user: &UserId) -> Result<Pseudonym, IdentityError> {
        Ok(Pseudonym(self.epoch(epoch)?.name(b"", user.as_bytes())))
    }

    /// Seals a visitor's id to go with a scan.
    pub fn seal_scan(
        &self,
        epoch: Epoch,
        venue: VenueId,
        user: &UserId,
    ) -> Result<(Pseudonym, SealedId), IdentityError> {
        let keys = self.epoch(epoch)?;
        let pseudonym = Pseudonym(keys.name(b"", user.as_bytes()));
        let sealed = keys.seal(&scan_aad(pseudonym, venue, epoch), user.as_bytes());
        Ok((pseudonym, SealedId(sealed)))
    }

    /// Opens the id that came with a scan.
    pub fn open_scan(
        &self,
        epoch: Epoch,
        venue: VenueId,
        pseudonym: Pseudonym,
        sealed: &SealedId,
    ) -> Result<UserId, IdentityError> {
        self.epoch(epoch)?.open_id(&scan_aad(pseudonym, venue, epoch), sealed)
    }

    /// The long-lived pseudonym of a visitor.
    pub fn visitor(&self, user: &UserId) -> VisitorId {
        VisitorId(self.visitor.name(b"", user.as_bytes()))
    }

    /// Seals a visitor's id to go with a record of the `visitors` topic.
    pub fn seal_visitor(&self, user: &UserId) -> (VisitorId, SealedId) {
        let visitor = self.visitor(user);
        (visitor, SealedId(self.visitor.seal(&visitor.0, user.as_bytes())))
    }

    /// Opens the id that came with a record of the `visitors` topic.
    pub fn open_visitor(
        &self,
        visitor: VisitorId,
        sealed: &SealedId,
    ) -> Result<UserId, IdentityError> {
        self.visitor.open_id(&visitor.0, sealed)
    }

    /// The keyed hash of a LINE message id.
    pub fn message(&self, message_id: &str) -> MessageHash {
        // No user id has this prefix: it is the length of none.
        MessageHash(self.visitor.name(b"message:", message_id.as_bytes()))
    }

    /// Seals any bytes under an epoch's key, bound to what they are for.
    pub fn seal(
        &self,
        epoch: Epoch,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Sealed, IdentityError> {
        let bytes = self.epoch(epoch)?.seal(&bytes_aad(epoch, context), plain);
        Ok(Sealed { epoch, bytes })
    }

    /// Opens what [`KeyRing::seal`] sealed for the same context.
    pub fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, IdentityError> {
        self.epoch(sealed.epoch)?.open(&bytes_aad(sealed.epoch, context), &sealed.bytes)
    }
}

fn scan_aad(pseudonym: Pseudonym, venue: VenueId, epoch: Epoch) -> [u8; 26] {
    let mut aad = [0; 26];
    aad[..16].copy_from_slice(&pseudonym.0);
    aad[16..22].copy_from_slice(&venue.to_bytes());
    aad[22..].copy_from_slice(&epoch.0.to_be_bytes());
    aad
}

fn bytes_aad(epoch: Epoch, context: &[u8]) -> Vec<u8> {
    // Longer than the context of a scan, whatever `context` is.
    [b"sealed bytes of anshin\0".as_slice(), &epoch.0.to_be_bytes(), context].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring() -> KeyRing {
        let mut seed = 0_u8;
        KeyRing::generate([Epoch(10), Epoch(11)], &mut || {
            seed += 1;
            [seed; 32]
        })
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_only(id: [u8; 16], venue in 0..VenueId::COUNT) {
            let (ring, user, venue) = (ring(), UserId::from_bytes(id), VenueId::from_u64(venue));
            let (pseudonym, sealed) = ring.seal_scan(Epoch(10), venue, &user)?;
            prop_assert_eq!(sealed.0.len(), SEALED_ID_BYTES);
            prop_assert_eq!(ring.open_scan(Epoch(10), venue, pseudonym, &sealed)?, user);
            let elsewhere = VenueId::from_u64(venue.as_u64() ^ 1);
            for (epoch, venue) in [(Epoch(10), elsewhere), (Epoch(11), venue)] {
                let opened = ring.open_scan(epoch, venue, pseudonym, &sealed);
                prop_assert_eq!(opened, Err(IdentityError::DoesNotOpen));
            }
            prop_assert_ne!(ring.pseudonym(Epoch(11), &user)?, pseudonym);
            prop_assert_ne!(ring.visitor(&user).0, pseudonym.0);
        }

        #[test]
        fn any_bytes_open_in_their_context_only(plain: Vec<u8>) {
            let ring = ring();
            let sealed = ring.seal(Epoch(11), b"chunk 1", &plain)?;
            prop_assert_eq!(ring.open(b"chunk 1", &sealed)?, plain);
            prop_assert_eq!(ring.open(b"chunk 2", &sealed), Err(IdentityError::DoesNotOpen));
        }
    }

    #[test]
    fn the_same_id_is_sealed_differently_each_time() {
        let (ring, user) = (ring(), UserId::from_bytes([1; 16]));
        assert_ne!(ring.seal_visitor(&user).1, ring.seal_visitor(&user).1);
    }

    #[test]
    fn a_destroyed_epoch_is_missing_and_says_so() {
        let mut ring = ring();
        let user = UserId::from_bytes([1; 16]);
        let sealed = ring.seal(Epoch(10), b"x", b"y").unwrap();
        assert_eq!(ring.destroy_before(Epoch(11)), [Epoch(10)]);
        assert_eq!(ring.open(b"x", &sealed), Err(IdentityError::MissingKey(Epoch(10))));
        assert_eq!(ring.pseudonym(Epoch(10), &user), Err(IdentityError::MissingKey(Epoch(10))));
        let again = KeyRing::from_file(&ring.to_file()).unwrap();
        assert_eq!(again.epochs().collect::<Vec<_>>(), [Epoch(11)]);
        assert_eq!(again.visitor(&user), ring.visitor(&user));
    }

    #[test]
    fn a_key_file_error_never_repeats_the_file() {
        let error = KeyRing::from_file(r#"{"format":1,"visitor":"hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
