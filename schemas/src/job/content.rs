//! What officials ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ids::VenueId,
    language::Language,
    visit::{Exposure, Window},
};

/// What officials ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobContent {
    /// The places, each with the stay that is assumed there.
    pub venues: Vec<JobVenue>,
    /// When.
    pub window: Window,
    /// How much the window is widened at both ends, in minutes.
    pub padding_minutes: u32,
    /// What people are told; always in Japanese, and in other languages as given.
    pub messages: BTreeMap<Language, String>,
    /// The officials' own reference.
    pub reference: String,
}

/// A place of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobVenue {
    /// The place.
    pub venue: VenueId,
    /// How long a visitor is taken to stay after a scan, in minutes; copied when the job was made.
    pub dwell_minutes: u32,
}

impl JobContent {
    /// What an approval is bound to: SHA-256 of the content's JSON, hexadecimal.
    pub fn hash(&self) -> String {
        // Maps are ordered and there are no floats: equal contents have equal JSON.
        let json = serde_json::to_vec(self).expect("a content has a JSON form");
        hex(&Sha256::digest(json))
    }

    /// What the job asks of visits to each of its places.
    pub fn exposures(&self) -> impl Iterator<Item = (VenueId, Exposure)> + '_ {
        self.venues.iter().map(|place| {
            let exposure = Exposure {
                window: self.window,
                padding_minutes: self.padding_minutes,
                dwell_minutes: place.dwell_minutes,
            };
            (place.venue, exposure)
        })
    }

    /// The text for a visitor's language: that language's, for easy Japanese otherwise Japanese,
    /// for any other otherwise English if there is one, else Japanese. And the language it is in.
    pub fn message_for(&self, language: Language) -> (Language, &str) {
        let fallbacks: &[Language] = match language {
            Language::Japanese | Language::EasyJapanese => &[language, Language::Japanese],
            _ => &[language, Language::English, Language::Japanese],
        };
        fallbacks
            .iter()
            .find_map(|language| Some((*language, self.messages.get(language)?.as_str())))
            .unwrap_or((Language::Japanese, ""))
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
