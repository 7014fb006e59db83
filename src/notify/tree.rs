//! Structured values with templates in them: a webhook's `payload`, PagerDuty's `details`.
//!
//! As in Alertmanager, a text that renders to YAML (JSON mostly) becomes what it says: `{{ .Alerts | toJson }}` a list,
//! `{{ len .Alerts }}` a number. What it becomes is not taken for a template again: labels would be run as code. A text
//! that is only a comment to YAML (`# Heading`) stays text.

use serde_json::{Map, Number, Value};

use super::render::{Field, Rendering};
use crate::document::diagnostics::Diagnostics;
use crate::document::{self, Kind, Node, Style};

/// A value with templates in it.
#[derive(Debug)]
pub enum Tree {
    /// Without templates.
    Plain(Value),
    /// A template.
    Text(Field),
    /// A list.
    List(Vec<Tree>),
    /// A mapping; keys may be templates too.
    Map(Vec<(Field, Tree)>),
}

impl Tree {
    /// The value for a notification; a text that fails becomes `otherwise`.
    pub fn render(&self, rendering: &mut Rendering<'_>, otherwise: &dyn Fn() -> String) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Text(field) => {
                let value = structure(rendering.text_or(field, otherwise));
                match rendering.upstream_only() {
                    true => deeply(value),
                    false => value,
                }
            }
            Self::List(items) => items
                .iter()
                .map(|item| item.render(rendering, otherwise))
                .collect(),
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let key = rendering.text(key);
                    map.insert(key, value.render(rendering, otherwise));
                }
                map.sort_keys();
                Value::Object(map)
            }
        }
    }
}

/// What a text says as YAML, or the text itself.
pub fn structure(text: String) -> Value {
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '['])
        && let Ok(mut value) = serde_json::from_str::<Value>(trimmed)
    {
        value.sort_all_objects();
        return value;
    }
    let mistakes = Diagnostics::default();
    let Some(document) = document::parse("", &text, &mistakes) else {
        return text.into();
    };
    if !mistakes.is_empty() {
        return text.into();
    }
    match plain(&document.root) {
        Value::String(_) => text.into(),
        Value::Null if trimmed.starts_with('#') => text.into(),
        mut value => {
            value.sort_all_objects();
            value
        }
    }
}

/// Alertmanager reads the texts inside once more, so that a label of digits becomes a number.
fn deeply(value: Value) -> Value {
    let inner = |value: Value| match value {
        Value::String(text) => structure(text),
        value => deeply(value),
    };
    match value {
        Value::Array(items) => items.into_iter().map(inner).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, inner(value)))
            .collect(),
        value => value,
    }
}

fn plain(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar {
            text,
            style: Style::Plain,
        } => scalar(text),
        Kind::Scalar { text, .. } => text.as_str().into(),
        Kind::Sequence(items) => items.iter().map(plain).collect(),
        Kind::Mapping(entries) => {
            let entries = entries.iter();
            let map: Map<String, Value> = entries
                .map(|entry| (entry.key.clone(), plain(&entry.value)))
                .collect();
            Value::Object(map)
        }
    }
}

/// The type of a scalar without quotes, as Go's YAML reads it.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return true.into();
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return false.into();
        }
        _ => {}
    }
    let digits = text.trim_start_matches(['+', '-']);
    let octal = digits.len() > 1 && digits.starts_with('0') && !digits.contains('.');
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || octal {
        return text.into();
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    let numeric = text
        .chars()
        .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    match text.parse::<f64>() {
        Ok(number) if numeric => Number::from_f64(number).map_or_else(|| text.into(), Value::from),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_they_say() {
        let check =
            |text: &str, want: Value| assert_eq!(structure(text.to_owned()), want, "{text}");
        check("two words", json!("two words"));
        check("2", json!(2));
        check("-2.5", json!(-2.5));
        check("007", json!("007"));
        check("1.2.3", json!("1.2.3"));
        check("1e999", json!("1e999"));
        check("true", json!(true));
        check("\"2\"", json!("\"2\""));
        check("", Value::Null);
        check("null", Value::Null);
        check("# Heading", json!("# Heading"));
        check(
            "[FIRING:1] Name (critical)",
            json!("[FIRING:1] Name (critical)"),
        );
        check(
            r#"{"b": [1, "2"], "a": null}"#,
            json!({"a": null, "b": [1, "2"]}),
        );
        check("a: b\nc: [1, x]", json!({"a": "b", "c": [1, "x"]}));
        check("{{ .NotRunAgain }}", json!("{{ .NotRunAgain }}"));
        check(r#"["{{ .NotRunAgain }}"]"#, json!(["{{ .NotRunAgain }}"]));
    }
}
