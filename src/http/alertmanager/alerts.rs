//! `/api/v2/alerts` and `/api/v2/alerts/groups`.

mod postable;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use self::postable::{Pairs, PostableAlert};
use super::body::read;
use super::filter::{Filter, object};
use super::time::Time;
use super::{FORM, Fault};
use crate::alerts::dispatch::view::AlertSnapshot;
use crate::alerts::run::Posted;
use crate::http::context::Context;
use crate::http::params::Params;
use crate::model::alert::{Alert, Course};
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// The alerts that fire, by fingerprint.
///
/// # Errors
/// Where a filter cannot be read.
pub async fn list(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, Fault> {
    let filter = Filter::read(&params)?;
    let mut alerts: Vec<_> = context
        .alerts
        .firing()
        .await?
        .into_iter()
        .filter(|(alert, receivers)| {
            receivers.iter().any(|name| filter.takes_receiver(name)) && filter.takes(alert)
        })
        .map(|(alert, receivers)| (alert.alert.fingerprint(), alert, receivers))
        .collect();
    alerts.sort_unstable_by_key(|(fingerprint, ..)| fingerprint.0);
    let shown = alerts
        .iter()
        .map(|(_, alert, receivers)| shown(alert, receivers.iter(), &[]))
        .collect();
    Ok(Json(Value::Array(shown)))
}

/// The groups and their alerts that fire, by labels and receiver.
///
/// # Errors
/// Where a filter cannot be read.
pub async fn groups(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, Fault> {
    let filter = Filter::read(&params)?;
    let mut groups = context.alerts.snapshot().await?.groups;
    groups.retain_mut(|group| {
        group.alerts.retain(|alert| filter.takes(alert));
        filter.takes_receiver(&group.receiver) && !group.alerts.is_empty()
    });
    let mut receivers: HashMap<Labels, BTreeSet<Arc<str>>> = HashMap::new();
    for group in &groups {
        for alert in &group.alerts {
            let labels = alert.alert.labels.clone();
            let of_it = receivers.entry(labels).or_default();
            of_it.insert(Arc::clone(&group.receiver));
        }
    }
    groups.retain(|group| filter.muted || group.muted_by.is_empty());
    groups.sort_by(|a, b| {
        let key = |labels: &Labels| -> Vec<(String, String)> {
            let pairs = labels.iter();
            pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        (a.labels.len(), key(&a.labels), &a.receiver).cmp(&(
            b.labels.len(),
            key(&b.labels),
            &b.receiver,
        ))
    });
    let groups = groups
        .iter()
        .map(|group| {
            let alerts: Vec<Value> = group
                .alerts
                .iter()
                .map(|alert| {
                    let receivers = &receivers[&alert.alert.labels];
                    shown(alert, receivers.iter(), &group.muted_by)
                })
                .collect();
            json!({
                "alerts": alerts,
                "labels": object(&group.labels),
                "receiver": {"name": &*group.receiver},
            })
        })
        .collect();
    Ok(Json(Value::Array(groups)))
}

fn shown<'r>(
    alert: &AlertSnapshot,
    receivers: impl Iterator<Item = &'r Arc<str>>,
    muted_by: &[String],
) -> Value {
    let receivers: Vec<Value> = receivers.map(|name| json!({"name": &**name})).collect();
    let silenced_by: Vec<&str> = alert.silenced_by.iter().map(|id| &**id).collect();
    let suppressed =
        !silenced_by.is_empty() || alert.inhibited_by.is_some() || !muted_by.is_empty();
    let AlertSnapshot {
        alert,
        inhibited_by,
        ..
    } = alert;
    let mut shown = json!({
        "annotations": object(&alert.annotations),
        "endsAt": alert.ends_at.to_rfc3339(),
        "fingerprint": alert.fingerprint().to_string(),
        "receivers": receivers,
        "startsAt": alert.starts_at.to_rfc3339(),
        "status": {
            "inhibitedBy": inhibited_by.as_slice(),
            "mutedBy": muted_by,
            "silencedBy": silenced_by,
            "state": if suppressed { "suppressed" } else { "active" },
        },
        "updatedAt": alert.updated_at.to_rfc3339(),
        "labels": object(&alert.labels),
    });
    if !alert.generator_url.is_empty() {
        shown["generatorURL"] = (&*alert.generator_url).into();
    }
    shown
}

/// Takes alerts of other Prometheus servers, of `amtool` and of anybody. Those that are valid are taken even where others
/// of the same request are not, as upstream.
///
/// # Errors
/// Where the body does not fit, or some alert is not valid.
pub async fn post(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<StatusCode, Fault> {
    // `null` is no alert, as upstream.
    let given: Option<Vec<PostableAlert>> = read(request, "alerts").await?;
    let given = given.unwrap_or_default();
    for (i, alert) in given.iter().enumerate() {
        describe(alert, i)?;
    }
    let configuration = Arc::clone(&context.configuration.borrow());
    let resolve_timeout = configuration.routing.resolve_timeout;
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let now = context.clock.now();
    let (mut valid, mut mistakes) = (Vec::with_capacity(given.len()), Vec::new());
    for alert in given {
        match posted(alert, resolve_timeout, now) {
            Ok(mut posted) => {
                configuration.enrich(&mut posted.alert, &runbooks);
                valid.push(posted);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    context.alerts.post(valid).await?;
    if mistakes.is_empty() {
        return Ok(StatusCode::OK);
    }
    context.alerts.refused(mistakes.len());
    Err(Fault::bad(mistakes.join("; ")))
}

/// What the API's description asks of an alert.
fn describe(alert: &PostableAlert, i: usize) -> Result<(), Fault> {
    if let Some(url) = alert.generator_url.as_deref()
        && !is_uri(url)
    {
        let message = format!("{i}.generatorURL in body must be of type uri: {url:?}");
        return Err(Fault::described(FORM, message));
    }
    match alert.labels {
        Some(_) => Ok(()),
        None => Err(Fault::required(&format!("{i}.labels"))),
    }
}

/// Empty, a path, or something behind a scheme (`net/url.ParseRequestURI`).
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.is_empty()
    });
    text.is_empty() || ((text.starts_with('/') || scheme) && !text.contains(char::is_control))
}

/// The alert with the times it lacks (`api/v2`, `postAlertsHandler`), or what is wrong with it.
fn posted(
    given: PostableAlert,
    resolve_timeout: Duration,
    now: Timestamp,
) -> Result<Posted, String> {
    let time = |time: Option<Time>| time.and_then(|time| time.0);
    let (starts_at, ends_at) = (time(given.starts_at), time(given.ends_at));
    let starts_at = starts_at.or(ends_at).unwrap_or(now);
    let end = ends_at.unwrap_or(now + resolve_timeout);
    if end < starts_at {
        return Err("start time must be before end time".to_owned());
    }
    let labels = given.labels.unwrap_or_default();
    check_names(&labels).map_err(|name| format!("invalid label set: invalid name {name:?}"))?;
    let labels = Labels::from_sorted(pairs(&labels));
    if labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    let annotations = given.annotations.unwrap_or_default();
    check_names(&annotations)
        .map_err(|name| format!("invalid annotations: invalid name {name:?}"))?;
    Ok(Posted {
        alert: Alert {
            labels,
            annotations: Labels::verbatim(pairs(&annotations)),
            starts_at,
            ends_at: end,
            updated_at: now,
            generator_url: given.generator_url.unwrap_or_default().into(),
            value: None,
            course: Course::default(),
        },
        assumed_end: ends_at.is_none(),
    })
}

/// Any name but the empty one will do.
fn check_names(given: &Pairs) -> Result<(), &'static str> {
    if given.contains_key("") {
        return Err("");
    }
    Ok(())
}

fn pairs(given: &Pairs) -> impl Iterator<Item = (&str, &str)> {
    let pairs = given.iter();
    pairs.map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
}
