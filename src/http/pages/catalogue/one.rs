//! `/definitions/{kind}/{id}`: one definition.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::list::{domain_row, failed, metric_row, objective_row};
use super::live::{Patience, of_metric, of_objective, too_late, unmeasured};
use super::{Difference, OnePage, Progress, Row, Version, address, fields, render_one};
use crate::auth::role::{Role, Scope};
use crate::db::DbError;
use crate::db::definitions::{self as rows, Column, Filter, HistoryRow, revisions};
use crate::definitions::diff::differences;
use crate::definitions::domain::Domain;
use crate::definitions::metric::Metric;
use crate::definitions::objective::Objective;
use crate::definitions::resource::Kind;
use crate::definitions::versioning;
use crate::http::context::Context;
use crate::http::definitions::live::live_expression;
use crate::http::definitions::read_scope;
use crate::http::identity::Who;
use crate::http::pages::error;
use crate::http::pages::paged::{Address, Paging, tidy};
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;
use crate::model::alert::AlertState;
use crate::rules::file::RuleKind;

/// Versions on a page.
const VERSIONS: usize = 10;
/// Changes of a version.
const CHANGES: usize = 60;
/// Metrics of a domain that are evaluated for its page.
const METRICS: i64 = 30;
/// Rules that watch a metric.
const RULES: usize = 30;
/// The longest value in a list of changes, in characters.
const LONG: usize = 400;

type Given = Result<Path<(String, String)>, PathRejection>;

/// The page, with what the caller may read.
pub async fn show(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    given: Given,
    params: Params,
) -> Response {
    let given = given
        .ok()
        .and_then(|Path((kind, id))| Some((kind_of(&kind)?, id)));
    let Some((kind, id)) = given else {
        return missing();
    };
    let may = |scope| caller.allowed(Role::Viewer, scope).is_ok();
    // The path was judged as it was sent, which may say the kind in other signs.
    if !may(read_scope(kind)) {
        return missing();
    }
    match fill(&context, kind, &id, &params).await {
        Ok(Some(mut page)) => {
            if !may(Scope::MonitoringRead) {
                page.rules.clear();
            }
            if kind == Kind::Domain && !may(Scope::MetricsRead) {
                page.parts.clear();
                page.more = None;
                page.head.progress = None;
            }
            uncached(StatusCode::OK, render_one(&page))
        }
        Ok(None) => missing(),
        Err(error) => failed(&error),
    }
}

pub(super) fn kind_of(plural: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.plural() == plural)
}

pub(super) fn missing() -> Response {
    let status = StatusCode::NOT_FOUND;
    let message = "There is no such definition; /definitions lists those there are.";
    uncached(status, error::render(status.as_u16(), message))
}

