//! The handlers of the pages: they read what they are handed and fill the structs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;

use super::{fill, status};
use crate::http::context::Context;

/// `/`.
pub async fn status(State(context): State<Arc<Context>>) -> Html<String> {
    Html(status::render(&fill::status(&context).await))
}
