//! Compressed answers: gzip and Brotli for text above 1 kB, where the client takes it.
//!
//! ```text
//! request    Accept-Encoding: gzip, br        If-None-Match: "7-gzip"   ─▶  handlers see "7"
//! response   Content-Encoding: gzip           ETag: "7-gzip"  Vary: Accept-Encoding
//! ```
//!
//! A strong tag names bytes, and compressed ones are others (<https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3>): so it
//! carries its coding, which is taken off again where it comes back, in `If-Match` too. Weak tags mean the same in any coding.
//!
//! Left as they are: what has a coding already, pictures, event streams, and what goes to a page of another site, which
//! could tell from lengths what stands in the answer. `X-No-Compression` turns it off for a request.

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
    VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;

/// Shorter answers are not worth the work.
pub const LEAST_BYTES: u64 = 1024;
/// The codings that are used, as they stand behind a tag.
const CODINGS: [&str; 2] = ["gzip", "br"];
/// Between the fastest and the smallest, for both codings.
const LEVEL: i32 = 4;

/// Compresses what a router answers; nothing around it may read bodies.
pub fn around(router: Router) -> Router {
    let both = CompressionLayer::new().quality(CompressionLevel::Precise(LEVEL));
    router
        .layer(both.compress_when(Worthwhile))
        .layer(from_fn(tags))
}

/// Compression alone, for a route without tags.
pub fn gzip() -> CompressionLayer<Worthwhile> {
    let gzip = CompressionLayer::new().no_br();
    gzip.quality(CompressionLevel::Precise(LEVEL))
        .compress_when(Worthwhile)
}

/// Which answers are compressed.
#[derive(Clone, Copy, Debug)]
pub struct Worthwhile;

impl Predicate for Worthwhile {
    fn should_compress<B: HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        let size = response.body().size_hint().exact();
        size.is_none_or(|size| size >= LEAST_BYTES)
            && is_worthwhile(response.status(), response.headers())
    }
}

/// Whether an answer of this kind is compressed where it is long enough.
pub fn is_worthwhile(status: StatusCode, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(kind) = text(CONTENT_TYPE) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = match kind.split_once('/') {
        Some(("text", "event-stream")) => false,
        Some(("text", _)) => true,
        Some((_, subtype)) => {
            subtype.ends_with("+json")
                || subtype.ends_with("+xml")
                || subtype.ends_with("+yaml")
                || matches!(
                    subtype,
                    "json" | "javascript" | "xml" | "yaml" | "openmetrics-text"
                )
        }
        None => false,
    };
    let transforms = text(CACHE_CONTROL).is_none_or(|control| !control.contains("no-transform"));
    is_text && transforms && status != StatusCode::PARTIAL_CONTENT
}

/// Takes codings off the tags of requests, and puts them behind those of answers.
async fn tags(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let elsewhere = text("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if elsewhere || headers.contains_key("x-no-compression") {
        headers.remove(ACCEPT_ENCODING);
    }
    let known = headers.get(IF_NONE_MATCH).cloned();
    for name in [IF_MATCH, IF_NONE_MATCH] {
        let values: Vec<HeaderValue> = headers.get_all(&name).iter().map(plain).collect();
        headers.remove(&name);
        for value in values {
            headers.append(&name, value);
        }
    }
    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::NOT_MODIFIED && !headers.contains_key(VARY) {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()) else {
        return response;
    };
    let coding = headers.get(CONTENT_ENCODING);
    let coded = match coding.and_then(|coding| coding.to_str().ok()) {
        Some(coding) => coded(tag, coding),
        // What the client has is what it asked about.
        None if status == StatusCode::NOT_MODIFIED => CODINGS
            .iter()
            .filter_map(|coding| coded(tag, coding))
            .find(|tag| {
                let known = known.as_ref().and_then(|known| known.to_str().ok());
                known.is_some_and(|known| known.contains(tag.as_str()))
            }),
        None => None,
    };
    if let Some(tag) = coded.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.insert(ETAG, tag);
    }
    response
}

/// A strong tag with the coding behind it; a weak one needs none.
fn coded(tag: &str, coding: &str) -> Option<String> {
    let opaque = tag.strip_prefix('"')?.strip_suffix('"')?;
    CODINGS
        .contains(&coding)
        .then(|| format!("\"{opaque}-{coding}\""))
}

/// Tags without codings.
fn plain(value: &HeaderValue) -> HeaderValue {
    let Ok(text) = value.to_str() else {
        return value.clone();
    };
    let mut tags = text.to_owned();
    for coding in CODINGS {
        tags = tags.replace(&format!("-{coding}\""), "\"");
    }
    HeaderValue::try_from(tags).unwrap_or_else(|_| value.clone())
}

/// Whether a client takes gzip, as it says itself.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let zero = |part: &str| {
            let weight = part.strip_prefix("q=").map(str::parse::<f32>);
            weight.is_some_and(|weight| weight.is_ok_and(|weight| weight <= 0.0))
        };
        gzip && !parts.any(zero)
    })
}

#[cfg(test)]
mod tests;
