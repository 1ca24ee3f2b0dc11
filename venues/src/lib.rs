//! Operators: facilities, their venues, and place codes.
//!
//! ```text
//!  list of an operator ─▶ list (parse, every problem at once) ─▶ import ─▶ `registry` (log)
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`list`] | a CSV file → rows, or everything that is wrong with it |
//! | [`names`] | names of facilities and venues: normalised, and free of tricks |
//! | [`import`] | rows → facilities and venues; the same list twice makes nothing twice |
//! | [`days`] | the days of an event, as people write them |
//! | [`codes`] | retire and re-issue place codes |
//! | [`service`] | set and show the state of the service |
//!
//! The `registry` topic is the truth: a change is a full snapshot of a facility, appended. The
//! store's tables follow from it.

pub mod codes;
pub mod days;
pub mod import;
pub mod list;
pub mod names;
pub mod service;
