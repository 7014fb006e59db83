//! Storms and flapping alerts through the program: few messages, and every alert on record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::outrigger::Outrigger;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_for, wait_until};

const RULES: &str = "  - alert: Disk
    expr: flag == 1
    labels: {severity: warning}
";

/// Posts this many alerts of four names, each with a number.
fn post(outrigger: &Outrigger, numbers: std::ops::Range<usize>) {
    let alert = |i: usize| {
        json!({
            "labels": {"alertname": format!("Kind{}", i % 4), "n": i.to_string(), "severity": "warning"},
            "annotations": {"summary": "one of many"},
        })
    };
    let body = Value::Array(numbers.map(alert).collect()).to_string();
    let headers = [("content-type", "application/json")];
    let answer = http::request(
        &outrigger.address(),
        "POST",
        "/api/v2/alerts",
        &headers,
        &body,
    );
    assert_eq!(answer.expect("an answer").status, 200);
}

/// The whole ledger, oldest first.
fn ledger(outrigger: &Outrigger) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = outrigger
            .get(&format!("/api/v2/ledger?limit=10000{cursor}"))
            .json();
        entries.append(page["data"].as_array_mut().expect("a list"));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    entries.reverse();
    entries
}

#[test]
fn a_storm_of_ten_thousand_alerts_is_few_messages_and_every_alert_is_on_record() {
    const ALERTS: usize = 10_000;
    const BUSY: Duration = Duration::from_secs(120);
    let scene = Scene::new("flag 0\n", RULES);
    scene.routing("group_by: ['...'], group_wait: 0s, group_interval: 1m, repeat_interval: 1h");
    scene.settings("storm: {interval: 2s}\n");
    let outrigger = scene.start();
    for from in (0..ALERTS).step_by(2_500) {
        post(&outrigger, from..from + 2_500);
    }
    let number = |alert: &Value| alert["labels"]["n"].as_str().map(str::to_owned);
    let mut told = BTreeSet::new();
    wait_until("every alert told", BUSY, || {
        let alerts = scene.told();
        let alerts = alerts.iter().flat_map(|told| told["alerts"].as_array());
        told = alerts.flatten().filter_map(number).collect();
        told.len() == ALERTS
    });

    let answer = outrigger.data("/api/v1/storms");
    assert_eq!(answer["storms"][0]["receiver"], "hook", "{answer}");
    assert_eq!(answer["storms"][0]["alerts"], ALERTS, "{answer}");
    assert_eq!(answer["storms"][0]["kinds"], 4, "{answer}");
    wait_until("the storm in the metrics", PATIENCE, || {
        outrigger.metric("outrigger_storms") == 1.0
    });
    assert_eq!(outrigger.metric("outrigger_storms_begun_total"), 1.0);
    let page = outrigger.get("/status").body;
    assert!(page.contains("Storm at receiver hook"), "{page}");

    // An operator ends it: the last message says so, and it is no storm any more.
    assert_eq!(outrigger.post("/api/v1/storms/other/end").status, 404);
    assert_eq!(outrigger.post("/api/v1/storms/hook/end").status, 204);
    let is_storm = |told: &Value| {
        let key = told["groupKey"].as_str();
        key.is_some_and(|key| key.starts_with("storm/"))
    };
    wait_until("the last message of the storm", PATIENCE, || {
        let last = scene.told().into_iter().rfind(is_storm);
        last.is_some_and(|last| last["alerts"].as_array().is_some_and(Vec::is_empty))
    });
    assert_eq!(outrigger.data("/api/v1/storms")["storms"], json!([]));
    assert_eq!(outrigger.post("/api/v1/storms/hook/end").status, 404);

    let told = scene.told();
    assert!(told.len() <= 40, "{} messages for a storm", told.len());
    let incidents: BTreeSet<&str> = told
        .iter()
        .filter(|told| is_storm(told))
        .filter_map(|told| told["groupKey"].as_str())
        .collect();
    assert_eq!(incidents.len(), 1, "all messages of a storm are one thread");

    // Each alert: a decision that names its message, and that message delivered.
    let is_complete = |entries: &[Value]| {
        let delivered: BTreeSet<&str> = entries
            .iter()
            .filter(|entry| entry["kind"] == "delivered")
            .filter_map(|entry| entry["decision"]["notification"].as_str())
            .collect();
        let mut named: BTreeMap<&str, &str> = BTreeMap::new();
        for entry in entries {
            let decision = &entry["decision"];
            let message = decision["notification"]
                .as_str()
                .or(decision["digest"].as_str());
            if let (Some(fingerprint), Some(message)) = (entry["fingerprint"].as_str(), message) {
                named.insert(fingerprint, message);
            }
        }
        named.len() == ALERTS && named.values().all(|message| delivered.contains(message))
    };
    wait_until("every alert in the ledger", PATIENCE, || {
        is_complete(&ledger(&outrigger))
    });
    let held = outrigger.metric("outrigger_notifications_held_in_storm_total");
    assert!(held > 9_000.0, "{held} were gathered");
}

#[test]
fn a_target_that_flaps_is_held_until_it_stands_still() {
    let scene = Scene::new("flag 0\n", RULES);
    scene.settings("flapping: {changes: 4, window: 10m, calm: 5s}\n");
    scene.routing(
        "group_by: [alertname], group_wait: 0s, group_interval: 100ms, repeat_interval: 1h",
    );
    let mut outrigger = scene.start();
    let flip = |outrigger: &Outrigger, on: bool| {
        scene
            .service
            .expose(if on { "flag 1\n" } else { "flag 0\n" });
        if on {
            outrigger.wait_for_alert("Disk", "firing");
        } else {
            outrigger.wait_for_quiet("Disk");
        }
    };
    for on in [true, false, true, false, true] {
        flip(&outrigger, on);
    }
    let note = |message: &Value| {
        let note = &message["alerts"][0]["annotations"]["outrigger_flapping"];
        note.as_str().map(str::to_owned)
    };
    let notes = || -> Vec<String> { scene.told().iter().filter_map(note).collect() };
    wait_until("to be told that it flaps", PATIENCE, || !notes().is_empty());
    let told = scene.told().len();
    flip(&outrigger, false);
    flip(&outrigger, true);
    // Held over a crash too.
    outrigger.kill_9();
    outrigger.start_again();
    flip(&outrigger, false);
    wait_for_evaluations(&outrigger, 2);
    let shown = outrigger.get("/api/v2/alerts").json();
    assert_eq!(shown[0]["status"]["state"], "active", "{shown}");
    let words = shown[0]["annotations"]["outrigger_flapping"].as_str();
    assert!(
        words.is_some_and(|words| words.contains("held as firing")),
        "{shown}"
    );
    assert_eq!(outrigger.metric("outrigger_alerts_flapping"), 1.0);
    let last = wait_for("its true state", PATIENCE, || {
        scene.told().get(told).cloned()
    });
    assert_eq!(last["status"], "resolved", "{last}");
    assert!(
        notes()[0].starts_with("is flapping: 4 changes in"),
        "{:?}",
        notes()
    );
    assert!(
        notes()[1].starts_with("no longer flapping"),
        "{:?}",
        notes()
    );
    let kinds: BTreeSet<String> = ledger(&outrigger)
        .iter()
        .filter_map(|entry| entry["kind"].as_str().map(str::to_owned))
        .collect();
    assert!(kinds.contains("held_flapping"), "{kinds:?}");
}
