//! What a browser may be made to do, and what every answer tells it.
//!
//! Loopback is no wall against a web page that the user of this machine has open: a form on it can post here, and a name
//! that its owner points at 127.0.0.1 makes this port part of his site (DNS rebinding). So a request that changes
//! something must come from here, and on loopback the name asked for must be one of ours. Other clients (curl, probes,
//! Prometheus) send none of these headers, or an address, and are not concerned. There is no CORS: another site may link
//! here, not read.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;

use super::context::Context;
use super::errors::{self, ErrorKind};
use super::pages::SECURITY_HEADERS;

/// Adds the headers that every answer carries, where the handler set none of that name.
pub fn headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets a request pass, or answers 403 and says why.
pub async fn guard<F: Future<Output = Response>>(
    context: &Context,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    // A request in absolute form names its host there.
    if let Some(authority) = request.uri().authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, value);
    }
    let refusal = {
        let configuration = context.configuration.borrow();
        refusal(
            request.method(),
            request.headers(),
            context.listen,
            &configuration.external_url,
        )
    };
    match refusal {
        None => next(request).await,
        Some(reason) => {
            tracing::warn!(path = request.uri().path(), reason, "request refused");
            errors::answer(request.uri().path(), ErrorKind::Forbidden, reason)
        }
    }
}

/// Why a request is refused.
fn refusal(
    method: &Method,
    headers: &HeaderMap,
    listen: SocketAddr,
    external_url: &str,
) -> Option<&'static str> {
    // Read only for who is not let in without it.
    let external = || external_url.parse::<url::Url>().ok();
    let host = text(headers, HOST.as_str());
    if listen.ip().is_loopback()
        && let Some(host) = host
        && !is_ours(host, external)
    {
        return Some(
            "this name is not Outrigger's: ask for 127.0.0.1 or localhost, or set web.external_url to the name",
        );
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    const ELSEWHERE: &str = "a page of another site asked for this; only Outrigger's own may";
    if let Some(site) = text(headers, "sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Some(ELSEWHERE);
    }
    let origin = match headers.get(ORIGIN) {
        None => return None,
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()),
    };
    let same = origin.is_some_and(|origin: url::Url| {
        let here = host.and_then(|host| {
            format!("{}://{host}", origin.scheme())
                .parse::<url::Url>()
                .ok()
        });
        [here, external()].iter().flatten().any(|own| {
            origin.has_host()
                && own.host_str() == origin.host_str()
                && own.port_or_known_default() == origin.port_or_known_default()
        })
    });
    (!same).then_some(ELSEWHERE)
}

/// Whether a `Host` header names this machine. An address does always: no other site can own it.
fn is_ours(host: &str, external: impl FnOnce() -> Option<url::Url>) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || external().is_some_and(|external| external.host_str() == Some(&name))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    // What is not ASCII is no name of ours.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, listen: &str, given: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let external = "https://monitor.example.org";
        refusal(&method, &headers, listen.parse().unwrap(), external).is_some()
    }

    #[test]
    fn a_name_that_is_not_ours_does_not_reach_a_loopback_port() {
        let check = |listen: &str, host: &str, want: bool| {
            assert_eq!(
                refused(Method::GET, listen, &[("host", host)]),
                want,
                "{listen} {host}"
            );
        };
        for host in [
            "127.0.0.1:9797",
            "localhost:9797",
            "LOCALHOST",
            "outrigger.localhost:9797",
            "[::1]:9797",
            "10.0.0.7",
            "monitor.example.org",
            "monitor.example.org.:9797",
        ] {
            check("127.0.0.1:9797", host, false);
        }
        for host in [
            "evil.example",
            "evil.example:9797",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "",
            "a b",
        ] {
            check("127.0.0.1:9797", host, true);
            check("[::1]:9797", host, true);
        }
        check("0.0.0.0:9797", "shop.example.org:9797", false);
        assert!(
            !refused(Method::GET, "127.0.0.1:9797", &[]),
            "HTTP/1.0 names none"
        );
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let check = |headers: &[(&'static str, &str)], want: bool| {
            let mut with_host = vec![("host", "127.0.0.1:9797")];
            with_host.extend_from_slice(headers);
            for listen in ["127.0.0.1:9797", "0.0.0.0:9797"] {
                assert_eq!(
                    refused(Method::POST, listen, &with_host),
                    want,
                    "{headers:?}"
                );
                assert!(!refused(Method::GET, listen, &with_host), "{headers:?}");
            }
        };
        check(&[], false);
        check(&[("origin", "http://127.0.0.1:9797")], false);
        check(&[("origin", "https://monitor.example.org")], false);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("origin", "http://evil.example")], true);
        check(&[("origin", "http://127.0.0.1:8080")], true);
        check(&[("origin", "null")], true);
        check(&[("origin", "data:")], true);
        check(
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://evil.example"),
            ],
            true,
        );
    }
}
