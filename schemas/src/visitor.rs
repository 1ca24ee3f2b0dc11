//! What visitors do and ask for, and the one row that it adds up to.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    identity::{SealedId, VisitorId},
    ids::{EventId, MessageHash},
    language::Language,
    place_code::CodeProblem,
    scan::ReplyToken,
    service::ServiceState,
    time::EventTime,
    topic::Topic,
    wire::{Body, WireRecord},
};

/// A record of the `visitors` topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorRecord {
    /// Who, for as long as the long-lived key lives.
    pub visitor: VisitorId,
    /// The LINE user id, sealed under the long-lived key.
    pub sealed: SealedId,
    /// The event it came from; empty where no single event stands behind it.
    pub event: EventId,
    /// LINE's time of the event; for [`VisitorAction::Wrote`] the start of its UTC day, so that
    /// the table of people can't be joined with the table of places by equal times; for
    /// [`VisitorAction::ListedAsFriend`] the start of the import.
    pub at: EventTime,
    /// When it came in, by our clock. For deadlines of replies only.
    pub received_at: EventTime,
    /// What a reply is sent by.
    pub reply_token: Option<ReplyToken>,
    /// What they did.
    pub action: VisitorAction,
}

/// What a visitor did or asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VisitorAction {
    /// Added the account, or unblocked it.
    Followed,
    /// Blocked the account.
    Unfollowed,
    /// Was among the friends that LINE listed.
    ListedAsFriend,
    /// Unsent a message: the scan it made counts no more.
    Undo(MessageHash),
    /// Asked that everything recorded so far be forgotten.
    Erase,
    /// Chose a language.
    ChoseLanguage(Language),
    /// Wrote to the account on this day: a push reaches them for 7 days even if they are no friend.
    Wrote,
    /// Sent something in the form of a place code that does not verify. Nothing was recorded.
    CodeRefused(CodeProblem),
    /// Read a place code while the service did not run. Nothing was recorded.
    NotRecorded(ServiceState),
}

impl WireRecord for VisitorRecord {
    const TOPIC: Topic = Topic::Visitors;
    const VERSION: u8 = 1;
    const BODY: Body = Body::Compact;

    fn key(&self) -> Bytes {
        Bytes::copy_from_slice(&self.visitor.0)
    }
}

/// Whether a multicast reaches a person, as far as we know. Nothing known: see [`Person::friend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FriendState {
    /// An `unfollow` was seen. Lower than `Friend`: of two records with one time, friend wins,
    /// since a warning too many is better than one that never comes.
    Blocked,
    /// A `follow` was seen, or LINE listed them.
    Friend,
}

/// What a person asked of us, and what we know of reaching them: one row, read for every person in
/// every plan, preview and history.
///
/// It merges records by event time: any order and any repetition of the same records gives the
/// same row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Scans up to and including this moment are forgotten.
    pub erased_through: Option<EventTime>,
    /// Scans made by these messages are forgotten.
    pub undone: BTreeSet<MessageHash>,
    /// Friend or blocked, and since when; `None`: unknown, as most people of an account that is
    /// older than this system.
    pub friend: Option<(EventTime, FriendState)>,
    /// The chosen language, and since when.
    pub language: Option<(EventTime, Language)>,
    /// The start of the last UTC day on which they wrote.
    pub last_wrote: Option<EventTime>,
}

impl Person {
    /// Takes in one record.
    pub fn merge(&mut self, at: EventTime, action: &VisitorAction) {
        match action {
            VisitorAction::Followed | VisitorAction::ListedAsFriend => {
                self.friend = self.friend.max(Some((at, FriendState::Friend)));
            }
            VisitorAction::Unfollowed => {
                self.friend = self.friend.max(Some((at, FriendState::Blocked)));
            }
            VisitorAction::Undo(message) => {
                self.undone.insert(*message);
            }
            VisitorAction::Erase => self.erased_through = self.erased_through.max(Some(at)),
            VisitorAction::ChoseLanguage(language) => {
                // On a tie the greater code wins, as it does in a column of text.
                let order = |(at, language): (EventTime, Language)| (at, language.code());
                let said = Some((at, *language));
                self.language = std::cmp::max_by_key(self.language, said, |l| l.map(order));
            }
            VisitorAction::Wrote => self.last_wrote = self.last_wrote.max(Some(at)),
            VisitorAction::CodeRefused(_) | VisitorAction::NotRecorded(_) => {}
        }
    }

