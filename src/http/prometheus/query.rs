//! `/api/v1/query` and `/api/v1/query_range`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::params::Params;
use crate::promql::ast::{Expr, ValueType};
use crate::promql::eval::{Deadline, Query, QueryRange, QueryResult, QueryValue};
use crate::promql::{parser, support, typecheck};

use super::value;

/// The most points one series of a range query may have, as in Prometheus.
const MAX_POINTS: i64 = 11_000;

/// Evaluates an expression at one time.
///
/// # Errors
/// A wrong parameter or expression: 400; an expression that the data cannot answer: 422; no time or place left: 503.
pub async fn instant(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Response, ApiError> {
    let at = params.time("time")?.unwrap_or_else(|| context.clock.now());
    let deadline = deadline(&context, &params)?;
    let limit = params.limit()?;
    let (text, expr) = expression(&params)?;
    let result = run(&context, move |context| {
        let query = Query {
            text: &text,
            expr: &expr,
            deadline: &deadline,
        };
        Ok(context
            .engine
            .instant(&context.storage, &query, at.millis())?)
    })
    .await?;
    Ok(value::response(&limited(result, limit)))
}

/// Evaluates an expression at each step of a range.
///
/// # Errors
/// As for [`instant`]; also where the range is reversed or has more than 11,000 points.
pub async fn range(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Response, ApiError> {
    let start = params.required_time("start")?;
    let end = params.required_time("end")?;
    if end < start {
        return Err(ApiError::parameter(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let Some(step) = params.duration("step")? else {
        return Err(ApiError::parameter(
            "step",
            "cannot parse \"\" to a valid duration",
        ));
    };
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if step_ms <= 0 {
        let message = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", message));
    }
    if (end.millis() - start.millis()) / step_ms > MAX_POINTS {
        let message = "exceeded maximum resolution of 11,000 points per timeseries. \
                       Try decreasing the query resolution (?step=XX)";
        return Err(ApiError::new(ErrorKind::BadData, message));
    }
    let deadline = deadline(&context, &params)?;
    let limit = params.limit()?;
    let (text, expr) = expression(&params)?;
    let kind = typecheck::type_of(&expr);
    if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
        let message = format!(
            "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
            kind.describe()
        );
        return Err(ApiError::parameter("query", message));
    }
    let range = QueryRange {
        start_ms: start.millis(),
        end_ms: end.millis(),
        step_ms,
    };
    let result = run(&context, move |context| {
        let query = Query {
            text: &text,
            expr: &expr,
            deadline: &deadline,
        };
        Ok(context.engine.range(&context.storage, &query, range)?)
    })
    .await?;
    Ok(value::response(&limited(result, limit)))
}

/// The first series of a result, where fewer are asked for than there are; 0 asks for all.
fn limited(mut result: QueryResult, limit: usize) -> QueryResult {
    let count = match &mut result.value {
        QueryValue::Vector(samples) => {
            let count = samples.len();
            samples.truncate(if limit > 0 { limit } else { count });
            count
        }
        QueryValue::Matrix(series) => {
            let count = series.len();
            series.truncate(if limit > 0 { limit } else { count });
            count
        }
        QueryValue::Scalar { .. } | QueryValue::String { .. } => 0,
    };
    if limit > 0 && count > limit {
        result
            .warnings
            .push("results truncated due to limit".to_owned());
    }
    result
}

fn expression(params: &Params) -> Result<(String, Expr), ApiError> {
    let text = params.get("query").unwrap_or_default();
    let expr = parser::parse(text).map_err(|error| ApiError::parameter("query", error))?;
    support::check(&expr).map_err(|error| ApiError::parameter("query", error))?;
    Ok((text.to_owned(), expr))
}

fn deadline(context: &Context, params: &Params) -> Result<Deadline, ApiError> {
    let limit = context.query_timeout;
    let asked = params.duration("timeout")?.unwrap_or(limit);
    Ok(Deadline::after(asked.min(limit)).or_when(context.tasks.stop_token()))
}

/// Runs a query off the runtime, one of at most as many as allowed.
pub(crate) async fn run<T: Send + 'static>(
    context: &Arc<Context>,
    query: impl FnOnce(&Context) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let permit = permit(context).await?;
    let context = Arc::clone(context);
    let outcome = tokio::task::spawn_blocking(move || {
        let result = query(&context);
        drop(permit);
        result
    })
    .await;
    outcome.unwrap_or_else(|error| {
        tracing::error!(%error, "query panicked");
        Err(ApiError::new(
            ErrorKind::Internal,
            "the query failed inside; the log says why",
        ))
    })
}

async fn permit(context: &Context) -> Result<OwnedSemaphorePermit, ApiError> {
    let waiting = Arc::clone(&context.queries).acquire_owned();
    match tokio::time::timeout(Duration::from_secs(10), waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => {
            context.metrics.queries_refused.inc();
            Err(ApiError::new(
                ErrorKind::Unavailable,
                "too many queries at once; try again",
            ))
        }
    }
}
