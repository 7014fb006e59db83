//! What definitions are worth now, computed from the store.
//!
//! ```text
//! GET /api/v1/metrics/{id}/value          the value, its verdict, and with ?range=1h&step=1m its history
//! GET /api/v1/objectives/{id}/progress    each key result's value, progress and pace, and their mean
//! ```
//!
//! Evaluations are queries: they wait for a place among those that may run at once, and end at the query timeout. An
//! expression that fails is the definition's fault: 422 for a value, and an `error` beside its key result.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::items::identifier;
use super::{Query, parameter};
use crate::db::definitions as rows;
use crate::definitions::metric::Metric;
use crate::definitions::objective::{KeyResult, Objective};
use crate::definitions::resource::Kind;
use crate::definitions::store::StoreError;
use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::problem::Problem;
use crate::http::prometheus::query;
use crate::meaning::expression;
use crate::meaning::judge::{self, Pace, Verdict};
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::Expr;
use crate::promql::eval::{Deadline, QueryRange, QueryValue};
use crate::storage::query::Series;

type Id = Result<Path<String>, PathRejection>;

/// Series of a value that are told.
const MOST_SERIES: usize = 100;
/// Points of a history, as many as a range query has.
const MOST_POINTS: i64 = 11_000;
/// Points of a history whose step nobody names.
const POINTS: i64 = 60;

pub(super) async fn value(
    State(context): State<Arc<Context>>,
    id: Id,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let id = identifier(id)?;
    let now = context.clock.now();
    let history = history(&Query::of(&request), now)?;
    let metric: Metric = read(&context, Kind::Metric, &id).await?;
    let data = worth(&context, &metric, history, now).await?;
    Ok(Json(json!({"success": true, "data": data})))
}

/// What a metric is worth now, as `data` has it, with its history where one is asked for.
///
/// # Errors
/// Where it has no expression, or that cannot be evaluated.
pub(in crate::http) async fn worth(
    context: &Arc<Context>,
    metric: &Metric,
    history: Option<QueryRange>,
    now: Timestamp,
) -> Result<Value, Problem> {
    let Some(text) = live_expression(metric).map(str::to_owned) else {
        let id = &metric.metric_id;
        let message = format!(
            "metric {id} has no telemetry.value; add one with PATCH /api/v1/metrics/{id}, such as \
             {{\"telemetry\": {{\"value\": \"sum(rate(requests_total[5m]))\"}}}}"
        );
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "RES_NO_TELEMETRY",
            message,
        ));
    };
    let expr = expression::read(&text).map_err(|why| failed(&text, &why))?;
    let (shown, asked) = (expr.to_string(), text.clone());
    let evaluated = query::run(context, move |context| {
        let deadline = deadline(context);
        let query = (&*asked, &expr);
        let samples = samples(context, query, &deadline, now)?;
        let past = history.map(|range| past(context, query, &deadline, range));
        Ok((samples, past.transpose()?))
    });
    let (mut samples, past) = evaluated.await.map_err(|error| refused(&text, &error))?;
    let direction = metric.definition.expected_direction;
    let worst = judge::worst(direction, samples.iter().map(|(_, value)| *value));
    let count = samples.len();
    samples.truncate(MOST_SERIES);
    let series: Vec<Value> = samples
        .into_iter()
        .map(|(labels, value)| {
            let verdict = judge::verdict(metric, Some(value)).as_str();
            json!({"labels": labels, "value": value, "verdict": verdict})
        })
        .collect();
    let limits = &metric.targets_and_alerts;
    let verdict = judge::verdict(metric, worst);
    let mut data = json!({
        "metric_id": metric.metric_id,
        "name": metric.name,
        "value": worst,
        "verdict": verdict.as_str(),
        "unit": metric.definition.unit,
        "expected_direction": direction,
        "target_value": limits.target_value,
        "warning_threshold": limits.warning_threshold,
        "critical_threshold": limits.critical_threshold,
        "at": now.to_rfc3339(),
        "expression": shown,
        "series": series,
    });
    if count > MOST_SERIES {
        data["series_left_out"] = (count - MOST_SERIES).into();
    }
    if verdict == Verdict::Unknown {
        data["reason"] = "the expression finds no series now; is its target scraped?".into();
    }
    if let Some(past) = past {
        data["history"] = past;
    }
    Ok(data)
}

pub(super) async fn progress(
    State(context): State<Arc<Context>>,
    id: Id,
) -> Result<Json<Value>, Fault> {
    let id = identifier(id)?;
    let objective: Objective = read(&context, Kind::Objective, &id).await?;
    let data = progress_of(&context, &objective).await?;
    Ok(Json(json!({"success": true, "data": data})))
}

