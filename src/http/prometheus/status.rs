//! `/api/v1/status/*` and `/-/reload`.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::auth::caller::Caller;
use crate::http::context::Context;
use crate::http::identity::Who;

/// Version of the running binary, under Prometheus's keys.
pub async fn buildinfo() -> Json<Value> {
    Json(json!({"status": "success", "data": {
        "version": env!("CARGO_PKG_VERSION"),
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }}))
}

/// When the process started and what it holds.
pub async fn runtimeinfo(State(context): State<Arc<Context>>) -> Json<Value> {
    let stats = context.storage.stats();
    let configuration = context.configuration.borrow().clone();
    let reload_ok = configuration
        .last_reload
        .as_ref()
        .is_none_or(|reload| reload.mistakes.is_empty());
    Json(json!({"status": "success", "data": {
        "startTime": context.started.to_rfc3339(),
        "reloadConfigSuccess": reload_ok,
        "lastConfigTime": configuration.loaded_at.to_rfc3339(),
        "timeSeriesCount": stats.series,
        "chunkCount": stats.chunks,
        "corruptionCount": 0,
    }}))
}

/// The configuration that runs, secrets hidden.
pub async fn config(State(context): State<Arc<Context>>) -> Json<Value> {
    Json(json!({"status": "success", "data": {"yaml": context.configuration.borrow().text}}))
}

/// Loads the configuration again: 200, or 400 with every mistake, the old configuration going on.
pub async fn reload(State(context): State<Arc<Context>>, Who(caller): Who) -> Response {
    let reason = match &caller {
        Caller::User(_) => format!("POST /-/reload by {}", caller.name()),
        Caller::Anonymous(_) => "POST /-/reload".to_owned(),
    };
    match (context.reload)(reason).await {
        Ok(()) => (StatusCode::OK, "configuration reloaded\n").into_response(),
        Err(mistakes) => {
            let mut text = String::from("reload refused; the old configuration goes on:\n");
            for mistake in mistakes {
                writeln!(text, "{mistake}").expect("writing to a string cannot fail");
            }
            let status = match context.upstream_only {
                true => StatusCode::INTERNAL_SERVER_ERROR,
                false => StatusCode::BAD_REQUEST,
            };
            (status, text).into_response()
        }
    }
}
