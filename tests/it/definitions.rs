//! Metric definitions, domains and objectives over HTTP and from files, as their users meet them.

mod around;
mod document;
mod legacy;
mod many;
mod past;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::place::Place;

const JSON: (&str, &str) = ("content-type", "application/json");

fn metric(id: &str) -> Value {
    let text = include_str!("../data/definitions/metric.json");
    let mut metric: Value = serde_json::from_str(text).unwrap();
    metric["metric_id"] = json!(id);
    metric["name"] = json!(format!("Metric {id}"));
    metric
}

struct Api(Outrigger);

impl Api {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::request(&self.0.address(), method, path, headers, body).expect("an answer")
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[JSON], &body.to_string())
    }
}

fn start(place: &Place) -> Api {
    Api(Outrigger::start(place.path(), &["--data", "data"]))
}

#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["error"]["code"]),
        (status, &json!(code)),
        "{body}"
    );
    assert_eq!(body["success"], false);
    assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"));
    assert!(
        body["timestamp"].is_string() && body["error"]["message"].is_string(),
        "{body}"
    );
}

#[test]
fn a_definition_lives_from_its_creation_to_its_end() {
    let place = Place::new();
    let api = start(&place);
    let path = "/api/v1/metrics/A";
    let missing = api.get(path);
    assert_eq!(missing.status, 404);
    let body = missing.json();
    assert_eq!(
        (&body["success"], &body["error"]),
        (&json!(false), &json!("Metric not found"))
    );
    assert_eq!(body["requestId"].as_str(), missing.header("x-request-id"));

    let made = api.send("POST", "/api/v1/metrics", &metric("A"));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("location"), Some(path));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(made.json()["data"]["metadata"]["version"], "1.0.0");
    assert_eq!(
        made.json()["data"]["data"],
        metric("A")["data"],
        "nothing is dropped"
    );
    problem(
        &api.send("POST", "/api/v1/metrics", &metric("A")),
        409,
        "RES_EXISTS",
    );

    let read = api.get(path);
    assert_eq!(read.json()["data"], made.json()["data"]);
    let known = api.ask("GET", path, &[("if-none-match", "\"1\"")], "");
    assert_eq!((known.status, known.body.as_str()), (304, ""));

    // A PUT without tags leaves them alone, and the id of the path counts.
    let body = json!({"metric_id": "OTHER", "description": "Told anew."});
    let changed = api.send("PUT", path, &body);
    assert_eq!(changed.status, 200, "{changed:?}");
    let data = changed.json()["data"].clone();
    assert_eq!(data["metadata"]["version"], "1.1.0");
    assert_eq!(
        (&data["tags"], &data["metric_id"]),
        (&json!(["checkout", "slo"]), &json!("A"))
    );
    let stale = [JSON, ("if-match", "\"1\"")];
    problem(
        &api.ask("PUT", path, &stale, &body.to_string()),
        412,
        "RES_STALE",
    );
    let fresh = [JSON, ("if-match", "\"2\"")];
    let patch = json!({"governance": {"owner_team": "payments"}, "telemetry": null});
    let patched = api.ask("PATCH", path, &fresh, &patch.to_string());
    let data = patched.json()["data"].clone();
    assert_eq!(data["governance"]["owner_team"], "payments");
    assert_eq!(
        (
            data["governance"]["technical_owner"].as_str(),
            data.get("telemetry")
        ),
        (Some("ada"), None)
    );
    let again = api.send("PATCH", path, &patch);
    assert_eq!(
        (again.status, again.header("etag")),
        (200, Some("\"3\"")),
        "nothing changed"
    );

    let history = api.get(&format!("{path}/history?limit=2")).json();
    let versions: Vec<&str> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["version"].as_str().unwrap())
        .collect();
    assert_eq!(
        (versions, &history["pagination"]["total"]),
        (vec!["1.1.1", "1.1.0"], &json!(3))
    );

    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = api.send(method, "/api/v1/metrics/NONE", &metric("NONE"));
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (404, &json!("Metric not found"))
        );
    }
    let gone = api.ask("DELETE", path, &[], "");
    assert_eq!(
        gone.json(),
        json!({"success": true, "message": "Metric deleted successfully"})
    );
    assert_eq!(api.get(path).status, 404);
    assert_eq!(api.get("/api/v1/unknown").status, 404);
}

