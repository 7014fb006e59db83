//! Pages of resources and of their history.
//!
//! Filters combine; each is given once, but for `tags`: `tags=a,b` is one of both, `tags=a&tags=b` both. `search` finds
//! resources that hold each of its words. `page` counts from 1; `offset` may stand in its place.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::items::identifier;
use super::{Query, parameter};
use crate::db::definitions::{self as rows, Column, Filter, HistoryRow};
use crate::definitions::metric::{MetricType, Status, Tier};
use crate::definitions::objective::ObjectiveStatus;
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::http::problem::Problem;

/// Items of a page, unless asked otherwise; and at most, whatever is asked.
const PAGE: i64 = 100;
/// The largest number of items that may be asked for.
const MOST_ASKED: i64 = 1_000;
/// The farthest page and item.
const FARTHEST: i64 = 1_000_000_000;
/// Words and tags that one request may look for.
const MOST_WORDS: usize = 20;

pub(super) async fn list(
    kind: Kind,
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Response, Fault> {
    let query = Query::of(&request);
    let window = Window::of(&query)?;
    let filter = filter(kind, &query, window)?;
    // Read first: an answer may be newer than its tag, never older.
    let generation = rows::generation(&context.definitions).await?;
    let tag = format!("W/\"g{generation}\"");
    if let Some(response) = answer::not_modified(request.headers(), &tag) {
        return Ok(response);
    }
    let (page, total) = rows::list(&context.definitions, kind.as_str(), &filter).await?;
    let documents: Vec<&str> = page.iter().map(|stored| stored.document.as_str()).collect();
    let path = format!("/api/v1/{}", kind.plural());
    let response = window.answer(&documents.join(","), total, &path, &query);
    Ok(answer::tagged(response, &tag))
}

pub(super) async fn history(
    kind: Kind,
    State(context): State<Arc<Context>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let id = identifier(id)?;
    let query = Query::of(&request);
    let window = Window::of(&query)?;
    let (limit, offset) = (window.limit, window.offset);
    let (page, total) =
        rows::history(&context.definitions, kind.as_str(), &id, limit, offset).await?;
    if total == 0 {
        return Err(answer::missing(kind));
    }
    let entries: Vec<String> = page.iter().map(|row| shown(row).to_string()).collect();
    let path = format!("/api/v1/{}/{id}/history", kind.plural());
    Ok(window.answer(&entries.join(","), total, &path, &query))
}

fn shown(row: &HistoryRow) -> Value {
    json!({
        "revision": row.revision,
        "version": row.version,
        "change_type": row.change_type,
        "timestamp": row.changed_at.to_rfc3339(),
        "changed_by": row.changed_by,
        "changes_summary": row.summary,
        "fields_changed": row.fields,
    })
}

fn filter(kind: Kind, query: &Query, window: Window) -> Result<Filter, Problem> {
    let mut filter = Filter {
        limit: window.limit,
        offset: window.offset,
        ..Filter::default()
    };
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
    let words = query.one("search")?.unwrap_or_default().to_lowercase();
    filter.search = words.split_whitespace().map(str::to_owned).collect();
    if filter.search.len() > MOST_WORDS || words.chars().count() > 200 {
        let message = format!("give at most {MOST_WORDS} words of 200 characters in all");
        return Err(parameter("search", &message));
    }
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

/// Which part of a list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Window {
    limit: i64,
    offset: i64,
    /// Whether it was asked for by offset.
    by_offset: bool,
}

impl Window {
    fn of(query: &Query) -> Result<Self, Problem> {
        let limit = query
            .number("limit", 1, MOST_ASKED)?
            .unwrap_or(PAGE)
            .min(PAGE);
        let page = query.number("page", 1, FARTHEST)?;
        let offset = query.number("offset", 0, FARTHEST)?;
        if page.is_some() && offset.is_some() {
            return Err(parameter("offset", "give page or offset, not both"));
        }
        Ok(Self {
            limit,
            offset: offset.unwrap_or((page.unwrap_or(1) - 1) * limit),
            by_offset: offset.is_some(),
        })
    }

    /// The items, written already, in their envelope with where they are in the list.
    fn answer(self, items: &str, total: i64, path: &str, query: &Query) -> Response {
        let pages = ((total + self.limit - 1) / self.limit).max(1);
        let page = self.offset / self.limit + 1;
        let next = self.offset + self.limit;
        let (has_next, has_prev) = (next < total, self.offset > 0);
        let pagination = json!({
            "page": page,
            "limit": self.limit,
            "total": total,
            "pages": pages,
            "hasNext": has_next,
            "hasPrev": has_prev,
        });
        let body = format!("{{\"success\":true,\"data\":[{items}],\"pagination\":{pagination}}}");
        let mut response = answer::json_text(StatusCode::OK, body);
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-total-count", total),
            ("x-page", page),
            ("x-per-page", self.limit),
            ("x-total-pages", pages),
        ] {
            headers.insert(HeaderName::from_static(name), value.into());
        }
        let mut links = vec![("first", 0)];
        if has_prev {
            links.push(("prev", (self.offset - self.limit).max(0)));
        }
        if has_next {
            links.push(("next", next));
        }
        links.push(("last", (pages - 1) * self.limit));
        self.link(headers, path, query, &links);
        response
    }

    /// The header `Link` (<https://www.rfc-editor.org/rfc/rfc8288>), with the parameters that were given.
    fn link(self, headers: &mut HeaderMap, path: &str, query: &Query, links: &[(&str, i64)]) {
        let link = |(name, offset): &(&str, i64)| {
            let kept = query.0.iter();
            let kept =
                kept.filter(|(name, _)| !matches!(name.as_str(), "page" | "offset" | "limit"));
            let place = if self.by_offset {
                ("offset", *offset)
            } else {
                ("page", offset / self.limit + 1)
            };
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .append_pair(place.0, &place.1.to_string())
                .append_pair("limit", &self.limit.to_string())
                .finish();
            format!("<{path}?{query}>; rel=\"{name}\"")
        };
        let links: Vec<String> = links.iter().map(link).collect();
        if let Ok(value) = HeaderValue::try_from(links.join(", ")) {
            headers.insert(LINK, value);
        }
    }
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
    fn pages_and_offsets_lead_to_a_place_in_the_list() {
        let check = |text: &str, want: Option<(i64, i64)>| {
            let window = Window::of(&query(text)).ok();
            assert_eq!(
                window.map(|window| (window.limit, window.offset)),
                want,
                "{text}"
            );
        };
        check("", Some((100, 0)));
        check("limit=200", Some((100, 0)));
        check("limit=10&page=3", Some((10, 20)));
        check("limit=10&offset=7", Some((10, 7)));
        check("page=", Some((100, 0)));
        for wrong in [
            "page=0",
            "page=-1",
            "page=x",
            "page=1.5",
            "limit=0",
            "limit=1001",
            "offset=-1",
            "page=1&page=2",
            "page=2&offset=3",
            "page=99999999999999999999",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn links_keep_the_filters_and_hold_nothing_that_ends_them() {
        let given = query("tags=a,b&search=%3E%3B%20x%22&page=2&limit=10");
        let window = Window::of(&given).unwrap();
        let response = window.answer("", 25, "/api/v1/metrics", &given);
        let link = response.headers()[LINK].to_str().unwrap();
        let kept = "tags=a%2Cb&search=%3E%3B+x%22";
        let at = |page: i64, rel: &str| {
            format!("</api/v1/metrics?{kept}&page={page}&limit=10>; rel=\"{rel}\"")
        };
        assert_eq!(
            link,
            [at(1, "first"), at(1, "prev"), at(3, "next"), at(3, "last")].join(", ")
        );
        assert_eq!(response.headers()["x-total-pages"], "3");
    }

    #[test]
    fn filters_are_checked_before_anything_is_asked() {
        let check = |text: &str, fits: bool| {
            let given = query(text);
            let window = Window::of(&given).unwrap();
            assert_eq!(filter(Kind::Metric, &given, window).is_ok(), fits, "{text}");
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
