//! Floors and rooms from a CSV file: every problem at once, with its line.

use std::collections::HashSet;

use crate::{
    draft::MAX_ROOMS,
    language::PageLanguage,
    list::{Problem, decode, delimiter},
    names::{self, NameError},
};

/// What the column of names may be called.
const HEADINGS: [&str; 10] =
    ["名前", "名称", "部屋", "部屋名", "フロア", "フロア名", "場所", "name", "room", "venue"];
/// So many problems are told at once.
const MAX_PROBLEMS: usize = 200;

/// Reads names: UTF-8 with or without a mark, or Shift_JIS; commas, semicolons or tabs; with a
/// heading or, in a file of one column, without. `taken` are there already. Either every name, or
/// everything that is wrong.
pub fn parse(file: &[u8], taken: &[String], t: PageLanguage) -> Result<Vec<String>, Vec<Problem>> {
    let whole = |what: &str| vec![Problem { line: 0, what: what.to_owned() }];
    let text = decode(file).ok_or_else(|| whole(t.file_encoding()))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(&text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut column = None;
    let mut names = Names::after(taken, t);
    for record in reader.records() {
        let Ok(record) = record else {
            names.fail(0, t.file_unreadable().to_owned());
            continue;
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let at = match column {
            Some(at) => at,
            None => {
                let heading = record.iter().position(is_heading);
                column = Some(heading.unwrap_or(0));
                match heading {
                    Some(_) => continue,
                    None if record.len() > 1 => return Err(whole(t.file_column())),
                    None => 0,
                }
            }
        };
        if !names.take(line, record.get(at).unwrap_or_default()) {
            break;
        }
    }
    match (names.problems.is_empty(), names.good.is_empty()) {
        (true, true) => Err(whole(t.file_empty())),
        (true, false) => Ok(names.good),
        (false, _) => Err(names.problems),
    }
}

fn is_heading(cell: &str) -> bool {
    HEADINGS.iter().any(|heading| heading.eq_ignore_ascii_case(cell.trim()))
}

/// Names so far, and what is wrong with others.
struct Names {
    good: Vec<String>,
    problems: Vec<Problem>,
    seen: HashSet<String>,
    t: PageLanguage,
}

impl Names {
    fn after(taken: &[String], t: PageLanguage) -> Self {
        let seen = taken.iter().cloned().collect();
        Self { good: Vec::new(), problems: Vec::new(), seen, t }
    }

    fn fail(&mut self, line: u64, what: String) {
        self.problems.push(Problem { line, what });
    }

    /// Takes a name; whether another one may follow.
    fn take(&mut self, line: u64, cell: &str) -> bool {
        let t = self.t;
        match names::name(cell) {
            Err(error) => {
                let what = match error {
                    NameError::Empty => t.file_empty(),
                    NameError::TooLong => t.error_name_long(),
                    NameError::Address => t.error_name_address(),
                    NameError::Hidden => t.error_name_hidden(),
                };
                self.fail(line, what.to_owned());
            }
            Ok(name) if !self.seen.insert(name.clone()) => {
                self.fail(line, format!("{}: {name}", t.file_twice()));
            }
            Ok(_) if self.seen.len() > MAX_ROOMS => {
                self.fail(line, t.error_room_many().to_owned());
                return false;
            }
            Ok(name) => self.good.push(name),
        }
        self.problems.len() < MAX_PROBLEMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JA: PageLanguage = PageLanguage::Japanese;

    fn names(file: &[u8]) -> Result<Vec<String>, Vec<Problem>> {
        parse(file, &[], JA)
    }

    #[test]
    fn files_as_people_make_them() {
        let rooms = Ok(vec!["1階".to_owned(), "大ホール".to_owned()]);
        for file in [
            "1階\n大ホール\n",
            "名前\r\n１階\r\n大ﾎｰﾙ\r\n",
            "番号,名前\n1,1階\n2,大ホール\n",
            "Name;Seats\n1階;20\n大ホール;900\n",
            "\n1階\n\n大ホール",
            "\u{feff}名前\n1階\n大ホール\n",
        ] {
            assert_eq!(names(file.as_bytes()), rooms, "{file}");
            let (sjis, _, broken) =
                encoding_rs::SHIFT_JIS.encode(file.trim_start_matches('\u{feff}'));
            assert!(!broken);
            assert_eq!(names(&sjis), rooms, "{file} in Shift_JIS");
        }
        assert_eq!(names("=1+1\n".as_bytes()), Ok(vec!["=1+1".to_owned()]));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut file = "名前\n".to_owned();
        for n in 1..=50 {
            file.push_str(&match n {
                7 => "x".repeat(51) + "\n",
                20 => "http://evil.example\n".to_owned(),
                31 => "6階\n".to_owned(),
                n => format!("{n}階\n"),
            });
        }
        let problems = names(file.as_bytes()).unwrap_err();
        let lines: Vec<u64> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [8, 21, 32], "{problems:?}");
        let taken = parse("1階\n".as_bytes(), &["1階".to_owned()], JA);
        assert_eq!(taken.unwrap_err()[0].line, 1);
    }

    #[test]
    fn what_is_no_list_is_refused_whole() {
        for file in [&b""[..], b"a,b\n1,2\n", b"\xff\xff\xff", "名前\n".as_bytes()] {
            assert_eq!(names(file).unwrap_err()[0].line, 0, "{file:?}");
        }
        let many: String = (0..50_000).map(|n| format!("{n}階\n")).collect();
        let problems = names(many.as_bytes()).unwrap_err();
        assert_eq!((problems.len(), problems[0].line), (1, 1_001));
    }
}
