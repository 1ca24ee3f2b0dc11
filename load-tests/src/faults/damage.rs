//! What is done to files that a killed process left.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Puts a frame whose checksum does not hold before everything in a spool, and begins one more frame
/// at its end, as a crash in the middle of a write leaves it. A segment that a crash has left so
/// already stays as it is.
pub fn spool(spool: &Path) -> anyhow::Result<()> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(spool)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "spool") {
            segments.push((fs::read(&path)?, path));
        }
    }
    segments.retain(|(bytes, _)| is_whole(bytes) && !bytes.is_empty());
    segments.sort_by(|one, other| one.1.cmp(&other.1));
    let (bytes, path) = segments.first().context("the spool is empty")?;
    let frame = &bytes[..first_frame(bytes).context("the spool is empty")?];
    let mut flipped = frame.to_vec();
    flipped[frame.len() / 2] ^= 0x40;
    fs::write(path, [&flipped, bytes.as_slice()].concat())?;
    let (_, path) = segments.last().context("the spool is empty")?;
    let torn = [fs::read(path)?.as_slice(), &frame[..frame.len() / 2]].concat();
    fs::write(path, torn)?;
    Ok(())
}

/// Whether there are frames from the beginning to the end.
fn is_whole(mut bytes: &[u8]) -> bool {
    while let Some(rest) = first_frame(bytes).and_then(|end| bytes.get(end..)) {
        bytes = rest;
    }
    bytes.is_empty()
}

/// Where the first frame ends: 4 bytes of length, 8 of checksum, and so many more.
fn first_frame(bytes: &[u8]) -> Option<usize> {
    let (length, _) = bytes.split_first_chunk()?;
    Some(12 + u32::from_be_bytes(*length) as usize)
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
