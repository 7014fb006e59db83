//! Functions that make one number of the samples in a window; a window here is never empty.

use super::super::super::ast::FunctionId as Id;
use super::super::numeric::{KahanSum, Mean, Variance, quantile};
use super::super::select::Window;
use crate::model::sample::Sample;

type Kernel = fn(&Window<'_>) -> Option<f64>;

/// What a function makes of a window, where it is one of these.
pub(super) fn function(id: Id) -> Option<Kernel> {
    Some(match id {
        Id::AvgOverTime => average,
        Id::SumOverTime => sum,
        Id::CountOverTime => |window| Some(window.samples.len() as f64),
        Id::MinOverTime => |window| {
            extreme(window.samples, |value, best| value < best || best.is_nan())
                .map(|sample| sample.value)
        },
        Id::MaxOverTime => |window| {
            extreme(window.samples, |value, best| value > best || best.is_nan())
                .map(|sample| sample.value)
        },
        // The last of several equal ones.
        Id::TsOfMinOverTime => |window| {
            extreme(window.samples, |value, best| value <= best || best.is_nan()).map(seconds)
        },
        Id::TsOfMaxOverTime => |window| {
            extreme(window.samples, |value, best| value >= best || best.is_nan()).map(seconds)
        },
        Id::FirstOverTime => |window| window.samples.first().map(|sample| sample.value),
        Id::LastOverTime => |window| window.samples.last().map(|sample| sample.value),
        Id::TsOfFirstOverTime => |window| window.samples.first().map(seconds),
        Id::TsOfLastOverTime => |window| window.samples.last().map(seconds),
        Id::PresentOverTime => |_| Some(1.0),
        Id::StddevOverTime => |window| variance(window).map(f64::sqrt),
        Id::StdvarOverTime => variance,
        Id::MadOverTime => median_deviation,
        Id::Deriv => super::regression::deriv,
        _ => return None,
    })
}

fn seconds(sample: &Sample) -> f64 {
    sample.timestamp_ms as f64 / 1000.0
}

fn sum(window: &Window<'_>) -> Option<f64> {
    let mut sum = KahanSum::default();
    for sample in window.samples {
        sum.add(sample.value);
    }
    Some(if sum.sum.is_infinite() {
        sum.sum
    } else {
        sum.value()
    })
}

fn average(window: &Window<'_>) -> Option<f64> {
    let mut mean = Mean::default();
    for sample in window.samples {
        mean.add(sample.value);
    }
    mean.value()
}

fn variance(window: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    for sample in window.samples {
        variance.add(sample.value);
    }
    variance.value()
}

fn extreme(samples: &[Sample], better: impl Fn(f64, f64) -> bool) -> Option<&Sample> {
    let mut best = samples.first()?;
    for sample in samples {
        if better(sample.value, best.value) {
            best = sample;
        }
    }
    Some(best)
}

pub(super) fn quantile_over_time(window: &Window<'_>, q: f64) -> Option<f64> {
    let mut values: Vec<_> = window.samples.iter().map(|sample| sample.value).collect();
    Some(quantile(q, &mut values))
}

fn median_deviation(window: &Window<'_>) -> Option<f64> {
    let mut values: Vec<_> = window.samples.iter().map(|sample| sample.value).collect();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    Some(quantile(0.5, &mut values))
}

/// How many neighbours `counts` holds for. Anchored, the last sample before the window is the first one's neighbour.
pub(super) fn count_pairs(
    window: &Window<'_>,
    anchored: bool,
    counts: fn(f64, f64) -> bool,
) -> Option<f64> {
    let mut samples = window.samples;
    if anchored {
        let inside = samples.partition_point(|sample| sample.timestamp_ms <= window.start);
        if inside == samples.len() {
            return None;
        }
        samples = &samples[inside.saturating_sub(1)..];
    }
    let count = samples
        .windows(2)
        .filter(|pair| counts(pair[0].value, pair[1].value))
        .count();
    Some(count as f64)
}
