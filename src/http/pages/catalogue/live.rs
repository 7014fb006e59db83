//! How definitions stand now, from what their API tells.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Live, Progress, Row, address};
use crate::clock::Stopwatch;
use crate::definitions::metric::Metric;
use crate::definitions::objective::{KeyResult, Objective};
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::definitions::live::{live_expression, progress_of, worth};
use crate::http::pages::paged::{number, tidy};
use crate::model::timestamp::Timestamp;

/// The longest reason, in characters.
const LONG: usize = 400;

/// For the values of one page together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the values of one page, and leaves out those that come too late: a page is not as slow as all of them.
pub(super) struct Patience(Stopwatch);

impl Patience {
    /// From now on.
    pub(super) fn begin() -> Self {
        Self(Stopwatch::start())
    }

    /// The value, where there is time left for it.
    pub(super) async fn wait<T>(&self, value: impl Future<Output = T>) -> Option<T> {
        let left = PATIENCE.saturating_sub(self.0.elapsed());
        if left.is_zero() {
            return None;
        }
        tokio::time::timeout(left, value).await.ok()
    }
}

/// The class of a verdict on a value.
fn class(verdict: &str) -> &'static str {
    match verdict {
        "ok" => "good",
        "warning" => "warn",
        "critical" => "bad",
        _ => "idle",
    }
}

/// What a metric is worth now; none where it has no expression.
pub(super) async fn of_metric(
    context: &Arc<Context>,
    metric: &Metric,
    now: Timestamp,
) -> Option<Live> {
    live_expression(metric)?;
    let mut live = limits_of(metric);
    match worth(context, metric, None, now).await {
        Ok(data) => {
            let verdict = data["verdict"].as_str().unwrap_or("unknown");
            live.value = data["value"].as_f64().map(number);
            live.verdict = (verdict.to_owned(), class(verdict));
            live.reason = data["reason"].as_str().map(|reason| tidy(reason, LONG));
            let left_out = data["series_left_out"].as_u64().unwrap_or_default();
            let left_out = usize::try_from(left_out).unwrap_or(usize::MAX);
            live.series = data["series"].as_array().map_or(0, Vec::len) + left_out;
        }
        Err(problem) => live.reason = Some(tidy(problem.message(), LONG)),
    }
    Some(live)
}

/// What is shown of a value that did not come in time.
const LATE: &str = "Evaluating it takes longer than a page waits (2 s); the chart, the query page and the API wait longer.";

/// A metric without its value, which did not come in time; none where it has no expression.
pub(super) fn too_late(metric: &Metric) -> Option<Live> {
    live_expression(metric)?;
    Some(Live {
        reason: Some(LATE.to_owned()),
        ..limits_of(metric)
    })
}

/// An objective whose key results did not come in time.
pub(super) fn unmeasured(objective: &Objective) -> (Progress, Vec<Row>) {
    let late = Progress {
        percent: 0,
        text: LATE.to_owned(),
        class: "warn",
    };
    let results = objective.key_results.iter();
    let rows = results.map(|result| row(result, &Value::Null));
    (late, rows.collect())
}

/// What is known of a metric without evaluating it.
fn limits_of(metric: &Metric) -> Live {
    let limits = &metric.targets_and_alerts;
    Live {
        unit: tidy(&metric.definition.unit, 60),
        verdict: ("unknown".to_owned(), "idle"),
        limits: vec![
            ("Target", number(limits.target_value.0)),
            ("Warning", number(limits.warning_threshold.0)),
            ("Critical", number(limits.critical_threshold.0)),
        ],
        ..Live::default()
    }
}

/// How far an objective is, and each of its key results.
pub(super) async fn of_objective(
    context: &Arc<Context>,
    objective: &Objective,
) -> (Progress, Vec<Row>) {
    match progress_of(context, objective).await {
        Ok(data) => {
            let shown = data["key_results"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            let results = objective.key_results.iter().zip(shown);
            (
                progress(&data),
                results.map(|(result, data)| row(result, data)).collect(),
            )
        }
        Err(problem) => {
            let unknown = Progress {
                percent: 0,
                text: tidy(problem.message(), LONG),
                class: "warn",
            };
            (unknown, Vec::new())
        }
    }
}

/// `progress` from 0 to 1 beside `expected`, and the verdict.
pub(super) fn progress(data: &Value) -> Progress {
    let percent = |name: &str| {
        data[name]
            .as_f64()
            .map(|share| (share * 100.0).floor() as u32)
    };
    let verdict = data["verdict"].as_str().unwrap_or("unknown");
    let (words, class) = match verdict {
        "reached" => ("reached", "good"),
        "on_track" => ("on track", "good"),
        "behind" => ("behind", "warn"),
        _ => ("not measured", "idle"),
    };
    let text = match (percent("progress"), percent("expected")) {
        (Some(progress), Some(expected)) if verdict != "reached" => {
            format!("{progress} %, {words}: {expected} % of the time is over")
        }
        (Some(progress), _) => format!("{progress} %, {words}"),
        (None, _) => words.to_owned(),
    };
    Progress {
        percent: percent("progress").unwrap_or(0),
        text,
        class,
    }
}

fn row(result: &KeyResult, data: &Value) -> Row {
    let unit = tidy(&result.unit, 60);
    let metric = data["metric_id"].as_str();
    let metric = metric.or(result.metric_ids.first().map(String::as_str));
    let mut facts = vec![
        (
            "From",
            format!("{} {unit}", number(result.baseline_value.0)),
        ),
        ("To", format!("{} {unit}", number(result.target_value.0))),
    ];
    if let Some(current) = data["current_value"].as_f64() {
        let source = match data["source"].as_str() {
            Some("stored") => ", as somebody wrote it",
            _ => "",
        };
        facts.push(("Now", format!("{} {unit}{source}", number(current))));
    }
    if let Some(error) = data["error"].as_str() {
        facts.push(("Error", tidy(error, LONG)));
    }
    Row {
        href: metric
            .map(|id| address(Kind::Metric, id))
            .unwrap_or_default(),
        name: tidy(&result.name, 200),
        id: tidy(&result.kr_id, 200),
        description: tidy(&result.description, LONG),
        badges: Vec::new(),
        facts,
        progress: Some(progress(data)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_told_beside_the_time() {
        let check = |data: Value, want: (u32, &str, &str)| {
            let Progress {
                percent,
                text,
                class,
            } = progress(&data);
            assert_eq!((percent, text.as_str(), class), want);
        };
        check(
            json!({"progress": 0.529, "expected": 0.5, "verdict": "on_track"}),
            (52, "52 %, on track: 50 % of the time is over", "good"),
        );
        check(
            json!({"progress": 1.0, "expected": 0.5, "verdict": "reached"}),
            (100, "100 %, reached", "good"),
        );
        check(
            json!({"progress": null, "expected": 0.5, "verdict": "unknown"}),
            (0, "not measured", "idle"),
        );
    }
}
