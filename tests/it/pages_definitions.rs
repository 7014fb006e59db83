//! The pages of definitions and dashboards, through the running program.

use serde_json::{Value, json};

use crate::support::http::{self, Answer, encoded};
use crate::support::outrigger::Outrigger;
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

fn metric() -> Value {
    let mut metric: Value =
        serde_json::from_str(include_str!("../data/definitions/metric.json")).unwrap();
    metric["telemetry"] = json!({"value": "paid / checkouts", "families": ["checkouts"]});
    metric
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
            "kr_id": "KR-1", "name": "Half of all", "description": "From nothing.", "target_value": 1,
            "baseline_value": 0, "unit": "ratio", "direction": "increase", "metric_ids": ["CHECKOUT-SUCCESS"]
        }]
    })
}

#[track_caller]
fn ask(outrigger: &Outrigger, method: &str, path: &str, body: &Value) {
    let address = outrigger.address();
    let answer = http::request(&address, method, path, &[JSON], &body.to_string()).unwrap();
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
}

#[track_caller]
fn page(outrigger: &Outrigger, path: &str, has: &[&str], has_not: &[&str]) -> Answer {
    let answer = http::request(&outrigger.address(), "GET", path, &[HTML], "").unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    for text in has {
        let body = &answer.body;
        assert!(body.contains(text), "{path}: no {text} in {body}");
    }
    for text in has_not {
        let body = &answer.body;
        assert!(!body.contains(text), "{path}: {text} in {body}");
    }
    answer
}

#[test]
fn definitions_are_found_read_and_their_versions_compared() {
    let scene = Scene::new("paid 50\ncheckouts 100\n", "");
    scene.settings("definitions: {rules: true}\n");
    let outrigger = scene.start();
    page(&outrigger, "/definitions", &["None is defined yet."], &[]);
    ask(&outrigger, "POST", "/api/v1/metrics", &metric());
    let mut other = metric();
    other["metric_id"] = json!("LATENCY");
    other["name"] = json!("Latency");
    other["tier"] = json!("Tier-2");
    other["telemetry"] = Value::Null;
    ask(&outrigger, "POST", "/api/v1/metrics", &other);
    let domain = json!({"domain_id": "SHOP", "name": "Shop", "owner_team": "shop", "description": "What sells."});
    ask(&outrigger, "POST", "/api/v1/domains", &domain);
    ask(&outrigger, "POST", "/api/v1/objectives", &objective());
    wait_until("the value", PATIENCE, || {
        outrigger
            .get("/api/v1/metrics/CHECKOUT-SUCCESS/value")
            .body
            .contains("\"value\":0.5")
    });

    page(
        &outrigger,
        "/definitions",
        &[
            "href=\"/definitions/metrics/CHECKOUT-SUCCESS\"",
            "Latency",
            "Tier-1 (1)",
        ],
        &[],
    );
    page(
        &outrigger,
        "/definitions?tier=Tier-2",
        &["Latency"],
        &[">Checkout success<"],
    );
    page(
        &outrigger,
        "/definitions?q=checkout+LATENCY",
        &["Latency"],
        &["CHECKOUT-SUCCESS<"],
    );
    page(
        &outrigger,
        "/definitions?q=nowhere",
        &["None is like that."],
        &[],
    );

    let patch = json!({"targets_and_alerts": {"target_value": 0.9}});
    ask(
        &outrigger,
        "PATCH",
        "/api/v1/metrics/CHECKOUT-SUCCESS",
        &patch,
    );
    wait_until("the rules made of it", PATIENCE, || {
        let path = "/definitions/metrics/CHECKOUT-SUCCESS";
        outrigger.get(path).body.contains("CheckoutSuccessLow")
    });
    page(
        &outrigger,
        "/definitions/metrics/CHECKOUT-SUCCESS",
        &[
            "<strong>0.5</strong>",
            ">critical</span>",
            "Orders paid, divided by checkouts started.",
            "href=\"https://runbooks.example.com/checkout\"",
            "href=\"https://grafana.example.com/d/shop\"",
            "href=\"/definitions/objectives/OBJ-SHOP\"",
            "/chart.svg?theme=light",
            "?from=1&#38;to=2#changes",
        ],
        &["shop-db"],
    );
    let chart = outrigger.get("/definitions/metrics/CHECKOUT-SUCCESS/chart.svg?theme=dark");
    assert_eq!(
        chart.header("content-type"),
        Some("image/svg+xml"),
        "{chart:?}"
    );
    page(
        &outrigger,
        "/definitions/metrics/CHECKOUT-SUCCESS?from=1&to=2",
        &[
            "targets_and_alerts.target_value",
            "<del>0.999</del>",
            "<ins>0.9</ins>",
        ],
        &[],
    );
    page(
        &outrigger,
        "/definitions/domains/SHOP",
        &[
            "0 of 1 metrics with a value are within",
            "What sells.",
            ">Latency<",
        ],
        &[],
    );
    page(
        &outrigger,
        "/definitions/objectives",
        &["value=\"50\"", "50 %, on track"],
        &[],
    );
    page(
        &outrigger,
        "/definitions/objectives/OBJ-SHOP",
        &[
            "Half of all",
            "href=\"/definitions/metrics/CHECKOUT-SUCCESS\"",
            "2099-01-01",
        ],
        &[],
    );
    for path in [
        "/definitions/metrics/NOWHERE",
        "/definitions/things/x",
        "/definitions/metrics/%FF",
        "/definitions/metrics/LATENCY/chart.svg",
    ] {
        assert_eq!(outrigger.get(path).status, 404, "{path}");
    }
}

