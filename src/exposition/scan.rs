//! The grammar shared by both formats: names, quoted strings and what stands between braces.
//!
//! Scanning never decodes: it reports byte ranges to a visitor. The hot path passes a visitor that does nothing, so
//! a series that is already known costs one pass over its bytes.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Fault, ParseError, excerpt};
use super::format::Format;

/// `[a-zA-Z_]`: may start a label name.
const LABEL: u8 = 1;
/// `:`: may start a metric name too.
const COLON: u8 = 2;
/// `[0-9]`: may continue either.
const DIGIT: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => LABEL,
            b':' => COLON,
            b'0'..=b'9' => DIGIT,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(body: &[u8], at: usize) -> u8 {
    body.get(at).map_or(0, |byte| CLASSES[usize::from(*byte)])
}

/// What a series consists of, as ranges of the body. Quoted ranges exclude the quotes and are still escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Name {
        name: Range<usize>,
        quoted: bool,
    },
    Label {
        name: Range<usize>,
        quoted: bool,
        value: Range<usize>,
    },
}

/// The end of the unquoted metric name at `at`, or `None` when none starts there.
#[inline]
pub(super) fn metric_name(body: &[u8], at: usize) -> Option<usize> {
    run(body, at, LABEL | COLON)
}

#[inline]
fn run(body: &[u8], at: usize, start: u8) -> Option<usize> {
    if class(body, at) & start == 0 {
        return None;
    }
    let mut end = at + 1;
    while class(body, end) & (start | DIGIT) != 0 {
        end += 1;
    }
    Some(end)
}

/// Past the blanks and tabs at `at`.
#[inline]
pub(super) fn skip_blanks(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Past the closing quote of the string whose opening quote is at `at`; `None` when there is no string. A backslash
/// takes the next byte with it; it cannot take a line feed.
#[inline]
pub(super) fn quoted(body: &[u8], at: usize, line_feeds: bool) -> Option<usize> {
    if body.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr::memchr3(b'"', b'\\', b'\n', body.get(at..)?)?;
        match body[at] {
            b'"' => return Some(at + 1),
            b'\\' if !matches!(body.get(at + 1), None | Some(b'\n')) => at += 2,
            b'\n' if line_feeds => at += 1,
            _ => return None,
        }
    }
}

/// How braces are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Braces {
    pub(super) format: Format,
    /// Exemplar labels: a metric name has no place in them.
    pub(super) exemplar: bool,
    /// A metric name stood before the brace.
    pub(super) named: bool,
}

impl Braces {
    /// Reads from behind the opening brace to behind the closing one. Returns that place, and whether the series has
    /// a metric name.
    #[inline]
    pub(super) fn scan(
        self,
        body: &[u8],
        mut at: usize,
        mut visit: impl FnMut(Part),
    ) -> Result<(usize, bool), ParseError> {
        let text = self.format == Format::PrometheusText;
        // The text format allows blanks between any two tokens, OpenMetrics allows none.
        let skip = |at| if text { skip_blanks(body, at) } else { at };
        let mut named = self.named;
        loop {
            at = skip(at);
            if body.get(at) == Some(&b'}') {
                return Ok((at + 1, named));
            }
            let (end, is_quoted) = match run(body, at, LABEL) {
                Some(end) => (end, false),
                None => match quoted(body, at, !self.exemplar) {
                    Some(end) => (end, true),
                    None => return Err(ParseError::expected(body, at, "a label name or `}`")),
                },
            };
            let name = if is_quoted { at + 1..end - 1 } else { at..end };
            let next = skip(end);
            if is_quoted && !self.exemplar && matches!(body.get(next), Some(b',' | b'}')) {
                if named {
                    return Err(ParseError::at(body, at, Fault::NameTwice));
                }
                named = true;
                visit(Part::Name { name, quoted: true });
                at = next + usize::from(body[next] == b',');
                continue;
            }
            if body.get(next) != Some(&b'=') {
                return Err(ParseError::expected(body, next, "`=` after the label name"));
            }
            let value = skip(next + 1);
            let Some(end) = quoted(body, value, text) else {
                return Err(bad_value(body, value));
            };
            visit(Part::Label {
                name,
                quoted: is_quoted,
                value: value + 1..end - 1,
            });
            at = skip(end);
            match body.get(at) {
                Some(b',') => at += 1,
                Some(b'}') => {}
                // Prometheus lets the comma between two labels be missing in the text format.
                _ if text => {}
                _ => return Err(ParseError::expected(body, at, "`,` or `}` after the label")),
            }
        }
    }
}

