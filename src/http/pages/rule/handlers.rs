//! The page of a rule, its chart, and the same as JSON.
//!
//! ```text
//! /rules/<group>/<rule>[?file=<file>][&n=<which of that name>]     the page
//! /rules/<group>/<rule>/chart.svg?theme=dark                       its chart over six hours
//! GET /api/v1/rules/<group>/<rule>                                 {"status": "success", "data": {"name", …,
//!     "explanation": ["…"], "evaluations": [{"at", "seconds", "samples", "series", "results", "error"}]}}
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use super::explain::{Facts, Found, explain};
use super::{EvaluationRow, RulePage, render};
use crate::charts::alert::{ChartError, Sight, draw_rule};
use crate::charts::chart::comparison;
use crate::charts::svg;
use crate::charts::svg::paper::Sheet;
use crate::http::context::Context;
use crate::http::errors::{self, ApiError, ErrorKind};
use crate::http::pages::view::{AlertRow, Bounded, graph_link};
use crate::http::pages::{error, fill};
use crate::http::params::Params;
use crate::http::prometheus::query::run as run_query;
use crate::model::alert::AlertState;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::promql::ast::{BinaryOp, Expr, ExprKind};
use crate::promql::comparison::{looked_for, readings};
use crate::promql::eval::{Deadline, Query, QueryValue};
use crate::promql::walk;
use crate::rules::file::RuleKind;
use crate::rules::group::Group;
use crate::rules::rule::Rule;
use crate::rules::state::{AlertInstance, Holds};

/// What the chart shows.
const SPAN: Duration = Duration::from_secs(6 * 3600);
/// The longest that is evaluated for a page.
const PATIENCE: Duration = Duration::from_secs(2);
/// Selectors without a series that are named.
const NAMED: usize = 3;

/// Where each rule's page is. Groups of one name are told apart by their file, rules of one name by their number.
#[derive(Debug)]
pub struct Addresses {
    groups: HashMap<String, usize>,
}

impl Addresses {
    /// Of these groups.
    pub fn of(groups: &[Arc<Group>]) -> Self {
        let mut names: HashMap<String, usize> = HashMap::new();
        for group in groups {
            *names.entry(group.spec.name.clone()).or_default() += 1;
        }
        Self { groups: names }
    }

    /// The page of a group's rule.
    pub fn of_rule(&self, group: &Group, index: usize) -> String {
        let rule = &group.rules[index];
        let path = format!(
            "/rules/{}/{}",
            segment(&group.spec.name),
            segment(&rule.spec.name)
        );
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if self.groups.get(&group.spec.name).copied() > Some(1) {
            query.append_pair("file", &group.spec.file);
        }
        let before = group.rules[..index].iter();
        let same = before.filter(|other| other.spec.name == rule.spec.name);
        match same.count() {
            0 => {}
            before => {
                query.append_pair("n", &(before + 1).to_string());
            }
        }
        match query.finish() {
            query if query.is_empty() => path,
            query => format!("{path}?{query}"),
        }
    }

