//! Killed without warning: people are told once, no `for` is lost, no acknowledged sample is lost.

use std::time::Duration;

use outrigger::clock::Stopwatch;
use serde_json::Value;

use crate::support::http::{encoded, request};
use crate::support::outrigger::Outrigger;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_until};

const RULES: &str = "  - alert: Firing
    expr: flag == 1
    labels: {severity: critical}
  - alert: Waiting
    expr: flag == 1
    for: 1h
";

/// Kills it after the alert fired and before anybody accepted the message.
fn told_once_after_a_crash(refusal: Reply) {
    let scene = Scene::new("flag 1\n", RULES);
    scene.recorder.reply(refusal);
    let mut outrigger = scene.start();
    let firing = outrigger.wait_for_alert("Firing", "firing");
    wait_until("a first attempt", PATIENCE, || {
        !scene.recorder.messages().is_empty()
    });
    assert_eq!(scene.told(), Vec::<Value>::new());

    outrigger.kill_9();
    scene.recorder.reply(Reply::text(200, "ok"));
    outrigger.start_again();
    let told = scene.wait_for_told(1);
    assert_eq!(told[0]["alerts"][0]["labels"]["alertname"], "Firing");
    assert_eq!(told[0]["status"], "firing");
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 1, "told once");
    assert_eq!(
        outrigger.wait_for_alert("Firing", "firing")["activeAt"],
        firing["activeAt"]
    );

    scene.service.expose("flag 0\n");
    let told = scene.wait_for_told(2);
    assert_eq!(
        told[1]["status"], "resolved",
        "the end is told, once: {}",
        told[1]
    );
    outrigger.wait_for_quiet("Firing");
    assert_eq!(scene.told().len(), 2);
}

#[test]
fn killed_while_the_receiver_refuses_the_message_arrives_once() {
    told_once_after_a_crash(Reply::text(503, "not now"));
}

#[test]
fn killed_while_the_receiver_hangs_the_message_arrives_once() {
    told_once_after_a_crash(Reply::Hang);
}

#[test]
fn killed_after_the_message_was_told_it_is_not_told_again() {
    let scene = Scene::new("flag 1\n", RULES);
    let mut outrigger = scene.start();
    scene.wait_for_told(1);
    wait_for_record(&outrigger, "delivered", 1);
    outrigger.kill_9();
    outrigger.start_again();
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 1);
}

#[test]
fn a_pending_alert_keeps_its_for_through_a_crash() {
    let scene = Scene::new("flag 1\n", RULES);
    let mut outrigger = scene.start();
    let before = outrigger.wait_for_alert("Waiting", "pending");
    // So long that it could not be mistaken for the outage.
    wait_for_evaluations(&outrigger, 12);
    let outage = Stopwatch::start();
    outrigger.kill_9();
    outrigger.start_again();
    let outage = outage.elapsed();
    wait_for_evaluations(&outrigger, 2);
    let after = outrigger.wait_for_alert("Waiting", "pending");
    // As in Prometheus the time of the outage itself does not count: by so much the beginning moves.
    let moved = active_at(&after).duration_since(active_at(&before));
    let moved = Duration::try_from(moved).expect("it does not move back");
    assert!(
        moved <= outage + Duration::from_millis(750),
        "moved by {moved:?}, the outage was {outage:?}"
    );
}

/// Accepted by the receiver is one thing, recorded as accepted another: between the two a crash means once more.
fn wait_for_record(outrigger: &Outrigger, kind: &str, count: usize) {
    wait_until(&format!("{count} {kind} on record"), PATIENCE, || {
        let path = format!("/api/v1/notifications/log?kind={kind}&limit=1000");
        let entries = outrigger.data(&path);
        entries
            .as_array()
            .is_some_and(|entries| entries.len() >= count)
    });
}

fn active_at(alert: &Value) -> jiff::Timestamp {
    alert["activeAt"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time as in RFC 3339")
}

#[test]
fn an_alert_whose_rule_went_while_nothing_ran_is_told_to_have_ended() {
    for emptied in [
        "groups: []\n",
        "groups:\n- name: service\n  rules:\n  - {record: a, expr: flag}\n",
    ] {
        let scene = Scene::new("flag 1\n", RULES);
        let mut outrigger = scene.start();
        scene.wait_for_told(1);
        wait_for_record(&outrigger, "delivered", 1);
        outrigger.kill_9();
        scene.place.write("rules/service.yml", emptied);
        outrigger.start_again();
        let told = scene.wait_for_told(2);
        assert_eq!(told[1]["status"], "resolved", "{}", told[1]);
    }
}

#[test]
fn one_of_two_alerts_that_ends_during_an_outage_is_not_the_end_of_both() {
    let scene = Scene::new("flag 1\nother 1\n", RULES);
    scene.routing("group_wait: 0s, group_interval: 1s, repeat_interval: 1h");
    let slow = "groups:\n- name: other\n  rules:\n  - {alert: Other, expr: other == 1}\n";
    scene.place.write("rules/other.yml", slow);
    let mut outrigger = scene.start();
    let alerts_of = |message: &Value| message["alerts"].as_array().map_or(0, Vec::len);
    wait_until("both alerts to be told", PATIENCE, || {
        scene.told().last().map(alerts_of) == Some(2)
    });
    let before = scene.told().len();
    wait_for_record(&outrigger, "delivered", before);
    outrigger.kill_9();
    scene.service.expose("flag 0\nother 1\n");
    outrigger.start_again();
    let told = scene.wait_for_told(before + 1);
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), before + 1, "{told:?}");
    assert_eq!(told[before]["status"], "firing", "{}", told[before]);
    assert_eq!(alerts_of(&told[before]), 2);
}

