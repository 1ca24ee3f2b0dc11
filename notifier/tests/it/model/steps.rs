//! What can happen next: each process goes on or dies, LINE receives, officials decide, time
//! passes.

use notifier::{
    ledger::{PartLedger, PartState},
    line::Answer,
    sender::{Next, verdict},
};
use schemas::{
    job::{Decision, Job, State},
    sending::{Way, retry_key},
};
use storage::rows::ledger::SendResult;
use uuid::Uuid;

use super::{
    Alerts, Mutant,
    book::{self, CHUNK, Event, JOB, Plan},
    explore::Model,
    world::{self, Attempt, Outcome, Part, Piece, Process, Stamp, Step, Violation, World},
};

/// What leads from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    /// A process reads on in the log.
    Reads(usize),
    /// It does its next step.
    GoesOn(usize),
    /// Its append is in the log, and it does not hear of it.
    AppendedUnheard(usize),
    /// It dies, and another takes its place.
    Dies(usize),
    /// No connection to LINE comes about.
    NotSent(usize),
    /// LINE answers its request.
    Answered(usize),
    /// 429.
    TooMany(usize),
    /// 5xx, no answer, a broken connection.
    Unclear(usize),
    /// So late there is no other end.
    TimedOut(usize),
    /// LINE accepts a request whose answer nobody hears.
    Accepts,
    /// LINE sees a request and fails before it accepts it.
    Fails,
    /// Officials decide of an undecided chunk.
    Decide,
    /// An official pauses or resumes.
    Pause,
    /// So many minutes pass.
    Later(i32),
}

impl Happens {
    fn is_a_fault(self) -> bool {
        use Happens::*;
        matches!(self, Dies(_) | NotSent(_) | TooMany(_) | Unclear(_))
    }
}

impl Model for Alerts {
    type State = World;
    type Step = Happens;
    type Violation = Violation;

    fn first(&self) -> World {
        self.first_world()
    }