#[cold]
fn bad_value(body: &[u8], at: usize) -> ParseError {
    let wanted = if body.get(at) == Some(&b'"') {
        "a closing quote for the label value"
    } else {
        "a label value in double quotes"
    };
    ParseError::expected(body, at, wanted)
}

/// Undoes `\\`, `\n` and, where `quotes` are escaped too, `\"`. Any other backslash stands for itself.
pub(super) fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    unescape_into(text, quotes, &mut out);
    Cow::Owned(out)
}

/// [`unescape`] to the end of `out`.
pub(super) fn unescape_into(mut text: &str, quotes: bool, out: &mut String) {
    while let Some(backslash) = memchr::memchr(b'\\', text.as_bytes()) {
        out.push_str(&text[..backslash]);
        let plain = match text.as_bytes().get(backslash + 1) {
            Some(b'\\') => '\\',
            Some(b'n') => '\n',
            Some(b'"') if quotes => '"',
            _ => {
                out.push('\\');
                text = &text[backslash + 1..];
                continue;
            }
        };
        out.push(plain);
        text = &text[backslash + 2..];
    }
    out.push_str(text);
}

/// The bytes as text, or the fault that `place` is not UTF-8.
pub(super) fn utf8<'a>(
    body: &'a [u8],
    range: Range<usize>,
    place: &'static str,
) -> Result<&'a str, ParseError> {
    std::str::from_utf8(&body[range.clone()]).map_err(|error| {
        let at = range.start + error.valid_up_to();
        ParseError::at(body, at, Fault::NotUtf8 { place })
    })
}

/// A number was expected at `range`.
#[cold]
pub(super) fn out_of_range(body: &[u8], range: Range<usize>, wanted: &'static str) -> ParseError {
    let got = excerpt(&body[range.clone()]);
    ParseError::at(body, range.start, Fault::OutOfRange { wanted, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_escapes_are_undone() {
        for (text, label, help) in [
            ("plain", "plain", "plain"),
            (r"a\nb", "a\nb", "a\nb"),
            (r"a\\nb", r"a\nb", r"a\nb"),
            (r#"\"q\""#, r#""q""#, r#"\"q\""#),
            (r"\d+\t", r"\d+\t", r"\d+\t"),
            (r"\\\n\é", "\\\n\\é", "\\\n\\é"),
            (r"end\", r"end\", r"end\"),
        ] {
            assert_eq!(unescape(text, true), label, "{text} as a label value");
            assert_eq!(unescape(text, false), help, "{text} as a help text");
        }
    }

    #[test]
    fn a_quoted_string_ends_at_its_own_quote() {
        for (text, line_feeds, end) in [
            (r#""""#, false, Some(2)),
            (r#""a}b" 1"#, false, Some(5)),
            (r#""a\"b""#, false, Some(6)),
            (r#""a\\""#, false, Some(5)),
            (r#""a\""#, false, None),
            (r#""a"#, false, None),
            (r#"a""#, false, None),
            ("\"a\nb\"", false, None),
            ("\"a\nb\"", true, Some(5)),
            ("\"a\\\nb\"", true, None),
            ("\"a\\", true, None),
            ("\"\0\"", false, Some(3)),
            ("", false, None),
        ] {
            assert_eq!(quoted(text.as_bytes(), 0, line_feeds), end, "{text:?}");
        }
    }
}
