//! What stands around definitions: reports, figures, files that hold them, webhooks that are told of them.

use serde_json::{Value, json};

use super::{Api, metric, problem, start};
use crate::support::http;
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_for};

fn start_with(place: &Place) -> Api {
    Api(Outrigger::start(
        place.path(),
        &["--config", "outrigger.yml", "--data", "data"],
    ))
}

#[test]
fn an_objective_is_reported_and_figures_are_kept() {
    let place = Place::new();
    let api = start(&place);
    let objective = json!({
        "objective_id": "O", "name": "Fast <b>", "description": "d", "owner_team": "shop",
        "timeframe": {"start": "2026-01-01", "end": "2027-01-01"},
        "key_results": [{"kr_id": "K", "name": "n", "description": "d", "target_value": 100, "baseline_value": 200,
            "current_value": 150, "unit": "ms", "direction": "decrease", "metric_ids": ["A", "NONE"]}]
    });
    let catalog = json!({"metrics": [metric("A")], "objectives": [objective]});
    assert_eq!(api.send("POST", "/api/v1/import", &catalog).status, 200);
    let path = "/api/v1/objectives/O/report";
    let text = api.get(path);
    assert_eq!(
        text.header("content-type"),
        Some("text/markdown; charset=utf-8")
    );
    assert!(
        text.body
            .contains("| 200 | 150 | 100 ms | decrease | 50 % |"),
        "{}",
        text.body
    );
    assert!(text.body.contains("- NONE: not defined"), "{}", text.body);
    let page = api.get(&format!("{path}?format=html"));
    assert!(
        page.body.contains("Fast &#60;b&#62;") && page.body.contains("<td>50 %</td>"),
        "{}",
        page.body
    );
    let browser = api.ask("GET", path, &[("accept", "text/html,*/*;q=0.8")], "");
    assert!(
        browser
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    problem(
        &api.get(&format!("{path}?format=docx")),
        400,
        "VAL_PARAMETER",
    );
    problem(
        &api.get("/api/v1/objectives/NONE/report"),
        404,
        "RES_NOT_FOUND",
    );

    let root = api.get("/api/v1").json();
    assert_eq!(
        (&root["version"], &root["endpoints"]["metrics"]),
        (&json!("v1"), &json!("/api/v1/metrics"))
    );
    let figures = api.get("/api/v1/stats/performance").json()["data"].clone();
    assert!(
        figures["queries"]["totalQueries"].as_u64().unwrap() >= 6,
        "{figures}"
    );
    let patterns = api.get("/api/v1/stats/performance/patterns").json()["data"].clone();
    let known = |pattern: &Value| pattern["pattern"] == "GET /api/v1/objectives/{id}/report";
    assert!(patterns.as_array().unwrap().iter().any(known), "{patterns}");
    assert!(
        api.get("/api/v1/stats/performance/slow-queries?limit=5")
            .json()["data"]
            .is_array()
    );
    problem(
        &api.get("/api/v1/stats/performance/slow-queries?limit=0"),
        400,
        "VAL_PARAMETER",
    );
    let older = api.get("/api/performance/stats").json()["data"].clone();
    assert!(
        older["performance"]["totalRequests"].is_u64() && older["uptime"].is_string(),
        "{older}"
    );
}

#[test]
fn a_directory_of_definitions_is_read_only_and_follows_its_files() {
    let place = Place::new();
    place.write(
        "outrigger.yml",
        "scrape_configs: []\ndefinitions:\n  directory: meaning\n",
    );
    place.write(
        "meaning/shop.yml",
        "domains:\n- {domain_id: SHOP, name: Shop}\n- {domain_id: CART, name: Cart}\n",
    );
    let api = start_with(&place);
    let name = |api: &Api| api.get("/api/v1/domains/SHOP").json()["data"]["name"].clone();
    assert_eq!(name(&api), "Shop");
    for (method, path, body) in [
        ("PUT", "/api/v1/domains/SHOP", json!({"name": "Other"})),
        ("DELETE", "/api/v1/domains/SHOP", json!({})),
        (
            "PATCH",
            "/api/v1/bulk/domains",
            json!([{"domain_id": "SHOP", "name": "Other"}]),
        ),
        (
            "POST",
            "/api/v1/import",
            json!({"domain_id": "SHOP", "name": "Other"}),
        ),
    ] {
        let refused = api.send(method, path, &body);
        problem(&refused, 409, "BIZ_READ_ONLY");
        assert!(refused.body.contains("shop.yml"), "{refused:?}");
    }
    // What is not in a file is written as ever, and what is the same is no change.
    assert_eq!(
        api.send(
            "POST",
            "/api/v1/domains",
            &json!({"domain_id": "OWN", "name": "Own"})
        )
        .status,
        201
    );
    assert_eq!(
        api.send("PUT", "/api/v1/domains/SHOP", &json!({"name": "Shop"}))
            .status,
        200
    );

    place.replace(
        "meaning/shop.yml",
        "domains:\n- {domain_id: SHOP, name: Store}\n",
    );
    wait_for("the file to be read again", PATIENCE, || {
        (name(&api) == "Store" && api.get("/api/v1/domains/CART").status == 404).then_some(())
    });
    let history = api.get("/api/v1/domains/SHOP/history").json()["data"].clone();
    assert_eq!(history[0]["changed_by"], "outrigger");
    assert_eq!(api.get("/api/v1/domains/OWN").status, 200);

    // A mistake keeps all as it was, and is told with its place.
    place.replace(
        "meaning/shop.yml",
        "domains:\n- domain_id: SHOP\n  name: Broken\n  status: odd\n",
    );
    let refused = http::post(&api.0.address(), "/-/reload", "").unwrap();
    assert_ne!(refused.status, 200, "{refused:?}");
    assert!(refused.body.contains("shop.yml:4:3"), "{refused:?}");
    assert_eq!(name(&api), "Store");
    let checked = run_to_end(place.path(), &["check", "--config", "outrigger.yml"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned()
        + &String::from_utf8_lossy(&checked.stdout);
    assert!(
        !checked.status.success() && said.contains("shop.yml:4:3"),
        "{said}"
    );

    // Without the directory its definitions stay, and can be changed.
    place.replace("outrigger.yml", "scrape_configs: []\n");
    assert_eq!(
        http::post(&api.0.address(), "/-/reload", "")
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        api.send("PUT", "/api/v1/domains/SHOP", &json!({"name": "Mine"}))
            .status,
        200
    );
}

#[test]
fn a_webhook_is_told_of_each_change_in_its_order_also_after_failures() {
    let place = Place::new();
    let recorder = Recorder::start();
    recorder.reply(Reply::text(503, "not now"));
    place.write("hook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let settings = format!(
        "scrape_configs: []\ndefinitions:\n  webhooks:\n  - name: catalog\n    url: {}\n    secret_file: hook.secret\n    events: [create, delete]\n",
        recorder.url("/hook")
    );
    place.write("outrigger.yml", &settings);
    let api = start_with(&place);
    // A new webhook is told of what comes, once it has its place.
    wait_for("the webhook's first look", PATIENCE, || {
        api.send("POST", "/api/v1/metrics", &metric("FIRST"));
        api.ask("DELETE", "/api/v1/metrics/FIRST", &[], "");
        (!recorder.messages().is_empty()).then_some(())
    });
    api.send("POST", "/api/v1/metrics", &metric("A"));
    api.send("PATCH", "/api/v1/metrics/A", &json!({"tags": []}));
    api.ask("DELETE", "/api/v1/metrics/A", &[], "");
    wait_for("a second attempt", PATIENCE, || {
        (recorder.messages().len() >= 2).then_some(())
    });
    let failed = recorder.messages();
    assert_eq!(
        failed[0].header("webhook-id"),
        failed[1].header("webhook-id")
    );
    recorder.reply(Reply::text(200, "ok"));
    let of_a = || -> Vec<Value> {
        let all = recorder.accepted("/hook");
        all.into_iter()
            .filter(|event| event["data"]["id"] == "A")
            .collect()
    };
    wait_for("both changes of A", PATIENCE, || {
        (of_a().len() == 2).then_some(())
    });
    let told = of_a();
    assert_eq!(
        (&told[0]["type"], &told[1]["type"]),
        (&json!("metric.created"), &json!("metric.deleted"))
    );
    assert_eq!(told[0]["data"]["document"]["metric_id"], "A");
    assert_eq!(
        (&told[1]["data"]["revision"], &told[1]["data"]["document"]),
        (&json!(3), &json!(null))
    );
    let last = recorder.messages().pop().unwrap();
    assert!(
        last.header("webhook-signature").unwrap().starts_with("v1,"),
        "{last:?}"
    );
    assert!(
        last.header("webhook-timestamp")
            .unwrap()
            .parse::<i64>()
            .is_ok(),
        "{last:?}"
    );
    let metrics = api.get("/metrics").body;
    for outcome in ["delivered", "failed"] {
        let line = format!(
            "outrigger_definition_webhook_events_total{{webhook=\"catalog\",outcome=\"{outcome}\"}}"
        );
        assert!(metrics.contains(&line), "{line}");
    }
    assert!(!metrics.contains("MfKQ9r8G") && !api.0.log().contains("MfKQ9r8G"));
}
