//! One target, from its corpus, for so long.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{mutate::mutate, targets::Target};

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// Inputs tried.
    pub executions: u64,
    /// Inputs of the corpus, and those that came to something new.
    pub kept: usize,
    /// The first input that broke a promise.
    pub broken: Option<Vec<u8>>,
}

/// Runs the inputs of the corpus, then changed ones for as long as `goes_on` says, or up to the
/// first broken promise. The same seed makes the same inputs.
pub fn run(target: &Target, seed: u64, goes_on: impl Fn(u64) -> bool) -> Ran {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kept = target.seeds();
    let mut known = HashSet::new();
    let mut executions = 0;
    let holds = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| (target.run)(input))).ok();
    for input in kept.clone() {
        executions += 1;
        match holds(&input) {
            Some(came_to) => known.insert(came_to),
            None => return Ran { executions, kept: kept.len(), broken: Some(input) },
        };
    }
    while goes_on(executions) {
        executions += 1;
        let input = mutate(&kept[random.random_range(0..kept.len())], &kept, &mut random);
        match holds(&input) {
            Some(came_to) if known.insert(came_to) => kept.push(input),
            Some(_) => {}
            None => return Ran { executions, kept: kept.len(), broken: Some(input) },
        }
    }
    Ran { executions, kept: kept.len(), broken: None }
}
