//! Runbooks as people meet them: behind the link of a message, with the fault under way.

use std::fmt::Write;

use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::place::Place;
use crate::support::scene::{FAST, Scene};
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_until};

const BOOK: &str = "---\nalert: FlagUp\nseverity: [critical]\nowner: flag team\n---\n# FlagUp\n\nText.\n\n\
```promql\nflag{instance=\"INSTANCE\"}\n```\n\n```promql\nflag +\n```\n\n```sh\ncurl http://INSTANCE/metrics; echo POD\n```\n\n\
## Escalation\n\n|level|who|when|\n|-|-|-|\n|L1|on-call|at once|\n";
const RULES: &str = "  - alert: FlagUp\n    expr: flag > 0.5\n    labels: {severity: critical}\n";

fn scene() -> Scene {
    let scene = Scene::new("flag 0.75\n", RULES);
    scene.place.write("books/flag-up.md", BOOK);
    scene
        .place
        .write("books/broken.md", "---\nalert: [\n---\n# Broken\n");
    scene.settings("runbooks: books\n");
    scene
}

#[track_caller]
fn has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in:\n{page}");
    }
}

#[test]
fn the_page_behind_a_message_shows_the_alert_and_runs_its_queries() {
    let scene = scene();
    let outrigger = scene.start();
    let told = scene.wait_for_told(1);
    // The rule has no link to its runbook: it is filled in, and names the alert.
    let address = scene.service.address();
    let link = format!(
        "/runbooks/flag-up?instance={}&job=shop&severity=critical",
        address.replace(':', "%3A")
    );
    assert_eq!(
        told[0]["alerts"][0]["annotations"]["runbook_url"],
        format!("{}{link}", outrigger.url())
    );
    let mut page = String::new();
    wait_until("the delivery on the page", PATIENCE, || {
        page = outrigger.get(&link).body;
        page.contains(">delivered<")
    });
    has(
        &page,
        &[
            "1 firing",
            "0.75",
            &format!("instance={address}"),
            "This page is filled in with its labels.",
            &format!("curl http://{address}/metrics; echo POD"),
            "/ack?alert=",
            "/silence?alert=",
            "/silences?matchers=alertname%3D%22FlagUp%22#new",
            "L1: on-call",
            "flag team",
            "hook over webhook[0]",
            // The second query is wrong, and says so in its place.
            "parse error",
        ],
    );
    assert!(page.len() < 60 << 10, "{} bytes", page.len());
    for chart in ["chart/light.svg", "chart/dark.svg", "block/1/dark.svg"] {
        let svg = outrigger.get(&format!("/runbooks/flag-up/{chart}"));
        assert_eq!(svg.status, 200, "{chart}: {svg:?}");
        assert!(svg.body.starts_with("<svg "), "{chart}: {}", svg.body);
        assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    }
    has(
        &outrigger.get("/runbooks/flag-up/block/1").body,
        &["0.75", "Query 1 of FlagUp"],
    );
    for missing in [
        "/runbooks/flag-up/block/0",
        "/runbooks/flag-up/block/9",
        "/runbooks/flag-up/block/x",
        "/runbooks/flag-up/chart/pink.svg",
        "/runbooks/no/chart/light.svg",
    ] {
        assert_eq!(outrigger.get(missing).status, 404, "{missing}");
    }
    // A broken file says what is wrong; the rest works.
    has(
        &outrigger.get("/runbooks/broken").body,
        &["This file has mistakes", "front matter is not read"],
    );
    // It ends, and the page says when it fired.
    scene.service.expose("flag 0.25\n");
    outrigger.wait_for_quiet("FlagUp");
    has(
        &outrigger.get("/runbooks/flag-up").body,
        &[">quiet<", "It last fired", "chart/light.svg"],
    );
}

#[test]
fn labels_of_an_address_are_inert_whatever_they_hold() {
    let scene = scene();
    let outrigger = scene.start();
    scene.wait_for_told(1);
    for hostile in [
        "%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "%22%7D%20or%20up%7Bx%3D%22",
        "%27;reboot;%27",
        "$(reboot)",
        "%00",
        "%E2%80%AEx",
        "..%2F..%2Fetc",
        &"a".repeat(4000),
    ] {
        let parameters = format!("?instance={hostile}&{hostile}=1");
        let page = outrigger.get(&format!("/runbooks/flag-up{parameters}"));
        assert_eq!(page.status, 200, "{hostile}");
        let body = &page.body;
        for never in [
            "<script>alert",
            "; curl",
            "http://';",
            "http://$(",
            "onerror=\"",
        ] {
            assert!(!body.contains(never), "{never} for {hostile}:\n{body}");
        }
        // No alert has such labels: what it would ask for is not there.
        assert!(!body.contains("filled in with its labels"), "{body}");
        for part in ["chart/light.svg", "block/1", "block/1/light.svg"] {
            let answer = outrigger.get(&format!("/runbooks/flag-up/{part}{parameters}"));
            assert!(answer.status < 500, "{part} for {hostile}: {answer:?}");
            assert!(!answer.body.contains("<script>alert"), "{part}: {answer:?}");
        }
    }
}

