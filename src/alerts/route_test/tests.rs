use std::sync::Arc;

use super::super::config::tests::routing;
use super::super::limits;
use super::file::{self, RouteTest};
use super::run::run;
use crate::document::diagnostics::Diagnostics;
use crate::document::parse;

const ROUTING: &str = r#"
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]
inhibit_rules:
- {name: down, source_matchers: [alertname=Down], target_matchers: [alertname=Slow], equal: [job]}
route:
  receiver: a
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
  - {matchers: [severity=info], receiver: b, mute_time_intervals: [nights]}
"#;

fn read(text: &str) -> Result<(limits::Limits, Vec<RouteTest>), Vec<String>> {
    let diagnostics = Diagnostics::default();
    let document = parse("t.yml", text, &diagnostics).unwrap();
    let root = document.value(&diagnostics).fields().unwrap();
    let read = (limits::read(&root), file::read(&root));
    root.finish();
    let found = diagnostics.into_sorted();
    if found.is_empty() {
        return Ok(read);
    }
    Err(found.iter().map(ToString::to_string).collect())
}

/// The failures of a file's tests.
fn failures(text: &str) -> Vec<String> {
    let (limits, tests) = read(text).unwrap();
    let routing = Arc::new(routing(ROUTING).unwrap().with_limits(limits));
    tests
        .iter()
        .flat_map(|test| run(&routing, test))
        .map(|failure| failure.text)
        .collect()
}

#[test]
fn what_happens_as_expected_passes() {
    let check = |text: &str| assert_eq!(failures(text), [""; 0], "{text}");
    check(
        "
tests:
- alerts:
  - {labels: {alertname: Slow, i: 1}, until: 5m}
  - {labels: {alertname: Slow, i: 2}, at: 20s}
  notifications:
  - {at: 10s, receiver: a, reason: first_notification, firing: [{i: 1}]}
  - {at: 70s, receiver: a, integration: 'webhook[0]', firing: [{alertname: Slow}]}
  - {at: 5m10s, receiver: a, reason: new_resolved, firing: [{i: 2}], resolved: [{i: 1}]}
  suppressions: []
  routes: [{labels: {severity: info}, receivers: [b]}]
",
    );
    check(
        "
tests:
- start_timestamp: 2026-01-05T05:59:00Z
  alerts:
  - {labels: {alertname: Note, severity: info}}
  - {labels: {alertname: Down, job: x}, at: 10m}
  - {labels: {alertname: Slow, job: x}, at: 10m}
  - {labels: {alertname: Slow, job: y}, at: 10m}
  until: 11m
  notifications:
  - {at: 70s, receiver: b, firing: [{alertname: Note}]}
  - {at: 10m10s, receiver: a, firing: [{alertname: Down}]}
  - {at: 10m10s, receiver: a, firing: [{alertname: Slow, job: y}]}
  suppressions:
  - {alert: {alertname: Note}, reason: muted, by: nights, at: 10s, receiver: b}
  - {alert: {alertname: Slow, job: x}, reason: inhibited, by: {alertname: Down}}
  - {alert: {alertname: Slow, job: x}, reason: inhibited, by: down}
",
    );
    check(
        "
throttle: {rules: [{burst: 1, refill_interval: 10m, digest_interval: 5m}]}
tests:
- alerts:
  - {labels: {alertname: A}}
  - {labels: {alertname: B}, at: 1s}
  - {labels: {alertname: C}, at: 2s}
  until: 50m
  notifications:
  - {at: 10s, receiver: a, firing: [{alertname: A}]}
  - {at: 10m10s, receiver: a, reason: digest, firing: [{alertname: B}, {alertname: C}]}
  suppressions:
  - {alert: {alertname: B}, reason: throttled}
  - {alert: {alertname: C}, reason: throttled}
- alerts: []
",
    );
    check(
        "
tests:
- alerts:
  - {labels: {alertname: Disk, i: 1}}
  - {labels: {alertname: Disk, i: 2}, at: 3m}
  silences:
  - {name: work, matchers: [alertname=~\"Di.*\", i!=3], at: 30s, until: 5m}
  - {matchers: [alertname=Other]}
  until: 10m
  notifications:
  - {at: 10s, receiver: a, firing: [{i: 1}]}
  - {at: 5m10s, receiver: a, reason: new_alerts, firing: [{alertname: Disk}]}
  suppressions:
  - {alert: {i: 1}, reason: silenced, by: work}
  - {alert: {i: 2}, reason: silenced, by: work, at: 3m10s}
",
    );
}

#[test]
fn what_does_not_is_told_line_by_line() {
    let check = |text: &str, want: &str| assert_eq!(failures(text), [want], "{text}");
    check(
        "
tests:
- alerts:
  - {labels: {alertname: Down, job: x}}
  - {labels: {alertname: Slow, job: x}}
  notifications:
  - {at: 10s, receiver: a, firing: [{alertname: Slow}]}
",
        "notifications differ (- expected, + sent)
    - 10s a: any reason, firing Slow{job=\"x\"}
        because 10s a: Slow{job=\"x\"} inhibited by Down{job=\"x\"} (rule down)
    + 10s a (webhook[0]): first_notification, firing Down{job=\"x\"}",
    );
    check(
        "
tests:
- alerts: [{labels: {alertname: Note, severity: info}}]
  until: 1m
  suppressions: [{alert: {alertname: Note}, reason: inhibited}]
  routes: [{labels: {severity: info}, receivers: [b]}]
",
        "suppressions differ (- expected, + found)
    - any time anybody: Note{severity=\"info\"} inhibited
    + 10s b: Note{severity=\"info\"} muted by time interval nights",
    );
    check(
        "tests: [{routes: [{labels: {alertname: X}, receivers: [b]}]}]",
        "receivers of X differ\n    - b\n    + a",
    );
}

#[test]
fn mistakes_in_a_test_are_told_with_their_place() {
    let text = "
tests:
- alerts: [{labels: {alertname: A}, at: 2m, until: 1m}, {at: 1m}]
  notifications: [{at: 1m, receiver: a, firing: [{alertname: B}]}, {receiver: a}]
  suppressions: [{alert: {alertname: A}, reason: bored}]
  start_timestamp: soon
  silences: [{at: 1m}, {matchers: ['=a']}, {matchers: [a=b], at: 1m, until: 1m}, {matchers: []}]
";
    let found = read(text).unwrap_err();
    let starts: Vec<&str> = found
        .iter()
        .map(|mistake| mistake.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(
        starts,
        ["3", "3", "4", "4", "5", "6", "7", "7", "7", "7", "7"],
        "{found:#?}"
    );
}
