//! From an alert to its chart: the values its rule compares, over the time it took to fire.
//!
//! The window reaches from an hour (or `for`, where that is longer) before the alert became pending until the moment of
//! the message, a day at most; where there are no samples that old it begins with the first. What was pending and
//! firing when is read from `ALERTS`, so that earlier episodes are seen too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::chart::{
    Badge, Chart, Emphasis, Level, Line, MAX_LINES, Shade, ShadeKind, Threshold, Tone,
};
use super::states;
use super::unit::guess;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{BinaryOp, Expr, ValueType};
use crate::promql::comparison::{Reading, looked_for, readings};
use crate::promql::eval::{Deadline, Engine, EvalError, Query, QueryRange, QueryValue};
use crate::promql::typecheck::type_of;
use crate::storage::query::{Queryable, Series};

/// The most points of a line.
const POINTS: i64 = 240;
/// What stands before the pending time, at least.
const LEAD: Duration = Duration::from_secs(3600);
/// The longest window.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The shortest window, in milliseconds, where samples are few.
const SHORTEST_MS: i64 = 60_000;
/// The least time between points, in milliseconds.
const LEAST_STEP_MS: i64 = 250;

/// The rule behind an alert, as far as a chart needs it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The expression as written: what its spans lie in.
    pub text: String,
    /// The expression.
    pub expr: Arc<Expr>,
    /// The expression as links carry it.
    pub query: String,
    /// Its `for`.
    pub pending_for: Duration,
    /// Names of labels that the rule adds to the result.
    pub rule_labels: Vec<String>,
}

/// Which alert, seen from when.
#[derive(Clone, PartialEq, Debug)]
pub struct Subject {
    /// Its labels, `alertname` among them.
    pub labels: Labels,
    /// Since when it fires.
    pub since: Timestamp,
    /// When it ended, where it has.
    pub ended: Option<Timestamp>,
    /// The moment of the message: the right edge.
    pub until: Timestamp,
}

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// Nothing was measured in the window.
    #[error("there are no samples of this time")]
    NoData,
    /// The expression failed.
    #[error("evaluate the alert's expression: {0}")]
    Evaluation(#[from] EvalError),
}

/// Where series come from, and how long it may take.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The store.
    pub storage: &'a dyn Queryable,
    /// Evaluates expressions.
    pub engine: &'a Engine,
    /// When to give up.
    pub deadline: &'a Deadline,
    /// Names of labels that every alert gets when it leaves: no series here has them.
    pub external_labels: &'a [String],
}

impl std::fmt::Debug for Sight<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sight").finish_non_exhaustive()
    }
}

/// The chart of an alert. Blocking.
///
/// # Errors
/// Where the expression fails, or there is nothing to see.
pub fn draw(source: &Source, subject: &Subject, sight: Sight<'_>) -> Result<Chart, ChartError> {
    let result_labels = result_labels(source, subject, sight);
    let mut range = window(source.pending_for, subject);
    let mut picked = pick(source, &result_labels, range, sight)?;
    // A young process has few samples: the window begins with them.
    let first = picked
        .series
        .iter()
        .filter_map(|series| series.samples.first());
    let first = first.map(|sample| sample.timestamp_ms).min();
    let first = first.ok_or(ChartError::NoData)?;
    if first - range.start_ms > (range.end_ms - range.start_ms) / 4 {
        let span = (range.end_ms - first) / 20 * 21;
        range = steps(range.end_ms - span.max(SHORTEST_MS), range.end_ms);
        picked = pick(source, &result_labels, range, sight)?;
    }
    let threshold = threshold(&source.text, &picked, &result_labels, range, sight)?;
    let shades = shades(subject, range, sight)?;
    let (lines, more_lines) = lines(&picked, Some(&result_labels), threshold.as_ref());
    let mut chart = Chart {
        title: subject.labels.value(ALERT_NAME).to_owned(),
        subtitle: subtitle(&result_labels),
        badge: Some(match subject.ended {
            None => Badge {
                text: "FIRING".to_owned(),
                tone: Tone::Bad,
            },
            Some(_) => Badge {
                text: "RESOLVED".to_owned(),
                tone: Tone::Good,
            },
        }),
        start: Timestamp::from_millis(range.start_ms),
        end: Timestamp::from_millis(range.end_ms),
        step: Duration::from_millis(u64::try_from(range.step_ms).unwrap_or(1)),
        lines,
        more_lines,
        threshold,
        shades,
        reloads: states::reloads(range, sight)?,
        ..Chart::default()
    };
    chart.unit = guess::unit(picked.way.values, chart.extent());
    Ok(chart)
}

