//! Journal against store and against what the platform accepted.

use schemas::{ids::VenueId, time::EventTime};
use serde::{Deserialize, Serialize};
use storage::{
    Store,
    rows::{TypedStore, visits::ScanRow},
};

use crate::{
    oracle::{self, Deed, Difference, Evidence},
    platform::journal::{Journal, What},
};

/// What a run leaves for `anshin-load verify`: the journal, the places, the jobs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// What the platform saw.
    pub journal: Journal,
    /// The places: product's id, printed code, dwell in minutes.
    pub places: Vec<(String, String, i64)>,
    /// Jobs that were approved.
    pub jobs: Vec<oracle::Job>,
}

impl Record {
    /// As the oracle wants it. What a text or button means is said here once more, for the few
    /// commands that the scenarios use.
    pub fn evidence(&self) -> Evidence {
        let events = self.journal.events.iter().filter(|event| event.acknowledged);
        let events = events.filter_map(|event| {
            let deed = match &event.what {
                What::Text { text, .. } if text == "忘れて" => Deed::Erase,
                What::Text { text, .. } if text == "English" => Deed::Language("en".to_owned()),
                What::Text { message, text } => {
                    Deed::Text { text: text.clone(), message: message.clone() }
                }
                What::Unsend { message } => Deed::Unsend { message: message.clone() },
                What::Follow => Deed::Follow,
                What::Unfollow => Deed::Block,
                What::Postback { data } => Deed::Language(data.strip_prefix("language=")?.into()),
            };
            Some(oracle::Event { user: event.user.clone(), at: event.at, deed })
        });
        Evidence {
            places: self
                .places
                .iter()
                .map(|(venue, code, dwell)| oracle::Place {
                    venue: venue.clone(),
                    code: code.clone(),
                    dwell_minutes: *dwell,
                })
                .collect(),
            events: events.collect(),
            jobs: self.jobs.clone(),
            accepted: self
                .journal
                .accepted
                .iter()
                .map(|a| oracle::Accepted { user: a.user.clone(), text: a.text.clone() })
                .collect(),
        }
    }
}

/// Reads the scans of the places from the store: place and event time.
pub async fn stored_scans<S: Store>(
    store: &S,
    record: &Record,
) -> anyhow::Result<Vec<(String, i64)>> {
    let times = record.journal.events.iter().map(|event| event.at);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
        return Ok(Vec::new());
    };
    let mut scans = Vec::new();
    for (venue, _, _) in &record.places {
        let id: VenueId = venue.parse()?;
        let (mut hour, end) = (EventTime(first).hour(), EventTime(last).hour());
        while hour <= end {
            for row in store.all::<ScanRow>(&(id, hour)).await? {
                scans.push((venue.clone(), row.scanned_at.0));
            }
            hour.0 += 1;
        }
    }
    Ok(scans)
}

/// Everything that differs; empty: it agrees.
pub async fn verify<S: Store>(store: &S, record: &Record) -> anyhow::Result<Vec<Difference>> {
    let evidence = record.evidence();
    let mut differences = evidence.judge_store(&stored_scans(store, record).await?);
    differences.extend(evidence.judge_messages());
    differences.extend(record.journal.violations.iter().cloned().map(Difference::Violation));
    Ok(differences)
}
