//! A list of places, as a CSV file: `facility,kind,venue`, and for events perhaps
//! `first_day,last_day`.

use std::{collections::HashMap, fmt};

use schemas::registry::{EventDays, FacilityKind};

use crate::{days, names};

/// Rows of one file.
const MAX_ROWS: usize = 100_000;
/// So many problems are told at once.
const MAX_PROBLEMS: usize = 1_000;

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The facility's name.
    pub facility: String,
    /// What kind of facility it is.
    pub kind: FacilityKind,
    /// The venue's name.
    pub venue: String,
    /// Of an event: its days.
    pub days: Option<EventDays>,
}

/// Something wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, from 1; 0: the file itself.
    pub line: u64,
    /// What, in Japanese.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "{line}行目: {}", self.what),
        }
    }
}

/// Reads a list: UTF-8 with or without a mark, or Shift_JIS; commas, semicolons or tabs. Either
/// every row, or everything that is wrong.
pub fn parse(file: &[u8]) -> Result<Vec<Row>, Vec<Problem>> {
    let whole = |what: &str| vec![Problem { line: 0, what: what.to_owned() }];
    let text =
        decode(file).ok_or_else(|| whole("文字コードは UTF-8 か Shift_JIS にしてください"))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(&text))
        .flexible(true)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|_| whole("1行目を読み取れません"))?.clone();
    let column = |wanted: &str| headers.iter().position(|h| h.trim().eq_ignore_ascii_case(wanted));
    let (Some(facility), Some(kind), Some(venue)) =
        (column("facility"), column("kind"), column("venue"))
    else {
        return Err(whole("1行目に facility,kind,venue の見出しが必要です"));
    };
    let (first_day, last_day) = (column("first_day"), column("last_day"));
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    let mut whats: HashMap<String, (FacilityKind, Option<EventDays>)> = HashMap::new();
    for record in reader.records() {
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.push(Problem { line, what: "行を読み取れません".to_owned() });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() == MAX_ROWS {
            problems.push(Problem { line, what: format!("一度に{MAX_ROWS}行までです") });
            break;
        }
        let mut problem = |what: String| problems.push(Problem { line, what });
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let facility =
            names::name(cell(facility)).map_err(|error| problem(format!("facility: {error}"))).ok();
        let venue =
            names::name(cell(venue)).map_err(|error| problem(format!("venue: {error}"))).ok();
        let kind: Option<FacilityKind> = cell(kind)
            .trim()
            .to_lowercase()
            .parse()
            .map_err(|_| {
                let all: Vec<_> = FacilityKind::ALL.iter().map(|kind| kind.name()).collect();
                problem(format!("kind は {} のどれかです", all.join(", ")));
            })
            .ok();
        let written = |column: Option<usize>| column.map(cell).unwrap_or_default();
        let days = days::event_days(written(first_day), written(last_day))
            .map_err(|error| problem(format!("first_day, last_day: {error}")))
            .ok();
        let (Some(facility), Some(kind), Some(venue), Some(days)) = (facility, kind, venue, days)
        else {
            continue;
        };
        if days.is_some() && kind != FacilityKind::Event {
            problem("first_day, last_day は kind が event のときだけ書けます".to_owned());
            continue;
        }
        if let Some(first) = seen.insert((facility.clone(), venue.clone()), line) {
            problem(format!("{first}行目と同じ場所です"));
            continue;
        }
        let above = *whats.entry(facility.clone()).or_insert((kind, days));
        if above.0 != kind {
            problem("同じ施設の kind が上の行と違います".to_owned());
            continue;
        }
        if above.1 != days {
            problem("同じ施設の first_day, last_day が上の行と違います".to_owned());
            continue;
        }
        rows.push(Row { facility, kind, venue, days });
    }
    if problems.is_empty() && rows.is_empty() {
        return Err(whole("場所が1件もありません"));
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

/// What stands between the cells of the first line most often.
pub(crate) fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|byte| header.bytes().filter(|b| b == byte).count())
        .unwrap_or(b',')
}

/// A file as text, with one kind of line ends: of two bytes, the parser would count the second one to
/// the next line, and name lines one too low.
pub(crate) fn decode(file: &[u8]) -> Option<String> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let text = match std::str::from_utf8(file) {
        Ok(text) => text.into(),
        Err(_) => {
            let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(file);
            if broken {
                return None;
            }
            text
        }
    };
    Some(text.replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_people_make_them() {
        let utf8 = "facility,kind,venue\n食堂みなと,restaurant,1階\n食堂みなと,restaurant,2階\n";
        let rows = parse(utf8.as_bytes()).unwrap();
        assert_eq!(rows.len(), 2);
        let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode(utf8);
        assert_eq!(parse(&sjis), Ok(rows.clone()));
        assert_eq!(parse(format!("\u{feff}{utf8}").as_bytes()), Ok(rows.clone()));
        assert_eq!(parse(utf8.replace(',', ";").as_bytes()), Ok(rows.clone()));
        assert_eq!(parse(utf8.replace('\n', "\r\n").as_bytes()), Ok(rows.clone()));
        let turned = "venue,note,kind,facility\n1階,,Restaurant,食堂みなと\n,,,\n";
        assert_eq!(parse(turned.as_bytes()), Ok(rows[..1].to_vec()));
    }

    #[test]
    fn an_event_may_have_days() {
        let file = "facility,kind,venue,first_day,last_day\n港まつり,event,広場,2026/11/2,2026年11月3日\nA店,shop,1階,,\n";
        let rows = parse(file.as_bytes()).unwrap();
        let days = rows[0].days.unwrap();
        assert_eq!(
            (days.first().to_string(), days.last().to_string()),
            ("2026-11-02".into(), "2026-11-03".into())
        );
        assert_eq!(rows[1].days, None);
        let file = "facility,kind,venue,first_day,last_day\nA,event,1,2026-11-02,\nB,event,1,2026-11-02,2026-11-01\nC,event,1,x,y\nD,shop,1,2026-11-02,2026-11-02\nE,event,1,2026-11-02,2026-11-02\nE,event,2,2026-11-02,2026-11-03\n";
        let problems = parse(file.as_bytes()).unwrap_err();
        let lines: Vec<u64> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7], "{problems:?}");
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_line() {
        let file = "facility,kind,venue\n,shop,1階\nA店,zoo,1階\nA店,shop,1階\nA店,shop,1階\nA店,hall,2階\n";
        let problems = parse(file.as_bytes()).unwrap_err();
        let lines: Vec<u64> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 5, 6], "{problems:?}");
        for file in [&b""[..], b"a,b\n1,2\n", b"facility,kind,venue\n", b"\xff\xff\xff"] {
            assert_eq!(parse(file).unwrap_err()[0].line, 0);
        }
    }
}
