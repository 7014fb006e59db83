//! What definitions mean for the rest, as people meet it: rules made of them, alerts that know their owners, live values.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::peers::{peer, succeed};
use crate::support::place::Place;
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

const JSON: (&str, &str) = ("content-type", "application/json");

fn metric() -> Value {
    serde_json::from_str(include_str!("../data/definitions/metric.json")).unwrap()
}

fn objective() -> Value {
    json!({
        "objective_id": "OBJ-SHOP",
        "name": "A checkout that works",
        "description": "Nobody loses a cart.",
        "timeframe": {"start": "2026-01-01T00:00:00.000Z", "end": "2099-01-01T00:00:00.000Z"},
        "owner_team": "shop",
        "status": "active",
        "key_results": [{
            "kr_id": "KR-1",
            "name": "Success at 99.9 %",
            "description": "From nothing.",
            "target_value": 0.999,
            "baseline_value": 0,
            "unit": "ratio",
            "direction": "increase",
            "metric_ids": ["CHECKOUT-SUCCESS"]
        }, {
            "kr_id": "KR-2",
            "name": "Complaints halved",
            "description": "From 10 a week.",
            "target_value": 5,
            "baseline_value": 10,
            "current_value": 6,
            "unit": "complaints",
            "direction": "decrease",
            "metric_ids": ["COMPLAINTS"]
        }]
    })
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = run_to_end(directory, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}{complained}");
    said
}

#[test]
fn rules_of_definitions_are_taken_by_promtool_and_do_what_they_say() {
    let place = Place::new();
    let catalog = json!({"metrics": [metric()], "objectives": [objective()]});
    place.write("catalog.json", &catalog.to_string());
    let data = ["--data", "data"];
    let run = |what: &[&str]| succeeds(place.path(), &[what, &data].concat());
    run(&["definitions", "import", "catalog.json"]);
    let made = ["definitions", "rules", "--out", "made.yml"];
    assert!(run(&made).contains("written to made.yml"));
    assert!(run(&[&made[..], &["--check"]].concat()).contains("up to date"));
    let text = std::fs::read_to_string(place.join("made.yml")).unwrap();
    assert_eq!(run(&["definitions", "rules"]), text);

    let told = |severity: &str, threshold: &str, more: Value| {
        let mut annotations = json!({
            "summary": format!("Checkout success is at 0.98 (ratio), below its {severity} threshold of {threshold}"),
            "description": format!(
                "Share of checkouts that end with a paid order. Value: 0.98, {severity} threshold: {threshold}, \
                 target: 0.999 (ratio). A checkout that fails is an order lost."
            ),
            "runbook_url": "https://runbooks.example.com/checkout",
            "dashboard_url": "https://grafana.example.com/d/shop",
        });
        let more = more.as_object().unwrap().clone();
        annotations.as_object_mut().unwrap().extend(more);
        json!({
            "exp_labels": {
                "severity": severity, "metric_id": "CHECKOUT-SUCCESS", "owner_team": "shop",
                "tier": "Tier-1", "business_domain": "Shop"
            },
            "exp_annotations": annotations,
        })
    };
    let burns = [
        ("1h", "critical"),
        ("6h", "critical"),
        ("1d", "warning"),
        ("3d", "warning"),
    ];
    let burns: Vec<Value> = burns
        .into_iter()
        .map(|(window, severity)| {
            json!({"labels": format!("{{severity=\"{severity}\", window=\"{window}\"}}"), "value": 1})
        })
        .collect();
    let tests = json!({
        "rule_files": ["made.yml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                {"series": "orders_paid_total", "values": "0+98x120"},
                {"series": "checkouts_total", "values": "0+100x120"},
            ],
            "alert_rule_test": [{
                "eval_time": "30m",
                "alertname": "CheckoutSuccessLow",
                "exp_alerts": [
                    told("critical", "0.99", json!({"notify_channels": "slack:#shop"})),
                    told("warning", "0.995", json!({})),
                ],
            }, {"eval_time": "3m", "alertname": "CheckoutSuccessLow", "exp_alerts": []}],
            "promql_expr_test": [{
                "expr": "count by (severity, window) (ALERTS{alertname=\"ObjShopBudgetBurn\", owner_team=\"shop\", alertstate=\"firing\"})",
                "eval_time": "90m",
                "exp_samples": burns,
            }],
        }, {
            "interval": "1m",
            "input_series": [
                {"series": "orders_paid_total", "values": "0+1000x120"},
                {"series": "checkouts_total", "values": "0+1000x120"},
            ],
            "promql_expr_test": [
                {"expr": "ALERTS", "eval_time": "90m"},
                {
                    "expr": "outrigger_objective_progress",
                    "eval_time": "90m",
                    "exp_samples": [{"labels": "outrigger_objective_progress{objective_id=\"OBJ-SHOP\"}", "value": 0.9}],
                },
            ],
        }],
    });
    place.write("tests.yml", &tests.to_string());
    let said = succeeds(place.path(), &["test", "rules", "tests.yml"]);
    assert!(said.contains("SUCCESS"), "{said}");
    let name = "rules_of_definitions_are_taken_by_promtool_and_do_what_they_say";
    let Some(promtool) = peer(name, "promtool") else {
        return;
    };
    succeed(&promtool, &["check", "rules", "made.yml"], place.path());
    succeed(&promtool, &["test", "rules", "tests.yml"], place.path());

    place.write("made.yml", &format!("{text}# by hand\n"));
    let stale = run_to_end(place.path(), &[&made[..], &["--check"], &data].concat());
    assert_eq!(stale.status.code(), Some(2));
}

