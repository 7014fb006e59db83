//! The router over real components, without a port.

mod alertmanager;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::config::overrides::Overrides;
use crate::config::{self, Mode};

/// A target nobody answers at, two rules, secrets.
const CONFIGURATION: &str = "\
scrape_configs:
- job_name: shop
  basic_auth: {username: u, password: hidden-word}
  relabel_configs:
  - {source_labels: [gone], regex: 'yes', action: drop}
  static_configs:
  - targets: ['127.0.0.1:1']
  - targets: ['127.0.0.1:2']
    labels: {gone: 'yes'}
rule_files: [rules.yml]
# Tests post and end one alert many times over.
flapping: {enabled: false}
";
const RULES: &str = "\
groups:
- name: g
  interval: 1h
  limit: 7
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: up == 0
    for: 90s
    keep_firing_for: 1m
    labels: {severity: critical}
    annotations: {summary: it is down}
- name: other
  rules:
  - alert: Never
    expr: vector(0) > 1
";

struct Place {
    router: Router,
    tasks: Tasks,
    _directory: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, CONFIGURATION).unwrap();
        std::fs::write(directory.path().join("rules.yml"), RULES).unwrap();
        let sources = Sources {
            file: Some(file),
            mode: Mode::Exactly,
            ..Sources::default()
        };
        Self::with(sources, directory).await
    }

    /// In Alertmanager's place.
    async fn upstream_only() -> Self {
        install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("alertmanager.yml");
        std::fs::write(
            &file,
            "{route: {receiver: team}, receivers: [{name: team}]}",
        )
        .unwrap();
        let sources = Sources {
            mode: Mode::RoutesOnly,
            overrides: Overrides {
                alertmanager_config: Some(file),
                ..Overrides::default()
            },
            ..Sources::default()
        };
        Self::with(sources, directory).await
    }

    async fn with(mut sources: Sources, directory: tempfile::TempDir) -> Self {
        sources.overrides.data = Some(directory.path().join("data"));
        let (clock, tasks) = (Clock::system(), Tasks::new());
        let config = config::load(&sources, clock.now()).unwrap();
        let listen = "127.0.0.1:9797".parse().unwrap();
        let parts = Parts::build(config, &clock, &tasks, listen).await.unwrap();
        let reload = Box::new(|_| -> futures_util::future::BoxFuture<'static, _> {
            Box::pin(async { Ok(()) })
        });
        let router = router::router(parts.http_context(reload));
        parts.start(&tasks).await;
        parts.readiness.send_replace(Readiness::Ready);
        Self {
            router,
            tasks,
            _directory: directory,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        json(response).await
    }

    async fn end(self) {
        self.tasks.stop();
        assert_eq!(
            self.tasks.drain(Duration::from_secs(10)).await,
            [""; 0],
            "stuck"
        );
    }
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 16 << 20).await;
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

