//! Answers: the envelope around stored JSON, revisions as entity tags, and how a refused write is told.

use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::definitions::check::Findings;
use crate::definitions::resource::Kind;
use crate::definitions::store::{Basis, StoreError};
use crate::http::entity_tag;
use crate::http::problem::Problem;

/// An error of this API.
#[derive(Debug)]
pub(super) enum Fault {
    /// In the common form.
    Problem(Box<Problem>),
    /// A metric that is not there, in the form that its clients know.
    NoMetric,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::NoMetric => {
                let status = StatusCode::NOT_FOUND;
                let problem = Problem::new(status, "RES_NOT_FOUND", "Metric not found");
                problem.plain().into_response()
            }
        }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// A resource that is not there.
pub(super) fn missing(kind: Kind) -> Fault {
    match kind {
        Kind::Metric => Fault::NoMetric,
        Kind::Domain | Kind::Objective => {
            let message = format!("there is no such {}", kind.as_str());
            Problem::new(StatusCode::NOT_FOUND, "RES_NOT_FOUND", message).into()
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { kind } => missing(kind),
            StoreError::Invalid(findings) => invalid(&findings).into(),
            other => refused(&other).into(),
        }
    }
}

/// A refused write in the common form.
pub(super) fn refused(error: &StoreError) -> Problem {
    let (status, code) = match error {
        StoreError::NotFound { .. } | StoreError::NoRevision { .. } => {
            (StatusCode::NOT_FOUND, "RES_NOT_FOUND")
        }
        StoreError::Exists { .. } => (StatusCode::CONFLICT, "RES_EXISTS"),
        StoreError::Stale { .. } => (StatusCode::PRECONDITION_FAILED, "RES_STALE"),
        StoreError::ReadOnly { .. } => (StatusCode::CONFLICT, "BIZ_READ_ONLY"),
        StoreError::Invalid(findings) => return invalid(findings),
        StoreError::Database(_) | StoreError::Unreadable { .. } => {
            if let StoreError::Database(error) = error
                && let Some(problem) = Problem::unavailable(error)
            {
                return problem;
            }
            tracing::error!(%error, "definition cannot be read or written");
            let message = "the definitions cannot be read or written; the log says why";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Problem::new(status, "SYS_DATABASE", message);
        }
    };
    Problem::new(status, code, error.to_string())
}

impl From<crate::db::DbError> for Fault {
    fn from(error: crate::db::DbError) -> Self {
        StoreError::from(error).into()
    }
}

fn invalid(findings: &Findings) -> Problem {
    let mut message = "Validation failed for body".to_owned();
    if findings.untold > 0 {
        message = format!(
            "{message}; {} more findings are not listed",
            findings.untold
        );
    }
    Problem::new(StatusCode::BAD_REQUEST, "VAL_FAILED", message)
        .with_details(json!(findings.mistakes))
}

/// JSON that is written already.
pub(super) fn json_text(status: StatusCode, body: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}

/// One resource, with its tag, and with what was odd about it when it was written.
pub(super) fn resource(
    status: StatusCode,
    document: &str,
    revision: i64,
    findings: &Findings,
) -> Response {
    let mut body = format!("{{\"success\":true,\"data\":{document}");
    if !findings.warnings.is_empty() {
        body.push_str(&format!(",\"warnings\":{}", json!(findings.warnings)));
    }
    body.push('}');
    entity_tag::tagged(json_text(status, body), &revision_tag(revision))
}

/// The tag of a revision. An identifier's revisions are never used twice, so it is a strong one.
pub(super) fn revision_tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// Which revisions a write is meant for (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1>); a tag that is none of
/// ours fits no revision.
pub(super) fn basis(headers: &HeaderMap) -> Basis {
    match entity_tag::list(headers, &IF_MATCH) {
        None => Basis::Any,
        Some(tags) if tags.iter().any(|tag| tag == "*") => Basis::Any,
        Some(tags) => Basis::OneOf(tags.iter().filter_map(|tag| revision(tag)).collect()),
    }
}

fn revision(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn tags_of_requests_are_read_as_the_standard_has_them() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_MATCH, HeaderValue::from_static(value));
            }
            headers
        };
        let check = |values: &[&'static str], want: Basis| {
            assert_eq!(basis(&headers(values)), want, "{values:?}");
        };
        check(&[], Basis::Any);
        check(&["*"], Basis::Any);
        check(&["\"7\""], Basis::OneOf(vec![7]));
        check(&["\"7\", \"8\"", "\"9\""], Basis::OneOf(vec![7, 8, 9]));
        for other in ["W/\"7\"", "7", "\"x\"", ""] {
            check(&[other], Basis::OneOf(vec![]));
        }
    }
}
