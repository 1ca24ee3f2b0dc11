//! What there is at one moment: log, two processes, ledger, LINE. All times are minutes before now.

use std::collections::BTreeMap;

use notifier::ledger::{PartLedger, part};
use schemas::{
    sending::{Path, Way},
    time::EventTime,
};
use storage::rows::ledger::{AttemptRow, ChunkKey, OutcomeRow, PartKey, SendResult};
use uuid::Uuid;

use super::book::{At, CHUNK, Event, JOB, Plan};

/// How far the second process' clock is behind.
pub const SKEW: i32 = 4;
/// After so long nothing changes any more.
const LONG_AGO: i32 = -25 * 60;

/// What ends a part; of several, the first decides whatever else is written.
const ENDS: [SendResult; 5] = [
    SendResult::Accepted,
    SendResult::Split,
    SendResult::Invalid,
    SendResult::Empty,
    SendResult::Undecided,
];

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// LINE accepted two messages to one person, and nobody had decided to risk it.
    Twice,
    /// A request for a plan that is not sealed.
    Unsealed,
    /// The job is complete, and somebody was never sent to; nobody had decided to leave them.
    Nobody,
    /// LINE had said that it took a part, and the ledger does not say so any more.
    Forgotten,
}

/// By a process' clock; those of one minute in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i32, pub u8);

impl Stamp {
    /// As the product has it.
    pub fn time(self) -> EventTime {
        EventTime((i64::from(self.0) - i64::from(LONG_AGO)) * 60_000 + i64::from(self.1))
    }

    /// Back again.
    pub fn of(time: EventTime) -> Self {
        let minutes = i32::try_from(time.0.div_euclid(60_000)).expect("minutes of the model");
        Self(minutes + LONG_AGO, u8::try_from(time.0.rem_euclid(60_000)).expect("few in a minute"))
    }
}

/// An attempt row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub at: Stamp,
    pub by: u8,
}

/// An outcome row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    pub of: Attempt,
    pub result: SendResult,
    /// The write's timestamp: a later one replaces it.
    pub answered: Stamp,
}

/// Which part of a plan's one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Piece {
    Whole,
    Left,
    Right,
    Person,
}

impl Piece {
    pub fn path(self) -> Path {
        match self {
            Piece::Whole => Path::whole(),
            Piece::Left => Path::whole().left(),
            Piece::Right => Path::whole().right(),
            Piece::Person => Path::person(0),
        }
    }
}

/// A part of a plan.
pub type Part = (Plan, Piece);

/// What the store has of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rows {
    pub attempts: Vec<Attempt>,
    pub outcomes: Vec<Outcome>,
    /// For mutants that keep a key there.
    pub key: Option<Uuid>,
}

/// What a process does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Looks what is to be done.
    Idle,
    /// Appends a record until it is certain that it is in the log; `landed` where it is, unheard.
    Append { event: Event, landed: bool },
    /// Has written and read back the chunks of a plan.
    Planned { seal: Event },
    /// Reads the ledger of a part.
    Look,
    /// Gives a part up to the officials.
    Undecide { unclear: Attempt },
    /// Waits for a permit, for as long as it takes; `last` of the attempts that it has read.
    Wait { last: Option<Stamp> },
    /// Writes an attempt, for as long as it takes.
    Write { own: Attempt },
    /// Looks once more; then the request leaves.
    Ask { own: Attempt },
    /// A mutant has written its outcome first.
    AskSettled { own: Attempt },
    /// Waits for the answer to a request that left so many minutes ago.
    Asked { own: Attempt, key: Uuid, sent: i32 },
    /// Writes the outcome.
    Settle { own: Attempt, result: SendResult, key: Uuid },
}

/// One of the two processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// How far it has read the log.
    pub view: At,
    pub step: Step,
    /// Parts to send, the next one last.
    pub open: Vec<Part>,
    /// For pushes: the attempts of the whole chunk, as read at first.
    pub whole: Vec<Attempt>,
    /// For pushes: whether the first of them is its own and not used yet.
    pub covered: bool,
}

impl Step {
    /// The attempt that it is about.
    fn own(&mut self) -> Option<&mut Attempt> {
        match self {
            Step::Write { own }
            | Step::Ask { own }
            | Step::AskSettled { own }
            | Step::Asked { own, .. }
            | Step::Settle { own, .. } => Some(own),
            _ => None,
        }
    }
}

impl Process {
    /// One that has read the log up to `view`.
    pub fn new(view: At) -> Self {
        let (open, whole) = (Vec::new(), Vec::new());
        Self { view, step: Step::Idle, open, whole, covered: false }
    }

    /// Drops what it was at.
    pub fn rest(&mut self) {
        *self = Self::new(self.view);
    }