/// How far an objective is now, as `data` has it.
///
/// # Errors
/// Where its metrics cannot be read, or no query may run now.
pub(in crate::http) async fn progress_of(
    context: &Arc<Context>,
    objective: &Objective,
) -> Result<Value, Problem> {
    let mut live = Vec::with_capacity(objective.key_results.len());
    for result in &objective.key_results {
        live.push(live_metric(context, result).await?);
    }
    let now = context.clock.now();
    let results = objective.key_results.clone();
    let found = query::run(context, move |context| {
        let deadline = deadline(context);
        let of_result = |(result, live): (&KeyResult, Option<(String, String)>)| {
            Reading::of(context, result, live, &deadline, now)
        };
        Ok(results.iter().zip(live).map(of_result).collect::<Vec<_>>())
    });
    let found = found.await.map_err(|error| refused("", &error))?;
    let expected = judge::expected(&objective.timeframe, now);
    let readings = objective.key_results.iter().zip(&found);
    let progresses: Vec<Option<f64>> = readings
        .map(|(result, reading)| judge::progress(result, reading.value?))
        .collect();
    let readings = objective.key_results.iter().zip(found).zip(&progresses);
    let key_results: Vec<Value> = readings
        .map(|((result, reading), progress)| reading.shown(result, *progress, expected))
        .collect();
    let mean = judge::mean(progresses.iter().copied().flatten());
    let pace = Pace::of(mean, expected);
    Ok(json!({
        "objective_id": objective.objective_id,
        "name": objective.name,
        "owner_team": objective.owner_team,
        "timeframe": objective.timeframe,
        "at": now.to_rfc3339(),
        "progress": mean,
        "expected": expected,
        "verdict": pace.as_str(),
        "on_track": pace.on_track(),
        "known": progresses.iter().flatten().count(),
        "key_results": key_results,
    }))
}

/// Where a key result stands.
struct Reading {
    value: Option<f64>,
    /// `telemetry` or `stored`.
    source: Option<&'static str>,
    metric_id: Option<String>,
    error: Option<String>,
}

impl Reading {
    /// The worst value of its metric's series; where there is none, the one that is stored.
    fn of(
        context: &Context,
        result: &KeyResult,
        live: Option<(String, String)>,
        deadline: &Deadline,
        now: Timestamp,
    ) -> Self {
        let mut reading = Self {
            value: None,
            source: None,
            metric_id: None,
            error: None,
        };
        if let Some((metric_id, text)) = live {
            let evaluated = expression::read(&text).and_then(|expr| {
                let samples = samples(context, (&text, &expr), deadline, now);
                samples.map_err(|error| error.message().to_owned())
            });
            match evaluated {
                Ok(samples) => {
                    let values = samples.into_iter().map(|(_, value)| value);
                    reading.value = judge::worst(result.direction, values);
                    reading.source = reading.value.map(|_| "telemetry");
                }
                Err(error) => reading.error = Some(format!("{text}: {error}")),
            }
            reading.metric_id = Some(metric_id);
        }
        if reading.value.is_none() {
            reading.value = result.current_value.map(|value| value.0);
            reading.source = reading.value.map(|_| "stored");
        }
        reading
    }

    fn shown(self, result: &KeyResult, progress: Option<f64>, expected: f64) -> Value {
        let pace = Pace::of(progress, expected);
        let mut shown = json!({
            "kr_id": result.kr_id,
            "name": result.name,
            "unit": result.unit,
            "direction": result.direction,
            "baseline_value": result.baseline_value,
            "target_value": result.target_value,
            "current_value": self.value,
            "source": self.source,
            "metric_id": self.metric_id,
            "progress": progress,
            "expected": expected,
            "verdict": pace.as_str(),
            "on_track": pace.on_track(),
        });
        if let Some(error) = self.error {
            shown["error"] = error.into();
        }
        shown
    }
}

async fn read<T: DeserializeOwned>(context: &Context, kind: Kind, id: &str) -> Result<T, Fault> {
    let stored = rows::get(&context.definitions, kind.as_str(), id).await?;
    let stored = stored.ok_or_else(|| answer::missing(kind))?;
    serde_json::from_str(&stored.document).map_err(|error| {
        let (id, reason) = (id.to_owned(), error.to_string());
        StoreError::Unreadable { kind, id, reason }.into()
    })
}

/// The first of a key result's metrics that has a live value, and its expression.
async fn live_metric(
    context: &Context,
    result: &KeyResult,
) -> Result<Option<(String, String)>, Problem> {
    for id in &result.metric_ids {
        let stored = rows::get(&context.definitions, Kind::Metric.as_str(), id).await;
        let stored = stored.map_err(|error| answer::refused(&StoreError::Database(error)))?;
        let Some(stored) = stored else {
            continue;
        };
        let metric: Option<Metric> = serde_json::from_str(&stored.document).ok();
        if let Some(text) = metric.as_ref().and_then(live_expression) {
            return Ok(Some((id.clone(), text.to_owned())));
        }
    }
    Ok(None)
}

