//! A drill with a service: it stops and people are told, with the runbook; it comes back and they are told that.

use std::path::Path;

use serde_json::Value;

use crate::support::http;
use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::scene::{FAST, Scene};
use crate::support::server::Reply;
use crate::support::service::Service;
use crate::support::smtp::SmtpSink;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

const EXPOSITION: &str = "http_requests_total{status=\"200\"} 1\n";

/// The shipped rules of a service, firing after 1 s instead of a minute.
fn impatient_rules() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/api.yml");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("for: 1m"), "APIInstanceDown waits a minute");
    text.replace("for: 1m", "for: 1s")
}

#[test]
fn a_service_that_stops_and_starts_is_told_by_slack_and_mail() {
    let name = "a_service_that_stops_and_starts_is_told_by_slack_and_mail";
    let place = Place::new();
    let Some(smtp) = SmtpSink::start(name, place.path()) else {
        return;
    };
    let slack = Recorder::start();
    let mut service = Service::start(EXPOSITION);
    place.write("rules/api.yml", &impatient_rules());
    let config = format!(
        "{FAST}alertmanager_config: alertmanager.yml\nrule_files: [rules/*.yml]\n\
         scrape_configs:\n- {{job_name: shop, static_configs: [{{targets: ['{}']}}]}}\n",
        service.address()
    );
    place.write("outrigger.yml", &config);
    let routing = format!(
        "global: {{smtp_smarthost: '{}', smtp_from: outrigger@example.org, smtp_require_tls: false}}\n\
         route: {{receiver: on-call, group_by: [alertname, job], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: on-call\n\
        \x20 slack_configs: [{{api_url: '{}', channel: '#incidents', send_resolved: true}}]\n\
        \x20 email_configs: [{{to: on-call@example.org, send_resolved: true}}]\n",
        smtp.address(),
        slack.url("/services/T/B/secret"),
    );
    place.write("alertmanager.yml", &routing);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    outrigger.wait_for_value("up{job=\"shop\"}", 1.0);

    service.down();
    let posted = |count: usize| {
        wait_for(&format!("{count} messages at Slack"), PATIENCE, || {
            let posted = slack.accepted("/services/T/B/secret");
            (posted.len() >= count).then_some(posted)
        })
    };
    let mailed = |count: usize| {
        wait_for(&format!("{count} mails"), PATIENCE, || {
            Some(smtp.mails()).filter(|mails| mails.len() >= count)
        })
    };
    let runbook = format!("{}/runbooks/api-instance-down", outrigger.url());
    let firing = posted(1).remove(0);
    tells(
        &firing.to_string(),
        &[
            "APIInstanceDown",
            &runbook,
            &service.address(),
            "critical",
            "is down",
        ],
    );
    assert_eq!(firing["channel"], "#incidents", "{firing}");
    let mail = mailed(1).remove(0);
    assert_eq!(mail["to"], serde_json::json!(["on-call@example.org"]));
    tells(
        mail["subject"].as_str().unwrap(),
        &["FIRING", "APIInstanceDown"],
    );
    for form in ["text", "html"] {
        let body = mail[form]
            .as_str()
            .unwrap_or_else(|| panic!("the mail has no {form}: {mail}"));
        tells(
            body,
            &["APIInstanceDown", &runbook, &service.address(), "critical"],
        );
    }
    // The link leads somewhere.
    let page = http::get(&outrigger.address(), "/runbooks/api-instance-down").unwrap();
    assert_eq!(page.status, 200);

    service.up();
    tells(
        &posted(2)[1].to_string().to_lowercase(),
        &["resolved", "apiinstancedown"],
    );
    tells(
        mailed(2)[1]["subject"].as_str().unwrap(),
        &["RESOLVED", "APIInstanceDown"],
    );
    outrigger.wait_for_quiet("APIInstanceDown");
    assert_eq!(
        (slack.messages().len(), smtp.mails().len()),
        (2, 2),
        "nobody is told twice"
    );
    assert!(
        !outrigger.log().contains("/services/T/B/secret"),
        "the webhook's address is a secret"
    );
}

#[test]
fn without_routing_an_alert_is_printed() {
    let place = Place::new();
    let mut service = Service::start(EXPOSITION);
    place.write("rules/api.yml", &impatient_rules());
    place.write(
        "outrigger.yml",
        &format!("{FAST}rule_files: [rules/*.yml]\n"),
    );
    let outrigger = Outrigger::start(
        place.path(),
        &["--config", "outrigger.yml", "--target", &service.address()],
    );
    outrigger.wait_for_value("up{job=\"service\"}", 1.0);
    service.down();
    wait_until("the alert in the output", PATIENCE, || {
        outrigger.printed().contains("APIInstanceDown")
    });
    // Not a terminal: one object a line.
    let printed = outrigger.printed();
    let line = printed
        .lines()
        .find(|line| line.contains("APIInstanceDown"))
        .unwrap();
    let told: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
    tells(
        &told.to_string(),
        &["/runbooks/api-instance-down", "critical", "firing"],
    );
}

#[test]
fn a_rule_that_is_removed_while_it_fires_is_told_as_resolved() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let outrigger = scene.start();
    scene.wait_for_told(1);
    scene.rules("  - record: nothing\n    expr: vector(0)\n");
    let told = scene.wait_for_told(2);
    assert_eq!(told[1]["status"], "resolved", "{}", told[1]);
    assert_eq!(told[1]["alerts"][0]["labels"]["alertname"], "Firing");
    assert!(outrigger.alerts("Firing").is_empty());
}

#[test]
fn a_message_whose_template_fails_is_sent_in_words_of_its_own() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    // Well formed, and wrong for this very alert only: no trial at the start can find it.
    let routing = format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: team\n\
         \x20 slack_configs: [{{api_url: '{}', channel: '#a', title: '{{{{ if eq .CommonLabels.alertname \"Firing\" }}}}{{{{ index .Alerts 5 }}}}{{{{ end }}}}'}}]\n",
        scene.recorder.url("/slack"),
    );
    scene.place.write("alertmanager.yml", &routing);
    let outrigger = scene.start();
    let posted = wait_for("the message", PATIENCE, || {
        scene.recorder.accepted("/slack").pop()
    });
    tells(&posted.to_string(), &["Firing"]);
    assert!(
        posted.to_string().contains("template"),
        "the message says that its template failed: {posted}"
    );
    wait_until("the failure in the log", PATIENCE, || {
        outrigger.log().contains("template")
    });
}

#[test]
fn a_receiver_that_hangs_holds_up_nobody_else() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let stuck = Recorder::start();
    stuck.reply(Reply::Hang);
    let routing = format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: team\n\
         \x20 webhook_configs: [{{url: '{}'}}, {{url: '{}'}}]\n",
        stuck.url("/hook"),
        scene.recorder.url("/hook"),
    );
    scene.place.write("alertmanager.yml", &routing);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    scene.service.expose("flag 0\n");
    assert_eq!(scene.wait_for_told(2)[1]["status"], "resolved");
    assert!(!stuck.messages().is_empty(), "the other one was tried");
    assert!(outrigger.metric("outrigger_outbox_oldest_pending_seconds") >= 0.0);
}

#[track_caller]
fn tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