    /// Whether a scan of this person still counts.
    pub fn counts(&self, scanned_at: EventTime, message: &MessageHash) -> bool {
        self.taken_back(scanned_at, message).is_none()
    }

    /// What they asked for, and when, that a scan of theirs counts no more; `None`: it counts.
    pub fn taken_back(
        &self,
        scanned_at: EventTime,
        message: &MessageHash,
    ) -> Option<(EventTime, VisitorAction)> {
        let erased = self.erased_through.filter(|through| scanned_at <= *through);
        // A message is unsent after it was sent. When, a person's row does not say.
        let undone = || self.undone.contains(message).then_some(scanned_at);
        erased
            .map(|at| (at, VisitorAction::Erase))
            .or_else(|| undone().map(|at| (at, VisitorAction::Undo(*message))))
    }

    /// The language to address them in.
    pub fn language(&self) -> Language {
        self.language.map_or(Language::default(), |(_, language)| language)
    }

    /// Friend or blocked; `None`: unknown.
    pub fn friend_state(&self) -> Option<FriendState> {
        self.friend.map(|(_, state)| state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    fn actions() -> impl Strategy<Value = VisitorAction> {
        prop_oneof![
            Just(VisitorAction::Followed),
            Just(VisitorAction::Unfollowed),
            Just(VisitorAction::ListedAsFriend),
            any::<[u8; 16]>().prop_map(|hash| VisitorAction::Undo(MessageHash(hash))),
            Just(VisitorAction::Erase),
            (0..Language::ALL.len()).prop_map(|n| VisitorAction::ChoseLanguage(Language::ALL[n])),
            Just(VisitorAction::Wrote),
            Just(VisitorAction::CodeRefused(CodeProblem::Forged)),
            Just(VisitorAction::NotRecorded(ServiceState::Suspended)),
        ]
    }

    fn person<'a>(records: impl IntoIterator<Item = &'a (i64, VisitorAction)>) -> Person {
        let mut person = Person::default();
        for (at, action) in records {
            person.merge(EventTime(*at), action);
        }
        person
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_gives_the_same_person(
            // Few different times, so that ties are common.
            records in prop::collection::vec((0..6_i64, actions()), 0..20),
            repeated in prop::collection::vec(any::<Index>(), 0..20),
            seed in any::<u64>(),
        ) {
            let mut shuffled = records.clone();
            if !records.is_empty() {
                shuffled.extend(repeated.iter().map(|index| index.get(&records).clone()));
            }
            let mut state = seed;
            for n in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(n, (state >> 33) as usize % (n + 1));
            }
            prop_assert_eq!(person(&shuffled), person(&records));
        }

        #[test]
        fn what_was_taken_back_is_what_can_be_asked_again(
            records in prop::collection::vec((0..6_i64, actions()), 0..20),
            scanned_at in 0..6_i64,
            one in any::<Index>(),
        ) {
            let known = person(&records);
            let undone: Vec<_> = known.undone.iter().copied().collect();
            let message = if undone.is_empty() { MessageHash([0; 16]) } else { *one.get(&undone) };
            let scanned_at = EventTime(scanned_at);
            let taken_back = known.taken_back(scanned_at, &message);
            let erased = known.erased_through.is_some_and(|through| scanned_at <= through);
            prop_assert_eq!(taken_back.is_some(), erased || !undone.is_empty());
            if let Some((at, action)) = taken_back {
                // Whoever reads it deletes this scan, and learns nothing new of the person.
                match &action {
                    VisitorAction::Erase => prop_assert!(scanned_at <= at),
                    action => prop_assert_eq!(action, &VisitorAction::Undo(message)),
                }
                let mut again = known.clone();
                again.merge(at, &action);
                prop_assert_eq!(again, known);
            }
        }
    }

    #[test]
    fn an_erase_hides_what_came_before_and_nothing_after() {
        let person = person(&[(100, VisitorAction::Erase)]);
        let message = MessageHash([0; 16]);
        assert!(!person.counts(EventTime(99), &message));
        assert!(!person.counts(EventTime(100), &message));
        assert!(person.counts(EventTime(101), &message));
    }

    #[test]
    fn of_follow_and_unfollow_at_one_time_the_friend_wins() {
        let records = [(5, VisitorAction::Followed), (5, VisitorAction::Unfollowed)];
        assert_eq!(person(&records).friend_state(), Some(FriendState::Friend));
        assert_eq!(person(records.iter().rev()).friend_state(), Some(FriendState::Friend));
    }
}
