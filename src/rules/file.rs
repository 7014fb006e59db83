//! Rule files: Prometheus's format, read with every mistake at once.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::document::diagnostics::Diagnostics;
use crate::document::fields::{Fields, Value};
use crate::document::{self, Document};
use crate::model::labels::{ALERT_NAME, Labels, METRIC_NAME, is_legacy_metric_name};
use crate::promql::ast::{Expr, ValueType};
use crate::promql::{parser, support, typecheck};
use crate::template;

use super::known::Known;
use super::state::Holds;

/// A group as written.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSpec {
    /// The file it stands in.
    pub file: Arc<str>,
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated; the default where the file says nothing.
    pub interval: Duration,
    /// How far evaluations look from the past; `query_offset`.
    pub query_offset: Duration,
    /// The most series or alerts a rule may produce; 0 for any number.
    pub limit: usize,
    /// Its rules, evaluated in order.
    pub rules: Vec<RuleSpec>,
}

/// A rule as written.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// The metric it records or the alert it raises.
    pub name: String,
    /// What it does with the result.
    pub kind: RuleKind,
    /// The expression.
    pub expr: Arc<Expr>,
    /// The expression as written: what its spans lie in.
    pub text: String,
    /// The expression in canonical form: what people and APIs are shown.
    pub query: String,
    /// Labels added to the result, the group's among them; templates for alerts.
    pub labels: Vec<(String, String)>,
    /// What is known of its alerts from elsewhere than its file; not part of its identity.
    pub known: Option<Arc<Known>>,
    /// Where in the file it stands.
    pub line: Line,
}

/// A line of a file, from 1. What has moved to another line is the same as before: all lines are equal.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<AtomicU32>);

impl Line {
    /// The number.
    pub fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves to where the other is.
    pub fn follow(&self, other: &Self) {
        self.0.store(other.number(), Ordering::Relaxed);
    }
}

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a rule does with its result.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// Stores it as a series.
    Recording,
    /// Raises an alert for each series.
    Alerting {
        /// `for` and `keep_firing_for`.
        holds: Holds,
        /// Annotation templates.
        annotations: Vec<(String, String)>,
    },
}

impl RuleSpec {
    /// What must stay the same for a rule's alerts to survive a reload: its name, expression, labels and kind.
    pub fn identity(&self) -> String {
        let labels = Labels::from_pairs(self.labels.iter().map(|(name, value)| (name, value)));
        let kind = match self.kind {
            RuleKind::Recording => "record",
            RuleKind::Alerting { .. } => "alert",
        };
        format!("{kind} {} {} {labels}", self.name, self.query)
    }
}

impl GroupSpec {
    /// The group's identity: file and name.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }
}

/// Reads one rule file. What is wrong goes to `diagnostics`; the groups are usable only where nothing was found.
pub fn read(
    file: &str,
    text: &str,
    default_interval: Duration,
    diagnostics: &Diagnostics,
) -> Vec<GroupSpec> {
    let Some(document) = document::parse(file, text, diagnostics) else {
        return Vec::new();
    };
    read_document(&document, default_interval, diagnostics)
}

fn read_document(
    document: &Document,
    default_interval: Duration,
    diagnostics: &Diagnostics,
) -> Vec<GroupSpec> {
    let Some(root) = document.value(diagnostics).fields() else {
        return Vec::new();
    };
    let mut groups: Vec<GroupSpec> = Vec::new();
    let mut lines: HashMap<String, u32> = HashMap::new();
    for value in root.items("groups") {
        let Some(group) = read_group(&value, default_interval) else {
            continue;
        };
        if let Some(line) = lines.insert(group.name.clone(), value.position().line) {
            let message = format!("group {:?} is already defined on line {line}", group.name);
            value.error(message, "give each group of a file its own name");
        }
        groups.push(group);
    }
    root.finish();
    groups
}