#[test]
fn bad_requests_are_told_what_to_mend_and_change_nothing() {
    let place = Place::new();
    let api = start(&place);
    let path = "/api/v1/metrics";
    let check = |headers: &[(&str, &str)], body: &str, status, code| {
        problem(&api.ask("POST", path, headers, body), status, code);
    };
    check(&[JSON], "{\"a\":", 400, "VAL_MALFORMED");
    check(&[JSON], "[]", 400, "VAL_MALFORMED");
    check(
        &[("content-type", "text/plain")],
        "{}",
        415,
        "VAL_CONTENT_TYPE",
    );
    check(
        &[JSON],
        &format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20)),
        413,
        "VAL_BODY_TOO_LARGE",
    );
    let mut broken = metric("A");
    broken["tier"] = json!("Tier-9");
    broken["telemetry"]["value"] = json!("sum(rate(x[5m])");
    broken["targets_and_alerts"] = json!({});
    let answer = api.send("POST", path, &broken);
    problem(&answer, 400, "VAL_FAILED");
    let details = answer.json()["error"]["details"].clone();
    let fields: Vec<&str> = details
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["field"].as_str().unwrap())
        .collect();
    assert!(
        fields.contains(&"tier") && fields.contains(&"telemetry.value"),
        "{details}"
    );
    assert!(
        fields.contains(&"targets_and_alerts.critical_threshold"),
        "{details}"
    );

    let mut unknown = metric("A");
    unknown["governance"]["owner_taem"] = json!("x");
    problem(
        &api.send("POST", "/api/v1/metrics?strict=true", &unknown),
        400,
        "VAL_FAILED",
    );
    assert_eq!(
        api.get(path).json()["pagination"]["total"],
        0,
        "nothing was written"
    );
    let told = api.send("POST", path, &unknown).json();
    assert_eq!(told["warnings"][0]["field"], "governance.owner_taem");
    assert_eq!(told["warnings"][0]["remedy"], "did you mean owner_team?");

    for wrong in [
        "page=0",
        "limit=x",
        "tier=1",
        "category=a&category=b",
        "sort=x",
        "offset=-1",
    ] {
        problem(&api.get(&format!("{path}?{wrong}")), 400, "VAL_PARAMETER");
    }
    for wrong in ["a%20b", "%FF", "a%22b", &"x".repeat(101)] {
        problem(&api.get(&format!("{path}/{wrong}")), 400, "VAL_PARAMETER");
    }
    // A page of another site writes nothing.
    let elsewhere = [JSON, ("origin", "http://evil.example")];
    assert_eq!(
        api.ask("POST", path, &elsewhere, &metric("B").to_string())
            .status,
        403
    );
    // Prometheus's own paths are as they were.
    assert_eq!(api.get("/api/v1/metadata").json()["status"], "success");
    assert!(api.get("/metrics").body.contains("outrigger_"));
}

#[test]
fn lists_are_paged_filtered_and_counted() {
    let place = Place::new();
    let api = start(&place);
    for i in 0..12 {
        let mut metric = metric(&format!("M-{i:02}"));
        metric["category"] = json!(if i < 5 { "Latency" } else { "Errors" });
        metric["tags"] = json!([format!("tag{}", i % 3)]);
        assert_eq!(api.send("POST", "/api/v1/metrics", &metric).status, 201);
    }
    let ids = |path: &str| -> Vec<String> {
        let data = api.get(path).json()["data"].clone();
        data.as_array()
            .unwrap()
            .iter()
            .map(|metric| metric["metric_id"].as_str().unwrap().to_owned())
            .collect()
    };
    // Every page is reached by following the links.
    let mut next = Some("/api/v1/metrics?limit=5".to_owned());
    let mut all = Vec::new();
    while let Some(path) = next {
        all.extend(ids(&path));
        let answer = api.get(&path);
        assert_eq!(answer.header("x-total-count"), Some("12"));
        assert_eq!(answer.header("x-total-pages"), Some("3"));
        let links = answer.header("link").unwrap();
        next = links
            .split(", ")
            .find(|link| link.contains("rel=\"next\""))
            .map(|link| link[1..].split('>').next().unwrap().to_owned());
    }
    let want: Vec<String> = (0..12).map(|i| format!("M-{i:02}")).collect();
    assert_eq!(all, want);
    assert_eq!(
        api.get("/api/v1/metrics?limit=200").json()["pagination"]["limit"],
        100
    );
    assert_eq!(
        ids("/api/v1/metrics?category=Latency&tags=tag1"),
        ["M-01", "M-04"]
    );
    assert_eq!(ids("/api/v1/metrics?search=m-11"), ["M-11"]);
    assert_eq!(
        ids("/api/v1/metrics?sort=-id&limit=2&offset=1"),
        ["M-10", "M-09"]
    );
    let stats = api.get("/api/v1/stats").json()["data"].clone();
    assert_eq!(stats["total"], 12);
    assert_eq!(stats["by_category"], json!({"Errors": 7, "Latency": 5}));
    // The tag of a list holds until something is written, and no longer.
    let tag = api
        .get("/api/v1/metrics")
        .header("etag")
        .unwrap()
        .to_owned();
    let again = |tag: &str| {
        api.ask("GET", "/api/v1/metrics", &[("if-none-match", tag)], "")
            .status
    };
    assert_eq!(again(&tag), 304);
    assert_eq!(
        api.ask("DELETE", "/api/v1/metrics/M-00", &[], "").status,
        200
    );
    assert_eq!(again(&tag), 200);
}

