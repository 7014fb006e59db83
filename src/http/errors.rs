//! How errors leave: Prometheus's error body for its API, a short page for people.
//!
//! A message says what the caller can mend. What went wrong inside is logged, not told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

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
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
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
