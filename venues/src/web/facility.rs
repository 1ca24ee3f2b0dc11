//! The page about the facility, and the one about an event's days.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use schemas::{
    registry::{EventDays, FacilityKind},
    time::EventTime,
};
use storage::{
    Log, Store,
    rows::{TypedStore, operators::OperatorRow},
};

use super::{
    Web,
    browser::Browser,
    form::Form,
    frame::Trouble,
    page::{FieldError, Page, html, see_other},
};
use crate::{
    days,
    draft::{Draft, Room},
    fields::{self, FieldProblem},
    language::PageLanguage,
    names::{self, NameError},
    operator::Operator,
    postcode,
};

/// What a page of questions is part of: registering, or changing what was registered.
pub(super) struct Around {
    /// The step of registration; empty where it is none.
    pub(super) step: &'static str,
    /// The title of the page about the facility.
    pub(super) title: &'static str,
    /// Where answers go.
    pub(super) action: String,
    /// The words of the button.
    pub(super) button: &'static str,
    /// What leads back.
    pub(super) back: Option<String>,
}

/// What stands beside the questions.
#[derive(Default)]
pub(super) struct Beside {
    /// Names of what the operator has registered already.
    already: Vec<String>,
    /// Whether the address was filled in.
    looked_up: bool,
}

#[derive(Template)]
#[template(path = "facility.html")]
struct FacilityPage {
    page: Page,
    around: Around,
    answers: Answers,
    kinds: Vec<Choice>,
    beside: Beside,
}

#[derive(Template)]
#[template(path = "days.html")]
struct DaysPage {
    page: Page,
    around: Around,
    first: String,
    last: String,
}

/// As typed, or as saved.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    name: String,
    kana: String,
    kind: String,
    postcode: String,
    address: String,
    phone: String,
}

struct Choice {
    name: &'static str,
    label: &'static str,
}

/// A kind in words.
pub(super) fn kind_name(kind: FacilityKind, t: PageLanguage) -> &'static str {
    match kind {
        FacilityKind::Shop => t.kind_shop(),
        FacilityKind::Restaurant => t.kind_restaurant(),
        FacilityKind::Hall => t.kind_hall(),
        FacilityKind::Event => t.kind_event(),
        FacilityKind::Office => t.kind_office(),
        FacilityKind::Other => t.kind_other(),
    }
}

/// What is wrong with a name, for whoever typed it.
pub(super) fn name_problem(error: NameError, t: PageLanguage, missing: &'static str) -> String {
    let text = match error {
        NameError::Empty => missing,
        NameError::TooLong => t.error_name_long(),
        NameError::Address => t.error_name_address(),
        NameError::Hidden => t.error_name_hidden(),
    };
    text.to_owned()
}

impl Answers {
    pub(super) fn saved(draft: &Draft) -> Self {
        Self {
            name: draft.name.clone(),
            kana: draft.kana.clone(),
            kind: draft.kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
            postcode: fields::show_postcode(&draft.postcode),
            address: draft.address.clone(),
            phone: draft.phone.clone(),
        }
    }

    fn typed(form: &Form) -> Self {
        let typed = |name| form.get(name).to_owned();
        Self {
            name: typed("name"),
            kana: typed("kana"),
            kind: typed("kind"),
            postcode: typed("postcode"),
            address: typed("address"),
            phone: typed("phone"),
        }
    }

