//! An answer as it is kept: its headers and bytes, and the gzip of these once somebody takes it.
//!
//! ```text
//! in Redis:  "A1" ── length of the headers, 4 bytes ── headers as JSON [["etag", "W/\"g7\""], …] ── body
//! ```

use std::io::Write as _;
use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::STALE;
use crate::http::compression::{LEAST_BYTES, accepts_gzip, is_worthwhile};
use crate::http::entity_tag::not_modified;
use crate::http::errors::{self, ErrorKind};
use crate::http::metrics::PlainSize;
use crate::http::problem::Problem;
use crate::tasks::heavy;

const MAGIC: &[u8; 2] = b"A1";
/// As elsewhere: between the fastest and the smallest.
const LEVEL: u32 = 4;
/// From here on compressing takes longer than other tasks should wait.
const HEAVY_BYTES: usize = 16 << 10;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    // Where the body is written only once the request's id is known.
    problem: Option<Problem>,
    body: Bytes,
    packed: OnceLock<Bytes>,
}

impl Answer {
    /// What a handler answered.
    pub(super) async fn of(response: Response) -> Self {
        let (mut parts, body) = response.into_parts();
        // Handlers here write their bodies in one piece.
        let body = match axum::body::to_bytes(body, usize::MAX).await {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "read an answer of ours");
                let what = "the request failed inside; the log says why";
                parts = errors::answer("/api/", ErrorKind::Internal, what)
                    .into_parts()
                    .0;
                Bytes::new()
            }
        };
        parts.headers.remove(CONTENT_LENGTH);
        Self {
            status: parts.status,
            problem: parts.extensions.remove(),
            headers: parts.headers,
            body,
            packed: OnceLock::new(),
        }
    }

    /// Whether others may be given it.
    pub(super) fn may_be_kept(&self, largest: usize) -> bool {
        let forbidden = |name: &HeaderName| self.headers.contains_key(name);
        self.status == StatusCode::OK
            && self.problem.is_none()
            && self.body.len() <= largest
            && ![STALE, CACHE_CONTROL, CONTENT_ENCODING]
                .iter()
                .any(forbidden)
    }

    /// Bytes it takes, about; its gzip included, which comes later.
    pub(super) fn weight(&self, key: usize) -> u32 {
        let headers: usize = self.headers.values().map(|value| value.len() + 64).sum();
        let bytes = key + headers + 256 + self.body.len() + self.body.len() / 4;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// The answer for who sent these headers.
    pub(super) fn response(&self, asked: &HeaderMap) -> Response {
        let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        if self.status == StatusCode::OK
            && let Some(response) = tag.and_then(|tag| not_modified(asked, tag))
        {
            return response;
        }
        let long = self.body.len() as u64 >= LEAST_BYTES;
        let packs = long
            && !self.headers.contains_key(CONTENT_ENCODING)
            && is_worthwhile(self.status, &self.headers);
        let packed = packs && accepts_gzip(asked);
        let body = if packed {
            self.packed()
        } else {
            self.body.clone()
        };
        let mut response = Body::from(body).into_response();
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        if packed {
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(CONTENT_ENCODING, gzip);
            let vary = HeaderValue::from_static("accept-encoding");
            response.headers_mut().append(VARY, vary);
            let size = PlainSize(self.body.len() as u64);
            response.extensions_mut().insert(size);
        }
        if let Some(problem) = &self.problem {
            response.extensions_mut().insert(problem.clone());
        }
        response
    }

    fn packed(&self) -> Bytes {
        let pack = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
            let written = encoder
                .write_all(&self.body)
                .and_then(|()| encoder.finish());
            written.expect("memory takes every byte").into()
        };
        let packed = self
            .packed
            .get_or_init(|| heavy(self.body.len() > HEAVY_BYTES, pack));
        packed.clone()
    }

    /// For Redis.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let headers = self.headers.iter();
        let headers: Vec<(&str, &str)> = headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let headers = serde_json::to_vec(&headers).expect("texts are JSON");
        let length = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(8 + headers.len() + self.body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// From Redis; `None` where it is none of ours.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Bytes::from(bytes);
        let (length, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let pairs: Vec<(String, String)> = serde_json::from_slice(rest.get(..length)?).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::try_from(name).ok()?;
            headers.append(name, HeaderValue::try_from(value).ok()?);
        }
        Some(Self {
            status: StatusCode::OK,
            headers,
            problem: None,
            body: bytes.slice(MAGIC.len() + 4 + length..),
            packed: OnceLock::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_ENCODING;

    use super::*;

    fn answer(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert(ETAG, HeaderValue::from_static("W/\"g7\""));
        Answer {
            status: StatusCode::OK,
            headers,
            problem: None,
            body: body.to_owned().into(),
            packed: OnceLock::new(),
        }
    }

    fn asking(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_answer_comes_back_from_its_bytes_and_nothing_else_does() {
        let kept = answer("{\"success\":true}");
        let bytes = kept.to_bytes();
        let back = Answer::from_bytes(bytes.clone()).unwrap();
        assert_eq!((&back.headers, &back.body), (&kept.headers, &kept.body));
        for length in 0..bytes.len() - kept.body.len() {
            assert!(
                Answer::from_bytes(bytes[..length].to_vec()).is_none(),
                "{length}"
            );
        }
        for wrong in [
            &b"A1\xff\xff\xff\xff[]"[..],
            b"A1\x02\0\0\0{}",
            b"{}",
            b"A1\x0c\0\0\0[[\"a b\",\"\"]]",
        ] {
            assert!(Answer::from_bytes(wrong.to_vec()).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        let check = |value: &'static str, want: bool| {
            assert_eq!(
                accepts_gzip(&asking(ACCEPT_ENCODING, value)),
                want,
                "{value}"
            );
        };
        for takes in ["gzip", "br, gzip", "GZIP;q=0.5", "gzip; q=1"] {
            check(takes, true);
        }
        for does_not in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip", "*"] {
            check(does_not, false);
        }
        let response = answer(&"[]".repeat(600)).response(&asking(ACCEPT_ENCODING, "gzip"));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.extensions().get(), Some(&PlainSize(1_200)));
        let response = answer("[]").response(&asking(ACCEPT_ENCODING, "gzip"));
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }

    #[test]
    fn who_has_it_is_told_so() {
        use axum::http::header::IF_NONE_MATCH;
        let kept = answer("[]");
        let response = kept.response(&asking(IF_NONE_MATCH, "W/\"g7\""));
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()[ETAG], "W/\"g7\"");
        let response = kept.response(&asking(IF_NONE_MATCH, "W/\"g6\""));
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn only_good_answers_are_kept() {
        assert!(answer("[]").may_be_kept(2));
        assert!(!answer("[]").may_be_kept(1));
        let refused = Answer {
            status: StatusCode::NOT_FOUND,
            ..answer("[]")
        };
        assert!(!refused.may_be_kept(2));
        let mut stale = answer("[]");
        stale
            .headers
            .insert(STALE, HeaderValue::from_static("110 - \"stale\""));
        assert!(!stale.may_be_kept(2));
    }
}
