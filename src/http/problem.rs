//! Errors of the definition API and of authentication.
//!
//! ```text
//! {"success": false, "error": {"code": "AUTH_REQUIRED", "message": "…", "details": …}, "requestId": "…", "timestamp": "…"}
//! ```
//!
//! A code begins with its kind: `AUTH_`, `VAL_`, `RES_`, `SYS_`, `EXT_`, `RATE_` or `BIZ_`. Handlers return a [`Problem`]; the
//! request's id and the time are filled in where the request is observed.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::db::DbError;
use crate::model::timestamp::Timestamp;

/// An error as the caller is told of it; never with a secret in it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    // Apart, so that a result of a problem stays small.
    details: Option<Box<Value>>,
    retry_after: Option<u64>,
    /// Whether the body's `error` is the message alone.
    plain: bool,
}

impl Problem {
    /// An error with a code of the taxonomy.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            plain: false,
        }
    }

    /// For a database that cannot be used now, and may be later: 503. The log says why when that begins.
    pub fn unavailable(error: &DbError) -> Option<Self> {
        let wait = error.retry_after()?;
        let message =
            "the database of definitions and accounts cannot be used now; try again later";
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SYS_DATABASE_UNAVAILABLE",
            message,
        );
        Some(problem.retry_after(wait.as_secs().max(1)))
    }

    /// With what helps to mend it, such as a list of fields.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// With the header `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With the message as the body's whole `error`, for clients that know it so.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code of the taxonomy.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller is told.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What kind of error an answer tells of, for counting; `None` where it tells of none.
pub fn kind(response: &Response) -> Option<&'static str> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let problem = response.extensions().get::<Problem>();
    let prefix = problem.and_then(|problem| problem.code.split('_').next());
    Some(match (prefix, status.as_u16()) {
        (Some("AUTH"), _) | (None, 401 | 403) => "auth",
        (Some("VAL"), _) => "validation",
        (Some("RES"), _) | (None, 404 | 405 | 409 | 410 | 412) => "resource",
        (Some("RATE"), _) | (None, 429) => "rate_limit",
        (Some("BIZ"), _) => "business",
        (Some("EXT"), _) => "external",
        (None, 400..=499) => "validation",
        _ => "system",
    })
}

/// Writes the body of an answer that carries a [`Problem`]; others pass unchanged.
pub fn complete(mut response: Response, request_id: &str, now: Timestamp) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let mut error = json!({"code": problem.code, "message": problem.message});
    if let Some(details) = problem.details {
        error["details"] = *details;
    }
    if problem.plain {
        error = problem.message.into();
    }
    let body = json!({
        "success": false,
        "error": error,
        "requestId": request_id,
        "timestamp": now.to_rfc3339(),
    });
    let (parts, _) = response.into_parts();
    let mut response = (problem.status, Json(body)).into_response();
    for (name, value) in &parts.headers {
        response.headers_mut().entry(name).or_insert(value.clone());
    }
    // It was said of the empty body.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    if problem.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .entry(header::WWW_AUTHENTICATE)
            .or_insert(challenge);
    }
    if let Some(seconds) = problem.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
