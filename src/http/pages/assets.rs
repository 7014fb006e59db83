//! The style sheet, the script and the icon, out of the binary.
//!
//! ```text
//! /assets/style.css?v=<hash of the bytes>     kept for ever: other bytes have another address
//! /assets/style.css                           asked for again after five minutes, 304 where the bytes are the same
//! ```

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::{Path, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::http::errors::{self, ErrorKind};

/// The style sheet.
pub const STYLE: &str = include_str!("../../../templates/style.css");
/// The script: what pages do beyond links and forms.
pub const SCRIPT: &str = include_str!("../../../templates/app.js");
/// The script of the query page.
const QUERY: &str = include_str!("../../../templates/query.js");
/// The mark beside the name.
const ICON: &str = include_str!("../../../templates/icon.svg");

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        Asset::new("style.css", "text/css; charset=utf-8", STYLE),
        Asset::new("app.js", "text/javascript; charset=utf-8", SCRIPT),
        Asset::new("query.js", "text/javascript; charset=utf-8", QUERY),
        Asset::new("icon.svg", "image/svg+xml", ICON),
    ]
});

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    /// Of the bytes, in hexadecimal digits.
    hash: String,
    address: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, text: &'static str) -> Self {
        let mut hash = String::new();
        for byte in &Sha256::digest(text.as_bytes())[..8] {
            write!(hash, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self {
            name,
            kind,
            text,
            address: format!("/assets/{name}?v={hash}"),
            hash,
        }
    }
}

/// Where a page finds it; the name is one of ours.
pub fn address(name: &str) -> &'static str {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    found.map_or("/", |asset| &asset.address)
}

/// `/assets/{name}`.
pub async fn serve(Path(name): Path<String>, request: Request) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return errors::answer(
            request.uri().path(),
            ErrorKind::NotFound,
            "there is no such file",
        );
    };
    let tag = format!("\"{}\"", asset.hash);
    let is_exact = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("v="))
        .is_some_and(|hash| hash == asset.hash);
    let caching = match is_exact {
        true => "public, max-age=31536000, immutable",
        false => "public, max-age=300",
    };
    let is_known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.contains(&tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(CONTENT_TYPE, asset.kind)], asset.text).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    response
}
