//! Test files, read with every mistake at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::document::diagnostics::Diagnostics;
use crate::document::fields::{Fields, Value};
use crate::document::{self, Position};
use crate::model::duration;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{Expr, ValueType};
use crate::promql::parser::{self, ParseError, series};
use crate::promql::{support, typecheck};

/// The default of `evaluation_interval`.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);

/// A file of tests.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Its name as shown in messages.
    pub name: Arc<str>,
    /// Paths and patterns of the rule files, relative to the file, and where they stand.
    pub rule_files: Vec<(String, Position)>,
    /// Time between evaluations; the step of subqueries that name none.
    pub evaluation_interval: Duration,
    /// Names of groups in the order of their evaluation; the others go with the first.
    pub group_order: Vec<String>,
    /// Whether values that differ in their last bit are equal.
    pub fuzzy: bool,
    /// The tests.
    pub tests: Vec<TestGroup>,
}

/// Input series and what must come of them.
#[derive(Clone, Debug)]
pub struct TestGroup {
    /// Its name; may be empty.
    pub name: String,
    /// Time between two samples of an input series.
    pub interval: Duration,
    /// When the first samples lie and the first evaluation takes place.
    pub start: Timestamp,
    /// Samples to begin with.
    pub input: Vec<InputSeries>,
    /// Expected alerts.
    pub alerts: Vec<AlertCase>,
    /// Expected values of expressions.
    pub expressions: Vec<ExpressionCase>,
    /// `$externalLabels` of templates.
    pub external_labels: Labels,
    /// `$externalURL` of templates.
    pub external_url: Arc<str>,
}

/// One input series.
#[derive(Clone, Debug)]
pub struct InputSeries {
    /// Its identity.
    pub labels: Labels,
    /// A value for each interval from the start on; `None` where there is no sample.
    pub values: Vec<Option<f64>>,
}

/// The alerts of one name that must fire at a time.
#[derive(Clone, Debug)]
pub struct AlertCase {
    /// Where it stands.
    pub position: Position,
    /// Time since the start.
    pub at: Duration,
    /// The alert's name.
    pub alert: String,
    /// The firing alerts, of all rules with that name.
    pub expected: Vec<ExpectedAlert>,
}

/// One alert that must fire. Empty values count: an annotation that expands to nothing is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// Its labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The value that an expression must have at a time.
#[derive(Clone, Debug)]
pub struct ExpressionCase {
    /// Where it stands.
    pub position: Position,
    /// Time since the start.
    pub at: Duration,
    /// The expression as written.
    pub text: String,
    /// The expression.
    pub expr: Expr,
    /// Its samples, in no particular order.
    pub expected: Vec<(Labels, f64)>,
}

