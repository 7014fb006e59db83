//! Whether a value is good, and whether an objective comes along.

use crate::definitions::metric::{Direction, Metric};
use crate::definitions::objective::{KeyResult, Timeframe};
use crate::model::timestamp::Timestamp;

/// How a value stands to its thresholds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// There is no value.
    Unknown,
    /// It breaks no threshold.
    Ok,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl Verdict {
    /// How it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How a value of a metric stands. What is no number is no value.
pub fn verdict(metric: &Metric, value: Option<f64>) -> Verdict {
    let Some(value) = value.filter(|value| !value.is_nan()) else {
        return Verdict::Unknown;
    };
    let limits = &metric.targets_and_alerts;
    let beyond = |threshold: f64| match metric.definition.expected_direction {
        Direction::Increase => value < threshold,
        Direction::Decrease => value > threshold,
    };
    if beyond(limits.critical_threshold.0) {
        Verdict::Critical
    } else if beyond(limits.warning_threshold.0) {
        Verdict::Warning
    } else {
        Verdict::Ok
    }
}

/// The worst of values; `None` where none is a number.
pub fn worst(direction: Direction, values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let numbers = values.into_iter().filter(|value| !value.is_nan());
    numbers.reduce(match direction {
        Direction::Increase => f64::min,
        Direction::Decrease => f64::max,
    })
}

/// How far a key result is, from 0 at its baseline to 1 at its target.
pub fn progress(result: &KeyResult, value: f64) -> Option<f64> {
    let (baseline, target) = (result.baseline_value.0, result.target_value.0);
    if value.is_nan() {
        return None;
    }
    if baseline == target {
        let reached = match result.direction {
            Direction::Increase => value >= target,
            Direction::Decrease => value <= target,
        };
        return Some(if reached { 1.0 } else { 0.0 });
    }
    Some(((value - baseline) / (target - baseline)).clamp(0.0, 1.0))
}

/// How much of the time is over, from 0 to 1: how far one should be.
pub fn expected(timeframe: &Timeframe, now: Timestamp) -> f64 {
    let (start, end) = (
        timeframe.start.millis() as f64,
        timeframe.end.millis() as f64,
    );
    if end <= start {
        return 1.0;
    }
    ((now.millis() as f64 - start) / (end - start)).clamp(0.0, 1.0)
}

/// How progress stands to the time that is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Nobody knows how far it is.
    Unknown,
    /// The target is reached.
    Reached,
    /// At least as far as the time.
    OnTrack,
    /// Not as far as the time.
    Behind,
}

impl Pace {
    /// What a progress is at an expected one.
    pub fn of(progress: Option<f64>, expected: f64) -> Self {
        match progress {
            None => Self::Unknown,
            Some(progress) if progress >= 1.0 => Self::Reached,
            Some(progress) if progress >= expected => Self::OnTrack,
            Some(_) => Self::Behind,
        }
    }

    /// How it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Reached => "reached",
            Self::OnTrack => "on_track",
            Self::Behind => "behind",
        }
    }

    /// Whether it will be reached if it goes on so; `None` where nobody knows.
    pub const fn on_track(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Reached | Self::OnTrack => Some(true),
            Self::Behind => Some(false),
        }
    }
}

/// The mean of what is known; `None` where nothing is.
pub fn mean(progresses: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = progresses
        .into_iter()
        .fold((0.0, 0.0), |(sum, count), progress| {
            (sum + progress, count + 1.0)
        });
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::testing::{metric, objective};
    use serde_json::json;

    #[test]
    fn a_value_is_judged_in_the_direction_that_is_worse() {
        let check = |direction: &str, value: Option<f64>, want: Verdict| {
            let metric = metric(|metric| {
                metric["definition"]["expected_direction"] = json!(direction);
                if direction == "decrease" {
                    metric["targets_and_alerts"]["warning_threshold"] = json!(0.98);
                }
            });
            assert_eq!(verdict(&metric, value), want, "{direction} {value:?}");
        };
        check("increase", Some(1.0), Verdict::Ok);
        check("increase", Some(0.995), Verdict::Ok);
        check("increase", Some(0.994), Verdict::Warning);
        check("increase", Some(0.99), Verdict::Warning);
        check("increase", Some(0.5), Verdict::Critical);
        check("increase", Some(f64::NEG_INFINITY), Verdict::Critical);
        check("decrease", Some(0.5), Verdict::Ok);
        check("decrease", Some(0.985), Verdict::Warning);
        check("decrease", Some(2.0), Verdict::Critical);
        check("decrease", Some(f64::NAN), Verdict::Unknown);
        check("decrease", None, Verdict::Unknown);
    }

    #[test]
    fn progress_runs_from_baseline_to_target_in_either_direction() {
        let check = |baseline: f64, target: f64, direction: &str, value: f64, want: Option<f64>| {
            let objective = objective(|objective| {
                let result = &mut objective["key_results"][0];
                result["baseline_value"] = json!(baseline);
                result["target_value"] = json!(target);
                result["direction"] = json!(direction);
            });
            let got = progress(&objective.key_results[0], value);
            assert_eq!(got, want, "{baseline} {target} {direction} {value}");
        };
        check(0.0, 10.0, "increase", 4.0, Some(0.4));
        check(0.0, 10.0, "increase", -4.0, Some(0.0));
        check(0.0, 10.0, "increase", 40.0, Some(1.0));
        check(10.0, 0.0, "decrease", 4.0, Some(0.6));
        check(10.0, 0.0, "decrease", 14.0, Some(0.0));
        check(10.0, 0.0, "decrease", f64::NAN, None);
        check(5.0, 5.0, "increase", 5.0, Some(1.0));
        check(5.0, 5.0, "decrease", 5.1, Some(0.0));
    }

    #[test]
    fn pace_is_measured_by_the_time_that_is_over() {
        let timeframe = objective(|_| ()).timeframe;
        let check = |time: &str, progress: Option<f64>, want: (f64, Pace)| {
            let expected = expected(&timeframe, Timestamp::parse_rfc3339(time).unwrap());
            assert_eq!((expected, Pace::of(progress, expected)), want, "{time}");
        };
        check("2025-12-01T00:00:00Z", Some(0.0), (0.0, Pace::OnTrack));
        check("2026-01-06T00:00:00Z", Some(0.5), (0.5, Pace::OnTrack));
        check("2026-01-06T00:00:00Z", Some(0.4), (0.5, Pace::Behind));
        check("2026-01-06T00:00:00Z", None, (0.5, Pace::Unknown));
        check("2026-05-01T00:00:00Z", Some(0.99), (1.0, Pace::Behind));
        check("2026-05-01T00:00:00Z", Some(1.0), (1.0, Pace::Reached));
    }
}
