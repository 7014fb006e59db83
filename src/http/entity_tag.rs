//! Entity tags (<https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3>): what an answer is called, and who has it already.

use axum::http::header::{ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// The tag of a text that has no revision: 64 bits of its SHA-256.
pub(super) fn of_text(text: &str) -> String {
    let hash = Sha256::digest(text);
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// The answer with its tag.
pub(super) fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// 304, where the caller has this tag already (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>).
pub(super) fn not_modified(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let weak = |tag: &str| tag.trim_start_matches("W/").to_owned();
    let given = list(headers, &IF_NONE_MATCH)?;
    let known = given
        .iter()
        .any(|given| given == "*" || weak(given) == weak(tag));
    known.then(|| tagged(StatusCode::NOT_MODIFIED.into_response(), tag))
}

/// The tags of a header, if it is there.
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let texts = values.map(|value| value.to_str().unwrap_or_default());
    let tags = texts
        .flat_map(|text| text.split(','))
        .map(|tag| tag.trim().to_owned());
    Some(tags.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_an_answer_is_not_sent_it_again() {
        let fresh = |values: &[&'static str], tag: &str| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            not_modified(&headers, tag).is_some()
        };
        assert!(fresh(&["\"7\""], "\"7\"") && fresh(&["*"], "\"7\""));
        assert!(fresh(&["\"1\", W/\"7\""], "\"7\"") && fresh(&["\"g7\""], "W/\"g7\""));
        assert!(!fresh(&[], "\"7\"") && !fresh(&["\"8\""], "\"7\""));
    }

    #[test]
    fn one_text_has_one_tag() {
        assert_eq!(of_text("a"), of_text("a"));
        assert_ne!(of_text("a"), of_text("b"));
        assert_eq!(of_text("").len(), 18);
    }
}
