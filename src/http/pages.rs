//! Pages.
pub mod handlers {
    use crate::http::context::Context;
    use axum::extract::{Path, State};
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use std::sync::Arc;
    pub async fn status(State(_): State<Arc<Context>>) -> &'static str {
        "Outrigger\n"
    }
    pub async fn graph() -> &'static str {
        "graph\n"
    }
    pub async fn runbooks() -> &'static str {
        "runbooks\n"
    }
    pub async fn style() -> &'static str {
        ""
    }
    pub async fn runbook(
        State(context): State<Arc<Context>>,
        Path(slug): Path<String>,
    ) -> Response {
        match context.runbooks.borrow().get(&slug) {
            Some(r) => format!("{r:?}").into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
    pub fn secure(text: String) -> Response {
        text.into_response()
    }
}
pub mod error {
    pub fn render(_: u16, text: &str) -> String {
        text.to_owned()
    }
}