#[test]
fn hostile_definitions_and_questions_are_inert() {
    let scene = Scene::new("flag 1\n", "");
    let outrigger = scene.start();
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";
    let mut hostile = metric();
    for (part, field) in [
        ("governance", "owner_team"),
        ("definition", "formula"),
        ("definition", "unit"),
        ("alignment", "why_it_matters"),
    ] {
        hostile[part][field] = json!(evil);
    }
    for field in ["name", "category", "business_domain", "description"] {
        hostile[field] = json!(evil);
    }
    hostile["telemetry"] = json!({"value": "vector(1)"});
    let sent = http::request(
        &outrigger.address(),
        "POST",
        "/api/v1/metrics",
        &[JSON],
        &hostile.to_string(),
    )
    .unwrap();
    assert_eq!(sent.status, 201, "{sent:?}");
    let query = encoded(&format!("{evil}\0"));
    for path in [
        "/definitions".to_owned(),
        "/definitions/metrics/CHECKOUT-SUCCESS".to_owned(),
        "/definitions/metrics/CHECKOUT-SUCCESS/chart.svg".to_owned(),
        format!("/definitions?q={query}&tier={query}&page={query}&owner_team={query}"),
        format!("/definitions/metrics/{query}?from={query}&to={query}"),
        "/dashboards".to_owned(),
    ] {
        let answer = http::request(&outrigger.address(), "GET", &path, &[HTML], "").unwrap();
        for never in ["<script>alert", "<img src=x", "\0"] {
            assert!(
                !answer.body.contains(never),
                "{path}: {never:?} in {}",
                answer.body
            );
        }
        assert!(
            answer.body.len() < 100_000,
            "{path}: {} bytes",
            answer.body.len()
        );
    }
}

#[test]
fn dashboards_are_a_page_for_browsers_and_json_for_others() {
    let scene = Scene::new("paid 50\n", "");
    let outrigger = scene.start();
    outrigger.wait_for_value("paid", 50.0);
    let shown = page(
        &outrigger,
        "/dashboards",
        &[
            "panels read nothing here",
            "outrigger dashboards push",
            "href=\"/dashboards/live/shop.json\"",
            "download=\"",
        ],
        &[],
    );
    let varies = shown.header("vary").unwrap_or_default().to_lowercase();
    assert!(varies.contains("accept"), "{varies}");
    let listed = outrigger.get("/dashboards").json();
    let boards = listed["dashboards"].as_array().expect("a list");
    assert!(boards.len() >= 5, "{listed}");
    for board in boards {
        let title = board["title"].as_str().unwrap().replace('&', "&#38;");
        assert!(shown.body.contains(&title), "{title}");
    }
}
