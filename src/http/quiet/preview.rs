//! `/api/v1/silences/preview`: what a silence would keep quiet, before there is one.
//!
//! ```text
//! POST {"matchers": ["severity=\"info\"", …], "schedule": […], "hours": 24}
//! {"matched": 3, "firing": 17, "alerts": [{"labels", "annotations", "fingerprint", "startsAt"}, …],
//!  "tooBroad": null | "<why it would be refused>",
//!  "past": {"hours": 24, "alerts": [{"labels", "fingerprint", "lastTold"}, …]},
//!  "next": [{"startsAt", "endsAt"}, …]}
//! ```
//!
//! `past` are the alerts of the last hours that somebody was told of and that match, as the ledger knows them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GivenMatcher, matchers_of, read, spans, success};
use crate::alerts::interval::schedule::Schedule;
use crate::db::ledger::{self, LedgerFilter};
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;

/// Alerts listed at most.
const MOST: usize = 500;
/// Entries of the ledger looked at, newest first.
const ENTRIES: u32 = 2_000;
const HOURS: u64 = 24;
const MOST_HOURS: u64 = 24 * 14;
/// Occurrences listed.
const OCCURRENCES: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    matchers: Vec<GivenMatcher>,
    schedule: Option<Value>,
    hours: Option<u64>,
}

/// What a silence with these matchers would keep quiet.
///
/// # Errors
/// Where the body does not fit or the ledger cannot be read.
pub async fn post(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let given: Given = read(request).await?;
    let matchers = matchers_of(given.matchers)?;
    if matchers.is_empty() {
        let message = "name at least one matcher";
        return Err(ApiError::parameter("matchers", message));
    }
    let schedule = given
        .schedule
        .map(|schedule| Schedule::parse(&schedule.to_string()))
        .transpose()
        .map_err(|error| ApiError::parameter("schedule", error))?;
    let now = context.clock.now();
    let preview = context.alerts.preview(matchers.clone(), MOST).await?;
    let hours = given.hours.unwrap_or(HOURS).min(MOST_HOURS);
    let (past, _) = told_of(&context, matchers, hours, now, usize::MAX).await?;
    let alerts: Vec<Value> = preview
        .alerts
        .iter()
        .map(|shown| {
            json!({
                "labels": shown.alert.labels,
                "annotations": shown.alert.annotations,
                "fingerprint": shown.alert.fingerprint().to_string(),
                "startsAt": shown.alert.starts_at.to_rfc3339(),
            })
        })
        .collect();
    let past: Vec<Value> = past
        .iter()
        .map(|(labels, at)| {
            json!({
                "labels": labels,
                "fingerprint": labels.fingerprint().to_string(),
                "lastTold": at.to_rfc3339(),
            })
        })
        .collect();
    Ok(success(json!({
        "matched": preview.matched,
        "firing": preview.firing,
        "alerts": alerts,
        "tooBroad": preview.too_broad.map(|reason| reason.to_string()),
        "past": {"hours": hours, "alerts": past},
        "next": schedule.map(|schedule| spans(&schedule.upcoming(now, OCCURRENCES))),
    })))
}

/// The alerts that match and that somebody was told of in the last hours, each with when last; and whether that is all, or
/// as far as so many entries of the ledger tell.
pub(in crate::http) async fn told_of(
    context: &Context,
    matchers: Vec<Matcher>,
    hours: u64,
    now: Timestamp,
    effort: usize,
) -> Result<(Vec<(Labels, Timestamp)>, bool), ApiError> {
    let filter = LedgerFilter {
        matchers,
        kinds: vec!["enqueued".to_owned(), "throttled".to_owned()],
        since: Some(now - Duration::from_secs(hours * 3600)),
        ..LedgerFilter::default()
    };
    let page = ledger::page_within(&context.database, &filter, ENTRIES, effort).await;
    let page = page.map_err(|error| {
        tracing::error!(%error, "read ledger");
        ApiError::new(ErrorKind::Internal, "read the ledger")
    })?;
    let mut seen = HashSet::new();
    let mut alerts = Vec::new();
    for entry in page.entries {
        if let Some(labels) = entry.labels
            && alerts.len() < MOST
            && seen.insert(labels.fingerprint())
        {
            alerts.push((labels, entry.at));
        }
    }
    Ok((alerts, page.next.is_none()))
}
