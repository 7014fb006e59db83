//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read;
use super::filter::{matchers_of, takes_silence};
use super::time::Time;
use super::{FORM, Fault, TOO_FEW};
use crate::alerts::run::silences::ChangeError;
use crate::alerts::silence::{SilenceError, SilenceRequest};
use crate::http::context::Context;
use crate::http::params::Params;
use crate::model::matcher::Matcher;
use crate::model::silence::{FORCE, MatcherFields, Silence, SilenceState};
use crate::model::timestamp::Timestamp;

/// All silences: active ones by their end, pending ones by their start, expired ones by their end, the latest first.
///
/// # Errors
/// Where a filter cannot be read.
pub async fn list(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, Fault> {
    let matchers = matchers_of(&params)?;
    let now = context.clock.now();
    let mut silences = context.alerts.silences().await?;
    silences.retain(|silence| takes_silence(&matchers, silence));
    silences.sort_by_key(|silence| {
        let state = silence.state(now);
        let (soonest, latest) = match state {
            SilenceState::Active => (silence.ends_at, Timestamp::MIN),
            SilenceState::Pending => (silence.starts_at, Timestamp::MIN),
            SilenceState::Expired => (Timestamp::MIN, silence.ends_at),
        };
        (state, soonest, Reverse(latest), Arc::clone(&silence.id))
    });
    let silences = silences.iter().map(|silence| shown(silence, now)).collect();
    Ok(Json(Value::Array(silences)))
}

/// One silence.
///
/// # Errors
/// Where the id is none, or there is no such silence.
pub async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let id = uuid(&id)?;
    let silence = context.alerts.silence(id).await?.ok_or(Fault::Absent)?;
    Ok(Json(shown(&silence, context.clock.now())))
}

/// Ends a silence; answers when that is on the disk.
///
/// # Errors
/// Where the id is none, there is no such silence, or it cannot be written.
pub async fn expire(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    match context.alerts.expire_silence(uuid(&id)?).await {
        Ok(_) => Ok(StatusCode::OK),
        Err(ChangeError::Refused(SilenceError::NotFound)) => Err(Fault::Absent),
        Err(error) => Err(fault(error)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableSilence {
    id: Option<String>,
    comment: Option<String>,
    created_by: Option<String>,
    ends_at: Option<Time>,
    matchers: Option<Vec<PostableMatcher>>,
    starts_at: Option<Time>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableMatcher {
    is_equal: Option<bool>,
    is_regex: Option<bool>,
    name: Option<String>,
    value: Option<String>,
}

/// Makes or changes a silence; answers with its id when it is on the disk.
///
/// # Errors
/// Where the body does not fit, the silence is refused or cannot be written.
pub async fn post(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let forced = !context.upstream_only && is_forced(request.uri().query());
    let given: Option<PostableSilence> = read(request, "silence").await?;
    let mut request = requested(given.ok_or_else(|| Fault::required("silence"))?)?;
    if forced {
        let force = (FORCE.to_owned(), "true".to_owned());
        request.annotations.extend([force]);
    }
    let id = context.alerts.set_silence(request).await.map_err(fault)?;
    Ok(Json(json!({"silenceID": &*id})))
}

/// Whether `force=true` stands in the query: then the silence may be as broad as it likes.
fn is_forced(query: Option<&str>) -> bool {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .any(|(name, value)| name == "force" && value == "true")
}

/// What is missing is told in the order of the names, as upstream.
fn requested(given: PostableSilence) -> Result<SilenceRequest, Fault> {
    let comment = given.comment.ok_or_else(|| Fault::required("comment"))?;
    let created_by = given
        .created_by
        .ok_or_else(|| Fault::required("createdBy"))?;
    let ends_at = given.ends_at.ok_or_else(|| Fault::required("endsAt"))?;
    let matchers = given.matchers.ok_or_else(|| Fault::required("matchers"))?;
    if matchers.is_empty() {
        let message = "matchers in body should have at least 1 items".to_owned();
        return Err(Fault::described(TOO_FEW, message));
    }
    let fields: Vec<MatcherFields> = matchers
        .into_iter()
        .enumerate()
        .map(|(i, matcher)| {
            let missing = |name: &str| Fault::required(&format!("matchers.{i}.{name}"));
            Ok(MatcherFields {
                is_regex: matcher.is_regex.ok_or_else(|| missing("isRegex"))?,
                is_equal: matcher.is_equal.unwrap_or(true),
                name: matcher.name.ok_or_else(|| missing("name"))?,
                value: matcher.value.ok_or_else(|| missing("value"))?,
            })
        })
        .collect::<Result<_, Fault>>()?;
    let starts_at = given.starts_at.ok_or_else(|| Fault::required("startsAt"))?;
    let matchers = fields
        .into_iter()
        .enumerate()
        .map(|(i, fields)| {
            Matcher::try_from(fields).map_err(|error| {
                Fault::bad(format!(
                    "invalid silence: invalid label matcher {i}: {error}"
                ))
            })
        })
        .collect::<Result<_, Fault>>()?;
    Ok(SilenceRequest {
        id: given.id.filter(|id| !id.is_empty()),
        matchers,
        starts_at: starts_at.0,
        // No end at all is the year 1, long past.
        ends_at: ends_at.0.unwrap_or(Timestamp::from_millis(0)),
        created_by,
        comment,
        annotations: given.annotations.unwrap_or_default(),
    })
}

fn fault(error: ChangeError) -> Fault {
    match error {
        ChangeError::Refused(SilenceError::NotFound) => {
            Fault::Refused(StatusCode::NOT_FOUND, SilenceError::NotFound.to_string())
        }
        ChangeError::Refused(error) => Fault::bad(error.to_string()),
        ChangeError::Unwritten(error) => {
            tracing::error!(%error, "silence cannot be written");
            let message = "the silence could not be written; the log says why";
            Fault::Refused(StatusCode::INTERNAL_SERVER_ERROR, message.to_owned())
        }
        ChangeError::Closed(closed) => closed.into(),
    }
}

fn uuid(text: &str) -> Result<String, Fault> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(Fault::described(
            FORM,
            format!("silenceID in path must be of type uuid: {text:?}"),
        )),
    }
}

fn shown(silence: &Silence, now: Timestamp) -> Value {
    let matchers: Vec<MatcherFields> = silence.matchers.iter().map(Into::into).collect();
    let mut shown = json!({
        "id": &*silence.id,
        "status": {"state": silence.state(now).as_str()},
        "updatedAt": silence.updated_at.to_rfc3339(),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": silence.ends_at.to_rfc3339(),
        "matchers": matchers,
        "startsAt": silence.starts_at.to_rfc3339(),
    });
    if !silence.annotations.is_empty() {
        shown["annotations"] = json!(silence.annotations);
    }
    shown
}
