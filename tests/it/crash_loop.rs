//! Killed again and again while it delivers: every notification arrives, and one that arrives twice has the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::scene::FAST;
use crate::support::server::{Reply, Request, Server};
use crate::support::wait::{PATIENCE, wait_until};

const ROUNDS: usize = 8;
const ALERTS_A_ROUND: usize = 12;

/// What a receiver saw.
#[derive(Default)]
struct Seen {
    requests: usize,
    /// Processes before the one that sends.
    kills: usize,
    /// By alert: the ids of what it accepted, and how many kills there had been.
    accepted: BTreeMap<String, Vec<(String, usize)>>,
}

/// A receiver that counts, and refuses every fourth request for a while.
struct Counting {
    seen: Arc<Mutex<Seen>>,
    server: Server,
}

impl Counting {
    fn start() -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = Arc::clone(&seen);
        let handler = move |request: &Request| {
            let mut seen = shared.lock().expect("no holder panics");
            seen.requests += 1;
            if seen.requests.is_multiple_of(4) {
                return Reply::text(503, "not now");
            }
            let id = request
                .headers
                .iter()
                .find(|(name, _)| name == "x-outrigger-notification-id");
            let id = id.map(|(_, value)| value.clone()).unwrap_or_default();
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            for alert in body["alerts"].as_array().expect("alerts") {
                let name = alert["labels"]["n"].to_string();
                let kills = seen.kills;
                let accepted = seen.accepted.entry(name).or_default();
                accepted.push((id.clone(), kills));
            }
            Reply::text(200, "ok")
        };
        Self {
            server: Server::start(0, Arc::new(handler)),
            seen,
        }
    }

    fn requests(&self) -> usize {
        self.seen.lock().expect("no holder panics").requests
    }

    fn told(&self) -> usize {
        self.seen.lock().expect("no holder panics").accepted.len()
    }
}

fn post(outrigger: &Outrigger, count: usize) {
    let alert = |n: usize| {
        json!({
            "labels": {"alertname": "Posted", "n": n.to_string(), "severity": "critical"},
            "startsAt": "2026-01-01T00:00:00Z",
        })
    };
    let alerts: Vec<Value> = (0..count).map(alert).collect();
    let headers = [("content-type", "application/json")];
    let body = json!(alerts).to_string();
    let answer = http::request(
        &outrigger.address(),
        "POST",
        "/api/v2/alerts",
        &headers,
        &body,
    );
    assert_eq!(answer.expect("an answer").status, 200);
}

#[test]
fn killed_at_any_point_every_notification_arrives_and_a_repeated_one_has_the_same_id() {
    let receiver = Counting::start();
    let place = Place::new();
    let config = format!(
        "{FAST}alertmanager_config: alertmanager.yml\nrule_files: []\n\
         delivery: {{circuit_breaker: {{failures: 20}}}}\n"
    );
    place.write("outrigger.yml", &config);
    let routing = format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: hook\n  webhook_configs: [{{url: 'http://{}/hook'}}]\n",
        receiver.server.address
    );
    place.write("alertmanager.yml", &routing);
    let mut outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    for round in 1..=ROUNDS {
        // As Prometheus does: all that fire are sent again, the new ones with them.
        let before = receiver.requests();
        post(&outrigger, round * ALERTS_A_ROUND);
        let until = before + usize::from(rand::random::<u8>()) % ALERTS_A_ROUND;
        wait_until(&format!("request {until}"), PATIENCE, || {
            receiver.requests() >= until
        });
        outrigger.kill_9();
        // What it had sent before is taken in.
        let mut last = None;
        wait_until("silence", PATIENCE, || {
            let now = Some(receiver.requests());
            std::mem::replace(&mut last, now) == now
        });
        receiver.seen.lock().expect("no holder panics").kills += 1;
        outrigger.start_again();
    }
    let all = ROUNDS * ALERTS_A_ROUND;
    post(&outrigger, all);
    wait_until("all to be told", PATIENCE, || receiver.told() == all);
    wait_until("nothing to wait", PATIENCE, || {
        outrigger.metric("outrigger_outbox_pending") == 0.0
    });

    let seen = receiver.seen.lock().expect("no holder panics");
    let accepted: usize = seen.accepted.values().map(Vec::len).sum();
    let repeated = accepted - all;
    eprintln!(
        "{ROUNDS} kills: {all} notifications, {} requests, {repeated} accepted twice with the same id",
        seen.requests
    );
    for (alert, accepted) in &seen.accepted {
        let ids: BTreeSet<&String> = accepted.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), 1, "alert {alert} came as {accepted:?}");
        assert!(!accepted[0].0.is_empty());
        // Only a kill between the acceptance and its record makes it come once more.
        let lives: BTreeSet<usize> = accepted.iter().map(|(_, kills)| *kills).collect();
        assert_eq!(lives.len(), accepted.len(), "alert {alert}: {accepted:?}");
    }
    let log = outrigger.log();
    assert!(
        !log.contains("panicked") && !log.contains("corrupt"),
        "{log}"
    );
}
