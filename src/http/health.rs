//! Probes: whether the process lives, has started, and can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::context::{Context, Readiness};
use crate::db::sql::postgres::Condition;

/// Answers as long as the process answers at all.
pub async fn live(State(context): State<Arc<Context>>) -> &'static str {
    match context.upstream_only {
        true => "OK",
        false => "Outrigger is Healthy.\n",
    }
}

/// 200 once the process works, 503 while it starts or stops.
pub async fn ready(State(context): State<Arc<Context>>) -> Response {
    match *context.readiness.borrow() {
        Readiness::Ready if context.upstream_only => (StatusCode::OK, "OK").into_response(),
        Readiness::Ready => {
            // Alerting does not depend on it: the sidecar stays ready.
            let degraded = degraded(&context);
            let degraded = degraded.map(|what| format!("Degraded: definitions: {what}.\n"));
            let text = format!("Outrigger is Ready.\n{}", degraded.unwrap_or_default());
            (StatusCode::OK, text).into_response()
        }
        Readiness::Starting => {
            (StatusCode::SERVICE_UNAVAILABLE, "Outrigger is starting.\n").into_response()
        }
        Readiness::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, "Outrigger is stopping.\n").into_response()
        }
    }
}

/// What is wrong with the database of definitions and accounts, where something is. Why is for the log: probes are open.
fn degraded(context: &Context) -> Option<String> {
    let Condition::Down {
        since,
        snapshot_age,
        ..
    } = context.definitions.condition()
    else {
        return None;
    };
    let down = context.clock.now().since(since).as_secs();
    let reads = match snapshot_age {
        Some(age) => format!("reads are answered as of {} s ago", age.as_secs()),
        None => "nothing can be read".to_owned(),
    };
    Some(format!(
        "the database is down for {down} s, {reads}, nothing can be written"
    ))
}

/// 200 once the start is over, for a start-up probe; stays so until the end.
pub async fn startup(State(context): State<Arc<Context>>) -> Response {
    match *context.readiness.borrow() {
        Readiness::Starting => {
            (StatusCode::SERVICE_UNAVAILABLE, "Outrigger is starting.\n").into_response()
        }
        Readiness::Ready | Readiness::Stopping => {
            (StatusCode::OK, "Outrigger has started.\n").into_response()
        }
    }
}

/// What works and what does not, part by part; 503 where a part that alerting depends on does not.
pub async fn health(State(context): State<Arc<Context>>) -> Response {
    let stats = context.storage.stats();
    let reload_ok = context
        .configuration
        .borrow()
        .last_reload
        .as_ref()
        .is_none_or(|reload| reload.mistakes.is_empty());
    let database = context.database.ping().await;
    let ready = *context.readiness.borrow() == Readiness::Ready;
    let healthy = ready && database.is_ok();
    let definitions = degraded(&context);
    let status = if !healthy {
        "failing"
    } else if stats.wal_failing || !reload_ok || definitions.is_some() {
        "degraded"
    } else {
        "ok"
    };
    let part = |ok: bool, bad: &str| if ok { "ok".to_owned() } else { bad.to_owned() };
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": context.clock.now().since(context.started).as_secs(),
        "parts": {
            "process": part(ready, "starting or stopping"),
            "database": database.map_or_else(|error| error.to_string(), |()| "ok".to_owned()),
            "definitions": definitions.unwrap_or_else(|| "ok".to_owned()),
            "storage": part(!stats.wal_failing, "samples cannot be written to disk; kept in memory"),
            "configuration": part(reload_ok, "the last reload was refused; the status page says why"),
        },
    });
    let code = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body)).into_response()
}
