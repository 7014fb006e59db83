//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{SECURITY_HEADERS, STYLE, error, fill, graph, runbook, status};
use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::params::Params;
use crate::http::prometheus::query::run as run_query;

/// `/`.
pub async fn status(State(context): State<Arc<Context>>) -> Response {
    secure(status::render(&fill::status(&context).await))
}

/// `/graph` and `/query`: Prometheus's `g0.expr` and `g0.moment_input`, or `expr` and `time`.
///
/// # Errors
/// Where the time is none.
pub async fn graph(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Response, ApiError> {
    let text = params
        .get("g0.expr")
        .or_else(|| params.get("expr"))
        .unwrap_or_default()
        .to_owned();
    let at = match params.time("g0.moment_input")? {
        Some(at) => Some(at),
        None => params.time("time")?,
    };
    let came_from = params.get("runbook").map(str::to_owned);
    let mut page = run_query(&context, move |context| Ok(fill::graph(context, &text, at))).await?;
    if let Some(slug) = came_from
        && let Some(runbook) = context.runbooks.borrow().get(&slug)
    {
        let link = (
            format!("Runbook: {}", runbook.title),
            format!("/runbooks/{slug}"),
        );
        if !page.links.contains(&link) {
            page.links.push(link);
        }
    }
    Ok(secure(graph::render(&page)))
}

/// `/runbooks`.
pub async fn runbooks(State(context): State<Arc<Context>>) -> Response {
    secure(runbook::index(&context.runbooks.borrow()))
}

/// `/runbooks/{slug}`.
pub async fn runbook(State(context): State<Arc<Context>>, Path(slug): Path<String>) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    match runbooks.get(&slug) {
        Some(page) => {
            let alert = page.front_matter.alert.as_deref();
            let live = alert.map(|alert| fill::alerts_named(&context, alert));
            secure(runbook::render(page, context.clock.now(), live.as_ref()))
        }
        None => (
            StatusCode::NOT_FOUND,
            secure(error::missing_runbook(&slug, &runbooks.missing(&slug))),
        )
            .into_response(),
    }
}

/// `/assets/style.css`.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, STYLE).into_response()
}

/// A page with the headers every page carries.
pub fn secure(html: String) -> Response {
    let mut response = Html(html).into_response();
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}
