//! Series as tests write them: labels as in a selector, and samples in a notation of their own.
//!
//! ```text
//!   1 2.5 -3e2 +Inf NaN   a sample each
//!   _      _x4            no sample, four times none
//!   stale                 the series ends
//!   1x3                   1 1 1 1: the value, then three times more
//!   1+2x3  1-2x3          1 3 5 7, 1 -1 -3 -5: added up step by step
//! ```
//!
//! Native histograms (`{{…}}`) are refused: they are not stored.
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series>

use super::super::lexer::TokenKind;
use super::{Context, ParseError, Parsed, Parser, literal};
use crate::model::labels::{Labels, LabelsBuilder};
use crate::model::matcher::MatchOp;
use crate::model::sample::STALE_NAN;
use crate::promql::ast::ExprKind;

/// The most samples that one series' text may stand for.
pub const MAX_SAMPLES: usize = 10_000_000;

/// Reads the labels of a series: `up{job="x"}`; nothing at all is the set without labels. Empty values are left out.
///
/// # Errors
/// The first fault of the text: anything but `=` between name and value, a name written twice.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    read_labels(text).map_err(|error| *error)
}

fn read_labels(text: &str) -> Parsed<Labels> {
    let mut parser = Parser::new(text)?;
    if parser.peek() == TokenKind::End {
        return Ok(Labels::empty());
    }
    let expr = *parser.vector_selector()?.expr;
    if parser.peek() != TokenKind::End {
        return Err(parser.unexpected(Context::Named("series"), "end of input"));
    }
    let ExprKind::Selector(selector) = expr.kind else {
        return Err(parser.error(expr.span, "expected a series"));
    };
    let mut seen: Vec<&str> = Vec::with_capacity(selector.matchers.len());
    let mut labels = LabelsBuilder::default();
    for matcher in &selector.matchers {
        let name = matcher.name();
        if matcher.op() != MatchOp::Equal {
            let message = format!(
                "unexpected {:?} after label {name:?}, expected \"=\"",
                matcher.op().as_str()
            );
            return Err(parser.error(expr.span, message));
        }
        if seen.contains(&name) {
            return Err(parser.error(expr.span, format!("label {name:?} is written twice")));
        }
        seen.push(name);
        labels.set(name, matcher.value());
    }
    Ok(labels.build())
}

/// Why a text is not a sequence of values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValuesError {
    /// Where the fault is, in bytes of the text.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a series' values, one for each interval; `None` stands for no sample, [`STALE_NAN`] for the end of the series.
///
/// # Errors
/// The first item that is none, with its place.
pub fn parse_values(text: &str) -> Result<Vec<Option<f64>>, ValuesError> {
    let mut values = Vec::new();
    let mut at = 0;
    for item in text.split([' ', '\t', '\n', '\r']) {
        if !item.is_empty() {
            let fail = |message| ValuesError { at, message };
            let item = read_item(item).map_err(fail)?;
            if item.count > MAX_SAMPLES - values.len() {
                return Err(fail(format!("more than {MAX_SAMPLES} samples")));
            }
            let mut value = item.first;
            for _ in 0..item.count {
                values.push(value);
                value = value.map(|value| value + item.step);
            }
        }
        at += item.len() + 1;
    }
    Ok(values)
}

struct Item {
    first: Option<f64>,
    step: f64,
    count: usize,
}

fn read_item(item: &str) -> Result<Item, String> {
    if item.starts_with("{{") {
        return Err("native histograms are not supported: they are not stored".to_owned());
    }
    let fault = || {
        format!(
            "bad value {item:?}; write a number, stale, _, or a repetition such as 1x3 or 1+2x3"
        )
    };
    let repeated = |count: &str, extra: usize| -> Result<usize, String> {
        let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let count: usize = count.parse().ok().filter(|_| digits).ok_or_else(fault)?;
        Ok(count.saturating_add(extra))
    };
    let item_of = |first, step, count| Item { first, step, count };
    if let Some(rest) = item.strip_prefix('_') {
        return match rest.strip_prefix('x') {
            Some(count) => Ok(item_of(None, 0.0, repeated(count, 0)?)),
            None if rest.is_empty() => Ok(item_of(None, 0.0, 1)),
            None => Err(fault()),
        };
    }
    if item == "stale" {
        return Ok(item_of(Some(STALE_NAN), 0.0, 1));
    }
    let (first, rest) = read_number(item).ok_or_else(fault)?;
    if rest.is_empty() {
        return Ok(item_of(Some(first), 0.0, 1));
    }
    if let Some(count) = rest.strip_prefix('x') {
        return Ok(item_of(Some(first), 0.0, repeated(count, 1)?));
    }
    if !rest.starts_with(['+', '-']) {
        return Err(fault());
    }
    let (step, rest) = read_number(rest).ok_or_else(fault)?;
    let count = rest.strip_prefix('x').ok_or_else(fault)?;
    Ok(item_of(Some(first), step, repeated(count, 1)?))
}