/// How far back [`course`] looks.
const COURSE: Duration = LEAD;

/// The chart of an expression by itself: the values it compares over the last hour, against their threshold. Blocking.
///
/// # Errors
/// Where the expression fails, or there is nothing to see.
pub fn course(
    text: &str,
    expr: &Expr,
    until: Timestamp,
    sight: Sight<'_>,
) -> Result<Chart, ChartError> {
    let range = steps((until - COURSE).millis(), until.millis());
    let mut chart = of_all(text, expr, range, sight)?;
    chart.title = std::mem::take(&mut chart.subtitle);
    Ok(chart)
}

/// The chart of a whole rule: all it compares, shaded where any alert with these labels was pending or firing. Blocking.
///
/// # Errors
/// Where the expression fails, or there is nothing to see.
pub fn draw_rule(
    text: &str,
    expr: &Expr,
    alerts: Option<&Labels>,
    (until, span): (Timestamp, Duration),
    sight: Sight<'_>,
) -> Result<Chart, ChartError> {
    let mut range = steps((until - span).millis(), until.millis());
    let mut chart = of_all(text, expr, range, sight)?;
    // A young process has few samples: the window begins with them.
    let points = chart.lines.iter().filter_map(|line| line.points.first());
    let first = points.map(|sample| sample.timestamp_ms).min();
    let first = first.unwrap_or(range.start_ms);
    if first - range.start_ms > (range.end_ms - range.start_ms) / 4 {
        let span = (range.end_ms - first) / 20 * 21;
        range = steps(range.end_ms - span.max(SHORTEST_MS), range.end_ms);
        chart = of_all(text, expr, range, sight)?;
    }
    if let Some(labels) = alerts {
        let own = labels.iter();
        let own = own.map(|(name, value)| Matcher::equal(name, value));
        chart.shades = states::shades(own.collect(), &|_| true, range, sight)?;
    }
    chart.reloads = states::reloads(range, sight)?;
    Ok(chart)
}

