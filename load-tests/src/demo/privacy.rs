//! Looks through everything that was written for what must be nowhere: user ids, in letters or
//! bytes, and the words of visitors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;

use crate::scenario::{PLANTED_WORDS, Scenario};

/// Where a run keeps what the product wrote: a data directory, or logs and spools of processes.
const WRITTEN: [&str; 3] = ["data", "logs", "spools"];

/// What was found where; empty: nothing.
pub(crate) fn leaks(dir: &Path, day: &Scenario) -> anyhow::Result<Vec<String>> {
    let secrets = Secrets::of(day)?;
    let mut leaks = Vec::new();
    for part in WRITTEN.map(|part| dir.join(part)).into_iter().filter(|part| part.exists()) {
        for file in files(&part)? {
            let found = secrets.found_in(&fs::read(&file)?);
            leaks.extend(found.map(|what| format!("{what} in {}", file.display())));
        }
    }
    Ok(leaks)
}

/// What was found in the text of `/metrics`.
pub(super) fn leak_in_metrics(text: &[u8], day: &Scenario) -> anyhow::Result<Option<String>> {
    let found = Secrets::of(day)?.found_in(text);
    Ok(found.map(|what| format!("{what} in /metrics")))
}

fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// What must be found nowhere. Looked for by libraries, which are quick where this crate is not
/// optimized: a spool has 70 MB.
struct Secrets {
    /// The words of visitors, then the bytes of every id.
    known: AhoCorasick,
    /// An id in letters, whoever's it is.
    id: Regex,
}

impl Secrets {
    fn of(day: &Scenario) -> anyhow::Result<Self> {
        let words = &PLANTED_WORDS.as_bytes()[..24];
        let ids = day.visitors.iter().map(|visitor| visitor.id.as_slice());
        let known = AhoCorasick::new(std::iter::once(words).chain(ids))?;
        Ok(Self { known, id: Regex::new("U[0-9a-f]{32}")? })
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        if self.id.is_match(bytes) {
            return Some("a LINE user id");
        }
        let found = self.known.find(bytes)?;
        Some(match found.pattern().as_usize() {
            0 => "words of a visitor",
            _ => "the bytes of a LINE user id",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Size, Visitor};

    #[test]
    fn it_finds_what_it_looks_for() {
        let id = [0xab; 16];
        let mut day =
            scenario::make_empty(Size { facilities: 1, venues: 1, visitors: 0, scans: 0 }, 0);
        day.visitors.push(Visitor { id, friend_before: false, language: "ja" });
        let secrets = Secrets::of(&day).expect("secrets");
        let with = |middle: &[u8]| [b"...".as_slice(), middle, b"..."].concat();
        let found = |middle: &[u8]| secrets.found_in(&with(middle));
        assert_eq!(found(b""), None);
        assert_eq!(found(&id), Some("the bytes of a LINE user id"));
        let letters = b"U0123456789abcdef0123456789abcdef";
        assert_eq!(found(letters), Some("a LINE user id"));
        assert_eq!(found(PLANTED_WORDS.as_bytes()), Some("words of a visitor"));
    }
}