async fn json(response: Response) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_the_api_has_prometheus_shape() {
    let place = Place::new().await;
    let form = |path: &str, body: Vec<u8>| {
        Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    let plain = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap()
    };
    let get = |path: &str| plain(Method::GET, path);
    let query = |parameters: &str| get(&format!("/api/v1/query?{parameters}"));
    let range = |parameters: &str| get(&format!("/api/v1/query_range?{parameters}"));
    for (request, status, kind) in [
        (get("/api/v1/nothing"), 404, "not_found"),
        (plain(Method::DELETE, "/api/v1/query"), 405, "bad_data"),
        (plain(Method::POST, "/api/v1/rules"), 405, "bad_data"),
        (form("/api/v1/query", vec![b'a'; 5 << 20]), 413, "bad_data"),
        (get("/api/v1/label/%ff/values"), 400, "bad_data"),
        (get("/api/v1/label/U__/values"), 400, "bad_data"),
        (query(""), 400, "bad_data"),
        (query("query=sum("), 400, "bad_data"),
        (query("query=up&time=never"), 400, "bad_data"),
        (query("query=up&timeout=x"), 400, "bad_data"),
        (query("query=up&timeout=0"), 503, "timeout"),
        (query("query=up&limit=-1"), 400, "bad_data"),
        (range("query=up"), 400, "bad_data"),
        (range("query=up&start=2&end=1&step=1"), 400, "bad_data"),
        (range("query=up&start=1&end=2&step=0"), 400, "bad_data"),
        (range("query=up&start=0&end=1e6&step=1"), 400, "bad_data"),
        (
            range("query=up&start=-9e15&end=9e15&step=1"),
            400,
            "bad_data",
        ),
        (range("query=up[1m]&start=0&end=1&step=1"), 400, "bad_data"),
        (get("/api/v1/series"), 400, "bad_data"),
        (get("/api/v1/series?match[]=1"), 400, "bad_data"),
        (get("/api/v1/targets?state=all"), 400, "bad_data"),
        (get("/api/v1/rules?type=x"), 400, "bad_data"),
    ] {
        let name = format!("{} {}", request.method(), request.uri());
        let response = place.send(request).await;
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(
            response.headers().contains_key(header::ALLOW),
            status == 405,
            "{name}"
        );
        let body = json(response).await;
        assert_eq!(body["status"], "error", "{name}");
        assert_eq!(body["errorType"], kind, "{name}");
        assert!(!body["error"].as_str().unwrap().is_empty(), "{name}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_that_bind_a_browser() {
    let place = Place::new().await;
    for path in [
        "/",
        "/graph?g0.expr=1",
        "/graph?g0.expr=1&time=never",
        "/runbooks",
        "/runbooks/target-down",
        "/runbooks/nothing",
        "/runbooks/%ff",
        "/nothing",
        "/assets/style.css",
        "/metrics",
        "/health",
        "/-/ready",
        "/-/reload",
        "/api/v1/query?query=1",
        "/api/v1/nothing",
    ] {
        let response = place.get(path).await;
        for (name, value) in crate::http::pages::SECURITY_HEADERS {
            assert_eq!(response.headers()[name], value, "{path} {name}");
        }
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin"),
            "{path}"
        );
        let status = response.status();
        let page = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("text/html");
        let for_people = ["/graph", "/runbooks", "/nothing"];
        assert!(
            page || path != "/" && !for_people.iter().any(|start| path.starts_with(start)),
            "{path}"
        );
        let wrong = path.contains("never") || path.contains("nothing") || path.contains("%ff");
        assert_eq!(
            status.is_client_error(),
            wrong || path == "/-/reload",
            "{path}"
        );
        let head = Request::head(path).body(Body::empty()).unwrap();
        let head = place.send(head).await;
        assert_eq!(head.status(), status, "HEAD {path}");
        assert_eq!(text(head).await, "", "HEAD {path}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_neither_reload_nor_read() {
    let place = Place::new().await;
    let check = async |request: axum::http::request::Builder, want: u16| {
        let request = request.body(Body::empty()).unwrap();
        let name = format!("{request:?}");
        let response = place.send(request).await;
        assert_eq!(response.status().as_u16(), want, "{name}");
    };
    let reload = || Request::post("/-/reload").header("host", "127.0.0.1:9797");
    check(reload(), 200).await;
    check(reload().header("origin", "http://127.0.0.1:9797"), 200).await;
    check(reload().header("origin", "http://evil.example"), 403).await;
    check(reload().header("sec-fetch-site", "cross-site"), 403).await;
    let rules = || Request::get("/api/v1/rules");
    check(rules().header("host", "localhost:9797"), 200).await;
    check(rules().header("host", "evil.example:9797"), 403).await;
    check(Request::get("http://evil.example/api/v1/rules"), 403).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_told_as_prometheus_tells_them() {
    let place = Place::new().await;
    let body = place.json("/api/v1/rules").await;
    let groups = body["data"]["groups"].as_array().unwrap();
    let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["g", "other"]);
    let group = &groups[0];
    assert_eq!(group["interval"], 3600.0);
    assert_eq!(group["limit"], 7);
    assert!(group["file"].as_str().unwrap().ends_with("rules.yml"));
    let [recording, alerting] = group["rules"].as_array().unwrap().as_slice() else {
        panic!("{group}");
    };
    assert_eq!(recording["type"], "recording");
    assert_eq!(recording["name"], "job:up:sum");
    assert_eq!(recording["query"], "sum by (job) (up)");
    assert!(recording.get("alerts").is_none() && recording.get("state").is_none());
    assert_eq!(alerting["type"], "alerting");
    assert_eq!(alerting["name"], "Down");
    assert_eq!(alerting["query"], "up == 0");
    assert_eq!(alerting["duration"], 90.0);
    assert_eq!(alerting["keepFiringFor"], 60.0);
    assert_eq!(alerting["labels"]["severity"], "critical");
    assert_eq!(alerting["annotations"]["summary"], "it is down");
    assert!(alerting["alerts"].is_array());
    for key in ["health", "evaluationTime", "lastEvaluation", "state"] {
        assert!(!alerting[key].is_null(), "{key}");
    }

    let count = async |parameters: &str| {
        let body = place.json(&format!("/api/v1/rules?{parameters}")).await;
        let groups = body["data"]["groups"].as_array().unwrap().clone();
        let rules = |group: &Value| group["rules"].as_array().unwrap().len();
        groups.iter().map(rules).sum::<usize>()
    };
    assert_eq!(count("type=alert").await, 2);
    assert_eq!(count("type=record").await, 1);
    assert_eq!(count("rule_name[]=Down&rule_name[]=Never").await, 2);
    assert_eq!(count("rule_group[]=other").await, 1);
    assert_eq!(count("file[]=nothing").await, 0);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_the_configuration_are_told_without_secrets() {
    let place = Place::new().await;
    let body = place.json("/api/v1/targets").await;
    let [target] = body["data"]["activeTargets"].as_array().unwrap().as_slice() else {
        panic!("{body}");
    };
    assert_eq!(target["scrapePool"], "shop");
    assert_eq!(target["scrapeUrl"], "http://127.0.0.1:1/metrics");
    assert_eq!(target["labels"]["job"], "shop");
    assert_eq!(target["labels"]["instance"], "127.0.0.1:1");
    assert_eq!(target["discoveredLabels"]["__address__"], "127.0.0.1:1");
    assert_eq!(target["scrapeInterval"], "1m");
    assert_eq!(target["scrapeTimeout"], "10s");
    for key in ["globalUrl", "lastError", "lastScrape", "health"] {
        assert!(target[key].is_string(), "{key}");
    }
    let [dropped] = body["data"]["droppedTargets"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("{body}");
    };
    assert_eq!(dropped["discoveredLabels"]["__address__"], "127.0.0.1:2");
    assert_eq!(body["data"]["droppedTargetCounts"]["shop"], 1);

    let dropped = place.json("/api/v1/targets?state=dropped").await;
    assert_eq!(dropped["data"]["activeTargets"], serde_json::json!([]));
    let active = place.json("/api/v1/targets?state=active").await;
    assert_eq!(active["data"]["droppedTargets"], serde_json::json!([]));
    let other = place.json("/api/v1/targets?scrapePool=other").await;
    assert_eq!(other["data"]["activeTargets"], serde_json::json!([]));

    for path in ["/api/v1/targets", "/api/v1/status/config", "/"] {
        let body = text(place.get(path).await).await;
        assert!(!body.contains("hidden-word"), "{path}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_take_the_far_ends_of_time_and_a_limit() {
    let place = Place::new().await;
    for parameters in [
        "query?query=up+offset+1d&time=-9e300",
        "query?query=up+offset+-1d&time=9e300",
        "query?query=rate(up[100y:1y])&time=-9e300",
        "query_range?query=time()&start=-9e15&end=9e15&step=9e9",
        "query_range?query=up+offset+-1y&start=9.2e15&end=9.3e15&step=9e9",
        "labels?start=-9e300&end=9e300",
        "series?match[]=up&start=9e300&end=-9e300",
    ] {
        let response = place.get(&format!("/api/v1/{parameters}")).await;
        assert!(!response.status().is_server_error(), "{parameters}");
    }
    let two = "label_replace(vector(1),%22a%22,%22b%22,%22%22,%22%22)or+vector(2)";
    let body = place
        .json(&format!("/api/v1/query?query={two}&limit=1"))
        .await;
    assert_eq!(body["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(body["warnings"][0], "results truncated due to limit");
    let body = place
        .json(&format!("/api/v1/query?query={two}&limit=2"))
        .await;
    assert_eq!(body["data"]["result"].as_array().unwrap().len(), 2);
    assert!(body.get("warnings").is_none());
    place.end().await;
}
