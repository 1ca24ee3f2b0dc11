//! The real binary, and the listener that every role shares.

mod binary;
mod listener;
mod start;
