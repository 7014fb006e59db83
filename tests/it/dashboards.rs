//! Dashboards on a service that works: generated, served, judged, and none of their panels empty.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::http::header;
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::place::Place;
use crate::support::server::{Reply, Request, Server};
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

/// Panels that show nothing on a service that works: something must go wrong first, or a peer is needed.
const NOTHING_TO_SHOW: [&str; 1] = [
    // A notification has to be delivered.
    "sidecar.json: panel \"Duration of a delivery\"",
];

/// What a metrics service, its cache and a redis_exporter expose after so many rounds of work.
fn exposition(round: u64) -> String {
    let mut text = String::new();
    let mut histogram = |name: &str, labels: &str, bounds: &[f64], each: u64, value: f64| {
        text.push_str(&format!("# TYPE {name} histogram\n"));
        for labels in labels.split(';') {
            let count = each * round;
            for bound in bounds {
                let below = if *bound >= value { count } else { 0 };
                text.push_str(&format!(
                    "{name}_bucket{{{labels},le=\"{bound}\"}} {below}\n"
                ));
            }
            text.push_str(&format!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n"));
            text.push_str(&format!(
                "{name}_sum{{{labels}}} {}\n",
                count as f64 * value
            ));
            text.push_str(&format!("{name}_count{{{labels}}} {count}\n"));
        }
    };
    let requests = "method=\"GET\",route=\"/\",status=\"200\";method=\"POST\",route=\"/\",status=\"201\";\
                    method=\"GET\",route=\"/:id\",status=\"500\"";
    histogram(
        "http_request_duration_seconds",
        requests,
        &[0.01, 0.1, 1.0],
        5,
        0.05,
    );
    histogram(
        "http_response_size_bytes",
        requests,
        &[100.0, 5000.0],
        5,
        700.0,
    );
    histogram(
        "cache_operation_duration_seconds",
        "operation=\"get\"",
        &[0.001, 0.01],
        9,
        0.0005,
    );
    histogram(
        "database_query_duration_seconds",
        "operation=\"find\"",
        &[0.01, 0.1],
        4,
        0.02,
    );
    text.push_str("# TYPE http_requests_total counter\n");
    for labels in requests.split(';') {
        text.push_str(&format!("http_requests_total{{{labels}}} {}\n", 5 * round));
    }
    for (name, labels, each) in [
        ("metrics_created_total", "{category=\"sales\"}", 1),
        ("domains_created_total", "", 1),
        ("objectives_created_total", "", 1),
        ("cache_hits_total", "{operation=\"get\"}", 9),
        ("cache_misses_total", "{operation=\"get\"}", 1),
        ("database_errors_total", "{operation=\"find\"}", 1),
        ("errors_total", "{type=\"validation\",route=\"/\"}", 1),
        ("mdl_process_cpu_seconds_total", "", 1),
        ("redis_commands_processed_total", "", 20),
        ("redis_keyspace_hits_total", "", 9),
        ("redis_keyspace_misses_total", "", 1),
        ("redis_expired_keys_total", "", 1),
        ("redis_evicted_keys_total", "", 1),
    ] {
        text.push_str(&format!(
            "# TYPE {name} counter\n{name}{labels} {}\n",
            each * round
        ));
    }
    for (name, labels, value) in [
        ("metrics_total", "{category=\"sales\"}", 12),
        ("metrics_total", "{category=\"costs\"}", 5),
        ("domains_total", "", 3),
        ("objectives_total", "", 4),
        ("cache_size_bytes", "", 4096),
        ("database_pool_active_connections", "", 3),
        ("database_pool_max_connections", "", 20),
        ("mdl_process_resident_memory_bytes", "", 80_000_000),
        ("redis_memory_used_bytes", "", 1_000_000),
        ("redis_memory_max_bytes", "", 4_000_000),
        ("redis_connected_clients", "", 2),
    ] {
        text.push_str(&format!("{name}{labels} {value}\n"));
    }
    text
}

/// An Outrigger that has scraped a service at work, itself and the host, each several times.
fn at_work(place: &Place) -> (Outrigger, Service) {
    let service = Service::start(&exposition(1));
    place.write(
        "outrigger.yml",
        &format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 1s}}\n\
             scrape_configs:\n- job_name: shop\n  static_configs: [{{targets: ['{}']}}]\n",
            service.address()
        ),
    );
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    let mut round = 1;
    wait_until("rates of everything", PATIENCE, || {
        round += 1;
        service.expose(&exposition(round));
        let scraped = |job: &str| {
            outrigger
                .value(&format!("min(count_over_time(up{{job=\"{job}\"}}[1m]))"))
                .is_some_and(|count| count > 6.0)
        };
        ["shop", "outrigger", "node"].into_iter().all(scraped)
    });
    (outrigger, service)
}

