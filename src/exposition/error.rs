//! What is wrong with an exposition, and where.
//!
//! Does not carry the input: an error quotes at most `EXCERPT_CHARS` characters of it, since a target may print
//! anything and the text ends up in logs and on the status page.

use std::borrow::Cow;

/// The longest piece of input that an error quotes, in characters.
const EXCERPT_CHARS: usize = 24;

/// Why a scrape was rejected. `line` and `column` start at 1; columns count characters, not bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct ParseError {
    /// Physical line, starting at 1.
    pub line: usize,
    /// Character within the line, starting at 1.
    pub column: usize,
    /// The fault at that place.
    pub what: Fault,
}

/// One kind of fault in an exposition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The grammar wants something else here.
    #[error("expected {wanted}, got {got}")]
    Expected {
        /// What the grammar wants, in words.
        wanted: &'static str,
        /// A short quoted excerpt, or `the end of the line` / `the end of the input`.
        got: Cow<'static, str>,
    },
    /// A number that no float64 (or int64, for timestamps in the text format) can hold.
    #[error("expected {wanted} within range, got {got}")]
    OutOfRange {
        /// What the number is for.
        wanted: &'static str,
        /// A short quoted excerpt.
        got: Cow<'static, str>,
    },
    /// Names, label values and help texts are UTF-8.
    #[error("{place} is not valid UTF-8")]
    NotUtf8 {
        /// Which part of the line.
        place: &'static str,
    },
    /// `# TYPE` with a type this format does not have.
    #[error("unknown metric type {got}, use one of {allowed}")]
    UnknownType {
        /// A short quoted excerpt.
        got: Cow<'static, str>,
        /// The types of the format at hand.
        allowed: &'static str,
    },
    /// OpenMetrics wants the unit as the last part of the metric's name.
    #[error("unit {unit} is not the suffix of metric {metric}")]
    UnitNotSuffix {
        /// A short quoted excerpt.
        unit: Cow<'static, str>,
        /// A short quoted excerpt.
        metric: Cow<'static, str>,
    },
    /// Two metric names in one series, as in `a{"b"}`.
    #[error("metric name is set twice")]
    NameTwice,
    /// Braces without a metric name before or in them.
    #[error("metric name is missing")]
    NameMissing,
    /// A label twice in one series; `__name__` counts as the metric's name.
    #[error("label {name} is set twice")]
    LabelTwice {
        /// A short quoted excerpt.
        name: Cow<'static, str>,
    },
    /// `""` as the name of a label or of a metric.
    #[error("{place} is empty")]
    EmptyName {
        /// Which name.
        place: &'static str,
    },
    /// OpenMetrics allows an exemplar's label set 128 characters, names and values together.
    #[error("exemplar labels have {chars} characters, at most 128 are allowed")]
    ExemplarTooLong {
        /// What was counted.
        chars: usize,
    },
    /// OpenMetrics ends with `# EOF`, so that a truncated body is noticed.
    #[error("expected # EOF at the end of the input")]
    EofMissing,
    /// Only one line feed may follow `# EOF`.
    #[error("unexpected data after # EOF, got {got}")]
    AfterEof {
        /// A short quoted excerpt.
        got: Cow<'static, str>,
    },
}

impl ParseError {
    /// The fault `what` at byte `offset` of `body`. Counts lines only now, so that good input never pays for it.
    #[cold]
    pub(super) fn at(body: &[u8], offset: usize, what: Fault) -> Self {
        let before = &body[..offset.min(body.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: characters(&before[line_start..]) + 1,
            what,
        }
    }

    /// `wanted` was expected at byte `offset`.
    #[cold]
    pub(super) fn expected(body: &[u8], offset: usize, wanted: &'static str) -> Self {
        let got = match body.get(offset) {
            None => Cow::Borrowed("the end of the input"),
            Some(b'\n') => Cow::Borrowed("the end of the line"),
            Some(_) => excerpt(token(body, offset)),
        };
        Self::at(body, offset, Fault::Expected { wanted, got })
    }
}

/// What stands at `offset`, up to the next blank (or that blank itself).
fn token(body: &[u8], offset: usize) -> &[u8] {
    let rest = &body[offset..];
    let end = memchr::memchr3(b' ', b'\t', b'\n', rest).unwrap_or(rest.len());
    &rest[..end.max(1)]
}

/// Quotes at most [`EXCERPT_CHARS`] characters, control characters escaped.
#[cold]
pub(super) fn excerpt(bytes: &[u8]) -> Cow<'static, str> {
    // Four bytes hold any character, so this prefix is never too short, and a huge token is never decoded whole.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT_CHARS * 4 + 4)]);
    let short: String = text.chars().take(EXCERPT_CHARS).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    Cow::Owned(format!("{:?}", short + more))
}

/// Characters in bytes that need not be UTF-8: every byte that does not continue a character.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(excerpt(b"abc"), r#""abc""#);
        assert_eq!(excerpt(b"a\x00\"b"), r#""a\0\"b""#);
        assert_eq!(excerpt(&[0xff]), "\"\u{fffd}\"");
        let long = excerpt("é".repeat(10_000).as_bytes());
        assert_eq!(long.chars().count(), EXCERPT_CHARS + 3);
    }

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let body = "a 1\nb{x=\"é\"} z".as_bytes();
        let error = ParseError::expected(body, body.len() - 1, "a number");
        assert_eq!(
            error.to_string(),
            r#"line 2, column 10: expected a number, got "z""#
        );
    }
}
