//! `/alerts/{fingerprint}`: one alert, and its chart.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use smallvec::SmallVec;

use super::episodes::episodes;
use super::fill::{self, LONG, SHORT, pairs, row};
use super::scene::{Scene, Seen, States};
use super::{AlertPage, Eye, NotificationRow, RouteRow, State as AlertState, render_one};
use crate::alerts::dispatch::view::Wanted;
use crate::alerts::explain::{explain, matchers_text};
use crate::alerts::route::Route;
use crate::auth::role::{Role, Scope};
use crate::charts::alert::{ChartError, Subject};
use crate::charts::pictures::{PictureError, expression};
use crate::charts::svg::paper::Sheet;
use crate::db::ledger::LedgerEntry;
use crate::http::context::Context;
use crate::http::errors::{self, ErrorKind};
use crate::http::identity::Who;
use crate::http::pages::paged::{Address, tidy};
use crate::http::pages::quiet::list::uncached;
use crate::http::pages::{error, ledger, view};
use crate::http::params::Params;
use crate::http::prometheus::query::run;
use crate::model::alert::{Alert, Course};
use crate::model::duration;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::notification::{Decision, RUNBOOK};
use crate::model::runbook_link;
use crate::model::timestamp::Timestamp;

/// Annotations that are shown.
const ANNOTATIONS: usize = 40;
/// Labels that are shown.
const LABELS: usize = 100;
/// The longest annotation, in characters.
const TEXT: usize = 4_000;
/// Notifications that are shown.
const NOTIFICATIONS: usize = 20;
const PATH: &str = "/alerts/";

type Given = Result<Path<String>, PathRejection>;

fn fingerprint(given: Given) -> Option<Fingerprint> {
    given.ok().and_then(|Path(text)| Fingerprint::parse(&text))
}

/// The page.
pub async fn show(State(context): State<Arc<Context>>, Who(caller): Who, given: Given) -> Response {
    let Some(fingerprint) = fingerprint(given) else {
        return missing();
    };
    let now = context.clock.now();
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    let (scene, _) = fill::scene(&context, Wanted::One(fingerprint)).await;
    let known = of(&scene, fingerprint);
    let labels = known.map(|seen| &seen.alert.labels);
    let (why, entries) = match ledger::fill::why(&context, fingerprint, labels).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "read ledger for the page of an alert");
            (ledger::Why::default(), Vec::new())
        }
    };
    let remembered = remembered(&entries);
    let Some(seen) = known.cloned().or(remembered) else {
        return missing();
    };
    let external_url = context.configuration.borrow().external_url.clone();
    let eye = Eye {
        now,
        signer: &context.signer,
        external_url: &external_url,
        may_act: may_act && known.is_some(),
    };
    let chart = context.pictures.is_some() && has_rule(&context, &seen.alert);
    let page = AlertPage {
        now,
        row: row(&seen, None, &eye),
        is_known: known.is_some(),
        labels: pairs(&seen.alert.labels, |_| true).take(LABELS).collect(),
        annotations: annotations(&seen.alert, &external_url),
        quiet: quiet(&context, &scene, &seen).await,
        chart: chart.then(|| format!("/alerts/{fingerprint}/chart.svg?theme=")),
        episodes: history(&context, &seen.alert, now).await,
        routes: routes(&context, &seen.alert.labels, now).await,
        why,
        notifications: notifications(&entries),
    };
    uncached(StatusCode::OK, render_one(&page))
}

/// The chart of its expression.
pub async fn chart(State(context): State<Arc<Context>>, given: Given, params: Params) -> Response {
    let Some(fingerprint) = fingerprint(given) else {
        return missing();
    };
    let sheet = params
        .get("theme")
        .and_then(Sheet::parse)
        .unwrap_or_default();
    let (scene, _) = fill::scene(&context, Wanted::One(fingerprint)).await;
    let known = of(&scene, fingerprint).cloned();
    let seen = match known {
        Some(seen) => Some(seen),
        None => {
            let read = ledger::fill::why(&context, fingerprint, None).await;
            read.ok().and_then(|(_, entries)| remembered(&entries))
        }
    };
    let (Some(seen), Some(pictures)) = (seen, &context.pictures) else {
        return missing();
    };
    let now = context.clock.now();
    let ended = (seen.states == States::default()).then_some(seen.alert.ends_at);
    let subject = Subject {
        labels: seen.alert.labels.clone(),
        since: seen.alert.starts_at,
        ended,
        until: now,
    };
    let query = expression(&seen.alert.generator_url);
    let fires = !seen.states.has(AlertState::Pending);
    match pictures
        .chart(subject, query.as_deref(), fires, sheet)
        .await
    {
        Ok(svg) => (
            [
                (CONTENT_TYPE, "image/svg+xml"),
                (CACHE_CONTROL, "private, max-age=5"),
            ],
            svg,
        )
            .into_response(),
        Err(error) => {
            let kind = match &error {
                PictureError::NoRule | PictureError::Chart(ChartError::NoData) => {
                    ErrorKind::NotFound
                }
                PictureError::Timeout => ErrorKind::Timeout,
                _ => ErrorKind::Execution,
            };
            errors::answer(PATH, kind, &error.to_string())
        }
    }
}

