//! Lines that start with `#`: help, type, unit, the end of an OpenMetrics body, and comments.

use std::ops::Range;

use super::error::{Fault, ParseError, excerpt};
use super::{Entry, Escaped, MetricKind, Parser, scan};

const TEXT_TYPES: &str = "counter, gauge, histogram, summary, untyped";
const OPENMETRICS_TYPES: &str =
    "counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown";

impl<'a> Parser<'a> {
    /// The text format's line at the `#` at `hash`: blanks are free, and what is neither help nor type is a comment.
    pub(super) fn text_comment(&mut self, hash: usize) -> Result<Entry<'a>, ParseError> {
        let body = self.body;
        let keyword = scan::skip_blanks(body, hash + 1);
        let after = keyword + 4;
        let blank = matches!(body.get(after), Some(b' ' | b'\t'));
        let word = body.get(keyword..after).filter(|_| blank);
        let help = match word {
            Some(b"HELP") if keyword > hash + 1 => true,
            Some(b"TYPE") if keyword > hash + 1 => false,
            _ => {
                self.at = (self.end_of_line(hash) + 1).min(body.len());
                return Ok(Entry::Comment);
            }
        };
        let (metric, after) = self.family(
            scan::skip_blanks(body, after),
            if help {
                "a metric name after HELP"
            } else {
                "a metric name after TYPE"
            },
        )?;
        let end = self.end_of_line(after);
        let start = match body.get(after) {
            Some(b' ' | b'\t') => after + 1,
            _ => after,
        };
        let entry = if help {
            let raw = self.utf8_at(start..end, "help text")?;
            let text = Escaped { raw, quotes: false };
            Entry::Help { metric, text }
        } else {
            let kind = match &body[start..end] {
                b"counter" => MetricKind::Counter,
                b"gauge" => MetricKind::Gauge,
                b"histogram" => MetricKind::Histogram,
                b"summary" => MetricKind::Summary,
                b"untyped" => MetricKind::Unknown,
                _ => return Err(self.unknown_type(start..end, TEXT_TYPES)),
            };
            self.kind = kind;
            Entry::Type { metric, kind }
        };
        self.at = (end + 1).min(body.len());
        Ok(entry)
    }

    /// OpenMetrics' line at the `#` where the parser stands: single spaces, no comments, `None` for `# EOF`.
    pub(super) fn openmetrics_comment(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let body = self.body;
        let start = self.at;
        let line = &body[start..];
        if line.starts_with(b"# EOF") {
            let end = start + b"# EOF".len();
            let rest = match &body[end..] {
                [b'\n', rest @ ..] => rest,
                rest => rest,
            };
            if !rest.is_empty() {
                let at = body.len() - rest.len();
                let got = excerpt(rest);
                return Err(ParseError::at(body, at, Fault::AfterEof { got }));
            }
            self.at = body.len();
            self.ended = true;
            return Ok(None);
        }
        let (wanted_name, wanted_text) = match line.get(..7) {
            Some(b"# HELP ") => ("a metric name after HELP", "text after the metric name"),
            Some(b"# TYPE ") => ("a metric name after TYPE", "a type after the metric name"),
            Some(b"# UNIT ") => ("a metric name after UNIT", "a unit after the metric name"),
            _ => {
                let wanted = "`# HELP `, `# TYPE `, `# UNIT ` or `# EOF`";
                return Err(ParseError::expected(body, start, wanted));
            }
        };
        let (metric, after) = self.family(start + 7, wanted_name)?;
        if body.get(after) != Some(&b' ') {
            return Err(ParseError::expected(body, after, wanted_text));
        }
        let text = after + 1..self.end_of_line(after + 1);
        if text.end == body.len() {
            return Err(ParseError::at(body, text.end, Fault::EofMissing));
        }
        let entry = match line[2] {
            b'H' => {
                let raw = self.utf8_at(text.clone(), "help text")?;
                let text = Escaped { raw, quotes: true };
                Entry::Help { metric, text }
            }
            b'T' => {
                let kind = match &body[text.clone()] {
                    b"counter" => MetricKind::Counter,
                    b"gauge" => MetricKind::Gauge,
                    b"histogram" => MetricKind::Histogram,
                    b"gaugehistogram" => MetricKind::GaugeHistogram,
                    b"summary" => MetricKind::Summary,
                    b"info" => MetricKind::Info,
                    b"stateset" => MetricKind::StateSet,
                    b"unknown" => MetricKind::Unknown,
                    _ => return Err(self.unknown_type(text, OPENMETRICS_TYPES)),
                };
                self.kind = kind;
                Entry::Type { metric, kind }
            }
            _ => {
                let unit = self.utf8_at(text.clone(), "unit")?;
                let stem = metric.raw.strip_suffix(unit);
                if !unit.is_empty() && !stem.is_some_and(|stem| stem.ends_with('_')) {
                    let fault = Fault::UnitNotSuffix {
                        unit: excerpt(unit.as_bytes()),
                        metric: excerpt(metric.raw.as_bytes()),
                    };
                    return Err(ParseError::at(body, text.start, fault));
                }
                Entry::Unit { metric, unit }
            }
        };
        self.at = text.end + 1;
        Ok(Some(entry))
    }

    /// The metric family's name at `at`, quoted or not, and where it ends.
    fn family(&self, at: usize, wanted: &'static str) -> Result<(Escaped<'a>, usize), ParseError> {
        let (range, end) = if let Some(end) = scan::metric_name(self.body, at) {
            (at..end, end)
        } else if let Some(end) = scan::quoted(self.body, at, true) {
            (at + 1..end - 1, end)
        } else {
            return Err(ParseError::expected(self.body, at, wanted));
        };
        let raw = self.utf8_at(range, "metric name")?;
        Ok((Escaped { raw, quotes: true }, end))
    }

    fn end_of_line(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.body[at..]).map_or(self.body.len(), |length| at + length)
    }

    fn utf8_at(&self, range: Range<usize>, place: &'static str) -> Result<&'a str, ParseError> {
        scan::utf8(self.body, range, place)
    }

    #[cold]
    fn unknown_type(&self, range: Range<usize>, allowed: &'static str) -> ParseError {
        if range.is_empty() {
            return ParseError::expected(self.body, range.start, "a type after the metric name");
        }
        let got = excerpt(&self.body[range.clone()]);
        ParseError::at(self.body, range.start, Fault::UnknownType { got, allowed })
    }
}
