//! Bodies: JSON, and where definitions are imported YAML, bounded in size and time.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::definitions::yaml;
use crate::http::problem::Problem;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest body of many definitions.
pub(super) const MAX_BULK_BYTES: usize = 16 << 20;

/// In which format a body comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Json,
    Yaml,
}

/// The JSON object that a request carries.
pub(super) async fn object(request: Request) -> Result<Map<String, Value>, Problem> {
    match json(request).await? {
        Value::Object(body) => Ok(body),
        _ => Err(malformed("the body is no JSON object")),
    }
}

/// The JSON that a request carries.
pub(super) async fn json(request: Request) -> Result<Value, Problem> {
    if format(&request) != Some(Format::Json) {
        return Err(wrong_type(
            "send JSON, with the header Content-Type: application/json",
        ));
    }
    parse_json(&bytes(request, "4 MiB").await?)
}

/// The JSON that a request carries, where it carries any.
pub(super) async fn optional_object(request: Request) -> Result<Map<String, Value>, Problem> {
    let length = request.headers().get(axum::http::header::CONTENT_LENGTH);
    let empty = length.is_none_or(|length| length == "0");
    if empty && !request.headers().contains_key(CONTENT_TYPE) {
        return Ok(Map::new());
    }
    object(request).await
}

/// The JSON of many definitions.
pub(super) async fn bulk(request: Request) -> Result<Value, Problem> {
    if format(&request) != Some(Format::Json) {
        return Err(wrong_type(
            "send JSON, with the header Content-Type: application/json",
        ));
    }
    parse_json(&bytes(request, "16 MiB").await?)
}

/// JSON or YAML.
pub(super) async fn document(request: Request) -> Result<Value, Problem> {
    let Some(format) = format(&request) else {
        return Err(wrong_type(
            "send JSON or YAML, with the header Content-Type: application/json or application/yaml",
        ));
    };
    let body = bytes(request, "16 MiB").await?;
    if format == Format::Json {
        return parse_json(&body);
    }
    let Ok(text) = std::str::from_utf8(&body) else {
        return Err(malformed("the body is not UTF-8"));
    };
    match yaml::read("body", text) {
        Ok(read) => Ok(read.value),
        Err(mistakes) => {
            let details = mistakes.iter().map(|mistake| {
                json!({
                    "line": mistake.position.line,
                    "column": mistake.position.column,
                    "message": mistake.message,
                    "remedy": mistake.remedy,
                })
            });
            Err(malformed("the body is no YAML").with_details(details.collect()))
        }
    }
}

fn format(request: &Request) -> Option<Format> {
    let kind = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" | "application/merge-patch+json" => Some(Format::Json),
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
            Some(Format::Yaml)
        }
        _ => None,
    }
}

async fn bytes(request: Request, limit: &str) -> Result<Bytes, Problem> {
    let body = tokio::time::timeout(TIMEOUT, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        let message = "the body took too long to arrive";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "VAL_BODY_TIMEOUT", message)
    })?;
    body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "VAL_BODY_TOO_LARGE",
            format!(
                "the body is larger than {limit}; import large catalogs with `outrigger definitions import`"
            ),
        ),
        _ => malformed("the body ended too early"),
    })
}

fn parse_json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| malformed(&format!("the body is no JSON: {error}")))
}

fn wrong_type(message: &str) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "VAL_CONTENT_TYPE", message)
}

fn malformed(message: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message)
}
