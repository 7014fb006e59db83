//! `GET /api/v1/search?q=…`: definitions of all kinds that hold every word, the best fitting first.
//!
//! ```text
//! {"success": true, "data": [{"kind", "id", "name", "description", "score", "url"}], "pagination": {…}}
//! ```
//!
//! `kind` narrows it; pages are those of the lists.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::Fault;
use super::list;
use super::window::Window;
use super::{Query, kinds, parameter};
use crate::db::definitions::{self as rows, candidates};
use crate::definitions::resource::Kind;
use crate::definitions::search::{rank, words};
use crate::http::context::Context;
use crate::http::identity::Who;

pub(super) async fn search(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    let query = Query::of(&request);
    let window = Window::numbered(&query)?;
    let kinds = kinds(&query, &caller)?;
    let text = query.one("q")?.unwrap_or_default();
    let words = words(text);
    if words.is_empty() {
        return Err(parameter("q", "write the words to look for").into());
    }
    list::check_words("q", &words, text)?;
    let mut found = Vec::new();
    for kind in kinds {
        let of_kind = candidates::find(&context.definitions, kind.as_str(), &words).await?;
        found.extend(of_kind.into_iter().map(|candidate| (kind, candidate)));
    }
    let ranked = rank(found, &words);
    let total = i64::try_from(ranked.len()).unwrap_or(i64::MAX);
    let (from, limit) = window.range();
    let mut shown = Vec::new();
    for (score, kind, found) in ranked.into_iter().skip(from).take(limit) {
        let stored = rows::get(&context.definitions, kind.as_str(), &found.id).await?;
        let description = stored.and_then(|stored| described(&stored.document));
        let entry = json!({
            "kind": kind.as_str(),
            "id": found.id,
            "name": found.name,
            "description": description,
            "score": score,
            "url": url(kind, &found.id),
        });
        shown.push(entry.to_string());
    }
    Ok(window.answer(&shown.join(","), total, "/api/v1/search", &query))
}

fn url(kind: Kind, id: &str) -> String {
    format!("/api/v1/{}/{id}", kind.plural())
}

fn described(document: &str) -> Option<String> {
    let document: Value = serde_json::from_str(document).ok()?;
    document["description"].as_str().map(str::to_owned)
}