#[test]
fn domains_and_objectives_are_resources_too() {
    let place = Place::new();
    let api = start(&place);
    let domain = json!({"domain_id": "SHOP", "name": "Shop"});
    let objective = json!({
        "objective_id": "O", "name": "n", "description": "d", "owner_team": "shop",
        "timeframe": {"start": "2026-01-01", "end": "2026-02-01"},
        "key_results": [{"kr_id": "K", "name": "n", "description": "d", "target_value": "5",
            "baseline_value": 1, "unit": "x", "direction": "increase", "metric_ids": ["NONE"]}]
    });
    for (kind, id, body) in [("domains", "SHOP", domain), ("objectives", "O", objective)] {
        let path = format!("/api/v1/{kind}");
        let made = api.send("POST", &path, &body);
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(api.get(&path).json()["pagination"]["total"], 1);
        let one = format!("{path}/{id}");
        let changed = api.send("PATCH", &one, &json!({"name": "Other"}));
        assert_eq!(changed.json()["data"]["name"], "Other");
        let history = api.get(&format!("{one}/history")).json();
        assert_eq!(history["data"][0]["fields_changed"], json!(["name"]));
        assert_eq!(api.ask("DELETE", &one, &[], "").status, 200);
        problem(&api.get(&one), 404, "RES_NOT_FOUND");
    }
}

#[test]
fn files_are_imported_whole_and_exported_as_they_were() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let output = run_to_end(place.path(), arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let catalog = json!({"metrics": [metric("A"), metric("B")]});
    place.write("catalog.json", &catalog.to_string());
    let mut broken = catalog.clone();
    broken["metrics"][1]["tier"] = json!("Tier-9");
    place.write("broken.json", &format!("{broken:#}"));
    let text = std::fs::read_to_string(place.join("broken.json")).unwrap();
    let is_tier = |line: &str| line.contains("Tier-9");
    let line = 1 + text.lines().position(is_tier).unwrap();
    let import = ["definitions", "import", "--data", "data"];
    let (code, out, err) = run(&[&import[..], &["broken.json"]].concat());
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(
        err.contains(&format!(
            "broken.json:{line}:7 metrics[1]: metric B: tier: is \"Tier-9\""
        )),
        "{err}"
    );
    assert!(
        out.contains("1 created, 0 updated, 0 unchanged, 1 refused; nothing was written"),
        "{out}"
    );
    let (code, out, _) = run(&[&import[..], &["--dry-run", "catalog.json"]].concat());
    assert!(
        code == Some(0) && out.contains("2 created") && out.contains("dry run"),
        "{out}"
    );
    let (code, out, _) = run(&[&import[..], &["--author", "ada", "catalog.json"]].concat());
    assert!(
        code == Some(0) && out.contains("2 created, 0 updated, 0 unchanged, 0 refused\n"),
        "{out}"
    );
    for format in ["yaml", "json"] {
        let (_, exported, _) = run(&[
            "definitions",
            "export",
            "--data",
            "data",
            "--format",
            format,
        ]);
        let name = format!("export.{format}");
        place.write(&name, &exported);
        let (code, out, _) = run(&[&import[..], &[name.as_str()]].concat());
        assert!(
            code == Some(0) && out.contains("0 created, 0 updated, 2 unchanged"),
            "{out}"
        );
        // Into an empty place, and out again: not a byte differs.
        let elsewhere = format!("elsewhere-{format}");
        run(&["definitions", "import", "--data", &elsewhere, &name]);
        let (_, again, _) = run(&[
            "definitions",
            "export",
            "--data",
            &elsewhere,
            "--format",
            format,
        ]);
        assert_eq!(again, exported);
    }
    let (code, out, err) = run(&["definitions", "check", "catalog.json", "broken.json"]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(out.contains("4 checked, 1 with mistakes"), "{out}");
    let (code, _, err) = run(&["definitions", "check", "absent.json"]);
    assert!(code == Some(2) && err.contains("absent.json"), "{err}");

    // A running Outrigger sees what is imported beside it.
    let api = start(&place);
    let tag = api
        .get("/api/v1/metrics")
        .header("etag")
        .unwrap()
        .to_owned();
    let mut changed = catalog;
    changed["metrics"][0]["name"] = json!("Renamed");
    place.replace("catalog.json", &changed.to_string());
    let (code, out, err) = run(&[&import[..], &["catalog.json"]].concat());
    assert!(
        code == Some(0) && out.contains("metric A: updated to 1.1.0: name"),
        "{out}{err}"
    );
    let answer = api.ask("GET", "/api/v1/metrics", &[("if-none-match", &tag)], "");
    assert_eq!(
        (answer.status, &answer.json()["data"][1]["name"]),
        (200, &json!("Renamed"))
    );
    let history = api.get("/api/v1/metrics/A/history").json();
    assert_eq!(history["data"][1]["changed_by"], "ada");
}

#[test]
fn the_sample_catalogues_import() {
    let samples: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples");
    if !samples.exists() {
        eprintln!("the_sample_catalogues_import did not run: ../shared/samples is absent");
        return;
    }
    let place = Place::new();
    for (file, want) in [
        ("sample-domains.json", "6 created, 0 updated"),
        ("sample-metrics.json", "13 created, 0 updated"),
        ("sample-metrics.yaml", "0 created, 0 updated, 6 unchanged"),
        ("sample-objectives.json", "3 created, 1 updated"),
    ] {
        let path = samples.join(file);
        let path = path.to_str().unwrap();
        let output = run_to_end(
            place.path(),
            &["definitions", "import", "--data", "data", path],
        );
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && out.contains(want),
            "{file}: {out}{output:?}"
        );
    }
    let api = start(&place);
    assert_eq!(api.get("/api/v1/stats").json()["data"]["total"], 12);
    assert_eq!(
        api.get("/api/v1/metrics?category=KPI&tags=ux").json()["pagination"]["total"],
        1
    );
}