fn said(output: &std::process::Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn no_panel_is_empty_on_a_service_that_works() {
    let place = Place::new();
    let (outrigger, _service) = at_work(&place);
    let url = outrigger.url();

    let output = run_to_end(
        place.path(),
        &["check", "dashboards", "--live", &url, "--range", "2m"],
    );
    let text = said(&output);
    let empty: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("empty: "))
        .collect();
    let unexpected: Vec<&&str> = empty
        .iter()
        .filter(|line| !NOTHING_TO_SHOW.contains(*line))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}\n{text}");
    assert!(text.contains("0 pieces of advice"), "{text}");

    // Those made of what the jobs expose: asked of the API, and the same from the server itself.
    let arguments = [
        "dashboards",
        "generate",
        "--from-live",
        &url,
        "--out",
        "live",
        "--external-url",
        &url,
    ];
    let output = run_to_end(place.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for job in ["shop", "outrigger", "node"] {
        let served = outrigger.get(&format!("/dashboards/live/{job}.json"));
        assert_eq!(served.status, 200, "{}", served.body);
        let written =
            std::fs::read_to_string(place.path().join(format!("live/service-{job}.json"))).unwrap();
        // Prometheus's API does not say whose help it tells where jobs share a family, as these two do.
        let queries = |text: &str| {
            let lines = text.lines().filter(|line| line.contains("\"expr\""));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(queries(&served.body), queries(&written), "{job}");
        if job == "shop" {
            assert_eq!(served.body, written);
        }
    }
    let output = run_to_end(
        place.path(),
        &[
            "check",
            "dashboards",
            "live",
            "--live",
            &url,
            "--range",
            "2m",
        ],
    );
    let text = said(&output);
    let empty: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("empty: live/service-shop"))
        .collect();
    assert!(empty.is_empty(), "{text}");
    assert!(text.contains("0 pieces of advice"), "{text}");
}

#[test]
fn dashboards_are_listed_and_served_as_their_files() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let index = outrigger.get("/dashboards").json();
    let listed = index["dashboards"].as_array().unwrap();
    assert_eq!(listed.len(), 5, "{index}");
    for entry in listed {
        let url = entry["url"].as_str().unwrap();
        let path = url.strip_prefix(&outrigger.url()).expect(url);
        let served = outrigger.get(path);
        assert_eq!(
            (served.status, served.json()["uid"].clone()),
            (200, entry["uid"].clone())
        );
    }
    for (path, status) in [
        ("/dashboards/nothing.json", 404),
        ("/dashboards/outrigger-api", 404),
        ("/dashboards/live/nothing.json", 404),
        ("/dashboards/%ff.json", 404),
        ("/dashboards/live/..%2f..%2fetc%2fpasswd.json", 404),
    ] {
        assert_eq!(outrigger.get(path).status, status, "{path}");
    }
    // The node's own collector has been asked for its families by now, or is soon.
    let made = wait_for("a dashboard of the host", PATIENCE, || {
        let answer = outrigger.get("/dashboards/live/node.json");
        (answer.status == 200 && answer.body.contains("node_load1")).then_some(answer)
    });
    assert_eq!(made.json()["uid"], "service-node");
}

