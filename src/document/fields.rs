//! Reading typed values out of the tree.
//!
//! A reader takes the keys it knows from a [`Fields`]; what is left at the end is unknown and reported with the nearest
//! known name. Every accessor returns `None` for an absent key and for a wrong value; the latter is reported.

use std::cell::Cell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::{Document, Entry, Kind, Node, Position, Style};
use crate::model::duration;

/// A value with its path, and the place where its mistakes go.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    document: &'a Document,
    diagnostics: &'a Diagnostics,
    /// The value in the tree.
    pub node: &'a Node,
    /// Path from the file's root, such as `groups[0].rules[2].expr`.
    pub path: String,
}

/// A mapping being read.
#[derive(Debug)]
pub struct Fields<'a> {
    value: Value<'a>,
    entries: &'a [Entry],
    taken: Vec<Cell<bool>>,
    known: std::cell::RefCell<Vec<&'static str>>,
}

impl Document {
    /// The root, for reading.
    pub fn value<'a>(&'a self, diagnostics: &'a Diagnostics) -> Value<'a> {
        Value {
            document: self,
            diagnostics,
            node: &self.root,
            path: String::new(),
        }
    }
}

impl<'a> Value<'a> {
    /// Reports a mistake at this value.
    pub fn error(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.report(self.diagnostic(message).remedy(remedy));
    }

    /// Tells something about this value that is no mistake.
    pub fn warning(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.diagnostics
            .warn(self.diagnostic(message).remedy(remedy));
    }

    /// Reports a mistake at byte `offset` inside this text.
    pub fn error_at(
        &self,
        offset: usize,
        message: impl Into<String>,
        excerpt: Option<String>,
        remedy: Option<String>,
    ) {
        let mut diagnostic = self.diagnostic(message);
        diagnostic.position = self.document.locate(self.node, offset);
        diagnostic.excerpt = excerpt;
        diagnostic.remedy = remedy;
        self.report(diagnostic);
    }

    /// A mistake at this value, not yet reported.
    pub fn diagnostic(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(
            &self.document.file,
            self.node.position,
            self.path.clone(),
            message,
        )
    }

    /// Reports a mistake.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.node.position
    }

    /// The file it stands in.
    pub fn file(&self) -> &'a str {
        &self.document.file
    }

    /// Whether it is `null` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.node.kind, Kind::Null)
    }

    fn wrong_type(&self, wanted: &str) {
        let found = match &self.node.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        };
        self.error(
            format!("expected {wanted}, found {found}"),
            format!("write {wanted} here"),
        );
    }

    /// The text of a scalar; numbers and booleans count as text.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Null => Some(""),
            Kind::Sequence(_) | Kind::Mapping(_) => {
                self.wrong_type("text");
                None
            }
        }
    }

    /// Text read by a type's own reader, whose error is reported with `remedy`.
    pub fn parse<T, E: Display>(
        &self,
        remedy: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(self.text()?) {
            Ok(value) => Some(value),
            Err(error) => {
                let diagnostic = self.diagnostic(error.to_string());
                self.report(if remedy.is_empty() {
                    diagnostic
                } else {
                    diagnostic.remedy(remedy)
                });
                None
            }
        }
    }

    /// `true` or `false` (and, as Go's YAML reads them, `yes no on off`).
    pub fn bool(&self) -> Option<bool> {
        if let Kind::Scalar {
            text,
            style: Style::Plain,
        } = &self.node.kind
        {
            match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => return Some(true),
                "false" | "no" | "off" | "n" => return Some(false),
                _ => {}
            }
        }
        self.wrong_type("true or false");
        None
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self) -> Option<u64> {
        self.number("a whole number, zero or more")
    }

    /// Any number.
    pub fn float(&self) -> Option<f64> {
        self.number("a number")
    }

    fn number<T: std::str::FromStr>(&self, wanted: &str) -> Option<T> {
        if let Kind::Scalar { text, .. } = &self.node.kind
            && let Ok(number) = text.parse()
        {
            return Some(number);
        }
        self.wrong_type(wanted);
        None
    }

    /// A duration in Prometheus's notation.
    pub fn duration(&self) -> Option<Duration> {
        self.parse("", duration::parse)
    }

    /// Reads a duration that must not be zero.
    pub fn duration_above_zero(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            self.error("must be more than zero", "write a duration such as 15s");
            return None;
        }
        Some(duration)
    }

    /// A size in bytes: a number with an optional unit (`B KB MB GB`, also `KiB`..., powers of 1024 as in Prometheus).
    pub fn bytes(&self) -> Option<u64> {
        self.parse("write a size such as 512KB or 10MB", parse_bytes)
    }

    /// The items of a list; a single value is not a list.
    pub fn items(&self) -> Option<Vec<Value<'a>>> {
        match &self.node.kind {
            Kind::Sequence(items) => {
                let value = |(i, node)| Value {
                    node,
                    path: format!("{}[{i}]", self.path),
                    ..self.clone()
                };
                Some(items.iter().enumerate().map(value).collect())
            }
            Kind::Null => Some(Vec::new()),
            Kind::Scalar { .. } | Kind::Mapping(_) => {
                self.wrong_type("a list");
                None
            }
        }
    }

    /// The texts of a list.
    pub fn texts(&self) -> Option<Vec<String>> {
        self.items()?
            .iter()
            .map(|item| item.text().map(str::to_owned))
            .collect()
    }

    /// The keys and values of a mapping whose keys are free, such as labels.
    pub fn pairs(&self) -> Option<Vec<(&'a str, Value<'a>)>> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(
                entries
                    .iter()
                    .map(|entry| {
                        let path = join(&self.path, &entry.key);
                        (
                            entry.key.as_str(),
                            Value {
                                node: &entry.value,
                                path,
                                ..self.clone()
                            },
                        )
                    })
                    .collect(),
            ),
            Kind::Null => Some(Vec::new()),
            Kind::Scalar { .. } | Kind::Sequence(_) => {
                self.wrong_type("a mapping");
                None
            }
        }
    }

    /// The mapping, for reading known keys. `null` reads as an empty mapping.
    pub fn fields(&self) -> Option<Fields<'a>> {
        let entries: &[Entry] = match &self.node.kind {
            Kind::Mapping(entries) => entries,
            Kind::Null => &[],
            Kind::Scalar { .. } | Kind::Sequence(_) => {
                self.wrong_type("a mapping");
                return None;
            }
        };
        Some(Fields {
            value: self.clone(),
            entries,
            taken: vec![Cell::new(false); entries.len()],
            known: std::cell::RefCell::default(),
        })
    }
}