fn missing() -> Response {
    let status = StatusCode::NOT_FOUND;
    let message = "No alert here has this fingerprint now, and the ledger does not remember one. /alerts lists those that fire.";
    uncached(status, error::render(status.as_u16(), message))
}

fn of(scene: &Scene, fingerprint: Fingerprint) -> Option<&Seen> {
    let mut alerts = scene.alerts.iter();
    alerts.find(|seen| seen.alert.fingerprint() == fingerprint)
}

/// An alert that is over, as the ledger remembers it: from its first entry to its last.
fn remembered(entries: &[LedgerEntry]) -> Option<Seen> {
    let of_alert = |entry: &&LedgerEntry| entry.labels.is_some();
    let last = entries.iter().find(of_alert)?;
    let first = entries.iter().rev().find(of_alert)?;
    let alert = Alert {
        labels: last.labels.clone()?,
        annotations: Labels::empty(),
        starts_at: first.at,
        ends_at: last.at,
        updated_at: last.at,
        generator_url: "".into(),
        value: None,
        course: Course::default(),
    };
    Some(Seen {
        alert: Arc::new(alert),
        states: States::default(),
        silenced_by: Vec::new(),
        inhibited_by: None,
        acked_by: None,
        groups: SmallVec::new(),
    })
}

fn has_rule(context: &Context, alert: &Alert) -> bool {
    let query = expression(&alert.generator_url);
    context.rules.groups().iter().any(|group| {
        group.rules.iter().any(|rule| {
            rule.spec.name == alert.name()
                && query.as_ref().is_none_or(|query| *query == rule.spec.query)
        })
    })
}

fn annotations(alert: &Alert, here: &str) -> Vec<(String, String, Option<String>)> {
    let shown = alert.annotations.iter().take(ANNOTATIONS);
    shown
        .map(|(name, value)| {
            let path = value.strip_prefix(here).unwrap_or(value);
            let live = match name {
                RUNBOOK => runbook_link::with_labels(path, "", &alert.labels),
                _ => None,
            };
            let link = live.as_deref().unwrap_or(value);
            let link = view::safe_link(link).filter(|url| url.len() <= TEXT);
            (
                tidy(name, SHORT),
                tidy(value, TEXT),
                link.map(str::to_owned),
            )
        })
        .collect()
}

/// What keeps it quiet, in sentences.
async fn quiet(context: &Context, scene: &Scene, seen: &Seen) -> Vec<(String, Option<String>)> {
    let mut said = Vec::new();
    for id in seen.silenced_by.iter().take(NOTIFICATIONS) {
        if let Ok(Some(silence)) = context.alerts.silence(id.to_string()).await {
            let by = tidy(&silence.created_by, SHORT);
            let why = tidy(&silence.comment, LONG);
            let matchers = tidy(&matchers_text(&silence.matchers), LONG);
            let text = format!(
                "Silenced by {by} until {} with {matchers}: {why}",
                view::clock_text(&silence.ends_at)
            );
            said.push((text, Some("/silences".to_owned())));
        }
    }
    if let Some(by) = &seen.inhibited_by {
        let source = match Fingerprint::parse(by) {
            Some(by) => fill::scene(context, Wanted::One(by)).await.0.alerts.pop(),
            None => None,
        };
        let text = source.map_or_else(
            || format!("Inhibited by alert {by}"),
            |source| {
                format!(
                    "Inhibited: {} speaks for it",
                    tidy(source.alert.name(), SHORT)
                )
            },
        );
        said.push((text, Some(format!("/alerts/{by}"))));
    }
    if let Some(id) = &seen.acked_by
        && let Ok(Some(ack)) = context.alerts.ack(id.to_string()).await
    {
        let note = match tidy(&ack.note, LONG) {
            note if note.is_empty() => note,
            note => format!(": {note}"),
        };
        let text = format!("{} has taken charge of it{note}", tidy(&ack.owner, SHORT));
        said.push((text, Some("/silences".to_owned())));
    }
    for group in &seen.groups {
        let group = &scene.groups[*group];
        if !group.muted_by.is_empty() {
            let intervals = tidy(&group.muted_by.join(", "), LONG);
            let receiver = tidy(&group.receiver, SHORT);
            said.push((format!("Muted for {receiver} by {intervals}"), None));
        }
    }
    if seen.states.has(AlertState::Flapping) {
        let text = "It changes too often: it is held as firing, and its changes are not told";
        said.push((text.to_owned(), None));
    }
    said
}

