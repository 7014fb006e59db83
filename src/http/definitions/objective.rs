//! `GET /api/v1/objectives/{id}/report`: how an objective stands, as Markdown or, with `format=html` or for a browser, as
//! a page.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};

use super::answer::{self, Fault};
use super::items::identifier;
use super::{Query, internal, parameter};
use crate::db::definitions as rows;
use crate::definitions::metric::Metric;
use crate::definitions::objective::Objective;
use crate::definitions::report::Report;
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::identity::is_browser;
use crate::http::pages;
use crate::http::problem::Problem;

pub(super) async fn report(
    State(context): State<Arc<Context>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    let html = match Query::of(&request).one("format")? {
        Some("html") => true,
        Some("markdown" | "md") => false,
        Some(_) => return Err(parameter("format", "write markdown or html").into()),
        None => is_browser(request.headers()),
    };
    let database = &context.definitions;
    let stored = rows::get(database, Kind::Objective.as_str(), &id).await?;
    let stored = stored.ok_or_else(|| answer::missing(Kind::Objective))?;
    let objective: Objective = parsed(&stored.document)?;
    let mut metrics: Vec<Metric> = Vec::new();
    for id in objective
        .key_results
        .iter()
        .flat_map(|result| &result.metric_ids)
    {
        if metrics.iter().any(|metric| metric.metric_id == *id) {
            continue;
        }
        if let Some(stored) = rows::get(database, Kind::Metric.as_str(), id).await? {
            metrics.push(parsed(&stored.document)?);
        }
    }
    let report = Report::new(&objective, &metrics, context.clock.now());
    if html {
        return Ok(Html(pages::objective::render(&report)).into_response());
    }
    let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
    Ok(([(CONTENT_TYPE, kind)], report.markdown()).into_response())
}

fn parsed<T: serde::de::DeserializeOwned>(document: &str) -> Result<T, Problem> {
    serde_json::from_str(document).map_err(|error| {
        tracing::error!(%error, "read a stored definition");
        internal()
    })
}