fn ask(outrigger: &Outrigger, method: &str, path: &str, body: &Value) -> Answer {
    http::request(
        &outrigger.address(),
        method,
        path,
        &[JSON],
        &body.to_string(),
    )
    .unwrap()
}

/// The metric, broken at once, of two gauges.
fn live_metric() -> Value {
    let mut metric = metric();
    metric["telemetry"] = json!({"value": "paid / checkouts", "families": ["checkouts"]});
    metric["targets_and_alerts"]["alert_rules"][0]["evaluation_window"] = json!("1s");
    metric
}

#[test]
fn a_definition_with_thresholds_fires_and_is_routed_to_its_owner() {
    let scene = Scene::new(
        "paid 50\ncheckouts 100\n",
        "  - {alert: TooFew, expr: checkouts < 1000, labels: {severity: info, tier: mine}}\n",
    );
    scene.settings("definitions: {rules: true}\n");
    let (hook, shop) = (scene.recorder.url("/hook"), scene.recorder.url("/shop"));
    scene.place.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: hook, group_by: [alertname, severity], group_wait: 0s, group_interval: 1s, repeat_interval: 1h, \
             routes: [{{receiver: shop, matchers: [owner_team=shop]}}]}}\n\
             receivers:\n- {{name: hook, webhook_configs: [{{url: '{hook}'}}]}}\n- {{name: shop, webhook_configs: [{{url: '{shop}'}}]}}\n"
        ),
    );
    let outrigger = scene.start();
    let made = ask(&outrigger, "POST", "/api/v1/metrics", &live_metric());
    assert_eq!(made.status, 201, "{made:?}");
    let alert_told = |what: &str, name: &str, status: &str| {
        wait_for(what, PATIENCE, || {
            scene
                .recorder
                .accepted("/shop")
                .into_iter()
                .find_map(|message| {
                    let alerts = message["alerts"].as_array()?.clone();
                    alerts.into_iter().find(|alert| {
                        alert["labels"]["alertname"] == name && alert["status"] == status
                    })
                })
        })
    };
    let alert = alert_told("the owner to be told", "CheckoutSuccessLow", "firing");
    assert_eq!(alert["labels"]["severity"], "critical", "{alert}");
    assert_eq!(alert["annotations"]["notify_channels"], "slack:#shop");
    assert_eq!(
        alert["annotations"]["summary"],
        "Checkout success is at 0.5 (ratio), below its critical threshold of 0.99"
    );

    // A rule that only reads what the definition speaks of.
    let alert = alert_told("a rule's alert to reach the owner", "TooFew", "firing");
    assert_eq!(alert["labels"]["metric_id"], "CHECKOUT-SUCCESS", "{alert}");
    assert_eq!(alert["labels"]["tier"], "mine", "what a rule says stays");
    assert_eq!(
        alert["annotations"]["runbook_url"],
        "https://runbooks.example.com/checkout"
    );

    // And one that another Prometheus sends.
    let link = "http://prometheus:9090/graph?g0.expr=rate%28checkouts%5B5m%5D%29+%3E+1&g0.tab=1";
    let posted = json!([{"labels": {"alertname": "Posted"}, "generatorURL": link}]);
    assert_eq!(
        ask(&outrigger, "POST", "/api/v2/alerts", &posted).status,
        200
    );
    let alert = alert_told("a posted alert to reach the owner", "Posted", "firing");
    assert_eq!(alert["labels"]["business_domain"], "Shop", "{alert}");

    let rules = outrigger.get("/api/v1/rules/generated");
    assert_eq!(rules.header("content-type"), Some("application/yaml"));
    assert!(
        rules.body.contains("alert: CheckoutSuccessLow"),
        "{}",
        rules.body
    );
    let metrics = outrigger.get("/metrics").body;
    assert!(
        metrics.contains("outrigger_metric_definition_info{metric_id=\"CHECKOUT-SUCCESS\",name=\"Checkout success\",tier=\"Tier-1\",business_domain=\"Shop\",owner_team=\"shop\",unit=\"ratio\",family=\"paid\"} 1"),
        "{metrics}"
    );

    // A definition that changes changes its rules.
    let relaxed =
        json!({"targets_and_alerts": {"critical_threshold": 0.1, "warning_threshold": 0.1}});
    let changed = ask(
        &outrigger,
        "PATCH",
        "/api/v1/metrics/CHECKOUT-SUCCESS",
        &relaxed,
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    alert_told("the end to be told", "CheckoutSuccessLow", "resolved");
}

