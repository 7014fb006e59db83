//! From an expression and the state of the product to the page. Blocking; every query has a deadline.

use super::ask::{Ask, Tab};
use super::{
    GraphPage, LegendRow, MetricNote, Outcome, Plot, QueryError, Row, Values, hints, serve,
};
use crate::charts::alert::Sight;
use crate::charts::axis;
use crate::charts::chart::{Chart, Line, ShadeKind, comparison};
use crate::charts::course::{self, Wish};
use crate::charts::pictures::Pictures;
use crate::charts::pictures::query::{Format, QueryAddress};
use crate::charts::svg::paper::Paper;
use crate::charts::svg::{draw_on, look};
use crate::charts::theme::Theme;
use crate::charts::unit::Unit;
use crate::clock::Stopwatch;
use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::pages::view::Bounded;
use crate::model::go_float;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{Expr, ValueType};
use crate::promql::eval::{Deadline, EvalError, Query, QueryValue};
use crate::promql::parser::ParseError;
use crate::promql::typecheck::type_of;
use crate::promql::{parser, support};

/// Values shown of one series of a range vector.
const VALUES: usize = 100;
/// Metrics that are explained.
const METRICS: usize = 5;
/// Lines and times of the table of values.
const TABLE: (usize, usize) = (8, 24);
/// The longest expression that a link carries.
const MAX_LINK: usize = 8_000;

/// The page of what is asked for. All its expressions share the time that one has.
pub(super) fn page(context: &Context, ask: Ask) -> GraphPage {
    let deadline = deadline(context);
    let mut parts = ask.each().map(|ask| part(context, ask, &deadline));
    let Some(mut page) = parts.next() else {
        return GraphPage::empty("");
    };
    for mut other in parts {
        for link in std::mem::take(&mut other.links) {
            if !page.links.contains(&link) {
                page.links.push(link);
            }
        }
        for metric in std::mem::take(&mut other.metrics) {
            if !page.metrics.contains(&metric) {
                page.metrics.push(metric);
            }
        }
        page.others.push(other);
    }
    page
}

/// One of its expressions.
fn part(context: &Context, ask: Ask, deadline: &Deadline) -> GraphPage {
    let stopwatch = Stopwatch::start();
    let mut page = GraphPage::empty(&ask.expression);
    page.ask = ask;
    if page.expression.trim().is_empty() {
        return page;
    }
    let now = context.clock.now();
    let expr = match read(&page.expression) {
        Ok(expr) => expr,
        Err(error) => {
            page.outcome = Outcome::Error(error);
            return page;
        }
    };
    if !matches!(type_of(&expr), ValueType::Scalar | ValueType::Vector) {
        // A text, or several values of each series, have no course.
        page.ask.tab = Tab::Table;
    }
    let alerts = rules_behind(context, &mut page);
    let done = match page.ask.tab {
        Tab::Table => table(context, &mut page, &expr, (now, deadline)),
        Tab::Graph => graph(context, &mut page, &expr, (now, deadline), &alerts),
    };
    if let Err(message) = done {
        page.outcome = Outcome::Error(QueryError {
            message,
            excerpt: None,
        });
    }
    page.metrics = notes(context, &expr);
    if is_empty(&page.outcome) {
        page.hints = hints::hints(&context.storage, &page.ask, &expr).unwrap_or_else(|error| {
            tracing::warn!(%error, "look for what a query may have meant");
            Vec::new()
        });
    }
    if !matches!(page.outcome, Outcome::Error(_)) && page.expression.len() <= MAX_LINK {
        page.exports = exports(&page.ask, now);
        if let (Outcome::Course(_), Some(pictures)) = (&page.outcome, &context.pictures) {
            page.exports.extend(picture(pictures, &page.ask, now));
        }
    }
    page.duration = Some(stopwatch.elapsed());
    page
}

/// The value of what is asked for, as the API would answer it.
///
/// # Errors
/// Where the expression is wrong, or cannot be evaluated.
pub(super) fn value(context: &Context, ask: &Ask) -> Result<QueryValue, ApiError> {
    let wrong = |message: String| ApiError::new(crate::http::errors::ErrorKind::BadData, message);
    let expr = read(&ask.expression).map_err(|error| wrong(error.message))?;
    let deadline = deadline(context);
    let query = Query {
        text: &ask.expression,
        expr: &expr,
        deadline: &deadline,
    };
    let now = context.clock.now();
    let has_course = matches!(type_of(&expr), ValueType::Scalar | ValueType::Vector);
    let result = if ask.tab == Tab::Graph && has_course {
        let window = ask.window(now).map_err(wrong)?;
        context.engine.range(&context.storage, &query, window)?
    } else {
        let at = ask.end.unwrap_or(now);
        context
            .engine
            .instant(&context.storage, &query, at.millis())?
    };
    Ok(result.value)
}

fn deadline(context: &Context) -> Deadline {
    let limit = context.query_timeout.min(serve::LONGEST);
    Deadline::after(limit).or_when(context.tasks.stop_token())
}

