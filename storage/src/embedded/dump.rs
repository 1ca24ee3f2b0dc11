//! Every row of a table, for whoever moves a directory to a cluster.

use std::collections::BTreeMap;

use super::{EmbeddedStore, Failure, keyspace_in, row, row::StoredRow, writer::keyspaces_of};
use crate::{
    error::StoreError,
    store::Mutation,
    table::{Life, Table},
};

/// Where a dump goes on: the place of a keyspace among those of the table, and the last key seen.
#[derive(Clone, Debug, Default)]
pub struct DumpPosition {
    keyspace: usize,
    after: Option<Vec<u8>>,
}

/// Rows of a table as the writes that make them.
#[derive(Clone, Debug, Default)]
pub struct Dumped {
    /// One entry for each row: all its columns, with the write timestamps that won.
    pub rows: Vec<Vec<Mutation>>,
    /// Present where more may follow.
    pub next: Option<DumpPosition>,
}

/// A row as it lies in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowBytes {
    /// Partition and clustering columns.
    pub key: Vec<u8>,
    /// The other columns, each with the write timestamp that won.
    pub row: Vec<u8>,
}

impl RowBytes {
    /// The row that these writes make. All of them are of the row of the first.
    pub fn of(writes: &[Mutation]) -> Self {
        let (mut key, mut stored) = (Vec::new(), StoredRow::default());
        if let Some(first) = writes.first() {
            row::encode_key(&first.partition, &mut key);
            row::encode_key(&first.clustering, &mut key);
        }
        writes.iter().for_each(|write| stored.merge(write));
        Self { key, row: stored.encode() }
    }

    /// The writes that make the row: all its columns, with the write timestamps that won.
    pub fn read(&self, table: &'static Table) -> Result<Vec<Mutation>, StoreError> {
        let stored = StoredRow::decode(&self.row).map_err(Failure::into_store)?;
        read(table, &self.key, &stored).map_err(Failure::into_store)
    }
}

impl EmbeddedStore {
    /// Some rows of a table that are not past retention, whatever their partition; at most `limit`.
    pub fn dump(
        &self,
        table: &'static Table,
        from: DumpPosition,
        limit: usize,
    ) -> Result<Dumped, StoreError> {
        self.dump_rows(table, from, limit).map_err(Failure::into_store)
    }

    fn dump_rows(
        &self,
        table: &'static Table,
        from: DumpPosition,
        limit: usize,
    ) -> Result<Dumped, Failure> {
        let shared = self.shared();
        let oldest_kept = shared.oldest_kept();
        let names = keyspaces_of(&shared.db, table);
        let mut dumped = Dumped::default();
        let DumpPosition { keyspace: first, mut after } = from;
        for (place, name) in names.iter().enumerate().skip(first) {
            if !shared.db.keyspace_exists(name) {
                continue;
            }
            let engine = |error: fjall::Error| Failure::engine(&shared.dir, &error);
            let keyspace = keyspace_in(&shared.db, name).map_err(engine)?;
            let lower = after.take().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let upper = std::ops::Bound::<Vec<u8>>::Unbounded;
            for entry in keyspace.range::<Vec<u8>, _>((lower, upper)) {
                let (key, stored) = entry.into_inner().map_err(engine)?;
                let stored = StoredRow::decode(&stored)?;
                if table.life == Life::Retained && stored.written_at() < oldest_kept {
                    continue;
                }
                dumped.rows.push(read(table, &key, &stored)?);
                if dumped.rows.len() == limit {
                    let after = Some(key.to_vec());
                    dumped.next = Some(DumpPosition { keyspace: place, after });
                    return Ok(dumped);
                }
            }
        }
        Ok(dumped)
    }
}

/// The writes that make a row: one for each write timestamp in it.
fn read(table: &'static Table, key: &[u8], stored: &StoredRow) -> Result<Vec<Mutation>, Failure> {
    let mut partition = row::decode_key(&[table.partition, table.clustering].concat(), key)?;
    let clustering = partition.split_off(table.partition.len());
    let nothing = vec![None; table.columns.len()];
    // The row is there although no column may be.
    let mut by_time = BTreeMap::from([(stored.written_at(), nothing.clone())]);
    for (place, column) in stored.columns().iter().enumerate() {
        if let Some((at, value)) = column {
            let columns = by_time.entry(*at).or_insert_with(|| nothing.clone());
            columns[place] = Some(value.clone());
        }
    }
    let writes = by_time.into_iter().map(|(timestamp, columns)| Mutation {
        table,
        partition: partition.clone(),
        clustering: clustering.clone(),
        columns,
        timestamp,
    });
    Ok(writes.collect())
}