async fn history(context: &Arc<Context>, alert: &Alert, now: Timestamp) -> Vec<super::Episode> {
    let mut own = None;
    for group in context.rules.groups() {
        for rule in group
            .rules
            .iter()
            .filter(|rule| rule.spec.name == alert.name())
        {
            let memory = rule.memory();
            let fits = |labels: &Labels| {
                labels
                    .iter()
                    .all(|(name, value)| alert.labels.get(name) == Some(value))
            };
            own = own.or_else(|| {
                let mut instances = memory.instances.keys();
                instances.find(|labels| fits(labels)).cloned()
            });
        }
    }
    let labels = own.unwrap_or_else(|| alert.labels.clone());
    let found = run(context, move |context| {
        Ok(episodes(&context.storage, &labels, now))
    });
    found.await.unwrap_or_default()
}

async fn routes(context: &Context, labels: &Labels, now: Timestamp) -> Vec<RouteRow> {
    let Ok(standing) = context.alerts.standing(labels.clone(), now).await else {
        return Vec::new();
    };
    let explanation = explain(&standing.routing, labels, now);
    explanation
        .taken
        .iter()
        .map(|taken| {
            let route = taken.route;
            let step = |route: &&Route| match route.matchers.is_empty() {
                true => "every alert".to_owned(),
                false => tidy(&matchers_text(&route.matchers), LONG),
            };
            let muted = match (taken.inactive, taken.muted_by.as_slice()) {
                (true, _) => Some("outside its active times now".to_owned()),
                (false, []) => None,
                (false, names) => Some(format!("muted now by {}", tidy(&names.join(", "), LONG))),
            };
            let targets = route.receiver.targets.iter();
            RouteRow {
                receiver: tidy(&route.receiver.name, SHORT),
                integrations: targets.map(|target| tidy(&target.text, SHORT)).collect(),
                path: taken.path.iter().map(step).collect(),
                group: tidy(&taken.group_labels.to_string(), LONG),
                muted,
                timing: format!(
                    "told after {}, of changes every {}, again after {}",
                    duration::format(route.group_wait),
                    duration::format(route.group_interval),
                    duration::format(route.repeat_interval)
                ),
            }
        })
        .collect()
}

/// Of entries, newest first: those that put it into a notification, each with what became of that.
fn notifications(entries: &[LedgerEntry]) -> Vec<NotificationRow> {
    let mut outcomes: HashMap<&str, (String, &'static str)> = HashMap::new();
    for entry in entries {
        let outcome = match &entry.decision {
            Decision::Delivered { .. } => ("delivered".to_owned(), "good"),
            Decision::Failed { error, .. } => (format!("refused: {}", tidy(error, LONG)), "bad"),
            Decision::Expired { error, .. } => (format!("given up: {}", tidy(error, LONG)), "bad"),
            Decision::Superseded { .. } => ("superseded".to_owned(), "idle"),
            Decision::FellBack { .. } => ("sent to the fallback".to_owned(), "warn"),
            _ => continue,
        };
        if let Some(id) = entry.decision.notification() {
            outcomes.entry(id).or_insert(outcome);
        }
    }
    let mut rows = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.labels.is_some()) {
        let (reason, waiting) = match &entry.decision {
            Decision::Enqueued { .. } => (entry.decision.to_string(), "waits in the outbox"),
            Decision::Throttled { .. } => ("throttled into a digest".to_owned(), "digest waits"),
            Decision::HeldInStorm { .. } => ("in a storm's summary".to_owned(), "summary waits"),
            _ => continue,
        };
        let Some(id) = entry.decision.notification() else {
            continue;
        };
        if seen.contains(&&**id) || rows.len() == NOTIFICATIONS {
            continue;
        }
        seen.push(id);
        let whom = format!("{} {}", entry.receiver, entry.integration);
        rows.push(NotificationRow {
            at: entry.at,
            whom: tidy(whom.trim_end(), SHORT),
            reason: tidy(&reason, LONG),
            outcome: outcomes
                .remove(&**id)
                .unwrap_or_else(|| (waiting.to_owned(), "warn")),
            link: Address::new("/ledger").with("notification", &**id).text(),
        });
    }
    rows
}
