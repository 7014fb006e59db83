//! The course of an expression: what the query page, a picture of a query and the command line draw.
//!
//! Of an expression that compares (`rate(errors[5m]) > 5`) the values that are compared are drawn, with what they are
//! compared with as the threshold: the result itself would be a line that is there only while it is too late.

use std::collections::BTreeSet;
use std::time::Duration;

use super::alert::Sight;
use super::chart::{Chart, Level, Line, MAX_LINES, Shade, Threshold};
use super::states;
use super::unit::{Unit, guess};
use crate::model::labels::{ALERT_NAME, Labels, METRIC_NAME};
use crate::model::matcher::Matcher;
use crate::model::sample::Sample;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{Expr, ValueType};
use crate::promql::comparison::{Reading, readings};
use crate::promql::eval::{EvalError, Query, QueryRange, QueryValue};
use crate::promql::typecheck::type_of;
use crate::storage::query::Series;

/// Alerts whose states are shaded.
const MAX_ALERTS: usize = 5;

/// Which expression, and when.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The expression as written: what its spans lie in.
    pub text: &'a str,
    /// The expression.
    pub expr: &'a Expr,
    /// From when to when, and how often.
    pub range: QueryRange,
    /// Alerts that are raised by it: when they were pending and firing is shaded.
    pub alerts: &'a [String],
}

/// What was evaluated.
#[derive(Clone, Debug)]
pub struct Course {
    /// All series, by labels.
    pub series: Vec<Series>,
    /// What they are compared with.
    pub threshold: Option<Threshold>,
    /// The part of the expression that the series are of, where they are not of all of it.
    pub values: Option<String>,
    /// When its alerts were pending and firing.
    pub shades: Vec<Shade>,
    /// When rules were loaded, where there are alerts.
    pub reloads: Vec<Timestamp>,
    /// What makes the values doubtful.
    pub warnings: Vec<String>,
    /// What the writer of the query may want to know.
    pub infos: Vec<String>,
    /// Samples read from the store.
    pub samples_read: u64,
}

/// Evaluates. Blocking.
///
/// # Errors
/// Where the data does not allow an answer, a bound is passed, or the expression has no course.
pub fn evaluate(wish: &Wish<'_>, sight: Sight<'_>) -> Result<Course, EvalError> {
    let compared = compared(wish.expr);
    let shown = compared
        .as_ref()
        .map_or(wish.expr, |reading| reading.values);
    let query = |expr| Query {
        text: wish.text,
        expr,
        deadline: sight.deadline,
    };
    let result = sight
        .engine
        .range(sight.storage, &query(shown), wish.range)?;
    let mut course = Course {
        series: matrix(result.value),
        threshold: None,
        values: compared.as_ref().map(|reading| reading.values.to_string()),
        shades: Vec::new(),
        reloads: Vec::new(),
        warnings: result.warnings,
        infos: result.infos,
        samples_read: result.samples_read,
    };
    if let Some(threshold) = compared.and_then(|reading| reading.threshold) {
        let level = match threshold.number() {
            Some(number) => Some(Level::Fixed(number)),
            None => {
                let result =
                    sight
                        .engine
                        .range(sight.storage, &query(threshold.level), wish.range)?;
                course.samples_read += result.samples_read;
                one_level(matrix(result.value))
            }
        };
        course.threshold = level.map(|level| Threshold {
            op: threshold.op,
            level,
        });
    }
    for alert in wish.alerts.iter().take(MAX_ALERTS) {
        let matchers = vec![Matcher::equal(ALERT_NAME, alert)];
        let shades = states::shades(matchers, &|_| true, wish.range, sight)?;
        course.shades.extend(shades);
    }
    states::in_turn(&mut course.shades);
    if !wish.alerts.is_empty() {
        course.reloads = states::reloads(wish.range, sight)?;
    }
    Ok(course)
}

/// The comparison that an expression is, where it is one.
fn compared(expr: &Expr) -> Option<Reading<'_>> {
    let mut readings = readings(expr);
    let reading = readings.pop().filter(|_| readings.is_empty())?;
    let drawable = matches!(
        type_of(reading.values),
        ValueType::Vector | ValueType::Scalar
    );
    (reading.threshold.is_some() && drawable).then_some(reading)
}

