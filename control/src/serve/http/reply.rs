//! What is answered to those who do not get what they want (RFC 9457).

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::serve::fleet::ChangeError;

/// A problem, with a sentence that says what to do about it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// A closed code, for programs.
    reason: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), reason: None }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The same answer to all who are not known, whatever they have presented.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "present a bearer token, or a certificate, that this endpoint knows for this",
        )
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Refused(refused) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                detail: refused.detail().to_owned(),
                reason: Some(refused.reason().code()),
            },
            ChangeError::Conflict(_) => Self::new(StatusCode::CONFLICT, detail),
            ChangeError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, detail),
            ChangeError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let mut body = json!({ "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if let (Some(members), Some(reason)) = (body.as_object_mut(), self.reason) {
            members.insert("reason".to_owned(), json!(reason));
        }
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// JSON, as it is.
pub(super) fn json_reply(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