    /// Puts them into the draft, or says everything that is wrong.
    fn check(&self, draft: &mut Draft, t: PageLanguage) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut fail = |field: &str, text: String| {
            errors.push(FieldError { field: field.to_owned(), text });
        };
        match names::name(&self.name) {
            Ok(name) => draft.name = name,
            Err(error) => fail("name", name_problem(error, t, t.error_name_missing())),
        }
        let words = |problem, missing: &str, long: &str, form: &str| match problem {
            FieldProblem::Missing => missing.to_owned(),
            FieldProblem::TooLong => long.to_owned(),
            FieldProblem::Form | FieldProblem::Tricks => form.to_owned(),
        };
        match fields::kana(&self.kana) {
            Ok(kana) => draft.kana = kana,
            Err(problem) => {
                let form = t.error_kana_form();
                fail("kana", words(problem, t.error_kana_missing(), t.error_name_long(), form));
            }
        }
        match self.kind.parse() {
            Ok(kind) => draft.kind = Some(kind),
            Err(_) => fail("kind", t.error_kind().to_owned()),
        }
        match fields::postcode(&self.postcode) {
            Ok(digits) => draft.postcode = digits,
            Err(problem) => {
                let form = t.error_postcode_form();
                fail("postcode", words(problem, t.error_postcode_missing(), form, form));
            }
        }
        match fields::address(&self.address) {
            Ok(address) => draft.address = address,
            Err(problem) => {
                let (missing, long) = (t.error_address_missing(), t.error_address_long());
                fail("address", words(problem, missing, long, t.error_address_form()));
            }
        }
        match fields::phone(&self.phone) {
            Ok(phone) => draft.phone = phone,
            Err(problem) => {
                let form = t.error_phone_form();
                fail("phone", words(problem, t.error_phone_missing(), form, form));
            }
        }
        errors
    }

    /// Fills in the address by the postcode; what is wrong with that.
    fn look_up(&mut self, t: PageLanguage) -> Option<FieldError> {
        let text = match fields::postcode(&self.postcode) {
            Ok(digits) => match postcode::find(&digits) {
                Some(town) => {
                    // What stands behind the town already is kept.
                    if !self.address.starts_with(&town.address()) {
                        self.address = town.address();
                    }
                    return None;
                }
                None => t.error_postcode_unknown(),
            },
            Err(FieldProblem::Missing) => t.error_postcode_missing(),
            Err(_) => t.error_postcode_form(),
        };
        Some(FieldError { field: "postcode".to_owned(), text: text.to_owned() })
    }
}

/// Names of what the operator has registered already.
async fn registered<L: Log, S: Store>(
    web: &Web<L, S>,
    operator: &Operator,
) -> Result<Vec<String>, Trouble> {
    let rows = web.store.all::<OperatorRow>(&operator.id).await?;
    Ok(web.registry.read(|registry| {
        let known = rows.iter().filter_map(|row| registry.facility(row.facility));
        let known = known.filter(|facility| facility.removed.is_none());
        known.map(|facility| facility.name.clone()).collect()
    }))
}

/// Takes what was typed into a draft, or looks up the postcode. What stands beside the questions,
/// where they are to be shown once more.
pub(super) fn taken(
    form: &Form,
    draft: &mut Draft,
    t: PageLanguage,
) -> (Answers, Vec<FieldError>, Option<Beside>) {
    let mut answers = Answers::typed(form);
    if form.get("do") == "look-up" {
        let errors: Vec<_> = answers.look_up(t).into_iter().collect();
        let beside = Beside { looked_up: errors.is_empty(), ..Beside::default() };
        return (answers, errors, Some(beside));
    }
    let errors = answers.check(draft, t);
    let again = (!errors.is_empty()).then(Beside::default);
    (answers, errors, again)
}

/// Shows the questions about a facility.
pub(super) fn shown(page: Page, around: Around, answers: Answers, beside: Beside) -> Response {
    let choice = |kind: FacilityKind| Choice { name: kind.name(), label: kind_name(kind, page.t) };
    let kinds = FacilityKind::ALL.map(choice).into_iter().collect();
    let status = match page.errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    html(status, &FacilityPage { page, around, answers, kinds, beside })
}

/// Shows the question about an event's days.
pub(super) fn shown_days(
    status: StatusCode,
    page: Page,
    around: Around,
    (first, last): (String, String),
) -> Response {
    html(status, &DaysPage { page, around, first, last })
}

/// An event's days as typed, or everything that is wrong with them.
pub(super) fn days_of(
    form: &Form,
    now: EventTime,
    t: PageLanguage,
) -> Result<EventDays, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut read = |field: &str| match days::day(form.get(field)) {
        Ok(day) => Some(day),
        Err(_) => {
            let text = match form.get(field).trim().is_empty() {
                true => t.error_day_missing(),
                false => t.error_day_form(),
            };
            errors.push(FieldError { field: field.to_owned(), text: text.to_owned() });
            None
        }
    };
    let (Some(first), Some(last)) = (read("first"), read("last")) else { return Err(errors) };
    let wrong = match EventDays::new(first, last) {
        Err(_) => t.error_day_order(),
        Ok(_) if last < now.day_in_japan() => t.error_day_past(),
        Ok(days) => return Ok(days),
    };
    Err(vec![FieldError { field: "last".to_owned(), text: wrong.to_owned() }])
}