/// A line that holds for all series; several of them are not drawn, as nobody could tell which is whose.
fn one_level(mut series: Vec<Series>) -> Option<Level> {
    let only = series.pop().filter(|_| series.is_empty())?;
    let first = only.samples.first()?.value;
    Some(
        match only.samples.iter().all(|sample| sample.value == first) {
            true => Level::Fixed(first),
            false => Level::Moving(only.samples),
        },
    )
}

fn matrix(value: QueryValue) -> Vec<Series> {
    match value {
        QueryValue::Matrix(series) => series,
        QueryValue::Scalar { .. } | QueryValue::String { .. } | QueryValue::Vector(_) => Vec::new(),
    }
}

impl Course {
    /// Its chart: the series with the highest values at the end, in the order of their labels.
    pub fn chart(&self, wish: &Wish<'_>) -> Chart {
        let mut chart = chart(&self.series, wish.range);
        chart.title = one_line(wish.text);
        chart.threshold.clone_from(&self.threshold);
        chart.shades.clone_from(&self.shades);
        chart.reloads.clone_from(&self.reloads);
        let shown = compared(wish.expr).map_or(wish.expr, |reading| reading.values);
        chart.unit = guess::unit(shown, chart.extent());
        chart
    }
}

/// The chart of these series, without headline, threshold and unit.
pub fn chart(series: &[Series], range: QueryRange) -> Chart {
    let drawn = drawn(series);
    let labels: Vec<&Labels> = drawn.iter().map(|index| &series[*index].labels).collect();
    let names = names(&labels);
    Chart {
        start: Timestamp::from_millis(range.start_ms),
        end: Timestamp::from_millis(range.end_ms),
        step: Duration::from_millis(u64::try_from(range.step_ms).unwrap_or(1)),
        lines: drawn
            .iter()
            .zip(names)
            .map(|(index, name)| Line {
                name,
                points: series[*index].samples.clone(),
                ..Line::default()
            })
            .collect(),
        more_lines: series.len() - drawn.len(),
        ..Chart::default()
    }
}

/// The unit of the values that are drawn of an expression.
pub fn unit(expr: &Expr, extent: Option<(f64, f64)>) -> Unit {
    guess::unit(
        compared(expr).map_or(expr, |reading| reading.values),
        extent,
    )
}

/// A text with its breaks and runs of spaces as one space each.
pub fn one_line(text: &str) -> String {
    // What is longer is cut by whoever draws it.
    let short: String = text.chars().take(4096).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The series that are drawn: all, or those that end highest.
pub fn drawn(series: &[Series]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..series.len()).collect();
    if order.len() > MAX_LINES {
        let last = |index: &usize| {
            let last = series[*index].samples.last();
            last.map_or(f64::NEG_INFINITY, |sample: &Sample| {
                if sample.value.is_nan() {
                    f64::NEG_INFINITY
                } else {
                    sample.value
                }
            })
        };
        order.sort_by(|a, b| last(b).total_cmp(&last(a)));
        order.truncate(MAX_LINES);
        order.sort_unstable();
    }
    order
}

/// What tells series apart: the labels that they do not share.
pub fn names(all: &[&Labels]) -> Vec<String> {
    let Some(first) = all.first() else {
        return Vec::new();
    };
    // What the first has and all others have too.
    let shared: BTreeSet<&str> = first
        .iter()
        .filter(|(name, value)| all.iter().all(|labels| labels.get(name) == Some(value)))
        .map(|(name, _)| name)
        .collect();
    let one_metric = all
        .iter()
        .all(|labels| labels.metric_name() == first.metric_name());
    all.iter()
        .map(|labels| {
            let own = labels
                .filter(|name| all.len() == 1 || name == METRIC_NAME || !shared.contains(name));
            // One metric for all stands in the headline.
            let own = if all.len() > 1 && one_metric {
                own.without_name()
            } else {
                own
            };
            own.to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests;
