//! `/api/v1/acks` and `/api/v1/acks/{id}`.
//!
//! ```text
//! POST {"alerts": ["<fingerprint>", …] | "matchers": ["severity=\"critical\"", …] | "group": "<group key>",
//!       "owner": "ann", "note": "on it", "expiresIn": "4h" | "never", "expiresAt": "2026-11-20T18:00:00Z"}
//! {"id", "owner", "note", "createdAt", "expiresAt", "state": "active" | "ended", "endedAt",
//!  "alerts": [{"fingerprint", "labels", "endedAt", "why"}, …]}
//! ```
//!
//! An ack covers the alerts that fire when it is made. An answer means that it is on the disk.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GivenMatcher, matchers_of, read, success};
use crate::alerts::ack::{AckError, AckExpiry, AckRequest, AckTarget};
use crate::alerts::run::acks::AckChangeError;
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::params::Params;
use crate::model::ack::Ack;
use crate::model::duration;
use crate::model::labels::Fingerprint;
use crate::model::timestamp::Timestamp;

/// Acks, the newest first; those that hold alone where `active=true`.
///
/// # Errors
/// Where the dispatcher has ended.
pub async fn list(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let active = params.get("active") == Some("true");
    let mut acks = context.alerts.acks().await?;
    acks.retain(|ack| !active || ack.holds());
    acks.sort_by_key(|ack| (!ack.holds(), Reverse(ack.created_at), Arc::clone(&ack.id)));
    let acks = acks.iter().map(|ack| shown(ack)).collect();
    Ok(success(Value::Array(acks)))
}

/// One ack.
///
/// # Errors
/// Where there is none of this id.
pub async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let ack = context.alerts.ack(id).await?;
    let ack = ack.ok_or_else(|| refused(&AckError::NotFound))?;
    Ok(success(shown(&ack)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    #[serde(default)]
    alerts: Vec<String>,
    #[serde(default)]
    matchers: Vec<GivenMatcher>,
    group: Option<String>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    note: String,
    expires_in: Option<String>,
    expires_at: Option<String>,
}

/// Takes charge of alerts that fire; answers with the ack when it is on the disk.
///
/// # Errors
/// Where the body does not fit, nothing fires that is meant, or it cannot be written.
pub async fn post(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let request = requested(read(request).await?)?;
    let ack = context.alerts.acknowledge(request).await.map_err(fault)?;
    Ok(success(shown(&ack)))
}

/// Takes an ack back; answers when that is on the disk.
///
/// # Errors
/// Where there is none of this id, or it cannot be written.
pub async fn withdraw(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let ack = context.alerts.withdraw_ack(id).await.map_err(fault)?;
    Ok(success(shown(&ack)))
}

fn requested(given: Given) -> Result<AckRequest, ApiError> {
    let named = [
        !given.alerts.is_empty(),
        !given.matchers.is_empty(),
        given.group.is_some(),
    ];
    if named.iter().filter(|named| **named).count() != 1 {
        let message = "name either alerts by fingerprint, or matchers, or a group";
        return Err(ApiError::new(ErrorKind::BadData, message));
    }
    let target = if let Some(group) = given.group {
        AckTarget::Group(group)
    } else if given.alerts.is_empty() {
        AckTarget::Matchers(matchers_of(given.matchers)?)
    } else {
        let fingerprint = |text: &String| {
            Fingerprint::parse(text)
                .ok_or_else(|| ApiError::parameter("alerts", "write 16 hexadecimal digits"))
        };
        let read: Result<_, ApiError> = given.alerts.iter().map(fingerprint).collect();
        AckTarget::Fingerprints(read?)
    };
    Ok(AckRequest {
        target,
        owner: given.owner,
        note: given.note,
        expiry: expiry(given.expires_in.as_deref(), given.expires_at.as_deref())?,
    })
}

/// Until when an ack holds, from a length of time and a time, of which one may be given.
pub(in crate::http) fn expiry(
    after: Option<&str>,
    at: Option<&str>,
) -> Result<AckExpiry, ApiError> {
    match (after, at) {
        (None, None) => Ok(AckExpiry::Default),
        (Some("never"), None) => Ok(AckExpiry::Never),
        (Some(text), None) => match duration::parse(text) {
            Ok(duration) => Ok(AckExpiry::After(duration)),
            Err(error) => Err(ApiError::parameter("expiresIn", error)),
        },
        (None, Some(text)) => match Timestamp::parse_rfc3339(text) {
            Ok(time) => Ok(AckExpiry::At(time)),
            Err(error) => Err(ApiError::parameter("expiresAt", error)),
        },
        (Some(_), Some(_)) => {
            let message = "name either expiresIn or expiresAt";
            Err(ApiError::new(ErrorKind::BadData, message))
        }
    }
}

fn refused(error: &AckError) -> ApiError {
    let kind = match error {
        AckError::NotFound => ErrorKind::NotFound,
        AckError::NothingFires => ErrorKind::Execution,
        AckError::NoOwner
        | AckError::TooLong(..)
        | AckError::Control(_)
        | AckError::Past
        | AckError::NoTarget => ErrorKind::BadData,
    };
    ApiError::new(kind, error.to_string())
}

/// How a change that was not made is told.
pub(in crate::http) fn fault(error: AckChangeError) -> ApiError {
    match error {
        AckChangeError::Refused(error) => refused(&error),
        AckChangeError::Unwritten(error) => {
            tracing::error!(%error, "ack cannot be written");
            let message = "the ack could not be written; the log says why";
            ApiError::new(ErrorKind::Internal, message)
        }
        AckChangeError::Closed(closed) => closed.into(),
    }
}

fn shown(ack: &Ack) -> Value {
    let time = |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339);
    let alerts: Vec<Value> = ack
        .alerts
        .iter()
        .map(|alert| {
            json!({
                "fingerprint": alert.labels.fingerprint().to_string(),
                "labels": alert.labels,
                "endedAt": time(alert.ended.map(|(at, _)| at)),
                "why": alert.ended.map(|(_, why)| why),
            })
        })
        .collect();
    json!({
        "id": &*ack.id,
        "owner": ack.owner,
        "note": ack.note,
        "createdAt": ack.created_at.to_rfc3339(),
        "expiresAt": time(ack.expires_at),
        "state": if ack.holds() { "active" } else { "ended" },
        "endedAt": time(ack.ended_at()),
        "alerts": alerts,
    })
}
