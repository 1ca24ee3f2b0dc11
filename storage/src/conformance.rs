//! The contracts, checked: the same bodies on every backend.
//!
//! Each function checks one promise and panics with its words when it is broken. A backend is
//! admitted when it passes them all; nothing else is asked of it.

mod log;
mod store;

pub use self::{log::log_suite, store::store_suite};
