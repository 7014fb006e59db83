//! `/api/v1/recurring-silences` and `/api/v1/recurring-silences/{id}`.
//!
//! ```text
//! POST {"matchers": ["alertname=\"Backup\"", …], "schedule": [{"times", "weekdays", "days_of_month", "months", "years",
//!       "location"}, …], "startsAt", "endsAt", "createdBy", "comment", "force"}
//! {"id", "matchers", "schedule", "startsAt", "endsAt", "updatedAt", "createdBy", "comment",
//!  "active": "<silence id>", "next": [{"startsAt", "endsAt"}, …]}
//! ```
//!
//! The schedule has the form of `time_intervals` in an `alertmanager.yml`; it holds where any entry does. While it holds there
//! is an ordinary silence, which Alertmanager's API shows and can expire. PUT changes one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GivenMatcher, matchers_of, read, spans, success, time_of};
use crate::alerts::recurring::{RecurringError, RecurringRequest, RecurringShown};
use crate::alerts::run::recurring::RecurringChangeError;
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::model::silence::MatcherFields;
use crate::model::timestamp::Timestamp;

/// All of them, by their comment.
///
/// # Errors
/// Where the dispatcher has ended.
pub async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, ApiError> {
    let all = context.alerts.recurring().await?;
    Ok(success(all.iter().map(shown).collect()))
}

/// One of them.
///
/// # Errors
/// Where there is none of this id.
pub async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    answer(&context, &id).await
}

/// Makes one; answers when it is on the disk.
///
/// # Errors
/// Where the body does not fit, it is refused or cannot be written.
pub async fn post(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    set(&context, None, request).await
}

/// Changes one; answers when that is on the disk.
///
/// # Errors
/// Where there is none of this id, or as for a new one.
pub async fn put(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    set(&context, Some(id), request).await
}

/// Removes one, and ends the silence that is active because of it; answers when that is on the disk.
///
/// # Errors
/// Where there is none of this id, or it cannot be written.
pub async fn remove(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = context.alerts.remove_recurring(id).await.map_err(fault)?;
    Ok(success(json!({"id": &*id})))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    matchers: Vec<GivenMatcher>,
    schedule: Value,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    force: bool,
}

async fn set(
    context: &Context,
    id: Option<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let given: Given = read(request).await?;
    let request = RecurringRequest {
        id,
        matchers: matchers_of(given.matchers)?,
        schedule: given.schedule.to_string(),
        starts_at: time_of("startsAt", given.starts_at.as_deref())?,
        ends_at: time_of("endsAt", given.ends_at.as_deref())?,
        created_by: given.created_by,
        comment: given.comment,
        force: given.force,
    };
    let id = context.alerts.set_recurring(request).await.map_err(fault)?;
    answer(context, &id).await
}

async fn answer(context: &Context, id: &str) -> Result<Json<Value>, ApiError> {
    let all = context.alerts.recurring().await?;
    let found = all.iter().find(|shown| &*shown.recurring.id == id);
    let found = found.ok_or_else(|| fault(RecurringError::NotFound.into()))?;
    Ok(success(shown(found)))
}

/// How a change that was not made is told.
pub(in crate::http) fn fault(error: RecurringChangeError) -> ApiError {
    match error {
        RecurringChangeError::Refused(error) => {
            let kind = match error {
                RecurringError::NotFound => ErrorKind::NotFound,
                RecurringError::Schedule(_)
                | RecurringError::Matchers(_)
                | RecurringError::TooBroad(_)
                | RecurringError::EndsFirst
                | RecurringError::NoAuthor
                | RecurringError::TooMany => ErrorKind::BadData,
            };
            ApiError::new(kind, error.to_string())
        }
        RecurringChangeError::Unwritten(error) => {
            tracing::error!(%error, "recurring silence cannot be written");
            let message = "the recurring silence could not be written; the log says why";
            ApiError::new(ErrorKind::Internal, message)
        }
        RecurringChangeError::Closed(closed) => closed.into(),
    }
}

fn shown(shown: &RecurringShown) -> Value {
    let recurring = &shown.recurring;
    let matchers: Vec<MatcherFields> = recurring.matchers.iter().map(Into::into).collect();
    let time = |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339);
    let schedule: Value = serde_json::from_str(&recurring.schedule)
        .unwrap_or_else(|_| Value::String(recurring.schedule.clone()));
    json!({
        "id": &*recurring.id,
        "matchers": matchers,
        "schedule": schedule,
        "startsAt": time(recurring.starts_at),
        "endsAt": time(recurring.ends_at),
        "updatedAt": recurring.updated_at.to_rfc3339(),
        "createdBy": recurring.created_by,
        "comment": recurring.comment,
        "active": shown.active.as_deref(),
        "next": spans(&shown.upcoming),
    })
}
