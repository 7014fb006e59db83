//! Which part of a list is asked for, and the answer around it.
//!
//! `page` counts from 1; `offset` may stand in its place, or `cursor`: the `next_cursor` of the page before. A cursor says
//! where the next page begins whatever is written meanwhile; its pages have no number.

use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer;
use super::{Query, parameter};
use crate::http::problem::Problem;

/// Items of a page, unless asked otherwise; and at most, whatever is asked.
const PAGE: i64 = 100;
/// The largest number of items that may be asked for.
const MOST_ASKED: i64 = 1_000;
/// The farthest page and item.
const FARTHEST: i64 = 1_000_000_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window<'q> {
    limit: i64,
    from: From<'q>,
}

/// Where it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From<'q> {
    /// At this page, from 1.
    Page(i64),
    /// After so many items.
    Offset(i64),
    /// Behind the end of another page.
    Cursor(&'q str),
}

impl<'q> Window<'q> {
    pub(super) fn of(query: &'q Query) -> Result<Self, Problem> {
        let limit = query
            .number("limit", 1, MOST_ASKED)?
            .unwrap_or(PAGE)
            .min(PAGE);
        let page = query.number("page", 1, FARTHEST)?;
        let offset = query.number("offset", 0, FARTHEST)?;
        let cursor = query.one("cursor")?;
        let from = match (page, offset, cursor) {
            (page, None, None) => From::Page(page.unwrap_or(1)),
            (None, Some(offset), None) => From::Offset(offset),
            (None, None, Some(cursor)) => From::Cursor(cursor),
            (_, _, Some(_)) => {
                return Err(parameter("cursor", "give it without page and offset"));
            }
            (Some(_), Some(_), None) => {
                return Err(parameter("offset", "give page or offset, not both"));
            }
        };
        Ok(Self { limit, from })
    }

    /// The same of a list that has no cursors.
    pub(super) fn numbered(query: &'q Query) -> Result<Self, Problem> {
        let window = Self::of(query)?;
        match window.from {
            From::Cursor(_) => Err(parameter("cursor", "this list has pages only")),
            From::Page(_) | From::Offset(_) => Ok(window),
        }
    }

    /// The most items.
    pub(super) fn limit(self) -> i64 {
        self.limit
    }

    /// How many items are passed over.
    pub(super) fn offset(self) -> i64 {
        match self.from {
            From::Page(page) => (page - 1) * self.limit,
            From::Offset(offset) => offset,
            From::Cursor(_) => 0,
        }
    }

    /// The cursor, where one is given.
    pub(super) fn cursor(self) -> Option<&'q str> {
        match self.from {
            From::Cursor(cursor) => Some(cursor),
            From::Page(_) | From::Offset(_) => None,
        }
    }

    /// How many items are passed over and shown, of a list in memory.
    pub(super) fn range(self) -> (usize, usize) {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        (number(self.offset()), number(self.limit))
    }

    /// The items, written already, in their envelope with where they are in the list.
    pub(super) fn answer(self, items: &str, total: i64, path: &str, query: &Query) -> Response {
        self.envelope(items, total, None, path, query)
    }

    /// The same with the cursor of the next page; `None` on the last one.
    pub(super) fn answer_with(
        self,
        items: &str,
        total: i64,
        next: Option<String>,
        path: &str,
        query: &Query,
    ) -> Response {
        self.envelope(items, total, Some(next), path, query)
    }

    fn envelope(
        self,
        items: &str,
        total: i64,
        next: Option<Option<String>>,
        path: &str,
        query: &Query,
    ) -> Response {
        let pages = ((total + self.limit - 1) / self.limit).max(1);
        let offset = self.offset();
        let page = offset / self.limit + 1;
        let numbered = self.cursor().is_none();
        let mut pagination = json!({"limit": self.limit, "total": total});
        let mut links = vec![("first", self.place(0))];
        if numbered {
            let (has_next, has_prev) = (offset + self.limit < total, offset > 0);
            pagination = json!({
                "page": page,
                "limit": self.limit,
                "total": total,
                "pages": pages,
                "hasNext": has_next,
                "hasPrev": has_prev,
            });
            if has_prev {
                links.push(("prev", self.place((offset - self.limit).max(0))));
            }
            if has_next {
                links.push(("next", self.place(offset + self.limit)));
            }
            links.push(("last", self.place((pages - 1) * self.limit)));
        } else {
            let next = next.iter().flatten().next();
            pagination["hasNext"] = next.is_some().into();
            links.extend(next.map(|next| ("next", Some(("cursor", next.clone())))));
        }
        if let Some(next) = next {
            pagination["next_cursor"] = next.map_or(Value::Null, Value::from);
        }
        let body = format!("{{\"success\":true,\"data\":[{items}],\"pagination\":{pagination}}}");
        let mut response = answer::json_text(StatusCode::OK, body);
        let headers = response.headers_mut();
        let mut number = |name, value: i64| {
            headers.insert(HeaderName::from_static(name), value.into());
        };
        number("x-total-count", total);
        number("x-per-page", self.limit);
        number("x-total-pages", pages);
        if numbered {
            number("x-page", page);
        }
        self.link(headers, path, query, &links);
        response
    }

    /// The parameter that leads to an item.
    fn place(self, offset: i64) -> Option<(&'static str, String)> {
        match self.from {
            From::Page(_) => Some(("page", (offset / self.limit + 1).to_string())),
            From::Offset(_) => Some(("offset", offset.to_string())),
            From::Cursor(_) => None,
        }
    }

    /// The header `Link` (<https://www.rfc-editor.org/rfc/rfc8288>), with the parameters that were given.
    fn link(
        self,
        headers: &mut HeaderMap,
        path: &str,
        query: &Query,
        links: &[(&str, Option<(&str, String)>)],
    ) {
        let link = |(name, place): &(&str, Option<(&str, String)>)| {
            let kept = query.0.iter().filter(|(name, _)| {
                !matches!(name.as_str(), "page" | "offset" | "limit" | "cursor")
            });
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .extend_pairs(place.iter().map(|(name, value)| (*name, value.as_str())))
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
            let given = query(text);
            let window = Window::of(&given).ok();
            assert_eq!(
                window.map(|window| (window.limit(), window.offset())),
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
            "page=2&cursor=x",
            "offset=2&cursor=x",
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
}
