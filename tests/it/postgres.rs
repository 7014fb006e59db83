//! Definitions and accounts in a PostgreSQL that several Outriggers share, and what happens while it is down.

mod cache;
mod tls;

use std::time::Duration;

use outrigger::clock::Stopwatch;
use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::peers::absent;
use crate::support::place::Place;
use crate::support::postgres::{PASSWORD, PostgresServer};
use crate::support::wait::{PATIENCE, wait_until};

const METRICS: &str = "/api/v1/metrics";

fn metric(id: &str, name: &str) -> Value {
    let text = include_str!("../data/definitions/metric.json");
    let mut metric: Value = serde_json::from_str(text).unwrap();
    metric["metric_id"] = json!(id);
    metric["name"] = json!(name);
    metric
}

struct Scene {
    place: Place,
    server: PostgresServer,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        match PostgresServer::start() {
            Ok(mut server) => {
                server.create("shared");
                let place = Place::new();
                let scene = Self { place, server };
                scene.configure(&scene.server.url("shared"), "");
                Some(scene)
            }
            Err(why) => {
                absent(test, &why);
                None
            }
        }
    }

    fn configure(&self, url: &str, more: &str) {
        let text = format!("definitions:\n  database: {{url: \"{url}\", pool: small}}\n{more}");
        self.place.write("outrigger.yml", &text);
    }

    /// Each with a data directory of its own.
    fn start(&self, data: &str) -> Outrigger {
        let arguments = ["--config", "outrigger.yml", "--data", data];
        Outrigger::start(self.place.path(), &arguments)
    }

    #[track_caller]
    fn command(&self, arguments: &[&str]) -> String {
        let output = run_to_end(self.place.path(), arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn ask(outrigger: &Outrigger, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json")];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    http::request(&outrigger.address(), method, path, &headers, &body).expect("an answer")
}

#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let data = json["data"].as_array().expect("a list");
    let name = |item: &Value| item["name"].as_str().expect("a name").to_owned();
    data.iter().map(name).collect()
}

#[test]
fn two_that_start_at_once_share_what_either_writes() {
    let Some(scene) = Scene::new("two_that_start_at_once_share_what_either_writes") else {
        return;
    };
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| scene.start("one"));
        let other = scope.spawn(|| scene.start("other"));
        (one.join().unwrap(), other.join().unwrap())
    });
    let evil = "'; DROP TABLE outrigger.definitions; --";
    let made = ask(&one, "POST", METRICS, "", &metric("A", evil));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        names(&ask(&other, "GET", METRICS, "", &Value::Null)),
        [evil]
    );
    let change = json!({"description": "Told anew."});
    let changed = ask(&other, "PATCH", "/api/v1/metrics/A", "", &change);
    assert_eq!(changed.header("etag"), Some("\"2\""), "{changed:?}");

    // The commands mean the same database, and what they write is seen.
    let exported = scene.command(&["definitions", "export", "--config", "outrigger.yml"]);
    assert!(exported.contains("Told anew."), "{exported}");
    scene.place.write(
        "catalog.yml",
        &exported.replace("Told anew.", "Told again."),
    );
    scene.command(&[
        "definitions",
        "import",
        "catalog.yml",
        "--config",
        "outrigger.yml",
    ]);
    let read = ask(&one, "GET", "/api/v1/metrics/A", "", &Value::Null);
    assert_eq!(read.json()["data"]["description"], "Told again.");

    assert_eq!(one.metric("database_pool_max_connections"), 3.0);
    assert!(one.metric("database_query_duration_seconds_count") > 3.0);
    assert_eq!(one.metric("outrigger_definitions_database_up"), 1.0);
    for page in ["/status", "/metrics", "/api/v1/status/config", "/health"] {
        assert!(!one.get(page).body.contains(PASSWORD), "{page}");
    }
    assert!(!one.log().contains(PASSWORD) && !other.log().contains(PASSWORD));
}

/// How it goes down, and how it comes back.
type Change = fn(&mut PostgresServer);

