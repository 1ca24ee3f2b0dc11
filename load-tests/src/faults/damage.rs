//! What is done to files that a killed process left.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Puts a frame whose checksum does not hold before everything in a spool, and begins one more frame
/// at its end, as a crash in the middle of a write leaves it.
pub fn spool(spool: &Path) -> anyhow::Result<()> {
    let mut segments: Vec<_> = fs::read_dir(spool)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "spool"))
        .filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0))
        .collect();
    segments.sort();
    let first = segments.first().context("the spool is empty")?;
    let bytes = fs::read(first)?;
    // A frame is 4 bytes of length, 8 of checksum, and so many more.
    let length: [u8; 4] = bytes[..4].try_into()?;
    let frame = &bytes[..12 + u32::from_be_bytes(length) as usize];
    let mut flipped = frame.to_vec();
    flipped[frame.len() / 2] ^= 0x40;
    fs::write(first, [&flipped, bytes.as_slice()].concat())?;
    let last = segments.last().context("the spool is empty")?;
    let torn = [fs::read(last)?.as_slice(), &frame[..frame.len() / 2]].concat();
    fs::write(last, torn)?;
    Ok(())
}

/// How many frames a spool keeps aside.
pub fn quarantined(spool: &Path) -> usize {
    fs::read_dir(spool.join("quarantine")).map_or(0, Iterator::count)
}

/// The newest journal of a data directory, and where what was written of it ends: the engine lays
/// the file out in advance, with zeros.
pub fn journal(data: &Path) -> anyhow::Result<(PathBuf, u64)> {
    let journals = fs::read_dir(data.join("db"))?.flatten().map(|entry| entry.path());
    let newest = journals.filter(|path| path.extension().is_some_and(|x| x == "jnl")).max();
    let newest = newest.context("there is no journal")?;
    let bytes = fs::read(&newest)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok((newest, end as u64))
}

/// Flips bits of a byte of a file; flipping them again mends it.
pub fn flip(file: &Path, at: u64, bits: u8) -> anyhow::Result<()> {
    let file = fs::File::options().read(true).write(true).open(file)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ bits], at)?;
    Ok(())
}

/// Copies a directory that nobody uses; what is no file (a socket) is left out.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let Some(name) = entry.file_name() else { continue };
        if kind.is_dir() {
            copy(&entry, &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(&entry, to.join(name))?;
        }
    }
    Ok(())
}
