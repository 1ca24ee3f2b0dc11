//! A log and a store in memory, as nasty as a cluster on a bad day: for tests of those who use
//! them, and to show that the contracts admit more than one machine.
//!
//! Offsets have gaps; appends fail in part although the record is there; appends are doubled;
//! partitions are taken away and given back; commits are refused to those who were given up for
//! dead; writes fail although they took effect. All by a handle, and by a seed.

mod log;
mod store;

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

pub use self::{
    log::{ModelLog, ModelMember, ModelReader},
    store::ModelStore,
};

/// What goes wrong, and how often (0 to 1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// Records of an append that fail although they are in the log.
    pub append_unclear: f64,
    /// Records of an append that fail and are not in the log.
    pub append_lost: f64,
    /// Records that are in the log twice.
    pub append_twice: f64,
    /// Calls of `next` before which partitions are taken away from a member and given back.
    pub rebalance: f64,
    /// Writes and deletions that fail although they took effect.
    pub write_unclear: f64,
    /// Writes and deletions that fail and took no effect.
    pub write_lost: f64,
    /// Reads that fail.
    pub read_fails: f64,
    /// Questions for the bounds of a topic that fail.
    pub bounds_fail: f64,
}

/// Decides what goes wrong.
#[derive(Clone)]
pub struct Faults {
    state: Arc<Mutex<(StdRng, Shares)>>,
}

impl Faults {
    /// Nothing goes wrong until told otherwise.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new((StdRng::seed_from_u64(seed), Shares::default()))) }
    }

    /// From now on this goes wrong.
    pub fn set(&self, shares: Shares) {
        self.state.lock().1 = shares;
    }

    fn strikes(&self, share: impl Fn(&Shares) -> f64) -> bool {
        let mut state = self.state.lock();
        let share = share(&state.1);
        share > 0.0 && state.0.random_bool(share)
    }

    fn gap(&self) -> u64 {
        self.state.lock().0.random_range(1..4)
    }
}