fn goes_on_without(test: &str, down: Change, back: Change) {
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    let auth = "auth:\n  enabled: true\n  password: {memory: 8MiB, iterations: 1}\n";
    scene.configure(&scene.server.url("shared"), auth);
    scene.place.write("password", "Correct-horse 7 battery\n");
    let add = "user add ada --role admin --email ada@example.org --password-file password --config outrigger.yml";
    scene.command(&add.split(' ').collect::<Vec<_>>());
    let outrigger = scene.start("data");
    let log_in = || {
        let body = json!({"username": "ada", "password": "Correct-horse 7 battery"});
        ask(&outrigger, "POST", "/api/v1/auth/login", "", &body)
    };
    let tokens = log_in().json();
    let token = tokens["tokens"]["access_token"].as_str().expect("a token");
    let get = |path: &str| ask(&outrigger, "GET", path, token, &Value::Null);
    let create = |id: &str| ask(&outrigger, "POST", METRICS, token, &metric(id, id));
    let mut written = 0;
    for id in ["A", "B"] {
        let made = create(id);
        assert_eq!(made.status, 201, "{made:?}");
        written += made.json()["data"].to_string().len();
    }
    let fresh = get("/api/v1/metrics?sort=-name");
    assert_eq!(
        (fresh.header("x-stale"), names(&fresh)),
        (None, vec!["B".to_owned(), "A".to_owned()])
    );
    let held = || ask(&outrigger, "GET", "/metrics", token, &Value::Null).body;
    wait_until("both in the snapshot", PATIENCE, || {
        let text = held();
        let bytes = text
            .lines()
            .find_map(|line| line.strip_prefix("outrigger_definitions_snapshot_bytes "));
        bytes.is_some_and(|bytes| bytes.parse::<f64>().unwrap() >= written as f64)
    });

    down(&mut scene.server);
    // Filters, orders and searches are the same statements.
    for path in [
        "/api/v1/metrics?sort=-name",
        "/api/v1/metrics?sort=-name&search=a&tags=slo",
    ] {
        let stale = get(path);
        let age = stale
            .header("x-stale")
            .map(|age| age.parse::<u64>().unwrap());
        assert!(age.is_some_and(|age| age < 120), "{stale:?}");
        assert_eq!(
            stale.header("warning"),
            Some("110 outrigger \"Response is Stale\"")
        );
        assert_eq!(stale.json()["data"][1]["name"], "A", "{stale:?}");
    }
    let one = get("/api/v1/metrics/A");
    assert!(
        one.status == 200 && one.header("x-stale").is_some(),
        "{one:?}"
    );
    let past = get("/api/v1/metrics/A/history");
    assert!(
        past.status == 200 && past.header("x-stale").is_some(),
        "{past:?}"
    );
    assert_eq!(past.json()["data"][0]["revision"], 1);
    let refused = [create("C"), log_in(), get("/api/v1/audit")];
    for answer in refused {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "SYS_DATABASE_UNAVAILABLE");
    }
    // Nobody waits for a time-out any more.
    let stopwatch = Stopwatch::start();
    for _ in 0..20 {
        assert_eq!(get(METRICS).status, 200);
        assert_eq!(create("C").status, 503);
    }
    let took = stopwatch.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    let ready = ask(&outrigger, "GET", "/health/ready", "", &Value::Null);
    assert!(
        ready.status == 200 && ready.body.contains("Degraded: definitions"),
        "{ready:?}"
    );
    let health = get("/health");
    assert_eq!(
        (health.status, &health.json()["status"]),
        (200, &json!("degraded"))
    );
    let alert = json!([{"labels": {"alertname": "Posted"}}]);
    let posted = ask(&outrigger, "POST", "/api/v2/alerts", token, &alert);
    assert_eq!(posted.status, 200, "alerting goes on: {posted:?}");
    assert!(held().contains("outrigger_definitions_database_up 0"));

    back(&mut scene.server);
    wait_until("a write", PATIENCE, || create("C").status == 201);
    let fresh = get(METRICS);
    assert_eq!((fresh.header("x-stale"), names(&fresh).len()), (None, 3));
    assert_eq!(log_in().status, 200);
    assert_eq!(get("/health").json()["status"], "ok");
    let log = outrigger.log();
    let times = |text: &str| log.matches(text).count();
    assert_eq!(
        (times("database is down"), times("database is back")),
        (1, 1),
        "{log}"
    );
    assert!(!log.contains(PASSWORD));
}

#[test]
fn a_postgres_that_crashed_costs_writes_and_no_more() {
    let test = "a_postgres_that_crashed_costs_writes_and_no_more";
    goes_on_without(test, PostgresServer::halt, PostgresServer::restart);
}

#[test]
fn a_postgres_that_hangs_costs_writes_and_no_more() {
    let test = "a_postgres_that_hangs_costs_writes_and_no_more";
    goes_on_without(test, PostgresServer::freeze, PostgresServer::thaw);
}

