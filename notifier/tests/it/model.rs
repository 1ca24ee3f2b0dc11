//! The planning and sending protocol, checked exhaustively: every state that two processes, the
//! log, the ledger, LINE and time can get into, and every step between them.
//!
//! It is here, beside the code that it models, because most of what decides is that code itself:
//! what records of `jobs` add up to ([`schemas::job::transition`]), what the rows of a part say and
//! when it is too late ([`notifier::ledger::PartLedger`]), what an answer of LINE leads to
//! ([`notifier::sender::verdict`]), the retry keys ([`schemas::sending::retry_key`]). The model adds
//! the order in which planner, sender and dispatch call them, one read, write or request a step.
//!
//! What happens to them, at any time and any number of times: a process dies and another takes its
//! place; both believe that they are the one sender; an append is in the log and its process does
//! not hear of it; waits for a permit and writes take as long as they like; no connection, 429, 5xx
//! before and after accepting, lost requests, lost answers; a request reaches LINE late, or twice.
//! Once 23 h 20 pass and twice 20 minutes: so that there is a moment before 23 h 30, one after it,
//! and one after 24 h. Clocks are 4 minutes apart. Officials pause, resume, and decide of undecided
//! chunks. To keep the states few, time passes in models that begin with a sealed plan and whose
//! processes know the whole log; what old views of the log and rival planners lead to is looked at
//! without time. In the model of pushes, which have more steps and rows, processes meet one fault
//! between them (a death, a refusal, an unclear answer), beside time, lateness and rivalry.
//!
//! What is taken for granted: a request reaches LINE less than 30 minutes after the sender's last
//! look at the clock, or never; clocks are not further apart than configured; LINE honours a key
//! for 24 h from the first request that it did not refuse, and serialises requests with one key;
//! reads of the store see every write that was acknowledged. The first and the third are
//! [`Mutant`]s, too: without them the protocol does not hold.
//!
//! Not in it: who is left out of a part because they asked to be forgotten since the plan.

mod book;
mod explore;
mod steps;
mod world;

use std::{collections::BTreeMap, time::Instant};

use schemas::sending::Way;

use self::{
    book::Book,
    explore::{Explored, explore},
    world::{Line, Process, Violation, World},
};

/// What is different from the product, or from what is taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing.
    None,
    /// Every attempt has a key of its own.
    RandomKey,
    /// A random key, kept with the outcome.
    KeyAfterSend,
    /// Nothing is ever too late.
    NoGuard,
    /// No look at ledger and clock between writing an attempt and the request.
    NoSecondLook,
    /// One attempt row, which the last writer has.
    StampMoves,
    /// *Accepted* is written before the request.
    CommitsFirst,
    /// After an unclear answer the part counts as ended.
    GivesUp,
    /// An unclear answer is written down as a refusal.
    UnclearIsRefused,
    /// Chunks are sent as soon as they are written.
    SendsUnsealed,
    /// A plan that is sealed later takes the place of an earlier one.
    LastSealWins,
    /// A sweep plans people of earlier plans again.
    SweepForgets,
    /// A push looks once only for attempts for its whole chunk.
    WholeReadOnce,
    /// *Undecided* is written over what the attempt's own sender wrote.
    UndecidedOverwrites,
    /// Taken for granted, and not so: a request reaches LINE 40 minutes after the last look.
    LateRequest,
    /// Taken for granted, and not so: a refused request counts as the first with its key.
    RefusalStartsTheDay,
}

/// One job, its people, and what may happen to it.
pub struct Alerts {
    mutant: Mutant,
    book: Book,
    way: Way,
    /// Of one chunk. LINE refuses the id of the second.
    people: u8,
    begins: Begins,
    /// Whether a sweep follows.
    sweep: bool,
    /// Times that 23 h 20 and 20 minutes may pass.
    time_steps: [u8; 2],
    /// How many faults the processes may meet; any number if not said.
    faults: Option<u8>,
    /// Times that an official may pause the job.
    pauses: u8,
}

/// Where a model begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    Approved,
    Sealed,
    /// An undecided chunk, which LINE has accepted in truth, is to be sent again.
    ToSendAgain,
}

impl Alerts {
    /// A job that is approved. No time passes, and what processes know of the log may be old.
    fn approved(mutant: Mutant) -> Self {
        Self {
            mutant,
            book: Book::new(mutant),
            way: Way::Multicast,
            people: 1,
            begins: Begins::Approved,
            sweep: false,
            time_steps: [0, 0],
            faults: None,
            pauses: 0,
        }
    }

