//! `GET /api/v1/export`: all definitions that the caller may read as one catalog that imports unchanged.
//!
//! `format` is `json` or `yaml`; `kind` narrows it to some of `metrics`, `domains`, `objectives`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::answer::Fault;
use super::{Query, kinds, parameter, store};
use crate::definitions::catalog;
use crate::http::context::Context;
use crate::http::identity::Who;

pub(super) async fn export(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    let query = Query::of(&request);
    let yaml = match query.one("format")? {
        None | Some("json") => false,
        Some("yaml") => true,
        Some(_) => return Err(parameter("format", "write json or yaml").into()),
    };
    let store = store(&context, false);
    let mut resources = Vec::new();
    for kind in kinds(&query, &caller)? {
        resources.extend(store.of_kind(kind).await?);
    }
    let catalog = catalog::catalog(&resources);
    let (media_type, name, text) = if yaml {
        let text = serde_yaml::to_string(&catalog).map_err(|error| {
            tracing::error!(%error, "write definitions as YAML");
            super::internal()
        })?;
        ("application/yaml", "definitions.yaml", text)
    } else {
        (
            "application/json",
            "definitions.json",
            format!("{catalog:#}\n"),
        )
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