#[test]
fn generating_and_checking_files_end_with_codes_a_script_can_use() {
    let place = Place::new();
    let run = |arguments: &[&str], code: i32, part: &str| {
        let output = run_to_end(place.path(), arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    };
    run(
        &["dashboards", "generate"],
        0,
        "dashboards/api.json: API overview",
    );
    run(
        &["dashboards", "generate", "--check"],
        0,
        "5 dashboards in dashboards are current",
    );
    run(
        &["check", "dashboards", "dashboards", "--strict"],
        0,
        "5 dashboards, 0 pieces of advice",
    );
    place.write("dashboards/api.json", "{}");
    run(
        &["dashboards", "generate", "--check"],
        1,
        "dashboards/api.json is not what would be written",
    );
    run(
        &["check", "dashboards", "dashboards/api.json"],
        2,
        "holds no dashboard",
    );
    run(&["check", "dashboards", "nowhere.json"], 2, "nowhere.json");
    place.write("shop.txt", &exposition(1));
    let from = [
        "dashboards",
        "generate",
        "--from",
        "shop.txt",
        "--job",
        "shop",
        "--out",
        "mine",
    ];
    run(&from, 0, "mine/service-shop.json");
    run(
        &["check", "dashboards", "mine", "--strict"],
        0,
        "1 dashboard, ",
    );
    place.write("broken.txt", "a{ 1\n");
    let from = [
        "dashboards",
        "generate",
        "--from",
        "broken.txt",
        "--job",
        "x",
        "--out",
        "mine",
    ];
    run(&from, 1, "broken.txt");
    assert!(Path::new(&place.path().join("mine/service-shop.json")).exists());
}

#[test]
fn in_alertmanagers_place_there_are_none() {
    let place = Place::new();
    place.write(
        "am.yml",
        "route: {receiver: team}\nreceivers: [{name: team}]\n",
    );
    let port = crate::support::outrigger::free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = std::process::Command::new(crate::support::outrigger::BINARY);
    command
        .current_dir(place.path())
        .args([
            "alertmanager",
            "--config.file=am.yml",
            "--storage.path=state",
            "--cluster.listen-address=",
        ])
        .arg(format!("--web.listen-address={address}"));
    let _running =
        crate::support::process::Process::start("alertmanager", place.path(), &mut command);
    wait_until("it to be ready", PATIENCE, || {
        crate::support::http::get(&address, "/-/ready").is_ok_and(|answer| answer.status == 200)
    });
    for path in [
        "/dashboards",
        "/dashboards/outrigger-api.json",
        "/dashboards/live/x.json",
    ] {
        let answer = crate::support::http::get(&address, path).unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
}

/// A Grafana that keeps what it is given, and counts what is written.
fn grafana(token: &'static str) -> (Server, Arc<Mutex<Vec<Value>>>) {
    let written: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&written);
    let handler = move |request: &Request| {
        let json = |status: u16, body: Value| Reply::Full {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        let given = header(&request.headers, "authorization").unwrap_or_default();
        if given != format!("Bearer {token}") {
            return json(401, json!({"message": "Invalid API key"}));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut kept = kept.lock().expect("no holder panics");
        let is_folder = |one: &&Value| one["title"].is_string();
        match request.path.as_str() {
            "/api/folders?limit=1000" => {
                let folders: Vec<&Value> = kept.iter().filter(is_folder).collect();
                json(200, json!(folders))
            }
            "/api/folders" | "/api/dashboards/db" => {
                let mut body = body;
                if body["title"].is_string() {
                    body["uid"] = json!("f1");
                }
                kept.push(body.clone());
                json(200, body)
            }
            path => {
                let uid = path
                    .strip_prefix("/api/dashboards/uid/")
                    .unwrap_or_default();
                let found = kept.iter().rfind(|one| one["dashboard"]["uid"] == uid);
                match found {
                    Some(one) => {
                        let mut dashboard = one["dashboard"].clone();
                        (dashboard["id"], dashboard["version"]) = (json!(7), json!(3));
                        json(
                            200,
                            json!({"dashboard": dashboard, "meta": {"folderUid": one["folderUid"]}}),
                        )
                    }
                    None => json(404, json!({"message": "Dashboard not found"})),
                }
            }
        }
    };
    (Server::start(0, Arc::new(handler)), written)
}

#[test]
fn a_push_makes_changes_and_leaves_alone_what_is_the_same() {
    let place = Place::new();
    let (server, written) = grafana("glsa_right");
    let url = format!("http://{}", server.address);
    place.write("token", "glsa_right\n");
    place.write("wrong", "glsa_wrong\n");
    let run = |token: &str, more: &[&str], code: i32, part: &str| {
        let arguments = ["dashboards", "push", "--url", &url, "--token-file", token];
        let output = run_to_end(place.path(), &[&arguments, more].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {text}");
        assert!(text.contains(part), "{more:?}: {text}");
        assert!(!text.contains("glsa_"), "the token is told: {text}");
    };
    let count = || written.lock().unwrap().len();
    run(
        "token",
        &["--dry-run"],
        0,
        "5 new, 0 changed, 0 unchanged; nothing was written",
    );
    assert_eq!(count(), 0);
    run("token", &[], 0, "5 new, 0 changed, 0 unchanged");
    assert_eq!(count(), 6, "a folder and five dashboards");
    run("token", &[], 0, "0 new, 0 changed, 5 unchanged");
    assert_eq!(count(), 6);
    let moved = ["--external-url", "http://other:9797", "--dry-run"];
    run(
        "token",
        &moved,
        0,
        "/templating/list/4/query: \"http://127.0.0.1:9797\" becomes \"http://other:9797\"",
    );
    run(
        "token",
        &["--external-url", "http://other:9797"],
        0,
        "0 new, 5 changed, 0 unchanged",
    );
    assert_eq!(count(), 11);
    run(
        "wrong",
        &[],
        1,
        "401 Unauthorized; the token of --token-file may not do that",
    );
    run("nowhere", &[], 1, "read nowhere");
}
