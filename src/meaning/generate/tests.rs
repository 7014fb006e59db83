use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::document::diagnostics::Diagnostics;
use crate::meaning::testing::{metric, objective};
use crate::rules::file::{self, GroupSpec, RuleKind};

fn resources(
    of_metric: impl FnOnce(&mut Value),
    of_objective: impl FnOnce(&mut Value),
) -> [Resource; 2] {
    [
        Resource::Objective(Box::new(objective(of_objective))),
        Resource::Metric(Box::new(metric(of_metric))),
    ]
}

/// What our own rules make of it; nothing may be found wrong or odd with it.
#[track_caller]
fn loaded(generated: &Generated) -> Vec<GroupSpec> {
    let text = generated.to_yaml().unwrap();
    let diagnostics = Diagnostics::default();
    let groups = file::read("made.yml", &text, Duration::from_secs(15), &diagnostics);
    let warnings = diagnostics.take_warnings();
    let mistakes = diagnostics.into_sorted();
    assert!(
        mistakes.is_empty() && warnings.is_empty(),
        "{mistakes:?} {warnings:?}\n{text}"
    );
    groups
}

#[test]
fn thresholds_and_budgets_become_rules_that_load() {
    let generated = generate(&resources(|_| (), |_| ()), Scope::Alerts);
    assert_eq!(generated.left_out, []);
    let groups = loaded(&generated);
    let rules: Vec<(&str, &str, &str)> = groups
        .iter()
        .flat_map(|group| {
            group
                .rules
                .iter()
                .map(|rule| (&*group.name, &*rule.name, &*rule.query))
        })
        .collect();
    let value = "outrigger_metric_value{metric_id=\"CHECKOUT-SUCCESS\"}";
    let ids = "{kr_id=\"KR-1\",metric_id=\"CHECKOUT-SUCCESS\",objective_id=\"OBJ-SHOP\"}";
    let errors = |window: &str| {
        format!(
            "1 - (sum(rate(orders_paid_total[{window}]))) / (sum(rate(checkouts_total[{window}])))"
        )
    };
    let burn = |long: &str, short: &str, threshold: &str| {
        let over = |window: &str| format!("outrigger:slo_errors:ratio_{window}{ids} > {threshold}");
        format!("{} and {}", over(long), over(short))
    };
    let (shop, goal) = ("metrics: Shop", "objective: OBJ-SHOP");
    let mut want = vec![
        (
            shop,
            "outrigger_metric_value".to_owned(),
            "sum(rate(orders_paid_total[5m])) / sum(rate(checkouts_total[5m]))".to_owned(),
        ),
        (
            shop,
            "CheckoutSuccessLow".to_owned(),
            format!("{value} < 0.99"),
        ),
        (
            shop,
            "CheckoutSuccessLow".to_owned(),
            format!("{value} < 0.995"),
        ),
        (
            goal,
            "outrigger_key_result_progress".to_owned(),
            format!("clamp((min({value}) - (0.98)) / (0.999 - (0.98)), 0, 1)"),
        ),
        (
            goal,
            "outrigger_objective_progress".to_owned(),
            "avg(outrigger_key_result_progress{objective_id=\"OBJ-SHOP\"})".to_owned(),
        ),
    ];
    for window in ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] {
        want.push((
            goal,
            format!("outrigger:slo_errors:ratio_{window}"),
            errors(window),
        ));
    }
    for (long, short, threshold) in [
        ("1h", "5m", "0.0144"),
        ("6h", "30m", "0.006"),
        ("1d", "2h", "0.003"),
        ("3d", "6h", "0.001"),
    ] {
        want.push((
            goal,
            "ObjShopBudgetBurn".to_owned(),
            burn(long, short, threshold),
        ));
    }
    let want: Vec<(&str, &str, &str)> = want
        .iter()
        .map(|(group, name, query)| (*group, &**name, &**query))
        .collect();
    assert_eq!(rules, want);
}

#[test]
fn the_same_definitions_give_the_same_bytes_in_any_order() {
    let mut both = resources(|_| (), |_| ());
    let text = generate(&both, Scope::Alerts).to_yaml().unwrap();
    both.reverse();
    assert_eq!(generate(&both, Scope::Alerts).to_yaml().unwrap(), text);
}

#[test]
fn without_alerts_only_values_and_progress_are_recorded() {
    let groups = loaded(&generate(&resources(|_| (), |_| ()), Scope::Values));
    let rules: Vec<_> = groups.iter().flat_map(|group| &group.rules).collect();
    assert!(rules.iter().all(|rule| rule.kind == RuleKind::Recording));
    assert_eq!(rules.len(), 3);
}

