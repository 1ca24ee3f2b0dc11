//! What is written about a job into the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::JobContent;
use crate::{
    ids::{JobId, OfficialId, PlanId, RecordId},
    sending::{ChunkNumber, ChunkTotals, PlanCounts},
    time::EventTime,
    topic::Topic,
    wire::{Body, WireRecord},
};

/// A record of the `jobs` topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// An append whose outcome is unknown is repeated with the same id, and counts once.
    pub id: RecordId,
    /// The job.
    pub job: JobId,
    /// When it was made, by the clock of who made it. For people; decides nothing.
    pub at: EventTime,
    /// What happened.
    pub event: JobEvent,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// An official (or a service token) asks for it.
    Submitted {
        /// Who.
        by: Actor,
        /// What.
        content: JobContent,
        /// The key of the request, so that a repeated request makes no second job.
        idempotency_key: String,
        /// Hash of the request's body: the same key with another body is a conflict.
        body_hash: String,
    },
    /// The content is replaced.
    Edited {
        /// By whom.
        by: Actor,
        /// The new content.
        content: JobContent,
    },
    /// A second person agrees to exactly this content.
    Approved {
        /// Who.
        by: Actor,
        /// [`JobContent::hash`] of what they saw.
        content_hash: String,
    },
    /// Sent back for changes.
    Returned {
        /// By whom.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// Refused for good.
    Rejected {
        /// By whom.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// An approver wants the plan made although the read barrier has not been reached.
    PlanAnyway {
        /// Who.
        by: Actor,
    },
    /// The sender began to plan (a sweep, when not 0).
    Planning {
        /// 0 for the first plan, 1 to 3 for the sweeps.
        sweep: u8,
    },
    /// The recipients are frozen. Only a sealed plan is ever sent.
    Sealed {
        /// The plan.
        plan: PlanId,
        /// 0 for the first plan, 1 to 3 for the sweeps.
        sweep: u8,
        /// How many, by way and language.
        counts: PlanCounts,
        /// SHA-256 over the hashes of the chunks in order, hexadecimal.
        hash: String,
        /// Set where the plan sends undecided people of an earlier chunk again, by decision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<ChunkRef>,
    },
    /// Where some chunks stand now. The latest of a chunk counts, unless it is less far than one
    /// before: a sender that slept while another took over tells what it knew.
    Outcomes {
        /// The plan.
        plan: PlanId,
        /// Chunks that changed.
        chunks: BTreeMap<ChunkNumber, ChunkTotals>,
    },
    /// Sending stops until resumed.
    Paused {
        /// Who or what stopped it.
        cause: PauseCause,
        /// Set where the system pauses: how often the job had been resumed when it did what failed.
        /// Somebody who resumed it since knows of the cause, and is not overruled by an answer from
        /// before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumes: Option<u32>,
    },
    /// Sending goes on.
    Resumed {
        /// By whom.
        by: Actor,
    },
    /// Sending stops for good. What LINE accepted can't be called back.
    Cancelled {
        /// By whom.
        by: Actor,
    },
    /// An official says what becomes of an undecided chunk. It takes two who agree.
    Decided {
        /// Who.
        by: Actor,
        /// The plan.
        plan: PlanId,
        /// The chunk.
        chunk: ChunkNumber,
        /// Send it again or leave it.
        decision: Decision,
    },
    /// Every chunk of the sealed plans is resolved, and the ledger was compared.
    Completed {
        /// The sweep that ended.
        sweep: u8,
    },
    /// The last sweep is done.
    Closed,
}

impl WireRecord for JobRecord {
    const TOPIC: Topic = Topic::Jobs;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Json;

    fn key(&self) -> Bytes {
        Bytes::copy_from_slice(self.job.0.as_bytes())
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person. Four eyes compares persons, not tokens.
    Official(OfficialId),
    /// Another system. It may draft, never approve.
    Service(OfficialId),
}

/// A chunk of a plan of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkRef {
    /// The plan.
    pub plan: PlanId,
    /// The chunk.
    pub chunk: ChunkNumber,
}

/// Why a job is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum PauseCause {
    /// An official paused it.
    Official {
        /// Who.
        by: Actor,
    },
    /// LINE's monthly quota is used up, or too small for the plan.
    Quota {
        /// Messages left, if LINE said.
        remaining: Option<u64>,
    },
    /// LINE refuses the channel access token, also a new one (401).
    Unauthorized,
    /// LINE forbids the account to send (403).
    Forbidden,
    /// LINE refuses the message itself (400 that names no recipient).
    MessageRefused,
    /// More than 20 recipients of one chunk are invalid.
    ManyInvalid,
    /// A sealed chunk is missing in the store or differs from its hash.
    LedgerMismatch,
}

/// What becomes of an undecided chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Send it again: some may get it twice.
    SendAgain,
    /// Leave it: some may never get it.
    Leave,
}
