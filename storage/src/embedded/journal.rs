//! Tells a torn tail from corruption.
//!
//! After a crash the engine cuts its journal at the first entry that is not whole. That is right
//! for a tail that was being written, and silent loss for damage in the middle. So every batch
//! carries a sequence number, and once a batch is on disk its number is written to the file
//! `acknowledged`, without an fsync of its own: after a crash the file may lag behind, but it never
//! runs ahead of what is on disk. If the engine comes up with less than the file says, something
//! acknowledged is gone: the journals are put back as they were, and the directory is refused.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fjall::Database;

use super::{OpenError, keyspace_in};

/// The keyspace of what is neither record nor row.
pub(super) const META: &str = "meta";
/// Where the sequence number of the last batch stands.
pub(super) const SEQUENCE: &[u8] = b"sequence";

/// The file that says how far writes were acknowledged: two slots of a number and its complement,
/// written in turn, so that a torn write leaves the other one.
pub(super) struct Acknowledged {
    file: File,
}

impl Acknowledged {
    pub(super) fn open(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join("acknowledged");
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    fn read(&self) -> u64 {
        let slot = |at: u64| {
            let mut bytes = [0; 16];
            self.file.read_exact_at(&mut bytes, at).ok()?;
            let (number, check) = bytes.split_at(8);
            let number = u64::from_be_bytes(number.try_into().ok()?);
            let check = u64::from_be_bytes(check.try_into().ok()?);
            (check == !number).then_some(number)
        };
        slot(0).max(slot(16)).unwrap_or(0)
    }

    pub(super) fn write(&self, sequence: u64) -> std::io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&sequence.to_be_bytes());
        bytes[8..].copy_from_slice(&(!sequence).to_be_bytes());
        self.file.write_all_at(&bytes, (sequence % 2) * 16)
    }
}

/// The sequence number of the last batch in the engine.
pub(super) fn sequence(db: &Database) -> fjall::Result<u64> {
    let meta = keyspace_in(db, META)?;
    let stored = meta.get(SEQUENCE)?;
    let number = stored.and_then(|bytes| bytes.as_ref().try_into().ok());
    Ok(number.map_or(0, u64::from_be_bytes))
}

/// Opens the engine, and refuses it where something acknowledged is gone.
pub(super) fn open_checked(dir: &Path) -> Result<Database, OpenError> {
    let io = |source| OpenError::Io { dir: dir.to_owned(), source };
    let path = dir.join("db");
    let kept = dir.join("journals-before-start");
    // A copy from a start that was itself interrupted is the older, and so the right one.
    if !kept.exists() && path.exists() {
        keep_journals(&path, &kept).map_err(io)?;
    }
    let acknowledged = Acknowledged::open(dir).map_err(io)?.read();
    // The engine panics on some damaged lengths instead of returning an error.
    let opened = std::panic::catch_unwind(|| {
        Database::builder(&path).open().and_then(|db| Ok((sequence(&db)?, db)))
    });
    let Ok(opened) = opened else {
        let file = put_back(&path, &kept).map_err(io)?.or_else(|| newest_journal(&path));
        return Err(OpenError::Damaged { file: file.unwrap_or(path) });
    };
    match opened {
        Ok((sequence, db)) if sequence >= acknowledged => {
            remove(&kept).map_err(io)?;
            Ok(db)
        }
        Ok((_, db)) => {
            drop(db);
            let file = put_back(&path, &kept).map_err(io)?;
            Err(OpenError::Damaged { file: file.unwrap_or(path) })
        }
        Err(fjall::Error::JournalRecovery(_)) => {
            let file = put_back(&path, &kept).map_err(io)?.or_else(|| newest_journal(&path));
            Err(OpenError::Damaged { file: file.unwrap_or(path) })
        }
        Err(fjall::Error::Io(source)) => Err(io(source)),
        Err(source) => {
            put_back(&path, &kept).map_err(io)?;
            Err(OpenError::Engine { dir: dir.to_owned(), source })
        }
    }
}

fn journals(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.extension().is_some_and(|extension| extension == "jnl") {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

fn newest_journal(path: &Path) -> Option<PathBuf> {
    journals(path).ok()?.pop()
}

fn keep_journals(path: &Path, kept: &Path) -> std::io::Result<()> {
    let making = kept.with_extension("new");
    remove(&making)?;
    fs::create_dir_all(&making)?;
    for journal in journals(path)? {
        if let Some(name) = journal.file_name() {
            fs::copy(&journal, making.join(name))?;
        }
    }
    fs::rename(making, kept)
}

/// Puts the journals back as they were, and says which one the engine had cut.
fn put_back(path: &Path, kept: &Path) -> std::io::Result<Option<PathBuf>> {
    let mut cut = None;
    for before in journals(kept)? {
        let Some(name) = before.file_name() else { continue };
        let now = path.join(name);
        let length = |file: &Path| fs::metadata(file).map_or(0, |about| about.len());
        if length(&now) < length(&before) {
            cut = cut.or(Some(now.clone()));
        }
        fs::copy(&before, &now)?;
    }
    remove(kept)?;
    Ok(cut)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
