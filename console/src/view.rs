//! A job as the API shows it.

use std::collections::BTreeMap;

use schemas::{
    job::{Actor, Decision, Job, PauseCause, Progress, State},
    sending::ChunkName,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// `submitted`, `returned`, `rejected`, `approved`, `planning`, `sending`, `paused`,
    /// `completed`, `closed` or `cancelled`.
    pub state: String,
    /// What an approval must name.
    pub content_hash: String,
    /// Raised by every edit.
    pub version: u32,
    /// The places.
    pub venues: Vec<PlaceView>,
    /// The window, in Japanese time.
    pub window: WindowView,
    /// How much it is widened at both ends, in minutes.
    pub padding_minutes: u32,
    /// Language code → text.
    pub messages: BTreeMap<String, String>,
    /// The officials' own reference.
    pub reference: String,
    /// Everybody who wrote content of it; none of them may approve it.
    pub authors: Vec<String>,
    /// When it was submitted.
    pub submitted_at: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it was approved.
    pub approved_at: Option<String>,
    /// Why it was returned or rejected.
    pub reason: Option<String>,
    /// Why it is paused.
    pub paused: Option<PausedView>,
    /// The sweep that is planned or sent: 0 for the first plan.
    pub sweep: u8,
    /// How far it is. At all times
    /// `targeted = accepted + pending + retrying + invalid + undecided + erased + cancelled`.
    pub progress: ProgressView,
    /// Chunks that officials have to decide about.
    pub undecided_chunks: Vec<UndecidedView>,
}

/// A place of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlaceView {
    /// Its id.
    pub venue: String,
    /// How long a visitor is taken to stay after a scan, in minutes.
    pub dwell_minutes: u32,
}

/// A window of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowView {
    /// Its first moment.
    pub from: String,
    /// The moment after its last.
    pub to: String,
}

/// Why a job is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PausedView {
    /// For programs.
    pub code: String,
    /// For people, in Japanese: what happened and what to do.
    pub detail: String,
}

/// How many people stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// People whom we try to reach.
    pub targeted: u64,
    /// LINE took the message. Not the same as delivered.
    pub accepted: u64,
    /// Not tried yet.
    pub pending: u64,
    /// Tried with an unclear answer; tried again with the same key.
    pub retrying: u64,
    /// LINE refuses their id.
    pub invalid: u64,
    /// Unclear for too long: officials decide.
    pub undecided: u64,
    /// Left out when sent: erased or blocked since the plan.
    pub erased: u64,
    /// Not tried because the job was cancelled.
    pub cancelled: u64,
    /// Not targeted: they had blocked the account.
    pub out_of_reach: u64,
    /// Of `targeted`: nobody can tell whether they see the message.
    pub reach_unknown: u64,
}

/// A chunk that officials have to decide about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UndecidedView {
    /// What `/decide` names it by.
    pub chunk: String,
    /// How many people.
    pub people: u64,
    /// What was proposed: send again (`true`) or leave (`false`).
    pub resend: Option<bool>,
    /// Who proposed it.
    pub proposed_by: Option<String>,
    /// The second person, with whom the decision counts.
    pub confirmed_by: Option<String>,
}

fn name(actor: &Actor) -> String {
    match actor {
        Actor::Official(id) | Actor::Service(id) => id.to_string(),
    }
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let content = &job.content;
        let (approved_by, approved_at) =
            job.approved.as_ref().map(|(by, at)| (name(by), at.to_rfc3339_jst())).unzip();
        Self {
            id: job.id.to_string(),
            state: job.state.name().to_owned(),
            content_hash: job.content_hash.clone(),
            version: job.version,
            venues: content
                .venues
                .iter()
                .map(|place| PlaceView {
                    venue: place.venue.to_string(),
                    dwell_minutes: place.dwell_minutes,
                })
                .collect(),
            window: WindowView {
                from: content.window.from.to_rfc3339_jst(),
                to: content.window.to.to_rfc3339_jst(),
            },
            padding_minutes: content.padding_minutes,
            messages: content
                .messages
                .iter()
                .map(|(language, text)| (language.code().to_owned(), text.clone()))
                .collect(),
            reference: content.reference.clone(),
            authors: job.authors.iter().map(name).collect(),
            submitted_at: job.submitted_at.to_rfc3339_jst(),
            approved_by,
            approved_at,
            reason: job.reason.clone(),
            paused: job.paused.as_ref().map(|(cause, _)| cause.into()),
            sweep: job.sweep,
            progress: job.progress().into(),
            undecided_chunks: undecided(job),
        }
    }
}

fn undecided(job: &Job) -> Vec<UndecidedView> {
    let mut views = Vec::new();
    for sealed in &job.plans {
        for (chunk, totals) in &sealed.chunks {
            let said = sealed.decisions.get(chunk);
            let sent_again = said.is_some_and(|said| said.sent_again_by.is_some());
            if totals.undecided == 0 || sent_again {
                continue;
            }
            views.push(UndecidedView {
                chunk: ChunkName { plan: sealed.plan, chunk: *chunk }.to_string(),
                people: totals.undecided,
                resend: said.map(|said| said.decision == Decision::SendAgain),
                proposed_by: said.map(|said| name(&said.proposed_by)),
                confirmed_by: said.and_then(|said| said.confirmed_by.as_ref()).map(name),
            });
        }
    }
    views
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let Progress {
            targeted,
            accepted,
            pending,
            retrying,
            invalid,
            undecided,
            erased,
            cancelled,
            out_of_reach,
            reach_unknown,
        } = progress;
        Self {
            targeted,
            accepted,
            pending,
            retrying,
            invalid,
            undecided,
            erased,
            cancelled,
            out_of_reach,
            reach_unknown,
        }
    }
}

impl From<&PauseCause> for PausedView {
    fn from(cause: &PauseCause) -> Self {
        let (code, detail) = match cause {
            PauseCause::Official { by } => {
                ("official", format!("{}さんが一時停止しました。", name(by)))
            }
            PauseCause::Quota { remaining: Some(left) } => (
                "quota",
                format!("LINEの今月の送信可能数が足りません（残り{left}通）。上限を引き上げてから再開してください。"),
            ),
            PauseCause::Quota { remaining: None } => (
                "quota",
                "LINEの今月の送信可能数を使い切りました。上限を引き上げてから再開してください。".to_owned(),
            ),
            PauseCause::Unauthorized => (
                "unauthorized",
                "LINEがアクセストークンを受け付けません。チャネルIDとシークレットを確かめてから再開してください。".to_owned(),
            ),
            PauseCause::Forbidden => (
                "forbidden",
                "LINEがこのアカウントからの送信を認めていません。プランと権限を確かめてから再開してください。".to_owned(),
            ),
            PauseCause::MessageRefused => (
                "message_refused",
                "LINEが文章を受け付けません。中止して、文章を直した依頼を作ってください。".to_owned(),
            ),
            PauseCause::ManyInvalid => (
                "many_invalid",
                "無効な宛先が多すぎます。システム担当者に連絡してください。".to_owned(),
            ),
            PauseCause::LedgerMismatch => (
                "ledger_mismatch",
                "送信台帳が確定時と一致しません。システム担当者に連絡してください。".to_owned(),
            ),
        };
        Self { code: code.to_owned(), detail }
    }
}

/// The state of this name.
pub(crate) fn state(name: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.name() == name)
}
