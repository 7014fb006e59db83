//! Annotations and labels of alerting rules: the data and variables Prometheus gives their templates.
//!
//! `$labels`, `$externalLabels`, `$externalURL`, `$value` and the same as `.Labels`, `.ExternalLabels`, `.ExternalURL`,
//! `.Value`. <https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/#templating>

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::error::TemplateError;
use super::functions::Functions;
use super::value::{Map, Object, Value};
use super::{Context, Limits, Query, Template, TemplateSet};

/// What is known of one alert when its annotations are expanded.
#[derive(Debug, Clone)]
pub struct AlertData {
    labels: Map,
    external_labels: Map,
    external_url: Arc<str>,
    value: f64,
}

impl AlertData {
    /// From the labels of the alerting element and its value, and the external labels and URL of the server.
    pub fn new<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        external_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        external_url: &str,
        value: f64,
    ) -> Self {
        Self {
            labels: Map::strings(labels),
            external_labels: Map::strings(external_labels),
            external_url: Arc::from(external_url),
            value,
        }
    }

    fn values(&self) -> [Value; 4] {
        [
            self.labels.clone().into(),
            self.external_labels.clone().into(),
            Value::String(Arc::clone(&self.external_url)),
            self.value.into(),
        ]
    }
}

impl Object for AlertData {
    fn type_name(&self) -> &'static str {
        "struct { Labels, ExternalLabels, ExternalURL, Value }"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let at = FIELDS.iter().position(|field| *field == name)?;
        args.is_empty().then(|| Ok(self.values()[at].clone()))
    }
}

const VARIABLES: [&str; 4] = ["$labels", "$externalLabels", "$externalURL", "$value"];
const FIELDS: [&str; 4] = ["Labels", "ExternalLabels", "ExternalURL", "Value"];

/// A compiled annotation or label of a rule.
#[derive(Debug)]
pub struct AlertTemplate(Compiled);

#[derive(Debug)]
enum Compiled {
    /// Most labels are no templates at all.
    Plain(String),
    Template(Box<Template>),
}

impl AlertTemplate {
    /// Compiles `text`; `name` is for error messages.
    ///
    /// # Errors
    /// When `text` is not a template: syntax, unknown function, undeclared variable.
    pub fn new(name: &str, text: &str) -> Result<Self, TemplateError> {
        static SET: LazyLock<TemplateSet> =
            LazyLock::new(|| TemplateSet::new(Functions::prometheus()));
        if !text.contains("{{") {
            return Ok(Self(Compiled::Plain(text.to_string())));
        }
        let template = SET.compile_with(name, text, &VARIABLES)?;
        Ok(Self(Compiled::Template(Box::new(template))))
    }

    /// Renders for one alert; `query` answers the function `query` at the time `now`.
    ///
    /// # Errors
    /// When rendering fails. Prometheus then shows `<error expanding template: ...>` in its place.
    pub fn expand(
        &self,
        data: &AlertData,
        now: Timestamp,
        query: &Query<'_>,
    ) -> Result<String, TemplateError> {
        let template = match &self.0 {
            Compiled::Plain(text) => return Ok(text.clone()),
            Compiled::Template(template) => template,
        };
        let context = Context {
            now,
            external_url: &data.external_url,
            query: Some(query),
            limits: Limits::default(),
        };
        let variables = VARIABLES.into_iter().map(Arc::from).zip(data.values());
        template.render_with(&Value::object(data.clone()), variables, &context)
    }
}

/// Compiles and renders `text` once.
///
/// # Errors
/// As [`AlertTemplate::new`] and [`AlertTemplate::expand`].
pub fn expand(
    text: &str,
    data: &AlertData,
    now: Timestamp,
    query: &Query<'_>,
) -> Result<String, TemplateError> {
    AlertTemplate::new("", text)?.expand(data, now, query)
}

/// Whether `text` can be a rule's annotation or label, whatever the data: for checks when rules are loaded.
///
/// # Errors
/// As [`AlertTemplate::new`].
pub fn check(text: &str) -> Result<(), TemplateError> {
    AlertTemplate::new("", text).map(drop)
}
