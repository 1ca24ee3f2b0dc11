//! The words of the pages, in every language of the pages.
//!
//! A text is a method of [`PageLanguage`](crate::language::PageLanguage): one that lacks a language
//! does not compile.

/// Texts: `name: "日本語", "やさしい日本語", "English";`
macro_rules! texts {
    ($($name:ident: $ja:literal, $easy:literal, $en:literal;)+) => {
        impl $crate::language::PageLanguage {
            $(
                #[doc = $ja]
                pub const fn $name(self) -> &'static str {
                    match self {
                        Self::Japanese => $ja,
                        Self::Easy => $easy,
                        Self::English => $en,
                    }
                }
            )+
        }
    };
}

mod check;
mod facility;
mod flyers;
mod frame;
mod letters;
mod mail;
mod manage;
mod public;
mod rooms;
mod start;
