//! Key files: made, rotated, destroyed, read again when they change.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rand::TryRng;
use schemas::{
    identity::KeyRing,
    place_code::PlaceKeys,
    time::{DAY_MS, Epoch, EventTime},
};

/// Epochs whose keys are made ahead.
const AHEAD: u32 = 8;
/// How often files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A key file can't be used. One sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is there already.
    #[error(
        "{0} exists already: keys are never overwritten; use `anshin keys rotate`, or another file"
    )]
    Exists(PathBuf),
    /// It can't be read.
    #[error("{path} can't be read: {source}; make key files with `anshin keys init`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can't be written.
    #[error("{path} can't be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no key file.
    #[error("{path}: {source}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        source: schemas::identity::KeyFileError,
    },
    /// The machine has no randomness.
    #[error("the operating system gives no random bytes")]
    NoRandom,
}

fn random() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| KeyError::NoRandom)?;
    Ok(bytes)
}

/// A source of keys. Whether the machine gives random bytes is found out first; should it cease to
/// in between, ending at once beats a weak key.
fn source() -> Result<impl FnMut() -> [u8; 32], KeyError> {
    random()?;
    Ok(|| random().expect("the operating system gave random bytes a moment ago"))
}

/// The first epoch that retention still touches, and the last that is to have keys.
fn live(now: EventTime, retention_days: u32) -> (Epoch, Epoch) {
    let first = now.plus(-i64::from(retention_days) * DAY_MS).epoch();
    (first, Epoch(now.epoch().0 + AHEAD))
}

/// Makes both files. Never overwrites one.
pub fn init(
    file: &Path,
    places_file: &Path,
    now: EventTime,
    retention_days: u32,
) -> Result<(), KeyError> {
    for path in [file, places_file] {
        if path.exists() {
            return Err(KeyError::Exists(path.to_owned()));
        }
    }
    let (first, last) = live(now, retention_days);
    let ring = KeyRing::generate((first.0..=last.0).map(Epoch), &mut source()?);
    write(file, &ring.to_file())?;
    write(places_file, &PlaceKeys::first(random()?).to_file())
}

/// Makes keys for epochs ahead that have none; how many.
pub fn rotate(file: &Path, now: EventTime, retention_days: u32) -> Result<usize, KeyError> {
    let mut ring = read_ring(file)?;
    let (first, last) = live(now, retention_days);
    let mut random = source()?;
    let added = (first.0..=last.0).filter(|epoch| ring.add(Epoch(*epoch), &mut random)).count();
    if added > 0 {
        write(file, &ring.to_file())?;
    }
    Ok(added)
}

/// Destroys keys of epochs whose newest row is past retention; which.
pub fn destroy(file: &Path, now: EventTime, retention_days: u32) -> Result<Vec<Epoch>, KeyError> {
    let mut ring = read_ring(file)?;
    let (first, _) = live(now, retention_days);
    let destroyed = ring.destroy_before(first);
    if !destroyed.is_empty() {
        write(file, &ring.to_file())?;
    }
    Ok(destroyed)
}

/// Writes a file that only its owner reads, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::Write { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    let making = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&making).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    storage::kill_point!("K30 keys written, not in place");
    fs::rename(&making, path).map_err(failed)
}

fn read(path: &Path) -> Result<String, KeyError> {
    fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })
}

/// Reads the visitors' keys.
pub fn read_ring(path: &Path) -> Result<KeyRing, KeyError> {
    KeyRing::from_file(&read(path)?)
        .map_err(|source| KeyError::Form { path: path.to_owned(), source })
}

/// Reads the place codes' keys.
pub fn read_places(path: &Path) -> Result<PlaceKeys, KeyError> {
    PlaceKeys::from_file(&read(path)?)
        .map_err(|source| KeyError::Form { path: path.to_owned(), source })
}

/// Reads something again whenever its file changes. What can't be read leaves the old in place.
pub async fn watch<T>(
    path: PathBuf,
    held: Arc<ArcSwap<T>>,
    read: impl Fn(&Path) -> Result<T, KeyError>,
) {
    let changed_at =
        |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let mut last = changed_at(&path);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed_at(&path);
        if now == last || now.is_none() {
            continue;
        }
        match read(&path) {
            Ok(new) => {
                held.store(Arc::new(new));
                tracing::info!(path = %path.display(), "read again");
                last = now;
            }
            Err(error) => tracing::warn!(%error, "the file can't be read again; the old one stays"),
        }
    }
}
