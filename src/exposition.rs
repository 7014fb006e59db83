//! Exposition formats: a target's answer, as bytes, becomes samples.
//!
//! Reads the Prometheus text format 0.0.4 / 1.0.0 and OpenMetrics 1.0 (both with quoted UTF-8 names), and agrees with
//! Prometheus' scrape parser on what is accepted. It does no I/O, reads no clock, writes no exposition, and knows
//! neither protobuf nor native histograms.
//!
//! ```text
//! # TYPE http_requests_total counter                        Entry::Type
//! http_requests_total{code="200"} 1027 1395066363000        Entry::Sample
//! └────────── series ───────────┘ value timestamp_ms
//! h_bucket{le="0.5"} 8 # {trace_id="KOO5"} 0.67 1520879607.789
//!                      └──────────── exemplar ───────────────┘
//! ```
//!
//! Made for scraping the same target again and again: [`Parser`] allocates nothing and decodes nothing. The raw bytes
//! of a series are its cache key ([`SampleEntry::series`]); only when the caller does not know them yet does it decode
//! them with [`SampleEntry::labels`], which also finds what syntax cannot show (a label twice, an empty name). A caller
//! that remembers the order of the last scrape offers the next key to [`Parser::next_like`] and saves the scan too.

use std::borrow::Cow;

use error::{Fault, ParseError};
use format::Format;
use labels::LabelBuf;
use scan::Braces;

pub mod error;
pub mod format;
pub mod labels;
mod metadata;
mod number;
pub mod report;
mod sample;
mod scan;

#[cfg(test)]
mod tests;

/// The most characters an exemplar's labels may have, names and values together.
pub const EXEMPLAR_MAX_CHARACTERS: usize = 128;

/// Streams the entries of one body.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    body: &'a [u8],
    format: Format,
    /// Start of the next line. Moves only past a whole good entry, so that an error comes back when asked again.
    at: usize,
    /// The whole body is UTF-8, so none of its parts (cut at ASCII) needs checking.
    utf8: bool,
    /// Of the last `# TYPE` line.
    kind: MetricKind,
    /// `# EOF` was read.
    ended: bool,
}

/// One line of an exposition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Entry<'a> {
    /// `# HELP metric text`.
    Help {
        /// The metric family.
        metric: Escaped<'a>,
        /// What it means.
        text: Escaped<'a>,
    },
    /// `# TYPE metric kind`.
    Type {
        /// The metric family.
        metric: Escaped<'a>,
        /// Its type.
        kind: MetricKind,
    },
    /// `# UNIT metric unit` (OpenMetrics).
    Unit {
        /// The metric family.
        metric: Escaped<'a>,
        /// Its unit, possibly empty.
        unit: &'a str,
    },
    /// A sample.
    Sample(SampleEntry<'a>),
    /// Any other line starting with `#` (text format).
    Comment,
}

/// One sample, its series still as written.
#[derive(Debug, Clone, Copy)]
pub struct SampleEntry<'a> {
    /// From the metric's name to behind the closing brace (or the name alone). Equal bytes in a later body of the same
    /// target mean the same series; different bytes may mean the same one too (other order, other escapes).
    pub series: &'a [u8],
    /// The value; every NaN has the same bits, and none is the stale marker.
    pub value: f64,
    /// Milliseconds since 1970, when the target gave a time.
    pub timestamp_ms: Option<i64>,
    /// The exemplar (OpenMetrics).
    pub exemplar: Option<Exemplar<'a>>,
    /// Of the last `# TYPE` line before the sample, whatever family that was about.
    pub kind: MetricKind,
    body: &'a [u8],
    start: usize,
    format: Format,
}

/// An exemplar, its labels still as written.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// The exemplar's own value.
    pub value: f64,
    /// Milliseconds since 1970, when given.
    pub timestamp_ms: Option<i64>,
    body: &'a [u8],
    /// Behind the opening brace.
    start: usize,
}

/// A metric family's type; `unknown` is `untyped` in the text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MetricKind {
    /// No type was given, or the target does not know it.
    #[default]
    Unknown,
    /// Only grows, until it starts over.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets.
    Histogram,
    /// Buckets of something that goes up and down (OpenMetrics).
    GaugeHistogram,
    /// Quantiles computed by the target.
    Summary,
    /// Constant 1 with telling labels (OpenMetrics).
    Info,
    /// One series per state, 0 or 1 (OpenMetrics).
    StateSet,
}

