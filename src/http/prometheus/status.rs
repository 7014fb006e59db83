//! `/api/v1/status/*`, `/-/reload` and the notification log.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::db::ledger::{self, LedgerEntry, LedgerFilter};
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::params::Params;
use crate::model::labels::Fingerprint;

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
pub async fn reload(State(context): State<Arc<Context>>) -> Response {
    match (context.reload)().await {
        Ok(()) => (StatusCode::OK, "configuration reloaded\n").into_response(),
        Err(mistakes) => {
            let mut text = String::from("reload refused; the old configuration goes on:\n");
            for mistake in mistakes {
                writeln!(text, "{mistake}").expect("writing to a string cannot fail");
            }
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}

/// The latest decisions on alerts, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn notifications(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let limit = params.limit()?;
    let limit = if limit == 0 { 1000 } else { limit.min(10_000) };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let filter = LedgerFilter {
        fingerprint: match params.get("fingerprint") {
            None => None,
            Some(text) => Some(parse_fingerprint(text).ok_or_else(|| {
                ApiError::parameter("fingerprint", "write 16 hexadecimal digits")
            })?),
        },
        notification: params.get("notification").map(str::to_owned),
        kind: params.get("kind").map(str::to_owned),
    };
    let entries = ledger::recent(&context.database, &filter, limit)
        .await
        .map_err(|error| {
            tracing::error!(%error, "read ledger");
            ApiError::new(ErrorKind::Internal, "read the notification log")
        })?;
    let entries: Vec<Value> = entries.iter().map(entry_json).collect();
    Ok(Json(json!({"status": "success", "data": entries})))
}

/// One decision; of a notification as a whole where there are no labels.
fn entry_json(entry: &LedgerEntry) -> Value {
    json!({
        "at": entry.at.to_rfc3339(),
        "groupKey": entry.group_key.as_ref(),
        "receiver": entry.receiver.as_ref(),
        "integration": entry.integration.as_ref(),
        "fingerprint": entry.labels.as_ref().map(|labels| labels.fingerprint().to_string()),
        "labels": entry.labels,
        "kind": entry.decision.kind(),
        "reason": entry.decision.to_string(),
        "decision": entry.decision,
    })
}

fn parse_fingerprint(text: &str) -> Option<Fingerprint> {
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| text.len() == 16)
        .map(Fingerprint)
}
