//! Bodies: JSON, bounded in size and time.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The JSON object that a request carries.
pub(super) async fn object(request: Request) -> Result<Map<String, Value>, Problem> {
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()?.split(';').next());
    let is_json = kind.is_some_and(|kind| {
        let kind = kind.trim().to_ascii_lowercase();
        kind == "application/json" || kind == "application/merge-patch+json"
    });
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "VAL_CONTENT_TYPE",
            "send JSON, with the header Content-Type: application/json",
        ));
    }
    let body = tokio::time::timeout(TIMEOUT, Bytes::from_request(request, &())).await;
    let body = body
        .map_err(|_| {
            let message = "the body took too long to arrive";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "VAL_BODY_TIMEOUT", message)
        })?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "VAL_BODY_TOO_LARGE",
                "the body is larger than 4 MiB; import large catalogs with `outrigger definitions import`",
            ),
            _ => malformed("the body ended too early"),
        })?;
    let value = serde_json::from_slice(&body)
        .map_err(|error| malformed(&format!("the body is no JSON: {error}")))?;
    match value {
        Value::Object(body) => Ok(body),
        _ => Err(malformed("the body is no JSON object")),
    }
}

fn malformed(message: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message)
}
