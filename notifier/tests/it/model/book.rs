//! `jobs` and what it adds up to, by the product's own fold.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use schemas::{
    ids::{JobId, PlanId, RecordId},
    job::{
        Actor, ChunkRef, Decision, Job, JobContent, JobEvent, JobRecord, PauseCause, State,
        transition,
    },
    sending::{ChunkNumber, ChunkTotals, PlanCounts},
    time::EventTime,
    visit::Window,
};
use uuid::Uuid;

use super::Mutant;

/// The job.
pub const JOB: JobId = JobId(Uuid::nil());
/// Each plan has one chunk.
pub const CHUNK: ChunkNumber = ChunkNumber(0);

/// A place in the log: everything up to there.
pub type At = u16;

/// A plan of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan(pub u8);

impl Plan {
    /// Its id.
    pub fn id(self) -> PlanId {
        PlanId(Uuid::from_u128(u128::from(self.0)))
    }

    fn of(id: PlanId) -> Self {
        Self(u8::try_from(id.0.as_u128()).expect("a plan of the model"))
    }
}

/// What is written about the job after its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Planning { sweep: u8 },
    Sealed { plan: Plan, sweep: u8, people: u8, again: Option<Plan> },
    Told { plan: Plan },
    Decided { by: u8, plan: Plan, again: bool },
    Paused,
    Resumed,
    Completed { sweep: u8 },
    Closed,
}

/// The log as a tree: what was written in some state, from an approved job on. Records that do not
/// count change nothing, and are not in it.
pub struct Book {
    last_seal_wins: bool,
    places: RefCell<Vec<Place>>,
}

struct Place {
    before: At,
    /// The plan that its record sealed.
    sealed: Option<Plan>,
    job: Rc<Job>,
    then: HashMap<Event, Option<At>>,
}

impl Book {
    pub fn new(mutant: Mutant) -> Self {
        let at = EventTime(0);
        let content = JobContent {
            venues: Vec::new(),
            window: Window { from: at, to: at },
            padding_minutes: 0,
            messages: BTreeMap::new(),
            reference: String::new(),
        };
        let content_hash = content.hash();
        let submitted = JobEvent::Submitted {
            by: official(0),
            content,
            idempotency_key: String::new(),
            body_hash: String::new(),
        };
        let submitted = transition(None, &record(submitted)).expect("a job");
        let approved = JobEvent::Approved { by: official(1), content_hash };
        let job = Rc::new(transition(Some(&submitted), &record(approved)).expect("it counts"));
        let last_seal_wins = mutant == Mutant::LastSealWins;
        let first = Place { before: 0, sealed: None, job, then: HashMap::new() };
        Self { last_seal_wins, places: RefCell::new(vec![first]) }
    }

    /// Where the log ends once a first plan is sealed.
    pub fn with_a_sealed_plan(&self, people: u8) -> At {
        let seal = Event::Sealed { plan: Plan(1), sweep: 0, people, again: None };
        self.with(0, [Event::Planning { sweep: 0 }, seal])
    }

    /// Where it ends once officials have decided to send its undecided chunk again.
    pub fn with_a_chunk_to_send_again(&self, people: u8) -> At {
        let (plan, again) = (Plan(1), true);
        let decided = [1, 2].map(|by| Event::Decided { by, plan, again });
        let told = self.with(self.with_a_sealed_plan(people), [Event::Told { plan }]);
        self.with(told, decided)
    }

    fn with<const N: usize>(&self, end: At, events: [Event; N]) -> At {
        events.into_iter().fold(end, |end, event| self.append(end, event).expect("it counts"))
    }

    /// The job at a place.
    pub fn job(&self, at: At) -> Rc<Job> {
        Rc::clone(&self.places.borrow()[usize::from(at)].job)
    }

    /// Where the log ends after a record, unless it does not count.
    pub fn append(&self, end: At, event: Event) -> Option<At> {
        if let Some(known) = self.places.borrow()[usize::from(end)].then.get(&event) {
            return *known;
        }
        let job = self.job(end);
        let next = transition(Some(&job), &record(said(event))).ok();
        let next = next.or_else(|| self.sealed_once_more(&job, event));
        let mut places = self.places.borrow_mut();
        let place = next.map(|next| {
            if next == *job {
                return end;
            }
            let sealed = match event {
                Event::Sealed { plan, .. } => Some(plan),
                _ => None,
            };
            let place = Place { before: end, sealed, job: Rc::new(next), then: HashMap::new() };
            places.push(place);
            At::try_from(places.len() - 1).expect("a short log")
        });
        places[usize::from(end)].then.insert(event, place);
        place
    }