    /// The page of the first rule that raises alerts of this name.
    pub fn of_alert(&self, groups: &[Arc<Group>], name: &str) -> Option<String> {
        groups.iter().find_map(|group| {
            let mut rules = group.rules.iter();
            let index = rules
                .position(|rule| rule.spec.name == name && rule.spec.kind != RuleKind::Recording)?;
            Some(self.of_rule(group, index))
        })
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            // A point too: a segment of points alone means another one.
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

type Named = Result<Path<(String, String)>, PathRejection>;

/// The rule that a path names.
fn find(context: &Context, named: &Named, params: &Params) -> Option<(Arc<Group>, usize)> {
    let Ok(Path((group, rule))) = named else {
        return None;
    };
    let file = params.get("file");
    let number: usize = params.get("n").map_or(Some(1), |n| n.parse().ok())?;
    let groups = context.rules.groups().into_iter();
    let mut groups = groups.filter(|known| {
        known.spec.name == *group && file.is_none_or(|file| *known.spec.file == *file)
    });
    groups.find_map(|known| {
        let rules = known.rules.iter().enumerate();
        let mut same = rules.filter(|(_, known)| known.spec.name == *rule);
        let index = same.nth(number.checked_sub(1)?)?.0;
        Some((Arc::clone(&known), index))
    })
}

const MISSING: &str = "There is no such rule: it was renamed, or its file is no longer loaded.";

/// `GET /rules/{group}/{rule}`.
pub async fn show(State(context): State<Arc<Context>>, named: Named, params: Params) -> Response {
    let Some((group, index)) = find(&context, &named, &params) else {
        let status = StatusCode::NOT_FOUND;
        return (status, Html(error::render(status.as_u16(), MISSING))).into_response();
    };
    let page = run_query(&context, move |context| Ok(page(context, &group, index))).await;
    match page {
        Ok(page) => Html(render(&page)).into_response(),
        Err(error) => {
            let page = error::render(error.status().as_u16(), error.message());
            (error.status(), Html(page)).into_response()
        }
    }
}

/// `GET /api/v1/rules/{group}/{rule}`.
///
/// # Errors
/// Where there is no such rule.
pub async fn json(
    State(context): State<Arc<Context>>,
    named: Named,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let (group, index) = find(&context, &named, &params)
        .ok_or_else(|| ApiError::new(ErrorKind::NotFound, "no such rule"))?;
    let page = run_query(&context, move |context| Ok(page(context, &group, index))).await?;
    let evaluations: Vec<Value> = page
        .evaluations
        .iter()
        .map(|row| {
            json!({
                "at": row.at.to_rfc3339(),
                "seconds": row.took.as_secs_f64(),
                "samples": row.samples,
                "series": row.series,
                "results": row.results,
                "error": row.error,
            })
        })
        .collect();
    let data = json!({
        "name": page.name,
        "group": page.group,
        "file": page.file,
        "line": page.line,
        "query": page.expression,
        "state": page.state.map(AlertState::as_str),
        "explanation": page.explanation,
        "evaluations": evaluations,
    });
    Ok(Json(json!({"status": "success", "data": data})))
}

/// `GET /rules/{group}/{rule}/chart.svg`.
pub async fn chart(State(context): State<Arc<Context>>, named: Named, params: Params) -> Response {
    let Some((group, index)) = find(&context, &named, &params) else {
        return errors::answer("/rules/", ErrorKind::NotFound, MISSING);
    };
    let sheet = params
        .get("theme")
        .and_then(Sheet::parse)
        .unwrap_or_default();
    let drawn = run_query(&context, move |context| {
        Ok(draw(context, &group, index, sheet))
    });
    match drawn.await {
        Ok(Ok(picture)) => {
            let headers = [
                (CONTENT_TYPE, "image/svg+xml"),
                (CACHE_CONTROL, "private, max-age=60"),
            ];
            (headers, picture).into_response()
        }
        Ok(Err(error @ ChartError::NoData)) => {
            // An empty picture says so where the browser would show a broken one.
            let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "no-store")];
            (headers, nothing(&error.to_string(), sheet)).into_response()
        }
        Ok(Err(error)) => errors::answer("/rules/", ErrorKind::Execution, &error.to_string()),
        Err(error) => error.into_response(),
    }
}

fn nothing(words: &str, sheet: Sheet) -> String {
    let palette = sheet.theme.palette();
    let (wide, high) = (sheet.paper().width, sheet.paper().height);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" role=\"img\">\
         <rect width=\"{wide}\" height=\"{high}\" fill=\"{}\"/><text x=\"50%\" y=\"50%\" text-anchor=\"middle\" \
         font-family=\"sans-serif\" font-size=\"15\" fill=\"{}\">{words}</text></svg>",
        palette.background, palette.muted
    )
}

fn draw(
    context: &Context,
    group: &Group,
    index: usize,
    sheet: Sheet,
) -> Result<String, ChartError> {
    let rule = &group.rules[index];
    let spec = &rule.spec;
    let deadline = deadline(context);
    let sight = Sight {
        storage: &context.storage,
        engine: &context.engine,
        deadline: &deadline,
        external_labels: &[],
    };
    // Labels that are templates differ from alert to alert.
    let plain = spec.labels.iter().filter(|(_, text)| !text.contains("{{"));
    let labels = plain.map(|(name, value)| (name.as_str(), value.as_str()));
    let labels = Labels::from_pairs(labels.chain([(ALERT_NAME, spec.name.as_str())]));
    let alerts = (spec.kind != RuleKind::Recording).then_some(&labels);
    let until = context.clock.now() - group.spec.query_offset;
    let mut chart = draw_rule(&spec.text, &spec.expr, alerts, (until, SPAN), sight)?;
    chart.title = spec.name.clone();
    Ok(svg::draw_sheet(&chart, sheet))
}

fn deadline(context: &Context) -> Deadline {
    Deadline::after(context.query_timeout.min(PATIENCE)).or_when(context.tasks.stop_token())
}

