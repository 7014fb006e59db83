//! The definition API and accounts as an OpenAPI 3.1 document, and pages to try them.
//!
//! ```text
//! GET /openapi.json, /openapi.yaml     the document; without accounts where authentication is off
//! GET /api-docs                        Swagger UI for it; asks no other host for anything
//! ```
//!
//! Schemas of definitions come from their rules ([`crate::definitions::schema`]), what a path asks of its caller from
//! [`super::access`], all else from the tables `paths` and `accounts`, which stand beside the routers: a test holds
//! their paths and methods together. Prometheus's and Alertmanager's APIs have documents of their own and are not in it.
//!
//! <https://spec.openapis.org/oas/v3.1.0>

mod accounts;
mod operation;
mod paths;
mod schemas;
#[cfg(test)]
mod tests;
mod ui;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use self::operation::Operation;
use super::context::Context;
use super::entity_tag;

/// The document's routes and those of its pages.
pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/openapi.json", get(as_json))
        .route("/openapi.yaml", get(as_yaml))
        .merge(ui::routes())
}

async fn as_json(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let text = document(context.auth.is_some()).to_string();
    answer(&headers, "application/json", text)
}

async fn as_yaml(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    match serde_yaml::to_string(&document(context.auth.is_some())) {
        Ok(text) => answer(&headers, "application/yaml", text),
        Err(error) => {
            tracing::error!(%error, "write the OpenAPI document as YAML");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(headers: &HeaderMap, content_type: &'static str, text: String) -> Response {
    let tag = entity_tag::of_text(&text);
    entity_tag::not_modified(headers, &tag).unwrap_or_else(|| {
        entity_tag::tagged(([(CONTENT_TYPE, content_type)], text).into_response(), &tag)
    })
}

/// The document; accounts are there only with authentication.
pub fn document(with_accounts: bool) -> Value {
    let mut operations = paths::operations();
    if with_accounts {
        operations.extend(accounts::operations());
    }
    let mut paths = Map::new();
    for operation in &operations {
        let path = paths
            .entry(operation.path.clone())
            .or_insert_with(|| json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = operation.to_json();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Outrigger's definition API",
            "description": "Metric definitions, business domains, objectives with key results, the policies made of them, and accounts.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        // Beside the document, wherever that is served.
        "servers": [{"url": ".", "description": "this Outrigger"}],
        "tags": tags(&operations),
        "paths": paths,
        "components": schemas::components(),
    })
}

fn tags(operations: &[Operation]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for operation in operations {
        if !names.contains(&operation.tag) {
            names.push(operation.tag);
        }
    }
    names.iter().map(|name| json!({"name": name})).collect()
}
