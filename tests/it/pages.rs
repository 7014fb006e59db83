//! The status page, and what must never be on any page, in any answer, in any log.

use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::scene::{FAST, Scene};
use crate::support::server::Reply;
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn the_status_page_shows_targets_rules_alerts_and_notifications() {
    let rules = "  - alert: Firing\n    expr: flag == 1\n    labels: {severity: critical}\n\
                 \x20   annotations: {summary: 'the flag is up', runbook_url: '{{ $externalURL }}/runbooks/high-error-rate'}\n\
                 \x20 - record: twice\n    expr: flag * 2\n";
    let scene = Scene::new("flag 1\n", rules);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    let mut page = String::new();
    let parts = [
        &scene.service.address(),
        "Firing",
        "critical",
        "hook",
        "/runbooks/high-error-rate",
        "service",
    ];
    wait_until("everything on the page", PATIENCE, || {
        page = outrigger.get("/status").body;
        parts.iter().all(|part| page.contains(part))
    });
    let answer = outrigger.get("/status");
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.matches("<script").count(), 1, "ours and no other");
}

#[test]
fn what_a_target_says_is_text_and_stays_text() {
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    let rules = "  - alert: Firing\n    expr: flag == 1\n    annotations: {summary: '{{ $labels.name }}'}\n";
    let scene = Scene::new(&format!("flag{{name=\"{evil}\"}} 1\n"), rules);
    let outrigger = scene.start();
    let told = scene.wait_for_told(1);
    assert_eq!(
        told[0]["alerts"][0]["labels"]["name"], evil,
        "messages carry it as it is"
    );
    for path in [
        "/",
        "/status",
        "/targets",
        "/rules/service/Firing",
        "/graph?g0.expr=%3Cscript%3Ealert(1)%3C/script%3E",
        "/runbooks/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/%3Cscript%3Ealert(1)",
    ] {
        let page = outrigger.get(path).body;
        assert!(
            !page.contains("<script>alert") && !page.contains("<img src=x"),
            "{path}:\n{page}"
        );
    }
}

#[test]
fn secrets_are_nowhere_to_be_seen() {
    const SECRETS: [&str; 4] = [
        "hunter2-password",
        "hunter2-token",
        "hunter2-slack",
        "hunter2-hook",
    ];
    let place = Place::new();
    let service = Service::start("flag 1\n");
    let recorder = Recorder::start();
    // Refused for good: the error is told everywhere, the address nowhere.
    recorder.reply(Reply::text(403, "invalid_token"));
    place.write(
        "rules/a.yml",
        "groups: [{name: g, rules: [{alert: Firing, expr: flag == 1}]}]\n",
    );
    let config = format!(
        "{FAST}alertmanager_config: alertmanager.yml\nrule_files: [rules/*.yml]\nscrape_configs:\n\
         - {{job_name: basic, basic_auth: {{username: u, password: {}}}, static_configs: [{{targets: ['{}']}}]}}\n\
         - {{job_name: bearer, authorization: {{credentials: {}}}, static_configs: [{{targets: ['127.0.0.1:9']}}]}}\n",
        SECRETS[0],
        service.address(),
        SECRETS[1],
    );
    place.write("outrigger.yml", &config);
    let routing = format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: team\n\
         \x20 slack_configs: [{{api_url: '{}', channel: '#a'}}]\n  webhook_configs: [{{url: '{}'}}]\n",
        recorder.url(&format!("/{}", SECRETS[2])),
        recorder.url(&format!("/{}", SECRETS[3])),
    );
    place.write("alertmanager.yml", &routing);
    let outrigger = Outrigger::start(
        place.path(),
        &["--config", "outrigger.yml", "--log-level", "debug"],
    );
    wait_until("both refusals on record", PATIENCE, || {
        let log = outrigger.get("/api/v1/notifications/log?kind=failed").body;
        log.contains("slack[0]") && log.contains("webhook[0]")
    });
    assert!(
        service.asked_with("authorization").is_some(),
        "the secret was used"
    );

    // A mistake beside a secret tells the place, not the secret.
    place.write("outrigger.yml", &config.replace("password:", "pasword:"));
    let refused = outrigger.post("/-/reload");
    assert!(refused.status >= 400, "{refused:?}");

    let mut seen = vec![
        ("reload", refused.body),
        ("log", outrigger.log()),
        ("output", outrigger.printed()),
    ];
    for path in [
        "/",
        "/status",
        "/targets",
        "/rules",
        "/metrics",
        "/health",
        "/api/v1/targets",
        "/api/v1/status/config",
        "/api/v1/notifications/log",
        "/api/v1/alerts",
        "/api/v1/rules",
    ] {
        seen.push((path, outrigger.get(path).body));
    }
    for (place, text) in seen {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {place}:\n{text}");
        }
    }
}
