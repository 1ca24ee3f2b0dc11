//! Facilities: found, admitted, suspended.
//!
//! Operators change what is said of a facility on their own pages; what the prefecture decides about
//! it is a record of its own, and written here alone.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use schemas::{
    ids::FacilityId,
    registry::{Facility, Registry, RegistryRecord, Standing, Suspension},
    time::EventTime,
};
use serde::{Deserialize, Serialize};
use storage::{Log, Store};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Console, Preview, auth,
    jobs::{ReasonRequest, Shared, cursor, reason},
    problem::Problem,
    venues::kana_letters,
};

/// Facilities of one page.
const PAGE: usize = 50;

/// Which facilities.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FacilityQuery {
    /// An id, or words that occur in name, reading or address.
    #[serde(default)]
    pub query: String,
    /// Only those that are open, awaiting, suspended or removed.
    pub state: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Facilities found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FacilityPage {
    /// The facilities.
    pub facilities: Vec<FacilityView>,
    /// Asks for the next page, where there is one.
    pub next_cursor: Option<String>,
}

/// A facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FacilityView {
    /// Its id, which is the reference number that its operator was given.
    pub facility: String,
    /// Its name.
    pub name: String,
    /// What kind of facility it is.
    pub kind: String,
    /// Its name in katakana, if known.
    pub kana: Option<String>,
    /// Its address, if known.
    pub address: Option<String>,
    /// Where its operator is reached, if known.
    pub phone: Option<String>,
    /// How many floors and rooms it has.
    pub venues: usize,
    /// `open`; `awaiting` an official's admission; `suspended`; `removed` by its operator.
    pub state: String,
    /// Why it is suspended.
    pub reason: Option<String>,
    /// Since when it is suspended or removed (RFC 3339).
    pub since: Option<String>,
}

fn view(registry: &Registry, facility: &Facility, now: EventTime) -> FacilityView {
    let suspension =
        registry.standing(facility.id).and_then(|standing| standing.suspension_at(now));
    let (state, since) = match (facility.removed, suspension) {
        (Some(removed), _) => ("removed", Some(removed)),
        (None, Some(suspension)) => ("suspended", Some(suspension.from)),
        (None, None) if registry.is_awaiting_admission(facility, now) => ("awaiting", None),
        (None, None) => ("open", None),
    };
    let details = facility.details.as_ref();
    FacilityView {
        facility: facility.id.to_string(),
        name: facility.name.clone(),
        kind: facility.kind.name().to_owned(),
        kana: details.map(|details| details.kana.clone()),
        address: details.map(|details| details.address.clone()),
        phone: details.map(|details| details.phone.clone()),
        venues: facility.open_venues().count(),
        state: state.to_owned(),
        reason: suspension.map(|suspension| suspension.reason.clone()),
        since: since.map(EventTime::to_rfc3339_jst),
    }
}

fn search(
    registry: &Registry,
    query: &FacilityQuery,
    (from, now): (usize, EventTime),
) -> FacilityPage {
    let id = query.query.trim().parse::<FacilityId>().ok();
    let words: Vec<String> = query.query.split_whitespace().map(kana_letters).collect();
    let mut found = registry
        .facilities()
        .filter(|facility| !facility.is_forgotten())
        .map(|facility| view(registry, facility, now))
        .filter(|view| query.state.as_ref().is_none_or(|state| *state == view.state))
        .filter(|view| {
            let said = [Some(&view.name), view.kana.as_ref(), view.address.as_ref()];
            let said: Vec<String> = said.into_iter().flatten().map(|s| kana_letters(s)).collect();
            id.is_some_and(|id| id.to_string() == view.facility)
                || words.iter().all(|word| said.iter().any(|text| text.contains(word.as_str())))
        })
        .skip(from);
    let facilities: Vec<FacilityView> = found.by_ref().take(PAGE).collect();
    let next_cursor = found.next().map(|_| (from + PAGE).to_string());
    FacilityPage { facilities, next_cursor }
}

/// Finds facilities.
#[utoipa::path(
    get, path = "/api/v1/facilities", tag = "facilities", params(FacilityQuery),
    responses(
        (status = 200, body = FacilityPage), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
    ),
)]
pub(crate) async fn find<L: Log, S: Store, P: Preview>(
    console: Shared<L, S, P>,
    headers: HeaderMap,
    query: Result<Query<FacilityQuery>, QueryRejection>,
) -> Result<Json<FacilityPage>, Problem> {
    // Operators' phone numbers are for people of the prefecture.
    auth::caller(&console.store, &headers).await?.must_be_a_person()?;
    let Query(query) = query.map_err(|error| Problem::unreadable("", error.body_text()))?;
    let from = cursor(query.cursor.as_deref())?;
    let now = (console.clock)();
    Ok(Json(console.registry.read(|registry| search(registry, &query, (from, now)))))
}

