//! Operators: known by their mail address, let in by a link that is good once.

use schemas::time::{EventTime, HOUR_MS};
use sha2::{Digest, Sha256};
use storage::{
    Store, StoreError,
    rows::{
        TypedStore,
        operators::{OperatorId, OperatorTokenRow},
    },
};
use tokio::sync::Mutex;

use crate::secret::Token;

/// How long a link in a mail is good, and how long a browser is let in by it: 24 hours.
pub const LINK_LASTS_MS: i64 = 24 * HOUR_MS;

/// What a link or a cookie is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A link: opens the registration.
    Register,
    /// A link: opens what was registered, to change it.
    Manage,
    /// A cookie: somebody who came by a link.
    Session,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Purpose::Register => "register",
            Purpose::Manage => "manage",
            Purpose::Session => "session",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Purpose::Register, Purpose::Manage, Purpose::Session];
        all.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// An operator, by the hash of the mail address: upper and lower case are one.
pub fn operator_id(address: &str) -> OperatorId {
    Sha256::digest(address.to_lowercase()).into()
}

/// Somebody who has shown that a mail address is theirs.
#[derive(Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who.
    pub id: OperatorId,
    /// Their mail address.
    pub address: String,
}

/// What a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It can be opened.
    Good(Purpose),
    /// It was opened before.
    Used(Purpose),
    /// It has ended.
    Expired,
    /// It is none of ours.
    Unknown,
}

/// Links and sessions.
pub struct Operators<S> {
    store: S,
    /// Links are opened one after another, so that of two at once only one opens. Another process
    /// could open the same link in the same milliseconds: both would be let in by whoever has it.
    opening: Mutex<()>,
}

impl<S: Store> Operators<S> {
    /// On a store.
    pub fn new(store: S) -> Self {
        Self { store, opening: Mutex::new(()) }
    }

    /// Makes a link for an address. What is returned is kept nowhere.
    pub async fn make_link(
        &self,
        purpose: Purpose,
        address: &str,
        token: &Token,
        now: EventTime,
    ) -> Result<(), StoreError> {
        self.make(purpose, address, token, now).await
    }

    async fn make(
        &self,
        purpose: Purpose,
        address: &str,
        token: &Token,
        now: EventTime,
    ) -> Result<(), StoreError> {
        let row = OperatorTokenRow {
            token_hash: token.hash(),
            purpose: purpose.name().to_owned(),
            address: address.to_owned(),
            made_at: now,
            expires_at: now.plus(LINK_LASTS_MS),
            used_at: None,
        };
        self.store.put(&[row]).await
    }

    /// Looks at a link, and changes nothing: mail servers look at links, too.
    pub async fn look(&self, link: &Token, now: EventTime) -> Result<LinkState, StoreError> {
        let row = self.store.get::<OperatorTokenRow>(&link.hash()).await?;
        Ok(row.map_or(LinkState::Unknown, |row| state(&row, now)))
    }

    /// Opens a link: from now on `session` is let in, and the link is used up.
    pub async fn open(
        &self,
        link: &Token,
        session: &Token,
        now: EventTime,
    ) -> Result<LinkState, StoreError> {
        let _one_at_a_time = self.opening.lock().await;
        let Some(mut row) = self.store.get::<OperatorTokenRow>(&link.hash()).await? else {
            return Ok(LinkState::Unknown);
        };
        let state = state(&row, now);
        if let LinkState::Good(_) = state {
            row.used_at = Some(now);
            self.store.put(std::slice::from_ref(&row)).await?;
            self.make(Purpose::Session, &row.address, session, now).await?;
        }
        Ok(state)
    }

    /// Who comes with this cookie.
    pub async fn session(
        &self,
        cookie: &Token,
        now: EventTime,
    ) -> Result<Option<Operator>, StoreError> {
        let row = self.store.get::<OperatorTokenRow>(&cookie.hash()).await?;
        let row = row.filter(|row| {
            let good = row.expires_at > now && row.used_at.is_none();
            good && row.purpose == Purpose::Session.name()
        });
        Ok(row.map(|row| Operator { id: operator_id(&row.address), address: row.address }))
    }

    /// Ends a session.
    pub async fn end(&self, cookie: &Token, now: EventTime) -> Result<(), StoreError> {
        let Some(mut row) = self.store.get::<OperatorTokenRow>(&cookie.hash()).await? else {
            return Ok(());
        };
        row.used_at = Some(now);
        self.store.put(&[row]).await
    }
}

fn state(row: &OperatorTokenRow, now: EventTime) -> LinkState {
    match Purpose::parse(&row.purpose) {
        None | Some(Purpose::Session) => LinkState::Unknown,
        Some(purpose) if row.used_at.is_some() => LinkState::Used(purpose),
        Some(_) if row.expires_at <= now => LinkState::Expired,
        Some(purpose) => LinkState::Good(purpose),
    }
}
