//! What leaves this crate: the wire form of every record, and key files.

mod wire;