/// Keeps the codes of a facility from counting, from now on. Who scans one is told that nothing was
/// recorded; its operator sees the reason.
#[utoipa::path(
    post, path = "/api/v1/facilities/{id}/suspend", tag = "facilities", request_body = ReasonRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, body = FacilityView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub(crate) async fn suspend<L: Log, S: Store, P: Preview>(
    console: Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<FacilityView>, Problem> {
    console.approver(&headers).await?;
    let reason = reason(&body)?;
    let suspend = |standing: &mut Standing, _: &Facility, now| {
        if standing.suspension_at(now).is_some() {
            return Err(conflict("already_suspended", "この施設はすでに停止しています。"));
        }
        standing.suspensions.push(Suspension { from: now, until: None, reason });
        Ok(())
    };
    console.decide_about(&id, suspend).await
}

/// Ends the suspension of a facility.
#[utoipa::path(
    post, path = "/api/v1/facilities/{id}/resume", tag = "facilities",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = FacilityView), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn resume<L: Log, S: Store, P: Preview>(
    console: Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<FacilityView>, Problem> {
    console.approver(&headers).await?;
    let resume = |standing: &mut Standing, _: &Facility, now| {
        let open = standing.suspensions.iter_mut().filter(|s| s.until.is_none());
        let mut ended = false;
        for suspension in open {
            (suspension.until, ended) = (Some(now), true);
        }
        match ended {
            true => Ok(()),
            false => Err(conflict("not_suspended", "この施設は停止していません。")),
        }
    };
    console.decide_about(&id, resume).await
}

/// Admits a facility, where registrations are reviewed: its codes count from now on.
#[utoipa::path(
    post, path = "/api/v1/facilities/{id}/admit", tag = "facilities",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = FacilityView), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem),
    ),
)]
pub(crate) async fn admit<L: Log, S: Store, P: Preview>(
    console: Shared<L, S, P>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<FacilityView>, Problem> {
    console.approver(&headers).await?;
    let admit = |standing: &mut Standing, facility: &Facility, now| match standing.admitted {
        Some(_) => Err(conflict("already_admitted", "この施設はすでに確認済みです。")),
        None if !facility.reviewed => {
            Err(conflict("not_awaiting", "この施設は確認を待っていません。"))
        }
        None => {
            standing.admitted = Some(now);
            Ok(())
        }
    };
    console.decide_about(&id, admit).await
}

fn conflict(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, "今の状態ではできません", detail)
}

impl<L: Log, S: Store, P: Preview> Console<L, S, P> {
    /// Changes what was decided about a facility, and waits until our own replay has passed it.
    async fn decide_about(
        &self,
        id: &str,
        decide: impl FnOnce(&mut Standing, &Facility, EventTime) -> Result<(), Problem>,
    ) -> Result<Json<FacilityView>, Problem> {
        let unknown = |error: storage::LogError| {
            tracing::warn!(%error, "it is unknown whether a decision about a facility counts");
            Problem::unknown()
        };
        let id: FacilityId = id.parse().map_err(|_| Problem::not_found())?;
        self.registry.caught_up().await.map_err(unknown)?;
        let now = (self.clock)();
        let found = self.registry.read(|registry| {
            let facility = registry.facility(id).filter(|facility| facility.removed.is_none())?;
            let standing = registry.standing(id).cloned();
            Some((standing.unwrap_or_else(|| Standing::new(id)), facility.clone()))
        });
        let (mut standing, facility) = found.ok_or_else(Problem::not_found)?;
        decide(&mut standing, &facility, now)?;
        standing.updated_at = now;
        let record = RegistryRecord::Standing(standing.clone());
        self.registry.append(&record).await.map_err(unknown)?;
        // The latest snapshot counts. Somebody who had not read ours may have made it.
        self.registry.caught_up().await.map_err(unknown)?;
        self.registry.read(|registry| match registry.facility(id) {
            Some(facility) if registry.standing(id) == Some(&standing) => {
                Ok(Json(view(registry, facility, now)))
            }
            _ => Err(conflict(
                "at_the_same_time",
                "ほかの職員が同時に変更しました。もう一度確かめてください。",
            )),
        })
    }
}
