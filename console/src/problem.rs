//! Errors as RFC 9457 problem details, in Japanese for people and with codes for programs.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::job::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// A short name, in Japanese.
    pub title: String,
    /// What to do, in Japanese.
    pub detail: String,
    /// For programs.
    pub code: String,
    /// Every single problem of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One problem of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer into the request's body.
    pub pointer: String,
    /// For programs.
    pub code: String,
    /// For people, in Japanese.
    pub detail: String,
}

impl Problem {
    /// A problem.
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".into(),
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            code: code.to_owned(),
            errors: Vec::new(),
        }
    }

    /// Every problem of a job at once.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = format!("{}か所を直してください。", errors.len());
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "内容に誤りがあります", detail);
        problem.errors = errors;
        problem
    }

    /// A body that can't be read.
    pub fn unreadable(pointer: &str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable",
            "リクエストを読み取れません",
            "JSONの形と項目名を確かめてください。",
        );
        problem.errors = vec![FieldError {
            pointer: pointer.to_owned(),
            code: "unreadable".to_owned(),
            detail: detail.into(),
        }];
        problem
    }

    /// No token, or an unknown one.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "認証できません",
            "有効なトークンを Authorization: Bearer に付けてください。",
        )
    }

    /// A role that may not do this.
    pub fn forbidden(needs: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "wrong_role",
            "権限がありません",
            format!("この操作ができるのは{needs}だけです。"),
        )
    }

    /// No such thing.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "見つかりません", "IDを確かめてください。")
    }

    /// It is unknown whether the request counted.
    pub fn unknown() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unknown_outcome",
            "結果を確認できません",
            "少し待って、同じ内容（同じ Idempotency-Key）でもう一度送ってください。二重にはなりません。",
        )
    }

    /// Why the state machine refuses something.
    pub fn refused(refusal: Refusal) -> Self {
        let conflict = |code, detail: &str| {
            Self::new(StatusCode::CONFLICT, code, "今の状態ではできません", detail)
        };
        match refusal {
            Refusal::NoSuchJob => Self::not_found(),
            Refusal::OwnJob => Self::new(
                StatusCode::FORBIDDEN,
                "own_job",
                "自分の依頼は承認できません",
                "作成・編集した人とは別の人が承認してください。",
            ),
            Refusal::NotAPerson => Self::forbidden("職員"),
            Refusal::StaleHash => conflict(
                "stale_hash",
                "表示したあとに内容が変わりました。最新の内容を確かめてからやり直してください。",
            ),
            Refusal::SameDecider => {
                conflict("second_person_needed", "もう一人の職員が同じ判断をする必要があります。")
            }
            Refusal::NoSuchChunk => conflict("no_such_chunk", "未確定のまとまりではありません。"),
            Refusal::KeyUsed => {
                conflict("key_used", "この Idempotency-Key は別の内容で使われています。")
            }
            Refusal::WrongState | Refusal::Repeated | Refusal::Exists => conflict(
                "wrong_state",
                "依頼の状態が変わっています。最新の状態を確かめてください。",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
