//! Alertmanager's HTTP API v2, in its shapes, status codes and error bodies:
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>
//!
//! Two kinds of error body exist upstream: `{"code":…,"message":…}` where a request does not fit the API's description, a
//! bare JSON text where it fits and is refused. The texts are our own where upstream's are those of Go's libraries.

pub mod alerts;
mod body;
pub mod filter;
pub mod silences;
pub mod status;
mod time;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::alerts::run::{Closed, PostError};

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
            Self::Refused(status, message) => {
                // Upstream writes it with an encoder that ends the line.
                let body = format!("{}\n", serde_json::Value::from(message));
                (status, [(CONTENT_TYPE, "application/json")], body).into_response()
            }
            Self::Absent => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

impl From<PostError> for Fault {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Closed(closed) => closed.into(),
            PostError::Unwritten(error) => {
                Self::Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
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
