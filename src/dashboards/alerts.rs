//! What alerting rules say to panels: thresholds out of their expressions, links to their runbooks and expressions.
//!
//! A threshold is written once, in the rule. `comparison` takes the rule's expression apart; what it is compared with becomes
//! a step of the panel's colours. A rule that compares with another series has no number and gives links alone.

use std::time::Duration;

use crate::document::diagnostics::Diagnostics;
use crate::promql::ast::BinaryOp;
use crate::promql::comparison::readings;
use crate::rules::file::{self, RuleKind, RuleSpec};

use super::model::{Link, Step, Thresholds};

/// Grafana's colours.
pub const GOOD: &str = "green";
/// Of what is neither good nor bad.
pub const NOTE: &str = "blue";
/// Of warnings.
pub const WARN: &str = "orange";
/// Of what is critical.
pub const BAD: &str = "red";

/// A step lies at or above its value; what is bad from zero on, zero not included, begins here.
const JUST_ABOVE_ZERO: f64 = 1e-9;

/// What panels can be told of alerting rules.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    rules: Vec<AlertRule>,
}

/// What a panel can be told of one alerting rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// The alert's name.
    pub name: String,
    /// Its label `severity`; empty where it has none.
    pub severity: String,
    /// The expression as people write it.
    pub expression: String,
    /// The last part of its runbook's address, where it names one of ours.
    pub runbook: Option<String>,
    /// The first number that it compares with, and how.
    pub threshold: Option<(BinaryOp, f64)>,
}

/// What a panel takes from an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertUse {
    /// The alert's name.
    pub alert: &'static str,
    /// One severity of it, where others judge something else.
    pub severity: Option<&'static str>,
    /// What is taken.
    pub as_what: As,
}

/// What is taken from an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Links, and thresholds on the same values.
    Threshold,
    /// Links, and thresholds on one minus these values.
    Complement,
    /// Links alone: the panel shows something near it.
    Link,
}

impl Alerts {
    /// The shipped rules.
    pub fn shipped() -> Self {
        let diagnostics = Diagnostics::default();
        let mut rules = Vec::new();
        for (name, text) in crate::embedded::rules() {
            for group in file::read(name, text, Duration::from_secs(60), &diagnostics) {
                rules.extend(group.rules.iter().filter_map(AlertRule::of));
            }
        }
        Self { rules }
    }

    /// The rules that a panel means.
    pub fn of(&self, wanted: &AlertUse) -> impl Iterator<Item = &AlertRule> {
        self.rules.iter().filter(move |rule| {
            rule.name == wanted.alert
                && wanted
                    .severity
                    .is_none_or(|severity| severity == rule.severity)
        })
    }

    /// Colours by the thresholds of alerts; all good where none has one.
    pub fn thresholds(&self, uses: &[AlertUse]) -> Thresholds {
        let mut bounds: Vec<(BinaryOp, f64, &'static str)> = Vec::new();
        for wanted in uses {
            for rule in self.of(wanted) {
                let Some((op, level)) = rule.threshold else {
                    continue;
                };
                match wanted.as_what {
                    As::Threshold => bounds.push((op, level, rule.colour())),
                    As::Complement => bounds.push((mirrored(op), 1.0 - level, rule.colour())),
                    As::Link => {}
                }
            }
        }
        Thresholds {
            mode: "absolute",
            steps: steps(&bounds),
        }
    }

    /// Links to the runbooks and expressions of alerts.
    pub fn links(&self, uses: &[AlertUse]) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for rule in uses.iter().flat_map(|wanted| self.of(wanted)) {
            if let Some(slug) = &rule.runbook {
                let url = format!("${{outrigger}}/runbooks/{slug}");
                if links.iter().all(|link| link.url != url) {
                    let tooltip = format!("What to do when {} fires", rule.name);
                    links.push(link(format!("Runbook: {}", rule.name), tooltip, url));
                }
            }
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("g0.expr", &rule.expression)
                .finish();
            let title = if rule.severity.is_empty() {
                format!("Rule: {}", rule.name)
            } else {
                format!("Rule: {} ({})", rule.name, rule.severity)
            };
            let tooltip = "The expression of the alert and what it yields now".to_owned();
            links.push(link(
                title,
                tooltip,
                format!("${{outrigger}}/graph?{query}"),
            ));
        }
        links
    }
}

