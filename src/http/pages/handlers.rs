//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;

use super::{fill, overview, rules, status, targets};
use crate::http::context::Context;
use crate::http::params::Params;

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
