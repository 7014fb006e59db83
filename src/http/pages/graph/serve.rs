//! The handlers of the query page, its download and what its script asks for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};

use super::ask::Ask;
use super::{GraphPage, csv, fill, render};
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;
use crate::http::prometheus::query::run as run_query;
use crate::promql::reference;

/// The longest a page waits for its query.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// How long what a script asks for is kept by the browser.
const CACHING: &str = "max-age=300";

/// `/graph` and `/query`.
pub async fn page(State(context): State<Arc<Context>>, params: Params) -> Response {
    let (ask, wrong) = Ask::read(&params);
    if let Some(message) = wrong {
        let page = GraphPage::failed(&ask, &message);
        return (StatusCode::BAD_REQUEST, Html(render(&page))).into_response();
    }
    let wanted = ask.clone();
    let page = run_query(&context, move |context| Ok(fill::page(context, wanted))).await;
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
            // It holds a signed link to its picture.
            uncached(StatusCode::OK, render(&page))
        }
        Err(error) => {
            let page = GraphPage::failed(&ask, error.message());
            (error.status(), Html(render(&page))).into_response()
        }
    }
}

/// `/graph.csv`: the same result for spreadsheets.
///
/// # Errors
/// Where the parameters or the expression are wrong, or there is too much.
pub async fn download(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Response, ApiError> {
    let (ask, wrong) = Ask::read(&params);
    if let Some(message) = wrong {
        return Err(ApiError::new(ErrorKind::BadData, message));
    }
    let text = run_query(&context, move |context| {
        let value = fill::value(context, &ask)?;
        csv::write(&value).map_err(|error| ApiError::new(ErrorKind::Execution, error.to_string()))
    })
    .await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"outrigger-query.csv\"",
        ),
    ];
    Ok((headers, text).into_response())
}

/// `/assets/promql.json`: the language's words, each with its form and its help.
pub async fn words() -> Response {
    static WORDS: OnceLock<String> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        serde_json::to_string(&reference::words()).expect("texts are always valid JSON")
    });
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHING)];
    (headers, words.as_str()).into_response()
}