/// All values that an expression compares, none of them the one that matters; the subtitle says what they are.
fn of_all(
    text: &str,
    expr: &Expr,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Chart, ChartError> {
    let nobody = Labels::empty();
    let picked = pick_of(text, expr, &nobody, range, sight)?;
    let threshold = threshold(text, &picked, &nobody, range, sight)?;
    let (mut lines, more_lines) = lines(&picked, None, threshold.as_ref());
    tell_apart(&mut lines, &picked.series);
    let mut chart = Chart {
        subtitle: picked.way.values.to_string(),
        start: Timestamp::from_millis(range.start_ms),
        end: Timestamp::from_millis(range.end_ms),
        step: Duration::from_millis(u64::try_from(range.step_ms).unwrap_or(1)),
        lines,
        more_lines,
        threshold,
        ..Chart::default()
    };
    chart.unit = guess::unit(picked.way.values, chart.extent());
    Ok(chart)
}

/// Takes out of the lines' names what they all have in common: the legend has little room.
fn tell_apart(lines: &mut [Line], series: &[Series]) {
    let [first, others @ ..] = series else {
        return;
    };
    if others.is_empty() {
        return;
    }
    let common = |name: &str| {
        let value = first.labels.get(name);
        value.is_some() && others.iter().all(|other| other.labels.get(name) == value)
    };
    let short: HashMap<String, String> = series
        .iter()
        .map(|series| {
            let own = series.labels.filter(|name| !common(name));
            (series.labels.to_string(), own.to_string())
        })
        .collect();
    for line in lines {
        if let Some(name) = short.get(&line.name).filter(|name| *name != "{}") {
            line.name.clone_from(name);
        }
    }
}

/// The labels that the expression's result has of the alert's: without those that the rule and this Outrigger add.
fn result_labels(source: &Source, subject: &Subject, sight: Sight<'_>) -> Labels {
    let added = |name: &str| {
        name == ALERT_NAME
            || source.rule_labels.iter().any(|added| added == name)
            || sight.external_labels.iter().any(|added| added == name)
    };
    subject.labels.filter(|name| !added(name))
}

fn window(pending_for: Duration, subject: &Subject) -> QueryRange {
    let end = subject.until;
    let lead = pending_for.max(LEAD);
    let start = (subject.since - pending_for - lead).max(end - LONGEST);
    steps(start.millis().min(end.millis() - SHORTEST_MS), end.millis())
}

/// At most [`POINTS`] steps that end exactly at the end.
fn steps(start_ms: i64, end_ms: i64) -> QueryRange {
    let least = (end_ms - start_ms + POINTS - 1) / POINTS;
    let step_ms = if least > 1000 {
        (least + 999) / 1000 * 1000
    } else {
        least.max(LEAST_STEP_MS)
    };
    QueryRange {
        start_ms: end_ms - (end_ms - start_ms) / step_ms * step_ms,
        end_ms,
        step_ms,
    }
}

/// One way to read the expression, and what it yields.
struct Picked<'a> {
    way: Reading<'a>,
    series: Vec<Series>,
}

/// The first way whose series have the alert among them, or else the first with any.
fn pick<'a>(
    source: &'a Source,
    wanted: &Labels,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Picked<'a>, ChartError> {
    pick_of(&source.text, &source.expr, wanted, range, sight)
}

fn pick_of<'a>(
    text: &str,
    expr: &'a Expr,
    wanted: &Labels,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Picked<'a>, ChartError> {
    let mut otherwise = None;
    for way in readings(expr) {
        let way = Reading {
            values: looked_for(way.values),
            ..way
        };
        if !matches!(type_of(way.values), ValueType::Vector | ValueType::Scalar) {
            continue;
        }
        let series = evaluate(text, way.values, range, sight)?;
        let picked = Picked { way, series };
        if picked
            .series
            .iter()
            .any(|series| likeness(&series.labels, wanted).is_some())
        {
            return Ok(picked);
        }
        if otherwise.is_none() && !picked.series.is_empty() {
            otherwise = Some(picked);
        }
    }
    otherwise.ok_or(ChartError::NoData)
}

