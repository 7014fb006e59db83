//! Reload while it works: all or nothing, by each way that files change, and nobody is told anew.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::outrigger::Outrigger;
use crate::support::scene::{Scene, rule_file, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_until};

const SUCCESSFUL: &str = "outrigger_config_last_reload_successful";
const RELOADS: &str = "outrigger_config_reloads_total";

/// A rule that stays pending; its annotation tells which file is loaded.
fn pending(summary: &str) -> String {
    format!(
        "  - alert: Waiting\n    expr: flag == 1\n    for: 1h\n    annotations: {{summary: '{summary}'}}\n"
    )
}

/// A mistake on line 5, column 15 of the rule file.
const BROKEN: &str = "  - alert: Waiting\n    expr: flag == ==\n    for: 1h\n";

fn summary_of_rule(outrigger: &Outrigger) -> Value {
    outrigger.data("/api/v1/rules")["groups"][0]["rules"][0]["annotations"]["summary"].clone()
}

/// Breaks and mends the rule file while an alert is pending, each time with `write`.
#[track_caller]
fn broken_and_mended(scene: &Scene, write: &dyn Fn(&str)) {
    let outrigger = scene.start();
    let before = outrigger.wait_for_alert("Waiting", "pending");
    assert_eq!(outrigger.metric(SUCCESSFUL), 1.0);

    write(&rule_file(BROKEN));
    wait_until("the broken file to be noticed", PATIENCE, || {
        outrigger.metric(SUCCESSFUL) == 0.0
    });
    let answer = outrigger.post("/-/reload");
    assert!(answer.status >= 400, "{answer:?}");
    assert!(
        answer.body.contains("rules/service.yml:5:"),
        "file, line and column: {}",
        answer.body
    );
    assert!(
        outrigger.log().contains("rules/service.yml:5:"),
        "the log says it too"
    );
    assert!(
        outrigger
            .get("/status")
            .body
            .contains("rules/service.yml:5:"),
        "the status page says it too"
    );
    wait_for_evaluations(&outrigger, 2);
    assert_eq!(
        outrigger.wait_for_alert("Waiting", "pending")["activeAt"],
        before["activeAt"],
        "old rules go on"
    );
    assert_eq!(summary_of_rule(&outrigger), "first");

    write(&rule_file(&pending("second")));
    wait_until("the mended file to be loaded", PATIENCE, || {
        outrigger.metric(SUCCESSFUL) == 1.0
    });
    wait_until("the new annotation", PATIENCE, || {
        summary_of_rule(&outrigger) == "second"
    });
    wait_for_evaluations(&outrigger, 2);
    let after = outrigger.wait_for_alert("Waiting", "pending");
    assert_eq!(after["activeAt"], before["activeAt"], "`for` continues");
    assert!(
        !outrigger
            .get("/status")
            .body
            .contains("rules/service.yml:5:"),
        "the mistake is off the status page"
    );
}

#[test]
fn a_broken_rule_file_keeps_the_old_rules_and_mending_it_continues_for() {
    let scene = Scene::new("flag 1\n", &pending("first"));
    broken_and_mended(&scene, &|text| {
        scene.place.write("rules/service.yml", text);
    });
}

#[test]
fn an_alert_that_goes_on_firing_by_another_expression_or_in_another_file_is_not_told_anew() {
    let rule = |expr: &str| format!("  - {{alert: Firing, expr: '{expr}'}}\n");
    let scene = Scene::new("flag 1\n", &rule("flag == 1"));
    let outrigger = scene.start();
    scene.wait_for_told(1);
    for round in 0..5 {
        let reloads = outrigger.metric(RELOADS);
        if round == 4 {
            let text = rule_file(&rule("flag > 0"));
            scene.place.write("rules/moved.yml", &text);
            std::fs::remove_file(scene.place.join("rules/service.yml")).unwrap();
        } else {
            scene.rules(&rule(&format!("flag >= 0.{round}")));
        }
        wait_until("the change to be loaded", PATIENCE, || {
            outrigger.metric(RELOADS) > reloads
        });
        wait_for_evaluations(&outrigger, 4);
    }
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 1, "{:?}", scene.told());
}

#[test]
fn a_group_that_moves_to_another_file_keeps_its_for() {
    let scene = Scene::new("flag 1\n", &pending("first"));
    let mut outrigger = scene.start();
    let before = outrigger.wait_for_alert("Waiting", "pending");
    let rules = scene.place.join("rules");
    std::fs::rename(rules.join("service.yml"), rules.join("moved.yml")).unwrap();
    wait_until("the other file to be loaded", PATIENCE, || {
        let file = outrigger.data("/api/v1/rules")["groups"][0]["file"].clone();
        file.as_str()
            .is_some_and(|file| file.ends_with("moved.yml"))
    });
    wait_for_evaluations(&outrigger, 2);
    let after = outrigger.wait_for_alert("Waiting", "pending");
    assert_eq!(after["activeAt"], before["activeAt"]);
    outrigger.kill_9();
    outrigger.start_again();
    wait_for_evaluations(&outrigger, 2);
    let log = outrigger.log();
    assert!(log.contains("alert state restored"), "{log}");
}