#[test]
fn a_wrong_password_is_told_with_its_remedy_and_without_itself() {
    let test = "a_wrong_password_is_told_with_its_remedy_and_without_itself";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    let file = scene.place.write("password", "wrong-words\n");
    let url = format!(
        "postgres://outrigger@127.0.0.1:{}/shared",
        scene.server.port()
    );
    let text = format!("definitions:\n  database: {{url: \"{url}\", password_file: password}}\n");
    scene.place.write("outrigger.yml", &text);
    let output = run_to_end(
        scene.place.path(),
        &["definitions", "export", "--config", "outrigger.yml"],
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in [
        "connect to PostgreSQL",
        "password authentication failed",
        "correct the password",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("wrong-words"), "{told}");

    // Alerting does not wait for it, and once the file is right the rest comes by itself.
    let outrigger = scene.start("data");
    assert_eq!(
        ask(&outrigger, "GET", METRICS, "", &Value::Null).status,
        503
    );
    assert!(
        outrigger.log().contains("correct the password"),
        "{}",
        outrigger.log()
    );
    std::fs::write(file, format!("{PASSWORD}\n")).unwrap();
    wait_until("a write", PATIENCE, || {
        ask(&outrigger, "POST", METRICS, "", &metric("A", "A")).status == 201
    });
    let count = "SELECT count(*) FROM pg_database WHERE datname = 'shared'";
    assert_eq!(scene.server.sql(count), "1\n");
    assert!(!outrigger.log().contains("wrong-words"));
}

#[test]
fn a_start_while_postgres_is_down_reads_what_was_last_known_with_its_history() {
    let test = "a_start_while_postgres_is_down_reads_what_was_last_known_with_its_history";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    let mut outrigger = scene.start("data");
    let path = "/api/v1/metrics/A";
    let write = |outrigger: &Outrigger, method, path: &str, body: &Value| {
        let answer = ask(outrigger, method, path, "", body);
        assert!(answer.status < 300, "{answer:?}");
    };
    let get = |outrigger: &Outrigger, path: &str| ask(outrigger, "GET", path, "", &Value::Null);
    let said = |number: u32| json!({"description": format!("Told {number}.")});
    write(&outrigger, "POST", METRICS, &metric("A", "First"));
    for number in 2..=24 {
        write(&outrigger, "PATCH", path, &said(number));
    }
    let file = scene.place.path().join("data/definitions.snapshot");
    let holds = |text: &str| std::fs::read_to_string(&file).is_ok_and(|file| file.contains(text));
    wait_until("a snapshot on the disk", PATIENCE, || holds("Told 24."));
    assert!(!holds(PASSWORD));
    outrigger.kill_9();
    scene.server.halt();
    let age = |answer: &Answer| {
        answer
            .header("x-stale")
            .map(|age| age.parse::<u64>().unwrap())
    };
    for start in ["the first start", "the second start"] {
        let mut again = scene.start("data");
        let stale = get(&again, path);
        assert!(
            age(&stale).is_some_and(|age| age < 600),
            "{start}: {stale:?}"
        );
        assert_eq!(stale.json()["data"]["description"], "Told 24.", "{start}");
        let history = get(&again, "/api/v1/metrics/A/history?limit=50");
        let json = history.json();
        let held = json["data"].as_array().unwrap();
        assert_eq!(held.len(), 20, "{history:?}");
        assert_eq!(
            (&held[0]["revision"], &json["pagination"]["total"]),
            (&json!(24), &json!(24))
        );
        assert!(age(&history).is_some());
        let old = get(&again, "/api/v1/metrics/A/history/10");
        assert_eq!(
            old.json()["data"]["document"]["description"],
            "Told 10.",
            "{old:?}"
        );
        // There was one, and nothing here knows what it said.
        for path in [
            "/api/v1/metrics/A/history/2",
            "/api/v1/metrics/A/history?limit=10&page=3",
        ] {
            let refused = get(&again, path);
            assert_eq!(refused.status, 503, "{path}: {refused:?}");
            assert!(refused.header("retry-after").is_some());
        }
        assert_eq!(get(&again, "/api/v1/metrics/B").status, 404);
        let page = get(&again, "/definitions/metrics/A");
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(ask(&again, "PATCH", path, "", &said(26)).status, 503);
        let alert = json!([{"labels": {"alertname": "Posted"}}]);
        let posted = ask(&again, "POST", "/api/v2/alerts", "", &alert);
        assert_eq!(posted.status, 200, "{posted:?}");
        again.kill_9();
    }

    // Once it is back what it says counts, and is on the disk for the next time.
    let mut again = scene.start("data");
    assert!(age(&get(&again, path)).is_some());
    scene.server.restart();
    wait_until("a write", PATIENCE, || {
        ask(&again, "PATCH", path, "", &said(25)).status == 200
    });
    let fresh = get(&again, path);
    assert_eq!((fresh.status, age(&fresh)), (200, None));
    wait_until("a new snapshot on the disk", PATIENCE, || holds("Told 25."));
    assert!(again.terminate(PATIENCE).success());
    scene.server.halt();

    // A damaged one is none.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("Told 25.", "Told 99.")).unwrap();
    let again = scene.start("data");
    assert_eq!(get(&again, path).status, 503);
    assert!(again.log().contains("it is damaged"), "{}", again.log());
}
