//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use super::quiet::list::uncached;
use super::{fill, overview, rules, status, targets};
use crate::auth::role::{Role, Scope};
use crate::http::context::Context;
use crate::http::identity::Who;
use crate::http::params::Params;

/// `/`: the overview; in Alertmanager's place how it stands.
pub async fn home(State(context): State<Arc<Context>>, Who(caller): Who) -> Response {
    if context.upstream_only {
        return Html(status::render(&fill::status(&context).await)).into_response();
    }
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    let page = fill::overview::overview(&context, may_act).await;
    uncached(StatusCode::OK, overview::render(&page))
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
