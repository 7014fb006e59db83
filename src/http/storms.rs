//! `/api/v1/storms`: receivers whose messages are gathered, and alerts that are held because they flap.
//!
//! ```text
//! GET  /api/v1/storms                  {"status": "success", "data": {"storms": [{"receiver", "since", "alerts", "kinds",
//!   "summaries", "nextSummary", "overAt"}], "flapping": [{"fingerprint", "labels", "changes", "since", "stableAt"}]}}
//! POST /api/v1/storms/{receiver}/end   204; 404 where there is no storm
//! ```
//!
//! A storm that an operator ends begins again only when as many alerts begin anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::context::Context;
use super::errors::{ApiError, ErrorKind};
use crate::alerts::flap::FlapSnapshot;
use crate::alerts::run::Closed;
use crate::alerts::storm::StormSnapshot;

/// The storms that last, by receiver, and the alerts that flap.
///
/// # Errors
/// Where the process shuts down.
pub async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, ApiError> {
    let (storms, flapping) = context.alerts.calming().await.map_err(closed)?;
    let storms: Vec<Value> = storms.iter().map(storm).collect();
    let flapping: Vec<Value> = flapping.iter().map(flap).collect();
    Ok(Json(
        json!({"status": "success", "data": {"storms": storms, "flapping": flapping}}),
    ))
}

/// Ends a receiver's storm: its last message goes out at once.
///
/// # Errors
/// Where there is none, or the process shuts down.
pub async fn end(
    State(context): State<Arc<Context>>,
    Path(receiver): Path<String>,
) -> Result<StatusCode, ApiError> {
    if context.alerts.end_storm(receiver).await.map_err(closed)? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(
        ErrorKind::NotFound,
        "no storm at this receiver; GET /api/v1/storms lists them",
    ))
}

fn storm(storm: &StormSnapshot) -> Value {
    json!({
        "receiver": storm.receiver.as_ref(),
        "since": storm.news.since.to_rfc3339(),
        "alerts": storm.news.alerts,
        "kinds": storm.news.kinds,
        "summaries": storm.summaries,
        "nextSummary": storm.next_summary.to_rfc3339(),
        "overAt": storm.over_at.to_rfc3339(),
    })
}

fn flap(flap: &FlapSnapshot) -> Value {
    json!({
        "fingerprint": flap.labels.fingerprint().to_string(),
        "labels": flap.labels,
        "changes": flap.changes,
        "since": flap.since.to_rfc3339(),
        "stableAt": flap.stable_at.to_rfc3339(),
    })
}

fn closed(_: Closed) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "shutting down; ask again later")
}
