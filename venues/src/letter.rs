//! What is written to operators.

use schemas::{ids::FacilityId, language::Language};
use serde::{Deserialize, Serialize};

use crate::{language::PageLanguage, operator::Purpose};

/// A mail to an operator, as it waits in the outbox. It holds no link: that is made when it leaves.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// To whom.
    pub to: String,
    /// In which language.
    pub language: Language,
    /// About what.
    pub about: About,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A link to register.
    Register,
    /// A facility was registered.
    Registered(FacilityId),
    /// A link to change what was registered.
    Manage,
    /// A facility was removed.
    Removed(FacilityId),
}

/// A mail in words.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

impl About {
    /// The link that it carries, if any.
    pub const fn link(self) -> Option<Purpose> {
        match self {
            About::Register => Some(Purpose::Register),
            About::Manage => Some(Purpose::Manage),
            About::Registered(_) | About::Removed(_) => None,
        }
    }
}

impl Letter {
    /// In words. `authority` signs; `url` is the link, or where the pages are.
    pub fn words(&self, authority: &str, url: &str) -> Words {
        let t = PageLanguage::from_language(self.language);
        let (subject, text) = match self.about {
            About::Register => (t.letter_register_subject(), t.letter_register_text()),
            About::Registered(_) => (t.letter_registered_subject(), t.letter_registered_text()),
            About::Manage => (t.letter_manage_subject(), t.letter_manage_text()),
            About::Removed(_) => (t.letter_removed_subject(), t.letter_removed_text()),
        };
        let reference = match self.about {
            About::Registered(facility) | About::Removed(facility) => facility.to_string(),
            About::Register | About::Manage => String::new(),
        };
        let fill = |text: &str| {
            text.replace("{link}", url).replace("{reference}", &reference).replace("{n}", "\n")
        };
        let signature = if authority.is_empty() { t.service_name() } else { authority };
        Words {
            subject: fill(subject),
            text: format!("{}\n\n-- \n{signature}\n{}\n", fill(text), t.letter_no_reply()),
        }
    }
}
