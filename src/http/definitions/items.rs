//! One resource: made, read, changed, removed.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::{self, Fault};
use super::{Query, author, body, parameter, store, write_scope};
use crate::auth::role::Role;
use crate::db::definitions as rows;
use crate::definitions::change::Merge;
use crate::definitions::check::Findings;
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::entity_tag;
use crate::http::identity::{Who, require};

type Id = Result<Path<String>, PathRejection>;
type Shared = State<Arc<Context>>;

/// The identifier in a path.
pub(super) fn identifier(id: Id) -> Result<String, Fault> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match id {
        Ok(Path(id)) if id.len() <= 100 && id.bytes().all(fits) => Ok(id),
        _ => Err(parameter("id", "write 1 to 100 letters, digits, _ and -").into()),
    }
}

pub(super) async fn one(
    kind: Kind,
    State(context): Shared,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    let stored = rows::get(&context.definitions, kind.as_str(), &id).await?;
    let stored = stored.ok_or_else(|| answer::missing(kind))?;
    let tag = answer::revision_tag(stored.revision);
    if let Some(response) = entity_tag::not_modified(&headers, &tag) {
        return Ok(response);
    }
    let (document, revision) = (&stored.document, stored.revision);
    Ok(answer::resource(
        StatusCode::OK,
        document,
        revision,
        &Findings::default(),
    ))
}

pub(super) async fn create(
    kind: Kind,
    State(context): Shared,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    require(&caller, Role::Editor, write_scope(kind))?;
    let strict = Query::of(&request).strict()?;
    let body = body::object(request).await?.into();
    let author = author(&caller);
    let store = store(&context, strict);
    let saved = store
        .create(kind, &body, author, context.clock.now())
        .await?;
    let stored = &saved.stored;
    let mut response = answer::resource(
        StatusCode::CREATED,
        &stored.document,
        stored.revision,
        &saved.findings,
    );
    let place = format!("/api/v1/{}/{}", kind.plural(), stored.id);
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

pub(super) async fn put(
    kind: Kind,
    context: Shared,
    who: Who,
    id: Id,
    request: Request,
) -> Result<Response, Fault> {
    change(kind, Merge::Fields, context, who, id, request).await
}

pub(super) async fn patch(
    kind: Kind,
    context: Shared,
    who: Who,
    id: Id,
    request: Request,
) -> Result<Response, Fault> {
    change(kind, Merge::Deep, context, who, id, request).await
}

async fn change(
    kind: Kind,
    merge: Merge,
    State(context): Shared,
    Who(caller): Who,
    id: Id,
    request: Request,
) -> Result<Response, Fault> {
    require(&caller, Role::Editor, write_scope(kind))?;
    let id = identifier(id)?;
    let strict = Query::of(&request).strict()?;
    let basis = answer::basis(request.headers());
    let body = body::object(request).await?;
    let author = author(&caller);
    let (store, now) = (store(&context, strict), context.clock.now());
    let saved = store
        .update((kind, &id), &body, merge, &basis, author, now)
        .await?;
    let stored = &saved.stored;
    let status = StatusCode::OK;
    Ok(answer::resource(
        status,
        &stored.document,
        stored.revision,
        &saved.findings,
    ))
}

pub(super) async fn remove(
    kind: Kind,
    State(context): Shared,
    Who(caller): Who,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    require(&caller, Role::Admin, write_scope(kind))?;
    let id = identifier(id)?;
    let author = author(&caller);
    let (store, now) = (store(&context, false), context.clock.now());
    store
        .remove((kind, &id), &answer::basis(&headers), author, now)
        .await?;
    let what = match kind {
        Kind::Metric => "Metric",
        Kind::Domain => "Domain",
        Kind::Objective => "Objective",
    };
    let body = json!({"success": true, "message": format!("{what} deleted successfully")});
    Ok(axum::Json(body).into_response())
}
