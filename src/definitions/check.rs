//! The one validator: JSON against the rules of [`super::schema`].
//!
//! It tells every mistake with its field and a remedy, converts what is meant unmistakably (`"5"` is 5, `"true"` is true,
//! blanks around text go, a day is its midnight in UTC), fills in what is absent, and keeps out what it does not know, with
//! a warning that names the nearest known field. Values of secret fields stand in no message.

use std::fmt;

use serde_json::{Map, Value};

use self::formats::{Refusal, email, identifier, in_length, metric_name, one_of, time, url};
use super::schema::{Field, Kind, LONGEST_LIST, Presence};
use crate::document::fields::nearest;

/// Mistakes and warnings that are told of one resource; the rest is counted.
const MOST_TOLD: usize = 100;
/// Characters of a value that a message repeats.
const LONGEST_QUOTE: usize = 40;
/// Unknown names longer than this are not compared with known ones: that costs the product of the lengths.
const LONGEST_COMPARED: usize = 64;
/// Levels below an object that may hold anything.
const DEEPEST: usize = 32;

/// What the validator is handed.
#[derive(Clone, Copy)]
pub struct Checks {
    /// Reads a PromQL expression; the error says what is wrong with it.
    pub expression: fn(&str) -> Result<(), String>,
    /// Whether an unknown field is a mistake.
    pub strict: bool,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

/// What is wrong with a field, or odd about it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Finding {
    /// The field's path, such as `data.primary_sources[0].system`; empty for the whole.
    pub field: String,
    /// What kind of finding.
    #[serde(rename = "type")]
    pub kind: FindingKind,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// A field is missing.
    Missing,
    /// A value is of another type.
    Type,
    /// Text or a list is too short or too long.
    Length,
    /// Text has not the form it must have.
    Format,
    /// A word is none of those known.
    Choice,
    /// A field is not known.
    Unknown,
    /// Values do not go together.
    Conflict,
    /// It refers to something that is not there.
    Reference,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

/// What was found in one resource.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Why it is refused.
    pub mistakes: Vec<Finding>,
    /// What is odd about it.
    pub warnings: Vec<Finding>,
    /// Findings that are not told because there are too many.
    pub untold: usize,
}

impl Findings {
    /// Adds a mistake.
    pub fn mistake(
        &mut self,
        field: &str,
        kind: FindingKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        push(
            &mut self.mistakes,
            &mut self.untold,
            finding(field, kind, message.into(), remedy.into()),
        );
    }

    /// Adds those of another look at the same resource.
    pub fn add(&mut self, other: Self) {
        for mistake in other.mistakes {
            push(&mut self.mistakes, &mut self.untold, mistake);
        }
        for warning in other.warnings {
            push(&mut self.warnings, &mut self.untold, warning);
        }
        self.untold += other.untold;
    }

    /// Adds a warning.
    pub fn warning(
        &mut self,
        field: &str,
        kind: FindingKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        push(
            &mut self.warnings,
            &mut self.untold,
            finding(field, kind, message.into(), remedy.into()),
        );
    }
}

fn finding(field: &str, kind: FindingKind, message: String, remedy: String) -> Finding {
    Finding {
        field: field.to_owned(),
        kind,
        message,
        remedy,
    }
}

fn push(list: &mut Vec<Finding>, untold: &mut usize, finding: Finding) {
    if list.len() < MOST_TOLD {
        list.push(finding);
    } else {
        *untold += 1;
    }
}

/// An object by its rules: converted, completed, without unknown fields. Complete only where `findings` holds no mistake.
pub(super) fn object(
    fields: &[Field],
    value: &Value,
    path: &str,
    checks: Checks,
    findings: &mut Findings,
) -> Map<String, Value> {
    let mut walk = Walk { checks, findings };
    walk.object(fields, value, path)
}

struct Walk<'f> {
    checks: Checks,
    findings: &'f mut Findings,
}