pub(super) fn evaluate(
    text: &str,
    expr: &Expr,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Vec<Series>, EvalError> {
    let query = Query {
        text,
        expr,
        deadline: sight.deadline,
    };
    match sight.engine.range(sight.storage, &query, range)?.value {
        QueryValue::Matrix(series) => Ok(series),
        QueryValue::Scalar { .. } | QueryValue::String { .. } | QueryValue::Vector(_) => {
            Ok(Vec::new())
        }
    }
}

/// How many labels a series shares with an alert; `None` where it is another one's. An alert may have more labels than
/// its series, where something was added on its way.
fn likeness(labels: &Labels, wanted: &Labels) -> Option<usize> {
    let own = labels.without_name();
    let mut shared = 0;
    for (name, value) in &own {
        match wanted.get(name) {
            Some(wanted) if wanted == value => shared += 1,
            Some(_) => return None,
            None => {}
        }
    }
    (shared > 0 || own.is_empty() || wanted.is_empty()).then_some(shared)
}

fn threshold(
    text: &str,
    picked: &Picked<'_>,
    wanted: &Labels,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Option<Threshold>, ChartError> {
    let Some(compared) = picked.way.threshold else {
        return Ok(None);
    };
    let mut series = evaluate(text, compared.level, range, sight)?;
    // Of several the one that was compared with the alert's: no label of it differs.
    let fits = |labels: &Labels| {
        labels
            .without_name()
            .iter()
            .all(|(name, value)| wanted.get(name).is_none_or(|wanted| wanted == value))
    };
    series.retain(|series| fits(&series.labels));
    let agreeing = |series: &Series| {
        let labels = series.labels.iter();
        labels
            .filter(|(name, _)| wanted.get(name).is_some())
            .count()
    };
    let Some(best) = series.into_iter().max_by_key(agreeing) else {
        return Ok(None);
    };
    let samples = best.samples;
    let first = samples.first().map(|sample| sample.value);
    let level = match first {
        Some(first) if samples.iter().all(|sample| sample.value == first) => Level::Fixed(first),
        _ => Level::Moving(samples),
    };
    Ok(Some(Threshold {
        op: compared.op,
        level,
    }))
}

/// The alert's own series first, where there is an alert; of the others those nearest to firing.
fn lines(
    picked: &Picked<'_>,
    wanted: Option<&Labels>,
    threshold: Option<&Threshold>,
) -> (Vec<Line>, usize) {
    let name = picked.way.values.to_string();
    let strongest = picked
        .series
        .iter()
        .enumerate()
        .filter_map(|(index, series)| Some((index, likeness(&series.labels, wanted?)?)))
        // Of several equally alike the first, by labels.
        .max_by_key(|(index, shared)| (*shared, std::cmp::Reverse(*index)))
        .map(|(index, _)| index);
    let falls =
        threshold.is_some_and(|threshold| matches!(threshold.op, BinaryOp::Lt | BinaryOp::Le));
    let badness = |series: &Series| {
        let last = series
            .samples
            .last()
            .map_or(f64::NAN, |sample| sample.value);
        match last.is_nan() {
            true => f64::NEG_INFINITY,
            false if falls => -last,
            false => last,
        }
    };
    let mut order: Vec<usize> = (0..picked.series.len()).collect();
    order.sort_by(|a, b| {
        let bad = |index: &usize| badness(&picked.series[*index]);
        let strong = |index: &usize| Some(*index) == strongest;
        strong(b).cmp(&strong(a)).then(bad(b).total_cmp(&bad(a)))
    });
    let more = order.len().saturating_sub(MAX_LINES);
    order.truncate(MAX_LINES);
    let lines = order.into_iter().map(|index| {
        let series = &picked.series[index];
        let emphasis = match strongest {
            Some(strongest) if strongest == index => Emphasis::Strong,
            Some(_) => Emphasis::Pale,
            None => Emphasis::Plain,
        };
        Line {
            name: match emphasis {
                Emphasis::Plain => series.labels.to_string(),
                Emphasis::Strong | Emphasis::Pale => name.clone(),
            },
            emphasis,
            points: series.samples.clone(),
        }
    });
    (lines.collect(), more)
}

fn subtitle(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    pairs.join(", ")
}

/// When the alert was pending and firing, from its series; at least since when it fires.
fn shades(
    subject: &Subject,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Vec<Shade>, ChartError> {
    let external = |name: &str| sight.external_labels.iter().any(|added| added == name);
    let labels = subject.labels.iter().filter(|(name, _)| !external(name));
    let own: Vec<(&str, &str)> = labels.collect();
    let matchers = own
        .iter()
        .map(|(name, value)| Matcher::equal(*name, *value))
        .collect();
    // An alert with more labels has the same ones too: only the alert's own count, with name and state.
    let count = own.len() + 2;
    let mut shades = states::shades(matchers, &|labels| labels.len() == count, range, sight)?;
    if !shades.iter().any(|shade| shade.kind == ShadeKind::Firing) {
        let (start, end) = (
            Timestamp::from_millis(range.start_ms),
            Timestamp::from_millis(range.end_ms),
        );
        shades.push(Shade {
            kind: ShadeKind::Firing,
            start: subject.since.clamp(start, end),
            end: subject.ended.unwrap_or(end).clamp(start, end),
        });
    }
    states::in_turn(&mut shades);
    Ok(shades)
}

#[cfg(test)]
mod tests;
