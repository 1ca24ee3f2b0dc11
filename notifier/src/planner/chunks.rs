//! Chunks: written sealed, read back, opened.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use schemas::{
    identity::{IdentityError, KeyRing},
    ids::{JobId, PlanId},
    job::hex,
    language::Language,
    sending::{CHUNK_PEOPLE, ChunkNumber, Recipient, Way},
    time::EventTime,
};
use sha2::{Digest, Sha256};
use storage::{
    Store, StoreError, kill_point,
    rows::{
        TypedStore,
        ledger::{ChunkKey, ChunkRow},
    },
};

use super::PlanError;
use crate::audience::Target;

/// Chunks written and read back at the same time.
const CONCURRENT: usize = 32;

/// A chunk with its people in clear. In memory only.
#[derive(Debug)]
pub struct OpenChunk {
    /// The frozen list.
    pub recipients: Vec<Recipient>,
    /// The language of their text.
    pub language: Language,
    /// How they are sent to.
    pub way: Way,
}

/// Why a sealed chunk can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// It is not in the store.
    #[error("a chunk of a sealed plan is missing")]
    Missing,
    /// It is not what was sealed.
    #[error("a chunk of a sealed plan has changed")]
    Changed,
    /// It does not open.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The numbers of so many chunks.
pub(crate) fn numbers(count: u32) -> impl Iterator<Item = ChunkNumber> {
    (0..count).map(ChunkNumber)
}

fn context(key: ChunkKey) -> Vec<u8> {
    let chunk = key.chunk.0.to_be_bytes();
    [b"chunk".as_slice(), key.job.0.as_bytes(), key.plan.0.as_bytes(), &chunk].concat()
}

/// Cuts people into chunks of one language and one way, writes them sealed under this week's key,
/// and reads them back. How many there are, and the hash of all of them.
pub(super) async fn write<S: Store>(
    store: &S,
    keys: &KeyRing,
    (job, plan): (JobId, PlanId),
    targets: Vec<Target>,
    now: EventTime,
) -> Result<(u32, String), PlanError> {
    let mut kinds: BTreeMap<(Language, Way), Vec<Recipient>> = BTreeMap::new();
    for target in targets {
        kinds.entry((target.language, target.way)).or_default().push(target.recipient);
    }
    let mut rows = Vec::new();
    for ((language, way), recipients) in kinds {
        for people in recipients.chunks(CHUNK_PEOPLE) {
            let chunk = ChunkNumber(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let key = ChunkKey { job, plan, chunk };
            let plain = postcard::to_stdvec(people).map_err(|_| PlanError::ReadBack)?;
            rows.push(ChunkRow {
                key,
                language,
                way,
                recipients: keys.seal(now.epoch(), &context(key), &plain)?,
                people: u32::try_from(people.len()).unwrap_or(u32::MAX),
                hash: Sha256::digest(&plain).into(),
                written_at: now,
            });
        }
    }
    let mut all = Sha256::new();
    for row in &rows {
        all.update(row.hash);
    }
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    stream::iter(rows.into_iter().map(Ok))
        .try_for_each_concurrent(CONCURRENT, |row| async move {
            store.put(std::slice::from_ref(&row)).await?;
            kill_point!("K18 half planned");
            let opened = open_chunk(store, keys, row.key).await;
            match opened {
                Ok(opened) if opened.recipients.len() == row.people as usize => Ok(()),
                Err(ChunkError::Store(error)) => Err(PlanError::from(error)),
                _ => Err(PlanError::ReadBack),
            }
        })
        .await?;
    Ok((count, hex(&all.finalize())))
}

/// Opens a chunk, and makes sure that it is what was sealed.
pub async fn open_chunk<S: Store>(
    store: &S,
    keys: &KeyRing,
    key: ChunkKey,
) -> Result<OpenChunk, ChunkError> {
    let row: ChunkRow = store.get(&key).await?.ok_or(ChunkError::Missing)?;
    let plain = keys.open(&context(key), &row.recipients)?;
    let hash: [u8; 32] = Sha256::digest(&plain).into();
    let recipients: Vec<Recipient> =
        postcard::from_bytes(&plain).map_err(|_| ChunkError::Changed)?;
    if hash != row.hash || recipients.len() != row.people as usize {
        return Err(ChunkError::Changed);
    }
    Ok(OpenChunk { recipients, language: row.language, way: row.way })
}

/// Reads the hashes of a plan's chunks and compares them with what was sealed.
pub(crate) async fn matches_seal<S: Store>(
    store: &S,
    (job, plan): (JobId, PlanId),
    chunks: u32,
    sealed_hash: &str,
) -> Result<bool, StoreError> {
    let rows: Vec<Option<ChunkRow>> = stream::iter(numbers(chunks))
        .map(|chunk| async move { store.get::<ChunkRow>(&ChunkKey { job, plan, chunk }).await })
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    let mut all = Sha256::new();
    for row in rows {
        let Some(row) = row else { return Ok(false) };
        all.update(row.hash);
    }
    Ok(hex(&all.finalize()) == sealed_hash)
}
