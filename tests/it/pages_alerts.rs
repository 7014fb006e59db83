//! The pages of alerts, of one alert and of the ledger, through the running program.

use serde_json::{Value, json};

use crate::support::http::{self, Answer, encoded};
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

const RULES: &str = "  - alert: Firing
    expr: flag > 0
    labels: {severity: critical, owner_team: shop}
    annotations: {summary: 'the <flag> is up', runbook_url: '/runbooks/high-error-rate', dashboard_url: 'javascript:alert(1)'}
  - alert: Waiting
    expr: flag > 0
    for: 1h
    labels: {severity: warning}
";

#[track_caller]
fn post(outrigger: &Outrigger, alerts: &Value) {
    let headers = [("content-type", "application/json")];
    let body = alerts.to_string();
    let address = outrigger.address();
    let answer = http::request(&address, "POST", "/api/v2/alerts", &headers, &body);
    assert_eq!(answer.unwrap().status, 200);
}

#[track_caller]
fn page(outrigger: &Outrigger, path: &str, has: &[&str], has_not: &[&str]) -> Answer {
    let answer = outrigger.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    for text in has {
        assert!(
            answer.body.contains(text),
            "{path}: no {text} in {}",
            answer.body
        );
    }
    for text in has_not {
        assert!(
            !answer.body.contains(text),
            "{path}: {text} in {}",
            answer.body
        );
    }
    answer
}

