//! The languages in which visitors are addressed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A language of messages to visitors.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Language {
    /// 日本語. What everybody gets for whom nothing else is known.
    #[default]
    #[serde(rename = "ja")]
    Japanese,
    /// やさしい日本語 (easy Japanese).
    #[serde(rename = "ja-easy")]
    EasyJapanese,
    /// English.
    #[serde(rename = "en")]
    English,
    /// 简体中文.
    #[serde(rename = "zh")]
    Chinese,
    /// 한국어.
    #[serde(rename = "ko")]
    Korean,
    /// Português.
    #[serde(rename = "pt")]
    Portuguese,
    /// Tiếng Việt.
    #[serde(rename = "vi")]
    Vietnamese,
}

impl Language {
    /// All of them, Japanese first.
    pub const ALL: [Language; 7] = [
        Language::Japanese,
        Language::EasyJapanese,
        Language::English,
        Language::Chinese,
        Language::Korean,
        Language::Portuguese,
        Language::Vietnamese,
    ];

    /// Its code in the officials' API and in tables.
    pub const fn code(self) -> &'static str {
        match self {
            Language::Japanese => "ja",
            Language::EasyJapanese => "ja-easy",
            Language::English => "en",
            Language::Chinese => "zh",
            Language::Korean => "ko",
            Language::Portuguese => "pt",
            Language::Vietnamese => "vi",
        }
    }

    /// The one that fits a BCP 47 tag, such as LINE's profiles have.
    pub fn from_bcp47(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.code() == primary)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A text is none of our language codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of ja, ja-easy, en, zh, ko, pt, vi")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.code() == text).ok_or(UnknownLanguage)
    }
}