    /// The part that it is at.
    pub fn part(&self) -> Part {
        *self.open.last().expect("a part is being sent")
    }
}

/// A request whose answer nobody will hear, and which LINE may receive, once or more often. Several
/// with one key are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    pub key: Uuid,
    pub part: Part,
    pub sent: i32,
}

/// LINE, and what is on its way there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    /// Keys that it honours: first seen, whether it has accepted a request with it, for what.
    pub keys: BTreeMap<Uuid, (i32, bool, Part)>,
    pub coming: BTreeMap<Uuid, Request>,
    /// How many messages to each person it accepted.
    pub accepted: [u8; 2],
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub log: At,
    pub processes: [Process; 2],
    pub ledger: BTreeMap<Part, Rows>,
    pub line: Line,
    /// Long and short steps of time that are left.
    pub time_steps: [u8; 2],
    /// Faults that are left, where they are counted.
    pub faults: Option<u8>,
    /// Times that an official may still pause the job.
    pub pauses: u8,
    /// Keys that mutants made up.
    pub made_up: u8,
    pub broken: Option<Violation>,
}

impl World {
    /// What a process' clock shows.
    pub fn clock(process: usize) -> Stamp {
        Stamp(if process == 0 { 0 } else { -SKEW }, 0)
    }

    /// What a part's rows say, in the product's words. `whole`: of a push chunk.
    pub fn ledger(&self, part: Part, whole: &[Attempt]) -> PartLedger {
        let empty = Rows::default();
        let rows = self.ledger.get(&part).unwrap_or(&empty);
        let key = key(part);
        let attempt = |attempt: &Attempt| row(part, *attempt);
        let outcome = |outcome: &Outcome| OutcomeRow {
            part: key.clone(),
            attempted_at: outcome.of.at.time(),
            sender: Uuid::from_u128(u128::from(outcome.of.by)),
            result: outcome.result,
            request_id: None,
            answered_at: outcome.answered.time(),
        };
        PartLedger {
            attempts: whole.iter().chain(&rows.attempts).map(attempt).collect(),
            outcomes: rows.outcomes.iter().map(outcome).collect(),
        }
    }

    /// The attempt that a row is.
    pub fn attempt(row: &AttemptRow) -> Attempt {
        let by = u8::try_from(row.sender.as_u128()).expect("a sender of the model");
        Attempt { at: Stamp::of(row.attempted_at), by }
    }

    /// Writes an outcome; the later of two of one attempt stays.
    pub fn write_outcome(&mut self, part: Part, outcome: Outcome) {
        let rows = self.ledger.entry(part).or_default();
        let had = rows.outcomes.iter().any(|known| known.result == SendResult::Accepted);
        let as_written = |outcome: &Outcome| (outcome.answered, outcome.result.name());
        match rows.outcomes.iter_mut().find(|known| known.of == outcome.of) {
            Some(known) if as_written(known) > as_written(&outcome) => {}
            Some(known) => *known = outcome,
            None => rows.outcomes.push(outcome),
        }
        let has = rows.outcomes.iter().any(|known| known.result == SendResult::Accepted);
        if had && !has {
            self.broken = Some(Violation::Forgotten);
        }
    }

    /// The first plan has become undecided, although LINE had accepted it.
    pub fn was_undecided(&mut self) {
        let of = Attempt { at: Stamp(LONG_AGO, 0), by: 2 };
        let (result, answered) = (SendResult::Undecided, of.at);
        self.write_outcome((Plan(1), Piece::Whole), Outcome { of, result, answered });
        self.line.accepted[0] = 1;
    }

    /// Time passes.
    pub fn later(&mut self, minutes: i32, request_lasts: i32) {
        self.each_stamp(&mut |stamp| stamp.0 -= minutes);
        for (first_seen, ..) in self.line.keys.values_mut() {
            *first_seen -= minutes;
        }
        self.line.keys.retain(|_, (first_seen, ..)| *first_seen > -24 * 60);
        for request in self.line.coming.values_mut() {
            request.sent -= minutes;
        }
        self.line.coming.retain(|_, request| request.sent >= -request_lasts);
        for process in &mut self.processes {
            if let Step::Asked { sent, .. } = &mut process.step {
                // One minute too late is as good as a day.
                *sent = (*sent - minutes).max(-request_lasts - 1);
            }
        }
    }

    /// Nobody will hear the answer to what a process has asked.
    pub fn unheard(&mut self, process: usize, request_lasts: i32) {
        let Step::Asked { key, sent, .. } = self.processes[process].step else { return };
        if sent >= -request_lasts {
            let part = self.processes[process].part();
            let request = self.line.coming.entry(key).or_insert(Request { key, part, sent });
            request.sent = request.sent.max(sent);
        }
    }

