//! `/definitions/metrics/{id}/chart.svg`: the course of a metric's value, beside its critical threshold.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::list::failed;
use super::one::missing;
use crate::charts::chart::{Chart, Level, Line, MAX_LINES, Threshold};
use crate::charts::svg;
use crate::charts::svg::paper::Sheet;
use crate::charts::unit::guess;
use crate::db::definitions as rows;
use crate::definitions::metric::{Direction, Metric};
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::definitions::live::live_expression;
use crate::http::errors::ApiError;
use crate::http::params::Params;
use crate::http::prometheus::query::run;
use crate::meaning::expression;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::BinaryOp;
use crate::promql::eval::{Deadline, Query, QueryRange, QueryValue};

/// How far back, and in which steps.
const SPAN: Duration = Duration::from_secs(6 * 3600);
const STEP: Duration = Duration::from_secs(60);

/// The chart.
pub async fn chart(
    State(context): State<Arc<Context>>,
    given: Result<Path<String>, PathRejection>,
    params: Params,
) -> Response {
    let Ok(Path(id)) = given else {
        return missing();
    };
    let sheet = params
        .get("theme")
        .and_then(Sheet::parse)
        .unwrap_or_default();
    let metric: Option<Metric> =
        match rows::get(&context.definitions, Kind::Metric.as_str(), &id).await {
            Ok(stored) => stored.and_then(|stored| serde_json::from_str(&stored.document).ok()),
            Err(error) => return failed(&error),
        };
    let Some(metric) = metric.filter(|metric| live_expression(metric).is_some()) else {
        return missing();
    };
    let now = context.clock.now();
    let drawn = run(&context, move |context| {
        draw(context, &metric, now).map(|chart| svg::draw_sheet(&chart, sheet))
    });
    match drawn.await {
        Ok(svg) => {
            let headers = [
                (CONTENT_TYPE, "image/svg+xml"),
                (CACHE_CONTROL, "private, max-age=15"),
            ];
            (headers, svg).into_response()
        }
        Err(error) => error.into_response(),
    }
}

fn draw(context: &Context, metric: &Metric, now: Timestamp) -> Result<Chart, ApiError> {
    let text = live_expression(metric).unwrap_or_default();
    let wrong = |why: String| ApiError::parameter("telemetry.value", why);
    let expr = expression::read(text).map_err(wrong)?;
    let deadline = Deadline::after(context.query_timeout).or_when(context.tasks.stop_token());
    let query = Query {
        text,
        expr: &expr,
        deadline: &deadline,
    };
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let (start, step_ms) = (now - SPAN, millis(STEP));
    let range = QueryRange {
        start_ms: start.millis(),
        end_ms: now.millis(),
        step_ms,
    };
    let result = context.engine.range(&context.storage, &query, range)?;
    let QueryValue::Matrix(mut series) = result.value else {
        return Err(wrong("gives no series".to_owned()));
    };
    let more_lines = series.len().saturating_sub(MAX_LINES);
    series.truncate(MAX_LINES);
    let one = series.len() == 1;
    let lines = series.into_iter().map(|series| Line {
        name: match series.labels.without_name() {
            labels if one || labels.is_empty() => metric.short_name.clone(),
            labels => labels.to_string(),
        },
        points: series.samples,
        ..Line::default()
    });
    let op = match metric.definition.expected_direction {
        Direction::Increase => BinaryOp::Lt,
        Direction::Decrease => BinaryOp::Gt,
    };
    let mut chart = Chart {
        title: metric.name.clone(),
        subtitle: metric.definition.unit.clone(),
        start,
        end: now,
        step: STEP,
        lines: lines.collect(),
        more_lines,
        threshold: Some(Threshold {
            op,
            level: Level::Fixed(metric.targets_and_alerts.critical_threshold.0),
        }),
        ..Chart::default()
    };
    chart.unit = guess::unit(&expr, chart.extent());
    Ok(chart)
}
