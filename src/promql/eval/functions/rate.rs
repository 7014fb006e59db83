//! `rate`, `increase`, `delta`, `irate`, `idelta`.
//!
//! A window's increase is the difference of its ends plus what was lost at counter resets, stretched to the window's
//! edges where samples come close to them. Where the resets are is found once a series, so that a step costs its
//! window's ends and the resets inside, not all its samples.

use super::super::super::ast::{Expr, Extension, Function, FunctionId as Id};
use super::super::EvalError;
use super::super::evaluator::Evaluator;
use super::super::grid::{ABSENT, Duplicates, Grid, Steps};
use super::super::select::{Window, interpolate, place};
use crate::model::sample::Sample;

/// What is wanted of an increase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    counter: bool,
    per_second: bool,
}

impl Evaluator<'_> {
    pub(super) fn rate(
        &mut self,
        function: &Function,
        arg: &Expr,
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let kind = Kind {
            counter: function.id != Id::Delta,
            per_second: function.id == Id::Rate,
        };
        let vector = self.checked_range_vector(function, arg, steps)?;
        let mut grid = self.grid_for(&vector, steps)?;
        let range = vector.windows.range as f64 / 1000.0;
        let mut cells = Vec::with_capacity(steps.count);
        let mut resets = Vec::new();
        let mut told = String::new();
        for series in &vector.series {
            self.tick()?;
            cells.clear();
            resets.clear();
            if kind.counter {
                resets.extend(
                    series
                        .samples
                        .windows(2)
                        .enumerate()
                        .filter(|(_, pair)| pair[1].value < pair[0].value)
                        .map(|(index, _)| index + 1),
                );
            }
            vector.windows.each(&series.samples, steps, |window| {
                let increase = match vector.extension {
                    None => extrapolated(&window, &resets, kind.counter),
                    Some(extension) => {
                        exact(&window, extension == Extension::Smoothed, kind.counter)
                    }
                };
                cells.push(match increase {
                    // The last factor is applied to the stretching rather than to the value, as Prometheus does.
                    Some((increase, stretch)) if kind.per_second => increase * (stretch / range),
                    Some((increase, stretch)) => increase * stretch,
                    None => ABSENT,
                });
            });
            let rows = grid.rows();
            grid.push_row(series.labels.clone(), cells.iter().copied());
            if kind.counter && grid.rows() > rows && !vector.nameless {
                let name = series.labels.metric_name();
                if !name.is_empty() && !is_counter_name(name) && told != name {
                    name.clone_into(&mut told);
                    self.annotations.inform(
                        place(arg),
                        format!(
                            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"{name}\""
                        ),
                    );
                }
            }
        }
        self.drop_range_vector(vector);
        grid.drop_names(Duplicates::Refuse)?;
        Ok(grid)
    }

    pub(super) fn instant_rate(
        &mut self,
        function: &Function,
        arg: &Expr,
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let counter = function.id == Id::Irate;
        self.over_windows(function, arg, steps, |window| {
            let [.., before, last] = window.samples else {
                return None;
            };
            let increase = if counter && last.value < before.value {
                last.value
            } else {
                last.value - before.value
            };
            let passed = last.timestamp_ms - before.timestamp_ms;
            (passed != 0).then(|| {
                if counter {
                    increase / (passed as f64 / 1000.0)
                } else {
                    increase
                }
            })
        })
    }
}

fn is_counter_name(name: &str) -> bool {
    ["_total", "_sum", "_count", "_bucket"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// The increase between a window's first and last sample, and the factor that stretches it to the window.
fn extrapolated(window: &Window<'_>, resets: &[usize], counter: bool) -> Option<(f64, f64)> {
    let [first, .., last] = window.samples else {
        return None;
    };
    let mut increase = last.value - first.value;
    let from = resets.partition_point(|reset| *reset <= window.first);
    for reset in &resets[from..] {
        match window.samples.get(reset - window.first) {
            Some(_) => increase += window.samples[reset - window.first - 1].value,
            None => break,
        }
    }
    let seconds = |millis: i64| millis as f64 / 1000.0;
    let sampled = seconds(last.timestamp_ms - first.timestamp_ms);
    let between = sampled / (window.samples.len() - 1) as f64;
    // Samples are about evenly spaced: one that should have come before an edge, but did not, means that the series
    // begins or ends inside of the window, on average half a step beyond.
    let reach = |gap: f64| {
        if gap >= between * 1.1 {
            between / 2.0
        } else {
            gap
        }
    };
    let mut before = reach(seconds(first.timestamp_ms - window.start));
    if counter && increase > 0.0 && first.value >= 0.0 {
        // A counter was not below zero.
        before = before.min(sampled * (first.value / increase));
    }
    let after = reach(seconds(window.end - last.timestamp_ms));
    Some((increase, (sampled + before + after) / sampled))
}

/// The increase between the values at the window's very edges: the newest before them, or interpolated.
fn exact(window: &Window<'_>, smoothed: bool, counter: bool) -> Option<(f64, f64)> {
    let samples = window.samples;
    let newest = samples.len().checked_sub(1)?;
    let mut first = samples[..newest]
        .partition_point(|sample| sample.timestamp_ms <= window.start)
        .saturating_sub(1);
    let mut end = newest;
    if smoothed {
        end = samples[..newest].partition_point(|sample| sample.timestamp_ms < window.end);
    }
    let all_before = samples[end].timestamp_ms <= window.start;
    let all_after = samples[first].timestamp_ms > window.end;
    if all_before || all_after {
        return None;
    }
    let left = if smoothed && samples[first].timestamp_ms < window.start {
        interpolate(&samples[first], &samples[first + 1], window.start, counter)
    } else {
        samples[first].value
    };
    let right = if smoothed && end > 0 && samples[end].timestamp_ms > window.end {
        interpolate(&samples[end - 1], &samples[end], window.end, counter)
    } else {
        samples[end].value
    };
    let mut increase = right - left;
    if counter {
        if samples[first].timestamp_ms <= window.start {
            first += 1;
        }
        let mut until = end + 1;
        if samples[end].timestamp_ms >= window.end {
            until -= 1;
        }
        increase += lost_at_resets(left, right, samples.get(first..until).unwrap_or_default());
    }
    Some((increase, 1.0))
}

fn lost_at_resets(left: f64, right: f64, between: &[Sample]) -> f64 {
    let mut lost = 0.0;
    let mut before = left;
    for value in between.iter().map(|sample| sample.value).chain([right]) {
        if value < before {
            lost += before;
        }
        before = value;
    }
    lost
}