/// Reads an expression; a fault is shown in its place.
fn read(text: &str) -> Result<Expr, QueryError> {
    let fault = |error: ParseError| QueryError {
        message: error.to_string(),
        excerpt: Some(error.excerpt(text)),
    };
    let expr = parser::parse(text).map_err(fault)?;
    support::check(&expr).map_err(|error| {
        let place = ParseError::at(text, error.span.clone(), error.to_string());
        QueryError {
            message: error.to_string(),
            excerpt: Some(place.excerpt(text)),
        }
    })?;
    Ok(expr)
}

/// Runbooks of the rules that have this very expression: where a message's source link leads, the way on is one click.
/// The names of those that alert.
fn rules_behind(context: &Context, page: &mut GraphPage) -> Vec<String> {
    let mut alerts = Vec::new();
    for group in context.rules.groups() {
        let same = |query: &str| query == page.expression;
        for rule in group.rules.iter().filter(|rule| same(&rule.spec.query)) {
            if rule.spec.kind != crate::rules::file::RuleKind::Recording {
                alerts.push(rule.spec.name.clone());
            }
            if let Some(runbook) = context.runbooks.borrow().for_alert(&rule.spec.name) {
                page.links.push((
                    format!("Runbook: {}", runbook.title),
                    format!("/runbooks/{}", runbook.slug),
                ));
            }
        }
    }
    page.links.dedup();
    alerts.dedup();
    alerts
}

fn table(
    context: &Context,
    page: &mut GraphPage,
    expr: &Expr,
    (now, deadline): (Timestamp, &Deadline),
) -> Result<(), String> {
    let at = page.ask.end.unwrap_or(now);
    page.at = Some(at);
    let query = Query {
        text: &page.expression,
        expr,
        deadline,
    };
    let result = context
        .engine
        .instant(&context.storage, &query, at.millis())
        .map_err(told)?;
    page.samples_read = Some(result.samples_read);
    page.warnings = result.warnings;
    page.infos = result.infos;
    page.outcome = outcome(result.value);
    Ok(())
}

fn graph(
    context: &Context,
    page: &mut GraphPage,
    expr: &Expr,
    (now, deadline): (Timestamp, &Deadline),
    alerts: &[String],
) -> Result<(), String> {
    let wish = Wish {
        text: &page.expression,
        expr,
        range: page.ask.window(now)?,
        alerts,
    };
    let sight = Sight {
        storage: &context.storage,
        engine: &context.engine,
        deadline,
        external_labels: &[],
    };
    let mut course = course::evaluate(&wish, sight).map_err(told)?;
    let chart = course.chart(&wish);
    page.samples_read = Some(course.samples_read);
    page.warnings = std::mem::take(&mut course.warnings);
    page.infos = std::mem::take(&mut course.infos);
    let part = course.values.filter(|part| *part != page.expression);
    page.outcome = Outcome::Course(Box::new(plot(&chart, part, &page.ask)));
    Ok(())
}

fn told(error: EvalError) -> String {
    match error {
        EvalError::TimedOut => format!(
            "{error}: a page waits {} s at most; take a shorter range, a longer step, or fewer series",
            serve::LONGEST.as_secs()
        ),
        error => error.to_string(),
    }
}

/// A chart as the page shows it.
fn plot(chart: &Chart, part: Option<String>, ask: &Ask) -> Plot {
    let number = ask.before.len() + 1;
    let shaded = |kind| chart.shades.iter().any(|shade| shade.kind == kind);
    let threshold = chart.threshold.as_ref().and_then(|threshold| {
        let level = chart.unit.value(threshold.level.last()?);
        Some(format!("{} {level}", comparison(threshold.op)))
    });
    Plot {
        wide: draw_on(chart, Paper::wide(&format!("chart-{number}"))),
        narrow: draw_on(chart, Paper::narrow(&format!("small-{number}"))),
        legend: chart
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| legend_row(index, line, chart.unit))
            .collect(),
        more: chart.more_lines,
        threshold,
        shaded: (shaded(ShadeKind::Pending), shaded(ShadeKind::Firing)),
        reloaded: !chart.reloads.is_empty(),
        query: part.clone().unwrap_or_else(|| ask.expression.clone()),
        part,
        days: axis::days(chart.start, chart.end),
        ends: (chart.start, chart.end),
        step: chart.step,
        values: values(chart),
    }
}

fn legend_row(index: usize, line: &Line, unit: Unit) -> LegendRow {
    let numbers = || {
        let values = line.points.iter().map(|point| point.value);
        values.filter(|value| !value.is_nan())
    };
    let count = numbers().count();
    let write = |value: f64| match count {
        0 => "–".to_owned(),
        _ => unit.value(value),
    };
    let last = line.points.last();
    LegendRow {
        look: look(index),
        name: match line.name.as_str() {
            "{}" => "all".to_owned(),
            name => name.to_owned(),
        },
        figures: [
            last.map_or_else(|| "–".to_owned(), |point| unit.value(point.value)),
            write(numbers().fold(f64::INFINITY, f64::min)),
            write(numbers().sum::<f64>() / count as f64),
            write(numbers().fold(f64::NEG_INFINITY, f64::max)),
        ],
    }
}

