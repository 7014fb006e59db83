//! `POST /api/v1/import`: a catalog, a list of definitions or one, in JSON or YAML, taken over as from a file.
//!
//! The body may stand under `data`, as older clients send it. What is in it is found by [`catalog::items`]. The answer is
//! that of [`super::report`] with `type` (`metrics`, `domains`, `objectives` or `mixed`), `imported` and `total` beside.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::Fault;
use super::report::{self, Report};
use super::{Query, author, body, store, write_scope};
use crate::auth::role::Role;
use crate::definitions::catalog;
use crate::definitions::resource::Kind;
use crate::definitions::store::batch::Task;
use crate::http::context::Context;
use crate::http::identity::{Who, require};
use crate::http::problem::Problem;

/// The most definitions of one request.
const MOST: usize = 5_000;

/// How the body must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Envelope {
    /// With or without `data` around it.
    Optional,
    /// Under `data`.
    Required,
}

pub(super) async fn import(
    envelope: Envelope,
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    let query = Query::of(&request);
    let (mode, strict) = (report::mode(&query)?, query.strict()?);
    let body = body::document(request).await?;
    let body = opened(body, envelope)?;
    let (items, findings) = catalog::items(&body);
    drop(body);
    if items.len() > MOST {
        let message = format!("the body holds more than {MOST} definitions; split it");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message).into());
    }
    let present = |kind: &Kind| items.iter().any(|item| item.kind == *kind);
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(present).collect();
    for kind in &kinds {
        require(&caller, Role::Editor, write_scope(*kind))?;
    }
    let word = match kinds.as_slice() {
        [kind] => kind.plural(),
        _ => "mixed",
    };
    let store = store(&context, strict);
    // What cannot be told apart is refused with the rest.
    let mut real = mode;
    real.dry_run |= mode.atomic && !findings.mistakes.is_empty();
    let tasks = items.into_iter().map(Task::from).collect();
    let items = store
        .batch(tasks, real, author(&caller), context.clock.now())
        .await?;
    let report = Report {
        items,
        body: findings,
        mode,
    };
    let taken = |kind| report.taken(kind);
    let mut more = Map::new();
    more.insert("type".to_owned(), word.into());
    let imported = json!({
        "metrics": taken(Kind::Metric),
        "domains": taken(Kind::Domain),
        "objectives": taken(Kind::Objective),
        "errors": report.errors(),
    });
    more.insert("imported".to_owned(), imported);
    let total: usize = Kind::ALL.into_iter().map(taken).sum();
    more.insert("total".to_owned(), total.into());
    Ok(report.answer(more))
}

/// What stands under `data`, where something does.
fn opened(body: Value, envelope: Envelope) -> Result<Value, Problem> {
    // A metric has a field of this name itself.
    let is_one = catalog::kind_of(&body).is_some();
    match body {
        Value::Object(mut members) if !is_one && members.contains_key("data") => {
            match members.shift_remove("data") {
                Some(Value::Null) | None => Err(nothing()),
                Some(data) => Ok(data),
            }
        }
        _ if envelope == Envelope::Required => Err(nothing()),
        body => Ok(body),
    }
}

fn nothing() -> Problem {
    let message = "the body has no data; write the definitions under data";
    Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message)
}
