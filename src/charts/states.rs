//! When alerts were pending and firing, from their `ALERTS` series: earlier episodes are seen too. When rules were loaded.

use std::collections::BTreeSet;

use super::alert::{Sight, evaluate};
use super::chart::{Shade, ShadeKind};
use crate::model::labels::{Labels, METRIC_NAME};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{Expr, ExprKind, Selector, TimeModifiers};
use crate::promql::eval::{EvalError, QueryRange};

const ALERTS: &str = "ALERTS";
/// When the configuration was loaded, in seconds since 1970.
const LOADED: &str = "outrigger_config_last_reload_success_timestamp_seconds";

/// When any alert that passes was pending, and when any was firing.
///
/// # Errors
/// Where the series cannot be read.
pub(super) fn shades(
    mut matchers: Vec<Matcher>,
    wanted: &dyn Fn(&Labels) -> bool,
    range: QueryRange,
    sight: Sight<'_>,
) -> Result<Vec<Shade>, EvalError> {
    matchers.push(Matcher::equal(METRIC_NAME, ALERTS));
    let expr = selector(matchers);
    let (mut pending, mut firing) = (BTreeSet::new(), BTreeSet::new());
    for series in evaluate("", &expr, range, sight)? {
        if !wanted(&series.labels) {
            continue;
        }
        let times = series.samples.iter().map(|sample| sample.timestamp_ms);
        match series.labels.value("alertstate") {
            "pending" => pending.extend(times),
            "firing" => firing.extend(times),
            _ => {}
        }
    }
    let mut shades = Vec::new();
    let pending: Vec<i64> = pending.difference(&firing).copied().collect();
    let firing: Vec<i64> = firing.into_iter().collect();
    for (kind, times) in [(ShadeKind::Pending, pending), (ShadeKind::Firing, firing)] {
        for run in times.chunk_by(|a, b| b - a <= range.step_ms.saturating_mul(3) / 2) {
            shades.push(Shade {
                kind,
                start: Timestamp::from_millis(run[0]),
                end: Timestamp::from_millis(
                    run[run.len() - 1]
                        .saturating_add(range.step_ms)
                        .min(range.end_ms),
                ),
            });
        }
    }
    in_turn(&mut shades);
    Ok(shades)
}

/// When rules were loaded, from what Outrigger says of itself: it scrapes its own metrics. None where it does not.
///
/// # Errors
/// Where the series cannot be read.
pub(super) fn reloads(range: QueryRange, sight: Sight<'_>) -> Result<Vec<Timestamp>, EvalError> {
    let expr = selector(vec![Matcher::equal(METRIC_NAME, LOADED)]);
    let mut times = BTreeSet::new();
    for series in evaluate("", &expr, range, sight)? {
        let values = series.samples.iter().map(|sample| sample.value * 1000.0);
        let within = values.filter(|ms| *ms >= range.start_ms as f64 && *ms <= range.end_ms as f64);
        times.extend(within.map(|ms| ms.round() as i64));
    }
    Ok(times.into_iter().map(Timestamp::from_millis).collect())
}

fn selector(matchers: Vec<Matcher>) -> Expr {
    Expr {
        span: 0..0,
        kind: ExprKind::Selector(Selector {
            matchers,
            at: TimeModifiers::default(),
            extension: None,
        }),
    }
}

/// By time, each ended by the next: a sample stands for the step behind it.
pub(super) fn in_turn(shades: &mut [Shade]) {
    shades.sort_by_key(|shade| shade.start);
    for index in 1..shades.len() {
        let next = shades[index].start;
        shades[index - 1].end = shades[index - 1].end.min(next);
    }
}
