//! A list of places: any file is read or refused, and what is read reads the same once more.

use venues::list::parse;

pub(super) fn run(input: &[u8]) -> u64 {
    let rows = match parse(input) {
        Ok(rows) => rows,
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal says why");
            let words = |what: String| what.replace(|c: char| c.is_ascii_digit(), "");
            let mut kinds: Vec<String> = problems.into_iter().map(|p| words(p.what)).collect();
            kinds.sort();
            kinds.dedup();
            return super::came_to(kinds);
        }
    };
    let mut csv = csv::Writer::from_writer(Vec::new());
    let header = csv.write_record(["facility", "kind", "venue", "first_day", "last_day"]);
    header.expect("memory takes everything");
    for row in &rows {
        let (first, last) = row
            .days
            .map(|days| (days.first().to_string(), days.last().to_string()))
            .unwrap_or_default();
        let row = csv.write_record([&row.facility, row.kind.name(), &row.venue, &first, &last]);
        row.expect("memory takes everything");
    }
    let again = csv.into_inner().expect("memory takes everything");
    assert_eq!(parse(&again).as_ref(), Ok(&rows), "what was read reads the same");
    super::came_to(rows.len())
}
