use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::definitions::resource::{Kind as Resources, Resource};
use crate::definitions::testing::{CHECKS, full, read};

/// A resource with the value at a JSON pointer replaced, or removed for `None`.
fn with(kind: Resources, pointer: &str, value: Option<Value>) -> Value {
    let mut resource = full(kind);
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = resource.pointer_mut(parent).expect("a parent");
    match (parent, value) {
        (Value::Object(parent), Some(value)) => drop(parent.insert(name.to_owned(), value)),
        (Value::Object(parent), None) => drop(parent.shift_remove(name)),
        (Value::Array(parent), Some(value)) => parent[name.parse::<usize>().unwrap()] = value,
        (parent, value) => panic!("{parent} {value:?}"),
    }
    resource
}

fn findings(kind: Resources, value: &Value) -> Findings {
    let mut findings = Findings::default();
    let read = Resource::read(kind, value, CHECKS, &mut findings);
    assert_eq!(
        read.is_none(),
        !findings.mistakes.is_empty(),
        "{findings:?}"
    );
    findings
}

#[test]
fn a_full_resource_of_each_kind_passes_and_comes_back_as_it_was() {
    for kind in Resources::ALL {
        let given = full(kind);
        assert_eq!(findings(kind, &given), Findings::default(), "{kind:?}");
        assert_eq!(read(kind, &given).to_json(), given, "{kind:?}");
        let names: Vec<&str> = kind.fields().iter().map(|field| field.name).collect();
        let given: Vec<&String> = given.as_object().unwrap().keys().collect();
        assert_eq!(given, names, "the example has every field");
    }
}