/// Reads a test file. What is wrong goes to `diagnostics`; the tests are usable only where nothing was found.
pub fn read(file: &str, text: &str, diagnostics: &Diagnostics) -> Option<TestFile> {
    let document = document::parse(file, text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let rule_files = texts(&root, "rule_files");
    let evaluation_interval = interval(&root, "evaluation_interval", EVALUATION_INTERVAL);
    let mut group_order: Vec<String> = Vec::new();
    for value in root.items("group_eval_order") {
        let Some(name) = value.text() else { continue };
        if group_order.iter().any(|other| other == name) {
            value.error(
                format!("group {name:?} is named twice"),
                "name each group once",
            );
        }
        group_order.push(name.to_owned());
    }
    let fuzzy = root.bool("fuzzy_compare").unwrap_or(false);
    let tests = root
        .items("tests")
        .iter()
        .filter_map(|value| read_test(value, evaluation_interval))
        .collect();
    root.finish();
    Some(TestFile {
        name: file.into(),
        rule_files,
        evaluation_interval,
        group_order,
        fuzzy,
        tests,
    })
}

fn texts(fields: &Fields<'_>, key: &'static str) -> Vec<(String, Position)> {
    fields
        .items(key)
        .iter()
        .filter_map(|value| Some((value.text()?.to_owned(), value.position())))
        .collect()
}

/// A duration; zero means the default, as upstream.
fn interval(fields: &Fields<'_>, key: &'static str, default: Duration) -> Duration {
    fields
        .duration(key)
        .filter(|interval| !interval.is_zero())
        .unwrap_or(default)
}

fn read_test(value: &Value<'_>, evaluation_interval: Duration) -> Option<TestGroup> {
    let fields = value.fields()?;
    let name = fields.text("name").unwrap_or_default();
    let interval = interval(&fields, "interval", evaluation_interval);
    let start = fields
        .get("start_timestamp")
        .and_then(|value| {
            value.parse(
                "write seconds since the epoch or RFC 3339, such as 2026-01-31T00:00:00Z",
                read_time,
            )
        })
        .unwrap_or_default();
    let mut input: Vec<InputSeries> = Vec::new();
    for value in fields.items("input_series") {
        let Some(series) = read_series(&value) else {
            continue;
        };
        if input.iter().any(|other| other.labels == series.labels) {
            value.error(
                format!("series {} is given twice", series.labels),
                "write its values in one line",
            );
        }
        input.push(series);
    }
    let alerts = fields
        .items("alert_rule_test")
        .iter()
        .filter_map(read_alert_case)
        .collect();
    let expressions = fields
        .items("promql_expr_test")
        .iter()
        .filter_map(read_expression_case)
        .collect();
    let external_labels = Labels::from_pairs(pairs(&fields, "external_labels"));
    let external_url = fields.text("external_url").unwrap_or_default().into();
    fields.finish();
    Some(TestGroup {
        name,
        interval,
        start,
        input,
        alerts,
        expressions,
        external_labels,
        external_url,
    })
}

fn read_series(value: &Value<'_>) -> Option<InputSeries> {
    let fields = value.fields()?;
    let labels = fields.required("series").and_then(|value| {
        let labels = labels(&value)?;
        if labels.is_empty() {
            value.error(
                "the series has no labels",
                "write a series such as up{job=\"x\"}",
            );
        }
        Some(labels)
    });
    let values = match fields.get("values") {
        None => Some(Vec::new()),
        Some(value) => value
            .text()
            .and_then(|text| match series::parse_values(text) {
                Ok(values) => Some(values),
                Err(error) => {
                    value.error_at(error.at, error.message, None, None);
                    None
                }
            }),
    };
    fields.finish();
    Some(InputSeries {
        labels: labels?,
        values: values?,
    })
}

fn read_alert_case(value: &Value<'_>) -> Option<AlertCase> {
    let fields = value.fields()?;
    let at = fields.duration("eval_time").unwrap_or_default();
    let alert = fields.required("alertname").and_then(|value| {
        let name = value.text()?;
        if name.is_empty() {
            value.error("alertname is empty", "name the alert");
        }
        Some(name.to_owned())
    });
    let expected: Vec<_> = fields
        .items("exp_alerts")
        .iter()
        .filter_map(|value| read_alert(value, alert.as_deref().unwrap_or_default()))
        .collect();
    fields.finish();
    Some(AlertCase {
        position: value.position(),
        at,
        alert: alert?,
        expected,
    })
}

fn read_alert(value: &Value<'_>, name: &str) -> Option<ExpectedAlert> {
    let fields = value.fields()?;
    let mut labels = pairs(&fields, "exp_labels");
    labels.insert(ALERT_NAME.to_owned(), name.to_owned());
    let annotations = pairs(&fields, "exp_annotations");
    fields.finish();
    Some(ExpectedAlert {
        labels,
        annotations,
    })
}

fn pairs(fields: &Fields<'_>, key: &'static str) -> BTreeMap<String, String> {
    fields
        .get(key)
        .and_then(|value| value.pairs())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.text()?.to_owned())))
        .collect()
}

fn read_expression_case(value: &Value<'_>) -> Option<ExpressionCase> {
    let fields = value.fields()?;
    let at = fields.duration("eval_time").unwrap_or_default();
    let expression = fields.required("expr").and_then(|value| expression(&value));
    let expected = fields
        .items("exp_samples")
        .iter()
        .filter_map(read_sample)
        .collect();
    fields.finish();
    let (text, expr) = expression?;
    Some(ExpressionCase {
        position: value.position(),
        at,
        text,
        expr,
        expected,
    })
}

fn read_sample(value: &Value<'_>) -> Option<(Labels, f64)> {
    let fields = value.fields()?;
    let labels = match fields.get("labels") {
        Some(value) => labels(&value),
        None => Some(Labels::empty()),
    };
    let number = match fields.get("value") {
        Some(value) => number(&value),
        None => Some(0.0),
    };
    fields.refuse(
        "histogram",
        "native histograms are not stored",
        "test the classic _bucket, _sum and _count series",
    );
    fields.finish();
    Some((labels?, number?))
}

fn labels(value: &Value<'_>) -> Option<Labels> {
    let text = value.text()?;
    series::parse_labels(text)
        .map_err(|error| bad_promql(value, text, &error))
        .ok()
}

fn expression(value: &Value<'_>) -> Option<(String, Expr)> {
    let text = value.text()?;
    let expr = parser::parse(text)
        .map_err(|error| bad_promql(value, text, &error))
        .ok()?;
    if let Err(unsupported) = support::check(&expr) {
        let remedy = Some("rewrite the expression without it".to_owned());
        value.error_at(
            unsupported.span.start,
            unsupported.to_string(),
            None,
            remedy,
        );
        return None;
    }
    match typecheck::type_of(&expr) {
        ValueType::Vector | ValueType::Scalar => Some((text.to_owned(), expr)),
        kind @ (ValueType::String | ValueType::Matrix) => {
            let message = format!("the expression is a {}", kind.describe());
            value.error(message, "a test needs an instant vector or a scalar");
            None
        }
    }
}

fn bad_promql(value: &Value<'_>, text: &str, error: &ParseError) {
    let message = format!("bad PromQL: {}", error.message);
    value.error_at(error.span.start, message, Some(error.excerpt(text)), None);
}

