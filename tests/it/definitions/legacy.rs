//! The older paths, as their clients use them.

use serde_json::json;

use super::{JSON, metric, problem, start};
use crate::support::http::Answer;
use crate::support::place::Place;

#[track_caller]
fn deprecated(answer: &Answer, successor: &str) {
    assert_eq!(
        answer.header("deprecation"),
        Some("@1795132800"),
        "{answer:?}"
    );
    assert_eq!(
        answer.header("sunset"),
        Some("Sat, 20 Nov 2027 00:00:00 GMT")
    );
    let link = format!("<{successor}>; rel=\"successor-version\"");
    assert_eq!(answer.header("link"), Some(link.as_str()));
}

#[test]
fn older_paths_work_and_name_their_successors() {
    let place = Place::new();
    let api = start(&place);
    let made = api.send("POST", "/api/metrics", &metric("A"));
    assert_eq!(made.status, 201, "{made:?}");
    deprecated(&made, "/api/v1/metrics");
    problem(
        &api.send("POST", "/api/metrics", &metric("A")),
        409,
        "RES_EXISTS",
    );
    let list = api.get("/api/metrics?limit=0&page=x&category=Latency&tags=slo&tags=checkout");
    deprecated(&list, "/api/v1/metrics");
    let list = api.get("/api/metrics").json();
    assert_eq!(
        (&list["count"], &list["data"][0]["metric_id"]),
        (&json!(1), &json!("A"))
    );
    let changed = api.send(
        "PUT",
        "/api/metrics/A",
        &json!({"metric_id": "A", "tags": ["x"]}),
    );
    assert_eq!(changed.json()["data"]["tags"], json!(["x"]));
    deprecated(&changed, "/api/v1/metrics/A");
    assert_eq!(
        api.get("/api/metrics/NONE").json()["error"],
        "Metric not found"
    );
    let stats = api.get("/api/stats").json()["data"].clone();
    assert_eq!(
        (&stats["total"], &stats["byTier"], &stats["byOwner"]),
        (&json!(1), &json!({"Tier-1": 1}), &json!({"ada": 1}))
    );
    let imported = api.send("POST", "/api/import", &json!({"data": [metric("B")]}));
    assert_eq!(
        imported.json()["data"]["imported"]["metrics"],
        1,
        "{imported:?}"
    );
    problem(
        &api.send("POST", "/api/import", &metric("C")),
        400,
        "VAL_MALFORMED",
    );
    problem(
        &api.ask("POST", "/api/import", &[JSON], "{}"),
        400,
        "VAL_MALFORMED",
    );
    let gone = api.ask("DELETE", "/api/metrics/A", &[], "");
    assert_eq!(gone.json()["message"], "Metric deleted successfully");
    deprecated(&gone, "/api/v1/metrics/A");
}

#[test]
fn a_save_replaces_the_whole_list_and_checks_each() {
    let place = Place::new();
    let api = start(&place);
    let objective = json!({
        "objective_id": "O", "name": "n", "description": "d", "owner_team": "shop",
        "timeframe": {"start": "2026-01-01", "end": "2026-02-01"},
        "key_results": [{"kr_id": "K", "name": "n", "description": "d", "target_value": 5,
            "baseline_value": 1, "unit": "x", "direction": "increase", "metric_ids": []}]
    });
    let (a, b) = (
        json!({"domain_id": "A", "name": "a"}),
        json!({"domain_id": "B", "name": "b"}),
    );
    for (kind, first, second) in [
        ("domains", json!([a, b]), json!([b])),
        ("objectives", json!([objective]), json!([])),
    ] {
        let path = format!("/api/{kind}/save");
        let saved = api.send("POST", &path, &json!({kind: first}));
        assert_eq!(
            (saved.status, &saved.json()["success"]),
            (200, &json!(true)),
            "{saved:?}"
        );
        deprecated(&saved, &format!("/api/v1/bulk/{kind}"));
        let broken = json!({kind: [{"name": "", "key_results": []}]});
        problem(&api.send("POST", &path, &broken), 400, "VAL_FAILED");
        problem(
            &api.send("POST", &path, &json!({kind: 5})),
            400,
            "VAL_MALFORMED",
        );
        let all = |path: &str| api.get(path).json()["data"].clone();
        assert_eq!(
            all(&format!("/api/{kind}")).as_array().map(Vec::len),
            first.as_array().map(Vec::len)
        );
        assert_eq!(api.send("POST", &path, &json!({kind: second})).status, 200);
        assert_eq!(
            all(&format!("/api/{kind}")).as_array().map(Vec::len),
            second.as_array().map(Vec::len)
        );
    }
    assert_eq!(api.ask("DELETE", "/api/domains/B", &[], "").status, 200);
    problem(
        &api.ask("DELETE", "/api/domains/B", &[], ""),
        404,
        "RES_NOT_FOUND",
    );
}

#[test]
fn what_is_no_more_says_why() {
    let place = Place::new();
    let api = start(&place);
    for path in [
        "/api/postgres/metrics",
        "/api/postgres/domains/save",
        "/api/database/test",
        "/api/storage/switch",
        "/api/storage/mode",
        "/api/export/objective/docx",
    ] {
        problem(
            &api.send("POST", path, &json!({"password": "hunter2"})),
            410,
            "BIZ_GONE",
        );
        problem(&api.get(path), 410, "BIZ_GONE");
    }
    problem(&api.get("/api/nowhere"), 404, "RES_NOT_FOUND");
    problem(
        &api.send("PATCH", "/api/v1/metrics", &json!({})),
        405,
        "VAL_METHOD",
    );
}

#[test]
fn older_paths_give_policies_as_text_and_by_file() {
    let place = Place::new();
    let api = start(&place);
    for id in ["A-1", "A_1"] {
        let made = api.send("POST", "/api/v1/metrics", &metric(id));
        assert_eq!(made.status, 201, "{made:?}");
    }
    let one = api.get("/api/metrics/A-1/policy");
    deprecated(&one, "/api/v1/metrics/A-1/policy");
    assert_eq!(
        (one.status, one.header("content-type")),
        (200, Some("text/plain; charset=utf-8"))
    );
    let newer = api.get("/api/v1/metrics/A-1/policy").json();
    assert_eq!(newer["data"]["policy"], json!(one.body));
    let all = api.get("/api/policies");
    deprecated(&all, "/api/v1/policies");
    let all = all.json();
    // Identifiers that look alike as names of files have one each.
    let files = all["data"].as_object().unwrap();
    assert_eq!((&all["count"], files.len()), (&json!(2), 2));
    assert!(files.keys().all(|name| name.ends_with(".rego")), "{all}");
    assert!(files.values().any(|text| *text == newer["data"]["policy"]));
    let missing = api.get("/api/metrics/NONE/policy");
    assert_eq!(
        (missing.status, &missing.json()["error"]),
        (404, &json!("Metric not found"))
    );
}