#[test]
fn an_editor_that_renames_is_noticed_too() {
    let scene = Scene::new("flag 1\n", &pending("first"));
    broken_and_mended(&scene, &|text| {
        scene.place.replace("rules/service.yml", text)
    });
}

#[test]
fn a_reload_that_changes_nothing_sends_nothing() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let outrigger = scene.start();
    let before = outrigger.wait_for_alert("Firing", "firing");
    scene.wait_for_told(1);

    let reloads = outrigger.metric(RELOADS);
    let text = rule_file("  - alert: Firing\n    expr: flag == 1\n");
    scene.place.write("rules/service.yml", &text);
    wait_until("a reload for the touched file", PATIENCE, || {
        outrigger.metric(RELOADS) >= reloads + 1.0
    });
    let reloads = outrigger.metric(RELOADS);
    let answer = outrigger.post("/-/reload");
    assert_eq!(answer.status, 200, "{answer:?}");
    outrigger.signal(Signal::HUP);
    wait_until("reloads by request and by signal", PATIENCE, || {
        outrigger.metric(RELOADS) >= reloads + 2.0
    });
    assert_eq!(outrigger.metric(SUCCESSFUL), 1.0);

    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), 1, "nobody is told anew");
    assert_eq!(
        outrigger.wait_for_alert("Firing", "firing")["activeAt"],
        before["activeAt"]
    );
}