fn registering(page: &Page, asks: &str) -> Around {
    Around {
        step: page.t.step_facility(),
        title: page.t.facility_title(),
        action: page.to(&format!("/register/{asks}")),
        button: page.t.next_button(),
        back: (asks == "days").then(|| page.to("/register/facility")),
    }
}

/// Asks.
pub async fn ask<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let saved = web.drafts.read(&operator.id).await?;
    if saved.draft.registered_at.is_some() {
        return Ok(see_other(&browser.language.path("/register/done")));
    }
    let page = Page::with_form(&web, &browser, Vec::new());
    let beside = Beside { already: registered(&web, &operator).await?, ..Beside::default() };
    let around = registering(&page, "facility");
    Ok(shown(page, around, Answers::saved(&saved.draft), beside))
}

/// Takes the answers, or looks up the postcode.
pub async fn answer<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if saved.draft.registered_at.is_some() {
        return Ok(see_other(&t.path("/register/done")));
    }
    let (answers, errors, beside) = taken(&form, &mut saved.draft, t);
    if let Some(beside) = beside {
        let page = Page::with_form(&web, &browser, errors);
        let around = registering(&page, "facility");
        return Ok(shown(page, around, answers, beside));
    }
    if saved.draft.kind != Some(FacilityKind::Event) {
        saved.draft.days = None;
    }
    web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
    Ok(see_other(&t.path(saved.draft.next_page())))
}

/// Asks for an event's days.
pub async fn ask_days<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
) -> Result<Response, Trouble> {
    let operator = web.operator(&browser).await?;
    let draft = web.drafts.read(&operator.id).await?.draft;
    if !draft.has_facility() || draft.registered_at.is_some() {
        return Ok(see_other(&browser.language.path(draft.next_page())));
    }
    let page = Page::with_form(&web, &browser, Vec::new());
    let around = registering(&page, "days");
    let days = draft.days.map(|days| (days.first().to_string(), days.last().to_string()));
    Ok(shown_days(StatusCode::OK, page, around, days.unwrap_or_default()))
}

/// Takes an event's days.
pub async fn answer_days<L: Log, S: Store>(
    State(web): State<Arc<Web<L, S>>>,
    browser: Browser,
    form: Form,
) -> Result<Response, Trouble> {
    let t = browser.language;
    let operator = web.operator(&browser).await?;
    let mut saved = web.drafts.read(&operator.id).await?;
    if !saved.draft.has_facility() || saved.draft.registered_at.is_some() {
        return Ok(see_other(&t.path(saved.draft.next_page())));
    }
    match days_of(&form, (web.clock)(), t) {
        Ok(days) => saved.draft.days = Some(days),
        Err(errors) => {
            let page = Page::with_form(&web, &browser, errors);
            let around = registering(&page, "days");
            let typed = (form.get("first").to_owned(), form.get("last").to_owned());
            return Ok(shown_days(StatusCode::UNPROCESSABLE_ENTITY, page, around, typed));
        }
    }
    web.drafts.save(&operator.id, &saved, (web.clock)()).await?;
    Ok(see_other(&t.path(saved.draft.next_page())))
}

/// What a place of one room is called where nothing else is said.
pub(super) fn only_room(kind: FacilityKind, t: PageLanguage) -> Room {
    let name = match (kind, t) {
        (FacilityKind::Shop | FacilityKind::Restaurant, PageLanguage::English) => "Main room",
        (FacilityKind::Hall | FacilityKind::Event, PageLanguage::English) => "Venue",
        (_, PageLanguage::English) => "Entrance",
        (FacilityKind::Shop | FacilityKind::Restaurant, _) => "店内",
        (FacilityKind::Hall | FacilityKind::Event, _) => "会場",
        (FacilityKind::Office | FacilityKind::Other, _) => "入口",
    };
    Room::new(name.to_owned())
}
