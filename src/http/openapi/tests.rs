use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use axum::Router;

use super::*;
use crate::http::{auth, definitions};

/// Methods by path, as the router says when it is printed: axum has no other way to ask it.
fn routed(router: &Router<Arc<Context>>) -> BTreeMap<String, BTreeSet<String>> {
    const METHODS: [&str; 5] = ["get", "delete", "patch", "post", "put"];
    let printed = format!("{router:?}");
    let number = |text: &str| -> u32 {
        let digits = text.split(')').next().unwrap();
        digits
            .parse()
            .unwrap_or_else(|_| panic!("no route: {text}"))
    };
    let (routes, paths) = printed.split_once("paths: {").unwrap();
    // Behind them is what answers for other paths.
    let (paths, _) = paths.split_once("fallback").unwrap();
    let paths: BTreeMap<u32, String> = paths
        .split("RouteId(")
        .skip(1)
        .map(|entry| (number(entry), entry.split('"').nth(1).unwrap().to_owned()))
        .collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in routes.split("RouteId(").skip(1) {
        let Some((_, router)) = entry.split_once("MethodRouter {") else {
            continue;
        };
        let methods = METHODS.into_iter().filter(|method| {
            let (_, handler) = router.split_once(&format!(" {method}: ")).unwrap();
            !handler.starts_with("None")
        });
        let path = paths[&number(entry)].trim_end_matches('/').to_owned();
        found
            .entry(path)
            .or_default()
            .extend(methods.map(str::to_owned));
    }
    found
}

fn documented(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |path: &Value| path.as_object().unwrap().keys().cloned().collect();
    paths
        .iter()
        .map(|(path, operations)| (path.clone(), methods(operations)))
        .collect()
}

#[test]
fn every_route_is_documented_and_every_documented_one_is_routed() {
    let mut routed = routed(&definitions::bare().merge(auth::router()));
    assert!(routed.len() > 40, "{routed:?}");
    let below = |base: &str| -> BTreeMap<String, BTreeSet<String>> {
        routed
            .iter()
            .filter_map(|(path, methods)| {
                Some((path.strip_prefix(base)?.to_owned(), methods.clone()))
            })
            .collect()
    };
    assert_eq!(below("/api/auth/"), below("/api/v1/auth/"));
    // Those are said to be the same; pages are for people; what is gone takes any method, and says why.
    routed.retain(|path, methods| {
        !path.starts_with("/api/v1/auth/")
            && !matches!(path.as_str(), "/login" | "/logout")
            && !methods.is_empty()
    });
    assert_eq!(documented(&document(true)), routed);
}

#[test]
fn operations_have_names_of_their_own_and_refer_to_what_is_there() {
    let document = document(true);
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{method} {path}: {name} is taken");
            let parameters = operation["parameters"].as_array();
            let in_path = parameters.map_or(0, |all| {
                all.iter().filter(|one| one["in"] == "path").count()
            });
            assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.keys().any(|status| status.starts_with('2')),
                "{path}"
            );
        }
    }
    check_references(&document, &document);
}

fn check_references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let place = reference.strip_prefix('#').unwrap();
                assert!(
                    document.pointer(place).is_some(),
                    "{reference} is not there"
                );
            }
            for member in members.values() {
                check_references(member, document);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| check_references(item, document)),
        _ => {}
    }
}

#[test]
fn what_is_asked_of_a_caller_is_what_the_path_asks() {
    let document = document(true);
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    let some = json!([{"bearer": []}, {"apiKey": []}]);
    let any = json!([{}, {"bearer": []}, {"apiKey": []}]);
    assert_eq!(security("/api/v1/metrics", "get"), any);
    assert_eq!(security("/api/v1/metrics", "post"), some);
    assert_eq!(security("/api/auth/login", "post"), json!([]));
    assert_eq!(security("/api/auth/me", "get"), some);
    let audit = &document["paths"]["/api/v1/audit"]["get"];
    let asked = audit["description"].as_str().unwrap();
    assert!(asked.contains("role admin"), "{asked}");
}

#[test]
fn schemas_say_what_the_rules_say() {
    let document = document(true);
    let schemas = &document["components"]["schemas"];
    let (new, stored) = (&schemas["MetricNew"], &schemas["Metric"]);
    assert_eq!(
        new["properties"]["name"],
        json!({"type": "string", "minLength": 1, "maxLength": 200, "description": "Its name."})
    );
    assert_eq!(
        new["properties"]["tier"]["enum"],
        json!(["Tier-1", "Tier-2", "Tier-3"])
    );
    let requires = |schema: &Value, field: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|all| all.iter().any(|name| name == field))
    };
    assert!(requires(new, "metric_id") && !requires(new, "tags"));
    assert!(requires(stored, "tags") && !requires(stored, "telemetry"));
    let change = &schemas["MetricChange"];
    assert!(change["required"].is_null());
    assert!(requires(&change["properties"]["governance"], "status"));
}

#[test]
fn accounts_are_documented_where_they_are() {
    let paths = documented(&document(false));
    assert!(paths.keys().all(|path| !path.contains("auth")), "{paths:?}");
}

/// The file stands in the repository so that changes of the API show in reviews, and clients can be made of it.
#[test]
fn the_document_in_the_repository_is_current() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let kept = std::fs::read_to_string(place).unwrap_or_default();
    let current = format!("{:#}\n", document(true));
    assert!(
        kept == current,
        "docs/openapi.json is not current; write it with: cargo run -- definitions openapi > docs/openapi.json"
    );
}