#[test]
fn each_rule_is_told_with_its_field_and_kind() {
    use FindingKind::{Choice, Conflict, Format, Length, Missing, Type};
    let check = |kind, pointer: &str, value: Option<Value>, field: &str, want| {
        let shown = format!("{kind:?} {pointer} {value:?}");
        let found = findings(kind, &with(kind, pointer, value)).mistakes;
        let [mistake] = found.as_slice() else {
            panic!("{shown}: {found:#?}");
        };
        assert_eq!(
            (mistake.field.as_str(), mistake.kind),
            (field, want),
            "{shown}"
        );
        assert!(!mistake.remedy.is_empty(), "{shown}");
    };
    let metric =
        |pointer, value, field, want| check(Resources::Metric, pointer, value, field, want);
    metric("/metric_id", None, "metric_id", Missing);
    metric("/metric_id", Some(json!("a b")), "metric_id", Format);
    metric(
        "/metric_id",
        Some(json!("x".repeat(101))),
        "metric_id",
        Length,
    );
    metric("/name", Some(json!("  ")), "name", Length);
    metric("/name", Some(json!("x".repeat(201))), "name", Length);
    metric("/name", Some(json!(5)), "name", Type);
    metric("/name", Some(Value::Null), "name", Type);
    metric(
        "/description",
        Some(json!("x".repeat(2001))),
        "description",
        Length,
    );
    metric("/category", Some(json!("a\0b")), "category", Format);
    metric("/tier", Some(json!("Tier-4")), "tier", Choice);
    metric("/tier", Some(json!("tier-1")), "tier", Choice);
    metric(
        "/metric_type",
        Some(json!("business")),
        "metric_type",
        Choice,
    );
    metric("/tags", Some(json!("a,b")), "tags", Type);
    metric("/tags", Some(json!(["a", ""])), "tags[1]", Length);
    metric("/tags", Some(json!(vec!["a"; 1001])), "tags", Length);
    metric("/alignment", Some(json!([])), "alignment", Type);
    metric(
        "/alignment/why_it_matters",
        None,
        "alignment.why_it_matters",
        Missing,
    );
    metric(
        "/alignment/primary_objective_ids",
        Some(json!(["A:B"])),
        "alignment.primary_objective_ids[0]",
        Format,
    );
    metric("/definition/unit", None, "definition.unit", Missing);
    metric(
        "/definition/numerator/event_name",
        None,
        "definition.numerator.event_name",
        Missing,
    );
    metric(
        "/definition/numerator/filters",
        Some(json!(["x"])),
        "definition.numerator.filters[0]",
        Type,
    );
    metric(
        "/definition/example_calculation",
        Some(json!({"a": "many"})),
        "definition.example_calculation.a",
        Type,
    );
    metric(
        "/data/primary_sources",
        Some(json!([])),
        "data.primary_sources",
        Length,
    );
    metric(
        "/data/time_grain",
        Some(json!([])),
        "data.time_grain",
        Length,
    );
    metric(
        "/governance/pii_involved",
        Some(json!("no")),
        "governance.pii_involved",
        Type,
    );
    metric(
        "/governance/created_at",
        Some(json!("soon")),
        "governance.created_at",
        Format,
    );
    metric(
        "/governance/created_at",
        Some(json!("2026-02-30")),
        "governance.created_at",
        Format,
    );
    metric(
        "/targets_and_alerts/target_value",
        Some(json!("nan")),
        "targets_and_alerts.target_value",
        Type,
    );
    metric(
        "/targets_and_alerts/alert_rules/0/notify_channels",
        Some(json!([])),
        "targets_and_alerts.alert_rules[0].notify_channels",
        Length,
    );
    metric(
        "/targets_and_alerts/alert_rules/0/severity",
        Some(json!("page")),
        "targets_and_alerts.alert_rules[0].severity",
        Choice,
    );
    for url in [
        "javascript:alert(1)",
        "ftp://a/b",
        "a/b",
        "https://u:p@example.com/",
    ] {
        metric(
            "/visualization/dashboard_locations/0/url",
            Some(json!(url)),
            "visualization.dashboard_locations[0].url",
            Format,
        );
    }
    metric(
        "/telemetry/value",
        Some(json!("a !! b")),
        "telemetry.value",
        Format,
    );
    metric("/telemetry/numerator", None, "telemetry", Conflict);
    metric(
        "/telemetry/families/0",
        Some(json!("0a")),
        "telemetry.families[0]",
        Format,
    );
    metric("/metadata/notes", Some(json!(1)), "metadata.notes", Type);
    let domain =
        |pointer, value, field, want| check(Resources::Domain, pointer, value, field, want);
    domain(
        "/domain_id",
        Some(json!("x".repeat(51))),
        "domain_id",
        Length,
    );
    domain("/name", None, "name", Missing);
    domain(
        "/contact_email",
        Some(json!("shop")),
        "contact_email",
        Format,
    );
    domain("/status", Some(json!("planning")), "status", Choice);
    domain("/tier_focus", Some(json!("Tier-1")), "tier_focus", Type);
    let objective =
        |pointer, value, field, want| check(Resources::Objective, pointer, value, field, want);
    objective(
        "/timeframe/end",
        Some(json!("2026-01-01")),
        "timeframe.end",
        Conflict,
    );
    objective("/status", Some(json!("planning")), "status", Choice);
    objective("/key_results", Some(json!([])), "key_results", Length);
    objective(
        "/key_results/0/kr_id",
        Some(json!("A:B")),
        "key_results[0].kr_id",
        Format,
    );
    objective(
        "/key_results/0/target_value",
        None,
        "key_results[0].target_value",
        Missing,
    );
    let twice = full(Resources::Objective)["key_results"][0].clone();
    let twice = Some(json!([twice, twice]));
    objective("/key_results", twice, "key_results[1].kr_id", Conflict);
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = findings(Resources::Metric, &json!({}));
    let required = Resources::Metric.fields().iter();
    let required = required.filter(|field| field.presence == Presence::Required);
    assert_eq!(found.mistakes.len(), required.count());
    let list = json!({"tags": vec![1; 1000]});
    let found = findings(Resources::Metric, &list);
    assert_eq!(found.mistakes.len(), MOST_TOLD);
    assert!(found.untold > 800, "{}", found.untold);
}

#[test]
fn what_is_meant_unmistakably_is_converted() {
    let check = |pointer: &str, given: Value, want: Value| {
        let metric = with(Resources::Metric, pointer, Some(given.clone()));
        let read = read(Resources::Metric, &metric).to_json();
        assert_eq!(read.pointer(pointer), Some(&want), "{pointer} {given}");
    };
    check("/name", json!("  Checkout "), json!("Checkout"));
    check("/targets_and_alerts/target_value", json!("5"), json!(5));
    check("/targets_and_alerts/target_value", json!(98.0), json!(98));
    check(
        "/targets_and_alerts/target_value",
        json!(" 0.25 "),
        json!(0.25),
    );
    check("/governance/pii_involved", json!("true"), json!(true));
    let day = json!("2026-11-20T00:00:00.000Z");
    for given in [
        "2026-11-20",
        "2026-11-20T00:00",
        "2026-11-20T01:00:00+01:00",
    ] {
        check("/governance/created_at", json!(given), day.clone());
    }
}

