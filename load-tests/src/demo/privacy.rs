//! Looks through everything that was written for what must be nowhere: user ids, in letters or
//! bytes, and the words of visitors.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use crate::scenario::{PLANTED_WORDS, Scenario};

/// Where a run keeps what the product wrote: a data directory, or logs and spools of processes.
const WRITTEN: [&str; 3] = ["data", "logs", "spools"];

/// What was found where; empty: nothing.
pub(crate) fn leaks(dir: &Path, day: &Scenario) -> anyhow::Result<Vec<String>> {
    let ids: HashSet<[u8; 16]> = day.visitors.iter().map(|visitor| visitor.id).collect();
    let mut leaks = Vec::new();
    for part in WRITTEN.map(|part| dir.join(part)).into_iter().filter(|part| part.exists()) {
        for file in files(&part)? {
            let bytes = fs::read(&file)?;
            let found = leak(&bytes, &ids);
            leaks.extend(found.map(|what| format!("{what} in {}", file.display())));
        }
    }
    Ok(leaks)
}

/// What was found in the text of `/metrics`.
pub(super) fn leak_in_metrics(text: &[u8], day: &Scenario) -> Option<String> {
    let ids: HashSet<[u8; 16]> = day.visitors.iter().map(|visitor| visitor.id).collect();
    leak(text, &ids).map(|what| format!("{what} in /metrics"))
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

fn leak(bytes: &[u8], ids: &HashSet<[u8; 16]>) -> Option<&'static str> {
    let words = &PLANTED_WORDS.as_bytes()[..24];
    if bytes.windows(words.len()).any(|window| window == words) {
        return Some("words of a visitor");
    }
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if bytes.windows(33).any(|window| window[0] == b'U' && window[1..].iter().all(is_hex)) {
        return Some("a LINE user id");
    }
    let raw = bytes.windows(16).any(|window| {
        // Most windows differ from every id in their first bytes; zeros are no id.
        window[0] != 0 && <[u8; 16]>::try_from(window).is_ok_and(|id| ids.contains(&id))
    });
    raw.then_some("the bytes of a LINE user id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_it_looks_for() {
        let id = [0xab; 16];
        let ids = HashSet::from([id]);
        let with = |middle: &[u8]| [b"...".as_slice(), middle, b"..."].concat();
        assert_eq!(leak(&with(b""), &ids), None);
        assert!(leak(&with(&id), &ids).is_some());
        assert!(leak(&with(b"U0123456789abcdef0123456789abcdef"), &ids).is_some());
        assert!(leak(&with(PLANTED_WORDS.as_bytes()), &ids).is_some());
    }
}
