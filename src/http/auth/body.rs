//! Bodies of requests, field by field: what is wrong is named, and what was sent is never repeated.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::super::problem::Problem;
use crate::auth::account::FieldError;
use crate::auth::error::AuthError;
use crate::model::secret::Secret;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The fields of a JSON object, and what was wrong with those that were asked for.
#[derive(Debug)]
pub(super) struct Body {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Body {
    /// Reads it.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        let problem = |status, code, message: &str| Problem::new(status, code, message);
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "VAL_MEDIA_TYPE",
                "send JSON, with the header Content-Type: application/json",
            ));
        }
        let body = tokio::time::timeout(TIMEOUT, Bytes::from_request(request, &()));
        let body = body.await.map_err(|_| {
            let message = "the body took too long to arrive";
            problem(StatusCode::REQUEST_TIMEOUT, "VAL_TIMEOUT", message)
        })?;
        let body = body.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "VAL_TOO_LARGE",
                "the body is larger than 4 MiB",
            ),
            _ => problem(
                StatusCode::BAD_REQUEST,
                "VAL_BODY",
                "the body ended too early",
            ),
        })?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(Self {
                fields,
                errors: Vec::new(),
            }),
            Ok(_) => Err(problem(
                StatusCode::BAD_REQUEST,
                "VAL_BODY",
                "the body must be a JSON object",
            )),
            Err(error) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "VAL_BODY",
                format!(
                    "the body is not JSON: line {} column {}",
                    error.line(),
                    error.column()
                ),
            )),
        }
    }

    /// A text, if it is there.
    pub(super) fn optional(&mut self, field: &'static str) -> Option<String> {
        match self.fields.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.error(field, format!("{field} must be a text"));
                None
            }
        }
    }

    /// A text that must be there; empty where it is not, and noted.
    pub(super) fn required(&mut self, field: &'static str) -> String {
        let before = self.errors.len();
        let found = self.optional(field);
        if found.is_none() && self.errors.len() == before {
            self.error(field, format!("{field} is required"));
        }
        found.unwrap_or_default()
    }

    /// A text that must be there and never be shown.
    pub(super) fn secret(&mut self, field: &'static str) -> Secret {
        Secret::new(self.required(field))
    }

    /// A word of a kind, if it is there.
    pub(super) fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &'static str,
    ) -> Option<T> {
        let text = self.optional(field)?;
        match text.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.error(field, format!("{field} {error}"));
                None
            }
        }
    }

    /// Whether a field is `true`.
    pub(super) fn flag(&self, field: &str) -> bool {
        self.fields.get(field) == Some(&Value::Bool(true))
    }

    /// A field as it is.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// Notes that a field is wrong.
    pub(super) fn error(&mut self, field: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.errors.push(FieldError { field, message });
    }

    /// Nothing was wrong.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(AuthError::Fields(self.errors).into())
    }
}
