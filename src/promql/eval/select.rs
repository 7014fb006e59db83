//! Reading series: instant selectors, range selectors, subqueries. Each is read once for all steps.

use super::super::ast::{AtModifier, Expr, ExprKind, Extension, Selector, Span, TimeModifiers};
use super::evaluator::{Evaluator, Value};
use super::grid::{ABSENT, Grid, Steps};
use super::{EvalError, row_series, unwrap_parens};
use crate::model::labels::METRIC_NAME;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::sample::{Sample, is_stale};
use crate::storage::query::{SelectRequest, Series};

/// When a selector with `@` and `offset` reads, given the time of evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reference {
    fixed: Option<i64>,
    offset: i64,
}

impl Reference {
    fn at(self, time: i64) -> i64 {
        self.fixed.unwrap_or(time).saturating_sub(self.offset)
    }

    /// What is read at times that `self` gives.
    pub(super) fn then(self, inner: Self) -> Self {
        match inner.fixed {
            Some(_) => inner,
            None => Self {
                fixed: self.fixed,
                offset: self.offset.saturating_add(inner.offset),
            },
        }
    }
}

/// What an instant selector yields of a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Take {
    Value,
    /// When it was taken, in seconds.
    Time,
    /// When it was taken, in milliseconds.
    Millis,
}

/// A range vector at every step.
#[derive(Debug)]
pub(super) struct RangeVector {
    /// Series without stale markers.
    pub(super) series: Vec<Series>,
    pub(super) windows: Windows,
    /// `anchored` or `smoothed`.
    pub(super) extension: Option<Extension>,
    /// As for a [`Grid`].
    pub(super) nameless: bool,
    pub(super) same_name: bool,
    held: usize,
}

/// The windows of a range vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    reference: Reference,
    /// Length in milliseconds, as written.
    pub(super) range: i64,
    // By how much more is read before and after for the sake of `anchored` and `smoothed`.
    before: i64,
    after: i64,
}

/// A series' samples in one window, which is open on the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'s> {
    pub(super) samples: &'s [Sample],
    /// Index of the first of them in the series.
    pub(super) first: usize,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The step's index and time.
    pub(super) step: usize,
    pub(super) time: i64,
}

