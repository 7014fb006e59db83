//! Around every request: an id, a span in the caller's trace, figures, a bound on the body, and no panic that escapes.

use std::panic::AssertUnwindSafe;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::http::header::HeaderName;
use axum::response::Response;
use futures_util::FutureExt;
use tracing::Instrument;

use crate::clock::Stopwatch;
use crate::telemetry::traces;

use super::context::Context;
use super::errors::{self, ErrorKind};
use super::metrics::{ErrorLabels, PlainSize, RequestLabels};
use super::problem;

/// Carries the request's id in both directions.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id and span, runs it, and counts it.
pub async fn observe<F: Future<Output = Response>>(
    context: &Context,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let stopwatch = Stopwatch::start();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = method_name(request.method());
    let id = request_id(&request);
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!(
        target: "outrigger",
        "request",
        otel.kind = "server",
        http.request.method = method,
        http.route = %route,
        http.response.status_code = tracing::field::Empty,
        request.id = %id,
        trace.id = tracing::field::Empty,
    );
    traces::set_parent(&span, traces::extract(request.headers()));
    traces::record_id(&span);
    let outcome = AssertUnwindSafe(next(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let response = outcome.unwrap_or_else(|_| {
        let _entered = span.enter();
        tracing::error!("request panicked");
        errors::answer(
            &path,
            ErrorKind::Internal,
            "the request failed inside; the log says why",
        )
    });
    let status = response.status();
    let error = problem::kind(&response);
    let mut response = problem::complete(response, &id, context.clock.now());
    span.record("http.response.status_code", status.as_u16());
    tracing::debug!(parent: &span, status = status.as_u16(), elapsed_ms = stopwatch.elapsed().as_millis(), "answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    let label = RequestLabels {
        method,
        route,
        status: status.as_u16(),
    };
    let metrics = &context.metrics;
    metrics.requests.get_or_create(&label).inc();
    let duration = metrics.duration.get_or_create(&label);
    duration.observe(stopwatch.elapsed().as_secs_f64());
    let size = match response.extensions().get::<PlainSize>() {
        Some(PlainSize(size)) => Some(*size),
        None => response.body().size_hint().exact(),
    };
    if let Some(size) = size {
        metrics.size.get_or_create(&label).observe(size as f64);
    }
    if let Some(kind) = error {
        let label = ErrorLabels {
            r#type: kind,
            route: label.route,
        };
        metrics.errors.get_or_create(&label).inc();
    }
    response
}

/// The caller's id where it is short and plain, else a new one.
fn request_id(request: &Request) -> String {
    let given = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id) if !id.is_empty() && id.len() <= 128 && id.bytes().all(is_plain) => id.to_owned(),
        _ => uuid::Uuid::new_v4().to_string(),
    }
}

/// What stands in ids, and has no meaning in logs, pages or shells.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(&byte)
}

/// The method as a label; unknown ones share a name.
fn method_name(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
