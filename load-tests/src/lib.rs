//! Everything that plays the outside world: the stand-in LINE platform, traffic, the independent
//! count, the demo. Nothing that ships depends on it.
//!
//! | module | what it does |
//! |---|---|
//! | [`platform`] | the stand-in, as strict as the real one |
//! | [`scenario`] | a day, from a seed |
//! | [`oracle`] | from what was sent: who must have got what |
//! | [`verify`] | journal against store and against what the platform accepted |
//! | [`replay`] | signed traffic from scenarios and traces, open loop |
//! | [`children`] | processes that end with this one |
//! | [`scratch`] | the directory that a harness works in |
//! | [`cluster`] | every role as processes of its own |
//! | [`faults`] | breaks one thing at a time, on a small cluster or in one process, and counts |
//! | [`crash`] | kills one process on a directory, at kill points and at random, and counts; breaks promises |
//! | [`conformance`] | the suites that admit a backend, on anybody's servers |
//! | [`demo`] | plays a day on all roles in one process, and counts |
//! | [`corpus`] | what every version wrote, and what it must still read as |
//!
//! It talks to loopback addresses only; but for [`conformance`], which goes where it is sent, and
//! [`replay`], where a target says that no LINE is behind it ([`platform::target`]).

pub mod children;
pub mod cluster;
pub mod conformance;
pub mod corpus;
pub mod crash;
pub mod demo;
pub mod faults;
pub mod oracle;
pub mod platform;
pub mod replay;
pub mod scenario;
pub mod scratch;
pub mod verify;
