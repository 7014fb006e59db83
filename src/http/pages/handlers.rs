//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{STYLE, error, fill, runbook, status};
use crate::http::context::Context;

/// `/`.
pub async fn status(State(context): State<Arc<Context>>) -> Html<String> {
    Html(status::render(&fill::status(&context).await))
}

/// `/runbooks`.
pub async fn runbooks(State(context): State<Arc<Context>>) -> Html<String> {
    Html(runbook::index(&context.runbooks.borrow()))
}

/// `/runbooks/{slug}`.
pub async fn runbook(
    State(context): State<Arc<Context>>,
    slug: Result<Path<String>, PathRejection>,
) -> Response {
    // What is not UTF-8 is no runbook's name.
    let slug = slug.map_or_else(|_| "\u{fffd}".to_owned(), |Path(slug)| slug);
    let runbooks = Arc::clone(&context.runbooks.borrow());
    match runbooks.get(&slug) {
        Some(page) => {
            let alert = page.front_matter.alert.as_deref();
            let live = alert.map(|alert| fill::alerts_named(&context, alert));
            Html(runbook::render(page, context.clock.now(), live.as_ref())).into_response()
        }
        None => (
            StatusCode::NOT_FOUND,
            Html(error::missing_runbook(&slug, &runbooks.missing(&slug))),
        )
            .into_response(),
    }
}

/// `/assets/style.css`.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, STYLE).into_response()
}