fn holds(rule: &Rule) -> Holds {
    match &rule.spec.kind {
        RuleKind::Alerting { holds, .. } => *holds,
        RuleKind::Recording => Holds::default(),
    }
}

/// What the page says. Blocking: what the rule compares is evaluated where nothing fires.
fn page(context: &Context, group: &Group, index: usize) -> RulePage {
    let now = context.clock.now();
    let rule = &group.rules[index];
    let spec = &rule.spec;
    let row = fill::rule_row(rule);
    let (alerts, health, evaluations) = {
        let memory = rule.memory();
        let alerts: Vec<AlertInstance> = memory.instances.values().cloned().collect();
        let rows: Vec<EvaluationRow> = memory
            .history
            .iter()
            .map(|evaluation| EvaluationRow {
                at: evaluation.at,
                took: evaluation.took,
                samples: evaluation.reading.samples,
                series: evaluation.reading.series,
                results: evaluation.reading.results,
                error: evaluation.error.as_deref().map(str::to_owned),
            })
            .collect();
        (alerts, memory.health.clone(), rows)
    };
    let alerting = spec.kind != RuleKind::Recording;
    let is_active = |alert: &&AlertInstance| alert.state != AlertState::Inactive;
    let found = match alerting && !alerts.iter().any(|alert| is_active(&alert)) {
        true => found(context, group, rule),
        false => Vec::new(),
    };
    let explanation = explain(&Facts {
        now,
        alerting,
        holds: holds(rule),
        health: &health,
        alerts: &alerts,
        results: evaluations.first().map(|evaluation| evaluation.results),
        found: &found,
    });
    let mut rows: Vec<AlertRow> = alerts
        .iter()
        .filter(is_active)
        .map(|alert| fill::alert_row(rule, alert))
        .collect();
    fill::firing_first(&mut rows);
    let addresses = Addresses::of(&context.rules.groups());
    let address = addresses.of_rule(group, index);
    let chart = {
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let newest = evaluations.first().map_or(0, |row| row.at.millis());
        let and = if query.is_empty() { "" } else { "&" };
        let picture = format!("{path}/chart.svg?{query}{and}theme=");
        (picture, format!("&at={newest}"))
    };
    RulePage {
        now,
        name: spec.name.clone(),
        kind: row.kind,
        group: group.spec.name.clone(),
        file: group.spec.file.to_string(),
        line: spec.line.number(),
        interval: group.spec.interval,
        offset: group.spec.query_offset,
        pending_for: holds(rule).pending_for,
        keep_firing_for: holds(rule).keep_firing_for,
        expression: spec.text.trim().to_owned(),
        labels: spec.labels.clone(),
        annotations: annotations(rule).to_vec(),
        state: row.state,
        health: row.health,
        explanation,
        chart,
        json: format!("/api/v1{address}"),
        links: links(context, rule, &alerts),
        alerts: rows.into_iter().collect::<Bounded<AlertRow>>(),
        evaluations,
    }
}

fn annotations(rule: &Rule) -> &[(String, String)] {
    match &rule.spec.kind {
        RuleKind::Alerting { annotations, .. } => annotations,
        RuleKind::Recording => &[],
    }
}

/// Where else to look. What is a template is taken from an alert, where there is one.
fn links(context: &Context, rule: &Rule, alerts: &[AlertInstance]) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let annotation = |name: &str| {
        let of_alert = alerts.iter().find_map(|alert| alert.annotations.get(name));
        let mut written = annotations(rule).iter();
        let written = written.find(|(other, text)| other == name && !text.contains("{{"));
        of_alert
            .or(written.map(|(_, text)| text.as_str()))
            .map(str::to_owned)
    };
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let ours = match rule.spec.kind {
        RuleKind::Recording => None,
        RuleKind::Alerting { .. } => runbooks.for_alert(&rule.spec.name),
    };
    match ours {
        Some(runbook) => links.push((
            format!("Runbook: {}", runbook.title),
            format!("/runbooks/{}", runbook.slug),
        )),
        None => links.extend(annotation("runbook_url").map(|url| ("Runbook".to_owned(), url))),
    }
    for name in ["dashboard_url", "dashboard", "grafana_url"] {
        if let Some(url) = annotation(name) {
            links.push(("Dashboard".to_owned(), url));
            break;
        }
    }
    links.push(("Query".to_owned(), graph_link(&rule.spec.text)));
    links
}

