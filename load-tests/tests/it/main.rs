//! The whole path on real bytes, and the stand-in that it is judged by.
#![allow(clippy::print_stdout)]

mod cluster;
mod copy;
mod corpus;
mod demo;
mod flyers;
mod platform;
mod receipts;
mod replay;
mod sending;