    /// The place after `at` on the way to `end`.
    pub fn after(&self, at: At, mut end: At) -> Option<At> {
        while end > at {
            let before = self.places.borrow()[usize::from(end)].before;
            if before == at {
                return Some(end);
            }
            end = before;
        }
        None
    }

    /// Whether a record that sealed the plan has counted.
    pub fn was_sealed(&self, mut end: At, plan: Plan) -> bool {
        let places = self.places.borrow();
        while end > 0 {
            let place = &places[usize::from(end)];
            if place.sealed == Some(plan) {
                return true;
            }
            end = place.before;
        }
        false
    }

    fn sealed_once_more(&self, job: &Job, event: Event) -> Option<Job> {
        let seal = matches!(event, Event::Sealed { again: None, .. });
        if !(self.last_seal_wins && seal && job.state == State::Sending) {
            return None;
        }
        let planning = Job { state: State::Planning, plans: Vec::new(), ..job.clone() };
        transition(Some(&planning), &record(said(event))).ok()
    }
}

/// The plans that a job has, with how many people.
pub fn plans(job: &Job) -> impl Iterator<Item = (Plan, u64)> {
    job.plans.iter().map(|sealed| (Plan::of(sealed.plan), sealed.counts.targeted))
}

/// Undecided chunks that officials know of, with what was decided so far.
pub fn undecided(job: &Job) -> impl Iterator<Item = (Plan, Option<(Decision, bool)>)> {
    job.plans.iter().filter_map(|sealed| {
        let known = sealed.chunks.get(&CHUNK).is_some_and(|totals| totals.undecided > 0);
        let said = sealed.decisions.get(&CHUNK);
        let said = said.map(|said| (said.decision, said.confirmed_by.is_some()));
        known.then_some((Plan::of(sealed.plan), said))
    })
}

/// Plans that were to send to people again, by decision.
pub fn sent_again(job: &Job) -> usize {
    let decisions = job.plans.iter().flat_map(|sealed| sealed.decisions.values());
    decisions.filter(|said| said.sent_again_by.is_some()).count()
}

/// Whether officials have decided to leave somebody.
pub fn left(job: &Job) -> bool {
    undecided(job).any(|(_, said)| said == Some((Decision::Leave, true)))
}

fn official(n: u8) -> Actor {
    Actor::Official(format!("official-{n}").parse().expect("a name"))
}

fn record(event: JobEvent) -> JobRecord {
    JobRecord { id: RecordId(Uuid::nil()), job: JOB, at: EventTime(0), event }
}

fn said(event: Event) -> JobEvent {
    match event {
        Event::Planning { sweep } => JobEvent::Planning { sweep },
        Event::Sealed { plan, sweep, people, again } => JobEvent::Sealed {
            plan: plan.id(),
            sweep,
            counts: PlanCounts {
                targeted: u64::from(people),
                chunks: u32::from(people > 0),
                ..PlanCounts::default()
            },
            hash: String::new(),
            again: again.map(|plan| ChunkRef { plan: plan.id(), chunk: CHUNK }),
        },
        Event::Told { plan } => {
            let totals = ChunkTotals { undecided: 1, ..ChunkTotals::default() };
            JobEvent::Outcomes { plan: plan.id(), chunks: BTreeMap::from([(CHUNK, totals)]) }
        }
        Event::Decided { by, plan, again } => JobEvent::Decided {
            by: official(by),
            plan: plan.id(),
            chunk: CHUNK,
            decision: if again { Decision::SendAgain } else { Decision::Leave },
        },
        Event::Paused => {
            JobEvent::Paused { cause: PauseCause::Official { by: official(1) }, resumes: None }
        }
        Event::Resumed => JobEvent::Resumed { by: official(1) },
        Event::Completed { sweep } => JobEvent::Completed { sweep },
        Event::Closed => JobEvent::Closed,
    }
}
