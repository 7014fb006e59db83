//! Policies made of metrics.
//!
//! ```text
//! GET /api/v1/metrics/{id}/policy      {"success": true, "data": {metric_id, policy, package}}
//! GET /api/v1/policies                 {"success": true, "data": [{metric_id, policy, package}], "count": n}
//! GET /api/v1/policies/bundle.tar.gz   what an Open Policy Agent takes as a bundle; If-None-Match
//! GET /api/metrics/{id}/policy         its Rego, as text/plain
//! GET /api/policies                    {"success": true, "data": {"<name>.rego": Rego}, "count": n}
//! ```

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer::{self, Fault};
use super::items::identifier;
use super::store;
use crate::db::definitions as rows;
use crate::definitions::policy::{self, Module};
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::entity_tag;
use crate::http::problem::Problem;

pub(super) async fn one(
    State(context): State<Arc<Context>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    tagged(&context, &headers, |modules| {
        let module = modules.iter().find(|module| module.metric_id == id);
        let module = module.ok_or_else(|| answer::missing(Kind::Metric))?;
        Ok(Json(json!({"success": true, "data": shown(module)})).into_response())
    })
    .await
}

pub(super) async fn all(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    tagged(&context, &headers, |modules| {
        let data: Vec<Value> = modules.iter().map(shown).collect();
        let count = data.len();
        Ok(Json(json!({"success": true, "data": data, "count": count})).into_response())
    })
    .await
}

/// The Rego of a metric alone, as the older path has it.
pub(super) async fn text(
    State(context): State<Arc<Context>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    tagged(&context, &headers, |modules| {
        let module = modules.iter().find(|module| module.metric_id == id);
        let module = module.ok_or_else(|| answer::missing(Kind::Metric))?;
        let kind = (CONTENT_TYPE, "text/plain; charset=utf-8");
        Ok(([kind], module.text.clone()).into_response())
    })
    .await
}

/// All policies by the name of their file, as the older path has them.
pub(super) async fn files(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    tagged(&context, &headers, |modules| {
        let file = |module: &Module| (format!("{}.rego", module.name), module.text.clone().into());
        let data: Map<String, Value> = modules.iter().map(file).collect();
        let count = data.len();
        Ok(Json(json!({"success": true, "data": data, "count": count})).into_response())
    })
    .await
}

pub(super) async fn bundle(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let revision = format!("g{}", rows::generation(&context.definitions).await?);
    tagged(&context, &headers, |modules| {
        let bytes = policy::bundle(modules, &revision).map_err(|error| {
            tracing::error!(%error, "policies cannot be bundled");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(
                status,
                "SYS_INTERNAL",
                "the policies cannot be bundled; the log says why",
            )
        })?;
        let kind = (CONTENT_TYPE, "application/gzip");
        let place = (
            CONTENT_DISPOSITION,
            "attachment; filename=\"bundle.tar.gz\"",
        );
        Ok(([kind, place], bytes).into_response())
    })
    .await
}

/// An answer made of all policies, tagged with the definitions' generation; 304 where the caller has it.
async fn tagged(
    context: &Context,
    headers: &HeaderMap,
    answer: impl FnOnce(&[Module]) -> Result<Response, Fault>,
) -> Result<Response, Fault> {
    // Read first: an answer may be newer than its tag, never older.
    let generation = rows::generation(&context.definitions).await?;
    let tag = format!("W/\"g{generation}\"");
    if let Some(response) = entity_tag::not_modified(headers, &tag) {
        return Ok(response);
    }
    let metrics = store(context, false).metrics().await?;
    let response = answer(&policy::modules(&metrics))?;
    Ok(entity_tag::tagged(response, &tag))
}

fn shown(module: &Module) -> Value {
    json!({"metric_id": module.metric_id, "policy": module.text, "package": module.package})
}