#[test]
fn acknowledged_samples_are_there_after_a_crash() {
    let scene = Scene::new("flag 1\n", RULES);
    let mut outrigger = scene.start();
    for value in 2..6 {
        scene.service.expose(&format!("flag {value}\n"));
        outrigger.wait_for_value("flag", f64::from(value));
    }
    let before = samples(&outrigger);
    outrigger.kill_9();
    outrigger.start_again();
    let after = samples(&outrigger);
    assert!(before.len() >= 4);
    for sample in &before {
        assert!(
            after.contains(sample),
            "{sample} is lost; there are {after:?}"
        );
    }
    outrigger.wait_for_value("count(flag)", 1.0);
}

/// Each `[time, value]` of the last minutes.
fn samples(outrigger: &Outrigger) -> Vec<Value> {
    let data = outrigger.data(&format!("/api/v1/query?query={}", encoded("flag[10m]")));
    data["result"][0]["values"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_digest_that_is_being_gathered_survives_a_crash() {
    let exposition: String = (0..30)
        .map(|n| format!("broken{{n=\"{n}\"}} 1\n"))
        .collect();
    let scene = Scene::new(
        &exposition,
        "  - alert: Broken\n    expr: broken == 1\n    labels: {severity: warning}\n",
    );
    scene.routing("group_by: ['...'], group_wait: 0s, group_interval: 1m, repeat_interval: 1h");
    scene.settings("throttle: {rules: [{burst: 3, refill_interval: 5s, digest_interval: 2s}]}\n");
    let mut outrigger = scene.start();
    scene.wait_for_told(3);
    wait_for_record(&outrigger, "delivered", 3);
    wait_for_record(&outrigger, "throttled", 27);
    outrigger.kill_9();
    outrigger.start_again();
    let told = scene.wait_for_told(4);
    let digest = told[3]["groupKey"].as_str().unwrap_or_default();
    assert!(digest.starts_with("digest/"), "{}", told[3]);
    assert_eq!(
        told[3]["alerts"].as_array().map(Vec::len),
        Some(27),
        "{}",
        told[3]
    );
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 4, "each alert is told once");
}

#[test]
fn an_alert_that_was_posted_is_told_once_though_killed_while_its_group_waits() {
    let scene = Scene::new("flag 0\n", RULES);
    scene.routing("group_by: [alertname], group_wait: 4s, group_interval: 1s, repeat_interval: 1h");
    let mut outrigger = scene.start();
    let posted = request(
        &outrigger.address(),
        "POST",
        "/api/v2/alerts",
        &[("content-type", "application/json")],
        r#"[{"labels": {"alertname": "Foreign", "severity": "critical"}}]"#,
    )
    .expect("an answer");
    assert_eq!(posted.status, 200, "{posted:?}");
    outrigger.kill_9();
    assert_eq!(scene.told(), Vec::<Value>::new());
    outrigger.start_again();
    let told = scene.wait_for_told(1);
    assert_eq!(told[0]["alerts"][0]["labels"]["alertname"], "Foreign");
    wait_for_record(&outrigger, "delivered", 1);
    outrigger.kill_9();
    outrigger.start_again();
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 1, "told once");
    let shown = outrigger.get("/api/v2/alerts").json();
    assert_eq!(shown[0]["labels"]["alertname"], "Foreign", "{shown}");
}

#[test]
fn killed_again_and_again_it_misses_no_turn() {
    let scene = Scene::new("flag 0\n", "  - alert: Firing\n    expr: flag == 1\n");
    let mut outrigger = scene.start();
    for turn in 0..6_usize {
        let (flag, status) = if turn % 2 == 0 {
            (1, "firing")
        } else {
            (0, "resolved")
        };
        scene.service.expose(&format!("flag {flag}\n"));
        // At another moment each time: before anything was seen, or with the message under way.
        if turn % 3 != 0 {
            wait_for_evaluations(&outrigger, turn % 3);
        }
        outrigger.kill_9();
        outrigger.start_again();
        wait_until(&format!("turn {turn} told as {status}"), PATIENCE, || {
            scene
                .told()
                .last()
                .is_some_and(|message| message["status"] == status)
        });
    }
    // At least once each; once more only where it died between acceptance and record.
    let told = scene.told().len();
    assert!((6..=12).contains(&told), "{told} messages for 6 turns");
    let log = outrigger.log();
    assert!(
        !log.contains("panicked") && !log.contains("corrupt"),
        "{log}"
    );
}