impl Walk<'_> {
    fn object(&mut self, fields: &[Field], value: &Value, path: &str) -> Map<String, Value> {
        let mut read = Map::new();
        let Some(given) = value.as_object() else {
            self.wrong_type(path, "an object", value);
            return read;
        };
        for name in given.keys() {
            if !fields.iter().any(|field| field.name == name) {
                self.unknown(fields, name, path);
            }
        }
        for field in fields {
            let path = join(path, field.name);
            let value = match (given.get(field.name), field.presence) {
                (Some(Value::Null) | None, Presence::Optional) => None,
                // Some clients write a time that is not there as an empty text.
                (Some(Value::String(text)), Presence::Optional)
                    if matches!(field.kind, Kind::Time) && text.trim().is_empty() =>
                {
                    None
                }
                (Some(Value::Null) | None, Presence::OrNull) => Some(Value::Null),
                (None, Presence::OrWord(word)) => Some(word.into()),
                (None, Presence::OrEmpty) => Some(self.empty(field.kind, &path)),
                (None, Presence::Required) => {
                    let remedy = format!("add it: {}", wanted(field.kind));
                    self.findings
                        .mistake(&path, FindingKind::Missing, "is missing", remedy);
                    None
                }
                (Some(value), _) => self.value(field.kind, value, &path, field.secret),
            };
            if let Some(value) = value {
                read.insert(field.name.to_owned(), value);
            }
        }
        read
    }

    fn empty(&mut self, kind: Kind, path: &str) -> Value {
        match kind {
            Kind::List { .. } => Value::Array(Vec::new()),
            Kind::Bool => Value::Bool(false),
            Kind::Object(fields) => {
                Value::Object(self.object(fields, &Value::Object(Map::new()), path))
            }
            Kind::AnyObject | Kind::Numbers => Value::Object(Map::new()),
            Kind::Number => 0.into(),
            Kind::Text { .. }
            | Kind::Id(_)
            | Kind::Email
            | Kind::Url
            | Kind::Expression
            | Kind::MetricName
            | Kind::Time
            | Kind::OneOf(_) => "".into(),
        }
    }

    /// The value as the rule has it; `None` where it is refused.
    fn value(&mut self, kind: Kind, value: &Value, path: &str, secret: bool) -> Option<Value> {
        match kind {
            Kind::Object(fields) => Some(self.object(fields, value, path).into()),
            Kind::List { of, min } => self.list(*of, min, value, path, secret),
            Kind::Number => self.number(value, path),
            Kind::Bool => self.bool(value, path),
            Kind::Numbers => self.numbers(value, path),
            Kind::AnyObject => self.any_object(value, path),
            Kind::Text { .. }
            | Kind::Id(_)
            | Kind::Email
            | Kind::Url
            | Kind::Expression
            | Kind::MetricName
            | Kind::Time
            | Kind::OneOf(_) => {
                let Some(text) = value.as_str() else {
                    self.wrong_type(path, wanted(kind), value);
                    return None;
                };
                self.text(kind, text.trim(), path, secret)
            }
        }
    }

    fn text(&mut self, kind: Kind, text: &str, path: &str, secret: bool) -> Option<Value> {
        let outcome = match kind {
            Kind::Text { min, max } => in_length(text, min, max).map(|()| text.to_owned()),
            Kind::Id(max) => in_length(text, 1, max)
                .and_then(|()| identifier(text))
                .map(|()| text.to_owned()),
            Kind::Email => in_length(text, 3, 254)
                .and_then(|()| email(text))
                .map(|()| text.to_owned()),
            Kind::Url => in_length(text, 1, 2_000)
                .and_then(|()| url(text))
                .map(|()| text.to_owned()),
            Kind::Expression => in_length(text, 1, super::schema::LONGEST_TEXT)
                .and_then(|()| {
                    (self.checks.expression)(text).map_err(|error| Refusal {
                        kind: FindingKind::Format,
                        message: format!("is no PromQL expression: {error}"),
                        remedy: "try it with `outrigger query`".to_owned(),
                    })
                })
                .map(|()| text.to_owned()),
            Kind::MetricName => in_length(text, 1, 1_000)
                .and_then(|()| metric_name(text))
                .map(|()| text.to_owned()),
            Kind::Time => time(text).map(|time| time.to_rfc3339()),
            Kind::OneOf(words) => one_of(words, text, secret),
            _ => Ok(text.to_owned()),
        };
        let outcome = outcome.and_then(|text| {
            // PostgreSQL stores no such text, and nobody means it.
            if text.contains('\0') {
                return Err(Refusal::format("holds a character of code 0", "remove it"));
            }
            Ok(text)
        });
        match outcome {
            Ok(text) => Some(text.into()),
            Err(refusal) => {
                let Refusal {
                    kind,
                    message,
                    remedy,
                } = refusal;
                self.findings.mistake(path, kind, message, remedy);
                None
            }
        }
    }

    fn list(
        &mut self,
        of: Kind,
        min: usize,
        value: &Value,
        path: &str,
        secret: bool,
    ) -> Option<Value> {
        let Some(items) = value.as_array() else {
            self.wrong_type(path, "a list", value);
            return None;
        };
        if items.len() < min || items.len() > LONGEST_LIST {
            self.findings.mistake(
                path,
                FindingKind::Length,
                format!("holds {} items", items.len()),
                format!("give {min} to {LONGEST_LIST} of them"),
            );
            return None;
        }
        let read = items.iter().enumerate().filter_map(|(i, item)| {
            // Each item is read, also behind a refused one.
            self.value(of, item, &format!("{path}[{i}]"), secret)
        });
        Some(Value::Array(read.collect()))
    }

    fn number(&mut self, value: &Value, path: &str) -> Option<Value> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => serde_json::to_value(super::schema::Number(number)).ok(),
            None => {
                self.wrong_type(path, "a finite number", value);
                None
            }
        }
    }

    fn bool(&mut self, value: &Value, path: &str) -> Option<Value> {
        match value {
            Value::Bool(_) => Some(value.clone()),
            Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true.into()),
            Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false.into()),
            _ => {
                self.wrong_type(path, "true or false", value);
                None
            }
        }
    }

    fn numbers(&mut self, value: &Value, path: &str) -> Option<Value> {
        let Some(given) = value.as_object() else {
            self.wrong_type(path, wanted(Kind::Numbers), value);
            return None;
        };
        let mut read = Map::new();
        for (key, value) in given {
            if !self.key(key, path) {
                continue;
            }
            if let Some(number) = self.number(value, &join(path, &quote(key))) {
                read.insert(key.clone(), number);
            }
        }
        // Always in one order: the type behind it is sorted.
        read.sort_keys();
        Some(read.into())
    }

    fn any_object(&mut self, value: &Value, path: &str) -> Option<Value> {
        if !value.is_object() {
            self.wrong_type(path, "an object", value);
            return None;
        }
        self.anything(value, path, DEEPEST).then(|| value.clone())
    }

    /// Whether it can be stored.
    fn anything(&mut self, value: &Value, path: &str, depth: usize) -> bool {
        match value {
            Value::Array(_) | Value::Object(_) if depth == 0 => {
                let message = format!("is nested more than {DEEPEST} levels deep");
                self.findings
                    .mistake(path, FindingKind::Length, message, "flatten it");
                false
            }
            Value::Array(items) => items
                .iter()
                .all(|item| self.anything(item, path, depth - 1)),
            Value::Object(members) => members
                .iter()
                .all(|(key, item)| self.key(key, path) && self.anything(item, path, depth - 1)),
            Value::String(text) => self.key(text, path),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
    }

    /// Whether a key of a free object, or a text in it, can be stored.
    fn key(&mut self, text: &str, path: &str) -> bool {
        let fits = !text.contains('\0') && text.chars().count() <= super::schema::LONGEST_TEXT;
        if !fits {
            let remedy = format!(
                "give at most {} characters, none of code 0",
                super::schema::LONGEST_TEXT
            );
            let message = "holds a text that cannot be stored";
            self.findings
                .mistake(path, FindingKind::Format, message, remedy);
        }
        fits
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, value: &Value) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let message = if matches!(value, Value::String(text) if text.trim().is_empty()) {
            "is empty".to_owned()
        } else {
            format!("is {found}")
        };
        let quotes = matches!(value, Value::Number(_) | Value::Bool(_));
        let remedy = if quotes && wanted != "a list" && wanted != "an object" {
            format!("write {wanted}, in quotes where it is text")
        } else {
            format!("write {wanted}")
        };
        self.findings
            .mistake(path, FindingKind::Type, message, remedy);
    }

    fn unknown(&mut self, fields: &[Field], name: &str, path: &str) {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let near = (name.len() <= LONGEST_COMPARED).then(|| nearest(name, &names));
        let remedy = match near.flatten() {
            Some(near) => format!("did you mean {near}?"),
            None => "remove it".to_owned(),
        };
        let path = join(path, &quote(name));
        if self.checks.strict {
            self.findings
                .mistake(&path, FindingKind::Unknown, "is not known", remedy);
        } else {
            let message = "is not known and is left out";
            self.findings
                .warning(&path, FindingKind::Unknown, message, remedy);
        }
    }
}

/// What a field must be, in words.
fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text { .. } => "text",
        Kind::Id(_) => "an identifier of letters, digits, _ and -",
        Kind::Email => "an address of e-mail",
        Kind::Url => "an http or https URL",
        Kind::Expression => "a PromQL expression",
        Kind::MetricName => "the name of a metric family",
        Kind::Number => "a finite number",
        Kind::Bool => "true or false",
        Kind::Time => "a time such as 2026-11-20T06:55:00Z",
        Kind::OneOf(_) => "one of its words, as text",
        Kind::Object(_) | Kind::AnyObject => "an object",
        Kind::Numbers => "an object of numbers",
        Kind::List { .. } => "a list",
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A part of a text fit to be shown: short, on one line.
fn quote(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(LONGEST_QUOTE)
        .collect();
    if text.chars().count() > LONGEST_QUOTE {
        shown.push('…');
    }
    shown
}

mod formats;
#[cfg(test)]
mod tests;
