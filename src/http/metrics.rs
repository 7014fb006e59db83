//! `/metrics`, and the figures of this module.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::metrics::{OPENMETRICS, TEXT, encode, encode_text};

use super::context::Context;
use super::errors::{ApiError, ErrorKind};

/// A request as it is counted. `route` is the router's pattern, never a raw path: callers cannot grow the set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The method.
    pub method: &'static str,
    /// The router's pattern, `unmatched` where none applies.
    pub route: String,
    /// The status code.
    pub status: u16,
}

/// An answer that tells of an error, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabels {
    /// What kind of error: `validation`, `auth`, `resource`, `rate_limit`, `business`, `external`, `system`.
    pub r#type: &'static str,
    /// The router's pattern.
    pub route: String,
}

/// In the extensions of an answer that is compressed already: how many bytes it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlainSize(pub u64);

/// Figures of the HTTP server; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests answered.
    pub requests: Family<RequestLabels, Counter>,
    /// Time to answer.
    pub duration: Family<RequestLabels, Histogram>,
    /// Bytes of answers, before they are compressed.
    pub size: Family<RequestLabels, Histogram>,
    /// Answers that tell of an error.
    pub errors: Family<ErrorLabels, Counter>,
    /// Open connections.
    pub connections: Gauge,
    /// Connections refused because too many were open.
    pub connections_refused: Counter,
    /// Queries refused because too many ran.
    pub queries_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| {
                Histogram::new([
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                ])
            }),
            size: Family::new_with_constructor(|| {
                Histogram::new([100.0, 500.0, 1e3, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6])
            }),
            errors: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            queries_refused: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time to answer a request",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "http_response_size",
            "Size of an answer before it is compressed",
            Unit::Bytes,
            self.size.clone(),
        );
        registry.register(
            "errors",
            "Answers that tell of an error, by what kind of",
            self.errors.clone(),
        );
        registry.register(
            "outrigger_http_connections",
            "Open connections",
            self.connections.clone(),
        );
        registry.register(
            "outrigger_http_connections_refused",
            "Connections refused because too many were open",
            self.connections_refused.clone(),
        );
        registry.register(
            "outrigger_queries_refused",
            "Queries refused because too many ran",
            self.queries_refused.clone(),
        );
    }
}

/// All metrics of the process, in the format asked for.
///
/// # Errors
/// Where a collector fails, which is a fault of ours.
pub async fn metrics(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(figures) = &context.figures {
        figures.refresh(&context.definitions).await;
    }
    if let Some(cache) = &context.cache {
        cache.measure().await;
    }
    let openmetrics = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let (media_type, text) = if openmetrics {
        (OPENMETRICS, encode(&context.registry))
    } else {
        (TEXT, encode_text(&context.registry))
    };
    let text = text.map_err(|error| {
        tracing::error!(%error, "encode metrics");
        ApiError::new(ErrorKind::Internal, "encode metrics")
    })?;
    Ok(([(CONTENT_TYPE, media_type)], text).into_response())
}