#[test]
fn what_is_shipped_passes_the_check_and_mistakes_are_told() {
    let place = Place::new();
    let run = |arguments: &[&str]| run_to_end(place.path(), arguments);
    let output = run(&["check", "runbooks"]);
    assert!(output.status.success(), "{output:?}");
    place.write("books/flag-up.md", BOOK);
    place.write(
        "rules.yml",
        &format!("groups:\n- name: g\n  rules:\n{RULES}"),
    );
    let output = run(&["check", "runbooks", "--rules", "rules.yml", "--", "books"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    has(
        &told,
        &[
            "books/flag-up.md:1:1: front matter lacks tested",
            "section \"Prevention\" is missing",
            "books/flag-up.md:15:1: query:",
        ],
    );
}

/// Counters that go up with every scrape, so that rates are there.
fn in_trouble(step: u64) -> String {
    let mut out = String::new();
    let n = step * 40;
    for status in ["200", "404", "500"] {
        for method in ["GET", "POST"] {
            writeln!(
                out,
                "http_requests_total{{method=\"{method}\",route=\"/a\",status=\"{status}\"}} {n}"
            )
            .unwrap();
        }
    }
    for (le, share) in [("0.5", 1), ("2.5", 3), ("+Inf", 4)] {
        let value = n * share / 4;
        writeln!(
            out,
            "http_request_duration_seconds_bucket{{route=\"/a\",le=\"{le}\"}} {value}"
        )
        .unwrap();
    }
    for counter in [
        "cache_hits_total",
        "cache_misses_total",
        "metrics_created_total{category=\"a\"}",
        "domains_created_total",
        "database_query_duration_seconds_sum{operation=\"select\"}",
        "database_query_duration_seconds_count{operation=\"select\"}",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}",
        "redis_evicted_keys_total",
        "outrigger_dispatch_write_failures_total",
        "outrigger_rule_state_write_failures_total",
        "outrigger_rule_evaluation_failures_total{rule_group=\"g\",rule_file=\"f\"}",
        "outrigger_rule_group_iterations_missed_total{rule_group=\"g\",rule_file=\"f\"}",
        "outrigger_notifications_failed_total{receiver=\"r\",integration=\"i\",reason=\"x\"}",
        "outrigger_notifications_expired_total",
        "outrigger_notifications_refused_total",
        "outrigger_notifications_fallback_total{receiver=\"r\",integration=\"i\"}",
        "outrigger_storage_series_rejected_total",
    ] {
        writeln!(out, "{counter} {n}").unwrap();
    }
    for gauge in [
        "database_pool_active_connections 50",
        "database_pool_max_connections 50",
        "metrics_total 3",
        "node_memory_MemAvailable_bytes 1e8",
        "node_memory_MemTotal_bytes 1e9",
        "node_filesystem_avail_bytes{fstype=\"ext4\",mountpoint=\"/\",device=\"d\"} 1e8",
        "node_filesystem_size_bytes{fstype=\"ext4\",mountpoint=\"/\",device=\"d\"} 1e10",
        "node_filesystem_readonly{fstype=\"ext4\",mountpoint=\"/\",device=\"d\"} 0",
        "process_resident_memory_bytes 1e8",
        "redis_memory_used_bytes 95",
        "redis_memory_max_bytes 100",
        "outrigger_config_last_reload_successful 0",
        "outrigger_outbox_oldest_pending_seconds 900",
        "outrigger_receiver_circuit_open{receiver=\"r\",integration=\"i\"} 1",
        "outrigger_storage_series 99",
        "outrigger_storage_series_limit 100",
        "outrigger_storage_wal_failing 1",
    ] {
        writeln!(out, "{gauge}").unwrap();
    }
    // It restarts again and again.
    writeln!(out, "process_start_time_seconds {step}").unwrap();
    out
}

/// Queries that compare with an hour or a day ago, of which a young store knows nothing.
const NEED_A_PAST: [&str; 3] = ["offset 1h", "offset 24h", "offset 1d"];

#[test]
fn on_a_service_in_trouble_every_query_of_every_runbook_returns_something() {
    let place = Place::new();
    let service = Service::start(&in_trouble(1));
    let config = format!(
        "{FAST}alertmanager_config: alertmanager.yml\nscrape_configs:\n\
         - {{job_name: outrigger, static_configs: [{{targets: ['{}']}}]}}\n\
         - {{job_name: shop, static_configs: [{{targets: ['127.0.0.1:9']}}]}}\n\
         - {{job_name: node, static_configs: [{{targets: ['127.0.0.1:9']}}]}}\n",
        service.address()
    );
    place.write("outrigger.yml", &config);
    place.write(
        "alertmanager.yml",
        "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
    );
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    let mut step = 1;
    let mut empty = Vec::new();
    wait_until("every query to return something", PATIENCE, || {
        step += 1;
        service.expose(&in_trouble(step));
        let live = format!("--live={}", outrigger.url());
        let output = run_to_end(place.path(), &["check", "runbooks", &live]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("return something"), "{output:?}");
        empty = told
            .lines()
            .filter(|line| line.contains("empty:"))
            .filter(|line| !NEED_A_PAST.iter().any(|past| line.contains(past)))
            .map(str::to_owned)
            .collect();
        println!("{empty:#?}");
        empty.is_empty()
    });
}
