//! What was: old revisions, differences, restoring, the audit.

use serde_json::json;

use super::{metric, problem, start};
use crate::support::place::Place;

#[test]
fn old_revisions_are_read_compared_and_brought_back() {
    let place = Place::new();
    let api = start(&place);
    let path = "/api/v1/metrics/A";
    api.send("POST", "/api/v1/metrics", &metric("A"));
    api.send(
        "PATCH",
        path,
        &json!({"category": "X", "governance": {"owner_team": "payments"}}),
    );
    api.send("PATCH", path, &json!({"tags": ["checkout"]}));

    let old = api.get(&format!("{path}/history/1")).json()["data"].clone();
    assert_eq!(
        (&old["version"], &old["document"]["category"]),
        (&json!("1.0.0"), &metric("A")["category"])
    );
    let diff = api.get(&format!("{path}/history/diff?from=1&to=3")).json()["data"].clone();
    assert_eq!(
        diff["changes"],
        json!([
            {"field": "category", "change": "changed", "before": metric("A")["category"], "after": "X"},
            {"field": "tags[1]", "change": "removed", "before": "slo"},
            {"field": "governance.owner_team", "change": "changed",
                "before": metric("A")["governance"]["owner_team"], "after": "payments"},
        ]),
        "{diff}"
    );
    let last = api.get(&format!("{path}/history/diff")).json()["data"].clone();
    assert_eq!(
        (&last["from"]["revision"], &last["to"]["revision"]),
        (&json!(2), &json!(3))
    );

    let back = api.send("POST", &format!("{path}/restore"), &json!({"revision": 1}));
    assert_eq!(
        (back.status, back.header("etag")),
        (200, Some("\"4\"")),
        "{back:?}"
    );
    let data = back.json()["data"].clone();
    assert_eq!(
        (&data["category"], &data["metadata"]["version"]),
        (&metric("A")["category"], &json!("3.0.0"))
    );
    let newest = api.get(&format!("{path}/history?limit=1")).json()["data"][0].clone();
    assert_eq!(newest["changes_summary"], "Restored revision 1");
    let again = api.send("POST", &format!("{path}/restore"), &json!({"revision": 1}));
    assert_eq!(again.header("etag"), Some("\"4\""), "nothing changed");

    let stale = [super::JSON, ("if-match", "\"1\"")];
    problem(
        &api.ask(
            "POST",
            &format!("{path}/restore"),
            &stale,
            "{\"revision\":2}",
        ),
        412,
        "RES_STALE",
    );
    problem(
        &api.send("POST", &format!("{path}/restore"), &json!({"revision": 9})),
        404,
        "RES_NOT_FOUND",
    );
    problem(
        &api.send(
            "POST",
            &format!("{path}/restore"),
            &json!({"revision": "x"}),
        ),
        400,
        "VAL_PARAMETER",
    );
    problem(&api.get(&format!("{path}/history/9")), 404, "RES_NOT_FOUND");
    problem(&api.get(&format!("{path}/history/x")), 400, "VAL_PARAMETER");

    // Also what was removed comes back, as it was last, and goes on counting.
    assert_eq!(api.ask("DELETE", path, &[], "").status, 200);
    problem(
        &api.send("POST", &format!("{path}/restore"), &json!({"revision": 5})),
        404,
        "RES_NOT_FOUND",
    );
    let back = api.ask("POST", &format!("{path}/restore"), &[], "");
    assert_eq!(
        (back.status, back.header("etag")),
        (200, Some("\"6\"")),
        "{back:?}"
    );
    assert_eq!(back.json()["data"]["metadata"]["version"], "3.0.0");
    assert_eq!(api.get(path).json()["data"], back.json()["data"]);
    let nothing = api.send("POST", "/api/v1/metrics/NONE/restore", &json!({}));
    assert_eq!(
        (nothing.status, &nothing.json()["error"]),
        (404, &json!("Metric not found"))
    );

    let audit = |query: &str| api.get(&format!("/api/v1/audit?{query}")).json();
    let all = audit("target=A");
    let actions: Vec<&str> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["create", "delete", "update", "update", "update", "create"]
    );
    assert_eq!(
        (&all["data"][0]["actor"], &all["data"][0]["source"]),
        (&json!("anonymous"), &json!("api"))
    );
    let mut next = Some("limit=2".to_owned());
    let mut seen = 0;
    while let Some(query) = next {
        let page = audit(&query);
        seen += page["data"].as_array().unwrap().len();
        next = page["pagination"]["next_cursor"]
            .as_str()
            .map(|next| format!("limit=2&cursor={next}"));
    }
    assert_eq!(seen, 6);
    assert_eq!(audit("action=delete&kind=metric")["pagination"]["total"], 1);
    assert_eq!(
        audit("until=2020-01-01T00:00:00Z")["pagination"]["total"],
        0
    );
    problem(
        &api.get("/api/v1/audit?since=yesterday"),
        400,
        "VAL_PARAMETER",
    );
    problem(&api.get("/api/v1/audit?cursor=x"), 400, "VAL_PARAMETER");
}
