//! What is run.

mod list;
mod place_code;
mod webhook;
mod wire;

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

/// Something that reads any bytes.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Reads; panics where a promise is broken. What it came to, roughly.
    pub run: fn(&[u8]) -> u64,
    /// Inputs that other crates have.
    elsewhere: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub fn all() -> [Target; 4] {
    [
        Target { name: "webhook", run: webhook::run, elsewhere: webhook::seeds },
        Target { name: "wire", run: wire::run, elsewhere: wire::seeds },
        Target { name: "place_code", run: place_code::run, elsewhere: place_code::seeds },
        Target { name: "csv", run: list::run, elsewhere: Vec::new },
    ]
}

impl Target {
    /// Where it begins: its corpus, and inputs that are elsewhere in the repository.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = files(&self.corpus());
        seeds.extend((self.elsewhere)());
        seeds
    }

    /// Keeps an input in the corpus.
    pub fn keep(&self, input: &[u8]) -> io::Result<PathBuf> {
        let path = self.corpus().join(format!("found-{:016x}", came_to(input)));
        fs::create_dir_all(self.corpus())?;
        fs::write(&path, input)?;
        Ok(path)
    }

    fn corpus(&self) -> PathBuf {
        repository("fuzz/corpus").join(self.name)
    }
}

/// A file or directory of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The files of a directory, in the order of their names.
fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// The newest corpus of what the product wrote.
fn written(file: &str) -> String {
    let dirs = fs::read_dir(repository("load-tests/corpus")).into_iter().flatten();
    let newest = dirs.filter_map(Result::ok).map(|entry| entry.path().join(file)).max();
    newest.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
}

/// A number for what an input came to.
fn came_to(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
