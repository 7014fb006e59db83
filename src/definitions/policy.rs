//! Metric definitions as policies for the Open Policy Agent: who may report or use a value, and whether the value is within its
//! thresholds. One Rego module (version 1) for each metric, and all of them as a bundle.
//!
//! ```text
//! data.metrics.<NAME>.allow                whether the input is for this metric, within its critical threshold, from an owner
//!                    .validate_thresholds  whether input.value is not beyond the critical threshold; with alert rules only
//!                    .level                "ok", "warning", "critical"; with alert rules only
//!                    .validate_governance  whether input.user is an owner, or of the team that owns it
//!                    .reasons              what speaks against it, in words
//! input: {"metric_id": "…", "value": 0.97, "user": {"id": "…", "team": "…"}}
//! ```
//!
//! What a definition says stands in a module as JSON strings and numbers, or in a comment of one line: no text of it can become
//! code. Nothing here evaluates a policy: that is the agent's business.
//!
//! Formats: <https://www.openpolicyagent.org/docs/policy-language>,
//! <https://www.openpolicyagent.org/docs/management-bundles>.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::metric::{Direction, Metric};
use super::schema::Number;

mod bundle;

pub use bundle::{BundleError, bundle};

/// A metric's policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Module {
    /// The metric's identifier.
    pub metric_id: String,
    /// The last part of its package, also its file's name before `.rego`.
    pub name: String,
    /// How its package is written: `metrics.NAME`, or `metrics["NAME"]` where the language needs that.
    pub package: String,
    /// Its Rego.
    pub text: String,
}

/// Names of modules: the identifier with `_` for every `-`. Where two identifiers become alike so, the ones that were changed
/// have the beginning of a digest behind them, so that no module takes the place of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names(BTreeMap<String, usize>);

