//! A log and a store.

pub mod any;
pub mod embedded;
pub mod error;
pub mod follow;
pub mod log;
pub mod remote;
pub mod retry;
pub mod rows;
pub mod store;
pub mod table;

pub use error::{Kind, LogError, StoreError};
pub use log::{Append, Delivery, Group, Log, Member, Position, Reader, Record};
pub use store::{Cells, Cursor, Deletion, Mutation, Order, Page, Query, Store};
pub use table::{Column, ColumnType, Life, Table, Value};