/// Some times, evenly apart, the last one among them.
fn values(chart: &Chart) -> Values {
    let step_ms = i64::try_from(chart.step.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let (start, end) = (chart.start.millis(), chart.end.millis());
    let steps = end.saturating_sub(start) / step_ms;
    let most = i64::try_from(TABLE.1).unwrap_or(1);
    let stride = (steps / most + 1).saturating_mul(step_ms);
    let lines = &chart.lines[..chart.lines.len().min(TABLE.0)];
    let at = |line: &Line, time: i64| {
        let found = line
            .points
            .binary_search_by_key(&time, |point| point.timestamp_ms);
        found.map_or_else(
            |_| "–".to_owned(),
            |index| chart.unit.value(line.points[index].value),
        )
    };
    let times = (0..=most).map_while(|index| {
        let time = end.checked_sub(stride.checked_mul(index)?)?;
        (time >= start).then_some(time)
    });
    Values {
        names: lines.iter().map(|line| line.name.clone()).collect(),
        rows: times
            .map(|time| {
                let values = lines.iter().map(|line| at(line, time)).collect();
                (Timestamp::from_millis(time), values)
            })
            .collect(),
    }
}

fn is_empty(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Vector(rows) | Outcome::Matrix(rows) => rows.rows.is_empty(),
        Outcome::Course(plot) => plot.legend.is_empty(),
        Outcome::Empty | Outcome::Scalar(_) | Outcome::Text(_) | Outcome::Error(_) => false,
    }
}

/// What targets say of the metrics that are read.
fn notes(context: &Context, expr: &Expr) -> Vec<MetricNote> {
    let names = hints::metric_names(expr);
    if names.is_empty() {
        return Vec::new();
    }
    let targets = context.targets.targets();
    let mut notes: Vec<MetricNote> = Vec::new();
    for name in names.into_iter().take(METRICS) {
        // The series of a histogram have names of their own.
        let family = ["", "_bucket", "_count", "_sum", "_total", "_created"]
            .into_iter()
            .filter_map(|suffix| name.strip_suffix(suffix));
        let known = family
            .flat_map(|family| {
                let targets = targets.active.iter();
                targets.filter_map(move |target| target.metadata.get(family))
            })
            .next();
        if let Some(known) = known {
            notes.push(MetricNote {
                name: name.to_owned(),
                kind: known.kind.as_str(),
                unit: known.unit.clone(),
                help: known.help.clone(),
            });
        }
    }
    notes
}

/// The same result elsewhere: as it is now, for ever; for spreadsheets; for programs.
fn exports(ask: &Ask, now: Timestamp) -> Vec<(&'static str, String)> {
    let fixed = Ask {
        end: Some(ask.end.unwrap_or(now)),
        ..ask.clone()
    };
    let mut api = url::form_urlencoded::Serializer::new(String::new());
    api.append_pair("query", &ask.expression);
    let end = fixed.end.unwrap_or(now);
    let path = match (ask.tab, ask.window(end)) {
        (Tab::Graph, Ok(window)) => {
            let seconds = |millis| Timestamp::from_millis(millis).seconds().to_string();
            api.append_pair("start", &seconds(window.start_ms))
                .append_pair("end", &seconds(window.end_ms))
                .append_pair("step", &(window.step_ms as f64 / 1000.0).to_string());
            "/api/v1/query_range"
        }
        _ => {
            api.append_pair("time", &end.seconds().to_string());
            "/api/v1/query"
        }
    };
    vec![
        ("Link to this moment", fixed.link()),
        ("CSV", format!("/graph.csv?{}", fixed.alone().parameters())),
        ("JSON", format!("{path}?{}", api.finish())),
    ]
}

/// The chart as a picture, by a link that needs no sign-in: of this moment, or of each moment it is asked for.
fn picture(pictures: &Pictures, ask: &Ask, now: Timestamp) -> Option<(&'static str, String)> {
    let window = ask.window(now).ok()?;
    let address = QueryAddress {
        expression: ask.expression.clone(),
        range_ms: window.end_ms - window.start_ms,
        end: ask.end,
        step_ms: Some(window.step_ms),
        theme: Theme::Light,
        format: Format::Png,
    };
    let link = pictures.query_link(&address, now)?;
    Some(("Picture (whoever has the link sees it, for 7 days)", link))
}

fn outcome(value: QueryValue) -> Outcome {
    match value {
        QueryValue::Scalar { value, .. } => Outcome::Scalar(go_float::format_sample(value)),
        QueryValue::String { value, .. } => Outcome::Text(value),
        QueryValue::Vector(samples) => Outcome::Vector(Bounded::map(samples, |sample| Row {
            series: sample.labels.to_string(),
            values: vec![go_float::format_sample(sample.value)],
        })),
        QueryValue::Matrix(series) => Outcome::Matrix(Bounded::map(series, |series| Row {
            series: series.labels.to_string(),
            values: series
                .samples
                .iter()
                .rev()
                .take(VALUES)
                .rev()
                .map(|sample| {
                    let at = Timestamp::from_millis(sample.timestamp_ms);
                    format!("{} @{at}", go_float::format_sample(sample.value))
                })
                .collect(),
        })),
    }
}
