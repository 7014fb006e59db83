//! Many alerts at once: one message a group, a digest where there would be too many, nothing lost.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_for, wait_until};

/// `broken{n="..."} 1`, so often.
fn broken(count: usize) -> String {
    (0..count)
        .map(|n| format!("broken{{n=\"{n:03}\"}} 1\n"))
        .collect()
}

const RULES: &str = "  - alert: Broken
    expr: broken == 1
    labels: {severity: warning}
    annotations: {summary: '{{ $labels.n }} is broken'}
";

/// The values of label `n` of a message's alerts.
fn numbers(message: &Value) -> BTreeSet<String> {
    let alerts = message["alerts"].as_array().expect("a list of alerts");
    alerts
        .iter()
        .map(|alert| alert["labels"]["n"].as_str().expect("label n").to_owned())
        .collect()
}

#[test]
fn twenty_alerts_at_once_are_one_message() {
    let scene = Scene::new(&broken(20), RULES);
    let outrigger = scene.start();
    let told = scene.wait_for_told(1);
    assert_eq!(numbers(&told[0]).len(), 20, "{}", told[0]);
    assert_eq!(told[0]["status"], "firing");
    assert_eq!(
        told[0]["groupLabels"],
        serde_json::json!({"alertname": "Broken"})
    );
    assert_eq!(told[0]["version"], "4");
    wait_for_evaluations(&outrigger, 6);
    assert_eq!(scene.told().len(), 1, "the group is told once");

    scene.service.expose("broken{n=\"000\"} 1\n");
    scene.wait_for_told(2);
    scene.service.expose("");
    wait_until("the message that all is over", PATIENCE, || {
        scene
            .told()
            .last()
            .is_some_and(|message| message["status"] == "resolved")
    });
}

#[test]
fn two_hundred_messages_become_a_few_and_a_digest() {
    let scene = Scene::new(&broken(200), RULES);
    scene.routing("group_by: ['...'], group_wait: 0s, group_interval: 1m, repeat_interval: 1h");
    scene.settings("throttle: {rules: [{burst: 5, refill_interval: 4s, digest_interval: 1s}]}\n");
    let outrigger = scene.start();

    let mut covered = BTreeSet::new();
    wait_until("all 200 alerts told", PATIENCE, || {
        covered = scene.told().iter().flat_map(numbers).collect();
        covered.len() == 200
    });
    let told = scene.told();
    let digests = told
        .iter()
        .filter(|message| message["groupKey"].as_str().unwrap().starts_with("digest/"))
        .count();
    assert!(digests >= 1, "a digest is among {} messages", told.len());
    assert!(told.len() <= 10, "{} messages for 200 alerts", told.len());

    // Proof for each: under the fingerprint that the message shows, what was decided and what became of it.
    let log = |query: &str| {
        let mut data = outrigger.data(&format!("/api/v1/notifications/log?limit=10000{query}"));
        std::mem::take(data.as_array_mut().expect("a list of entries"))
    };
    let kinds = |entries: &[Value]| -> BTreeSet<String> {
        entries
            .iter()
            .map(|entry| entry["kind"].as_str().expect("a kind").to_owned())
            .collect()
    };
    let mut throttled = 0;
    for alert in told
        .iter()
        .flat_map(|message| message["alerts"].as_array().unwrap())
    {
        let fingerprint = alert["fingerprint"].as_str().expect("a fingerprint");
        let kinds = wait_for(
            &format!("the delivery of {fingerprint} on record"),
            PATIENCE,
            || {
                Some(kinds(&log(&format!("&fingerprint={fingerprint}"))))
                    .filter(|kinds| kinds.contains("delivered"))
            },
        );
        assert!(
            kinds.contains("enqueued") || kinds.contains("throttled"),
            "{fingerprint}: {kinds:?}"
        );
        throttled += usize::from(kinds.contains("throttled"));
    }
    assert!(throttled >= 190, "{throttled} of 200 were held back");
    let all = log("");
    let found: BTreeSet<String> = all
        .iter()
        .filter_map(|entry| entry["labels"]["n"].as_str())
        .map(str::to_owned)
        .collect();
    assert_eq!(found, covered, "each alert is in the log");
}
