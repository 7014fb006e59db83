//! Logs: one line each that reads alone, as text or JSON, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::traces::{self, Exporter, Traces, TracesConfig};

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// Coloured text on a terminal, plain text elsewhere.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogsConfig {
    /// How lines are written.
    pub format: LogFormat,
    /// What is written: a level, or directives such as `info,outrigger::scrape=debug`.
    pub filter: String,
    /// Whether even a terminal gets no colours.
    pub no_color: bool,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: "info".to_owned(),
            no_color: false,
        }
    }
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter cannot be read.
    #[error(
        "read log filter {filter:?}: {source}; write a level (error, warn, info, debug, trace)"
    )]
    Filter {
        /// As given.
        filter: String,
        /// The reader's error.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter cannot be built.
    #[error("build the trace exporter: {0}")]
    Exporter(#[from] traces::ExporterError),
    /// Another subscriber is already installed.
    #[error("install the log subscriber: {0}")]
    Install(#[from] tracing_subscriber::util::TryInitError),
}

/// Installs logs and traces for the whole process. Needs a Tokio runtime where traces are exported.
///
/// # Errors
/// Where the filter or the exporter's address is wrong, or telemetry is installed already.
pub fn init(logs: &LogsConfig, traces: &TracesConfig) -> Result<Traces, InitError> {
    let filter = filter(&logs.filter)?;
    let exporter = Exporter::build(traces)?;
    let lines = match logs.format {
        LogFormat::Text => fmt::layer()
            .with_ansi(!logs.no_color && std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
    };
    let (layer, traces) = traces::layer(exporter, traces);
    tracing_subscriber::registry()
        .with(layer)
        .with(lines)
        .try_init()?;
    Ok(traces)
}

fn filter(text: &str) -> Result<EnvFilter, InitError> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| InitError::Filter {
            filter: text.to_owned(),
            source,
        })
}

/// Whether a filter can be read, without installing it.
///
/// # Errors
/// Where it cannot.
pub fn check_filter(text: &str) -> Result<(), InitError> {
    filter(text).map(drop)
}