/// What the sides of the expression read as now.
fn found(context: &Context, group: &Group, rule: &Rule) -> Vec<Found> {
    let spec = &rule.spec;
    let at = (context.clock.now() - group.spec.query_offset).millis();
    let deadline = deadline(context);
    let ask = |expr: &Expr| -> Result<Vec<(Labels, f64)>, String> {
        let query = Query {
            text: &spec.text,
            expr,
            deadline: &deadline,
        };
        let result = context.engine.instant(&context.storage, &query, at);
        match result.map_err(|error| error.to_string())?.value {
            QueryValue::Vector(samples) => Ok(samples
                .into_iter()
                .map(|sample| (sample.labels, sample.value))
                .collect()),
            QueryValue::Scalar { value, .. } => Ok(vec![(Labels::empty(), value)]),
            QueryValue::String { .. } | QueryValue::Matrix(_) => Ok(Vec::new()),
        }
    };
    let mut all = Vec::new();
    for reading in readings(&spec.expr) {
        let wanted = looked_for(reading.values);
        let is_absent = !std::ptr::eq(wanted, reading.values);
        let level = reading.threshold.as_ref();
        let found = ask(wanted).and_then(|values| {
            if is_absent {
                return Ok(Found::Present {
                    wanted: wanted.to_string(),
                    count: values.len(),
                });
            }
            if values.is_empty() {
                return Ok(Found::Nothing {
                    values: wanted.to_string(),
                    missing: missing(wanted, &ask)?,
                });
            }
            let level_values = level.map(|level| ask(level.level)).transpose()?;
            Ok(compared(
                wanted,
                level.map(|level| (level.op, level.level)),
                level_values,
                values,
            ))
        });
        all.push(found.unwrap_or_else(Found::Failed));
    }
    all
}

/// Selectors of an expression that find no series at all.
fn missing(
    expr: &Expr,
    ask: &impl Fn(&Expr) -> Result<Vec<(Labels, f64)>, String>,
) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for used in walk::selectors(expr) {
        let alone = Expr {
            span: 0..0,
            kind: ExprKind::Selector(used.selector.clone()),
        };
        if missing.len() < NAMED && ask(&alone)?.is_empty() {
            missing.push(alone.to_string());
        }
    }
    missing.dedup();
    Ok(missing)
}

fn compared(
    values: &Expr,
    level: Option<(BinaryOp, &Expr)>,
    level_values: Option<Vec<(Labels, f64)>>,
    found: Vec<(Labels, f64)>,
) -> Found {
    let number = match level_values.as_deref() {
        Some([(_, only)]) => Some(*only),
        _ => None,
    };
    let op = level.map(|(op, _)| op);
    let passes = |value: f64| match (op, number) {
        (Some(op), Some(level)) => holds_between(op, value, level),
        _ => false,
    };
    let passing = found.iter().filter(|(_, value)| passes(*value)).count();
    let falls = matches!(op, Some(BinaryOp::Lt | BinaryOp::Le));
    let closeness = |value: f64| match (op, number) {
        // As near as can be, from either side.
        (Some(BinaryOp::Eq | BinaryOp::Ne), Some(level)) => -(value - level).abs(),
        _ if falls => -value,
        _ => value,
    };
    let count = found.len();
    let rank = |value: f64| match value.is_nan() {
        true => f64::NEG_INFINITY,
        false => closeness(value),
    };
    let nearest = found
        .into_iter()
        .max_by(|(_, a), (_, b)| {
            let key = |value: f64| (passes(value), rank(value));
            let (a, b) = (key(*a), key(*b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })
        .unwrap_or((Labels::empty(), f64::NAN));
    Found::Compared {
        values: values.to_string(),
        op: op.map(comparison),
        level: number,
        level_text: level.map_or_else(String::new, |(_, level)| level.to_string()),
        count,
        passing,
        nearest,
    }
}

fn holds_between(op: BinaryOp, value: f64, level: f64) -> bool {
    match op {
        BinaryOp::Gt => value > level,
        BinaryOp::Ge => value >= level,
        BinaryOp::Lt => value < level,
        BinaryOp::Le => value <= level,
        BinaryOp::Eq => value == level,
        BinaryOp::Ne => value != level,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        for (name, want) in [
            ("HighErrorRate", "HighErrorRate"),
            ("job:x:rate5m", "job:x:rate5m"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("..", "%2E%2E"),
            ("\"><b>ä", "%22%3E%3Cb%3E%C3%A4"),
        ] {
            assert_eq!(segment(name), want);
        }
    }
}