    /// The same state in its shortest form: without rows that nobody can tell from none, the stamps
    /// of each minute numbered from 0, and all that is long ago in one minute.
    pub fn in_normal_form(mut self, way: Way) -> Self {
        for process in 0..2 {
            self.bury(process);
        }
        let live: Vec<Attempt> = self.processes.iter().flat_map(live).collect();
        let parts: Vec<Part> = self.ledger.keys().copied().collect();
        for part in parts {
            self.compact(part, way, &live);
        }
        if way == Way::Push {
            let wholes = self.ledger.keys().filter(|part| part.1 == Piece::Whole);
            let plans: Vec<Plan> = wholes.map(|part| part.0).collect();
            plans.into_iter().for_each(|plan| self.compact_push(plan));
        }
        self.forget_at_line();
        for process in 0..2 {
            let now = Self::clock(process);
            if let Step::Wait { last } = &mut self.processes[process].step {
                // An attempt before this minute does not move the next one.
                *last = last.filter(|last| last.0 >= now.0);
            }
        }
        let mut stamps: Vec<Stamp> = Vec::new();
        self.each_stamp(&mut |stamp| stamps.push(*stamp));
        stamps.sort_unstable();
        stamps.dedup();
        self.each_stamp(&mut |stamp| {
            let minute = stamp.0.max(LONG_AGO);
            let first = stamps.partition_point(|known| known.0.max(LONG_AGO) < minute);
            let place = stamps.partition_point(|known| known < stamp);
            *stamp = Stamp(minute, u8::try_from(place - first).expect("few in a minute"));
        });
        self
    }

    /// Rows of a process that it will not come back to: as a process that has died leaves them.
    fn bury(&mut self, process: usize) {
        let by = u8::try_from(process).expect("one of two");
        let live = live(&self.processes[process]);
        let bury = |attempt: &mut Attempt| {
            if attempt.by == by && !live.contains(attempt) {
                attempt.by += 2;
            }
        };
        self.each_attempt(bury);
    }

    fn compact(&mut self, part: Part, way: Way, live: &[Attempt]) {
        let targets: Vec<Attempt> = self
            .processes
            .iter()
            .filter_map(|process| match process.step {
                Step::Undecide { unclear } if process.part() == part => Some(unclear),
                _ => None,
            })
            .collect();
        let whole = match way {
            Way::Push => self.ledger.get(&(part.0, Piece::Whole)).map(|rows| rows.attempts.clone()),
            _ => None,
        };
        let rows = self.ledger.get_mut(&part).expect("it is there");
        let long_ago = Stamp(LONG_AGO, 0);
        let has = |result| rows.outcomes.iter().any(|known| known.result == result);
        if let Some(result) = ENDS.into_iter().find(|result| has(*result)) {
            let of = Attempt { at: long_ago, by: 9 };
            rows.attempts.clear();
            rows.outcomes.retain(|known| targets.contains(&known.of));
            if !rows.outcomes.iter().any(|known| known.result == result) {
                rows.outcomes.push(Outcome { of, result, answered: long_ago });
            }
            if targets.is_empty() {
                // Whoever still has an attempt here can only add an outcome.
                for process in self.processes.iter_mut().filter(|p| p.open.last() == Some(&part)) {
                    if let Some(own) = process.step.own() {
                        own.at = long_ago;
                    }
                }
            }
            return;
        }
        if whole.is_some() && part.1 == Piece::Whole {
            // At most one row of each process, and their outcomes are with the person.
            return;
        }
        let refused = |attempt: &Attempt, outcomes: &[Outcome]| {
            let closes = |known: &Outcome| known.result == SendResult::Refused;
            outcomes.iter().any(|known| known.of == *attempt && closes(known))
        };
        rows.attempts.sort_unstable();
        let mut dead = rows.attempts.iter().filter(|attempt| !live.contains(attempt));
        let oldest = dead.find(|attempt| !refused(attempt, &rows.outcomes)).copied();
        rows.attempts.retain(|attempt| live.contains(attempt) || Some(*attempt) == oldest);
        let attempts = [&rows.attempts[..], live, &whole.unwrap_or_default()].concat();
        rows.outcomes.retain(|known| {
            targets.contains(&known.of)
                || known.result == SendResult::Refused && attempts.contains(&known.of)
        });
        rows.outcomes.sort_unstable_by_key(|known| known.of);
        for known in &mut rows.outcomes {
            if !targets.contains(&known.of) {
                known.answered = long_ago;
            }
        }
        if let Some(oldest) = oldest {
            let later = rows.attempts.iter().filter(|attempt| **attempt > oldest).copied();
            let later = later.collect();
            self.age(oldest, later);
        }
    }

