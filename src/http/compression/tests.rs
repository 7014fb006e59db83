use std::io::Read as _;

use axum::body::Body;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::{get, put};
use flate2::read::GzDecoder;
use tower::ServiceExt as _;

use super::*;

const JSON: &str = "application/json";

/// `/json` with a strong tag, and its like.
fn router() -> Router {
    let long = "[1,2,3,4,5,6,7,8,9]".repeat(100);
    let of = |kind: &'static str, body: String| {
        get(move || async move { ([(CONTENT_TYPE, kind)], body) })
    };
    let answer = long.clone();
    let tagged = move |headers: HeaderMap| async move {
        let tag = HeaderValue::from_static("\"7\"");
        match headers.get(IF_NONE_MATCH) {
            Some(known) if known == tag => {
                (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response()
            }
            _ => (
                [(ETAG, tag), (CONTENT_TYPE, HeaderValue::from_static(JSON))],
                answer,
            )
                .into_response(),
        }
    };
    let echo = |headers: HeaderMap| async move {
        headers.get(IF_MATCH).cloned().unwrap().as_bytes().to_vec()
    };
    let packed = [(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "gzip")];
    let already = long.clone();
    around(
        Router::new()
            .route("/json", get(tagged))
            .route("/short", of(JSON, "[1]".to_owned()))
            .route("/html", of("text/html; charset=utf-8", long.clone()))
            .route("/svg", of("image/svg+xml", long.clone()))
            .route("/png", of("image/png", long.clone()))
            .route("/events", of("text/event-stream", long))
            .route("/packed", get(move || async move { (packed, already) }))
            .route("/none", get(|| async { StatusCode::NO_CONTENT }))
            .route("/write", put(echo)),
    )
}

async fn ask(method: Method, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn bytes(response: Response) -> Vec<u8> {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    body.unwrap().to_vec()
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn long_text_is_compressed_for_who_takes_it() {
    let check = async |path: &'static str, accepted: &'static str, want: &'static str| {
        let response = ask(Method::GET, path, &[("accept-encoding", accepted)]).await;
        assert_eq!(
            header(&response, &CONTENT_ENCODING),
            want,
            "{path} {accepted}"
        );
    };
    for path in ["/json", "/html", "/svg"] {
        check(path, "gzip", "gzip").await;
        check(path, "gzip, br", "br").await;
        check(path, "br;q=0, gzip;q=0.5", "gzip").await;
        check(path, "identity", "").await;
        check(path, "", "").await;
    }
    for path in ["/short", "/png", "/events", "/none"] {
        check(path, "gzip, br", "").await;
    }
    let plain = bytes(ask(Method::GET, "/json", &[]).await).await;
    let packed = ask(Method::GET, "/json", &[("accept-encoding", "gzip")]).await;
    let packed = bytes(packed).await;
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
    assert!(packed.len() < plain.len() && unpacked == plain);
    // What has a coding is not given a second one.
    let twice = ask(Method::GET, "/packed", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(header(&twice, &CONTENT_ENCODING), "gzip");
    assert_eq!(bytes(twice).await, plain);
}

#[tokio::test]
async fn who_asks_for_no_compression_gets_none() {
    for (name, value) in [("x-no-compression", "1"), ("sec-fetch-site", "cross-site")] {
        let headers = [("accept-encoding", "gzip"), (name, value)];
        let response = ask(Method::GET, "/json", &headers).await;
        assert_eq!(header(&response, &CONTENT_ENCODING), "", "{name}");
        assert_eq!(header(&response, &VARY), "accept-encoding", "{name}");
    }
}

#[tokio::test]
async fn a_tag_carries_its_coding_and_still_fits() {
    let gzip = ("accept-encoding", "gzip");
    let response = ask(Method::GET, "/json", &[gzip]).await;
    assert_eq!(header(&response, &ETAG), "\"7-gzip\"");
    assert_eq!(header(&response, &VARY), "accept-encoding");
    let response = ask(Method::GET, "/json", &[]).await;
    assert_eq!(header(&response, &ETAG), "\"7\"");
    for known in ["\"7\"", "\"7-gzip\"", "\"7-br\""] {
        let response = ask(Method::GET, "/json", &[gzip, ("if-none-match", known)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(header(&response, &ETAG), known);
        assert_eq!(header(&response, &VARY), "accept-encoding");
        assert_eq!(header(&response, &CONTENT_ENCODING), "");
    }
    let given = [("if-match", "\"7-gzip\", W/\"8-br\", \"9\"")];
    let seen = bytes(ask(Method::PUT, "/write", &given).await).await;
    assert_eq!(String::from_utf8(seen).unwrap(), "\"7\", W/\"8\", \"9\"");
}

#[tokio::test]
async fn head_says_what_get_would_say() {
    for accepted in ["gzip", "identity"] {
        let headers = [("accept-encoding", accepted)];
        let got = ask(Method::GET, "/json", &headers).await;
        let head = ask(Method::HEAD, "/json", &headers).await;
        assert_eq!(got.headers(), head.headers(), "{accepted}");
        assert!(bytes(head).await.is_empty());
    }
}