fn read_group(value: &Value<'_>, default_interval: Duration) -> Option<GroupSpec> {
    let fields = value.fields()?;
    let name = fields
        .required("name")
        .and_then(|value| value.text())
        .unwrap_or_default()
        .to_owned();
    if let Some(value) = fields.get("name").filter(|value| value.text() == Some("")) {
        value.error("group name is empty", "name the group");
    }
    let interval = match fields.get("interval") {
        None => default_interval,
        Some(value) => match value.duration() {
            Some(interval) if !interval.is_zero() => interval,
            // Zero means the default, as upstream.
            _ => default_interval,
        },
    };
    let query_offset = fields.duration("query_offset").unwrap_or_default();
    let limit = fields.unsigned("limit").unwrap_or(0);
    let group_labels = read_labels(&fields, "labels", false);
    let mut rules: Vec<RuleSpec> = Vec::new();
    let mut lines: HashMap<String, u32> = HashMap::new();
    for value in fields.items("rules") {
        let Some(rule) = read_rule(&value, &group_labels) else {
            continue;
        };
        let identity = match rule.kind {
            // Two rules that record the same series would overwrite each other's samples.
            RuleKind::Recording => format!("{} {:?}", rule.name, rule.labels),
            RuleKind::Alerting { .. } => rule.identity(),
        };
        if let Some(line) = lines.insert(identity, value.position().line) {
            let message = format!("rule {:?} repeats the one on line {line}", rule.name);
            // Prometheus takes such files.
            value.warning(message, "remove one, or tell them apart by their labels");
        }
        rules.push(rule);
    }
    fields.finish();
    Some(GroupSpec {
        file: value.file().into(),
        name,
        interval,
        query_offset,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        rules,
    })
}

fn read_rule(value: &Value<'_>, group_labels: &[(String, String)]) -> Option<RuleSpec> {
    let fields = value.fields()?;
    let record = fields.get("record");
    let alert = fields.get("alert");
    let holds = Holds {
        pending_for: fields.duration("for").unwrap_or_default(),
        keep_firing_for: fields.duration("keep_firing_for").unwrap_or_default(),
    };
    let expr = read_expr(&fields);
    let is_alert = alert.is_some();
    let mut labels = group_labels.to_vec();
    for (name, text) in read_labels(&fields, "labels", is_alert) {
        labels.retain(|(other, _)| *other != name);
        labels.push((name, text));
    }
    let annotations = read_labels(&fields, "annotations", is_alert);
    let name = match (&record, &alert) {
        (Some(_), Some(alert)) => {
            alert.error(
                "a rule has either record or alert, not both",
                "split it into two rules",
            );
            None
        }
        (None, None) => {
            value.error(
                "a rule needs record or alert",
                "add `alert: Name` or `record: metric_name`",
            );
            None
        }
        (Some(record), None) => {
            for key in ["for", "keep_firing_for", "annotations"] {
                if let Some(value) = fields.get(key) {
                    value.error(
                        format!("{key} belongs to alerting rules"),
                        "remove it from the recording rule",
                    );
                }
            }
            record.text().filter(|name| {
                let valid = !name.is_empty() && !name.contains(['{', '}']);
                if !valid {
                    record.error(
                        format!("not a metric name: {name:?}"),
                        "write a name such as job:requests:rate5m",
                    );
                }
                valid
            })
        }
        (None, Some(alert)) => alert.text().filter(|name| {
            if name.is_empty() {
                alert.error("alert name is empty", "name the alert");
            }
            !name.is_empty()
        }),
    };
    fields.finish();
    let (name, (expr, text, query)) = (name?.to_owned(), expr?);
    let kind = if is_alert {
        RuleKind::Alerting { holds, annotations }
    } else {
        RuleKind::Recording
    };
    Some(RuleSpec {
        name,
        kind,
        expr: Arc::new(expr),
        text,
        query,
        labels,
        known: None,
        line: Line(Arc::new(value.position().line.into())),
    })
}

/// The expression, parsed, supported and of a type that rules can use; its text, and its canonical form.
fn read_expr(fields: &Fields<'_>) -> Option<(Expr, String, String)> {
    let value = fields.required("expr")?;
    let text = value.text()?;
    let expr = match parser::parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            let excerpt = Some(error.excerpt(text));
            value.error_at(
                error.span.start,
                format!("bad PromQL: {}", error.message),
                excerpt,
                None,
            );
            return None;
        }
    };
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
        ValueType::Vector | ValueType::Scalar => {
            let query = expr.to_string();
            Some((expr, text.to_owned(), query))
        }
        kind @ (ValueType::String | ValueType::Matrix) => {
            let message = format!("the expression is a {}", kind.describe());
            value.error(message, "a rule needs an instant vector or a scalar");
            None
        }
    }
}

