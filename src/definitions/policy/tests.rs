//! Policies run by a real engine of Rego.

use std::io::Read as _;

use flate2::read::GzDecoder;
use regorus::{Engine, Value};
use serde_json::json;

use super::*;
use crate::definitions::resource::Kind;
use crate::definitions::testing;

fn metric(change: impl FnOnce(&mut Metric)) -> Metric {
    let mut metric: Metric = serde_json::from_value(testing::full(Kind::Metric)).unwrap();
    change(&mut metric);
    metric
}

/// What a rule of a metric's policy is for an input; `null` where it is undefined.
fn ask(metric: &Metric, rule: &str, input: serde_json::Value) -> serde_json::Value {
    let module = module(metric, &Names::of([metric.metric_id.as_str()]));
    let mut engine = Engine::new();
    engine
        .add_policy(format!("{}.rego", module.name), module.text.clone())
        .unwrap_or_else(|error| panic!("{error}\n{}", module.text));
    engine.set_input(Value::from_json_str(&input.to_string()).unwrap());
    let value = engine
        .eval_rule(format!("data.{}.{rule}", module.package))
        .unwrap_or_else(|error| panic!("{error}\n{}", module.text));
    if value == Value::Undefined {
        return serde_json::Value::Null;
    }
    serde_json::from_str(&value.to_json_str().unwrap()).unwrap()
}

fn input(value: impl Into<serde_json::Value>, user: serde_json::Value) -> serde_json::Value {
    json!({"metric_id": "CHECKOUT-SUCCESS", "value": value.into(), "user": user})
}

#[test]
fn an_owner_with_a_value_within_the_critical_threshold_is_allowed() {
    let metric = metric(|_| {});
    let team = json!({"id": "mallory", "team": "shop"});
    for (value, user, allowed) in [
        (json!(0.999), json!({"id": "ada"}), true),
        (json!(0.99), json!({"id": "grace"}), true),
        (json!(1), team.clone(), true),
        (json!(0.989), team.clone(), false),
        (json!("1"), team.clone(), false),
        (json!(null), team, false),
        (json!(1), json!({"id": "mallory", "team": "sales"}), false),
        (json!(1), json!({}), false),
    ] {
        let input = input(value, user);
        assert_eq!(ask(&metric, "allow", input.clone()), allowed, "{input}");
    }
    let other = json!({"metric_id": "OTHER", "value": 1, "user": {"id": "ada"}});
    assert_eq!(ask(&metric, "allow", other), false);
    assert_eq!(ask(&metric, "allow", json!({})), false);
}

#[test]
fn thresholds_are_read_in_the_direction_that_is_better() {
    let limits = |direction, warning, critical| {
        metric(|metric| {
            metric.definition.expected_direction = direction;
            metric.targets_and_alerts.warning_threshold = Number(warning);
            metric.targets_and_alerts.critical_threshold = Number(critical);
        })
    };
    let more = limits(Direction::Increase, 0.995, 0.99);
    let less = limits(Direction::Decrease, -1.5, 20.0);
    for (metric, value, within, level) in [
        (&more, 0.996, true, "ok"),
        (&more, 0.995, true, "ok"),
        (&more, 0.992, true, "warning"),
        (&more, 0.5, false, "critical"),
        (&less, -2.0, true, "ok"),
        (&less, 3.0, true, "warning"),
        (&less, 20.0, true, "warning"),
        (&less, 20.5, false, "critical"),
    ] {
        let input = input(value, json!({}));
        let expected = if within { json!(true) } else { json!(null) };
        assert_eq!(ask(metric, "validate_thresholds", input.clone()), expected);
        assert_eq!(ask(metric, "level", input), level, "{value}");
    }
}

#[test]
fn without_alert_rules_the_value_does_not_count() {
    let metric = metric(|metric| metric.targets_and_alerts.alert_rules.clear());
    assert_eq!(
        ask(&metric, "allow", input(0.1, json!({"id": "ada"}))),
        true
    );
    assert_eq!(
        ask(&metric, "allow", input(0.1, json!({"id": "eve"}))),
        false
    );
}

#[test]
fn what_speaks_against_it_is_said_in_words() {
    let metric = metric(|_| {});
    let none = ask(&metric, "reasons", input(1, json!({"id": "ada"})));
    assert_eq!(none, json!([]));
    let all = ask(&metric, "reasons", json!({}));
    assert_eq!(
        all,
        json!([
            "input.metric_id is not this metric",
            "input.user is no owner",
            "input.value is no number within the critical threshold",
        ])
    );
}

#[test]
fn no_text_of_a_definition_becomes_code() {
    for text in [
        "x\nallow := true",
        "x\r\nallow := true #",
        "x\u{2028}allow := true",
        "x\u{85}allow := true",
        "\"\nallow := true\n\"",
        "\\\" == \"\" } allow := true { \"",
        "`\nallow := true\n`",
        "{{ $x }} \u{202e} \0",
    ] {
        let metric = metric(|metric| {
            for field in [
                &mut metric.name,
                &mut metric.category,
                &mut metric.business_domain,
                &mut metric.governance.owner_team,
                &mut metric.governance.technical_owner,
                &mut metric.governance.business_owner,
            ] {
                text.clone_into(field);
            }
            metric.metadata.version = Some(text.to_owned());
        });
        let stranger = input(1, json!({"id": "eve", "team": "evil"}));
        assert_eq!(ask(&metric, "allow", stranger), false, "{text:?}");
        let owner = input(1, json!({ "id": text }));
        assert_eq!(ask(&metric, "allow", owner), true, "{text:?}");
    }
}

#[test]
fn every_identifier_makes_a_package_of_its_own() {
    let ids = ["A-B", "A_B", "A--B", "1st", "default", "_", "-", "in", "x"];
    let metrics: Vec<Metric> = ids
        .iter()
        .map(|id| metric(|metric| metric.metric_id = (*id).to_owned()))
        .collect();
    let modules = modules(&metrics);
    let mut engine = Engine::new();
    for module in &modules {
        engine
            .add_policy(format!("{}.rego", module.name), module.text.clone())
            .unwrap_or_else(|error| panic!("{error}\n{}", module.text));
    }
    let names: BTreeSet<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names.len(), ids.len());
    assert!(names.contains("A_B"));
    assert!(names.contains("A__B"));
    for module in &modules {
        let input = json!({"metric_id": module.metric_id, "value": 1, "user": {"id": "ada"}});
        engine.set_input(Value::from_json_str(&input.to_string()).unwrap());
        let allowed = engine.eval_rule(format!("data.{}.allow", module.package));
        assert_eq!(allowed.unwrap(), Value::from(true), "{}", module.metric_id);
    }
}

#[test]
fn a_bundle_holds_a_manifest_and_each_module_and_is_the_same_each_time() {
    let modules = modules(&[metric(|_| {})]);
    let packed = bundle(&modules, "g7").unwrap();
    assert_eq!(packed, bundle(&modules, "g7").unwrap());
    let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
    let files: Vec<(String, String)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (path, text)
        })
        .collect();
    let (manifest, policy) = (&files[0], &files[1]);
    assert_eq!(manifest.0, ".manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest.1).unwrap();
    assert_eq!(
        manifest,
        json!({"revision": "g7", "roots": ["metrics"], "rego_version": 1})
    );
    assert_eq!(policy.0, "metrics/CHECKOUT_SUCCESS.rego");
    assert_eq!(policy.1, modules[0].text);
    assert_eq!(files.len(), 2);
}