#[test]
fn a_config_map_that_swaps_its_link_is_noticed() {
    use std::os::unix::fs::symlink;

    let scene = Scene::new("flag 1\n", &pending("first"));
    // As a kubelet lays out a ConfigMap: files are links into ..data, which is a link to a directory with a date.
    let mount = scene.place.join("rules");
    std::fs::remove_file(mount.join("service.yml")).unwrap();
    let publish = |version: &str, text: &str| {
        scene
            .place
            .write(&format!("rules/{version}/service.yml"), text);
        symlink(version, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..2026_11_20_10_00", &rule_file(&pending("first")));
    symlink("..data/service.yml", mount.join("service.yml")).unwrap();

    let outrigger = scene.start();
    let before = outrigger.wait_for_alert("Waiting", "pending");
    publish("..2026_11_20_10_01", &rule_file(&pending("second")));
    wait_until("the swapped link to be noticed", PATIENCE, || {
        summary_of_rule(&outrigger) == "second"
    });
    std::fs::remove_dir_all(mount.join("..2026_11_20_10_00")).unwrap();
    // The swap before may have stopped the watching of what is behind the link: once more.
    publish("..2026_11_20_10_02", &rule_file(&pending("third")));
    wait_until("the second swap to be noticed", PATIENCE, || {
        summary_of_rule(&outrigger) == "third"
    });
    wait_for_evaluations(&outrigger, 2);
    assert_eq!(
        outrigger.wait_for_alert("Waiting", "pending")["activeAt"],
        before["activeAt"],
        "`for` continues"
    );
}

#[test]
fn routing_and_targets_are_reloaded_too() {
    let scene = Scene::new(
        "flag 1\n",
        "  - alert: Firing\n    expr: flag == 1\n    labels: {severity: info}\n",
    );
    let outrigger = scene.start();
    scene.wait_for_told(1);
    let second = crate::support::service::Service::start("other 2\n");
    let (first, added) = (scene.service.address(), second.address());
    let text = std::fs::read_to_string(scene.place.join("outrigger.yml")).unwrap();
    scene.place.replace(
        "outrigger.yml",
        &text.replace(&format!("'{first}'"), &format!("'{first}', '{added}'")),
    );
    outrigger.wait_for_value("other", 2.0);
    assert_eq!(
        outrigger.value("flag"),
        Some(1.0),
        "the target before is still there"
    );

    scene
        .place
        .write("alertmanager.yml", "route: {receiver: nobody}\n");
    wait_until("the mistake in the routing to be noticed", PATIENCE, || {
        outrigger.metric(SUCCESSFUL) == 0.0
    });
    let answer = outrigger.post("/-/reload");
    assert!(
        answer.status >= 400 && answer.body.contains("alertmanager.yml:1:"),
        "{answer:?}"
    );
    scene.routing("group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 2h");
    wait_until("the mended routing to be loaded", PATIENCE, || {
        outrigger.metric(SUCCESSFUL) == 1.0
    });
    wait_for_evaluations(&outrigger, 6);
    assert_eq!(scene.told().len(), 1, "nobody is told anew");
}

#[test]
fn a_rule_file_beside_the_configuration_is_noticed_and_loaded_once() {
    let scene = Scene::new("flag 1\n", &pending("first"));
    let text = std::fs::read_to_string(scene.place.join("outrigger.yml")).unwrap();
    // Two patterns name the one file.
    scene.place.write(
        "outrigger.yml",
        &text.replace("rules/*.yml", "service*.yml, service.yml"),
    );
    scene
        .place
        .write("service.yml", &rule_file(&pending("first")));
    let outrigger = scene.start();
    outrigger.wait_for_alert("Waiting", "pending");
    assert_eq!(
        outrigger.data("/api/v1/rules")["groups"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    scene
        .place
        .write("service.yml", &rule_file(&pending("second")));
    wait_until("the new annotation", PATIENCE, || {
        summary_of_rule(&outrigger) == "second"
    });
}

#[test]
fn a_send_in_flight_and_a_group_that_waits_survive_reloads() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};

    use crate::support::server::{Reply, Request, Server};

    // A receiver that answers when it is let.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (begun, held) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(true)),
    );
    let (count, hold, door) = (Arc::clone(&begun), Arc::clone(&held), Arc::clone(&gate));
    let slow = Server::start(
        0,
        Arc::new(move |_: &Request| {
            count.fetch_add(1, Ordering::SeqCst);
            if hold.load(Ordering::SeqCst) {
                let (open, bell) = &*door;
                let open = open.lock().expect("no holder panics");
                drop(
                    bell.wait_while(open, |open| !*open)
                        .expect("no holder panics"),
                );
            }
            Reply::text(200, "ok")
        }),
    );
    let scene = Scene::new(
        "flag 1\nother 1\n",
        "  - alert: Slow\n    expr: flag == 1\n",
    );
    let url = format!("http://{}/", slow.address);
    let hook = scene.recorder.url("/hook");
    let routing = |other: &str, settings: &str| {
        format!(
            "route: {{receiver: slow, group_by: [alertname], group_wait: 0s, group_interval: 1h, repeat_interval: 4h, routes: [\
             {{matchers: [alertname=Waits], receiver: hook, group_wait: 1h}}, {{matchers: [x={other}], receiver: hook}}]}}\n\
             receivers:\n- {{name: slow, webhook_configs: [{{url: '{url}'{settings}}}]}}\n- {{name: hook, webhook_configs: [{{url: '{hook}'}}]}}\n"
        )
    };
    scene.place.write("alertmanager.yml", &routing("y", ""));
    let outrigger = scene.start();
    wait_until("the send to begin", PATIENCE, || {
        begun.load(Ordering::SeqCst) == 1
    });
    let post = |body: &str| {
        let headers = [("content-type", "application/json")];
        let answer = crate::support::http::request(
            &outrigger.address(),
            "POST",
            "/api/v2/alerts",
            &headers,
            body,
        );
        assert_eq!(answer.unwrap().status, 200);
    };
    post(r#"[{"labels":{"alertname":"Waits"}}]"#);

    // Nothing; another route; settings of the very receiver that is being told.
    for (other, settings) in [
        ("y", ""),
        ("z", ""),
        ("z", ", max_alerts: 7"),
        ("z", ", max_alerts: 7, timeout: 20s"),
    ] {
        scene
            .place
            .write("alertmanager.yml", &routing(other, settings));
        assert_eq!(outrigger.post("/-/reload").status, 200);
    }
    wait_for_evaluations(&outrigger, 4);
    assert_eq!(
        begun.load(Ordering::SeqCst),
        1,
        "it is not sent again while it is under way"
    );
    let groups = outrigger.get("/api/v2/alerts/groups").json();
    let waits = groups
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["labels"]["alertname"] == "Waits");
    assert_eq!(
        waits.expect("its group")["alerts"].as_array().map(Vec::len),
        Some(1),
        "{groups}"
    );

    held.store(false, Ordering::SeqCst);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    wait_until("the delivery on record", PATIENCE, || {
        let ledger = outrigger.data("/api/v2/ledger?kind=delivered&receiver=slow");
        ledger.as_array().is_some_and(|entries| entries.len() == 1)
    });
    assert_eq!(outrigger.post("/-/reload").status, 200);
    wait_for_evaluations(&outrigger, 6);
    assert_eq!(begun.load(Ordering::SeqCst), 1, "told once");
    assert_eq!(scene.told().len(), 0, "group_wait goes on");
}
