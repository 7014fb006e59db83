//! Definitions as YAML: the same values that JSON would have, and where each stands in its text.
//!
//! Plain texts are what YAML 1.2's core schema makes of them (<https://yaml.org/spec/1.2.2/#103-core-schema>), but for
//! numbers with leading zeros and infinities, which stay texts. JSON is read too, as it is YAML.

use serde_json::{Map, Number, Value};

use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::{self, Document, Kind, Node, Position, Style};

/// A text that was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it says.
    pub value: Value,
    document: Document,
}

/// Reads a text.
///
/// # Errors
/// Every mistake of its syntax, with its place.
pub fn read(file: &str, text: &str) -> Result<Read, Vec<Diagnostic>> {
    let diagnostics = Diagnostics::default();
    let document = document::parse(file, text, &diagnostics);
    match document {
        Some(document) if diagnostics.is_empty() => Ok(Read {
            value: value(&document.root),
            document,
        }),
        _ => Err(diagnostics.into_sorted()),
    }
}

impl Read {
    /// Where the value of a path such as `metrics[3].data.time_grain` stands; of one that is not there, where the nearest
    /// one around it stands.
    pub fn position(&self, path: &str) -> Position {
        let mut node = &self.document.root;
        let mut position = node.position;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let found = match (&node.kind, step.strip_suffix(']')) {
                (Kind::Sequence(items), Some(index)) => {
                    let item = index.parse().ok().and_then(|i: usize| items.get(i));
                    item.map(|item| (item.position, item))
                }
                (Kind::Mapping(entries), None) => {
                    let entry = entries.iter().find(|entry| entry.key == step);
                    entry.map(|entry| (entry.key_position, &entry.value))
                }
                _ => None,
            };
            let Some(found) = found else { break };
            (position, node) = found;
        }
        position
    }
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar {
            text,
            style: Style::Plain,
        } => plain(text),
        Kind::Scalar { text, .. } => text.as_str().into(),
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => {
            let members = entries.iter();
            let members = members.map(|entry| (entry.key.clone(), value(&entry.value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn plain(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    number(text).map_or_else(|| text.into(), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return u64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| plain)
            .map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        return u64::from_str_radix(digits, 8)
            .ok()
            .filter(|_| plain)
            .map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts = unsigned.bytes().next()?;
    let numeric =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+');
    let has_digit = unsigned.bytes().any(|byte| byte.is_ascii_digit());
    if !(starts.is_ascii_digit() || starts == b'.') || !unsigned.bytes().all(numeric) || !has_digit
    {
        return None;
    }
    let whole: Vec<u8> = unsigned.bytes().take_while(u8::is_ascii_digit).collect();
    if whole.len() > 1 && whole[0] == b'0' {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_those_that_json_would_have() {
        let check = |text: &str, want: Value| {
            assert_eq!(read("x", text).unwrap().value, want, "{text}");
        };
        check(
            "{a: 1, b: -2.5, c: '3', d: true, e: ~, f: [x, \"y\"]}",
            json!({"a": 1, "b": -2.5, "c": "3", "d": true, "e": null, "f": ["x", "y"]}),
        );
        check(
            "[0x1f, 0o17, 1e3, .5, +7, -0]",
            json!([31, 15, 1000.0, 0.5, 7, 0]),
        );
        check(
            "[007, 1.2.3, 2026-01-01, .inf, .nan, '', 1e999, e1, 0xg, yes, 18446744073709551615]",
            json!([
                "007",
                "1.2.3",
                "2026-01-01",
                ".inf",
                ".nan",
                "",
                "1e999",
                "e1",
                "0xg",
                "yes",
                u64::MAX
            ]),
        );
        check("a: |\n  one\n  two\n", json!({"a": "one\ntwo\n"}));
        check(
            "{\"a\": [1, {\"b\": \"\\u00fc\"}]}",
            json!({"a": [1, {"b": "ü"}]}),
        );
        assert!(read("x", "a: [").is_err() && read("x", "a: 1\na: 2").is_err());
    }

    #[test]
    fn each_value_has_its_place_and_what_is_absent_that_of_its_surroundings() {
        let read = read(
            "x",
            "metrics:\n  - name: a\n    data:\n      grain: [x, y]\n",
        )
        .unwrap();
        let check = |path: &str, want: (u32, u32)| {
            let place = read.position(path);
            assert_eq!((place.line, place.column), want, "{path}");
        };
        check("", (1, 1));
        check("metrics[0]", (2, 5));
        check("metrics[0].name", (2, 5));
        check("metrics[0].data.grain[1]", (4, 18));
        check("metrics[0].data.absent", (3, 5));
        check("metrics[9].name", (1, 1));
    }
}