impl<'a> Fields<'a> {
    /// The mapping itself, for mistakes that concern it as a whole.
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// The value of a key; `null` counts as absent, as in Go.
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.known.borrow_mut().push(key);
        let (i, entry) = self
            .entries
            .iter()
            .enumerate()
            .find(|(_, entry)| entry.key == key)?;
        self.taken[i].set(true);
        let value = Value {
            node: &entry.value,
            path: join(&self.value.path, key),
            ..self.value.clone()
        };
        (!value.is_null()).then_some(value)
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.value
                .error(format!("missing key {key:?}"), format!("add `{key}:` here"));
        }
        value
    }

    /// Text of a key.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    /// Boolean of a key.
    pub fn bool(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.bool()
    }

    /// Whole number of a key.
    pub fn unsigned(&self, key: &'static str) -> Option<u64> {
        self.get(key)?.unsigned()
    }

    /// Duration of a key.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.get(key)?.duration()
    }

    /// Duration of a key, which must not be zero.
    pub fn duration_above_zero(&self, key: &'static str) -> Option<Duration> {
        self.get(key)?.duration_above_zero()
    }

    /// Whole number of a key, which must be in a range.
    pub fn number_in(&self, key: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let value = self.get(key)?;
        let number = usize::try_from(value.unsigned()?).ok();
        if number.is_none_or(|number| !range.contains(&number)) {
            value.error(
                format!("{key} is out of range"),
                format!("write a number from {} to {}", range.start(), range.end()),
            );
            return None;
        }
        number
    }

    /// Items of a key's list; absent reads as empty.
    pub fn items(&self, key: &'static str) -> Vec<Value<'a>> {
        self.get(key)
            .and_then(|value| value.items())
            .unwrap_or_default()
    }

    /// Takes a key that a peer's file may hold and that has a reason not to work here; reports it where present.
    pub fn refuse(&self, key: &'static str, reason: &str, remedy: &str) {
        if let Some(value) = self.get(key) {
            value.error(format!("{key} is not supported: {reason}"), remedy);
        }
    }

    /// Ends the reading: keys that nobody took are unknown.
    pub fn finish(self) {
        if self.value.diagnostics.ignores_unknown_keys() {
            return;
        }
        let known = self.known.into_inner();
        for (entry, taken) in self.entries.iter().zip(&self.taken) {
            if taken.get() {
                continue;
            }
            let mut diagnostic = Diagnostic::new(
                &self.value.document.file,
                entry.key_position,
                join(&self.value.path, &entry.key),
                format!("unknown key {:?}", entry.key),
            );
            diagnostic.remedy = Some(match nearest(&entry.key, &known) {
                Some(name) => format!("did you mean {name:?}?"),
                None => "remove it".to_owned(),
            });
            self.value.report(diagnostic);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Reads a size: `1024`, `10MB`, `1.5GiB`; units are powers of 1024, as Prometheus reads them.
///
/// # Errors
/// Where the text is no number with a known unit.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let scale: f64 = match text[digits..].trim() {
        "" | "B" => 1.0,
        "K" | "KB" | "KiB" => 1024.0,
        "M" | "MB" | "MiB" => 1024.0 * 1024.0,
        "G" | "GB" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        unit => return Err(format!("not a size: unknown unit {unit:?}")),
    };
    let amount: f64 = text[..digits]
        .parse()
        .map_err(|_| format!("not a size: {text:?}"))?;
    Ok((amount * scale) as u64)
}

/// The known name closest to `name`, where one is close enough to be what was meant.
pub fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let limit = (name.len() / 3).max(1);
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn problems(text: &str, read: impl Fn(&Fields<'_>)) -> Vec<String> {
        let diagnostics = Diagnostics::default();
        if let Some(document) = parse("f.yml", text, &diagnostics)
            && let Some(fields) = document.value(&diagnostics).fields()
        {
            read(&fields);
            fields.finish();
        }
        diagnostics
            .into_sorted()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "interval: 5min\nscrape_limt: 3\non: maybe\nscrape_limit: x\n";
        let found = problems(text, |fields| {
            fields.duration("interval");
            fields.unsigned("scrape_limit");
            fields.bool("on");
            fields.required("name");
        });
        assert_eq!(
            found,
            [
                "f.yml:1:1: missing key \"name\"; add `name:` here",
                "f.yml:1:11: interval: not a valid duration: \"5min\"; write a number and a unit, such as 30s, 5m or 1h30m (units y w d h m s ms)",
                "f.yml:2:1: scrape_limt: unknown key \"scrape_limt\"; did you mean \"scrape_limit\"?",
                "f.yml:3:5: on: expected true or false, found text; write true or false here",
                "f.yml:4:15: scrape_limit: expected a whole number, zero or more, found text; write a whole number, zero or more here",
            ]
        );
    }

    #[test]
    fn duplicate_keys_and_broken_syntax_are_refused() {
        let found = problems("a: 1\nb:\n  c: 1\n  c: 2\n", |fields| {
            fields.get("a");
            fields.get("b");
        });
        assert_eq!(
            found,
            ["f.yml:4:3: duplicate key \"c\", first written on line 3; keep one of the two"]
        );
        let found = problems("a: [1\nb: 2\n", |_| {});
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("f.yml:2:"), "{found:?}");
    }

    #[test]
    fn anchors_and_merge_keys_work_and_own_keys_win() {
        let diagnostics = Diagnostics::default();
        let text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\n";
        let document = parse("f.yml", text, &diagnostics).unwrap();
        let fields = document.value(&diagnostics).fields().unwrap();
        let used = fields.get("use").unwrap().pairs().unwrap();
        let mut used: Vec<_> = used
            .iter()
            .map(|(key, value)| (*key, value.text().unwrap()))
            .collect();
        used.sort_unstable();
        assert_eq!(used, [("a", "1"), ("b", "3")]);
        assert!(diagnostics.is_empty());
    }

    #[test]
    fn an_alias_bomb_and_a_bracket_tower_are_stopped() {
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 0..8 {
            let previous = if i == 0 {
                "a".to_owned()
            } else {
                format!("a{}", i - 1)
            };
            bomb.push_str(&format!("a{i}: &a{i} [*{previous},*{previous},*{previous},*{previous},*{previous},*{previous},*{previous},*{previous},*{previous},*{previous}]\n"));
        }
        assert_eq!(problems(&bomb, |_| {}).len(), 1);
        assert_eq!(problems(&"[".repeat(5000), |_| {}).len(), 1);
    }

    #[test]
    fn places_inside_texts_are_exact() {
        let check = |text: &str, offset: usize, want: (u32, u32)| {
            let diagnostics = Diagnostics::default();
            let document = parse("f.yml", text, &diagnostics).unwrap();
            let fields = document.value(&diagnostics).fields().unwrap();
            let value = fields.get("expr").unwrap();
            let position = document.locate(value.node, offset);
            assert_eq!(
                (position.line, position.column),
                want,
                "{text:?} at {offset}"
            );
        };
        check("expr: sum(x)\n", 4, (1, 11));
        check("expr: 'sum(x)'\n", 4, (1, 12));
        check("a: 1\nexpr: \"sum(x)\"\n", 0, (2, 8));
        check("expr: |\n  sum(\n    x)\n", 0, (2, 3));
        check("expr: |\n  sum(\n    x)\n", 7, (3, 5));
        check("expr: |-\n  a\n\n  b +\n", 5, (4, 5));
        check("expr: \"a\\\"b c\"\n", 4, (1, 7));
    }
}
