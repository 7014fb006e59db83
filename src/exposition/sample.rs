//! A sample's line: the series, its value, its timestamp, its exemplar.

use std::ops::Range;

use super::error::{Fault, ParseError, excerpt};
use super::format::Format;
use super::number::NotFloat;
use super::scan::Braces;
use super::{EXEMPLAR_BRACES, Entry, Exemplar, Parser, SampleEntry, number, scan};

impl<'a> Parser<'a> {
    /// The sample that starts at `start`.
    #[inline]
    pub(super) fn sample(&mut self, start: usize) -> Result<Entry<'a>, ParseError> {
        let body = self.body;
        let name = scan::metric_name(body, start);
        let mut end = name.unwrap_or(start);
        let brace = match self.format {
            Format::PrometheusText => scan::skip_blanks(body, end),
            Format::OpenMetrics => end,
        };
        let mut named = name.is_some();
        if body.get(brace) == Some(&b'{') {
            let braces = Braces {
                format: self.format,
                exemplar: false,
                named,
            };
            (end, named) = braces.scan(body, brace + 1, |_| {})?;
            if !named {
                return Err(ParseError::at(body, start, Fault::NameMissing));
            }
        } else if !named {
            return Err(ParseError::expected(body, start, "a metric name"));
        }
        if !self.utf8 {
            scan::utf8(body, start..end, "series")?;
        }
        self.sample_from(start, end)
    }

    /// The sample whose series is `start..end`.
    #[inline]
    pub(super) fn sample_from(
        &mut self,
        start: usize,
        end: usize,
    ) -> Result<Entry<'a>, ParseError> {
        let body = self.body;
        let (value, timestamp_ms, exemplar, next) = match self.format {
            Format::PrometheusText => {
                let (value, timestamp_ms, next) = self.text_tail(end)?;
                (value, timestamp_ms, None, next)
            }
            Format::OpenMetrics => self.openmetrics_tail(end)?,
        };
        self.at = next;
        Ok(Entry::Sample(SampleEntry {
            series: &body[start..end],
            value,
            timestamp_ms,
            exemplar,
            kind: self.kind,
            body,
            start,
            format: self.format,
        }))
    }

    /// Value and timestamp behind a series, and the start of the next line. The last line feed may be missing.
    #[inline]
    fn text_tail(&self, at: usize) -> Result<(f64, Option<i64>, usize), ParseError> {
        let body = self.body;
        let start = scan::skip_blanks(body, at);
        let end = body[start..]
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'{'))
            .map_or(body.len(), |length| start + length);
        let value = self.float(start..end, "a number as the value")?;
        let mut at = scan::skip_blanks(body, end);
        let mut timestamp_ms = None;
        if matches!(body.get(at), Some(b'0'..=b'9')) {
            let start = at;
            let mut whole = Some(0_i64);
            while let Some(digit @ b'0'..=b'9') = body.get(at) {
                whole = whole
                    .and_then(|whole| whole.checked_mul(10))
                    .and_then(|whole| whole.checked_add(i64::from(digit - b'0')));
                at += 1;
            }
            timestamp_ms = Some(whole.ok_or_else(|| {
                scan::out_of_range(body, start..at, "a timestamp in milliseconds")
            })?);
            at = scan::skip_blanks(body, at);
        }
        match body.get(at) {
            Some(b'\n') => Ok((value, timestamp_ms, at + 1)),
            None => Ok((value, timestamp_ms, at)),
            Some(_) => Err(ParseError::expected(
                body,
                at,
                match timestamp_ms {
                    None => "a timestamp in milliseconds or the end of the line",
                    Some(_) => "the end of the line after the timestamp",
                },
            )),
        }
    }

    /// Value, timestamp and exemplar behind a series, and the start of the next line.
    #[inline]
    fn openmetrics_tail(
        &self,
        at: usize,
    ) -> Result<(f64, Option<i64>, Option<Exemplar<'a>>, usize), ParseError> {
        let body = self.body;
        let (value, mut at) = self.spaced_float(at, "a number as the value")?;
        let mut timestamp_ms = None;
        if !matches!(body.get(at), Some(b'\n')) && !starts_exemplar(body, at) {
            let seconds;
            (seconds, at) = self.timestamp(at)?;
            timestamp_ms = Some(seconds);
        }
        let mut exemplar = None;
        if starts_exemplar(body, at) {
            let start = at + EXEMPLAR_OPENING.len();
            let (end, _) = EXEMPLAR_BRACES.scan(body, start, |_| {})?;
            if !self.utf8 {
                scan::utf8(body, start..end, "exemplar")?;
            }
            let (value, end) = self.spaced_float(end, "a number as the exemplar's value")?;
            at = end;
            let mut timestamp_ms = None;
            if !matches!(body.get(at), Some(b'\n')) {
                let seconds;
                (seconds, at) = self.timestamp(at)?;
                timestamp_ms = Some(seconds);
            }
            exemplar = Some(Exemplar {
                value,
                timestamp_ms,
                body,
                start,
            });
        }
        match body.get(at) {
            Some(b'\n') => Ok((value, timestamp_ms, exemplar, at + 1)),
            None => Err(ParseError::at(body, at, Fault::EofMissing)),
            Some(_) => Err(ParseError::expected(body, at, "the end of the line")),
        }
    }

    /// One space and a float up to the next space or line feed: the float and its end.
    #[inline]
    fn spaced_float(&self, at: usize, wanted: &'static str) -> Result<(f64, usize), ParseError> {
        match self.body.get(at) {
            Some(b' ') => {}
            None => return Err(ParseError::at(self.body, at, Fault::EofMissing)),
            Some(_) => {
                let wanted = "one space before the number";
                return Err(ParseError::expected(self.body, at, wanted));
            }
        }
        let start = at + 1;
        let end = self.body[start..]
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\n'))
            .map_or(self.body.len(), |length| start + length);
        Ok((self.float(start..end, wanted)?, end))
    }

    /// A timestamp in seconds: its milliseconds and its end.
    fn timestamp(&self, at: usize) -> Result<(i64, usize), ParseError> {
        const WANTED: &str = "a timestamp in seconds";
        let (seconds, end) = self.spaced_float(at, WANTED)?;
        if seconds.is_finite() {
            Ok((number::milliseconds(seconds), end))
        } else {
            Err(ParseError::expected(self.body, at + 1, WANTED))
        }
    }

    #[inline]
    fn float(&self, range: Range<usize>, wanted: &'static str) -> Result<f64, ParseError> {
        number::float(&self.body[range.clone()]).map_err(|error| match error {
            NotFloat::Range => scan::out_of_range(self.body, range, wanted),
            NotFloat::Syntax if range.is_empty() => {
                ParseError::expected(self.body, range.start, wanted)
            }
            NotFloat::Syntax => {
                let got = excerpt(&self.body[range.clone()]);
                ParseError::at(self.body, range.start, Fault::Expected { wanted, got })
            }
        })
    }
}

/// How an exemplar starts, behind the value or the timestamp.
const EXEMPLAR_OPENING: &[u8] = b" # {";

#[inline]
fn starts_exemplar(body: &[u8], at: usize) -> bool {
    body[at.min(body.len())..].starts_with(EXEMPLAR_OPENING)
}
