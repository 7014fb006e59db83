//! Rules of one metric: its value as a series, and an alert for each threshold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::definitions::metric::{AlertRule, Direction, Metric, Severity, Status};
use crate::model::duration;
use crate::promql::ast::Expr;

use super::expression::number;
use super::rule_file::{Rule, camel, plain};

/// The series of a metric's value.
const VALUE: &str = "outrigger_metric_value";
/// How long a threshold must be broken where no rule of the metric says it.
const DEFAULT_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Records the value under the metric's identifier.
pub(super) fn value(metric: &Metric, expr: &Expr) -> Rule {
    let id = metric.metric_id.clone();
    Rule::record(VALUE, expr.to_string(), [("metric_id", id)])
}

/// Picks the recorded value. Identifiers are letters, digits, `_` and `-`: they need no escape.
pub(super) fn recorded(metric_id: &str) -> String {
    format!("{VALUE}{{metric_id=\"{metric_id}\"}}")
}

/// An alert for each threshold; or why there is none.
pub(super) fn alerts(metric: &Metric) -> Result<Vec<Rule>, &'static str> {
    match metric.governance.status {
        Status::Active => {}
        Status::Draft => return Err("it is a draft; alerts begin when its status is active"),
        Status::Deprecated => return Err("it is deprecated; its alerts have ended"),
    }
    let limits = &metric.targets_and_alerts;
    let mut alerts = vec![alert(
        metric,
        Severity::Critical,
        limits.critical_threshold.0,
    )];
    // One threshold for both: the critical alert says it all.
    if limits.warning_threshold != limits.critical_threshold {
        alerts.push(alert(metric, Severity::Warning, limits.warning_threshold.0));
    }
    Ok(alerts)
}

fn alert(metric: &Metric, severity: Severity, threshold: f64) -> Rule {
    let (sign, side, suffix) = match metric.definition.expected_direction {
        Direction::Increase => ('<', "below", "Low"),
        Direction::Decrease => ('>', "above", "High"),
    };
    let id = &metric.metric_id;
    let (level, threshold) = (severity.as_str(), number(threshold));
    let of_level = |rule: &&AlertRule| rule.severity == severity;
    let rule = metric.targets_and_alerts.alert_rules.iter().find(of_level);
    let held = rule.and_then(|rule| window(&rule.evaluation_window));
    let mut labels = owner_labels(metric);
    labels.insert("severity", level.to_owned());
    let mut annotations = links(metric);
    let unit = plain(&metric.definition.unit);
    annotations.insert(
        "summary",
        format!(
            "{} is at {{{{ $value | printf \"%.6g\" }}}} ({unit}), {side} its {level} threshold of {threshold}",
            plain(&metric.name)
        ),
    );
    let target = number(metric.targets_and_alerts.target_value.0);
    annotations.insert(
        "description",
        format!(
            "{} Value: {{{{ $value | printf \"%.6g\" }}}}, {level} threshold: {threshold}, target: {target} ({unit}). {}",
            plain(&metric.description),
            plain(&metric.alignment.why_it_matters)
        ),
    );
    if let Some(rule) = rule {
        annotations.insert("notify_channels", plain(&rule.notify_channels.join(", ")));
    }
    Rule {
        // The same name for both levels: what inhibits by name and severity works as it does for other alerts.
        alert: Some(format!("{}{suffix}", camel(id))),
        expr: format!("{} {sign} {threshold}", recorded(id)),
        pending_for: Some(duration::format(held.unwrap_or(DEFAULT_WINDOW))),
        labels,
        annotations,
        ..Rule::default()
    }
}

/// Whose a metric is, as labels.
pub(super) fn owner_labels(metric: &Metric) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("metric_id", metric.metric_id.clone()),
        ("owner_team", plain(&metric.governance.owner_team)),
        ("tier", metric.tier.as_str().to_owned()),
        ("business_domain", plain(&metric.business_domain)),
    ])
}

/// Where to read on.
pub(super) fn links(metric: &Metric) -> BTreeMap<&'static str, String> {
    let mut links = BTreeMap::new();
    if let Some(playbook) = metric.operational_usage.linked_playbooks.first() {
        links.insert("runbook_url", plain(&playbook.url));
    }
    if let Some(dashboard) = metric.visualization.dashboard_locations.first() {
        links.insert("dashboard_url", plain(&dashboard.url));
    }
    links
}

