//! Everything that reads what others wrote, on inputs that nobody would write.
//!
//! A target takes any bytes and panics where a promise is broken. What it returns says roughly what
//! the input came to: an input that comes to something new is kept for the run, and changed
//! further. Runs start from real inputs: fixtures of other crates, what earlier versions wrote, and
//! `fuzz/corpus/TARGET`, where a run leaves every input that broke a promise. The test below replays
//! them all, and a few thousand changed ones.
//!
//! | module | what it does |
//! |---|---|
//! | [`targets`] | webhook bodies, records, place codes, lists of places |
//! | [`mutate`] | makes another input out of some |
//! | [`run`](mod@run) | one target, from its corpus, for so long |

pub mod mutate;
pub mod run;
pub mod targets;

#[cfg(test)]
mod tests {
    use crate::{run::run, targets};

    #[test]
    fn every_input_of_the_corpus_and_a_few_more() {
        for target in targets::all() {
            let seeds = target.seeds();
            assert!(seeds.len() > 2, "{} has a corpus", target.name);
            let ran = run(&target, 1, |executions| executions < 2_000);
            assert_eq!(ran.broken, None, "{}", target.name);
        }
    }
}