#[test]
fn what_cannot_become_a_rule_is_named_with_its_reason() {
    let check = |of_metric: fn(&mut Value), of_objective: fn(&mut Value), want: &[&str]| {
        let generated = generate(&resources(of_metric, of_objective), Scope::Alerts);
        loaded(&generated);
        let found: Vec<String> = generated
            .left_out
            .iter()
            .map(|left_out| format!("{}: {}", left_out.what, left_out.why))
            .collect();
        assert_eq!(found.len(), want.len(), "{found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.starts_with(want), "{found}\n{want}");
        }
    };
    let none: fn(&mut Value) = |_| ();
    check(
        |metric| metric["telemetry"]["value"] = json!("up[5m]"),
        none,
        &["metric CHECKOUT-SUCCESS: telemetry.value: the expression is a range vector"],
    );
    check(
        |metric| metric["governance"]["status"] = json!("draft"),
        none,
        &["metric CHECKOUT-SUCCESS, alerts: it is a draft"],
    );
    check(
        none,
        |objective| objective["key_results"][0]["target_value"] = json!(99.9),
        &["objective OBJ-SHOP, key result KR-1: its target 99.9 is not a ratio"],
    );
    check(
        none,
        |objective| objective["status"] = json!("completed"),
        &["objective OBJ-SHOP, key result KR-1: it is completed"],
    );
    // Nothing is missing here: there is nothing to make rules of.
    check(
        |metric| {
            metric.as_object_mut().unwrap().remove("telemetry");
        },
        none,
        &[],
    );
    check(
        none,
        |objective| objective["status"] = json!("cancelled"),
        &[],
    );
}

#[test]
fn budgets_follow_the_direction_and_never_ask_for_more_than_all() {
    let check = |direction: &str, (target, unit): (f64, &str), want: &[&str]| {
        let both = resources(
            |_| (),
            |objective| {
                objective["key_results"][0]["direction"] = json!(direction);
                objective["key_results"][0]["target_value"] = json!(target);
                objective["key_results"][0]["unit"] = json!(unit);
            },
        );
        let groups = loaded(&generate(&both, Scope::Alerts));
        let burns: Vec<String> = groups[1]
            .rules
            .iter()
            .filter(|rule| rule.name == "ObjShopBudgetBurn")
            .map(|rule| rule.query.rsplit(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(burns, want, "{direction} {target} {unit}");
    };
    let of_one_in_a_hundred = ["0.144", "0.06", "0.03", "0.01"];
    check("increase", (0.9, "ratio"), &["0.6", "0.3", "0.1"]);
    check("decrease", (0.01, "ratio"), &of_one_in_a_hundred);
    check("increase", (0.5, "ratio"), &["0.5"]);
    for unit in ["%", "percent", " Percentage "] {
        check("increase", (99.0, unit), &of_one_in_a_hundred);
        check("decrease", (1.0, unit), &of_one_in_a_hundred);
        check(
            "increase",
            (99.9, unit),
            &["0.0144", "0.006", "0.003", "0.001"],
        );
    }
    check("increase", (99.0, "points"), &[]);
    check("increase", (100.0, "%"), &[]);
    // A ratio, mistaken for percent.
    check("increase", (0.999, "%"), &[]);
}

#[test]
fn no_text_of_a_definition_becomes_a_rule_a_template_or_a_comment() {
    const HOSTILE: &str =
        "x\"]}\n- alert: Evil\n  expr: vector(1)\n'{{ query \"up\" }} # $labels \u{2028}{";
    let both = resources(
        |metric| {
            for field in ["name", "description", "business_domain"] {
                metric[field] = json!(HOSTILE);
            }
            metric["governance"]["owner_team"] = json!(HOSTILE);
            metric["definition"]["unit"] = json!(HOSTILE);
            metric["alignment"]["why_it_matters"] = json!(HOSTILE);
            metric["targets_and_alerts"]["alert_rules"][0]["notify_channels"] = json!([HOSTILE]);
            metric["targets_and_alerts"]["alert_rules"][0]["evaluation_window"] = json!(HOSTILE);
            // A comment at its end would swallow the comparison behind it.
            metric["telemetry"]["value"] = json!("up # {{ $x }}\n");
            metric["telemetry"]["numerator"] = json!("bad + # \"]\n");
        },
        |objective| {
            objective["name"] = json!(HOSTILE);
            objective["owner_team"] = json!(HOSTILE);
            objective["key_results"][0]["name"] = json!(HOSTILE);
            objective["key_results"][0]["description"] = json!(HOSTILE);
        },
    );
    let generated = generate(&both, Scope::Alerts);
    let groups = loaded(&generated);
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0].name, format!("metrics: {HOSTILE}"));
    let names: Vec<&str> = groups[0].rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(
        names,
        [
            "outrigger_metric_value",
            "CheckoutSuccessLow",
            "CheckoutSuccessLow"
        ]
    );
    let RuleKind::Alerting { annotations, .. } = &groups[0].rules[1].kind else {
        panic!("no alert");
    };
    for (name, text) in annotations.iter().chain(&groups[0].rules[1].labels) {
        let told = crate::meaning::testing::expand(text, 0.5);
        let hostile = matches!(
            &**name,
            "summary" | "description" | "owner_team" | "business_domain" | "notify_channels"
        );
        assert_eq!(told.contains(HOSTILE), hostile, "{name}: {told}");
    }
}