#[test]
fn what_is_absent_gets_its_default() {
    let mut metric = full(Resources::Metric);
    let members = metric.as_object_mut().unwrap();
    for name in ["tags", "dimensions", "metadata", "telemetry"] {
        members.shift_remove(name);
    }
    members["targets_and_alerts"]
        .as_object_mut()
        .unwrap()
        .shift_remove("alert_rules");
    let read_back = read(Resources::Metric, &metric).to_json();
    assert_eq!(read_back["tags"], json!([]));
    assert_eq!(read_back["targets_and_alerts"]["alert_rules"], json!([]));
    assert_eq!(
        read_back["metadata"],
        json!({"notes": "", "example_queries": [], "change_history": []})
    );
    assert!(read_back.get("telemetry").is_none());
    let objective = with(Resources::Objective, "/status", None);
    assert_eq!(
        read(Resources::Objective, &objective).to_json()["status"],
        "draft"
    );
}

#[test]
fn an_unknown_field_is_left_out_and_the_nearest_one_named() {
    let mut metric = full(Resources::Metric);
    metric["governance"]["owner_taem"] = json!("x");
    metric["targets_and_alerts"]["alert_rules"][0]["zzz"] = json!("x");
    let found = findings(Resources::Metric, &metric).warnings;
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "governance.owner_taem: is not known and is left out; did you mean owner_team?",
            "targets_and_alerts.alert_rules[0].zzz: is not known and is left out; remove it",
        ]
    );
    assert_eq!(
        read(Resources::Metric, &metric).to_json(),
        full(Resources::Metric)
    );
    let strict = Checks {
        strict: true,
        ..CHECKS
    };
    let mut found = Findings::default();
    assert_eq!(
        Resource::read(Resources::Metric, &metric, strict, &mut found),
        None
    );
    let told: Vec<String> = found.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[0],
        "governance.owner_taem: is not known; did you mean owner_team?"
    );
}

#[test]
fn values_of_secret_fields_stand_in_no_message() {
    let cases = [
        (Resources::Domain, "/contact_email"),
        (
            Resources::Metric,
            "/visualization/dashboard_locations/0/url",
        ),
        (
            Resources::Metric,
            "/operational_usage/linked_playbooks/0/url",
        ),
    ];
    for (kind, pointer) in cases {
        let found = findings(kind, &with(kind, pointer, Some(json!("hunter2 secret"))));
        assert_eq!(found.mistakes.len(), 1);
        assert!(
            !found.mistakes[0].to_string().contains("hunter2"),
            "{found:?}"
        );
    }
    const SECRET: &[Field] = &[Field {
        name: "password",
        ..super::super::schema::required(Kind::OneOf(&["a"])).secret()
    }];
    let mut found = Findings::default();
    object(
        SECRET,
        &json!({"password": "hunter2"}),
        "",
        CHECKS,
        &mut found,
    );
    assert!(
        !found.mistakes[0].to_string().contains("hunter2"),
        "{found:?}"
    );
}

#[test]
fn deep_and_long_things_are_refused() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"a": deep});
    }
    let found = findings(
        Resources::Domain,
        &with(Resources::Domain, "/metadata", Some(deep)),
    );
    assert_eq!(found.mistakes[0].kind, FindingKind::Length);
    let long = json!({"a".repeat(1 << 20): 1});
    let found = findings(Resources::Domain, &long);
    assert!(found.warnings[0].field.len() < 200);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-01-01")),
        Just(json!("Tier-2")),
        Just(json!("decrease")),
        Just(json!("7")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let path = format!("{at}/{name}");
        places(child, &path, found);
        found.push(path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands at any place: it is refused with a reason, or what is kept reads back as the same.
    #[test]
    fn what_is_exported_is_imported_unchanged(kind in 0..3_usize, place in any::<prop::sample::Index>(), value in any_json()) {
        let kind = Resources::ALL[kind];
        let mut found = Vec::new();
        places(&full(kind), "", &mut found);
        let pointer = place.get(&found);
        let given = with(kind, pointer, Some(value));
        let mut findings = Findings::default();
        if let Some(resource) = Resource::read(kind, &given, CHECKS, &mut findings) {
            let exported = resource.to_json();
            // Through text, as a file has it.
            let text = serde_json::to_string(&exported).unwrap();
            let again = serde_json::from_str(&text).unwrap();
            let mut second = Findings::default();
            let imported = Resource::read(kind, &again, CHECKS, &mut second);
            prop_assert_eq!(second, Findings::default());
            prop_assert_eq!(imported.map(|imported| imported.to_json()), Some(exported));
        } else {
            prop_assert!(!findings.mistakes.is_empty());
        }
    }
}
