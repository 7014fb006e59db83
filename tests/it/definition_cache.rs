//! Answers of the definition API that are kept: in memory, and in a Redis that several share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::place::Place;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, wait_until};

const JSON: (&str, &str) = ("content-type", "application/json");

fn metric(id: &str) -> Value {
    let text = include_str!("../data/definitions/metric.json");
    let mut metric: Value = serde_json::from_str(text).unwrap();
    metric["metric_id"] = json!(id);
    metric["name"] = json!(format!("Metric {id}"));
    metric
}

fn send(outrigger: &Outrigger, method: &str, path: &str, body: &Value) -> Answer {
    let address = outrigger.address();
    http::request(&address, method, path, &[JSON], &body.to_string()).expect("an answer")
}

fn get(outrigger: &Outrigger, path: &str, headers: &[(&str, &str)]) -> Answer {
    http::request(&outrigger.address(), "GET", path, headers, "").expect("an answer")
}

/// Whether an answer was kept.
#[track_caller]
fn kept(answer: &Answer) -> bool {
    match answer.header("x-cache") {
        Some("HIT") => true,
        Some("MISS") => false,
        other => panic!("X-Cache: {other:?} in {answer:?}"),
    }
}

#[test]
fn what_was_read_is_kept_until_something_is_written() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &["--data", "data"]);
    let list = "/api/v1/metrics?limit=50";
    for id in ["A", "B"] {
        let made = send(&outrigger, "POST", "/api/v1/metrics", &metric(id));
        assert_eq!(made.status, 201, "{made:?}");
    }
    let first = get(&outrigger, list, &[]);
    let second = get(&outrigger, list, &[]);
    assert!(!kept(&first) && kept(&second));
    let without = |answer: &Answer| {
        let own = ["x-cache", "x-request-id", "date"];
        let headers = answer.headers.iter();
        let headers = headers.filter(|(name, _)| !own.contains(&name.as_str()));
        (
            answer.status,
            headers.cloned().collect::<Vec<_>>(),
            answer.body.clone(),
        )
    };
    assert_eq!(without(&first), without(&second), "paging headers and all");
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));

    let tag = second.header("etag").unwrap();
    let known = get(&outrigger, list, &[("if-none-match", tag)]);
    assert_eq!((known.status, kept(&known)), (304, true));
    let packed = get(&outrigger, list, &[("accept-encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert!(kept(&packed) && packed.bytes.len() < first.bytes.len() / 2);
    let item = get(
        &outrigger,
        "/api/v1/metrics/A",
        &[("accept-encoding", "gzip")],
    );
    let tag = item.header("etag").unwrap();
    assert_eq!(tag, "\"1-gzip\"");
    let head = http::request(
        &outrigger.address(),
        "HEAD",
        list,
        &[("connection", "close")],
        "",
    );
    assert!(head.is_err() || head.unwrap().body.is_empty());

    // The tag of the compressed form is good for a write too.
    let headers = [JSON, ("if-match", tag)];
    let body = json!({"description": "Told anew."}).to_string();
    let path = "/api/v1/metrics/A";
    let changed = http::request(&outrigger.address(), "PATCH", path, &headers, &body).unwrap();
    assert_eq!(changed.status, 200, "{changed:?}");
    for path in [list, "/api/v1/metrics/A"] {
        let after = get(&outrigger, path, &[]);
        assert!(!kept(&after) && after.body.contains("Told anew."), "{path}");
        assert!(kept(&get(&outrigger, path, &[])), "{path}");
    }
    for _ in 0..2 {
        let missing = get(&outrigger, "/api/v1/metrics/NONE", &[]);
        assert_eq!((missing.status, kept(&missing)), (404, false));
        let body = missing.json();
        assert_eq!(body["requestId"].as_str(), missing.header("x-request-id"));
    }

    // A command writes beside the process.
    place.write("more.json", &json!([metric("C")]).to_string());
    let done = run_to_end(
        place.path(),
        &["definitions", "import", "more.json", "--data", "data"],
    );
    assert!(done.status.success(), "{done:?}");
    let after = get(&outrigger, list, &[]);
    assert_eq!(
        (kept(&after), after.header("x-total-count")),
        (false, Some("3"))
    );
    assert!(outrigger.metric("cache_hits_total{operation=\"get\"}") >= 5.0);
    assert!(outrigger.metric("cache_misses_total{operation=\"get\"}") >= 5.0);
    assert!(outrigger.metric("cache_size_bytes") > 1_000.0);
    assert_eq!(
        outrigger.metric("metrics_created_total{category=\"Reliability\"}"),
        3.0
    );
}

#[test]
fn no_cache_says_nothing_of_one() {
    let place = Place::new();
    place.write("outrigger.yml", "definitions: {cache: {enabled: false}}\n");
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    let answer = get(&outrigger, "/api/v1/metrics", &[]);
    assert_eq!((answer.status, answer.header("x-cache")), (200, None));
}

#[test]
fn redis_comes_and_goes_under_load_without_a_wrong_answer() {
    let Some(mut redis) = Redis::start("redis_comes_and_goes_under_load_without_a_wrong_answer")
    else {
        return;
    };
    let place = Place::new();
    let settings = format!(
        "definitions: {{cache: {{redis: {{url: '{}'}}}}}}\n",
        redis.url()
    );
    place.write("outrigger.yml", &settings);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    let made = send(&outrigger, "POST", "/api/v1/metrics", &metric("A"));
    assert_eq!(made.status, 201, "{made:?}");
    let (path, written, over) = (
        "/api/v1/metrics/A",
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let reads = AtomicU64::new(0);
    let number = |answer: &Answer| -> u64 {
        let json = answer.json();
        let text = json["data"]["description"].as_str().unwrap();
        text.rsplit(' ').next().unwrap().parse().unwrap_or(0)
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let before = written.load(Ordering::SeqCst);
                    let answer = get(&outrigger, path, &[]);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert!(
                        number(&answer) >= before,
                        "older than what was acknowledged"
                    );
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let mut next = 0;
        let mut write = |times: u64| {
            for _ in 0..times {
                next += 1;
                let body = json!({"description": format!("Write {next}")});
                let answer = send(&outrigger, "PATCH", path, &body);
                assert_eq!(answer.status, 200, "{answer:?}");
                written.store(next, Ordering::SeqCst);
                let seen = reads.load(Ordering::SeqCst);
                wait_until("somebody to read", PATIENCE, || {
                    reads.load(Ordering::SeqCst) > seen + 2
                });
            }
        };
        let failing = || outrigger.metric("outrigger_definition_cache_redis_up") == 0.0;
        write(10);
        redis.kill();
        write(10);
        wait_until("Redis to be given up", PATIENCE, || {
            write(1);
            failing()
        });
        redis.start_again();
        wait_until("Redis to be believed again", PATIENCE, || {
            write(1);
            !failing()
        });
        // Worse than gone: it takes questions and is silent.
        redis.freeze();
        write(10);
        redis.wake();
        write(10);
        over.store(true, Ordering::SeqCst);
    });
    assert!(!outrigger.log().contains("ERROR"), "{}", outrigger.log());
}

#[test]
fn sidecars_on_one_database_find_each_others_answers_and_never_old_ones() {
    let test = "sidecars_on_one_database_find_each_others_answers_and_never_old_ones";
    let Some(redis) = Redis::start(test) else {
        return;
    };
    let place = Place::new();
    let settings = "definitions: {cache: {redis: {url_file: redis.url, timeout: 2s}}}\n";
    place.write("outrigger.yml", settings);
    place.write("redis.url", &redis.url());
    let start = |data: &str| {
        let arguments = ["--config", "outrigger.yml", "--data", data];
        Outrigger::start(place.path(), &arguments)
    };
    let one = start("one");
    std::fs::create_dir(place.join("two")).unwrap();
    std::os::unix::fs::symlink("../one/outrigger.db", place.join("two/outrigger.db")).unwrap();
    let other = start("two");
    let made = send(&one, "POST", "/api/v1/metrics", &metric("A"));
    assert_eq!(made.status, 201, "{made:?}");
    let path = "/api/v1/metrics/A";
    assert!(!kept(&get(&one, path, &[])));
    // Its copy is on the way.
    wait_until("a copy in Redis", PATIENCE, || outrigger_copies(&one) > 0.0);
    let theirs = get(&other, path, &[]);
    assert!(kept(&theirs), "{theirs:?}");
    for (i, (writer, reader)) in [(&one, &other), (&other, &one)].into_iter().enumerate() {
        for round in 0..5 {
            let text = format!("Told {i} {round}");
            let changed = send(writer, "PATCH", path, &json!({"description": text}));
            assert_eq!(changed.status, 200, "{changed:?}");
            let seen = get(reader, path, &[]);
            assert!(seen.body.contains(&text), "{text}: {seen:?}");
        }
    }
    // Another installation has other answers at the same state.
    let stranger = start("three");
    assert_eq!(get(&stranger, path, &[]).status, 404);
}

fn outrigger_copies(outrigger: &Outrigger) -> f64 {
    outrigger.metric("cache_operation_duration_seconds_count{operation=\"set\"}")
}
