//! Reads template fields: compiled, tried out, mistakes with their place.

use crate::document::Kind;
use crate::document::fields::{Fields, Value};
use crate::model::timestamp::Timestamp;
use crate::notify::render::{Field, Surroundings};
use crate::notify::tree::{self, Tree};
use crate::template::error::TemplateError;

/// Reads template fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    /// What templates see and call.
    pub(super) surroundings: &'a Surroundings,
    /// The time shown in trial messages.
    pub(super) now: Timestamp,
    /// Whether texts nobody wrote are tried too: they may call templates the user replaced.
    pub(super) try_defaults: bool,
}

impl Texts<'_> {
    /// The text of a key, or else the default.
    pub(super) fn field(&self, fields: &Fields<'_>, key: &'static str, default: &str) -> Field {
        self.read(fields, key, default, false)
    }

    /// The HTML of a key, or else the default.
    pub(super) fn html(&self, fields: &Fields<'_>, key: &'static str, default: &str) -> Field {
        self.read(fields, key, default, true)
    }

    fn read(&self, fields: &Fields<'_>, key: &'static str, default: &str, html: bool) -> Field {
        if let Some(value) = fields.get(key)
            && let Some(text) = value.text()
        {
            return self.compile(&value, text, html);
        }
        self.or_default(fields, key, default, html)
    }

    /// A text that nobody wrote, for a key.
    pub(super) fn default(&self, fields: &Fields<'_>, key: &'static str, text: &str) -> Field {
        self.or_default(fields, key, text, false)
    }

    /// A structured value with templates in it.
    pub(super) fn tree(&self, value: &Value<'_>) -> Tree {
        match &value.node.kind {
            Kind::Null => Tree::Plain(serde_json::Value::Null),
            Kind::Scalar { text, .. } if text.contains("{{") => {
                Tree::Text(self.compile(value, text, false))
            }
            Kind::Scalar { text, .. } => Tree::Plain(tree::structure(text.clone())),
            Kind::Sequence(_) => {
                let items = value.items().unwrap_or_default();
                Tree::List(items.iter().map(|item| self.tree(item)).collect())
            }
            Kind::Mapping(_) => {
                let pairs = value.pairs().unwrap_or_default();
                let entries = pairs.iter();
                let entries =
                    entries.map(|(key, value)| (self.compile(value, key, false), self.tree(value)));
                Tree::Map(entries.collect())
            }
        }
    }

    fn or_default(
        &self,
        fields: &Fields<'_>,
        key: &'static str,
        default: &str,
        html: bool,
    ) -> Field {
        let path = format!("{}.{key}", fields.value().path);
        self.default_at(fields, path, key, default, html)
    }

    /// A text that nobody wrote, for what `key` names at a path.
    pub(super) fn default_at(
        &self,
        fields: &Fields<'_>,
        path: String,
        key: &str,
        default: &str,
        html: bool,
    ) -> Field {
        let field = Field::compile(&self.surroundings.templates, path.as_str(), default)
            .expect("our own defaults are templates");
        if self.try_defaults
            && let Err(error) = field.try_out(self.surroundings, html, self.now)
        {
            fields.value().error(
                format!(
                    "the default of {key} fails with the templates given: {}",
                    place(&error)
                ),
                "correct the template, or set the field",
            );
        }
        field
    }

    /// A text that stands in the file.
    pub(super) fn compile(&self, value: &Value<'_>, text: &str, html: bool) -> Field {
        let compiled = Field::compile(&self.surroundings.templates, value.path.as_str(), text);
        let tried = compiled.and_then(|field| {
            field.try_out(self.surroundings, html, self.now)?;
            Ok(field)
        });
        tried.unwrap_or_else(|error| {
            self.report(value, text, &error);
            Field::compile(&self.surroundings.templates, value.path.as_str(), "")
                .expect("an empty text is a template")
        })
    }

    fn report(&self, value: &Value<'_>, text: &str, error: &TemplateError) {
        let remedy = "correct the template".to_owned();
        if error.template == value.path {
            let offset = offset(text, error.line, error.column);
            let message = format!("template: {}", error.message);
            value.error_at(offset, message, None, Some(remedy));
        } else {
            value.error(place(error), remedy);
        }
    }
}

fn place(error: &TemplateError) -> String {
    format!(
        "template {}:{}:{}: {}",
        error.template, error.line, error.column, error.message
    )
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = &text[start.min(text.len())..];
    let within = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(index, _)| index);
    start + within
}
