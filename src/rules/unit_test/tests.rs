use std::time::Duration;

use super::file;
use super::run;
use crate::document::diagnostics::Diagnostics;
use crate::rules::file as rule_file;

/// Runs the only test of a file, written without its list, over rules; returns what failed.
fn failures(rules: &str, test: &str) -> Vec<run::Failure> {
    let diagnostics = Diagnostics::default();
    let interval = Duration::from_secs(60);
    let groups = rule_file::read("r.yml", rules, interval, &diagnostics);
    let file = file::read("t.yml", test, &diagnostics);
    let found = diagnostics.into_sorted();
    assert!(found.is_empty(), "{found:#?}");
    let file = file.unwrap();
    run::run(&file, &file.tests[0], &groups).failures
}

fn check(rules: &str, test: &str, want: &[&str]) {
    let got: Vec<String> = failures(rules, test)
        .iter()
        .map(|failure| format!("{}: {failure}", failure.position.line))
        .collect();
    assert_eq!(got, want);
}

const DOWN: &str = "groups:
- name: g
  interval: 1h
  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page, none: '{{ $labels.none }}'}
    annotations: {summary: '{{ $labels.job }} {{ $externalLabels.region }} {{ $externalURL }}', empty: ''}
";

#[test]
fn an_alert_fires_after_its_time_whatever_the_interval_of_its_group() {
    let test = "tests:
- input_series: [{series: 'up{job=\"x\"}', values: 1 0x9}]
  external_labels: {region: eu}
  external_url: http://o/
  alert_rule_test:
  - {eval_time: 2m59s, alertname: Down}
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: x, severity: page}
      exp_annotations: {summary: 'x eu http://o/', empty: ''}
  promql_expr_test:
  - expr: ALERTS
    eval_time: 1m
    exp_samples:
    - {labels: 'ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"x\", severity=\"page\"}', value: 1}
";
    check(DOWN, test, &[]);
}

#[test]
fn what_was_expected_and_what_came_are_told() {
    let test = "tests:
- input_series: [{series: up, values: 0x9}]
  alert_rule_test:
  - {eval_time: 4m, alertname: Down}
  - {eval_time: 4m, alertname: Down, exp_alerts: [{exp_labels: {severity: page}}]}
  - {eval_time: 4m, alertname: NoSuchAlert, exp_alerts: [{}]}
  promql_expr_test:
  - {expr: up + 1, exp_samples: [{value: 2}]}
  - {expr: vector(NaN), exp_samples: [{value: .nan}]}
";
    let came = r#"labels {alertname="Down", severity="page"} annotations {empty="", summary="  "}"#;
    let missing = r#"labels {alertname="Down", severity="page"} annotations {}"#;
    check(
        DOWN,
        test,
        &[
            &format!("4: alert Down at 4m\n    exp: nothing\n    got:\n        {came}"),
            &format!("5: alert Down at 4m\n    exp:\n        {missing}\n    got:\n        {came}"),
            "6: alert NoSuchAlert at 4m\n    exp:\n        labels {alertname=\"NoSuchAlert\"} annotations {}\n    got: nothing",
            "8: \"up + 1\" at 0s\n    exp:\n        {} 2\n    got:\n        {} 1",
            "9: \"vector(NaN)\" at 0s, where NaN equals nothing: test `x != x`\n    exp:\n        {} NaN\n    got:\n        {} NaN",
        ],
    );
    assert_eq!(
        failures(DOWN, test)[1].diff(),
        format!("alert Down at 4m\n    - {missing}\n    + {came}")
    );
}

#[test]
fn a_rule_that_fails_ends_the_test() {
    let rules = "groups: [{name: g, rules: [{record: r, expr: a + on (x) b}]}]";
    let test = "tests:
- input_series:
  - {series: 'a{x=\"1\"}', values: _ 1}
  - {series: 'b{x=\"1\", y=\"1\"}', values: 1 1}
  - {series: 'b{x=\"1\", y=\"2\"}', values: 1 1}
  promql_expr_test:
  - {expr: vector(1), eval_time: 5m}
";
    let failures = failures(rules, test);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].subject, "rule r at 1m");
}

#[test]
fn groups_are_evaluated_in_the_order_asked_for() {
    let rules = "groups:
- {name: late, rules: [{record: copy, expr: original}]}
- {name: early, rules: [{record: original, expr: time()}]}
";
    let test = |order: &str| {
        format!(
            "group_eval_order: {order}
tests:
- promql_expr_test:
  - {{expr: copy, eval_time: 1m, exp_samples: [{{labels: copy, value: 60}}]}}
"
        )
    };
    check(rules, &test("[early, late]"), &[]);
    check(
        rules,
        &test("[]"),
        &["4: \"copy\" at 1m\n    exp:\n        copy 60\n    got:\n        copy 0"],
    );
}

#[test]
fn samples_after_the_last_evaluation_do_not_exist() {
    let test = "tests:
- interval: 1s
  input_series: [{series: up, values: 0+1x120}]
  promql_expr_test:
  - {expr: up, eval_time: 90s, exp_samples: [{labels: up, value: 60}]}
";
    check("groups: []", test, &[]);
}

#[test]
fn time_begins_where_the_test_says() {
    let test = "evaluation_interval: 30s
tests:
- start_timestamp: 1970-01-01T00:10:00Z
  input_series: [{series: up, values: 1 stale}]
  promql_expr_test:
  - {expr: time(), eval_time: 30s, exp_samples: [{value: 630}]}
  - {expr: timestamp(up), eval_time: 29s, exp_samples: [{value: 600}]}
  - {expr: up, eval_time: 30s}
  - {expr: 'count_over_time(vector(1)[2m:])', eval_time: 30s, exp_samples: [{value: 4}]}
";
    check("groups: []", test, &[]);
}

#[test]
fn the_last_bit_counts_unless_the_file_says_otherwise() {
    let test = |fuzzy: bool, value: f64| {
        format!(
            "fuzzy_compare: {fuzzy}
tests: [{{promql_expr_test: [{{expr: vector(3), exp_samples: [{{value: {value:?}}}]}}]}}]
"
        )
    };
    let passes = |fuzzy, value| failures("groups: []", &test(fuzzy, value)).is_empty();
    assert!(!passes(false, 3.0_f64.next_up()));
    assert!(passes(true, 3.0_f64.next_up()));
    assert!(passes(true, 3.0_f64.next_down()));
    assert!(!passes(true, 3.0_f64.next_up().next_up()));
}

#[test]
fn what_a_group_with_an_offset_writes_lies_where_it_looked() {
    let rules = "groups:
- name: g
  query_offset: 1m
  rules:
  - {record: copy, expr: up}
  - {alert: Up, expr: up == 1}
";
    let test = "tests:
- input_series: [{series: up, values: _ _ 1x3 0}]
  promql_expr_test:
  - {expr: timestamp(copy), eval_time: 2m30s, exp_samples: [{value: 120}]}
  - {expr: timestamp(ALERTS), eval_time: 2m30s, exp_samples: [{labels: '{alertname=\"Up\", alertstate=\"firing\"}', value: 120}]}
  - {expr: timestamp(ALERTS_FOR_STATE), eval_time: 2m30s, exp_samples: [{labels: '{alertname=\"Up\"}', value: 120}]}
  - {expr: count(ALERTS), eval_time: 5m59s, exp_samples: [{value: 1}]}
  - {expr: ALERTS, eval_time: 6m}
  - {expr: vector(1), eval_time: 7m, exp_samples: [{value: 1}]}
";
    check(rules, test, &[]);
}
