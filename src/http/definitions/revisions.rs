//! Old revisions of a definition: read, compared, brought back.
//!
//! ```text
//! GET  …/{id}/history/{revision}         {"data": {revision, version, …, "document": {…} | null}}
//! GET  …/{id}/history/diff?from=1&to=3   {"data": {"from": {…}, "to": {…}, "changes": [{field, change, before, after}]}}
//! POST …/{id}/restore                    {"revision": 1}; without one, a removed definition is what it was last
//! ```
//!
//! Without `to` the newest revision is meant, without `from` the one before `to`. What Outrigger keeps itself (version,
//! history, who and when) is no change.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::items::identifier;
use super::{Query, author, body, parameter, store, write_scope};
use crate::auth::role::Role;
use crate::db::definitions::{self as rows, HistoryRow, revisions};
use crate::definitions::diff::{Difference, differences};
use crate::definitions::resource::Kind;
use crate::definitions::versioning;
use crate::http::context::Context;
use crate::http::identity::{Who, require};
use crate::http::problem::Problem;

type Shared = State<Arc<Context>>;
type Id = Result<Path<String>, PathRejection>;

/// One write, without its document.
pub(super) fn shown(row: &HistoryRow) -> Value {
    json!({
        "revision": row.revision,
        "version": row.version,
        "change_type": row.change_type,
        "timestamp": row.changed_at.to_rfc3339(),
        "changed_by": row.changed_by,
        "changes_summary": row.summary,
        "fields_changed": row.fields,
    })
}

pub(super) async fn one(
    kind: Kind,
    State(context): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Fault> {
    let (id, revision) = match path {
        Ok(Path((id, revision))) => (identifier(Ok(Path(id)))?, revision),
        Err(error) => (identifier(Err(error))?, String::new()),
    };
    let revision = revision.parse();
    let revision = revision.map_err(|_| parameter("revision", "write a whole number"))?;
    let row = read(&context, kind, &id, revision).await?;
    let mut data = shown(&row);
    data["document"] = document(&row)?.unwrap_or_default();
    Ok(Json(json!({"success": true, "data": data})))
}

pub(super) async fn diff(
    kind: Kind,
    State(context): Shared,
    id: Id,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let id = identifier(id)?;
    let query = Query::of(&request);
    let to = match query.number("to", 1, i64::MAX)? {
        Some(to) => to,
        None => {
            let (newest, _) = rows::history(&context.definitions, kind.as_str(), &id, 1, 0).await?;
            newest
                .first()
                .ok_or_else(|| answer::missing(kind))?
                .revision
        }
    };
    let from = query
        .number("from", 1, i64::MAX)?
        .unwrap_or((to - 1).max(1));
    let (from, to) = (
        read(&context, kind, &id, from).await?,
        read(&context, kind, &id, to).await?,
    );
    let empty = || json!({});
    let before = document(&from)?.unwrap_or_else(empty);
    let after = document(&to)?.unwrap_or_else(empty);
    let changes = differences(&before, &after, versioning::kept(kind));
    let changes: Vec<Value> = changes.iter().map(Difference::to_json).collect();
    let data = json!({"from": shown(&from), "to": shown(&to), "changes": changes});
    Ok(Json(json!({"success": true, "data": data})))
}

pub(super) async fn restore(
    kind: Kind,
    State(context): Shared,
    Who(caller): Who,
    id: Id,
    request: Request,
) -> Result<Response, Fault> {
    require(&caller, Role::Editor, write_scope(kind))?;
    let id = identifier(id)?;
    let basis = answer::basis(request.headers());
    let body = body::optional_object(request).await?;
    let revision = match body.get("revision") {
        None | Some(Value::Null) => None,
        Some(revision) => {
            let revision = revision.as_i64().filter(|revision| *revision > 0);
            Some(revision.ok_or_else(|| parameter("revision", "write a whole number above 0"))?)
        }
    };
    let (store, now) = (store(&context, false), context.clock.now());
    let saved = store
        .restore((kind, &id), revision, &basis, author(&caller), now)
        .await?;
    let stored = &saved.stored;
    Ok(answer::resource(
        StatusCode::OK,
        &stored.document,
        stored.revision,
        &saved.findings,
    ))
}

async fn read(context: &Context, kind: Kind, id: &str, revision: i64) -> Result<HistoryRow, Fault> {
    let row = revisions::get(&context.definitions, kind.as_str(), id, revision).await?;
    row.ok_or_else(|| {
        let message = format!("there is no revision {revision} of this {}", kind.as_str());
        Problem::new(StatusCode::NOT_FOUND, "RES_NOT_FOUND", message).into()
    })
}

fn document(row: &HistoryRow) -> Result<Option<Value>, Problem> {
    let parsed = row.document.as_deref().map(serde_json::from_str);
    parsed.transpose().map_err(|error: serde_json::Error| {
        tracing::error!(%error, "read an old revision");
        super::internal()
    })
}
