//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/<name>/values`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
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
    name: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let name = unescaped(name?.0);
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

/// A label's name out of a path. Names beyond letters, digits and `_` may come escaped: `U__` in front, `__` for `_`,
/// `_2e_` for the character with that hexadecimal number; what is not well formed is taken as it stands.
/// <https://prometheus.io/docs/instrumenting/escaping_schemes/>
fn unescaped(name: String) -> String {
    let Some(escaped) = name.strip_prefix("U__") else {
        return name;
    };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, behind)) = rest.split_once('_') {
        out.push_str(plain);
        let Some((code, after)) = behind.split_once('_') else {
            return name;
        };
        if code.is_empty() {
            out.push('_');
        } else {
            let number = (code.len() <= 6 && code.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| u32::from_str_radix(code, 16).ok())
                .flatten();
            let Some(character) = number.and_then(char::from_u32) else {
                return name;
            };
            out.push(character);
        }
        rest = after;
    }
    out.push_str(rest);
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read_and_malformed_ones_taken_as_they_stand() {
        for (escaped, want) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___2e_", "."),
            ("U__caf_e9__", "U__caf_e9__"),
            ("U__caf_e9_", "café"),
            ("U__a_1F600_", "a😀"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_0000002e_", "U__a_0000002e_"),
            ("U__", ""),
        ] {
            assert_eq!(unescaped(escaped.to_owned()), want, "{escaped}");
        }
    }
}
