//! `GET /api/v1/rules/generated`: the rules that definitions give, as an ordinary rule file; `If-None-Match`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::Fault;
use super::store;
use crate::db::definitions as rows;
use crate::http::context::Context;
use crate::http::entity_tag;
use crate::http::problem::Problem;
use crate::meaning::generate::{Scope, generate};

pub(super) async fn generated(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    // Read first: an answer may be newer than its tag, never older.
    let tag = format!("W/\"g{}\"", rows::generation(&context.definitions).await?);
    if let Some(response) = entity_tag::not_modified(&headers, &tag) {
        return Ok(response);
    }
    let resources = store(&context, false).all().await?;
    let text = generate(&resources, Scope::Alerts)
        .to_yaml()
        .map_err(|error| {
            tracing::error!(%error, "rules of definitions cannot be written");
            let message = "the rules cannot be written; the log says why";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "SYS_INTERNAL", message)
        })?;
    let response = ([(CONTENT_TYPE, "application/yaml")], text).into_response();
    Ok(entity_tag::tagged(response, &tag))
}