impl AlertRule {
    fn of(rule: &RuleSpec) -> Option<Self> {
        let RuleKind::Alerting { annotations, .. } = &rule.kind else {
            return None;
        };
        let value = |pairs: &[(String, String)], name: &str| {
            let pair = pairs.iter().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.clone())
        };
        let runbook = value(annotations, "runbook_url")
            .and_then(|url| Some(url.rsplit_once("/runbooks/")?.1.to_owned()));
        let threshold = readings(&rule.expr).iter().find_map(|reading| {
            let threshold = reading.threshold.as_ref()?;
            Some((threshold.op, threshold.number()?))
        });
        Some(Self {
            name: rule.name.clone(),
            severity: value(&rule.labels, "severity").unwrap_or_default(),
            expression: rule.query.clone(),
            runbook,
            threshold,
        })
    }

    fn colour(&self) -> &'static str {
        match self.severity.as_str() {
            "critical" | "page" | "error" => BAD,
            "info" | "none" => NOTE,
            _ => WARN,
        }
    }
}

pub(super) fn link(title: String, tooltip: String, url: String) -> Link {
    Link {
        title,
        kind: "link",
        icon: "external link",
        tooltip,
        url,
        tags: Vec::new(),
        as_dropdown: false,
        target_blank: true,
        include_vars: false,
        keep_time: false,
    }
}

/// The comparison of one minus the values.
fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        other => other,
    }
}

/// The colours along the axis. Bounds that look down are bad below their value, those that look up at and above it.
fn steps(bounds: &[(BinaryOp, f64, &'static str)]) -> Vec<Step> {
    let mut below: Vec<(f64, &'static str)> = Vec::new();
    let mut above: Vec<(f64, &'static str)> = Vec::new();
    for (op, level, colour) in bounds {
        match op {
            BinaryOp::Lt | BinaryOp::Le => below.push((*level, colour)),
            BinaryOp::Gt if *level == 0.0 => above.push((JUST_ABOVE_ZERO, colour)),
            BinaryOp::Gt | BinaryOp::Ge => above.push((*level, colour)),
            // Of something that is 0 or 1, or counts: bad where it is nothing, or bad where it is one.
            BinaryOp::Eq if *level == 0.0 => below.push((JUST_ABOVE_ZERO, colour)),
            BinaryOp::Eq => above.push((*level, colour)),
            _ => {}
        }
    }
    below.sort_by(|left, right| left.0.total_cmp(&right.0));
    above.sort_by(|left, right| left.0.total_cmp(&right.0));
    let first = below.first().map_or(GOOD, |(_, colour)| colour);
    let mut steps = vec![Step {
        color: first,
        value: None,
    }];
    for (position, (level, _)) in below.iter().enumerate() {
        steps.push(Step {
            color: below.get(position + 1).map_or(GOOD, |(_, colour)| colour),
            value: Some(*level),
        });
    }
    steps.extend(above.iter().map(|(level, colour)| Step {
        color: colour,
        value: Some(*level),
    }));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(alert: &'static str, severity: Option<&'static str>, as_what: As) -> String {
        let uses = [AlertUse {
            alert,
            severity,
            as_what,
        }];
        let text = |step: &Step| match step.value {
            Some(value) => format!("{value} {}", step.color),
            None => step.color.to_owned(),
        };
        let steps = Alerts::shipped().thresholds(&uses).steps;
        steps.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn thresholds_are_those_of_the_shipped_rules() {
        let check = |alert, severity, as_what, want: &str| {
            assert_eq!(thresholds(alert, severity, as_what), want, "{alert}");
        };
        check("HighErrorRate", None, As::Threshold, "green, 0.05 red");
        check("HighErrorRate", None, As::Complement, "red, 0.95 green");
        check("HighErrorRate", None, As::Link, "green");
        check(
            "LowCacheHitRate",
            None,
            As::Threshold,
            "red, 0.5 orange, 0.75 green",
        );
        check(
            "APIInstanceDown",
            None,
            As::Threshold,
            "red, 0.000000001 green",
        );
        check("StorageDegraded", None, As::Threshold, "green, 1 red");
        check(
            "RuleFailing",
            None,
            As::Threshold,
            "green, 0.000000001 orange",
        );
        check(
            "SeriesLimitReached",
            Some("warning"),
            As::Threshold,
            "green, 0.9 orange",
        );
        check("UnusualDomainActivity", None, As::Threshold, "green");
        check("NoSuchAlert", None, As::Threshold, "green");
    }

    #[test]
    fn links_lead_to_the_runbook_once_and_to_each_rule() {
        let uses = [AlertUse {
            alert: "LowCacheHitRate",
            severity: None,
            as_what: As::Threshold,
        }];
        let links = Alerts::shipped().links(&uses);
        let titles: Vec<&str> = links.iter().map(|link| link.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "Runbook: LowCacheHitRate",
                "Rule: LowCacheHitRate (critical)",
                "Rule: LowCacheHitRate (warning)"
            ]
        );
        assert_eq!(links[0].url, "${outrigger}/runbooks/low-cache-hit-rate");
        assert_eq!(
            links[1].url,
            "${outrigger}/graph?g0.expr=instance%3Acache_hits%3Aratio_rate5m+%3C+0.5"
        );
    }
}
