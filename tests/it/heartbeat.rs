//! The dead man's switch: pinged while everything progresses, and by no means otherwise.

use sqlx::Connection;

use crate::support::outrigger::Outrigger;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_until};

const RULES: &str = "  - alert: Firing\n    expr: flag == 2\n";

/// A scene whose heartbeat tells this recorder.
fn scene(pulse: &Recorder) -> Scene {
    let scene = Scene::new("flag 1\n", RULES);
    scene.settings(&heartbeat(pulse));
    scene
}

fn heartbeat(pulse: &Recorder) -> String {
    format!(
        "heartbeat: {{url: '{}', failure_url: '{}', method: POST, interval: 200ms, progress_within: 3s}}\n",
        pulse.url("/secret-token"),
        pulse.url("/fail")
    )
}

#[track_caller]
fn pings_arrive(pulse: &Recorder) {
    let before = pulse.accepted("/secret-token").len();
    wait_until("three more pings", PATIENCE, || {
        pulse.accepted("/secret-token").len() >= before + 3
    });
}

/// Waits until the pings are withheld because of this component, and asserts that none comes meanwhile.
#[track_caller]
fn pings_stop(outrigger: &Outrigger, pulse: &Recorder, component: &str) {
    wait_until("the failure address to be told", PATIENCE, || {
        let told = pulse.accepted("/fail");
        told.last()
            .is_some_and(|told| told["reason"].to_string().contains(component))
    });
    let pings = pulse.accepted("/secret-token").len();
    let failures = pulse.accepted("/fail").len();
    wait_until("three more failures", PATIENCE, || {
        pulse.accepted("/fail").len() >= failures + 3
    });
    assert_eq!(pulse.accepted("/secret-token").len(), pings, "no ping");
    let withheld = "outrigger_heartbeat_pings_total{outcome=\"withheld\"}";
    assert!(outrigger.get("/metrics").body.contains(withheld));
    let log = outrigger.log();
    assert!(log.contains("heartbeat withheld"), "{log}");
}

#[test]
fn pings_stop_while_targets_hang_and_go_on_when_they_answer() {
    let pulse = Recorder::start();
    let scene = scene(&pulse);
    let outrigger = scene.start();
    pings_arrive(&pulse);
    assert!(outrigger.metric("outrigger_heartbeat_last_ping_timestamp_seconds") > 1.7e9);
    assert!(outrigger.get("/status").body.contains("last ping"));

    scene.service.reply(Reply::Hang);
    pings_stop(&outrigger, &pulse, "scrape");
    assert!(
        outrigger
            .get("/status")
            .body
            .contains("withheld: scrape has not progressed")
    );

    scene.service.expose("flag 1\n");
    pings_arrive(&pulse);
    let everything = [
        outrigger.log(),
        outrigger.get("/status").body,
        outrigger.get("/api/v1/status/config").body,
    ];
    for text in everything {
        assert!(!text.contains("secret-token"), "{text}");
    }
}

#[test]
fn pings_stop_while_the_database_is_blocked() {
    let pulse = Recorder::start();
    let scene = scene(&pulse);
    let outrigger = scene.start();
    pings_arrive(&pulse);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let path = scene.place.join("data/outrigger.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = runtime
        .block_on(sqlx::SqliteConnection::connect_with(&options))
        .unwrap();
    let mut run = |statement| {
        let statement = sqlx::query(statement).execute(&mut other);
        runtime.block_on(statement).unwrap();
    };
    run("BEGIN IMMEDIATE");
    pings_stop(&outrigger, &pulse, "outbox");
    run("ROLLBACK");
    pings_arrive(&pulse);
}

#[test]
fn pings_stop_while_rules_are_stuck() {
    let pulse = Recorder::start();
    let scene = scene(&pulse);
    let outrigger = scene.start();
    pings_arrive(&pulse);
    // Tens of millions of steps each: one evaluation of the group takes longer than the heartbeat waits.
    let heavy =
        |i| format!("  - alert: Heavy{i}\n    expr: max_over_time(vector(1)[30d:100ms]) > 2\n");
    scene.rules(&(0..6).map(heavy).collect::<String>());
    pings_stop(&outrigger, &pulse, "evaluation");
    scene.rules(RULES);
    pings_arrive(&pulse);
}

#[test]
fn a_reload_brings_and_ends_the_heartbeat() {
    let pulse = Recorder::start();
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    assert_eq!(pulse.messages().len(), 0);
    scene.settings(&heartbeat(&pulse));
    assert_eq!(outrigger.post("/-/reload").status, 200);
    pings_arrive(&pulse);
    scene.settings("");
    assert_eq!(outrigger.post("/-/reload").status, 200);
    wait_until("the heartbeat's end", PATIENCE, || {
        !outrigger.get("/status").body.contains("Heartbeat")
    });
}
