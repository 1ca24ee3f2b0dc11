//! Operators: facilities, their venues, and place codes; the pages to register them.
//!
//! ```text
//!  list of an operator ─▶ list (parse, every problem at once) ─▶ import ─▶ `registry` (log)
//!  operator's browser  ─▶ web (pages)                         ─────────────▲
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`list`] | a CSV file → rows, or everything that is wrong with it |
//! | [`names`] | names of facilities and venues: normalised, and free of tricks |
//! | [`import`] | rows → facilities and venues; the same list twice makes nothing twice |
//! | [`days`] | the days of an event, as people write them |
//! | [`changes`] | floors and rooms come and go, codes are retired and issued anew, places removed |
//! | [`scans`] | how often places are scanned: numbers only |
//! | [`service`] | set and show the state of the service |
//! | [`web`] | the pages |
//! | [`fields`], [`postcode`] | what operators type, normalised; towns by postcode |
//! | [`rooms_file`] | floors and rooms from a CSV file |
//! | [`draft`] | what an operator has entered so far |
//! | [`register`] | answers → a facility |
//! | [`flyer`] | a venue and its code → PDF or PNG to print |
//! | [`operator`] | links that are good once, and sessions |
//! | [`outbox`], [`letter`], [`mail`] | mails wait in the store, in words, and leave |
//! | [`limits`] | how often something may be asked for |
//! | [`language`], `texts` | their languages, and their words |
//! | [`secret`] | secrets in links and cookies |
//! | [`config`] | whose pages they are, and how mail leaves |
//!
//! The `registry` topic is the truth: a change is a full snapshot of a facility, appended. The
//! store's tables follow from it.

pub mod changes;
pub mod config;
pub mod days;
pub mod draft;
pub mod fields;
pub mod flyer;
pub mod import;
pub mod language;
pub mod letter;
pub mod limits;
pub mod list;
pub mod mail;
pub mod names;
pub mod operator;
pub mod outbox;
pub mod postcode;
pub mod register;
pub mod rooms_file;
pub mod scans;
pub mod secret;
pub mod service;
mod texts;
pub mod web;

pub use self::config::Config;
