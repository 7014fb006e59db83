//! Traces: spans of scrapes, evaluations, flushes, sends and requests, exported by OTLP over HTTP when configured.
//!
//! Context comes in and goes out in two forms: W3C `traceparent` and Jaeger's `uber-trace-id`. Ids exist even when
//! nothing is exported, so that a log line and an outgoing call can always be tied together.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::text_map_propagator::TextMapPropagator;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{TraceContextExt, TraceId, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::runtime;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// The header that carries Jaeger's form.
const JAEGER_HEADER: &str = "uber-trace-id";

/// Settings of traces.
#[derive(Clone, PartialEq, Debug)]
pub struct TracesConfig {
    /// Base address of an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`; nothing is exported without it.
    pub otlp_endpoint: Option<String>,
    /// The `service.name` of the spans.
    pub service_name: String,
    /// Share of root spans that are exported, 0 to 1.
    pub sample_ratio: f64,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            service_name: "outrigger".to_owned(),
            sample_ratio: 1.0,
        }
    }
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; give the base address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318")]
pub struct ExporterError {
    /// What is wrong with the address.
    pub reason: String,
}

impl TracesConfig {
    /// Whether the endpoint is an address that spans can be sent to; nothing is sent.
    ///
    /// # Errors
    /// Where it is none.
    pub fn check_endpoint(&self) -> Result<(), ExporterError> {
        self.address().map(drop)
    }

    fn address(&self) -> Result<Option<url::Url>, ExporterError> {
        let Some(endpoint) = &self.otlp_endpoint else {
            return Ok(None);
        };
        // The address may hold a password: it is not repeated.
        let wrong = |reason: String| ExporterError { reason };
        let address: url::Url = endpoint
            .parse()
            .map_err(|error| wrong(format!("not an address: {error}")))?;
        if !matches!(address.scheme(), "http" | "https") || !address.has_host() {
            return Err(wrong("not an http or https address".to_owned()));
        }
        Ok(Some(address))
    }
}

/// The target of spans for the steps within a request, at level DEBUG: they are there only where traces are exported, and
/// cost nothing elsewhere.
pub const STEP: &str = "outrigger::step";

pub(super) struct Exporter(Option<SpanExporter>);

impl Exporter {
    pub(super) fn build(config: &TracesConfig) -> Result<Self, ExporterError> {
        let (Some(endpoint), Some(address)) = (&config.otlp_endpoint, config.address()?) else {
            return Ok(Self(None));
        };
        let address = if address.path() == "/" {
            format!("{endpoint}/v1/traces")
        } else {
            endpoint.clone()
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address.replace("//v1", "/v1"))
            .with_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| ExporterError {
                reason: error.to_string(),
            })?;
        Ok(Self(Some(exporter)))
    }
}

/// The running exporter.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends what is still buffered; blocks for at most a few seconds.
    pub fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(Duration::from_secs(3)) {
            tracing::warn!(%error, "flush traces");
        }
    }
}

pub(super) fn layer(
    exporter: Exporter,
    config: &TracesConfig,
) -> (impl Layer<Registry> + use<>, Traces) {
    let resource = Resource::builder()
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let exported = exporter.0.is_some();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    provider = match exporter.0 {
        Some(exporter) => provider
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                config.sample_ratio,
            ))))
            .with_span_processor(BatchSpanProcessor::builder(exporter, runtime::Tokio).build()),
        // Unsampled spans carry ids and cost next to nothing.
        None => provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))),
    };
    let provider = provider.build();
    (
        traced(provider.tracer("outrigger"), exported),
        Traces { provider },
    )
}

/// Only Outrigger's own spans become trace spans: exporting must not trace its own HTTP client.
fn traced<S>(tracer: opentelemetry_sdk::trace::SdkTracer, exported: bool) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let steps = if exported {
        LevelFilter::DEBUG
    } else {
        LevelFilter::OFF
    };
    let targets = Targets::new().with_target("outrigger", LevelFilter::INFO);
    let targets = targets.with_target(STEP, steps);
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(targets)
}

#[expect(
    deprecated,
    reason = "Jaeger's own header is what older services still send; this is the last release of its crate"
)]
fn jaeger() -> impl TextMapPropagator {
    opentelemetry_jaeger_propagator::Propagator::new()
}

/// The caller's trace context, where its headers carry one; W3C wins over Jaeger where both are there.
pub fn extract(headers: &HeaderMap) -> Context {
    let headers = Headers(headers);
    // Asked only where its header is there: it complains of every request without one.
    let context = match headers.get(JAEGER_HEADER) {
        Some(_) => jaeger().extract_with_context(&Context::new(), &headers),
        None => Context::new(),
    };
    TraceContextPropagator::new().extract_with_context(&context, &headers)
}

/// Adds the span's trace context to outgoing headers, in both forms.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    if span.is_none() {
        return;
    }
    let context = span.context();
    let mut headers = HeadersMut(headers);
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    jaeger().inject_context(&context, &mut headers);
}

/// The trace id of a span as 32 hex digits, where it belongs to a trace.
pub fn trace_id(span: &Span) -> Option<String> {
    let id = span.context().span().span_context().trace_id();
    (id != TraceId::INVALID).then(|| id.to_string())
}

/// Writes the trace id into the span's field `trace.id`, which it must have: log lines inside the span carry it.
pub fn record_id(span: &Span) {
    if let Some(id) = trace_id(span) {
        span.record("trace.id", id);
    }
}

/// Makes a span the child of a caller's context.
pub fn set_parent(span: &Span, parent: Context) {
    if parent.span().span_context().is_valid() && span.set_parent(parent).is_err() {
        tracing::debug!("span is not traced: its parent is ignored");
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn context_of(pairs: &[(&'static str, String)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let context = extract(&headers);
        let id = context.span().span_context().trace_id();
        (id != TraceId::INVALID).then(|| id.to_string())
    }

    #[test]
    fn both_header_forms_are_read_and_w3c_wins() {
        let w3c = ("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"));
        let jaeger = (
            "uber-trace-id",
            format!("{}:b7ad6b7169203331:0:1", "1".repeat(32)),
        );
        assert_eq!(
            context_of(std::slice::from_ref(&w3c)).as_deref(),
            Some(TRACE)
        );
        assert_eq!(
            context_of(std::slice::from_ref(&jaeger)),
            Some("1".repeat(32))
        );
        assert_eq!(context_of(&[jaeger, w3c]).as_deref(), Some(TRACE));
        assert_eq!(context_of(&[("traceparent", "garbage".to_owned())]), None);
    }

    #[test]
    fn a_span_hands_its_trace_on_in_both_forms() {
        let subscriber = {
            use tracing_subscriber::layer::SubscriberExt;
            let (layer, traces) = layer(Exporter(None), &TracesConfig::default());
            // The provider must outlive the spans.
            std::mem::forget(traces);
            tracing_subscriber::registry().with(layer)
        };
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(target: "outrigger", "request");
            let mut incoming = HeaderMap::new();
            incoming.insert(
                "traceparent",
                format!("00-{TRACE}-b7ad6b7169203331-01").parse().unwrap(),
            );
            set_parent(&span, extract(&incoming));
            assert_eq!(trace_id(&span).as_deref(), Some(TRACE));
            let mut outgoing = HeaderMap::new();
            inject(&span, &mut outgoing);
            assert!(outgoing["traceparent"].to_str().unwrap().contains(TRACE));
            assert!(outgoing["uber-trace-id"].to_str().unwrap().contains(TRACE));
            let root = tracing::info_span!(target: "outrigger", "root");
            assert!(trace_id(&root).is_some(), "unexported spans still have ids");
        });
    }
}
