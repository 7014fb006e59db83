//! A whole exposition at once, for the command line and for tests; the scrape loop streams instead.

use serde_json::{Map, Value, json};

use super::error::ParseError;
use super::format::Format;
use super::labels::LabelBuf;
use super::{Entry, MetricKind, Parser};
use crate::model::labels::METRIC_NAME;

/// A sample with everything decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedSample {
    /// Name and value of each label, `__name__` included, sorted by name.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970, when given.
    pub timestamp_ms: Option<i64>,
    /// The exemplar; one that breaks the limits is dropped.
    pub exemplar: Option<OwnedExemplar>,
}

/// An exemplar with everything decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedExemplar {
    /// Name and value of each label, sorted by name.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970, when given.
    pub timestamp_ms: Option<i64>,
}

impl OwnedSample {
    /// The metric's name.
    pub fn name(&self) -> &str {
        self.labels
            .iter()
            .find(|(name, _)| name == METRIC_NAME)
            .map_or("", |(_, value)| value)
    }
}

/// All samples of `body`, in order.
///
/// # Errors
/// The first fault; nothing of a faulty body is kept.
pub fn parse_all(body: &[u8], format: Format) -> Result<Vec<OwnedSample>, ParseError> {
    read(body, format).map(|read| read.samples)
}

/// What `outrigger parse` prints: `{"ok":true,"samples":[[name,{labels},value,ts_ms|null],…],…}` or
/// `{"ok":false,"error":…,"line":…,"column":…}`. Values JSON cannot hold are `"NaN"`, `"+Inf"`, `"-Inf"`, `"-0"`.
pub fn to_json(body: &[u8], format: Format) -> Value {
    match read(body, format) {
        Ok(read) => read.into_json(),
        Err(error) => json!({
            "ok": false,
            "error": error.to_string(),
            "line": error.line,
            "column": error.column,
        }),
    }
}

#[derive(Default)]
struct Read {
    samples: Vec<OwnedSample>,
    types: Vec<(String, MetricKind)>,
    help: Vec<(String, String)>,
    units: Vec<(String, String)>,
}

fn read(body: &[u8], format: Format) -> Result<Read, ParseError> {
    let mut parser = Parser::new(body, format);
    let mut labels = LabelBuf::new();
    let mut read = Read::default();
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Comment => {}
            Entry::Help { metric, text } => {
                read.help
                    .push((metric.decode().into_owned(), text.decode().into_owned()));
            }
            Entry::Type { metric, kind } => read.types.push((metric.decode().into_owned(), kind)),
            Entry::Unit { metric, unit } => {
                read.units
                    .push((metric.decode().into_owned(), unit.to_owned()));
            }
            Entry::Sample(sample) => {
                sample.labels(&mut labels)?;
                let owned = own(&labels);
                let exemplar = sample.exemplar.and_then(|exemplar| {
                    exemplar.labels(&mut labels).ok()?;
                    Some(OwnedExemplar {
                        labels: own(&labels),
                        value: exemplar.value,
                        timestamp_ms: exemplar.timestamp_ms,
                    })
                });
                read.samples.push(OwnedSample {
                    labels: owned,
                    value: sample.value,
                    timestamp_ms: sample.timestamp_ms,
                    exemplar,
                });
            }
        }
    }
    Ok(read)
}

impl Read {
    fn into_json(self) -> Value {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|sample| {
                json!([
                    sample.name(),
                    object(&sample.labels),
                    value(sample.value),
                    sample.timestamp_ms
                ])
            })
            .collect();
        let exemplars: Vec<Value> = self
            .samples
            .iter()
            .filter_map(|sample| {
                let exemplar = sample.exemplar.as_ref()?;
                Some(json!([
                    sample.name(),
                    object(&sample.labels),
                    object(&exemplar.labels),
                    value(exemplar.value),
                    exemplar.timestamp_ms
                ]))
            })
            .collect();
        let types: Map<String, Value> = self
            .types
            .into_iter()
            .map(|(metric, kind)| (metric, kind.as_str().into()))
            .collect();
        json!({
            "ok": true,
            "samples": samples,
            "types": types,
            "help": object(&self.help),
            "units": object(&self.units),
            "exemplars": exemplars,
        })
    }
}

fn own(labels: &LabelBuf) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Labels as an object, without the metric's name.
fn object(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs
        .iter()
        .filter(|(name, _)| name != METRIC_NAME)
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect()
}

fn value(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value == f64::INFINITY {
        "+Inf".into()
    } else if value == f64::NEG_INFINITY {
        "-Inf".into()
    } else if value == 0.0 && value.is_sign_negative() {
        "-0".into()
    } else {
        value.into()
    }
}
