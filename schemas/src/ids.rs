//! Typed identifiers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::crockford;

/// Why a text is not an identifier. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not `U` and 32 lower-case hexadecimal digits.
    #[error("not a LINE user id")]
    User,
    /// Not ten Crockford base-32 characters.
    #[error("not a venue id: ten letters and digits such as 0H3K9M2P7X")]
    Venue,
    /// Not ten Crockford base-32 characters.
    #[error("not a facility id: ten letters and digits such as 0H3K9M2P7X")]
    Facility,
    /// Empty, longer than 64 bytes, or with characters outside `A-Z a-z 0-9 - _ . @`.
    #[error("not an official's name: 1 to 64 of A-Z a-z 0-9 - _ . @")]
    Official,
    /// Longer than 64 bytes.
    #[error("not a webhook event id")]
    Event,
}

/// A LINE user id: `U` and 32 hexadecimal digits, as its 16 bytes.
///
/// Personal data: it is in memory only, sealed everywhere else, and can't be printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId([u8; 16]);

impl UserId {
    /// From its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the form LINE uses. Lower case only, as LINE writes it.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let hex = text.strip_prefix('U').ok_or(IdError::User)?.as_bytes();
        if hex.len() != 32 {
            return Err(IdError::User);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = (hex_digit(pair[0]).ok_or(IdError::User)? << 4)
                | hex_digit(pair[1]).ok_or(IdError::User)?;
        }
        Ok(Self(bytes))
    }

    /// The form LINE's API takes. For request bodies to LINE only.
    pub fn to_line(&self) -> String {
        let mut text = String::with_capacity(33);
        text.push('U');
        for byte in self.0 {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        text
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId([redacted])")
    }
}

macro_rules! crockford_id {
    ($(#[$doc:meta])* $name:ident, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The number of different ids.
            pub const COUNT: u64 = 1 << 48;

            /// From a number; its upper 16 bits are cut off.
            pub fn from_u64(number: u64) -> Self {
                Self(number % Self::COUNT)
            }

            /// Its 48 bits as a number.
            pub fn as_u64(self) -> u64 {
                self.0
            }

            /// Its six bytes, big-endian: the key of its records in the log.
            pub fn to_bytes(self) -> [u8; 6] {
                let [_, _, bytes @ ..] = self.0.to_be_bytes();
                bytes
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = crockford::encode::<10>(u128::from(self.0));
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let number = crockford::decode::<10>(text.as_bytes()).ok_or($error)?;
                let number = u64::try_from(number).map_err(|_| $error)?;
                if number < Self::COUNT { Ok(Self(number)) } else { Err($error) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_u64(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    Ok(Self::from_u64(u64::deserialize(deserializer)?))
                }
            }
        }
    };
}

crockford_id! {
    /// One scannable place: 48 random bits, written as ten Crockford base-32 characters.
    VenueId, IdError::Venue
}

crockford_id! {
    /// A business site or event: 48 random bits, written as ten Crockford base-32 characters.
    FacilityId, IdError::Facility
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// An exposure job.
    JobId
}

uuid_id! {
    /// One frozen set of recipients of a job.
    PlanId
}

uuid_id! {
    /// One record of the `jobs` topic: an append whose outcome is unknown is appended again with
    /// the same id, and counts once.
    RecordId
}

/// The name an official is known by: 1 to 64 of `A-Z a-z 0-9 - _ . @`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OfficialId(String);

impl OfficialId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OfficialId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(IdError::Official);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for OfficialId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<OfficialId> for String {
    fn from(id: OfficialId) -> String {
        id.0
    }
}

impl fmt::Display for OfficialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// LINE's `webhookEventId`: the same on every redelivery of an event. At most 64 bytes; empty
/// where an older body has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(Box<str>);

impl EventId {
    /// Takes LINE's id as it is.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() > 64 { Err(IdError::Event) } else { Ok(Self(text.into())) }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A keyed hash of a LINE message id: finds the scan that an unsent message made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageHash(pub [u8; 16]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn user_ids_survive_the_round_trip(bytes: [u8; 16]) {
            let id = UserId::from_bytes(bytes);
            prop_assert_eq!(UserId::parse(&id.to_line()), Ok(id));
            let printed = format!("{id:?}");
            prop_assert!(!printed.contains(&id.to_line()[1..]));
        }

        #[test]
        fn venue_ids_survive_the_round_trip(number in 0..VenueId::COUNT) {
            let id = VenueId::from_u64(number);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id)?;
            prop_assert_eq!(serde_json::from_str::<VenueId>(&json)?, id);
            let wire = postcard::to_stdvec(&id)?;
            prop_assert_eq!(postcard::from_bytes::<VenueId>(&wire)?, id);
        }
    }

    #[test]
    fn user_ids_that_line_would_not_send_are_refused() {
        for text in [
            "",
            "U",
            "U123",
            "u4af4980629000000000000000000000a",
            "U4AF4980629000000000000000000000A",
            "U4af4980629000000000000000000000ab",
            "U4af4980629000000000000000000000é",
        ] {
            assert_eq!(UserId::parse(text), Err(IdError::User), "{text}");
        }
    }

    #[test]
    fn official_names_hold_nothing_surprising() {
        assert!("sato@pref.example".parse::<OfficialId>().is_ok());
        for text in ["", "a b", "佐藤", "a\nb", &"a".repeat(65)] {
            assert_eq!(text.parse::<OfficialId>(), Err(IdError::Official));
        }
    }
}
