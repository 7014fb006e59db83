//! Decoding of one series' name and labels, done once per series and not once per scrape.

use std::ops::Range;

use super::error::{Fault, ParseError, excerpt};
use super::format::Format;
use super::scan::{self, Braces, Part};
use super::{MetricKind, number};
use crate::model::labels::{BUCKET_LABEL, Labels, METRIC_NAME};

/// Decoded labels of one series, reusable: a second filling allocates nothing unless it is larger.
///
/// Holds them sorted by name, `__name__` among them. Labels with an empty value are kept; for Prometheus they equal
/// absent ones, and [`LabelBuf::to_labels`] drops them.
#[derive(Debug, Default, Clone)]
pub struct LabelBuf {
    /// Names and values, back to back.
    text: String,
    /// Ranges of `text`, sorted by name.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone)]
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
    /// Where the name stands in the body, for errors.
    origin: usize,
}

impl LabelBuf {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Name and value of each label, sorted by name (bytewise).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| {
            (
                &self.text[pair.name.clone()],
                &self.text[pair.value.clone()],
            )
        })
    }

    /// The value of the label `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// How many labels there are, `__name__` included.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether nothing was decoded (exemplars may have no labels; a series always has its name).
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The stored form; labels with an empty value are left out.
    pub fn to_labels(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }

    /// Characters of all names and values together, as OpenMetrics counts an exemplar's length.
    pub(super) fn characters(&self) -> usize {
        self.text.chars().count()
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// Adds the `part` of `body`, which the scanner has found well-formed.
    pub(super) fn add(
        &mut self,
        body: &[u8],
        part: Part,
        kind: MetricKind,
    ) -> Result<(), ParseError> {
        match part {
            Part::Name { name, quoted } => {
                let start = self.text.len();
                self.text.push_str(METRIC_NAME);
                let value = self.decode(body, name.clone(), quoted, "metric name")?;
                if value.is_empty() {
                    return Err(empty(body, name.start, "metric name"));
                }
                self.pairs.push(Pair {
                    name: start..value.start,
                    value,
                    origin: name.start,
                });
            }
            Part::Label {
                name,
                quoted,
                value,
            } => {
                let origin = name.start;
                let name = self.decode(body, name, quoted, "label name")?;
                if name.is_empty() {
                    return Err(empty(body, origin, "label name"));
                }
                let mut value = self.decode(body, value, true, "label value")?;
                if is_bound(kind, &self.text[name.clone()])
                    && let Ok(bound) = number::float(&self.text.as_bytes()[value.clone()])
                {
                    self.text.truncate(value.start);
                    self.text.push_str(&number::canonical(bound));
                    value.end = self.text.len();
                }
                self.pairs.push(Pair {
                    name,
                    value,
                    origin,
                });
            }
        }
        Ok(())
    }

    /// Sorts, and finds a label that was given twice.
    pub(super) fn finish(&mut self, body: &[u8]) -> Result<(), ParseError> {
        let Self { text, pairs } = self;
        pairs.sort_unstable_by(|a, b| {
            (&text[a.name.clone()], a.origin).cmp(&(&text[b.name.clone()], b.origin))
        });
        let twice = pairs
            .windows(2)
            .find(|pair| text[pair[0].name.clone()] == text[pair[1].name.clone()]);
        match twice {
            None => Ok(()),
            Some(pair) => Err(ParseError::at(
                body,
                pair[1].origin,
                Fault::LabelTwice {
                    name: excerpt(text[pair[1].name.clone()].as_bytes()),
                },
            )),
        }
    }

    fn decode(
        &mut self,
        body: &[u8],
        range: Range<usize>,
        escaped: bool,
        place: &'static str,
    ) -> Result<Range<usize>, ParseError> {
        let start = self.text.len();
        let raw = scan::utf8(body, range, place)?;
        if escaped {
            scan::unescape_into(raw, true, &mut self.text);
        } else {
            self.text.push_str(raw);
        }
        Ok(start..self.text.len())
    }
}

/// Decodes the series that stands at `range` of `body`.
pub(super) fn decode_series(
    body: &[u8],
    range: Range<usize>,
    format: Format,
    kind: MetricKind,
    into: &mut LabelBuf,
) -> Result<(), ParseError> {
    into.clear();
    let mut fault = None;
    let mut at = range.start;
    let mut add = |part| {
        if fault.is_none() {
            fault = into.add(body, part, kind).err();
        }
    };
    let mut named = false;
    if let Some(end) = scan::metric_name(body, at) {
        add(Part::Name {
            name: at..end,
            quoted: false,
        });
        named = true;
        at = end;
    }
    if at < range.end {
        // Only blanks can stand between the name and the brace, or the range would have ended with the name.
        let brace = scan::skip_blanks(body, at);
        let braces = Braces {
            format,
            exemplar: false,
            named,
        };
        braces.scan(body, brace + 1, add)?;
    }
    match fault {
        Some(fault) => Err(fault),
        None => into.finish(body),
    }
}

/// Prometheus 3 writes bucket and quantile bounds in one way, whatever the target wrote: `le="1"` is `le="1.0"`.
fn is_bound(kind: MetricKind, label: &str) -> bool {
    match kind {
        MetricKind::Histogram => label == BUCKET_LABEL,
        MetricKind::Summary => label == "quantile",
        MetricKind::Unknown
        | MetricKind::Counter
        | MetricKind::Gauge
        | MetricKind::GaugeHistogram
        | MetricKind::Info
        | MetricKind::StateSet => false,
    }
}

#[cold]
fn empty(body: &[u8], at: usize, place: &'static str) -> ParseError {
    ParseError::at(body, at, Fault::EmptyName { place })
}