impl Names {
    /// The names for all of these identifiers.
    pub fn of<'i>(ids: impl IntoIterator<Item = &'i str>) -> Self {
        let distinct: BTreeSet<&str> = ids.into_iter().collect();
        let mut alike = BTreeMap::new();
        for id in distinct {
            *alike.entry(plain(id)).or_default() += 1;
        }
        Self(alike)
    }

    fn name(&self, id: &str) -> String {
        let name = plain(id);
        if name == id || self.0.get(&name).is_none_or(|count| *count < 2) {
            return name;
        }
        let digest = Sha256::digest(id.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
        format!("{name}_{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// An identifier as the contract writes it in a package.
fn plain(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
    id.replace(|character| !fits(character), "_")
}

/// The policy of one metric, among metrics with these names.
pub fn module(metric: &Metric, names: &Names) -> Module {
    let name = names.name(&metric.metric_id);
    let package = package(&name);
    let text = text(metric, &package);
    Module {
        metric_id: metric.metric_id.clone(),
        name,
        package,
        text,
    }
}

/// The policies of metrics, in their order.
#[tracing::instrument(target = "outrigger::step", level = "debug", name = "Policy.generate", skip_all, fields(component = "policy", modules = metrics.len()))]
pub fn modules(metrics: &[Metric]) -> Vec<Module> {
    let names = Names::of(metrics.iter().map(|metric| metric.metric_id.as_str()));
    metrics
        .iter()
        .map(|metric| module(metric, &names))
        .collect()
}

/// Words that cannot stand behind a dot (<https://www.openpolicyagent.org/docs/policy-reference#reserved-names>).
const RESERVED: &[&str] = &[
    "as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input",
    "not", "null", "package", "set", "some", "true", "with",
];

fn package(name: &str) -> String {
    let dotted = !name.starts_with(|first: char| first.is_ascii_digit())
        && !RESERVED.contains(&name)
        && name != "_";
    if dotted {
        format!("metrics.{name}")
    } else {
        format!("metrics[{}]", string(name))
    }
}

fn text(metric: &Metric, package: &str) -> String {
    let mut text = String::with_capacity(2_048);
    head(&mut text, metric, package);
    let thresholds = !metric.targets_and_alerts.alert_rules.is_empty();
    if thresholds {
        judge_value(&mut text, metric);
    }
    judge_user(&mut text, metric);
    let id = string(&metric.metric_id);
    text.push_str("\n# Main authorization rule\nallow if {\n");
    put(&mut text, format_args!("    input.metric_id == {id}\n"));
    if thresholds {
        text.push_str("    validate_thresholds\n");
    }
    text.push_str("    validate_governance\n}\n\n# What speaks against it\n");
    put(
        &mut text,
        format_args!(
            "reasons contains \"input.metric_id is not this metric\" if not is_this_metric\n\n\
             is_this_metric if input.metric_id == {id}\n\n"
        ),
    );
    if thresholds {
        text.push_str(
            "reasons contains \"input.value is no number within the critical threshold\" if not validate_thresholds\n\n",
        );
    }
    text.push_str("reasons contains \"input.user is no owner\" if not validate_governance\n");
    text
}

fn head(text: &mut String, metric: &Metric, package: &str) {
    let changed = metric
        .metadata
        .last_updated
        .unwrap_or(metric.governance.updated_at);
    let version = metric.metadata.version.as_deref().unwrap_or("1.0.0");
    for (what, value) in [
        ("Metric", metric.name.as_str()),
        ("Category", metric.category.as_str()),
        ("Business domain", metric.business_domain.as_str()),
        ("Tier", metric.tier.as_str()),
    ] {
        put(text, format_args!("# {what}: {}\n", line(value)));
    }
    // Not the time of this very call: an unchanged definition has an unchanged policy.
    put(
        text,
        format_args!(
            "# Generated from version {} of {}\n\npackage {package}\n\nimport rego.v1\n\ndefault allow := false\n",
            line(version),
            changed.to_rfc3339()
        ),
    );
}

fn judge_value(text: &mut String, metric: &Metric) {
    let limits = &metric.targets_and_alerts;
    let number = |number: Number| serde_json::json!(number).to_string();
    let (good, bad) = match metric.definition.expected_direction {
        Direction::Increase => (">=", "<"),
        Direction::Decrease => ("<=", ">"),
    };
    let (target, warning, critical) = (
        number(limits.target_value),
        number(limits.warning_threshold),
        number(limits.critical_threshold),
    );
    // A text is greater than any number in Rego: it must not pass for a good value.
    put(
        text,
        format_args!(
            "\n# Threshold validation rules\n# Target: {target}, warning: {warning}, critical: {critical}\n\
             validate_thresholds if {{\n    is_number(input.value)\n    input.value {good} {critical}\n}}\n\n\
             level := \"critical\" if {{\n    is_number(input.value)\n    input.value {bad} {critical}\n\
             }} else := \"warning\" if {{\n    is_number(input.value)\n    input.value {bad} {warning}\n\
             }} else := \"ok\" if {{\n    is_number(input.value)\n}}\n"
        ),
    );
}

fn judge_user(text: &mut String, metric: &Metric) {
    let owners = &metric.governance;
    text.push_str("\n# Governance rules\n");
    for (path, value) in [
        ("input.user.id", &owners.technical_owner),
        ("input.user.id", &owners.business_owner),
        ("input.user.team", &owners.owner_team),
    ] {
        put(
            text,
            format_args!("validate_governance if {path} == {}\n\n", string(value)),
        );
    }
    text.pop();
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("text in memory takes everything");
}

/// A string of Rego, which is one of JSON (<https://www.openpolicyagent.org/docs/policy-language#strings>).
fn string(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Text on one line: what could end the line, or turn the reading direction, is a blank.
fn line(value: &str) -> String {
    let breaks = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
            || ('\u{202a}'..='\u{202e}').contains(&character)
            || ('\u{2066}'..='\u{2069}').contains(&character)
    };
    value.replace(breaks, " ")
}

#[cfg(test)]
mod tests;
