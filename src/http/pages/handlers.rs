//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{SECURITY_HEADERS, STYLE, error, runbook};
use crate::http::context::Context;

/// `/`.
pub async fn status(State(_): State<Arc<Context>>) -> &'static str {
    "Outrigger\n"
}

/// `/graph` and `/query`.
pub async fn graph() -> &'static str {
    "graph\n"
}

/// `/runbooks`.
pub async fn runbooks(State(context): State<Arc<Context>>) -> Response {
    secure(runbook::index(&context.runbooks.borrow()))
}

/// `/runbooks/{slug}`.
pub async fn runbook(State(context): State<Arc<Context>>, Path(slug): Path<String>) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    match runbooks.get(&slug) {
        Some(page) => secure(runbook::render(page, context.clock.now(), None)),
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