fn fingerprint(outrigger: &Outrigger, name: &str) -> String {
    let alerts = outrigger.get("/api/v2/alerts").json();
    let alerts = alerts.as_array().cloned().unwrap_or_default();
    let found = alerts
        .iter()
        .find(|alert| alert["labels"]["alertname"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {alerts:?}"));
    found["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn alerts_are_listed_filtered_and_told_of_one_by_one() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    outrigger.wait_for_alert("Waiting", "pending");
    wait_until("the delivery on record", PATIENCE, || {
        outrigger
            .data("/api/v2/ledger?kind=delivered")
            .to_string()
            .contains("delivered")
    });

    page(
        &outrigger,
        "/alerts",
        &[
            "Firing",
            "Waiting",
            "the &#60;flag&#62; is up",
            "Not handed to the routes yet",
            "hook",
        ],
        &["javascript:"],
    );
    page(
        &outrigger,
        "/alerts?state=pending",
        &["Waiting"],
        &["the &#60;flag"],
    );
    page(
        &outrigger,
        "/alerts?filter=severity%3D~%22crit.*%22&view=flat",
        &["the &#60;flag"],
        &[">Waiting<"],
    );
    let wrong = outrigger.get("/alerts?filter=severity%22critical%22");
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.body.contains("severity&#34;critical&#34;\n        ^"),
        "{}",
        wrong.body
    );

    let id = fingerprint(&outrigger, "Firing");
    let path = format!("/alerts/{id}");
    page(
        &outrigger,
        &path,
        &[
            "hook webhook[0]",
            ">told</span>",
            ">delivered</span>",
            "every alert",
            "owner_team",
            "/chart.svg?theme=dark",
        ],
        &["href=\"javascript"],
    );
    let chart = outrigger.get(&format!("{path}/chart.svg?theme=dark"));
    assert_eq!(chart.header("content-type"), Some("image/svg+xml"));
    assert!(chart.body.starts_with("<svg"), "{}", chart.body);
    for path in ["/alerts/0000000000000000", "/alerts/x", "/alerts/%FF"] {
        assert_eq!(outrigger.get(path).status, 404, "{path}");
    }

    // The command line and the page say the same.
    let told = run_to_end(
        scene.place.path(),
        &["explain", "alert", &id, "--url", &outrigger.url()],
    );
    let told = String::from_utf8(told.stdout).unwrap();
    let verdict = told.lines().find(|line| line.starts_with("  => ")).unwrap();
    assert!(
        verdict.contains("hook webhook[0]: told (delivered: 200"),
        "{told}"
    );
    let rule = told.lines().find(|line| line.starts_with("rule ")).unwrap();
    let rule = rule.replace('"', "&#34;").replacen('r', "R", 1);
    page(
        &outrigger,
        &format!("/ledger?fingerprint={id}"),
        &["Why: Firing", "hook webhook[0]", "delivered: 200", &rule],
        &[],
    );
}

#[test]
fn the_ledger_is_filtered_and_read_on() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    let many: Vec<Value> = (0..120)
        .map(|number| json!({"labels": {"alertname": "Many", "n": format!("{number:03}")}}))
        .collect();
    post(&outrigger, &json!(many));
    scene.wait_for_told(2);
    wait_until("all decisions on record", PATIENCE, || {
        let entries = outrigger.data("/api/v2/ledger?filter[]=alertname=Many&kind=enqueued");
        entries
            .as_array()
            .is_some_and(|entries| entries.len() == 120)
    });
    let first = page(
        &outrigger,
        "/ledger?filter=alertname%3DMany&kind=enqueued",
        &["n=119", "rel=\"next\""],
        &[">Newest<", "Firing"],
    );
    let (_, older) = first.body.split_once("rel=\"next\" href=\"").unwrap();
    let older = older.split('"').next().unwrap().replace("&#38;", "&");
    let second = page(&outrigger, &older, &[">Newest<"], &["rel=\"next\""]);
    assert_eq!(second.body.matches("class=\"moment\"").count(), 20);
    page(
        &outrigger,
        "/ledger?receiver=nobody",
        &["Nothing was decided that is like that."],
        &[],
    );
    page(
        &outrigger,
        "/ledger?since=2020-01-01T00:00&until=2020-01-02T00:00",
        &["Nothing was decided", "value=\"2020-01-01T00:00\""],
        &[],
    );
    for wrong in ["filter=a%22", "receiver=(", "since=soon", "fingerprint=x"] {
        assert_eq!(
            outrigger.get(&format!("/ledger?{wrong}")).status,
            400,
            "{wrong}"
        );
    }
}

#[test]
fn hostile_alerts_are_inert_on_every_page() {
    let scene = Scene::new("flag 0\n", RULES);
    let outrigger = scene.start();
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\0";
    let large = "x".repeat(1 << 20);
    post(
        &outrigger,
        &json!([{
            "labels": {"alertname": evil, "severity": evil, "evil": evil, "large": large},
            "annotations": {
                "summary": evil, "runbook_url": "javascript:alert(1)", "dashboard_url": "//evil.example",
                "description": large,
            },
        }]),
    );
    scene.wait_for_told(1);
    wait_until("the delivery on record", PATIENCE, || {
        outrigger
            .data("/api/v2/ledger?kind=delivered&limit=1")
            .to_string()
            .contains("delivered")
    });
    let id = fingerprint(&outrigger, evil);
    let query = encoded(evil);
    for path in [
        "/alerts".to_owned(),
        "/alerts?view=flat".to_owned(),
        format!("/alerts/{id}"),
        "/ledger".to_owned(),
        format!("/ledger?fingerprint={id}"),
        format!(
            "/alerts?filter={query}&severity={query}&receiver={query}&state={query}&page={query}"
        ),
        format!(
            "/ledger?filter={query}&receiver={query}&kind={query}&since={query}&cursor={query}"
        ),
        format!("/alerts/{query}"),
    ] {
        let answer = outrigger.get(&path);
        for never in [
            "<script>alert",
            "<img src=x",
            "\u{202e}",
            "\0",
            "href=\"javascript",
            "href=\"//",
        ] {
            assert!(
                !answer.body.contains(never),
                "{path}: {never:?} in {}",
                answer.body
            );
        }
        assert!(
            answer.body.len() < 60_000,
            "{path}: {} bytes",
            answer.body.len()
        );
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let unknown = outrigger.get(&format!("/alerts/{id}/chart.svg"));
    assert_eq!(unknown.status, 404, "no rule here is behind it");
}
