//! Traces: who does what, where and when, one line each. Every replay sends one; a scenario is
//! turned into one first.

use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead as _, BufReader},
};

use serde::{Deserialize, Serialize};

/// More is a mistake in a rate.
pub const MAX_STEPS: usize = 20_000_000;
const HEADER: [&str; 4] = ["offset_ms", "venue", "visitor", "kind"];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The code of a place is read.
    Scan,
    /// The account is added.
    Follow,
    /// The account is blocked.
    Unfollow,
    /// Words that are no code.
    Text,
    /// "Forget me."
    Erase,
    /// A button is pressed: English.
    Postback,
    /// The visitor's latest message that is still there is taken back.
    Unsend,
    /// The visitor's latest event is delivered again.
    Redelivery,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Scan,
        Kind::Follow,
        Kind::Unfollow,
        Kind::Text,
        Kind::Erase,
        Kind::Postback,
        Kind::Unsend,
        Kind::Redelivery,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Scan => "scan",
            Kind::Follow => "follow",
            Kind::Unfollow => "unfollow",
            Kind::Text => "text",
            Kind::Erase => "erase",
            Kind::Postback => "postback",
            Kind::Unsend => "unsend",
            Kind::Redelivery => "redelivery",
        }
    }

    /// Whether it is a message, which can be taken back.
    pub fn is_message(self) -> bool {
        matches!(self, Kind::Scan | Kind::Text | Kind::Erase)
    }
}

/// One line of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// From the beginning, in µs.
    pub at: u64,
    /// Which place of the list, from 1; 0 for what happens at none.
    pub venue: u32,
    /// Which visitor.
    pub visitor: u64,
    /// What.
    pub kind: Kind,
}

/// A trace that can't be used: every problem, one on each line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadTrace(pub Vec<String>);

/// Reads a trace for a list of so many places. Lines may stand in any order.
pub fn read(file: impl io::Read, places: u32) -> Result<Vec<Step>, BadTrace> {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (line, text) in (1_u64..).zip(BufReader::new(file).split(b'\n')) {
        let Ok(text) = text else {
            problems.push(format!("line {line}: can't be read"));
            break;
        };
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_start_matches('\u{feff}');
        let columns: Vec<&str> =
            text.trim().split(',').map(|column| column.trim().trim_matches('"')).collect();
        if line == 1 {
            if columns != HEADER {
                problems.push(format!("line 1: must be {}", HEADER.join(",")));
            }
        } else if !text.trim().is_empty() {
            match step(&columns, places) {
                Ok(step) => rows.push((step, line)),
                Err(why) => problems.extend(why.iter().map(|why| format!("line {line}: {why}"))),
            }
        }
    }
    if rows.len() > MAX_STEPS {
        problems.push(format!("{} lines; at most {MAX_STEPS} are replayed", rows.len()));
    }
    rows.sort_by_key(|(step, _)| step.at);
    let steps: Vec<Step> = rows.iter().map(|(step, _)| *step).collect();
    if problems.is_empty() {
        let lost = subjects(&steps).err().unwrap_or_default();
        let why = |n: &usize| format!("line {}: {}", rows[*n].1, no_subject(rows[*n].0.kind));
        problems.extend(lost.iter().map(why));
    }
    if problems.is_empty() { Ok(steps) } else { Err(BadTrace(problems)) }
}

fn step(columns: &[&str], places: u32) -> Result<Step, Vec<String>> {
    let &[at, venue, visitor, kind] = columns else {
        return Err(vec![format!("{} columns instead of {}", columns.len(), HEADER.len())]);
    };
    let mut problems = Vec::new();
    // In milliseconds, to a thousandth.
    let offset = at.parse::<f64>().ok().filter(|ms| (0.0..1e12).contains(ms));
    if offset.is_none() {
        problems.push(format!("offset_ms is {at:?}; allowed: milliseconds from 0"));
    }
    let number = visitor.parse::<u32>().ok();
    if number.is_none() {
        problems.push(format!("visitor is {visitor:?}; allowed: 0 to {}", u32::MAX));
    }
    let known = Kind::ALL.into_iter().find(|known| known.name() == kind);
    if known.is_none() {
        let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        problems.push(format!("kind is {kind:?}; allowed: {}", all.join(", ")));
    }
    let mut place = 0;
    // Where something else happened is not sent.
    if known == Some(Kind::Scan) {
        let listed = venue.parse::<u32>().ok().filter(|number| (1..=places).contains(number));
        if listed.is_none() {
            problems.push(format!("venue is {venue:?}; allowed for a scan: 1 to {places}"));
        }
        place = listed.unwrap_or_default();
    }
    match (offset, number, known) {
        (Some(ms), Some(visitor), Some(kind)) if problems.is_empty() => {
            let at = (ms * 1_000.0).round() as u64;
            Ok(Step { at, venue: place, visitor: visitor.into(), kind })
        }
        _ => Err(problems),
    }
}

fn no_subject(kind: Kind) -> &'static str {
    match kind {
        Kind::Unsend => "this visitor has no message before this that could be taken back",
        _ => "this visitor has no event before this that could be delivered again",
    }
}

/// Writes a trace, to be read again as it is.
pub fn write(steps: &[Step], mut file: impl io::Write) -> io::Result<()> {
    writeln!(file, "{}", HEADER.join(","))?;
    for Step { at, venue, visitor, kind } in steps {
        let venue = if *venue == 0 { String::new() } else { venue.to_string() };
        writeln!(file, "{},{venue},{visitor},{}", Milliseconds(*at), kind.name())?;
    }
    file.flush()
}

/// Microseconds, written as milliseconds.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        f.write_str(thousandths.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// For each step that is about an earlier one, which: the message that an `unsend` takes back, the
/// event that a `redelivery` delivers again. Steps are in order of time. Errors: those that are
/// about nothing.
pub fn subjects(steps: &[Step]) -> Result<Vec<Option<usize>>, Vec<usize>> {
    #[derive(Default)]
    struct Visitor {
        latest: Option<usize>,
        messages: Vec<usize>,
    }
    let mut visitors: HashMap<u64, Visitor> = HashMap::new();
    let (mut subjects, mut lost) = (Vec::with_capacity(steps.len()), Vec::new());
    for (n, step) in steps.iter().enumerate() {
        let visitor = visitors.entry(step.visitor).or_default();
        let subject = match step.kind {
            Kind::Unsend => visitor.messages.pop(),
            Kind::Redelivery => visitor.latest,
            _ => None,
        };
        if subject.is_none() && matches!(step.kind, Kind::Unsend | Kind::Redelivery) {
            lost.push(n);
        }
        if step.kind.is_message() {
            visitor.messages.push(n);
        }
        if step.kind != Kind::Redelivery {
            visitor.latest = Some(n);
        }
        subjects.push(subject);
    }
    if lost.is_empty() { Ok(subjects) } else { Err(lost) }
}

/// So many times the traffic: copies of all that happens, spread over a second, each with visitors
/// of its own.
pub fn times(steps: Vec<Step>, times: u32) -> Vec<Step> {
    let apart = steps.iter().map(|step| step.visitor + 1).max().unwrap_or(1);
    let mut all = Vec::with_capacity(steps.len() * times as usize);
    for copy in 0..u64::from(times) {
        all.extend(steps.iter().map(|step| Step {
            at: step.at + copy * 1_000_000 / u64::from(times),
            visitor: step.visitor + copy * apart,
            ..*step
        }));
    }
    all.sort_by_key(|step| step.at);
    all
}

#[cfg(test)]
mod tests;
