//! Bodies of requests, read as upstream reads them: go-openapi decides whether there is one and whether its type fits, Go's
//! `encoding/json` reads it.
//!
//! Go reads one value and looks at nothing behind it; bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD.
//! What upstream does not have is a limit: a body of more than 16 MiB is refused.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::de::{Deserialize, DeserializeOwned};

use super::Fault;

/// The largest body: some ten thousands of alerts.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What stands for a character that is none.
const REPLACEMENT: &str = "\u{fffd}";

/// A JSON body; `name` is what upstream calls it.
pub(super) async fn read<T: DeserializeOwned>(request: Request, name: &str) -> Result<T, Fault> {
    decode(&receive(request, name).await?, name)
}

/// The text of a body that says it is JSON, as [`decode`] takes it; never only white space.
pub(super) async fn receive(request: Request, name: &str) -> Result<Bytes, Fault> {
    let (parts, body) = request.into_parts();
    let bytes = read_all(body).await?;
    if bytes.is_empty() {
        return Err(Fault::required(name));
    }
    check_type(&parts.headers)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::required(name));
    }
    Ok(match as_go_reads(&bytes) {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(mended) => mended.into(),
    })
}

/// What the text of a body says.
pub(super) fn decode<'a, T: Deserialize<'a>>(text: &'a [u8], name: &str) -> Result<T, Fault> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => {
            let message = format!("parsing {name} body from \"\" failed, because {error}");
            Err(Fault::plain(StatusCode::BAD_REQUEST, message))
        }
        None => Err(Fault::required(name)),
    }
}

/// Whether it is JSON by its own word.
fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream");
    let (kind, parameters) = given.split_once(';').unwrap_or((given, ""));
    let kind = kind.trim();
    if !parameters.split(';').all(is_parameter) {
        let message = format!(
            "parsing Content-Type header from {given:?} failed, because mime: invalid media parameter"
        );
        return Err(Fault::plain(StatusCode::BAD_REQUEST, message));
    }
    if !kind.eq_ignore_ascii_case("application/json") {
        let message =
            format!("unsupported media type {kind:?}, only [application/json] are allowed");
        return Err(Fault::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}

/// `name=value`, or nothing at the end.
fn is_parameter(text: &str) -> bool {
    match text.trim() {
        "" => true,
        text => text
            .split_once('=')
            .is_some_and(|(name, value)| !name.is_empty() && !value.is_empty()),
    }
}

/// The text that Go's decoder sees: each byte that belongs to no character, and each escaped half of a surrogate pair
/// without its other half, is U+FFFD.
fn as_go_reads(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut text = match std::str::from_utf8(bytes) {
        Ok(_) => Cow::Borrowed(bytes),
        Err(_) => {
            let mut mended = Vec::with_capacity(bytes.len() + 16);
            for chunk in bytes.utf8_chunks() {
                mended.extend_from_slice(chunk.valid().as_bytes());
                let bad = chunk.invalid().len();
                mended.extend_from_slice(REPLACEMENT.repeat(bad).as_bytes());
            }
            Cow::Owned(mended)
        }
    };
    for at in lone_surrogates(&text) {
        text.to_mut()[at..at + 4].copy_from_slice(b"fffd");
    }
    text
}

/// Where the four digits stand of escapes that are half a pair.
fn lone_surrogates(text: &[u8]) -> Vec<usize> {
    let escape = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\\', &text[from..]).map(|at| from + at) {
        from = match escape(at) {
            Some(0xd800..0xdc00) if matches!(escape(at + 6), Some(0xdc00..0xe000)) => at + 12,
            Some(0xd800..0xe000) => {
                found.push(at + 2);
                at + 6
            }
            Some(_) => at + 6,
            // Some other escape, of one character.
            None => at + 2,
        }
        .min(text.len());
    }
    found
}

async fn read_all(body: Body) -> Result<Bytes, Fault> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    let read = read.map_err(|_| {
        Fault::plain(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )
    })?;
    read.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if too_large {
            let message = "the body is larger than 16 MiB; send fewer alerts at once";
            Fault::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
        } else {
            Fault::plain(StatusCode::BAD_REQUEST, "the body ended too early")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_character_is_read_as_go_reads_it() {
        let check = |bytes: &[u8], want: &str| {
            let read = as_go_reads(bytes);
            assert_eq!(String::from_utf8_lossy(&read), want, "{bytes:?}");
        };
        check(b"plain \\u00e4 \\n", "plain \\u00e4 \\n");
        check(b"a\xff\xfeb", "a\u{fffd}\u{fffd}b");
        check(b"\xe2\x82", "\u{fffd}\u{fffd}");
        check("ä\u{fffd}".as_bytes(), "ä\u{fffd}");
        check(br"\ud83d\ude00", r"\ud83d\ude00");
        check(br"\ud83d", r"\ufffd");
        check(br"\ude00 \ud83dx", r"\ufffd \ufffdx");
        check(br"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00");
        check(br"\\ud83d", r"\\ud83d");
        check(br"\ud8", r"\ud8");
        check(b"\\", "\\");
    }

    #[test]
    fn a_type_is_read_as_upstream_reads_it() {
        let check = |kind: &str, want: Option<u16>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            let got = match check_type(&headers) {
                Ok(()) => None,
                Err(Fault::Description(status, ..)) => Some(status.as_u16()),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(got, want, "{kind}");
        };
        check("application/json", None);
        check("Application/JSON; charset=utf-8", None);
        check("application/json;", None);
        check("application/json;;;=", Some(400));
        check("application/json; charset", Some(400));
        check("application/vnd.api+json", Some(415));
        check("text/plain", Some(415));
        check("foo", Some(415));
    }
}
