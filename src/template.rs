//! Go's `text/template` and `html/template`, for rule annotations and labels (Prometheus) and for notification texts
//! (Alertmanager).
//!
//! A [`TemplateSet`] holds functions and named templates; [`TemplateSet::compile`] makes a [`Template`] of one more
//! text, which renders as text or as HTML with context-aware escaping. Texts are parsed, and HTML contexts tracked, by
//! the crate `gotmpl`; evaluation, formatting and functions are here, since methods on data, Go's printing of floats and
//! limits on work must be exact.
//!
//! ```text
//! text ──parse──▶ tree ──exec──▶ text
//!                   └───html──▶ tree with escapers ──exec (one pipeline at a time)──▶ HTML
//! ```
//!
//! It reads no clock, runs no query and touches no file: the time and a closure for `query` come with [`Context`].
//! Lookup of missing keys follows `missingkey=zero`, which both products set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use error::TemplateError;
use exec::{Machine, Scope};
use format::Capped;
use functions::Functions;
use parse::Tree;
use prometheus::QuerySample;
use value::Value;

pub mod alert;
mod alertmanager;
mod builtins;
pub mod error;
mod exec;
mod format;
pub mod functions;
mod html;
pub mod kv;
mod parse;
pub mod prometheus;
mod time;
pub mod value;

#[cfg(test)]
mod tests;

/// What one rendering may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of output, and of any text made on the way.
    pub output: usize,
    /// Steps: commands, iterations and blocks of text handed to functions.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output: 1 << 20,
            steps: 500_000,
        }
    }
}

/// Answers the template function `query`: an instant query in PromQL.
pub type Query<'a> = dyn Fn(&str) -> Result<Vec<QuerySample>, String> + 'a;

/// What rendering takes from its surroundings.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The time for `now` and `since`.
    pub now: Timestamp,
    /// What `externalURL` and `pathPrefix` tell of.
    pub external_url: &'a str,
    /// What `query` asks; without it `query` fails.
    pub query: Option<&'a Query<'a>>,
    /// What rendering may cost.
    pub limits: Limits,
}

impl Context<'_> {
    /// No external URL, no queries, the usual limits.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            external_url: "",
            query: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context")
            .field("now", &self.now)
            .field("external_url", &self.external_url)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Set {
    functions: Functions,
    trees: BTreeMap<Arc<str>, Tree>,
}

impl Set {
    fn tree(&self, name: &str) -> Option<Tree> {
        self.trees.get(name).cloned()
    }

    fn knows(&self, function: &str) -> bool {
        builtins::known(function) || self.functions.get(function).is_some()
    }

    /// As in Go, an empty body does not replace one that is there.
    fn define(&mut self, name: Arc<str>, tree: Tree) {
        if !tree.body.is_empty_tree() || !self.trees.contains_key(&name) {
            self.trees.insert(name, tree);
        }
    }
}

/// Functions and named templates that texts share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TemplateSet(Arc<Set>);

impl TemplateSet {
    /// A set without templates.
    pub fn new(functions: Functions) -> Self {
        Self(Arc::new(Set {
            functions,
            trees: BTreeMap::new(),
        }))
    }

    /// Adds the templates `text` defines, and its own body under `name`. A later definition replaces an earlier one.
    ///
    /// # Errors
    /// When `text` is not a template; the set is then unchanged.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        let parsed = parse::parse(name, text, &|function| self.0.knows(function), &[])?;
        let set = Arc::make_mut(&mut self.0);
        for (name, tree) in parsed.defines {
            set.define(name, tree);
        }
        if !parsed.body.body.is_empty_tree() {
            set.define(Arc::from(name), parsed.body);
        }
        Ok(())
    }

    /// The names of all templates, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.trees.keys().map(|name| &**name)
    }

    /// Compiles `text`, which may call the set's templates. `name` is for error messages. What `text` defines is known
    /// to itself only.
    ///
    /// # Errors
    /// When `text` is not a template.
    pub fn compile(&self, name: &str, text: &str) -> Result<Template, TemplateError> {
        self.compile_with(name, text, &[])
    }

    /// As [`TemplateSet::compile`], with variables that every rendering hands in.
    fn compile_with(
        &self,
        name: &str,
        text: &str,
        globals: &'static [&str],
    ) -> Result<Template, TemplateError> {
        let parsed = parse::parse(name, text, &|function| self.0.knows(function), globals)?;
        let mut set = Arc::clone(&self.0);
        for (name, tree) in parsed.defines {
            Arc::make_mut(&mut set).define(name, tree);
        }
        Ok(Template {
            set,
            entry: parsed.body,
            html: OnceLock::new(),
        })
    }

    /// One of the set's templates by name.
    pub fn get(&self, name: &str) -> Option<Template> {
        Some(Template {
            set: Arc::clone(&self.0),
            entry: self.0.tree(name)?,
            html: OnceLock::new(),
        })
    }

    /// Compiles and renders `text` once.
    ///
    /// # Errors
    /// When `text` is not a template, or rendering fails.
    pub fn render_text(
        &self,
        text: &str,
        data: &Value,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        self.compile("", text)?.render_text(data, context)
    }

    /// Compiles and renders `text` once as HTML.
    ///
    /// # Errors
    /// As [`Template::render_html`], or when `text` is not a template.
    pub fn render_html(
        &self,
        text: &str,
        data: &Value,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        self.compile("", text)?.render_html(data, context)
    }
}

/// A compiled text: renders many times, from many threads.
#[derive(Debug)]
pub struct Template {
    set: Arc<Set>,
    entry: Tree,
    html: OnceLock<Result<html::Escaped, TemplateError>>,
}

impl Template {
    /// Renders as plain text.
    ///
    /// # Errors
    /// When a function fails, data is not what the template takes it for, or a limit is reached.
    pub fn render_text(
        &self,
        data: &Value,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        self.render_with(data, [], context)
    }

    fn render_with(
        &self,
        data: &Value,
        globals: impl IntoIterator<Item = (Arc<str>, Value)>,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        let mut scope = Scope::new(data, globals, context.limits.steps);
        let mut out = Capped::new(context.limits.output);
        let mut machine = Machine {
            set: &self.set,
            context,
            scope: &mut scope,
            source: Arc::clone(&self.entry.source),
        };
        machine.run(&self.entry, data, &mut out)?;
        Ok(out.into_text())
    }

    /// Renders as HTML: every value is escaped for the place it stands in (text, attribute, URL, script, style).
    ///
    /// `context.query` is not used: HTML is for notifications, which run no queries.
    ///
    /// # Errors
    /// As [`Template::render_text`], and when a value stands where it cannot be escaped for certain.
    pub fn render_html(
        &self,
        data: &Value,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        let escaped = self
            .html
            .get_or_init(|| html::Escaped::new(&self.set, &self.entry));
        match escaped {
            Ok(escaped) => escaped.render(&self.set, data, context),
            Err(error) => Err(error.clone()),
        }
    }
}
