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
    value: Value,
}

impl AlertData {
    /// From the labels of the alerting element and its value (a float, or the text of a native histogram), and the
    /// external labels and URL of the server.
    pub fn new<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        external_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        external_url: &str,
        value: impl Into<Value>,
    ) -> Self {
        Self {
            labels: Map::strings(labels),
            external_labels: Map::strings(external_labels),
            external_url: Arc::from(external_url),
            value: value.into(),
        }
    }

    fn values(&self) -> [Value; 4] {
        [
            self.labels.clone().into(),
            self.external_labels.clone().into(),
            Value::String(Arc::clone(&self.external_url)),
            self.value.clone(),
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

#[cfg(test)]
mod tests {
    use super::super::error::ErrorKind;
    use super::super::prometheus::QuerySample;
    use super::*;

    fn render(text: &str, value: f64) -> Result<String, TemplateError> {
        let data = AlertData::new(
            [
                ("alertname", "Slow"),
                ("job", "api"),
                ("instance", "h.example:80"),
            ],
            [("dc", "eu")],
            "https://prom.test/x",
            value,
        );
        let query = |expression: &str| match expression {
            "up{job=\"api\"}" => Ok(vec![QuerySample::new([("job", "api")], 0.25)]),
            "nothing" => Ok(Vec::new()),
            _ => Err("no such query".to_string()),
        };
        expand(text, &data, Timestamp::UNIX_EPOCH, &query)
    }

    #[test]
    fn annotations_see_what_prometheus_gives_them() {
        let cases = [
            ("no template", 0.0, "no template"),
            (
                "{{ $labels.job }} on {{ $labels.instance }}",
                0.0,
                "api on h.example:80",
            ),
            ("[{{ $labels.missing }}]", 0.0, "[]"),
            (
                "{{ .Labels.job }}{{ .ExternalLabels.dc }}{{ .Value }}{{ .ExternalURL }}",
                2.0,
                "apieu2https://prom.test/x",
            ),
            (
                "{{ $externalLabels.dc }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
                0.0,
                "eu https://prom.test/x https://prom.test/x /x",
            ),
            ("{{ $value }}", 1_234_567.0, "1.234567e+06"),
            ("{{ $value }}", 3.0, "3"),
            ("{{ $value }}", 0.1, "0.1"),
            ("{{ $value }}", f64::INFINITY, "+Inf"),
            ("{{ $value }}", f64::NAN, "NaN"),
            ("{{ $value | humanize }}", 1_234_567.0, "1.235M"),
            ("{{ printf \"%.2f\" $value }}", 1.0 / 3.0, "0.33"),
            (
                "{{ if gt $value 1000.0 }}high{{ else }}low{{ end }}",
                f64::NAN,
                "high",
            ),
            (
                "{{ if gt $value 1000.0 }}high{{ else }}low{{ end }}",
                5.0,
                "low",
            ),
            (
                "{{ with query (printf \"up{job=%q}\" $labels.job) }}{{ . | first | value | humanizePercentage }}{{ end }}",
                0.0,
                "25%",
            ),
            (
                "{{ range query \"nothing\" }}x{{ else }}none{{ end }}",
                0.0,
                "none",
            ),
            (
                "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
                0.0,
                "alertname=Slow;instance=h.example:80;job=api;",
            ),
            (
                "{{ define \"t\" }}{{ .Value }}{{ end }}{{ template \"t\" . }}",
                7.0,
                "7",
            ),
            ("{{ $value }}{{ $value := 9 }}{{ $value }}", 1.0, "19"),
        ];
        for (text, value, expected) in cases {
            assert_eq!(render(text, value).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_check_refuses_what_fails_with_any_data_and_nothing_else() {
        let good = [
            "",
            "{{ $labels.job }}",
            "{{ query \"x\" | first | value }}",
            "{{ (index (query \"x\") 3).Labels.job }}",
            "{{ $value | printf \"%d\" }}",
            "{{ template \"elsewhere\" }}",
        ];
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let bad = [
            (
                "{{ $label.foo }}",
                "template: 1:4: undefined variable \"$label\"",
            ),
            (
                "{{ humanise $value }}",
                "template: 1:4: function \"humanise\" not defined",
            ),
            ("x {{ $value", "template: 1:3: unclosed action"),
            ("{{ end }}", "template: 1:4: unexpected {{end}}"),
            (
                "{{ define \"t\" }}{{ $labels }}{{ end }}",
                "template: 1:20: undefined variable \"$labels\"",
            ),
        ];
        for (text, expected) in bad {
            let error = check(text).unwrap_err();
            assert_eq!(
                (error.kind, error.to_string().as_str()),
                (ErrorKind::Parse, expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_failing_query_fails_the_annotation() {
        let error = render("a {{ query \"bad\" | first }}", 1.0).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Run);
        assert_eq!(
            error.to_string(),
            "template: 1:6: error calling query: no such query"
        );
        let error = render("{{ .Nothing }}", 1.0).unwrap_err();
        assert!(
            error.message.starts_with("can't evaluate field Nothing"),
            "{error}"
        );
    }
}