/// Text that may still hold escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escaped<'a> {
    raw: &'a str,
    /// `\"` is an escape too: everywhere but in the text format's help.
    quotes: bool,
}

impl MetricKind {
    /// The name Prometheus' metadata API shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

impl<'a> Escaped<'a> {
    /// The text without escapes; borrows when there were none.
    pub fn decode(self) -> Cow<'a, str> {
        scan::unescape(self.raw, self.quotes)
    }
}

impl SampleEntry<'_> {
    /// Decodes the metric's name and labels into `into`, replacing what it held.
    ///
    /// # Errors
    /// A label set twice or an empty name. Such a series rejects the whole scrape.
    pub fn labels(&self, into: &mut LabelBuf) -> Result<(), ParseError> {
        let range = self.start..self.start + self.series.len();
        labels::decode_series(self.body, range, self.format, self.kind, into)
    }
}

impl PartialEq for SampleEntry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.series == other.series
            && self.value.to_bits() == other.value.to_bits()
            && self.timestamp_ms == other.timestamp_ms
            && self.exemplar == other.exemplar
    }
}

impl Exemplar<'_> {
    /// Decodes the labels into `into`, replacing what it held.
    ///
    /// # Errors
    /// A label set twice, or more than [`EXEMPLAR_MAX_CHARACTERS`]. As in Prometheus, this should cost the exemplar,
    /// not the scrape.
    pub fn labels(&self, into: &mut LabelBuf) -> Result<(), ParseError> {
        into.clear();
        let mut fault = None;
        EXEMPLAR_BRACES.scan(self.body, self.start, |part| {
            if fault.is_none() {
                fault = into.add(self.body, part, MetricKind::Unknown).err();
            }
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        into.finish(self.body)?;
        match into.characters() {
            0..=EXEMPLAR_MAX_CHARACTERS => Ok(()),
            chars => Err(ParseError::at(
                self.body,
                self.start,
                Fault::ExemplarTooLong { chars },
            )),
        }
    }
}

impl PartialEq for Exemplar<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value.to_bits() == other.value.to_bits()
            && self.timestamp_ms == other.timestamp_ms
            && self.body.get(self.start..) == other.body.get(other.start..)
    }
}

const EXEMPLAR_BRACES: Braces = Braces {
    format: Format::OpenMetrics,
    exemplar: true,
    named: false,
};

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    pub fn new(body: &'a [u8], format: Format) -> Self {
        Self {
            body,
            format,
            at: 0,
            utf8: std::str::from_utf8(body).is_ok(),
            kind: MetricKind::Unknown,
            ended: false,
        }
    }

    /// The next entry, or `None` at the proper end of the input.
    ///
    /// # Errors
    /// Anything outside the format rejects the body as a whole; asking again gives the same error.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        match self.format {
            Format::PrometheusText => self.next_text(),
            Format::OpenMetrics => self.next_openmetrics(),
        }
    }

    /// [`Parser::next_entry`], with a guess: `expected` is a [`SampleEntry::series`] that the same format yielded
    /// before. If it stands next, its syntax is not checked a second time.
    #[inline]
    pub fn next_like(&mut self, expected: &[u8]) -> Result<Option<Entry<'a>>, ParseError> {
        let start = self.at;
        let rest = &self.body[start..];
        if !self.ended && !expected.is_empty() && rest.starts_with(expected) {
            // A series that ends with its brace ends there again. A bare name may go on, or get braces after a blank.
            let whole = expected.ends_with(b"}")
                || matches!(&rest[expected.len()..], [b' ', next, ..] if !b" \t{".contains(next));
            if whole {
                return self.sample_from(start, start + expected.len()).map(Some);
            }
        }
        self.next_entry()
    }

    #[inline]
    fn next_text(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let mut at = self.at;
        loop {
            at = scan::skip_blanks(self.body, at);
            match self.body.get(at) {
                None => return Ok(None),
                Some(b'\n') => at += 1,
                Some(b'#') => return self.text_comment(at).map(Some),
                Some(_) => return self.sample(at).map(Some),
            }
        }
    }

    #[inline]
    fn next_openmetrics(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        if self.ended {
            return Ok(None);
        }
        match self.body.get(self.at) {
            None => Err(ParseError::at(self.body, self.at, Fault::EofMissing)),
            Some(b'#') => self.openmetrics_comment(),
            Some(_) => self.sample(self.at).map(Some),
        }
    }
}