/// A number with an optional sign, and what follows it. Hexadecimal does not exist here: `0x3` repeats zero.
fn read_number(text: &str) -> Option<(f64, &str)> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let bytes = unsigned.as_bytes();
    let digits = |from: usize| {
        let count = bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        from + count.count()
    };
    let word = bytes.first()?.is_ascii_alphabetic();
    let mut end = if word { 3.min(bytes.len()) } else { digits(0) };
    if !word {
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(end + 1 + sign);
        }
    }
    let value = literal::number(unsigned.get(..end)?)?;
    Some((if negative { -value } else { value }, &unsigned[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_expand_as_in_prometheus() {
        let check = |text: &str, want: &str| {
            let got: Vec<String> = match parse_values(text) {
                Ok(values) => values
                    .iter()
                    .map(|value| match value {
                        None => "_".to_owned(),
                        Some(value) if crate::model::sample::is_stale(*value) => "stale".to_owned(),
                        Some(value) => value.to_string(),
                    })
                    .collect(),
                Err(error) => vec![format!("{}: {}", error.at, error.message)],
            };
            assert_eq!(got.join(" "), want, "{text}");
        };
        check("", "");
        check("  1   2.5\t.5 1e3 ", "1 2.5 0.5 1000");
        check("-3 +Inf -inf NaN stale 010", "-3 inf -inf NaN stale 8");
        check("1x3 0x2 _ _x0 _x2", "1 1 1 1 0 0 0 _ _ _");
        check("1+2x3 1-2x1 -1+1x2", "1 3 5 7 1 -1 -1 0 1");
        check("0+0.1x3 1e1-1e0x1", "0 0.1 0.2 0.30000000000000004 10 9");
        let bad = |text: &str, at: usize, item: &str| {
            check(
                text,
                &format!(
                    "{at}: bad value {item:?}; write a number, stale, _, or a repetition such as 1x3 or 1+2x3"
                ),
            );
        };
        bad("1 foo", 2, "foo");
        bad("1+x2", 0, "1+x2");
        bad("0x1f", 0, "0x1f");
        bad("1x", 0, "1x");
        bad("1x-2", 0, "1x-2");
        bad("1x2.5", 0, "1x2.5");
        bad("1,2", 0, "1,2");
        bad("1 + 1x2", 2, "+");
        bad("1 stale+1x2", 2, "stale+1x2");
        bad("1_000", 0, "1_000");
        bad("1+2", 0, "1+2");
        bad("-1--1x2", 0, "-1--1x2");
        bad("infinity", 0, "infinity");
        bad("é", 0, "é");
        check("1 1x10000000", "2: more than 10000000 samples");
        check(
            "{{schema:1}}",
            "0: native histograms are not supported: they are not stored",
        );
    }

    #[test]
    fn labels_of_a_series_read_as_in_prometheus() {
        let check = |text: &str, want: Result<&str, &str>| {
            let got = parse_labels(text);
            let got = got.map(|labels| labels.to_string());
            let got = got.map_err(|error| error.message);
            assert_eq!(
                got.as_ref().map(String::as_str).map_err(String::as_str),
                want,
                "{text}"
            );
        };
        check("", Ok("{}"));
        check("{}", Ok("{}"));
        check("up", Ok("up"));
        check("sum", Ok("sum"));
        check(
            "x:y{by=\"1\", on='3', empty=''}",
            Ok("x:y{by=\"1\", on=\"3\"}"),
        );
        check("{__name__=\"up\"}", Ok("up"));
        check("{\"my.metric\", a=\"1\"}", Ok("{\"my.metric\", a=\"1\"}"));
        check(
            "up{a!=\"1\"}",
            Err("unexpected \"!=\" after label \"a\", expected \"=\""),
        );
        check("up{a=\"1\", a=\"2\"}", Err("label \"a\" is written twice"));
        assert!(parse_labels("up{a=\"1\"").is_err());
        assert!(parse_labels("up 1").is_err());
        assert!(parse_labels("up offset 5m").is_err());
    }
}
