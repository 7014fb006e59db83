//! `/api/v1/bulk/{metrics,domains,objectives}`: many at once.
//!
//! ```text
//! POST    {"items": [{…}, …]}            makes them
//! PUT     {"items": [{"metric_id": "A", "revision": 3, …}, …]}   as PUT of each; revision: only at this one
//! PATCH   the same, as PATCH of each
//! DELETE  {"ids": ["A", …]}, or {"items": [{"metric_id": "A", "revision": 3}, …]}
//! ```
//!
//! `?atomic=false` writes those that are not refused, `?dry_run=true` nothing. A list may stand without its object.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};

use super::answer::Fault;
use super::report::{self, Report};
use super::{Query, author, body, store, write_scope};
use crate::auth::role::Role;
use crate::definitions::change::Merge;
use crate::definitions::check::{FindingKind, Findings};
use crate::definitions::resource::Kind;
use crate::definitions::store::Basis;
use crate::definitions::store::batch::{Task, Write};
use crate::http::context::Context;
use crate::http::identity::{Who, require};
use crate::http::problem::Problem;

/// The most items of one request.
pub(super) const MOST: usize = 1_000;

pub(super) async fn write(
    kind: Kind,
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    let method = request.method().clone();
    let role = match method {
        Method::DELETE => Role::Admin,
        _ => Role::Editor,
    };
    require(&caller, role, write_scope(kind))?;
    let query = Query::of(&request);
    let (mode, strict) = (report::mode(&query)?, query.strict()?);
    let tasks = tasks(kind, &method, body::bulk(request).await?)?;
    let store = store(&context, strict);
    let author = author(&caller);
    let items = store
        .batch(tasks, mode, author, context.clock.now())
        .await?;
    let report = Report {
        items,
        body: Findings::default(),
        mode,
    };
    Ok(report.answer(Map::new()))
}

fn tasks(kind: Kind, method: &Method, body: Value) -> Result<Vec<Task>, Problem> {
    let wrong = |message: String| Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message);
    let list = match body {
        Value::Array(list) => Some(list),
        Value::Object(mut body) => {
            let ids = (*method == Method::DELETE).then(|| body.shift_remove("ids"));
            match ids.flatten().or_else(|| body.shift_remove("items")) {
                Some(Value::Array(list)) => Some(list),
                _ => None,
            }
        }
        _ => None,
    };
    let list = list.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| wrong("the body holds no list under items".to_owned()))?;
    if list.len() > MOST {
        return Err(wrong(format!(
            "the body holds more than {MOST} items; split it"
        )));
    }
    let list = list.into_iter().enumerate();
    Ok(list
        .map(|(i, value)| task(kind, method, i, value))
        .collect())
}

fn task(kind: Kind, method: &Method, i: usize, value: Value) -> Task {
    let mut findings = Findings::default();
    let write = if *method == Method::POST {
        Write::Create(value)
    } else {
        existing(kind, method, value, &mut findings)
    };
    Task {
        place: format!("[{i}]"),
        kind,
        write,
        findings,
    }
}

fn existing(kind: Kind, method: &Method, value: Value, findings: &mut Findings) -> Write {
    let mut body = match value {
        Value::Object(body) => body,
        Value::String(id) if *method == Method::DELETE => {
            Map::from_iter([(kind.id_field().to_owned(), id.into())])
        }
        _ => {
            findings.mistake("", FindingKind::Type, "is no object", "write an object");
            return Write::Refuse;
        }
    };
    let id = match body.get(kind.id_field()).and_then(Value::as_str) {
        Some(id) => id.trim().to_owned(),
        None => {
            let message = "is missing or no text";
            findings.mistake(
                kind.id_field(),
                FindingKind::Missing,
                message,
                "say which one is meant",
            );
            return Write::Refuse;
        }
    };
    let basis = match body.shift_remove("revision") {
        None | Some(Value::Null) => Basis::Any,
        Some(revision) => match revision.as_i64() {
            Some(revision) => Basis::OneOf(vec![revision]),
            None => {
                let message = "is no whole number";
                let remedy = "write the number in the ETag, or leave it out";
                findings.mistake("revision", FindingKind::Type, message, remedy);
                return Write::Refuse;
            }
        },
    };
    let merge = match *method {
        Method::DELETE => return Write::Remove { id, basis },
        Method::PATCH => Merge::Deep,
        _ => Merge::Fields,
    };
    Write::Update {
        id,
        body,
        merge,
        basis,
    }
}