async fn fill(
    context: &Arc<Context>,
    kind: Kind,
    id: &str,
    params: &Params,
) -> Result<Option<OnePage>, DbError> {
    let database = &context.definitions;
    let Some(stored) = rows::get(database, kind.as_str(), id).await? else {
        return Ok(None);
    };
    let own = address(kind, id);
    let (_, writes) = rows::history(database, kind.as_str(), id, 0, 0).await?;
    let writes = usize::try_from(writes).unwrap_or_default();
    let paging = Paging::of(writes, VERSIONS, params.get("page"), Address::new(&*own));
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let first = number(paging.rows().start);
    let (history, _) = rows::history(database, kind.as_str(), id, number(VERSIONS), first).await?;
    let mut page = OnePage {
        now: context.clock.now(),
        kind,
        head: Row {
            name: tidy(id, LONG),
            id: tidy(id, LONG),
            badges: vec![("cannot be read".to_owned(), "bad")],
            ..Row::default()
        },
        live: None,
        chart: None,
        sections: Vec::new(),
        parts: Vec::new(),
        more: None,
        rules: Vec::new(),
        history: history.iter().map(|row| version(row, &own)).collect(),
        paging,
        difference: difference(context, kind, id, params).await?,
    };
    let document = stored.document.as_str();
    let read = match kind {
        Kind::Metric => match serde_json::from_str(document) {
            Ok(metric) => {
                of_a_metric(context, &mut page, &metric).await;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Kind::Domain => match serde_json::from_str(document) {
            Ok(domain) => {
                of_a_domain(context, &mut page, &domain).await?;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Kind::Objective => match serde_json::from_str::<Objective>(document) {
            Ok(objective) => {
                let live = Box::pin(of_objective(context, &objective));
                let live = Patience::begin().wait(live).await;
                let (progress, parts) = live.unwrap_or_else(|| unmeasured(&objective));
                page.head = objective_row(&objective);
                page.head.description = tidy(&objective.description, 2_000);
                page.head.progress = Some(progress);
                page.parts = parts;
                page.sections = fields::objective(&objective);
                Ok(())
            }
            Err(error) => Err(error),
        },
    };
    if let Err(error) = read {
        tracing::error!(%error, kind = kind.as_str(), id, "read a stored definition");
    }
    Ok(Some(page))
}

async fn of_a_metric(context: &Arc<Context>, page: &mut OnePage, metric: &Metric) {
    let live = of_metric(context, metric, page.now);
    page.live = Patience::begin()
        .wait(live)
        .await
        .unwrap_or_else(|| too_late(metric));
    if live_expression(metric).is_some() {
        let address = address(Kind::Metric, &metric.metric_id);
        page.chart = Some(format!("{address}/chart.svg?theme="));
    }
    page.sections = fields::metric(metric);
    page.rules = rules(context, &metric.metric_id);
    page.head = metric_row(metric);
    page.head.description = tidy(&metric.description, 2_000);
}

/// The alerting rules that read what a metric speaks of, those that are made of it among them.
fn rules(context: &Context, id: &str) -> Vec<(String, &'static str, String)> {
    let mut found = Vec::new();
    for group in context.rules.groups() {
        for rule in &group.rules {
            let known = rule.spec.known.as_ref();
            let is_its = known.is_some_and(|known| known.labels.value("metric_id") == id)
                || rule
                    .spec
                    .labels
                    .iter()
                    .any(|(name, value)| name == "metric_id" && value == id);
            if !is_its || !matches!(rule.spec.kind, RuleKind::Alerting { .. }) {
                continue;
            }
            let memory = rule.memory();
            let state = memory.instances.values().map(|one| one.state).max();
            let matchers = crate::model::matcher::Matcher::equal(
                crate::model::labels::ALERT_NAME,
                rule.spec.name.as_str(),
            );
            let matchers = crate::alerts::explain::matchers_text(&[matchers]);
            let alerts = Address::new("/alerts").with("filter", matchers);
            found.push((
                tidy(&rule.spec.name, LONG),
                state.unwrap_or(AlertState::Inactive).as_str(),
                alerts.text(),
            ));
            if found.len() == RULES {
                return found;
            }
        }
    }
    found
}

async fn of_a_domain(
    context: &Arc<Context>,
    page: &mut OnePage,
    domain: &Domain,
) -> Result<(), DbError> {
    let filter = Filter {
        equal: vec![(Column::BusinessDomain, domain.name.clone())],
        order: Column::Tier,
        limit: METRICS,
        ..Filter::default()
    };
    let database = &context.definitions;
    let (found, total) = rows::list(database, Kind::Metric.as_str(), &filter).await?;
    let (mut good, mut judged) = (0, 0);
    let patience = Patience::begin();
    for stored in &found {
        let Ok(metric) = serde_json::from_str::<Metric>(&stored.document) else {
            continue;
        };
        let mut row = metric_row(&metric);
        let live = of_metric(context, &metric, page.now);
        if let Some(live) = patience.wait(live).await.flatten() {
            if live.verdict.0 != "unknown" {
                judged += 1;
                good += u32::from(live.verdict.0 == "ok");
            }
            if let Some(value) = live.value {
                row.facts
                    .insert(0, ("Now", format!("{value} {}", live.unit)));
            }
            row.badges.insert(0, live.verdict);
        }
        page.parts.push(row);
    }
    let hidden = usize::try_from(total)
        .unwrap_or_default()
        .saturating_sub(found.len());
    let all = fields::metrics_of(&domain.name);
    page.more = (hidden > 0).then_some((hidden, all));
    page.head = domain_row(domain, &[(domain.name.clone(), total)]);
    page.head.description = tidy(domain.description.as_deref().unwrap_or_default(), 2_000);
    page.head.progress = Some(within(good, judged));
    page.sections = fields::domain(domain);
    Ok(())
}

/// How many of the metrics that have a value break no threshold.
fn within(good: u32, judged: u32) -> Progress {
    match (good * 100).checked_div(judged) {
        None => Progress {
            percent: 0,
            text: "no metric of it has a value now".to_owned(),
            class: "idle",
        },
        Some(percent) => Progress {
            percent,
            text: format!("{good} of {judged} metrics with a value are within their thresholds"),
            class: if good == judged { "good" } else { "warn" },
        },
    }
}

fn version(row: &HistoryRow, own: &str) -> Version {
    let before = row.revision - 1;
    let link = Address::new(own)
        .with("from", before.to_string())
        .with("to", row.revision.to_string());
    Version {
        revision: row.revision,
        version: row.version.as_deref().map(|version| tidy(version, 60)),
        at: row.changed_at,
        by: tidy(&row.changed_by, 120),
        summary: tidy(&row.summary, LONG),
        link: (before > 0).then(|| format!("{}#changes", link.text())),
    }
}

async fn difference(
    context: &Context,
    kind: Kind,
    id: &str,
    params: &Params,
) -> Result<Option<Difference>, DbError> {
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(from), Some(to)) = (number("from"), number("to")) else {
        return Ok(None);
    };
    let mut documents = Vec::new();
    for revision in [from, to] {
        let row = revisions::get(&context.definitions, kind.as_str(), id, revision).await?;
        let document = row.and_then(|row| row.document);
        // What was removed, or is damaged, has nothing.
        let document: Option<Value> = document.and_then(|text| serde_json::from_str(&text).ok());
        documents.push(document.unwrap_or_else(|| serde_json::json!({})));
    }
    let found = differences(&documents[0], &documents[1], versioning::kept(kind));
    let said = |value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        tidy(&text, LONG)
    };
    Ok(Some(Difference {
        from,
        to,
        more: found.len().saturating_sub(CHANGES),
        changes: found
            .iter()
            .take(CHANGES)
            .map(|change| {
                (
                    tidy(&change.field, LONG),
                    change.before.as_ref().map(said),
                    change.after.as_ref().map(said),
                )
            })
            .collect(),
    }))
}
