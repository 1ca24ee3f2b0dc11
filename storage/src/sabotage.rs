//! Where a build for tests ends, fails or errs on purpose: kill points, faults, mutants.
//!
//! Only with the features `failpoints` and `mutants`, which nothing that ships switches on: without
//! them the macros are nothing and `false`, and not even a name of theirs is in the binary.
//!
//! Kill points and faults are armed by the file that `ANSHIN_SABOTAGE` names, a line for each: a fault's name, or a
//! kill point's with `=` and how many passes from now on it lets by. It is read at each pass, so that
//! one process can be armed again and again. A process is killed by SIGKILL, which it sends itself:
//! nothing runs after that line, nothing is closed or flushed. What the kernel has is not lost by
//! it, as it would be where a machine dies.
//!
//! A mutant is a promise that is broken on purpose, so that whoever looks for broken promises has
//! something to find. `ANSHIN_MUTANT` names the one that is on, for as long as the process lives.

/// Ends the process here by SIGKILL, where a test wants that.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! kill_point {
    ($name:literal) => {
        $crate::sabotage::pass(concat!("kill point ", $name))
    };
}
/// Ends the process here by SIGKILL, where a test wants that. In this build: nothing.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! kill_point {
    ($name:literal) => {};
}

/// Whether something that can fail is to fail, because a test wants that.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fault {
    ($name:literal) => {
        $crate::sabotage::is_armed(concat!("fault ", $name))
    };
}
/// Whether something that can fail is to fail, because a test wants that. In this build: never.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fault {
    ($name:literal) => {
        false
    };
}

/// Whether a promise is to be broken here, because a test wants to see it noticed.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::sabotage::is_mutant(concat!("mutant ", $name))
    };
}
/// Whether a promise is to be broken here. In this build: never.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        false
    };
}

/// Whether the process is this mutant.
#[cfg(feature = "mutants")]
pub fn is_mutant(name: &str) -> bool {
    static IS: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("ANSHIN_MUTANT").unwrap_or_default());
    *IS == name
}

pub use self::armed::clock_ahead_ms;
#[cfg(feature = "failpoints")]
pub use self::armed::{is_armed, pass};

#[cfg(not(feature = "failpoints"))]
mod armed {
    /// How far the machine's clock is put forward: not at all.
    pub const fn clock_ahead_ms() -> i64 {
        0
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::{collections::HashMap, env, fs, sync::LazyLock};

    use parking_lot::Mutex;
    use rustix::process::{Signal, getpid, kill_process};

    /// What the file said last, and how often each kill point has been passed since.
    static PASSED: Mutex<(String, Option<HashMap<&str, u64>>)> = Mutex::new((String::new(), None));

    fn armed() -> String {
        static FILE: LazyLock<Option<std::ffi::OsString>> =
            LazyLock::new(|| env::var_os("ANSHIN_SABOTAGE"));
        // No file: nothing is armed.
        FILE.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default()
    }

    /// A kill point is passed.
    pub fn pass(name: &'static str) {
        let armed = armed();
        let mut lines = armed.lines().filter_map(|line| line.split_once('='));
        let Some((_, lets_by)) = lines.find(|(armed, _)| *armed == name) else { return };
        let mut passed = PASSED.lock();
        if passed.0 != armed {
            *passed = (armed.clone(), None);
        }
        let count = passed.1.get_or_insert_default().entry(name).or_default();
        *count += 1;
        if lets_by.parse().is_ok_and(|lets_by: u64| *count > lets_by) {
            // To oneself: the call does not return.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }

    /// Whether a fault is on.
    pub fn is_armed(name: &str) -> bool {
        armed().lines().any(|line| line == name)
    }

    /// How far the machine's clock is put forward, in ms: `ANSHIN_CLOCK_AHEAD_MS`.
    pub fn clock_ahead_ms() -> i64 {
        static AHEAD: LazyLock<i64> = LazyLock::new(|| {
            let ahead = env::var("ANSHIN_CLOCK_AHEAD_MS").ok();
            ahead.and_then(|ahead| ahead.parse().ok()).unwrap_or(0)
        });
        *AHEAD
    }
}
