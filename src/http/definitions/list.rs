//! Pages of resources and of their history.
//!
//! Filters combine; each is given once, but for `tags`: `tags=a,b` is one of both, `tags=a&tags=b` both. `search` finds
//! resources that hold each of its words.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{self, Fault};
use super::items::identifier;
use super::revisions::shown;
use super::window::Window;
use super::{Query, cursor, legacy, parameter};
use crate::db::definitions::{self as rows, Column, Filter, keyset};
use crate::definitions::metric::{MetricType, Status, Tier};
use crate::definitions::objective::ObjectiveStatus;
use crate::definitions::resource::Kind;
use crate::definitions::search::words;
use crate::http::context::Context;
use crate::http::entity_tag;
use crate::http::problem::Problem;

/// Words and tags that one request may look for.
const MOST_WORDS: usize = 20;

pub(super) async fn list(
    kind: Kind,
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Response, Fault> {
    let query = Query::of(&request);
    let window = Window::of(&query)?;
    let mut filter = filter(kind, &query)?;
    (filter.limit, filter.offset) = (window.limit(), window.offset());
    // Read first: an answer may be newer than its tag, never older.
    let generation = rows::generation(&context.definitions).await?;
    let tag = format!("W/\"g{generation}\"");
    if let Some(response) = entity_tag::not_modified(request.headers(), &tag) {
        return Ok(response);
    }
    let after = match window.cursor() {
        Some(text) => Some(cursor::read(text, &filter)?),
        None => None,
    };
    let page = keyset::page(&context.definitions, kind.as_str(), &filter, after.as_ref()).await?;
    let documents: Vec<&str> = page
        .items
        .iter()
        .map(|stored| stored.document.as_str())
        .collect();
    let path = format!("/api/v1/{}", kind.plural());
    let next = page.next.map(|place| cursor::write(&place, &filter));
    let response = window.answer_with(&documents.join(","), page.total, next, &path, &query);
    Ok(entity_tag::tagged(response, &tag))
}

/// All at once, as the older paths have it.
pub(super) async fn all(
    kind: Kind,
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Response, Fault> {
    let mut filter = filter(kind, &Query::of(&request))?;
    filter.limit = i64::MAX;
    let (all, _) = rows::list(&context.definitions, kind.as_str(), &filter).await?;
    let documents: Vec<&str> = all.iter().map(|stored| stored.document.as_str()).collect();
    Ok(legacy::all(&documents.join(","), all.len()))
}

pub(super) async fn history(
    kind: Kind,
    State(context): State<Arc<Context>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    let query = Query::of(&request);
    let window = Window::numbered(&query)?;
    let (limit, offset) = (window.limit(), window.offset());
    let (page, total) =
        rows::history(&context.definitions, kind.as_str(), &id, limit, offset).await?;
    if total == 0 {
        return Err(answer::missing(kind));
    }
    let entries: Vec<String> = page.iter().map(|row| shown(row).to_string()).collect();
    let path = format!("/api/v1/{}/{id}/history", kind.plural());
    Ok(window.answer(&entries.join(","), total, &path, &query))
}

fn filter(kind: Kind, query: &Query) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    let mut equal = |name, column, words: &[&str]| -> Result<(), Problem> {
        let Some(value) = query.one(name)? else {
            return Ok(());
        };
        if !words.is_empty() && !words.contains(&value) {
            return Err(parameter(
                name,
                &format!("write one of {}", words.join(", ")),
            ));
        }
        filter.equal.push((column, value.to_owned()));
        Ok(())
    };
    equal("owner_team", Column::OwnerTeam, &[])?;
    match kind {
        Kind::Metric => {
            equal("category", Column::Category, &[])?;
            equal("business_domain", Column::BusinessDomain, &[])?;
            equal("tier", Column::Tier, Tier::WORDS)?;
            equal("metric_type", Column::MetricType, MetricType::WORDS)?;
            equal("status", Column::Status, Status::WORDS)?;
        }
        Kind::Domain => equal("status", Column::Status, Status::WORDS)?,
        Kind::Objective => equal("status", Column::Status, ObjectiveStatus::WORDS)?,
    }
    for name in ["tags", "tag"] {
        for value in query.all(name) {
            let tags = value
                .split(',')
                .map(str::trim)
                .filter(|tag| !tag.is_empty());
            let tags: Vec<String> = tags.map(str::to_owned).collect();
            if !tags.is_empty() {
                filter.tags.push(tags);
            }
        }
    }
    if filter.tags.iter().map(Vec::len).sum::<usize>() > MOST_WORDS {
        return Err(parameter("tags", &format!("give at most {MOST_WORDS}")));
    }
    let text = query.one("search")?.unwrap_or_default();
    filter.search = words(text);
    check_words("search", &filter.search, text)?;
    if let Some(order) = query.one("sort")? {
        let name = order.strip_prefix('-');
        filter.descending = name.is_some();
        let columns = [
            ("id", Column::Id),
            ("name", Column::Name),
            ("category", Column::Category),
            ("tier", Column::Tier),
            ("business_domain", Column::BusinessDomain),
            ("metric_type", Column::MetricType),
            ("status", Column::Status),
            ("owner_team", Column::OwnerTeam),
            ("updated_at", Column::UpdatedAt),
        ];
        let name = name.unwrap_or(order);
        let found = columns.iter().find(|(candidate, _)| *candidate == name);
        let (_, column) = found.ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            parameter(
                "sort",
                &format!("write one of {names}, with - in front to go down"),
            )
        })?;
        filter.order = *column;
    }
    Ok(filter)
}

/// Refuses more words than are looked for.
pub(super) fn check_words(name: &str, words: &[String], text: &str) -> Result<(), Problem> {
    if words.len() > MOST_WORDS || text.chars().count() > 200 {
        let message = format!("give at most {MOST_WORDS} words of 200 characters in all");
        return Err(parameter(name, &message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    #[test]
    fn filters_are_checked_before_anything_is_asked() {
        let check = |text: &str, fits: bool| {
            let given = query(text);
            assert_eq!(filter(Kind::Metric, &given).is_ok(), fits, "{text}");
        };
        for fits in [
            "tier=Tier-1",
            "tags=a&tags=b",
            "tags=,",
            "search=a+b",
            "sort=-name",
            "status=draft",
            "metric_type=lagging",
            "unknown=1",
            "category=",
        ] {
            check(fits, true);
        }
        for wrong in [
            "tier=1",
            "tier=Tier-1&tier=Tier-2",
            "category=a&category=b",
            "status=x",
            "sort=document",
            "metric_type=business",
        ] {
            check(wrong, false);
        }
        check(&format!("tags={}", "a,".repeat(21)), false);
        check(&format!("search={}", "a".repeat(201)), false);
    }
}
