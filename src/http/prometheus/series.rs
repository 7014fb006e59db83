//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/<name>/values`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::params::Params;
use crate::model::matcher::Matcher;
use crate::promql::parser;
use crate::storage::query::Queryable;

/// Label sets of the series that pass any `match[]`.
///
/// # Errors
/// Where no `match[]` is given or one is wrong.
pub async fn series(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let sets = matcher_sets(&params)?;
    if sets.is_empty() {
        return Err(ApiError::new(
            ErrorKind::BadData,
            "no match[] parameter provided",
        ));
    }
    let (from, until) = window(&params)?;
    limited(context.storage.series(&sets, from, until)?, params.limit()?)
}

/// Names of labels.
///
/// # Errors
/// Where a `match[]` is wrong.
pub async fn names(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let (from, until) = window(&params)?;
    limited(
        context
            .storage
            .label_names(&matcher_sets(&params)?, from, until)?,
        params.limit()?,
    )
}

/// Values of one label.
///
/// # Errors
/// As for [`names`].
pub async fn values(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    // `U__` begins the escaped form of names that do not fit into a path; here the path takes any text.
    if name.is_empty() {
        return Err(ApiError::new(
            ErrorKind::BadData,
            "invalid label name: \"\"",
        ));
    }
    let (from, until) = window(&params)?;
    limited(
        context
            .storage
            .label_values(&name, &matcher_sets(&params)?, from, until)?,
        params.limit()?,
    )
}

fn matcher_sets(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    params
        .all("match[]")
        .map(|text| {
            parser::parse_selector(text).map_err(|error| ApiError::parameter("match[]", error))
        })
        .collect()
}

fn window(params: &Params) -> Result<(i64, i64), ApiError> {
    let from = params.time("start")?.map_or(i64::MIN, |time| time.millis());
    let until = params.time("end")?.map_or(i64::MAX, |time| time.millis());
    Ok((from, until))
}

fn limited<T: Serialize>(mut found: Vec<T>, limit: usize) -> Result<Json<Value>, ApiError> {
    let mut answer = json!({"status": "success"});
    if limit > 0 && found.len() > limit {
        found.truncate(limit);
        answer["warnings"] = json!(["results truncated due to limit"]);
    }
    answer["data"] = json!(found);
    Ok(Json(answer))
}
