//! `/api/v2/alerts` and `/api/v2/alerts/groups`.

mod postable;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use self::postable::PostableAlert;
use super::body::{decode, receive};
use super::filter::{Filter, object};
use super::time::Time;
use super::{FORM, Fault};
use crate::alerts::dispatch::view::AlertSnapshot;
use crate::alerts::run::Posted;
use crate::http::context::Context;
use crate::http::params::Params;
use crate::model::alert::{Alert, Course};
use crate::model::labels::{Labels, Pairs, Text};
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
    let text = receive(request, "alerts").await?;
    let configuration = Arc::clone(&context.configuration.borrow());
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let resolve_timeout = configuration.routing.resolve_timeout;
    let (mut valid, mistakes) = read(&text, resolve_timeout, context.clock.now())?;
    drop(text);
    let index = context.index.load_full();
    for posted in &mut valid {
        configuration.enrich(&mut posted.alert, &runbooks, &index);
    }
    context.alerts.post(valid).await?;
    if mistakes.is_empty() {
        return Ok(StatusCode::OK);
    }
    context.alerts.refused(mistakes.len());
    Err(Fault::bad(mistakes.join("; ")))
}

/// The alerts in a body, and what is wrong with the others.
///
/// # Errors
/// Where the body does not fit the API's description.
pub fn read(
    text: &[u8],
    resolve_timeout: Duration,
    now: Timestamp,
) -> Result<(Vec<Posted>, Vec<String>), Fault> {
    // `null` is no alert, as upstream.
    let given: Option<Vec<PostableAlert<'_>>> = decode(text, "alerts")?;
    let given = given.unwrap_or_default();
    for (i, alert) in given.iter().enumerate() {
        describe(alert, i)?;
    }
    let (mut valid, mut mistakes) = (Vec::with_capacity(given.len()), Vec::new());
    // Most alerts of a request link to the same place.
    let mut link: Arc<str> = "".into();
    for alert in given {
        let url = alert.generator_url.as_ref().map_or("", Text::as_ref);
        if *link != *url {
            link = url.into();
        }
        match posted(alert, Arc::clone(&link), resolve_timeout, now) {
            Ok(alert) => valid.push(alert),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Ok((valid, mistakes))
}

/// What the API's description asks of an alert.
fn describe(alert: &PostableAlert<'_>, i: usize) -> Result<(), Fault> {
    if let Some(Text(url)) = &alert.generator_url
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
    given: PostableAlert<'_>,
    generator_url: Arc<str>,
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
    let labels = Labels::from_pairs(named(given.labels, "label set")?);
    if labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    let annotations = named(given.annotations, "annotations")?;
    Ok(Posted {
        alert: Alert {
            labels,
            annotations: Labels::verbatim_pairs(annotations),
            starts_at,
            ends_at: end,
            updated_at: now,
            generator_url,
            value: None,
            course: Course::default(),
        },
        assumed_end: ends_at.is_none(),
    })
}

/// The pairs; any name but the empty one will do.
fn named<'a>(given: Option<Pairs<'a>>, what: &str) -> Result<Vec<(Text<'a>, Text<'a>)>, String> {
    let Pairs(pairs) = given.unwrap_or_default();
    if pairs.iter().any(|(name, _)| name.as_ref().is_empty()) {
        return Err(format!("invalid {what}: invalid name \"\""));
    }
    Ok(pairs)
}