pub(in crate::http) fn live_expression(metric: &Metric) -> Option<&str> {
    metric.telemetry.as_ref()?.value.as_deref()
}

fn deadline(context: &Context) -> Deadline {
    Deadline::after(context.query_timeout).or_when(context.tasks.stop_token())
}

fn samples(
    context: &Context,
    (text, expr): (&str, &Expr),
    deadline: &Deadline,
    at: Timestamp,
) -> Result<Vec<(Labels, f64)>, ApiError> {
    let query = crate::promql::eval::Query {
        text,
        expr,
        deadline,
    };
    let result = context
        .engine
        .instant(&context.storage, &query, at.millis())?;
    Ok(match result.value {
        QueryValue::Scalar { value, .. } => vec![(Labels::empty(), value)],
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|sample| (sample.labels.without_name(), sample.value))
            .collect(),
        QueryValue::String { .. } | QueryValue::Matrix(_) => Vec::new(),
    })
}

fn past(
    context: &Context,
    (text, expr): (&str, &Expr),
    deadline: &Deadline,
    range: QueryRange,
) -> Result<Value, ApiError> {
    let query = crate::promql::eval::Query {
        text,
        expr,
        deadline,
    };
    let result = context.engine.range(&context.storage, &query, range)?;
    let QueryValue::Matrix(series) = result.value else {
        return Ok(Value::Null);
    };
    let shown = |series: &Series| {
        let samples = series.samples.iter();
        let values: Vec<Value> = samples
            .map(|sample| json!([sample.timestamp_ms as f64 / 1000.0, sample.value]))
            .collect();
        json!({"labels": series.labels.without_name(), "values": values})
    };
    Ok(json!({
        "start": Timestamp::from_millis(range.start_ms).to_rfc3339(),
        "end": Timestamp::from_millis(range.end_ms).to_rfc3339(),
        "step": duration::format(Duration::from_millis(range.step_ms.unsigned_abs())),
        "series": series.iter().take(MOST_SERIES).map(shown).collect::<Vec<_>>(),
    }))
}

/// The history that is asked for.
fn history(query: &Query, now: Timestamp) -> Result<Option<QueryRange>, Problem> {
    let span = |name: &str| -> Result<Option<i64>, Problem> {
        let Some(text) = query.one(name)? else {
            return Ok(None);
        };
        let millis = duration::parse(text)
            .ok()
            .and_then(|span| i64::try_from(span.as_millis()).ok());
        // Half of what there is, so that a difference to the time cannot overflow.
        let fits = millis.filter(|millis| (1..i64::MAX / 4).contains(millis));
        let remedy = "write a duration above zero, such as 1h";
        fits.map(Some).ok_or_else(|| parameter(name, remedy))
    };
    let (range, step) = (span("range")?, span("step")?);
    let Some(range) = range else {
        if step.is_some() {
            return Err(parameter("step", "goes with range; give both"));
        }
        return Ok(None);
    };
    let step = step.unwrap_or_else(|| (range / POINTS).max(1_000));
    if range / step > MOST_POINTS {
        let message = format!("gives more than {MOST_POINTS} points; write a longer one");
        return Err(parameter("step", &message));
    }
    Ok(Some(QueryRange {
        start_ms: now.millis() - range,
        end_ms: now.millis(),
        step_ms: step,
    }))
}

fn failed(text: &str, why: &str) -> Problem {
    let message = "the metric's telemetry.value cannot be evaluated; correct the expression";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "BIZ_EXPRESSION", message)
        .with_details(json!({"expression": text, "reason": why}))
}

/// A query that did not run is not the expression's fault; all else is.
fn refused(text: &str, error: &ApiError) -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    if error.status() == status {
        return Problem::new(status, "SYS_BUSY", error.message()).retry_after(1);
    }
    failed(text, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_bounded() {
        let now = Timestamp::from_millis(100_000_000);
        let check = |text: &str, want: Result<Option<(i64, i64)>, ()>| {
            let pairs = url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect();
            let got = history(&Query(pairs), now).map_err(|_| ());
            let got =
                got.map(|range| range.map(|range| (range.end_ms - range.start_ms, range.step_ms)));
            assert_eq!(got, want, "{text}");
        };
        check("", Ok(None));
        check("range=1h&step=1m", Ok(Some((3_600_000, 60_000))));
        check("range=1h", Ok(Some((3_600_000, 60_000))));
        check("range=5s", Ok(Some((5_000, 1_000))));
        for wrong in [
            "range=0s",
            "range=x",
            "step=1m",
            "range=1h&step=0s",
            "range=26h&step=1s",
            "range=1h&range=2h",
            "range=290000000000y",
        ] {
            check(wrong, Err(()));
        }
    }
}