/// How long a span in words is: `5m`, `15_minutes`, `1 hour`. `None` for what names no span, such as `per_build`, and for
/// what is a rhythm rather than a span, such as `weekly`.
fn window(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(duration) = duration::parse(text) {
        return Some(duration).filter(|duration| !duration.is_zero());
    }
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let seconds = match unit
        .trim_matches([' ', '_', '-'])
        .to_ascii_lowercase()
        .as_str()
    {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    let seconds = count.parse::<u64>().ok()?.checked_mul(seconds)?;
    // Longer than a year is a slip of the pen.
    (1..=366 * 86_400)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::testing::{expand, metric};
    use serde_json::json;

    #[test]
    fn windows_are_read_as_people_write_them() {
        let check = |text: &str, want: Option<u64>| {
            assert_eq!(window(text).map(|window| window.as_secs()), want, "{text}");
        };
        check("5m", Some(300));
        check("1h30m", Some(5_400));
        check("5_minutes", Some(300));
        check("15 Minutes", Some(900));
        check("1 hour", Some(3_600));
        check("2d", Some(172_800));
        for none in [
            "weekly",
            "per_build",
            "0m",
            "0 minutes",
            "9999999999999999999 days",
            "500 days",
            "",
            "5",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn each_threshold_is_an_alert_in_the_direction_that_is_worse() {
        let check = |change: fn(&mut serde_json::Value), want: &[(&str, &str, &str, &str)]| {
            let rules = alerts(&metric(change)).unwrap();
            let found: Vec<(&str, &str, &str, &str)> = rules
                .iter()
                .map(|rule| {
                    (
                        rule.alert.as_deref().unwrap(),
                        &*rule.labels["severity"],
                        &*rule.expr,
                        rule.pending_for.as_deref().unwrap(),
                    )
                })
                .collect();
            assert_eq!(found, want);
        };
        let value = "outrigger_metric_value{metric_id=\"CHECKOUT-SUCCESS\"}";
        let (critical, warning) = (format!("{value} < 0.99"), format!("{value} < 0.995"));
        check(
            |_| (),
            &[
                ("CheckoutSuccessLow", "critical", &critical, "5m"),
                ("CheckoutSuccessLow", "warning", &warning, "5m"),
            ],
        );
        let (critical, warning) = (format!("{value} > 0.99"), format!("{value} > -2"));
        check(
            |metric| {
                metric["definition"]["expected_direction"] = json!("decrease");
                metric["targets_and_alerts"]["warning_threshold"] = json!(-2);
                metric["targets_and_alerts"]["alert_rules"][0]["evaluation_window"] =
                    json!("1 hour");
            },
            &[
                ("CheckoutSuccessHigh", "critical", &critical, "1h"),
                ("CheckoutSuccessHigh", "warning", &warning, "5m"),
            ],
        );
        let only = format!("{value} < 0.99");
        check(
            |metric| metric["targets_and_alerts"]["warning_threshold"] = json!(0.99),
            &[("CheckoutSuccessLow", "critical", &only, "5m")],
        );
        for status in ["draft", "deprecated"] {
            let metric = metric(|metric| metric["governance"]["status"] = json!(status));
            assert!(alerts(&metric).is_err(), "{status}");
        }
    }

    #[test]
    fn an_alert_says_whose_it_is_and_where_to_read_on() {
        let rule = &alerts(&metric(|_| ())).unwrap()[0];
        let labels: Vec<(&str, &str)> = rule
            .labels
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        assert_eq!(
            labels,
            [
                ("business_domain", "Shop"),
                ("metric_id", "CHECKOUT-SUCCESS"),
                ("owner_team", "shop"),
                ("severity", "critical"),
                ("tier", "Tier-1")
            ]
        );
        let told = |name: &str| expand(&rule.annotations[name], 0.95);
        assert_eq!(
            told("summary"),
            "Checkout success is at 0.95 (ratio), below its critical threshold of 0.99"
        );
        assert_eq!(told("runbook_url"), "https://runbooks.example.com/checkout");
        assert_eq!(told("dashboard_url"), "https://grafana.example.com/d/shop");
        assert_eq!(told("notify_channels"), "slack:#shop");
        assert!(
            told("description")
                .ends_with("target: 0.999 (ratio). A checkout that fails is an order lost.")
        );
    }
}
