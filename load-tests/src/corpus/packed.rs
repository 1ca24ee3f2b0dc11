//! A directory as lines of text: empty directories, lengths and bytes are kept by any repository.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{base64, unbase64};

/// A file or a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Its path, from the directory's own on.
    pub path: String,
    /// Nothing for a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PackedFile>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedFile {
    /// How long it is. Journals are made long and filled later: zeros at the end are not kept.
    pub length: u64,
    /// Its bytes, without the zeros at their end.
    pub bytes: String,
}

/// Packs a directory. What only a living process has there is left out.
pub(super) fn pack(dir: &Path) -> anyhow::Result<Vec<Packed>> {
    let mut packed = Vec::new();
    add(dir, dir, &mut packed)?;
    packed.sort_by(|one, other| one.path.cmp(&other.path));
    packed.retain(|entry| !["lock", "socket"].contains(&entry.path.as_str()));
    Ok(packed)
}

fn add(root: &Path, dir: &Path, packed: &mut Vec<Packed>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let at = entry?.path();
        let path = at.strip_prefix(root)?.to_str().context("a path of letters")?.to_owned();
        if at.is_dir() {
            packed.push(Packed { path, file: None });
            add(root, &at, packed)?;
        } else if at.is_file() {
            let bytes = fs::read(&at)?;
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let file = PackedFile { length: bytes.len() as u64, bytes: base64(&bytes[..end]) };
            packed.push(Packed { path, file: Some(file) });
        }
    }
    Ok(())
}

/// Makes the directory anew.
pub fn unpack(packed: &[Packed], dir: &Path) -> anyhow::Result<()> {
    for Packed { path, file } in packed {
        let at = dir.join(path);
        match file {
            None => fs::create_dir_all(&at)?,
            Some(PackedFile { length, bytes }) => {
                fs::create_dir_all(at.parent().unwrap_or(dir))?;
                fs::write(&at, unbase64(bytes)?)?;
                File::options().write(true).open(&at)?.set_len(*length)?;
            }
        }
    }
    Ok(())
}
