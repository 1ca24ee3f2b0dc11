//! Everything that was sent and accepted: what the judge works from.

use serde::{Deserialize, Serialize};

/// What happened, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    /// Requests of the product.
    pub requests: Vec<Request>,
    /// Messages that were accepted, one entry a person.
    pub accepted: Vec<Accepted>,
    /// Replies that were accepted.
    pub replies: Vec<Reply>,
    /// What the product did that LINE forbids.
    pub violations: Vec<String>,
    /// Events that were delivered to the product.
    pub events: Vec<Delivered>,
}

/// A request of the product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// When it came in, ms.
    pub at: i64,
    /// `multicast`, `push`, …
    pub endpoint: String,
    /// What was answered; 0 where nothing was.
    pub status: u16,
    /// How many people it was for.
    pub people: usize,
}

/// A message that was accepted for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When, ms.
    pub at: i64,
    /// Who.
    pub user: String,
    /// The words.
    pub text: String,
    /// Whether it reaches them.
    pub reaches: bool,
    /// The id of the request.
    pub request_id: String,
}

/// A reply that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// When, ms.
    pub at: i64,
    /// Whose event it answers.
    pub user: String,
    /// The words.
    pub text: String,
}

/// An event that was delivered to the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Who.
    pub user: String,
    /// Event time, ms.
    pub at: i64,
    /// What.
    pub what: What,
    /// Whether the product answered 2xx, ever.
    pub acknowledged: bool,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A text message.
    Text {
        /// The message's id.
        message: String,
        /// The words.
        text: String,
    },
    /// A message was taken back.
    Unsend {
        /// The message's id.
        message: String,
    },
    /// The account was added.
    Follow,
    /// The account was blocked.
    Unfollow,
    /// A button was pressed.
    Postback {
        /// What was in it.
        data: String,
    },
}