    /// A plan for one person that is sealed. Time passes, and every process knows the whole log:
    /// both at once would be too many states.
    fn sealed(mutant: Mutant, way: Way) -> Self {
        // Pushes have twice as many steps and rows.
        let faults = (way == Way::Push).then_some(1);
        let (begins, time_steps) = (Begins::Sealed, [1, 2]);
        Self { way, begins, time_steps, faults, ..Self::approved(mutant) }
    }

    fn time_passes(&self) -> bool {
        self.time_steps != [0, 0]
    }

    fn first_world(&self) -> World {
        let log = match self.begins {
            Begins::Approved => 0,
            Begins::Sealed => self.book.with_a_sealed_plan(self.people),
            Begins::ToSendAgain => self.book.with_a_chunk_to_send_again(self.people),
        };
        let mut world = World {
            log,
            processes: [Process::new(log), Process::new(log)],
            ledger: BTreeMap::new(),
            line: Line::default(),
            time_steps: self.time_steps,
            faults: self.faults,
            pauses: self.pauses,
            made_up: 0,
            broken: None,
        };
        if self.begins == Begins::ToSendAgain {
            world.was_undecided();
        }
        world.in_normal_form(self.way)
    }

    /// For how many minutes a request may still reach LINE.
    fn request_lasts(&self) -> i32 {
        if self.mutant == Mutant::LateRequest { 40 } else { 20 }
    }
}

fn explored(name: &str, model: &Alerts) -> Explored<Alerts> {
    let begun = Instant::now();
    let explored = explore(model);
    let Explored { states, steps, ends, .. } = explored;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name}: {states} states, {steps} steps, {ends} good ends, {seconds:.1} s");
    explored
}

fn holds(name: &str, model: &Alerts) {
    let explored = explored(name, model);
    assert_eq!(explored.violation, None, "{name}");
    assert_eq!(explored.lost, None, "{name}: no good end can be reached any more");
    assert!(explored.ends > 0, "{name}");
}

#[test]
fn a_multicast_while_time_passes() {
    holds("multicast", &Alerts::sealed(Mutant::None, Way::Multicast));
}

#[test]
fn a_push_while_time_passes() {
    holds("push", &Alerts::sealed(Mutant::None, Way::Push));
}

#[test]
fn a_multicast_that_is_split() {
    holds("split", &Alerts { people: 2, ..Alerts::approved(Mutant::None) });
}

#[test]
fn a_sweep_and_a_pause() {
    holds("sweep", &Alerts { sweep: true, pauses: 1, ..Alerts::approved(Mutant::None) });
}

#[test]
fn an_undecided_chunk_is_sent_again_once() {
    let begins = Begins::ToSendAgain;
    holds("again", &Alerts { begins, ..Alerts::approved(Mutant::None) });
}

#[test]
fn every_mutant_is_caught() {
    use Mutant::*;
    let multicast = |mutant| Alerts::sealed(mutant, Way::Multicast);
    for (model, expected) in [
        (multicast(RandomKey), Violation::Twice),
        (multicast(KeyAfterSend), Violation::Twice),
        (multicast(NoGuard), Violation::Twice),
        (multicast(NoSecondLook), Violation::Twice),
        (Alerts::sealed(NoSecondLook, Way::Push), Violation::Twice),
        (Alerts::sealed(WholeReadOnce, Way::Push), Violation::Twice),
        (multicast(StampMoves), Violation::Twice),
        (multicast(CommitsFirst), Violation::Nobody),
        (multicast(GivesUp), Violation::Nobody),
        (multicast(UnclearIsRefused), Violation::Twice),
        (Alerts::approved(SendsUnsealed), Violation::Unsealed),
        (Alerts::approved(LastSealWins), Violation::Twice),
        (Alerts { sweep: true, ..Alerts::approved(SweepForgets) }, Violation::Twice),
        (multicast(UndecidedOverwrites), Violation::Forgotten),
        (multicast(LateRequest), Violation::Twice),
        (multicast(RefusalStartsTheDay), Violation::Twice),
    ] {
        let name = format!("{:?} ({:?})", model.mutant, model.way);
        let explored = explored(&name, &model);
        let (violation, way) = explored.violation.unwrap_or_else(|| panic!("{name} survives"));
        println!("  {violation:?} after {} steps", way.len());
        assert_eq!(violation, expected, "{name}: {way:?}");
    }
}
