//! Many definitions at once: bulk writes, imports, exports, searches, pages by cursor.

use serde_json::{Value, json};

use super::{Api, JSON, metric, problem, start};
use crate::support::place::Place;

fn ids(answer: &Value) -> Vec<&str> {
    let data = answer["data"].as_array().expect("a list");
    data.iter()
        .map(|entry| {
            entry["id"]
                .as_str()
                .or(entry["metric_id"].as_str())
                .unwrap()
        })
        .collect()
}

fn total(api: &Api) -> Value {
    api.get("/api/v1/metrics").json()["pagination"]["total"].clone()
}

#[test]
fn bulk_writes_are_all_or_nothing_unless_asked_otherwise() {
    let place = Place::new();
    let api = start(&place);
    let path = "/api/v1/bulk/metrics";
    let mut broken = metric("B");
    broken["tier"] = json!("Tier-9");
    let three = json!({"items": [metric("A"), broken, metric("A")]});
    let refused = api.send("POST", path, &three);
    problem(&refused, 400, "BIZ_REFUSED");
    let details = refused.json()["error"]["details"].clone();
    assert_eq!(
        (&details["created"], &details["refused"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(details["items"][1]["error"]["details"][0]["field"], "tier");
    assert_eq!(details["items"][2]["error"]["code"], "RES_EXISTS");
    assert_eq!(total(&api), 0, "one was refused");
    let partial = api.send("POST", &format!("{path}?atomic=false"), &three);
    assert_eq!(partial.status, 207, "{partial:?}");
    assert_eq!(partial.json()["data"]["items"][0]["outcome"], "created");
    assert_eq!(total(&api), 1);

    let tried = api.send(
        "POST",
        &format!("{path}?dry_run=true"),
        &json!([metric("C")]),
    );
    assert_eq!(
        (tried.status, &tried.json()["data"]["created"]),
        (200, &json!(1))
    );
    assert_eq!(total(&api), 1, "it was only tried");
    assert_eq!(api.send("POST", path, &json!([metric("C")])).status, 200);

    let stale = json!({"items": [{"metric_id": "A", "revision": 7, "category": "X"}]});
    problem(&api.send("PUT", path, &stale), 412, "RES_STALE");
    let fresh = json!({"items": [
        {"metric_id": "A", "revision": 1, "category": "X"},
        {"metric_id": "C", "tags": ["checkout", "slo"]},
    ]});
    let changed = api.send("PUT", path, &fresh).json()["data"].clone();
    assert_eq!(
        (&changed["updated"], &changed["unchanged"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(changed["items"][0]["version"], "2.0.0");
    let patched = json!([{"metric_id": "A", "governance": {"owner_team": "payments"}}]);
    assert_eq!(api.send("PATCH", path, &patched).status, 200);
    let data = api.get("/api/v1/metrics/A").json()["data"].clone();
    assert_eq!(
        (&data["category"], &data["governance"]["owner_team"]),
        (&json!("X"), &json!("payments"))
    );

    problem(
        &api.send("DELETE", path, &json!({"ids": ["A", "NONE"]})),
        404,
        "RES_NOT_FOUND",
    );
    assert_eq!(total(&api), 2);
    let gone = api.send("DELETE", path, &json!({"ids": ["A", "C"]}));
    assert_eq!(gone.json()["data"]["deleted"], 2);
    assert_eq!(total(&api), 0);

    for (body, code) in [
        ("{}", "VAL_MALFORMED"),
        ("[]", "VAL_MALFORMED"),
        ("[", "VAL_MALFORMED"),
    ] {
        problem(&api.ask("POST", path, &[JSON], body), 400, code);
    }
    let many: Vec<Value> = (0..1_001)
        .map(|i| json!({"metric_id": i.to_string()}))
        .collect();
    problem(&api.send("PATCH", path, &json!(many)), 400, "VAL_MALFORMED");
    problem(
        &api.send("POST", &format!("{path}?atomic=1"), &json!([{}])),
        400,
        "VAL_PARAMETER",
    );
}

#[test]
fn catalogs_come_in_and_go_out_over_http_unchanged() {
    let place = Place::new();
    let api = start(&place);
    let path = "/api/v1/import";
    let yaml = ("content-type", "application/yaml");
    let catalog = json!({
        "catalog_version": "1", "catalog_name": "x",
        "metrics": [metric("A"), metric("B")],
        "domains": [{"id": "SHOP", "name": "Shop", "owner": "shop@example.com"}],
        "objectives": [{
            "objective_id": "O", "title": "t", "description": "d", "owner": "shop",
            "start_date": "2026-01-01", "end_date": "2026-02-01",
            "key_results": [{"kr_id": "1", "description": "less", "target_value": 200, "current_value": 215,
                "unit": "ms", "metric_id": "A"}],
        }],
    });
    let tried = api
        .send("POST", &format!("{path}?dry_run=true"), &catalog)
        .json()["data"]
        .clone();
    assert_eq!(
        (&tried["type"], &tried["total"]),
        (&json!("mixed"), &json!(4)),
        "{tried}"
    );
    assert_eq!(total(&api), 0);
    let done = api.send("POST", path, &json!({"data": catalog}));
    let data = done.json()["data"].clone();
    let imported = json!({"metrics": 2, "domains": 1, "objectives": 1, "errors": []});
    assert_eq!((done.status, &data["imported"]), (200, &imported), "{data}");
    assert_eq!(data["items"][3]["place"], "objectives[0]");

    for format in ["json", "yaml"] {
        let out = api.get(&format!("/api/v1/export?format={format}"));
        assert!(out.header("content-disposition").unwrap().contains(format));
        let kind = if format == "json" { JSON } else { yaml };
        let again = api.ask("POST", path, &[kind], &out.body).json()["data"].clone();
        assert_eq!(again["unchanged"], 4, "{again}");
        assert_eq!(
            api.get(&format!("/api/v1/export?format={format}")).body,
            out.body
        );
    }
    let only = api.get("/api/v1/export?kind=domains,objectives").json();
    assert_eq!(
        (
            only["metrics"].as_array().unwrap().len(),
            only["domains"].as_array().unwrap().len()
        ),
        (0, 1)
    );
    problem(&api.get("/api/v1/export?kind=users"), 400, "VAL_PARAMETER");
    problem(&api.get("/api/v1/export?format=docx"), 400, "VAL_PARAMETER");

    // One bad item stops all, or itself alone.
    let text = "- {metric_id: A, name: Changed}\n- {nothing: known}\n";
    let refused = api.ask("POST", path, &[yaml], text);
    problem(&refused, 400, "VAL_FAILED");
    assert_eq!(refused.json()["error"]["details"]["refused"], 2);
    let mut changed = metric("A");
    changed["name"] = json!("Changed");
    let mixed = json!([changed, {"nothing": "known"}]);
    let partial = api.send("POST", &format!("{path}?atomic=false"), &mixed);
    assert_eq!(
        (partial.status, &partial.json()["data"]["updated"]),
        (207, &json!(1))
    );
    assert_eq!(
        api.get("/api/v1/metrics/A").json()["data"]["name"],
        "Changed"
    );

    let wrong = api.ask("POST", path, &[yaml], "metrics:\n  - {metric_id: A\n");
    problem(&wrong, 400, "VAL_MALFORMED");
    assert!(
        wrong.json()["error"]["details"][0]["line"].is_u64(),
        "{wrong:?}"
    );
    let bomb = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a,".repeat(1 << 20)
    );
    problem(&api.ask("POST", path, &[yaml], &bomb), 400, "VAL_MALFORMED");
    for (headers, body, status, code) in [
        (JSON, "{\"data\":null}", 400, "VAL_MALFORMED"),
        (JSON, "{}", 400, "VAL_FAILED"),
        (("content-type", "text/plain"), "x", 415, "VAL_CONTENT_TYPE"),
    ] {
        problem(&api.ask("POST", path, &[headers], body), status, code);
    }
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(17 << 20));
    problem(
        &api.ask("POST", path, &[JSON], &large),
        413,
        "VAL_BODY_TOO_LARGE",
    );
}

#[test]
fn cursors_show_each_definition_once_whatever_is_written_meanwhile() {
    let place = Place::new();
    let api = start(&place);
    let many: Vec<Value> = (0..25).map(|i| metric(&format!("M-{i:02}"))).collect();
    assert_eq!(
        api.send("POST", "/api/v1/bulk/metrics", &json!(many))
            .status,
        200
    );
    for sort in ["name", "-name", "updated_at", "category", "-owner_team"] {
        let mut path = format!("/api/v1/metrics?limit=7&sort={sort}");
        let mut seen: Vec<String> = Vec::new();
        loop {
            let answer = api.get(&path);
            let page = answer.json();
            seen.extend(ids(&page).iter().map(|id| (*id).to_owned()));
            // Somebody is faster before and behind the place.
            let before = api.send("POST", "/api/v1/metrics", &metric("A-NEW"));
            assert!(matches!(before.status, 201 | 409), "{before:?}");
            let Some(next) = page["pagination"]["next_cursor"].as_str() else {
                assert_eq!(page["pagination"]["hasNext"], false);
                break;
            };
            path = format!("/api/v1/metrics?limit=7&sort={sort}&cursor={next}");
            if seen.len() > 7 {
                let link = answer.header("link").unwrap();
                assert!(link.contains(&format!("cursor={next}")), "{link}");
            }
        }
        let mut kept: Vec<String> = seen.iter().filter(|id| *id != "A-NEW").cloned().collect();
        assert_eq!(kept.len(), 25, "{sort}: {seen:?}");
        kept.sort();
        kept.dedup();
        assert_eq!(kept.len(), 25, "{sort}: {seen:?}");
        assert_eq!(
            api.ask("DELETE", "/api/v1/metrics/A-NEW", &[], "").status,
            200
        );
    }
    let next = api.get("/api/v1/metrics?limit=2").json()["pagination"]["next_cursor"].clone();
    let next = next.as_str().unwrap();
    for wrong in [
        format!("cursor={next}&page=2"),
        format!("cursor={next}&sort=id"),
        "cursor=x".to_owned(),
    ] {
        problem(
            &api.get(&format!("/api/v1/metrics?{wrong}")),
            400,
            "VAL_PARAMETER",
        );
    }
}

#[test]
fn a_search_finds_all_kinds_the_best_first() {
    let place = Place::new();
    let api = start(&place);
    let mut other = metric("LATENCY");
    other["name"] = json!("Latency");
    other["description"] = json!("Of the checkout.");
    let catalog = json!({
        "metrics": [metric("CHECKOUT"), other],
        "domains": [{"domain_id": "SHOP", "name": "Checkout and cart"}],
    });
    assert_eq!(api.send("POST", "/api/v1/import", &catalog).status, 200);
    let found = api.get("/api/v1/search?q=Checkout").json();
    assert_eq!(ids(&found), ["CHECKOUT", "SHOP", "LATENCY"], "{found}");
    assert_eq!(found["data"][1]["url"], "/api/v1/domains/SHOP");
    assert_eq!(found["data"][2]["description"], "Of the checkout.");
    let page = api.get("/api/v1/search?q=checkout&limit=1&page=2").json();
    assert_eq!(
        (ids(&page), &page["pagination"]["total"]),
        (vec!["SHOP"], &json!(3))
    );
    assert_eq!(
        ids(&api.get("/api/v1/search?q=checkout&kind=domains").json()),
        ["SHOP"]
    );
    assert_eq!(ids(&api.get("/api/v1/search?q=nothing%25").json()), [""; 0]);
    problem(&api.get("/api/v1/search?q="), 400, "VAL_PARAMETER");
    problem(&api.get("/api/v1/search?q=a&q=b"), 400, "VAL_PARAMETER");
}