/// A number as YAML writes them, `.inf`, `.nan` and hexadecimal among them.
fn number(value: &Value<'_>) -> Option<f64> {
    let text = value.text()?;
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let integer = |prefix: &str, base: u32| {
        let digits = digits.strip_prefix(prefix)?;
        u64::from_str_radix(digits, base)
            .ok()
            .map(|number| sign * number as f64)
    };
    match digits.to_ascii_lowercase().as_str() {
        ".inf" => return Some(sign * f64::INFINITY),
        ".nan" => return Some(f64::NAN),
        _ => {}
    }
    integer("0x", 16)
        .or_else(|| integer("0o", 8))
        .or_else(|| integer("0b", 2))
        .or_else(|| plain.parse().ok())
        .or_else(|| {
            value.error(
                format!("not a number: {text:?}"),
                "write a number such as 0.5 or .inf",
            );
            None
        })
}

/// Seconds since the epoch, or RFC 3339.
fn read_time(text: &str) -> Result<Timestamp, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok(Timestamp::from_seconds(seconds)),
        _ => Timestamp::parse_rfc3339(text).map_err(|error| format!("not a time: {error}")),
    }
}

/// Time since the start, as the file writes it.
pub fn shown(at: Duration) -> String {
    duration::format(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) -> Option<TestFile> {
        let diagnostics = Diagnostics::default();
        let file = read("t.yml", text, &diagnostics);
        let found: Vec<String> = diagnostics
            .into_sorted()
            .iter()
            .map(|problem| problem.to_string().lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(found.len(), want.len(), "{found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(
                found.starts_with(want),
                "{found}\ndoes not begin with\n{want}"
            );
        }
        file
    }

    #[test]
    fn a_file_reads_with_its_defaults() {
        let text = "rule_files: [a.yml]\nevaluation_interval: 30s\ntests:\n- {}\n- start_timestamp: '1970-01-01T00:01:00Z'\n  interval: 1s\n  input_series: [{series: up, values: 1 _}, {series: down}]\n  alert_rule_test: [{alertname: A, eval_time: 1m, exp_alerts: [{}]}]\n  promql_expr_test: [{expr: up, exp_samples: [{value: -.inf}, {labels: up, value: 0x10}]}]\n- start_timestamp: 1.5\n";
        let file = check(text, &[]).unwrap();
        assert_eq!(file.evaluation_interval, Duration::from_secs(30));
        let [empty, full, late] = &file.tests[..] else {
            panic!("three tests");
        };
        assert_eq!(empty.interval, Duration::from_secs(30));
        assert_eq!(empty.start, Timestamp::from_millis(0));
        assert_eq!(full.start, Timestamp::from_millis(60_000));
        assert_eq!(late.start, Timestamp::from_millis(1500));
        assert_eq!(full.input[0].values, [Some(1.0), None]);
        assert_eq!(full.alerts[0].expected[0].labels["alertname"], "A");
        let values: Vec<f64> = full.expressions[0]
            .expected
            .iter()
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(values, [f64::NEG_INFINITY, 16.0]);
        let defaults = check("tests: []\n", &[]).unwrap();
        assert_eq!(defaults.evaluation_interval, Duration::from_secs(60));
    }

    #[test]
    fn every_mistake_of_a_file_is_told_with_its_place() {
        let text = "rulefiles: []\ngroup_eval_order: [a, b, a]\ntests:\n- input_series:\n  - {series: 'up{', values: '1 x'}\n  - {series: up, values: 1}\n  - {series: up, values: 2}\n  alert_rule_test:\n  - {eval_time: 1m}\n  - {alertname: A, eval_time: soon, exp_alert: []}\n  promql_expr_test:\n  - {expr: 'sum(', eval_time: 1m}\n  - {expr: 'up[5m]'}\n  - {expr: up, exp_samples: [{labels: 'up{a!=\"b\"}', value: x, histogram: '{{}}'}]}\n  start_timestamp: noon\n";
        check(
            text,
            &[
                "t.yml:1:1: rulefiles: unknown key \"rulefiles\"; did you mean \"rule_files\"?",
                "t.yml:2:26: group_eval_order[2]: group \"a\" is named twice",
                "t.yml:5:18: tests[0].input_series[0].series: bad PromQL: ",
                "t.yml:5:32: tests[0].input_series[0].values: bad value \"x\"",
                "t.yml:7:5: tests[0].input_series[2]: series up is given twice",
                "t.yml:9:5: tests[0].alert_rule_test[0]: missing key \"alertname\"",
                "t.yml:10:31: tests[0].alert_rule_test[1].eval_time: not a valid duration",
                "t.yml:10:37: tests[0].alert_rule_test[1].exp_alert: unknown key",
                "t.yml:12:17: tests[0].promql_expr_test[0].expr: bad PromQL: ",
                "t.yml:13:12: tests[0].promql_expr_test[1].expr: the expression is a range vector",
                "t.yml:14:40: tests[0].promql_expr_test[2].exp_samples[0].labels: bad PromQL: unexpected \"!=\"",
                "t.yml:14:60: tests[0].promql_expr_test[2].exp_samples[0].value: not a number: \"x\"",
                "t.yml:14:74: tests[0].promql_expr_test[2].exp_samples[0].histogram: histogram is not supported",
                "t.yml:15:20: tests[0].start_timestamp: not a time",
            ],
        );
    }
}