#[test]
fn values_and_progress_are_live() {
    let scene = Scene::new(
        "paid 50\ncheckouts 100\n",
        "  - {record: r, expr: vector(1)}\n",
    );
    let outrigger = scene.start();
    let path = "/api/v1/metrics/CHECKOUT-SUCCESS/value";
    assert_eq!(outrigger.get(path).status, 404);
    ask(&outrigger, "POST", "/api/v1/metrics", &live_metric());
    ask(&outrigger, "POST", "/api/v1/objectives", &objective());
    outrigger.wait_for_value("checkouts", 100.0);
    let value = outrigger.get(&format!("{path}?range=1m&step=1s")).json();
    let data = &value["data"];
    assert_eq!(data["value"], 0.5, "{value}");
    assert_eq!(
        (&data["verdict"], &data["unit"]),
        (&json!("critical"), &json!("ratio"))
    );
    assert_eq!(data["expression"], "paid / checkouts");
    assert!(data["history"]["series"][0]["values"].is_array(), "{value}");

    let progress = outrigger.get("/api/v1/objectives/OBJ-SHOP/progress").json();
    let data = &progress["data"];
    let first = &data["key_results"][0];
    assert_eq!(
        (&first["current_value"], &first["source"]),
        (&json!(0.5), &json!("telemetry"))
    );
    let second = &data["key_results"][1];
    assert_eq!(
        (&second["progress"], &second["source"]),
        (&json!(0.8), &json!("stored"))
    );
    let mean = (0.5 / 0.999 + 0.8) / 2.0;
    assert!(
        (data["progress"].as_f64().unwrap() - mean).abs() < 1e-9,
        "{progress}"
    );
    assert_eq!(
        (&data["verdict"], &data["on_track"]),
        (&json!("on_track"), &json!(true))
    );
    // The same as series, which only alerts need a setting for.
    outrigger.wait_for_value(
        "outrigger_metric_value{metric_id=\"CHECKOUT-SUCCESS\"}",
        0.5,
    );
    wait_until("progress to be recorded", PATIENCE, || {
        let recorded = outrigger.value("outrigger_objective_progress{objective_id=\"OBJ-SHOP\"}");
        recorded.is_some_and(|recorded| (recorded - mean).abs() < 1e-9)
    });
    assert!(outrigger.alerts("CheckoutSuccessLow").is_empty());

    scene.service.expose("paid 1000\ncheckouts 1000\n");
    wait_until("the value to follow", PATIENCE, || {
        outrigger.get(path).json()["data"]["verdict"] == "ok"
    });

    let refused = |telemetry: Value, status: u16, code: &str| {
        let changed = ask(
            &outrigger,
            "PUT",
            "/api/v1/metrics/CHECKOUT-SUCCESS",
            &json!({"telemetry": telemetry}),
        );
        assert_eq!(changed.status, 200, "{changed:?}");
        let answer = outrigger.get(path);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
        body
    };
    let body = refused(
        json!({"value": "label_replace(up, \"a\", \"b\", \"c\", \"(\")"}),
        422,
        "BIZ_EXPRESSION",
    );
    assert!(body["error"]["details"]["reason"].is_string(), "{body}");
    refused(json!({"value": "checkouts[5m]"}), 422, "BIZ_EXPRESSION");
    refused(json!({"families": ["checkouts"]}), 404, "RES_NO_TELEMETRY");
    let wrong = outrigger.get(&format!("{path}?range=0s"));
    assert_eq!(wrong.status, 400);
    let progress = outrigger.get("/api/v1/objectives/OBJ-SHOP/progress").json();
    assert_eq!(
        progress["data"]["key_results"][0]["verdict"], "unknown",
        "{progress}"
    );
}
