//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};

use super::{fill, graph, overview, rules, status, targets};
use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::params::Params;
use crate::http::prometheus::query::run as run_query;
use crate::model::timestamp::Timestamp;

/// `/`: the overview; in Alertmanager's place how it stands.
pub async fn home(State(context): State<Arc<Context>>) -> Html<String> {
    if context.upstream_only {
        return Html(status::render(&fill::status(&context).await));
    }
    Html(overview::render(&fill::overview::overview(&context).await))
}

/// `/targets`.
pub async fn targets(State(context): State<Arc<Context>>, params: Params) -> Html<String> {
    Html(targets::render(&fill::targets::targets(&context, &params)))
}

/// `/rules`.
pub async fn rules(State(context): State<Arc<Context>>, params: Params) -> Html<String> {
    Html(rules::render(&fill::rules::rules(&context, &params)))
}

/// `/status`.
pub async fn status(State(context): State<Arc<Context>>) -> Html<String> {
    Html(status::render(&fill::status(&context).await))
}

/// `/graph` and `/query`: Prometheus's `g0.expr` and `g0.moment_input`, or `expr` and `time`.
pub async fn graph(State(context): State<Arc<Context>>, params: Params) -> Response {
    let text = params
        .get("g0.expr")
        .or_else(|| params.get("expr"))
        .unwrap_or_default()
        .to_owned();
    let page = match time_of(&params) {
        Ok(at) => {
            let text = text.clone();
            run_query(&context, move |context| Ok(fill::graph(context, &text, at))).await
        }
        Err(error) => Err(error),
    };
    match page {
        Ok(mut page) => {
            if let Some(slug) = params.get("runbook")
                && let Some(runbook) = context.runbooks.borrow().get(slug)
            {
                let link = (
                    format!("Runbook: {}", runbook.title),
                    format!("/runbooks/{slug}"),
                );
                if !page.links.contains(&link) {
                    page.links.push(link);
                }
            }
            Html(graph::render(&page)).into_response()
        }
        Err(error) => {
            let page = graph::GraphPage::failed(&text, error.message());
            (error.status(), Html(graph::render(&page))).into_response()
        }
    }
}

fn time_of(params: &Params) -> Result<Option<Timestamp>, ApiError> {
    Ok(match params.time("g0.moment_input")? {
        Some(at) => Some(at),
        None => params.time("time")?,
    })
}