#[test]
fn metrics_become_policies_that_an_agent_can_load() {
    let place = Place::new();
    let api = start(&place);
    for id in ["SHOP-1", "SHOP_1"] {
        let made = api.send("POST", "/api/v1/metrics", &metric(id));
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let all = api.get("/api/v1/policies").json();
    assert_eq!(all["count"], 2);
    let mut engine = regorus::Engine::new();
    for policy in all["data"].as_array().unwrap() {
        let (id, text) = (&policy["metric_id"], policy["policy"].as_str().unwrap());
        let name = id.as_str().unwrap().to_owned();
        engine.add_policy(name, text.to_owned()).unwrap();
        let input = json!({"metric_id": id, "value": 0.995, "user": {"team": "shop"}});
        engine.set_input(regorus::Value::from_json_str(&input.to_string()).unwrap());
        let rule = format!("data.{}.allow", policy["package"].as_str().unwrap());
        assert_eq!(engine.eval_rule(rule).unwrap(), regorus::Value::from(true));
    }
    let one = api.get("/api/v1/metrics/SHOP_1/policy");
    assert_eq!(one.json()["data"]["package"], "metrics.SHOP_1");
    let known = one.header("etag").expect("a tag").to_owned();
    let path = "/api/v1/policies/bundle.tar.gz";
    let bundle = api.get(path);
    assert_eq!(bundle.header("content-type"), Some("application/gzip"));
    assert_eq!(bundle.status, 200);
    let again = api.ask("GET", path, &[("if-none-match", &known)], "");
    assert_eq!(again.status, 304);
    assert_eq!(api.get("/api/v1/metrics/NONE/policy").status, 404);
    problem(&api.get("/api/v1/metrics/a.b/policy"), 400, "VAL_PARAMETER");

    let write = |out: &str| {
        let arguments = ["definitions", "policies", "--data", "data", "--out", out];
        let output = run_to_end(place.path(), &arguments);
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("2 policies written to {out}\n"));
        place.path().join(out)
    };
    let text = std::fs::read_to_string(write("rego").join("SHOP_1.rego")).unwrap();
    assert_eq!(one.json()["data"]["policy"], text);
    let bundle = std::fs::read(write("bundle.tar.gz")).unwrap();
    assert!(bundle.starts_with(&[0x1f, 0x8b]));
}
