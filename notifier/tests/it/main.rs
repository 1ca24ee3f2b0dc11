//! The sending and planning protocol, every way it can go.
#![allow(clippy::print_stdout)]

mod model;
