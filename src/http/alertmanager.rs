//! Alertmanager's HTTP API v2, in its shapes, status codes and error bodies:
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>
//!
//! Two kinds of error body exist upstream: `{"code":…,"message":…}` where a request does not fit the API's description, a
//! bare JSON text where it fits and is refused. The texts are our own where upstream's are those of Go's libraries.

pub mod alerts;
pub mod filter;
pub mod silences;
pub mod status;
mod time;

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::alerts::run::Closed;

/// The largest body: some ten thousands of alerts.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A required value is missing; go-openapi's code.
const REQUIRED: u16 = 602;
/// A value has the wrong form.
const FORM: u16 = 601;
/// A list is too short.
const TOO_FEW: u16 = 612;

/// How a request fails.
#[derive(Debug)]
pub enum Fault {
    /// It does not fit the API's description.
    Description(StatusCode, u16, String),
    /// It is refused.
    Refused(StatusCode, String),
    /// There is no such thing.
    Absent,
}

impl Fault {
    fn required(name: &str) -> Self {
        Self::described(REQUIRED, format!("{name} in body is required"))
    }

    fn described(code: u16, message: String) -> Self {
        Self::Description(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, message.into())
    }

    fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Description(status, status.as_u16(), message.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Description(status, code, message) => {
                (status, Json(json!({"code": code, "message": message}))).into_response()
            }
            Self::Refused(status, message) => (status, Json(message)).into_response(),
            Self::Absent => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

impl From<Closed> for Fault {
    fn from(_: Closed) -> Self {
        Self::Refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting down; ask again later".to_owned(),
        )
    }
}

/// A JSON body; `name` is what upstream calls it.
async fn read<T: DeserializeOwned>(request: Request, name: &str) -> Result<T, Fault> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map_or("application/octet-stream", str::trim);
    if !kind.eq_ignore_ascii_case("application/json") {
        let message =
            format!("unsupported media type {kind:?}, only [application/json] are allowed");
        return Err(Fault::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let bytes = body(request.into_body()).await?;
    if bytes.is_empty() {
        return Err(Fault::required(name));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("parsing {name} body failed: {error}");
        Fault::plain(StatusCode::BAD_REQUEST, message)
    })
}

async fn body(body: Body) -> Result<Bytes, Fault> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    let read = read.map_err(|_| {
        Fault::plain(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )
    })?;
    read.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if too_large {
            let message = "the body is larger than 16 MiB; send fewer alerts at once";
            Fault::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
        } else {
            Fault::plain(StatusCode::BAD_REQUEST, "the body ended too early")
        }
    })
}
