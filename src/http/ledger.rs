//! `/api/v2/ledger`, and `/api/v1/notifications/log`, its older name: every decision on every alert.
//!
//! ```text
//! GET /api/v2/ledger?filter[]=alertname="X"&receiver=team&since=2026-01-31T00:00:00Z&limit=100
//! {"status": "success", "data": [{"at", "groupKey", "receiver", "integration", "fingerprint", "labels", "kind",
//!   "reason", "decision"}, ...], "next": "4711"}
//! ```
//!
//! `receiver` is a regular expression for the whole name, as in Alertmanager's API. Newest first. `next` is the `cursor` of the page that follows, absent on the last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::alerts::matchers;
use crate::db::ledger::{self, LedgerEntry, LedgerFilter};
use crate::model::labels::Fingerprint;
use crate::model::matcher::Pattern;

use super::context::Context;
use super::errors::{ApiError, ErrorKind};
use super::params::Params;

/// Entries of a page where the request says nothing.
const PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 10_000;

/// The latest decisions on alerts, newest first.
///
/// # Errors
/// Where a parameter is wrong or the database cannot be read.
pub async fn entries(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let limit = match params.limit()? {
        0 => PAGE,
        limit => limit.min(LARGEST_PAGE),
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let filter = filter(&params)?;
    let page = ledger::page(&context.database, &filter, limit)
        .await
        .map_err(|error| {
            tracing::error!(%error, "read ledger");
            ApiError::new(ErrorKind::Internal, "read the ledger")
        })?;
    let entries: Vec<Value> = page.entries.iter().map(entry_json).collect();
    let mut answer = json!({"status": "success", "data": entries});
    if let Some(next) = page.next {
        answer["next"] = json!(next.to_string());
    }
    Ok(Json(answer))
}

fn filter(params: &Params) -> Result<LedgerFilter, ApiError> {
    let mut filter = LedgerFilter {
        notification: params.get("notification").map(str::to_owned),
        since: params.time("since")?,
        until: params.time("until")?,
        ..LedgerFilter::default()
    };
    if let Some(text) = params.get("receiver") {
        let pattern = Pattern::new(text).map_err(|error| ApiError::parameter("receiver", error))?;
        filter.receiver = Some(pattern);
    }
    let kinds = params.all("kind").filter(|kind| !kind.is_empty());
    filter.kinds = kinds.map(str::to_owned).collect();
    for name in ["filter[]", "filter"] {
        for text in params.all(name) {
            let read = matchers::parse(text).map_err(|error| ApiError::parameter(name, error))?;
            filter.matchers.extend(read);
        }
    }
    if let Some(text) = params.get("fingerprint") {
        let fingerprint = Fingerprint::parse(text)
            .ok_or_else(|| ApiError::parameter("fingerprint", "write 16 hexadecimal digits"))?;
        filter.fingerprint = Some(fingerprint);
    }
    if let Some(text) = params.get("cursor") {
        let cursor = text
            .parse()
            .map_err(|_| ApiError::parameter("cursor", "write the `next` of an earlier answer"))?;
        filter.before = Some(cursor);
    }
    Ok(filter)
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
