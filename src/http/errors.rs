//! How errors leave: Prometheus's error body for its API, a short page for people.
//!
//! A message says what the caller can mend. What went wrong inside is logged, not told.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use super::{access, pages};

/// An error of the Prometheus API.
#[derive(Debug)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
}

/// Prometheus's error types, and their status codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The request is wrong: 400.
    BadData,
    /// The query cannot be answered from the data: 422.
    Execution,
    /// The query took too long: 503.
    Timeout,
    /// The query was cancelled: 503.
    Canceled,
    /// There is no such thing: 404.
    NotFound,
    /// The method does not fit the path: 405.
    Method,
    /// Nobody knows who asks: 401.
    Unauthorized,
    /// The request may not come from there, or not from this caller: 403.
    Forbidden,
    /// The body is larger than is read: 413.
    TooLarge,
    /// The body took too long to arrive: 408.
    TooSlow,
    /// Too many queries at once: 503.
    Unavailable,
    /// A fault of ours: 500.
    Internal,
}

impl ErrorKind {
    fn name_and_status(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadData => ("bad_data", StatusCode::BAD_REQUEST),
            Self::Execution => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            Self::Canceled => ("canceled", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            // Prometheus has no types of its own for these.
            Self::Method => ("bad_data", StatusCode::METHOD_NOT_ALLOWED),
            Self::Unauthorized => ("bad_data", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("bad_data", StatusCode::FORBIDDEN),
            Self::TooLarge => ("bad_data", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooSlow => ("bad_data", StatusCode::REQUEST_TIMEOUT),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl ErrorKind {
    /// The code of the taxonomy of [`Problem`].
    fn code(self) -> &'static str {
        match self {
            Self::BadData => "VAL_REQUEST",
            Self::NotFound => "RES_NOT_FOUND",
            Self::Method => "VAL_METHOD",
            Self::Unauthorized => "AUTH_REQUIRED",
            Self::Forbidden => "AUTH_FORBIDDEN",
            Self::TooLarge => "VAL_BODY_TOO_LARGE",
            Self::TooSlow => "VAL_BODY_TIMEOUT",
            Self::Timeout | Self::Canceled | Self::Unavailable => "SYS_UNAVAILABLE",
            Self::Execution | Self::Internal => "SYS_INTERNAL",
        }
    }
}

impl ApiError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What the caller is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status code it leaves with.
    pub fn status(&self) -> StatusCode {
        self.kind.name_and_status().1
    }

    /// A parameter that is wrong.
    pub fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::BadData,
            format!("invalid parameter {name:?}: {message}"),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (name, status) = self.kind.name_and_status();
        (
            status,
            Json(json!({"status": "error", "errorType": name, "error": self.message})),
        )
            .into_response()
    }
}

/// An error in the form that suits the path: Alertmanager's body below `/api/v2/`, Prometheus's below `/api/`, plain text for probes and tools, a page
/// for people.
pub fn answer(path: &str, kind: ErrorKind, message: &str) -> Response {
    let mut response = body(path, kind, message);
    if kind == ErrorKind::Unauthorized {
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn body(path: &str, kind: ErrorKind, message: &str) -> Response {
    if access::is_about_definitions(path) {
        let (_, status) = kind.name_and_status();
        return Problem::new(status, kind.code(), message).into_response();
    }
    if path.starts_with("/api/v2/") {
        let (_, status) = kind.name_and_status();
        let body = json!({"code": status.as_u16(), "message": message});
        return (status, Json(body)).into_response();
    }
    if path.starts_with("/api/") {
        return ApiError::new(kind, message).into_response();
    }
    let (_, status) = kind.name_and_status();
    let for_tools = ["/-/", "/health", "/metrics"];
    if for_tools.iter().any(|prefix| path.starts_with(prefix)) {
        return (status, format!("{message}\n")).into_response();
    }
    let page = pages::error::render(status.as_u16(), &sentence(message));
    (status, axum::response::Html(page)).into_response()
}

/// A message as people write: a capital first, a full stop last.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), rest.as_str())
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::new(
            ErrorKind::BadData,
            "the path is not UTF-8 behind its % escapes",
        )
    }
}

impl From<crate::promql::eval::EvalError> for ApiError {
    fn from(error: crate::promql::eval::EvalError) -> Self {
        use crate::promql::eval::EvalError;
        let kind = match error {
            EvalError::TimedOut => ErrorKind::Timeout,
            EvalError::Canceled => ErrorKind::Canceled,
            EvalError::Source(_) => ErrorKind::Internal,
            EvalError::TooManySamples | EvalError::DuplicateLabels | EvalError::Invalid(_) => {
                ErrorKind::Execution
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<crate::storage::query::QueryError> for ApiError {
    fn from(error: crate::storage::query::QueryError) -> Self {
        Self::new(ErrorKind::Execution, error.to_string())
    }
}