    fn next(&self, world: &World, then: &mut Vec<(Happens, World)>) {
        let mut happens = |what: Happens, change: &dyn Fn(&mut World)| {
            let mut next = world.clone();
            if what.is_a_fault() {
                match &mut next.faults {
                    Some(0) => return,
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            change(&mut next);
            if self.time_passes() {
                // What comes of old views is looked at without time.
                next.processes.iter_mut().for_each(|process| process.view = next.log);
            }
            self.judge(&mut next);
            let next = next.in_normal_form(self.way);
            if next != *world {
                then.push((what, next));
            }
        };
        for n in 0..2 {
            let process = &world.processes[n];
            if let Some(after) = self.book.after(process.view, world.log) {
                happens(Happens::Reads(n), &|world| world.processes[n].view = after);
            }
            if process.step != Step::Idle {
                happens(Happens::Dies(n), &|world| {
                    world.unheard(n, self.request_lasts());
                    world.processes[n].rest();
                });
            }
            match &process.step {
                Step::Idle => {
                    let job = self.book.job(process.view);
                    for choice in 0..self.idle_choices(&job) {
                        happens(Happens::GoesOn(n), &|world| self.begin(world, n, &job, choice));
                    }
                }
                Step::Append { event, landed } => {
                    let (event, landed) = (*event, *landed);
                    happens(Happens::GoesOn(n), &|world| {
                        if !landed {
                            self.append(world, event);
                        }
                        // What it came to is known once its own replay has passed it.
                        world.processes[n].view = world.log;
                        world.processes[n].rest();
                    });
                    if !landed {
                        happens(Happens::AppendedUnheard(n), &|world| {
                            self.append(world, event);
                            world.processes[n].step = Step::Append { event, landed: true };
                        });
                    }
                }
                Step::Asked { own, key, sent } => {
                    let (own, key, part) = (*own, *key, process.part());
                    if *sent >= -self.request_lasts() {
                        happens(Happens::Answered(n), &|world| {
                            let answer = self.receive(world, key, part);
                            self.hear(world, n, (own, key), &answer);
                        });
                        happens(Happens::TooMany(n), &|world| {
                            if self.mutant == Mutant::RefusalStartsTheDay {
                                world.line.keys.entry(key).or_insert((0, false, part));
                            }
                            self.hear(world, n, (own, key), &Answer::TooMany);
                        });
                    }
                    let answerable = *sent >= -self.request_lasts();
                    let silence = if answerable { Happens::Unclear } else { Happens::TimedOut };
                    happens(silence(n), &|world| {
                        world.unheard(n, self.request_lasts());
                        self.hear(world, n, (own, key), &Answer::Unclear);
                    });
                }
                _ => {
                    happens(Happens::GoesOn(n), &|world| self.go_on(world, n));
                    let asks = matches!(process.step, Step::Ask { .. });
                    if asks && !(self.way == Way::Push && process.part().1 == Piece::Whole) {
                        happens(Happens::NotSent(n), &|world| self.not_sent(world, n));
                    }
                }
            }
        }
        for request in world.line.coming.values().copied() {
            happens(Happens::Accepts, &|world| {
                self.receive(world, request.key, request.part);
            });
            happens(Happens::Fails, &|world| {
                world.line.keys.entry(request.key).or_insert((0, false, request.part));
            });
        }
        for event in self.officials(world) {
            let what = match event {
                Event::Decided { .. } => Happens::Decide,
                _ => Happens::Pause,
            };
            happens(what, &|world| {
                self.append(world, event);
                world.pauses -= u8::from(event == Event::Paused);
            });
        }
        for (step, minutes) in [23 * 60 + 20, 20].into_iter().enumerate() {
            if world.time_steps[step] > 0 {
                happens(Happens::Later(minutes), &|world| {
                    world.later(minutes, self.request_lasts());
                    world.time_steps[step] -= 1;
                });
            }
        }
    }

    fn broken(&self, world: &World) -> Option<Violation> {
        world.broken
    }

    fn is_good_end(&self, world: &World) -> bool {
        let job = self.book.job(world.log);
        let over = if self.sweep { State::Closed } else { State::Completed };
        job.state == over && (world.line.accepted[0] > 0 || book::left(&job))
    }
}

impl Alerts {
    /// What is broken whatever led there.
    fn judge(&self, world: &mut World) {
        let job = self.book.job(world.log);
        let accepted = world.line.accepted;
        let allowed = 1 + book::sent_again(&job);
        if accepted.iter().any(|times| usize::from(*times) > allowed) {
            world.broken = Some(Violation::Twice);
        }
        let done = matches!(job.state, State::Completed | State::Closed);
        if done && accepted[0] == 0 && !book::left(&job) {
            world.broken = Some(Violation::Nobody);
        }
    }

    fn append(&self, world: &mut World, event: Event) {
        if let Some(end) = self.book.append(world.log, event) {
            world.log = end;
        }
    }

    fn officials(&self, world: &World) -> Vec<Event> {
        let job = self.book.job(world.log);
        let mut events = Vec::new();
        if world.pauses > 0 && matches!(job.state, State::Planning | State::Sending) {
            events.push(Event::Paused);
        }
        if job.state == State::Paused {
            events.push(Event::Resumed);
        }
        if job.state != State::Sending {
            return events;
        }
        for (plan, said) in book::undecided(&job) {
            match said {
                None => events.push(Event::Decided { by: 1, plan, again: false }),
                Some((decision, false)) => {
                    let again = decision == Decision::SendAgain;
                    events.push(Event::Decided { by: 2, plan, again });
                }
                Some((_, true)) => {}
            }
        }
        events
    }

    /// What an idle process may take up: its job's one next thing, or any plan to send.
    fn idle_choices(&self, job: &Job) -> usize {
        match job.state {
            State::Sending => 1 + job.plans.len(),
            _ => 1,
        }
    }

    fn begin(&self, world: &mut World, n: usize, job: &Job, choice: usize) {
        let append = |event| Step::Append { event, landed: false };
        let step = match job.state {
            State::Approved => append(Event::Planning { sweep: 0 }),
            State::Planning => {
                let earlier = book::plans(job).any(|(_, people)| people > 0);
                let earlier = earlier && self.mutant != Mutant::SweepForgets;
                let people = if earlier { 0 } else { self.people };
                let plan = Self::new_plan(world, &self.book);
                let seal = Event::Sealed { plan, sweep: job.sweep, people, again: None };
                Step::Planned { seal }
            }
            State::Sending => match choice.checked_sub(1) {
                None => match self.reconcile(world, job) {
                    Some(step) => step,
                    None => return,
                },
                Some(plan) => {
                    let (plan, people) = book::plans(job).nth(plan).expect("one of its plans");
                    if people == 0 {
                        return;
                    }
                    world.processes[n].open = vec![(plan, Piece::Whole)];
                    Step::Look
                }
            },
            State::Completed if self.sweep && job.sweep == 0 => {
                append(Event::Planning { sweep: 1 })
            }
            State::Completed if self.sweep => append(Event::Closed),
            _ => return,
        };
        world.processes[n].step = step;
    }

    /// Compares the ledger with what was sealed: what follows.
    fn reconcile(&self, world: &World, job: &Job) -> Option<Step> {
        let append = |event| Some(Step::Append { event, landed: false });
        let mut waits = false;
        for (plan, people) in book::plans(job) {
            if people == 0 {
                continue;
            }
            let mut undecided = false;
            let mut open = vec![(plan, self.first_piece())];
            while let Some(part) = open.pop() {
                let whole = self.whole_of(world, plan);
                match world.ledger(part, &whole).state() {
                    PartState::Open { .. } => return None,
                    PartState::Split => open.extend([(plan, Piece::Left), (plan, Piece::Right)]),
                    PartState::Undecided => undecided = true,
                    PartState::Accepted | PartState::Invalid | PartState::Empty => {}
                }
            }
            if !undecided {
                continue;
            }
            let told = book::undecided(job).find(|(known, _)| *known == plan);
            match told {
                None => return append(Event::Told { plan }),
                Some((_, Some((Decision::SendAgain, true)))) => {
                    let sealed = job.plans.iter().find(|sealed| sealed.plan == plan.id())?;
                    if sealed.decisions[&CHUNK].sent_again_by.is_none() {
                        let again = Self::new_plan(world, &self.book);
                        let (sweep, people) = (job.sweep, self.people);
                        let seal = Event::Sealed { plan: again, sweep, people, again: Some(plan) };
                        return Some(Step::Planned { seal });
                    }
                }
                Some((_, Some((Decision::Leave, true)))) => {}
                Some(_) => waits = true,
            }
        }
        if waits { None } else { append(Event::Completed { sweep: job.sweep }) }
    }

    /// A number that no plan has that anything is left of.
    fn new_plan(world: &World, book: &book::Book) -> Plan {
        let job = book.job(world.log);
        let used = |plan: Plan| {
            let planned = |process: &Process| match process.step {
                Step::Planned { seal: Event::Sealed { plan: of, .. } }
                | Step::Append { event: Event::Sealed { plan: of, .. }, .. } => of == plan,
                _ => process.open.iter().any(|part| part.0 == plan),
            };
            book::plans(&job).any(|(known, _)| known == plan)
                || world.processes.iter().any(planned)
                || world.ledger.keys().any(|part| part.0 == plan)
                || world.line.coming.values().any(|request| request.part.0 == plan)
        };
        (1..).map(Plan).find(|plan| !used(*plan)).expect("few plans")
    }

    fn first_piece(&self) -> Piece {
        if self.way == Way::Push { Piece::Person } else { Piece::Whole }
    }

    fn whole_of(&self, world: &World, plan: Plan) -> Vec<Attempt> {
        if self.way != Way::Push {
            return Vec::new();
        }
        let rows = world.ledger.get(&(plan, Piece::Whole));
        rows.map_or(Vec::new(), |rows| rows.attempts.clone())
    }

    /// The steps of planning and sending between those with more than one way on.
    fn go_on(&self, world: &mut World, n: usize) {
        let by = u8::try_from(n).expect("one of two");
        match world.processes[n].step.clone() {
            Step::Planned { seal } => {
                let Event::Sealed { plan, .. } = seal else { unreachable!("a seal") };
                if self.mutant == Mutant::SendsUnsealed {
                    world.processes[n].open = vec![(plan, Piece::Whole)];
                    world.processes[n].step = Step::Look;
                } else {
                    world.processes[n].step = Step::Append { event: seal, landed: false };
                }
            }
            Step::Look => self.look(world, n),
            Step::Undecide { unclear } => {
                let of = if self.mutant == Mutant::UndecidedOverwrites {
                    unclear
                } else {
                    Attempt { by, ..unclear }
                };
                self.settle(world, n, of, SendResult::Undecided);
            }
            Step::Wait { last } => {
                let job = self.book.job(world.processes[n].view);
                if job.state != State::Sending && self.mutant != Mutant::SendsUnsealed {
                    return world.processes[n].rest();
                }
                if std::mem::take(&mut world.processes[n].covered) {
                    let own = world.processes[n].whole[0];
                    world.processes[n].step = Step::Ask { own };
                    return;
                }
                let part = world.processes[n].part();
                let last = last.map(|at| world::row(part, Attempt { at, by }));
                let read = PartLedger { attempts: Vec::from_iter(last), ..PartLedger::default() };
                let at = Stamp::of(read.next_attempt_at(World::clock(n).time()));
                world.processes[n].step = Step::Write { own: Attempt { at, by } };
            }
            Step::Write { own } => {
                let part = world.processes[n].part();
                let rows = world.ledger.entry(part).or_default();
                if self.mutant == Mutant::StampMoves {
                    rows.attempts.clear();
                }
                rows.attempts.push(own);
                rows.attempts.sort_unstable();
                world.processes[n].step = Step::Ask { own };
            }
            Step::Ask { own } => {
                if self.leaves(world, n, own) {
                    if self.mutant == Mutant::CommitsFirst {
                        self.settle(world, n, own, SendResult::Accepted);
                        world.processes[n].step = Step::AskSettled { own };
                    } else {
                        self.ask(world, n, own);
                    }
                }
            }
            Step::AskSettled { own } => self.ask(world, n, own),
            Step::Settle { own, result, key } => {
                if self.mutant == Mutant::KeyAfterSend {
                    let part = world.processes[n].part();
                    world.ledger.entry(part).or_default().key = Some(key);
                }
                self.settle(world, n, own, result);
            }
            Step::Idle | Step::Append { .. } | Step::Asked { .. } => {}
        }
    }

    fn look(&self, world: &mut World, n: usize) {
        let part = world.processes[n].part();
        if self.way == Way::Push && part.1 == Piece::Whole {
            return self.look_at_push_chunk(world, n, part.0);
        }
        let ledger = world.ledger(part, &world.processes[n].whole);
        let process = &mut world.processes[n];
        match ledger.state() {
            PartState::Open { .. } => {
                let unclear = ledger.oldest_unclear().filter(|_| self.is_too_late(&ledger, n));
                process.step = match unclear {
                    Some(unclear) => Step::Undecide { unclear: World::attempt(unclear) },
                    None => Step::Wait {
                        last: ledger.attempts.iter().map(|row| World::attempt(row).at).max(),
                    },
                };
            }
            state => {
                process.open.pop();
                if state == PartState::Split {
                    process.open.extend([(part.0, Piece::Right), (part.0, Piece::Left)]);
                }
                if process.open.is_empty() {
                    process.rest();
                }
            }
        }
    }

    /// One attempt for the chunk, then its person.
    fn look_at_push_chunk(&self, world: &mut World, n: usize, plan: Plan) {
        let attempts = self.whole_of(world, plan);
        let process = &mut world.processes[n];
        if attempts.is_empty() {
            process.step = Step::Wait { last: None };
        } else {
            process.whole = attempts;
            process.open = vec![(plan, Piece::Person)];
        }
    }

    fn is_too_late(&self, ledger: &PartLedger, n: usize) -> bool {
        let skew = i64::from(world::SKEW) * 60_000;
        self.mutant != Mutant::NoGuard && ledger.is_too_late(World::clock(n).time(), skew)
    }

    /// The last look before a request leaves: whether it does.
    fn leaves(&self, world: &mut World, n: usize, own: Attempt) -> bool {
        let part = world.processes[n].part();
        if self.way == Way::Push && part.1 == Piece::Whole {
            self.look_at_push_chunk(world, n, part.0);
            let process = &mut world.processes[n];
            process.covered = process.whole[0] == own;
            process.step = Step::Look;
            return false;
        }
        if self.mutant == Mutant::NoSecondLook {
            return true;
        }
        if self.way == Way::Push
            && self.mutant != Mutant::WholeReadOnce
            && !world.processes[n].whole.contains(&own)
        {
            world.processes[n].whole = self.whole_of(world, part.0);
        }
        let ledger = world.ledger(part, &world.processes[n].whole);
        let open = matches!(ledger.state(), PartState::Open { .. });
        if open && !self.is_too_late(&ledger, n) {
            return true;
        }
        world.processes[n].step = Step::Look;
        false
    }

    fn ask(&self, world: &mut World, n: usize, own: Attempt) {
        let part = world.processes[n].part();
        let mut made_up = || {
            world.made_up += 1;
            Uuid::from_u128(u128::from(world.made_up))
        };
        let key = match self.mutant {
            Mutant::RandomKey => made_up(),
            Mutant::KeyAfterSend => {
                world.ledger.get(&part).and_then(|rows| rows.key).unwrap_or_else(made_up)
            }
            _ => retry_key(JOB, part.0.id(), CHUNK, &part.1.path()),
        };
        world.processes[n].step = Step::Asked { own, key, sent: 0 };
    }

    fn not_sent(&self, world: &mut World, n: usize) {
        let Step::Ask { own } = world.processes[n].step else { return };
        if self.leaves(world, n, own) {
            self.hear(world, n, (own, Uuid::nil()), &Answer::NotSent);
        }
    }

    fn hear(&self, world: &mut World, n: usize, (own, key): (Attempt, Uuid), answer: &Answer) {
        let (mut result, next) = verdict(answer, self.people_of(world.processes[n].part()).len());
        assert!(!matches!(next, Next::Pause(_)), "LINE does not refuse the account here");
        if *answer == Answer::Unclear {
            match self.mutant {
                Mutant::GivesUp => result = SendResult::Invalid,
                Mutant::UnclearIsRefused => result = SendResult::Refused,
                _ => {}
            }
        }
        let key = if self.mutant == Mutant::KeyAfterSend { key } else { Uuid::nil() };
        world.processes[n].step = Step::Settle { own, result, key };
    }

    fn settle(&self, world: &mut World, n: usize, of: Attempt, result: SendResult) {
        let answered = World::clock(n).max(of.at);
        world.write_outcome(world.processes[n].part(), Outcome { of, result, answered });
        world.processes[n].step = Step::Look;
    }

    fn people_of(&self, part: Part) -> std::ops::Range<usize> {
        part.1.path().range(usize::from(self.people))
    }

    /// LINE receives a request: the second of two people is one that it refuses.
    fn receive(&self, world: &mut World, key: Uuid, part: Part) -> Answer {
        if !self.book.was_sealed(world.log, part.0) {
            world.broken = Some(Violation::Unsealed);
        }
        if world.line.keys.get(&key).is_some_and(|(_, accepted, _)| *accepted) {
            return Answer::AlreadyAccepted { request_id: None };
        }
        let people = self.people_of(part);
        if people.contains(&1) {
            return Answer::BadRequest { names_recipient: true };
        }
        for person in people {
            world.line.accepted[person] += 1;
        }
        let first_seen = world.line.keys.get(&key).map_or(0, |(first_seen, ..)| *first_seen);
        world.line.keys.insert(key, (first_seen, true, part));
        Answer::Accepted { request_id: None }
    }
}
