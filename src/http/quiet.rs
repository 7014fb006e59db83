//! What people keep quiet, beyond Alertmanager's API: acks, recurring silences, and what a silence would match.
//!
//! Answers have the form of Prometheus's API: `{"status": "success", "data": …}`. Bodies are JSON.

pub mod acks;
pub mod preview;
pub mod recurring;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::errors::{ApiError, ErrorKind};
use crate::alerts::interval::schedule::Span;
use crate::alerts::matchers;
use crate::alerts::run::Closed;
use crate::model::matcher::Matcher;
use crate::model::silence::MatcherFields;
use crate::model::timestamp::Timestamp;

/// How long a client may take to send its body.
const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A matcher as text, such as `severity="critical"`, or in the form of Alertmanager's API.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum GivenMatcher {
    Text(String),
    Fields(MatcherFields),
}

/// All of them, as one list.
fn matchers_of(given: Vec<GivenMatcher>) -> Result<Vec<Matcher>, ApiError> {
    let mut read = Vec::with_capacity(given.len());
    for matcher in given {
        match matcher {
            GivenMatcher::Text(text) => {
                let several = matchers::parse(&text);
                read.extend(several.map_err(|error| ApiError::parameter("matchers", error))?);
            }
            GivenMatcher::Fields(fields) => read.push(
                Matcher::try_from(fields)
                    .map_err(|error| ApiError::parameter("matchers", error))?,
            ),
        }
    }
    Ok(read)
}

/// A JSON body.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        let message = "send JSON, with the header Content-Type: application/json";
        return Err(ApiError::new(ErrorKind::BadData, message));
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await;
    let body = body
        .map_err(|_| ApiError::new(ErrorKind::TooSlow, "the body took too long to arrive"))?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ApiError::new(ErrorKind::TooLarge, "the body is larger than 4 MiB")
            }
            _ => ApiError::new(ErrorKind::BadData, "the body ended too early"),
        })?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::new(ErrorKind::BadData, format!("read body: {error}")))
}

/// A time as RFC 3339.
fn time_of(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    text.map(|text| {
        Timestamp::parse_rfc3339(text).map_err(|error| ApiError::parameter(name, error))
    })
    .transpose()
}

fn spans(spans: &[Span]) -> Value {
    let span =
        |(start, end): &Span| json!({"startsAt": start.to_rfc3339(), "endsAt": end.to_rfc3339()});
    spans.iter().map(span).collect()
}

pub(super) fn success(data: Value) -> Json<Value> {
    Json(json!({"status": "success", "data": data}))
}

impl From<Closed> for ApiError {
    fn from(_: Closed) -> Self {
        Self::new(ErrorKind::Unavailable, "shutting down; ask again later")
    }
}
