//! Serving below a path: `--web.route-prefix`, or the path of the external URL, as upstream.
//!
//! The router knows nothing of it: the prefix is taken off requests, and put before what answers point at. Pages write
//! links as `href="/..."`, forms as `action="/..."`, scripts and pictures as `src` or `srcset`; texts of users are escaped and
//! hold no quote, so that the prefix is put in at these places and nowhere else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LINK, LOCATION};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

/// The largest page that is looked through; larger ones go out as they are.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// The router's routes below a prefix such as `/monitoring`; as they are below an empty one. The root leads there, and
/// anything else is not found.
pub fn under(prefix: &str, inner: Router) -> Router {
    if prefix.is_empty() {
        return inner;
    }
    let prefix: Arc<str> = prefix.into();
    Router::new().fallback(move |request: Request| serve(prefix, inner, request))
}

async fn serve(prefix: Arc<str>, inner: Router, mut request: Request) -> Response {
    let path = request.uri().path();
    let below = match path.strip_prefix(&*prefix) {
        Some(rest) if rest.starts_with('/') => rest,
        Some("") => return home(&prefix),
        _ if path == "/" => return home(&prefix),
        _ => return (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    };
    let below = match request.uri().query() {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = below.parse::<PathAndQuery>().ok();
    let Ok(uri) = Uri::from_parts(parts) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    let Ok(response) = TowerToHyperService::new(inner).call(request).await;
    prefixed(&prefix, response).await
}

fn home(prefix: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, format!("{prefix}/"))]).into_response()
}

async fn prefixed(prefix: &str, mut response: Response) -> Response {
    if let Some(location) = text(response.headers(), LOCATION.as_str())
        && location.starts_with('/')
        && let Ok(location) = HeaderValue::try_from(format!("{prefix}{location}"))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    // Paths in `Link` stand in angle brackets, escaped, so that no `</` is part of one.
    if let Some(link) = text(response.headers(), LINK.as_str())
        && let Ok(link) = HeaderValue::try_from(link.replace("</", &format!("<{prefix}/")))
    {
        response.headers_mut().insert(LINK, link);
    }
    let is_page = text(response.headers(), CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("text/html"));
    if !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = match axum::body::to_bytes(body, MAX_PAGE_BYTES).await {
        Ok(body) => body,
        Err(error) => {
            tracing::warn!(%error, "page could not be prefixed");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let page = links(prefix, &String::from_utf8_lossy(&body));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page))
}

/// The page with the prefix before each path of this site.
fn links(prefix: &str, page: &str) -> String {
    let mut page = page.to_owned();
    for attribute in ["href", "action", "src", "srcset"] {
        page = page.replace(
            &format!("{attribute}=\"/"),
            &format!("{attribute}=\"{prefix}/"),
        );
    }
    page
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::response::{Html, Redirect};
    use axum::routing::get;

    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str) -> (u16, String, String) {
        let page = || async {
            Html(r#"<a href="/x?a=1">x</a><form action="/"></form><a href="http://h/y">y</a>"#)
        };
        let inner = Router::new()
            .route("/", get(page))
            .route("/to", get(|| async { Redirect::to("/x") }))
            .route("/q", get(|uri: Uri| async move { uri.to_string() }));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = under("/am", inner).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let location = text(response.headers(), "location").unwrap_or_default();
        let location = location.to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
        (status, location, body)
    }

    #[tokio::test]
    async fn routes_links_and_redirects_lie_below_the_prefix() {
        let (status, _, page) = ask("/am/").await;
        assert_eq!(status, 200);
        let want =
            r#"<a href="/am/x?a=1">x</a><form action="/am/"></form><a href="http://h/y">y</a>"#;
        assert_eq!(page, want);
        assert_eq!(ask("/am/q?a=%20b").await.2, "/q?a=%20b");
        assert_eq!(ask("/am/to").await.1, "/am/x");
        for root in ["/", "/am"] {
            assert_eq!(ask(root).await.1, "/am/", "{root}");
        }
        for elsewhere in ["/q", "/amx", "/am2/q"] {
            assert_eq!(ask(elsewhere).await.0, 404, "{elsewhere}");
        }
    }
}
