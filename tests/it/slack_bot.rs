//! A Slack bot from the first alert of a group to the end of the last, over a crash, beside the rules that raise them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::scene::Scene;
use crate::support::server::{Reply, Request, Server};
use crate::support::wait::{PATIENCE, wait_for};

/// What Slack documents for the two methods, as far as it can be checked here.
fn answer(request: &Request, body: &Value, posted: &AtomicUsize) -> Value {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let refuse = |error: &str| json!({"ok": false, "error": error});
    let token = ("authorization".to_owned(), "Bearer xoxb-it".to_owned());
    if !request.headers.contains(&token) {
        return refuse("invalid_auth");
    }
    let attachment = &body["attachments"][0];
    let long = |key: &str, limit: usize| {
        attachment[key].as_str().unwrap_or_default().chars().count() > limit
    };
    if long("text", 4000) || long("fallback", 4000) || long("title", 1024) {
        return refuse("msg_too_long");
    }
    match request.path.as_str() {
        "/api/chat.postMessage" => {
            if text("channel") != "#ops" && text("channel") != "C0FFEE" {
                return refuse("channel_not_found");
            }
            let number = posted.fetch_add(1, Ordering::SeqCst) + 1;
            json!({"ok": true, "channel": "C0FFEE", "ts": format!("1700000000.00000{number}")})
        }
        // Names of channels are for posting only.
        "/api/chat.update" if text("channel") != "C0FFEE" => refuse("channel_not_found"),
        "/api/chat.update" => json!({"ok": true, "channel": "C0FFEE", "ts": body["ts"]}),
        _ => refuse("unknown_method"),
    }
}

const RULES: &str = "  - alert: Loaded
    expr: load > 5
    labels: {severity: critical}
    annotations: {summary: '{{ $labels.core }} is loaded'}
";

#[test]
fn a_bots_message_follows_its_group_over_a_crash() {
    let calls: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let (kept, posted) = (Arc::clone(&calls), AtomicUsize::new(0));
    let slack = Server::start(
        0,
        Arc::new(move |request: &Request| {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let said = answer(request, &body, &posted);
            let method = request.path.trim_start_matches("/api/").to_owned();
            kept.lock().expect("no holder panics").push((method, body));
            Reply::Full {
                status: 200,
                headers: vec![(
                    "content-type".to_owned(),
                    "application/json; charset=utf-8".to_owned(),
                )],
                body: said.to_string().into_bytes(),
            }
        }),
    );
    let called = |count: usize| {
        wait_for(&format!("{count} calls to Slack"), PATIENCE, || {
            let calls = calls.lock().expect("no holder panics").clone();
            (calls.len() >= count).then_some(calls)
        })
    };
    let scene = Scene::new("load{core=\"a\"} 1\nload{core=\"b\"} 1\n", RULES);
    scene.place.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers:\n- name: chat\n  slack_configs:\n  - app_token: xoxb-it\n    app_url: http://{}/api/chat.postMessage\n    channel: '#ops'\n    send_resolved: true\n",
            slack.address
        ),
    );
    let mut outrigger = scene.start();
    scene
        .service
        .expose("load{core=\"a\"} 7\nload{core=\"b\"} 1\n");
    let first = called(1).remove(0);
    assert_eq!(
        (first.0.as_str(), &first.1["channel"]),
        ("chat.postMessage", &json!("#ops"))
    );
    wait_for("the delivery on record", PATIENCE, || {
        let log = outrigger
            .data("/api/v1/notifications/log?kind=delivered")
            .to_string();
        log.contains("delivered").then_some(())
    });
    scene
        .service
        .expose("load{core=\"a\"} 9\nload{core=\"b\"} 6\n");
    called(3);
    outrigger.kill_9();
    outrigger.start_again();
    scene
        .service
        .expose("load{core=\"a\"} 2\nload{core=\"b\"} 6\n");
    // The crash may have come before the record of the delivery: then that is repeated, in the same message.
    let resolved = wait_for("an answer about the end of one", PATIENCE, || {
        let calls = calls.lock().expect("no holder panics").clone();
        calls.into_iter().find(|(_, body)| {
            let text = body["attachments"][0]["text"].as_str().unwrap_or_default();
            body["thread_ts"].is_string() && text.contains("a is loaded* — now 2")
        })
    });
    let text = resolved.1["attachments"][0]["text"]
        .as_str()
        .unwrap_or_default();
    for part in [
        "now 2, peak 9 (threshold 5)",
        "*Still firing:* 1",
        "• b is loaded — 6",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    scene
        .service
        .expose("load{core=\"a\"} 2\nload{core=\"b\"} 3\n");
    let green = wait_for("the message turns green", PATIENCE, || {
        let calls = calls.lock().expect("no holder panics").clone();
        calls.into_iter().find(|(method, body)| {
            method == "chat.update" && body["attachments"][0]["color"] == "#12a150"
        })
    });
    assert_eq!(green.1["ts"], "1700000000.000001", "the first message");
    wait_for("the end is in the thread", PATIENCE, || {
        let calls = calls.lock().expect("no holder panics").clone();
        calls.into_iter().find(|(_, body)| {
            body["thread_ts"].is_string() && body["attachments"][0]["color"] == "#12a150"
        })
    });
    let until_the_end = calls.lock().expect("no holder panics").clone();
    for (method, body) in &until_the_end[1..] {
        let about = if method == "chat.update" {
            &body["ts"]
        } else {
            &body["thread_ts"]
        };
        assert_eq!(about, "1700000000.000001", "{method} {body}");
    }
    // The next one begins anew.
    scene
        .service
        .expose("load{core=\"a\"} 8\nload{core=\"b\"} 3\n");
    let begun = wait_for("a new message", PATIENCE, || {
        let calls = calls.lock().expect("no holder panics").clone();
        calls
            .into_iter()
            .skip(1)
            .find(|(_, body)| body["channel"] == "#ops")
    });
    assert!(begun.1["thread_ts"].is_null(), "{}", begun.1);
}