/// Labels or annotations; templates are parsed and tried where `templates` says so.
fn read_labels(fields: &Fields<'_>, key: &'static str, templates: bool) -> Vec<(String, String)> {
    let Some(pairs) = fields.get(key).and_then(|value| value.pairs()) else {
        return Vec::new();
    };
    let mut labels = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let Some(text) = value.text() else {
            continue;
        };
        let reserved =
            key == "labels" && (name == METRIC_NAME || (templates && name == ALERT_NAME));
        if name.is_empty() || reserved {
            value.error(
                format!("{name:?} cannot be set here"),
                "remove it: the rule's name says it",
            );
            continue;
        }
        if key == "annotations" && !is_legacy_metric_name(name) {
            value.error(
                format!("not an annotation name: {name:?}"),
                "use letters, digits and underscores",
            );
            continue;
        }
        if templates && let Err(error) = template::alert::check(text) {
            value.error(
                format!("bad template: {error}"),
                "see Go's text/template for the syntax",
            );
            continue;
        }
        labels.push((name.to_owned(), text.to_owned()));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) -> Vec<GroupSpec> {
        let diagnostics = Diagnostics::default();
        let groups = read("r.yml", text, Duration::from_secs(15), &diagnostics);
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
        groups
    }

    #[test]
    fn a_group_reads_with_its_defaults_and_its_labels_reach_the_rules() {
        let text = "groups:\n- name: g\n  limit: 3\n  labels: {team: a, tier: x}\n  rules:\n  - alert: A\n    expr: up == 0\n    for: 1m\n    labels: {tier: y}\n  - record: a:b\n    expr: sum(up)\n";
        let groups = check(text, &[]);
        let group = &groups[0];
        assert_eq!(
            (group.interval, group.limit, group.rules.len()),
            (Duration::from_secs(15), 3, 2)
        );
        let pairs = [
            ("team".to_owned(), "a".to_owned()),
            ("tier".to_owned(), "y".to_owned()),
        ];
        assert_eq!(group.rules[0].labels, pairs);
        assert_eq!(group.rules[1].query, "sum(up)");
        let lines: Vec<u32> = group.rules.iter().map(|rule| rule.line.number()).collect();
        assert_eq!(lines, [6, 10]);
    }

    #[test]
    fn every_mistake_of_a_file_is_told_with_its_place() {
        let text = "groups:\n- name: g\n  intervall: 1m\n  rules:\n  - alert: A\n    expr: sum(up\n  - record: r\n    expr: up\n    for: 5m\n  - alert: B\n    record: c\n    expr: up\n  - expr: up\n  - alert: T\n    expr: up\n    annotations: {summary: '{{ $x }}'}\n- name: g\n  rules: [{record: x, expr: 'up[5m]'}]\n";
        check(
            text,
            &[
                "r.yml:3:3: groups[0].intervall: unknown key \"intervall\"; did you mean \"interval\"?",
                "r.yml:6:17: groups[0].rules[0].expr: bad PromQL: ",
                "r.yml:9:10: groups[0].rules[1].for: for belongs to alerting rules",
                "r.yml:10:12: groups[0].rules[2].alert: a rule has either record or alert",
                "r.yml:13:5: groups[0].rules[3]: a rule needs record or alert",
                "r.yml:16:28: groups[0].rules[4].annotations.summary: bad template: ",
                "r.yml:17:3: groups[1]: group \"g\" is already defined on line 2",
                "r.yml:18:29: groups[1].rules[0].expr: the expression is a range vector",
            ],
        );
    }

    #[test]
    fn repeated_rules_are_warned_of() {
        let text = "groups:\n- name: g\n  rules:\n  - {record: r, expr: up}\n  - {record: r, expr: down}\n  - {alert: A, expr: up}\n  - {alert: A, expr: up}\n  - {alert: A, expr: up > 1}\n";
        assert_eq!(check(text, &[])[0].rules.len(), 5);
        let diagnostics = Diagnostics::default();
        read("r.yml", text, Duration::from_secs(15), &diagnostics);
        let warnings: Vec<String> = diagnostics
            .take_warnings()
            .iter()
            .map(ToString::to_string)
            .collect();
        let remedy = "remove one, or tell them apart by their labels";
        assert_eq!(
            warnings,
            [
                format!(
                    "r.yml:5:5: groups[0].rules[1]: rule \"r\" repeats the one on line 4; {remedy}"
                ),
                format!(
                    "r.yml:7:5: groups[0].rules[3]: rule \"A\" repeats the one on line 6; {remedy}"
                ),
            ]
        );
    }
}
