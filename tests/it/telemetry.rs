//! Its own logs and traces, as others receive them.

use serde_json::Value;

use crate::support::http;
use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn spans_of_each_step_are_exported_and_the_context_travels_on() {
    let collector = Recorder::start();
    let headers = vec![(
        "content-type".to_owned(),
        "application/x-protobuf".to_owned(),
    )];
    collector.reply(Reply::Full {
        status: 200,
        headers,
        body: Vec::new(),
    });
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let mut outrigger = scene.start_with(&["--otlp-endpoint", &collector.url("")]);
    scene.wait_for_told(1);

    // Outgoing calls carry their span, in both forms.
    let message = scene.recorder.messages().remove(0);
    let parent = message
        .header("traceparent")
        .expect("a W3C context")
        .to_owned();
    let trace = parent.split('-').nth(1).expect("a trace id").to_owned();
    assert_eq!(trace.len(), 32, "{parent}");
    let jaeger = message.header("uber-trace-id").expect("a Jaeger context");
    assert!(
        jaeger.starts_with(trace.trim_start_matches('0')) || jaeger.starts_with(&trace),
        "{jaeger} is not of {trace}"
    );
    assert!(
        scene.service.asked_with("traceparent").is_some(),
        "scrapes carry a context too"
    );

    // A caller's trace is continued: the log of a request names it.
    let theirs = "4bf92f3577b34da6a3ce929d0e0e4736";
    let context = format!("00-{theirs}-00f067aa0ba902b7-01");
    let headers = [
        ("traceparent", context.as_str()),
        ("x-request-id", "the-callers-id"),
    ];
    let answer = http::request(
        &outrigger.address(),
        "GET",
        "/api/v1/query?query=flag",
        &headers,
        "",
    )
    .unwrap();
    assert_eq!(answer.header("x-request-id"), Some("the-callers-id"));
    let path = "/api/v1/domains";
    let json = [("content-type", "application/json")];
    let refused = http::request(&outrigger.address(), "POST", path, &json, "{}").unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(outrigger.get(&format!("{path}?limit=9")).status, 200);
    let bundle = "/api/v1/policies/bundle.tar.gz";
    assert_eq!(outrigger.get(bundle).status, 200);

    // Names of spans stand in the protobuf as they are.
    for name in [
        "outrigger",
        "scrape",
        "evaluate",
        "flush",
        "send",
        "request",
        "/api/v1/query",
        "Validation.check",
        "Storage.create",
        "Storage.findAll",
        "Storage.query",
        "Cache.get",
        "Policy.generate",
        "Policy.bundle",
    ] {
        wait_until(&format!("{name:?} at the collector"), PATIENCE, || {
            let messages = collector.messages();
            let mut spans = messages
                .iter()
                .filter(|message| message.path == "/v1/traces");
            spans.any(|message| message.body.to_string().contains(name))
        });
    }
    assert_eq!(outrigger.terminate(PATIENCE).code(), Some(0));
}

#[test]
fn a_collector_that_is_away_disturbs_nothing() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let nobody = format!(
        "http://127.0.0.1:{}",
        crate::support::outrigger::free_port()
    );
    let mut outrigger = scene.start_with(&["--otlp-endpoint", &nobody]);
    scene.wait_for_told(1);
    outrigger.wait_for_value("up", 1.0);
    assert_eq!(
        outrigger.terminate(PATIENCE).code(),
        Some(0),
        "{}",
        outrigger.log()
    );
}

#[test]
fn logs_in_json_are_one_object_a_line() {
    let place = Place::new();
    let port = crate::support::outrigger::free_port();
    let target = format!("127.0.0.1:{port}");
    let outrigger = Outrigger::start(
        place.path(),
        &[
            "--log-format",
            "json",
            "--log-level",
            "info",
            "--target",
            &target,
        ],
    );
    wait_until("the failed scrape in the log", PATIENCE, || {
        outrigger.log().contains("scrape failed")
    });
    let log = outrigger.log();
    let complete = log.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let lines: Vec<Value> = complete
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
        })
        .collect();
    let failed = lines
        .iter()
        .find(|line| line.to_string().contains("scrape failed"))
        .unwrap();
    assert_eq!(failed["level"], "WARN", "{failed}");
    assert!(
        failed.to_string().contains(&target),
        "the target is named: {failed}"
    );
}