    /// The same for a push chunk, whose person's ledger begins with the attempts of the whole.
    fn compact_push(&mut self, plan: Plan) {
        let outcomes = self.ledger.get(&(plan, Piece::Person)).map(|rows| rows.outcomes.clone());
        let outcomes = outcomes.unwrap_or_default();
        let open = |attempt: &Attempt| !outcomes.iter().any(|known| known.of == *attempt);
        let sending = |process: &&Process| process.open.last() == Some(&(plan, Piece::Person));
        let read = |attempt: &Attempt| {
            self.processes.iter().filter(sending).all(|process| process.whole.contains(attempt))
        };
        let whole = &self.ledger[&(plan, Piece::Whole)].attempts;
        let mut dead = whole.iter().filter(|attempt| attempt.by >= 2);
        let Some(oldest) = dead.find(|attempt| open(attempt) && read(attempt)).copied() else {
            return;
        };
        let needed = |attempt: &Attempt| attempt.by < 2 || *attempt <= oldest;
        for piece in [Piece::Whole, Piece::Person] {
            if let Some(rows) = self.ledger.get_mut(&(plan, piece)) {
                rows.attempts.retain(needed);
            }
        }
        let mut later = Vec::new();
        for process in self.processes.iter_mut().filter(|process| sending(&&**process)) {
            process.whole.retain(needed);
            later.extend(&process.whole);
        }
        for piece in [Piece::Whole, Piece::Person] {
            later.extend(self.ledger.get(&(plan, piece)).iter().flat_map(|rows| &rows.attempts));
        }
        later.retain(|attempt| *attempt > oldest);
        later.sort_unstable();
        later.dedup();
        self.age(oldest, later);
    }

    /// Once an attempt is unclear for good, how old later ones are says nothing.
    fn age(&mut self, oldest: Attempt, later: Vec<Attempt>) {
        self.each_attempt(|attempt| {
            if let Some(n) = later.iter().position(|known| known == attempt) {
                let n = u8::try_from(n).expect("few attempts");
                attempt.at = Stamp(oldest.at.0, oldest.at.1 + 1 + n);
            }
        });
    }

    /// What LINE knows of a key that is not used any more; requests that change nothing.
    fn forget_at_line(&mut self) {
        let Line { keys, coming, .. } = &mut self.line;
        coming.retain(|key, _| match keys.get(key) {
            Some((first_seen, true, _)) => *first_seen <= -23 * 60,
            _ => true,
        });
        keys.retain(|key, (_, _, part)| {
            let used = |process: &Process| {
                let asks = !matches!(process.step, Step::Idle | Step::Look | Step::Settle { .. });
                asks && process.open.last() == Some(part)
            };
            let ended = self
                .ledger
                .get(part)
                .is_some_and(|rows| rows.outcomes.iter().any(|known| ENDS.contains(&known.result)));
            !ended || coming.contains_key(key) || self.processes.iter().any(used)
        });
    }

    fn each_attempt(&mut self, mut change: impl FnMut(&mut Attempt)) {
        for process in &mut self.processes {
            process.whole.iter_mut().for_each(&mut change);
            if let Step::Undecide { unclear } = &mut process.step {
                change(unclear);
            }
            if let Some(own) = process.step.own() {
                change(own);
            }
        }
        for rows in self.ledger.values_mut() {
            rows.attempts.iter_mut().for_each(&mut change);
            rows.outcomes.iter_mut().for_each(|outcome| change(&mut outcome.of));
        }
    }

    fn each_stamp(&mut self, change: &mut impl FnMut(&mut Stamp)) {
        self.each_attempt(|attempt| change(&mut attempt.at));
        for process in &mut self.processes {
            if let Step::Wait { last: Some(last) } = &mut process.step {
                change(last);
            }
        }
        for rows in self.ledger.values_mut() {
            rows.outcomes.iter_mut().for_each(|outcome| change(&mut outcome.answered));
        }
    }
}

/// The attempts that a process will still use as its own.
fn live(process: &Process) -> Vec<Attempt> {
    let mut live = process.whole.clone();
    live.extend(process.step.clone().own().copied());
    live
}

/// An attempt's row.
pub fn row(part: Part, attempt: Attempt) -> AttemptRow {
    AttemptRow {
        part: key(part),
        attempted_at: attempt.at.time(),
        sender: Uuid::from_u128(u128::from(attempt.by)),
        exclusions: Vec::new(),
        body_hash: [0; 32],
    }
}

/// The key of a part's rows.
pub fn key((plan, piece): Part) -> PartKey {
    part(ChunkKey { job: JOB, plan: plan.id(), chunk: CHUNK }, piece.path())
}