impl Windows {
    /// Shows each step's window of a series; both its edges only ever move forward.
    pub(super) fn each<'s>(
        &self,
        samples: &'s [Sample],
        steps: Steps,
        mut visit: impl FnMut(Window<'s>),
    ) {
        let (mut from, mut to) = (0, 0);
        for (step, time) in steps.times().enumerate() {
            let end = self.reference.at(time);
            let start = end.saturating_sub(self.range);
            let read_until = end.saturating_add(self.after);
            let read_after = start.saturating_sub(self.before);
            while to < samples.len() && samples[to].timestamp_ms <= read_until {
                to += 1;
            }
            while from < to && samples[from].timestamp_ms <= read_after {
                from += 1;
            }
            visit(Window {
                samples: &samples[from..to],
                first: from,
                start,
                end,
                step,
                time,
            });
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn instant_selector(
        &mut self,
        selector: &Selector,
        steps: Steps,
    ) -> Result<Value, EvalError> {
        if selector.extension == Some(Extension::Smoothed) {
            return self.smoothed_selector(selector, steps).map(Value::Vector);
        }
        let reference = self.reference(&selector.at)?;
        self.newest(&selector.matchers, reference, steps, Take::Value)
            .map(Value::Vector)
    }

    /// The newest sample within the lookback at each step.
    pub(super) fn newest(
        &mut self,
        matchers: &[Matcher],
        reference: Reference,
        steps: Steps,
        take: Take,
    ) -> Result<Grid, EvalError> {
        let (first, last) = (reference.at(steps.start), reference.at(steps.end()));
        let lookback = self.lookback;
        let (series, held) = self.select(
            matchers,
            first.saturating_sub(lookback),
            last,
            first == last,
        )?;
        self.hold(series.len().saturating_mul(steps.count))?;
        let mut grid = Grid::with_capacity(steps.count, series.len());
        grid.same_name = names_metric(matchers);
        for Series { labels, samples } in series {
            self.tick()?;
            let mut seen = 0;
            grid.push_row(
                labels,
                steps.times().map(|time| {
                    let at = reference.at(time);
                    while seen < samples.len() && samples[seen].timestamp_ms <= at {
                        seen += 1;
                    }
                    match samples[..seen].last() {
                        Some(sample)
                            if sample.timestamp_ms > at.saturating_sub(lookback)
                                && !is_stale(sample.value) =>
                        {
                            match take {
                                Take::Value => sample.value,
                                Take::Time => sample.timestamp_ms as f64 / 1000.0,
                                Take::Millis => sample.timestamp_ms as f64,
                            }
                        }
                        _ => ABSENT,
                    }
                }),
            );
        }
        self.release(held);
        Ok(grid)
    }

    /// Values at exactly the times of evaluation, between the samples before and after.
    fn smoothed_selector(&mut self, selector: &Selector, steps: Steps) -> Result<Grid, EvalError> {
        let reference = self.reference(&selector.at)?;
        let lookback = self.lookback;
        let (series, held) = self.select(
            &selector.matchers,
            reference.at(steps.start).saturating_sub(lookback),
            reference.at(steps.end()).saturating_add(lookback),
            false,
        )?;
        self.hold(series.len().saturating_mul(steps.count))?;
        let mut grid = Grid::with_capacity(steps.count, series.len());
        grid.same_name = names_metric(&selector.matchers);
        for Series {
            labels,
            mut samples,
        } in series
        {
            self.tick()?;
            samples.retain(|sample| !is_stale(sample.value));
            grid.push_row(
                labels,
                steps.times().map(|time| {
                    let at = reference.at(time);
                    let later = samples.partition_point(|sample| sample.timestamp_ms < at);
                    let next = samples
                        .get(later)
                        .filter(|sample| sample.timestamp_ms <= at.saturating_add(lookback));
                    let previous = samples[..later]
                        .last()
                        .filter(|sample| sample.timestamp_ms > at.saturating_sub(lookback));
                    match (previous, next) {
                        (_, Some(next)) if next.timestamp_ms == at => next.value,
                        (Some(previous), Some(next)) => interpolate(previous, next, at, false),
                        (Some(previous), None) => previous.value,
                        (None, _) => ABSENT,
                    }
                }),
            );
        }
        self.release(held);
        Ok(grid)
    }

    /// A range-vector argument at every step.
    pub(super) fn range_vector(
        &mut self,
        expr: &Expr,
        steps: Steps,
    ) -> Result<RangeVector, EvalError> {
        match &unwrap_parens(expr).kind {
            ExprKind::Matrix { selector, range } => {
                let lookback = self.lookback;
                let (before, after) = match selector.extension {
                    None => (0, 0),
                    Some(Extension::Anchored) => (lookback, 0),
                    Some(Extension::Smoothed) => (lookback, lookback),
                };
                let windows = Windows {
                    reference: self.reference(&selector.at)?,
                    range: self.length(range)?,
                    before,
                    after,
                };
                let (mut series, held) = self.select(
                    &selector.matchers,
                    windows
                        .reference
                        .at(steps.start)
                        .saturating_sub(windows.range)
                        .saturating_sub(before),
                    windows.reference.at(steps.end()).saturating_add(after),
                    false,
                )?;
                for series in &mut series {
                    if series.samples.iter().any(|sample| is_stale(sample.value)) {
                        series.samples.retain(|sample| !is_stale(sample.value));
                    }
                }
                Ok(RangeVector {
                    series,
                    windows,
                    extension: selector.extension,
                    nameless: false,
                    same_name: names_metric(&selector.matchers),
                    held,
                })
            }
            ExprKind::Subquery {
                expr,
                range,
                step,
                at,
            } => {
                let windows = Windows {
                    reference: self.reference(at)?,
                    range: self.length(range)?,
                    before: 0,
                    after: 0,
                };
                let step = match step {
                    Some(step) => self.length(step)?,
                    None => self.default_subquery_step,
                };
                // The first multiple of the step inside the first window.
                let before = windows
                    .reference
                    .at(steps.start)
                    .saturating_sub(windows.range);
                let start = before
                    .div_euclid(step)
                    .saturating_add(1)
                    .saturating_mul(step);
                let inner = Steps::between(start, windows.reference.at(steps.end()), step);
                self.bound_steps(inner)?;
                let grid = if inner.count == 0 {
                    Grid::empty(0)
                } else {
                    match self.eval(expr, inner)? {
                        Value::Vector(grid) => grid,
                        Value::Scalar(values) => Grid {
                            labels: vec![crate::model::labels::Labels::empty()],
                            cells: values,
                            ..Grid::empty(inner.count)
                        },
                    }
                };
                Ok(RangeVector {
                    series: row_series(&grid, inner),
                    windows,
                    extension: None,
                    nameless: grid.nameless,
                    same_name: grid.same_name,
                    held: grid.cells.len(),
                })
            }
            _ => Err(EvalError::Invalid("expected a range vector".to_owned())),
        }
    }

    /// Accounts for a range vector no longer needed.
    pub(super) fn drop_range_vector(&mut self, vector: RangeVector) {
        self.release(vector.held);
    }

    /// The value of a range-vector expression at one time.
    pub(super) fn matrix_value(
        &mut self,
        expr: &Expr,
        at_ms: i64,
    ) -> Result<Vec<Series>, EvalError> {
        let steps = Steps::single(at_ms);
        let vector = self.range_vector(expr, steps)?;
        let mut result = Vec::with_capacity(vector.series.len());
        for series in &vector.series {
            let mut samples = Vec::new();
            vector.windows.each(&series.samples, steps, |window| {
                samples = extended(&window, vector.extension);
            });
            if !samples.is_empty() {
                result.push(Series {
                    labels: if vector.nameless {
                        super::grid::without_metadata(&series.labels)
                    } else {
                        series.labels.clone()
                    },
                    samples,
                });
            }
        }
        Ok(result)
    }

    pub(super) fn reference(&self, at: &TimeModifiers) -> Result<Reference, EvalError> {
        Ok(Reference {
            fixed: at.at.map(|at| match at {
                AtModifier::Timestamp(millis) => millis,
                AtModifier::Start => self.times.start,
                AtModifier::End => self.times.end,
            }),
            offset: match &at.offset {
                Some(offset) => self.offset(offset)?,
                None => 0,
            },
        })
    }

    /// Series with samples in the window, and how many samples those are.
    pub(super) fn select(
        &mut self,
        matchers: &[Matcher],
        after_ms: i64,
        until_ms: i64,
        newest_only: bool,
    ) -> Result<(Vec<Series>, usize), EvalError> {
        let series = self.source.select(&SelectRequest {
            matchers,
            after_ms,
            until_ms,
            newest_only,
            max_samples: self.room(),
        })?;
        let samples = series.iter().map(|series| series.samples.len()).sum();
        self.hold(samples)?;
        self.samples_read += samples as u64;
        self.series_read += series.len() as u64;
        Ok((series, samples))
    }
}

/// The value between two samples; after a counter's reset the first one counts as zero.
pub(super) fn interpolate(before: &Sample, after: &Sample, at: i64, counter: bool) -> f64 {
    let from = if counter && after.value < before.value {
        0.0
    } else {
        before.value
    };
    let passed = (at - before.timestamp_ms) as f64;
    let between = (after.timestamp_ms - before.timestamp_ms) as f64;
    from + (after.value - from) * passed / between
}

/// The samples of a window; with `anchored` or `smoothed`, with a sample at each of its edges.
fn extended(window: &Window<'_>, extension: Option<Extension>) -> Vec<Sample> {
    let Some(extension) = extension else {
        return window.samples.to_vec();
    };
    let samples = window.samples;
    let first_after = samples.partition_point(|sample| sample.timestamp_ms <= window.start);
    let last_before = samples.partition_point(|sample| sample.timestamp_ms < window.end);
    let smoothed = extension == Extension::Smoothed;
    if samples.is_empty() || (first_after == samples.len()) {
        return Vec::new();
    }
    let edge = |at: i64, later: usize| -> Option<f64> {
        let previous = later.checked_sub(1).map(|index| &samples[index]);
        match (previous, samples.get(later)) {
            (Some(previous), _) if previous.timestamp_ms == at => Some(previous.value),
            (Some(previous), Some(next)) if smoothed => {
                Some(interpolate(previous, next, at, false))
            }
            (Some(previous), _) => Some(previous.value),
            (None, Some(next)) => Some(next.value),
            (None, None) => None,
        }
    };
    let mut result = Vec::with_capacity(samples.len() + 2);
    let mut push = |timestamp_ms: i64, value: Option<f64>| {
        if let Some(value) = value {
            result.push(Sample {
                timestamp_ms,
                value,
            });
        }
    };
    push(window.start, edge(window.start, first_after));
    for sample in &samples[first_after..last_before.max(first_after)] {
        push(sample.timestamp_ms, Some(sample.value));
    }
    let at_end = samples.partition_point(|sample| sample.timestamp_ms <= window.end);
    push(window.end, edge(window.end, at_end));
    result
}

/// Whether all series that pass have the same metric name.
fn names_metric(matchers: &[Matcher]) -> bool {
    matchers.iter().any(|matcher| {
        matcher.name() == METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && !matcher.value().is_empty()
    })
}

/// The span that remarks on an argument point at.
pub(super) fn place(expr: &Expr) -> &Span {
    &unwrap_parens(expr).span
}
