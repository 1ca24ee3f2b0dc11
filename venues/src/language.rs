//! The languages of the pages, and where each has its addresses.

use schemas::language::Language;

/// A language of the pages. Japanese first; every page is there in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageLanguage {
    /// 日本語, at `/`.
    #[default]
    Japanese,
    /// やさしい日本語, under `/easy`.
    Easy,
    /// English, under `/en`.
    English,
}

impl PageLanguage {
    /// All of them, in the order of the language switch.
    pub const ALL: [PageLanguage; 3] =
        [PageLanguage::Japanese, PageLanguage::English, PageLanguage::Easy];

    /// What stands before the path of a page.
    pub const fn prefix(self) -> &'static str {
        match self {
            PageLanguage::Japanese => "",
            PageLanguage::Easy => "/easy",
            PageLanguage::English => "/en",
        }
    }

    /// The `lang` of the document.
    pub const fn code(self) -> &'static str {
        match self {
            PageLanguage::Japanese | PageLanguage::Easy => "ja",
            PageLanguage::English => "en",
        }
    }

    /// Its own name.
    pub const fn name(self) -> &'static str {
        match self {
            PageLanguage::Japanese => "日本語",
            PageLanguage::Easy => "やさしい日本語",
            PageLanguage::English => "English",
        }
    }

    /// The same as messages name it.
    pub const fn language(self) -> Language {
        match self {
            PageLanguage::Japanese => Language::Japanese,
            PageLanguage::Easy => Language::EasyJapanese,
            PageLanguage::English => Language::English,
        }
    }

    /// The language that messages name; Japanese where the pages don't have it.
    pub const fn from_language(language: Language) -> Self {
        match language {
            Language::EasyJapanese => PageLanguage::Easy,
            Language::English => PageLanguage::English,
            _ => PageLanguage::Japanese,
        }
    }

    /// The address of a page in this language. `page` begins with `/`.
    pub fn path(self, page: &str) -> String {
        match (self.prefix(), page) {
            ("", page) => page.to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, page) => format!("{prefix}{page}"),
        }
    }

    /// Takes an address apart: the language, and the page in it.
    pub fn of_path(path: &str) -> (Self, &str) {
        for language in [PageLanguage::Easy, PageLanguage::English] {
            match path.strip_prefix(language.prefix()) {
                Some("") => return (language, "/"),
                Some(page) if page.starts_with('/') => return (language, page),
                _ => {}
            }
        }
        (PageLanguage::Japanese, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_an_address_in_every_language() {
        for language in PageLanguage::ALL {
            for page in ["/", "/register", "/register/link/abc"] {
                assert_eq!(PageLanguage::of_path(&language.path(page)), (language, page));
            }
        }
        assert_eq!(PageLanguage::of_path("/english"), (PageLanguage::Japanese, "/english"));
    }
}
