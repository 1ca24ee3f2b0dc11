//! Visits every state of a model, breadth first; then walks back from its good ends.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    hash::Hash,
};

/// Something with finitely many states.
pub trait Model {
    /// One of them.
    type State: Clone + Eq + Hash;
    /// What leads from one to another.
    type Step: Copy + Debug;
    /// What must never be.
    type Violation: Copy + PartialEq + Debug;

    /// Where it begins.
    fn first(&self) -> Self::State;
    /// Everything that can happen next.
    fn next(&self, state: &Self::State, then: &mut Vec<(Self::Step, Self::State)>);
    /// What is broken in a state.
    fn broken(&self, state: &Self::State) -> Option<Self::Violation>;
    /// Whether all is well and done.
    fn is_good_end(&self, state: &Self::State) -> bool;
}

/// What there was to see.
pub struct Explored<M: Model> {
    /// States; up to the violation, where there is one.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Good ends among them.
    pub ends: usize,
    /// The first violation: what, and a shortest way to it.
    pub violation: Option<(M::Violation, Vec<M::Step>)>,
    /// A shortest way to a state from which no good end can be reached.
    pub lost: Option<Vec<M::Step>>,
}

/// Looks at everything, or at everything up to the first violation.
pub fn explore<M: Model>(model: &M) -> Explored<M> {
    let mut numbers: HashMap<M::State, u32> = HashMap::new();
    let mut came: Vec<Option<(u32, M::Step)>> = vec![None];
    let mut into: Vec<(u32, u32)> = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    let mut queue = VecDeque::from([(0_u32, model.first())]);
    numbers.insert(model.first(), 0);
    let mut then = Vec::new();
    while let Some((number, state)) = queue.pop_front() {
        if let Some(violation) = model.broken(&state) {
            let (states, steps, ends) = (numbers.len(), into.len(), ends.len());
            let violation = Some((violation, way(&came, number)));
            return Explored { states, steps, ends, violation, lost: None };
        }
        if model.is_good_end(&state) {
            ends.push(number);
        }
        model.next(&state, &mut then);
        for (step, state) in then.drain(..) {
            let fresh = u32::try_from(came.len()).expect("fewer states than numbers");
            let to = *numbers.entry(state).or_insert_with_key(|state| {
                came.push(Some((number, step)));
                queue.push_back((fresh, state.clone()));
                fresh
            });
            into.push((to, number));
        }
    }
    let reaches = backwards(came.len(), &mut into, &ends);
    let lost = reaches.iter().position(|reaches| !reaches);
    let lost = lost.map(|number| way(&came, u32::try_from(number).expect("a number of a state")));
    let (states, steps, ends) = (came.len(), into.len(), ends.len());
    Explored { states, steps, ends, violation: None, lost }
}

fn way<S: Copy>(came: &[Option<(u32, S)>], mut number: u32) -> Vec<S> {
    let mut steps = Vec::new();
    while let Some((from, step)) = came[number as usize] {
        steps.push(step);
        number = from;
    }
    steps.reverse();
    steps
}

/// From which states one of `ends` can be reached.
fn backwards(states: usize, into: &mut [(u32, u32)], ends: &[u32]) -> Vec<bool> {
    into.sort_unstable();
    let mut reaches = vec![false; states];
    let mut open = ends.to_vec();
    while let Some(number) = open.pop() {
        if std::mem::replace(&mut reaches[number as usize], true) {
            continue;
        }
        let first = into.partition_point(|(to, _)| *to < number);
        let before = into[first..].iter().take_while(|(to, _)| *to == number);
        open.extend(before.map(|(_, from)| *from).filter(|from| !reaches[*from as usize]));
    }
    reaches
}
