//! Lines through samples, and smoothing of them.

use super::super::numeric::KahanSum;
use super::super::select::Window;
use crate::model::sample::Sample;

/// Slope per second, and value at `at`, of the line closest to the samples.
fn line(samples: &[Sample], at: i64) -> (f64, f64) {
    let first = samples[0].value;
    if samples.iter().all(|sample| sample.value == first) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let count = samples.len() as f64;
    let [mut x, mut y, mut xy, mut xx] = [KahanSum::default(); 4];
    for sample in samples {
        let seconds = (sample.timestamp_ms - at) as f64 / 1e3;
        x.add(seconds);
        y.add(sample.value);
        xy.add(seconds * sample.value);
        xx.add(seconds * seconds);
    }
    let (x, y, xy, xx) = (x.value(), y.value(), xy.value(), xx.value());
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

pub(super) fn deriv(window: &Window<'_>) -> Option<f64> {
    // Times near those of the samples keep the sums small.
    (window.samples.len() >= 2).then(|| line(window.samples, window.samples[0].timestamp_ms).0)
}

pub(super) fn predict_linear(window: &Window<'_>, ahead: f64) -> Option<f64> {
    (window.samples.len() >= 2).then(|| {
        let (slope, now) = line(window.samples, window.time);
        slope * ahead + now
    })
}

pub(super) fn double_exponential_smoothing(
    window: &Window<'_>,
    smoothing: f64,
    trend: f64,
) -> Option<f64> {
    let [first, second, ..] = window.samples else {
        return None;
    };
    let mut before = 0.0;
    let mut smoothed = first.value;
    let mut slope = second.value - first.value;
    for (index, sample) in window.samples[1..].iter().enumerate() {
        if index > 0 {
            slope = trend * (smoothed - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * sample.value + (1.0 - smoothing) * (smoothed + slope);
        before = smoothed;
        smoothed = next;
    }
    Some(smoothed)
}
