use super::*;
use crate::document::diagnostics::Diagnostics;
use crate::promql::eval::EngineConfig;
use crate::rules::file;
use crate::rules::known::Known;
use crate::rules::rule::outgoing::ended;
use crate::storage::StorageConfig;

const AT: Timestamp = Timestamp::from_millis(1000);

/// A rule on `flag == 1`, a store that holds that much and the series.
fn firing(series_limit: usize) -> (Rule, GroupSpec, Context) {
    let text = "groups: [{name: g, rules: [{alert: A, expr: flag == 1}]}]";
    let diagnostics = Diagnostics::default();
    let mut groups = file::read("r.yml", text, Duration::from_secs(60), &diagnostics);
    assert!(diagnostics.is_empty());
    let storage = Storage::in_memory(StorageConfig {
        series_limit,
        ..StorageConfig::default()
    });
    let mut appender = storage.appender();
    let flag = Labels::from_pairs([(METRIC_NAME, "flag")]);
    let reference = appender.series(&flag).unwrap();
    appender.append(reference, AT.millis(), 1.0).unwrap();
    appender.commit().unwrap();
    let context = Context {
        storage,
        engine: Arc::new(Engine::new(EngineConfig::default())),
        timeout: Duration::from_secs(10),
        external_labels: Labels::empty(),
        external_url: "http://localhost:9797".into(),
        stop: None,
    };
    let group = groups.remove(0);
    (Rule::new(group.rules[0].clone()), group, context)
}

#[test]
fn an_alert_whose_series_cannot_be_written_is_told_nonetheless() {
    // The store is full: there is no place for ALERTS.
    let (rule, group, context) = firing(1);
    let effects = rule.evaluate(&context, &group, AT).unwrap();
    assert_eq!(effects.alerts.len(), 1, "the routes hear of it");
    assert_eq!(effects.changed.len(), 1, "its state is saved");
    let unwritten = effects.unwritten.expect("the store is full").to_string();
    assert!(unwritten.contains("limit"), "{unwritten}");
    assert_eq!(rule.memory().health, Health::Failed(unwritten));
}

#[test]
fn an_alert_does_not_end_because_its_rule_stands_still() {
    let (rule, group, context) = firing(100);
    let effects = rule.evaluate(&context, &group, AT).unwrap();
    let night = Duration::from_secs(12 * 3600);
    assert!(!effects.alerts[0].is_resolved(AT + night));
    // It ends where the rule says so.
    let retired = rule.retire(&context, AT + night);
    assert!(retired[0].is_resolved(AT + night));
}

#[test]
fn an_alert_ends_under_external_labels_that_it_does_not_carry_any_more() {
    let check = |labels: &[(&str, &str)], want: usize| {
        let (rule, group, old) = firing(100);
        rule.evaluate(&old, &group, AT).unwrap();
        let new = Context {
            external_labels: Labels::from_pairs(labels.iter().copied()),
            ..old.clone()
        };
        let ended = rule.renamed(&rule.spec, &old, &new, AT);
        assert_eq!(ended.len(), want, "{labels:?}");
        assert!(
            ended
                .iter()
                .all(|alert| alert.is_resolved(AT) && alert.labels.get("site").is_none())
        );
        // The new one is told at once, not at the next repetition.
        let told = rule
            .evaluate(&new, &group, AT + Duration::from_secs(1))
            .unwrap();
        assert_eq!(told.alerts.len(), want, "{labels:?}");
    };
    check(&[("site", "a")], 1);
    check(&[("alertname", "B")], 0);
    check(&[], 0);
}

#[test]
fn what_an_alert_held_stays_held_when_the_clock_steps_back() {
    let (rule, group, context) = firing(100);
    rule.evaluate(&context, &group, AT).unwrap();
    rule.clock_stepped_back(Duration::from_secs(600));
    let back = AT - Duration::from_secs(600);
    let memory = rule.memory();
    let instance = memory.instances.values().next().unwrap();
    assert_eq!(instance.active_at, back);
    assert_eq!(
        (
            instance.fired_at,
            instance.last_sent_at,
            instance.resolved_at
        ),
        (Some(back), Some(back), None)
    );
}

/// A rule played over values of `load{instance="a"}`, ten seconds apart; `.` is a gap. Each evaluation's alerts to be told.
fn play(rule: &str, values: &str) -> (Rule, Vec<Vec<Alert>>) {
    let text = format!("groups: [{{name: g, rules: [{rule}]}}]");
    let diagnostics = Diagnostics::default();
    let mut groups = file::read("r.yml", &text, Duration::from_secs(10), &diagnostics);
    assert!(diagnostics.is_empty(), "{rule}");
    let (_, _, context) = firing(100);
    let group = groups.remove(0);
    let rule = Rule::new(group.rules[0].clone());
    let told = values.split(' ').enumerate().map(|(i, value)| {
        let at = Timestamp::from_millis(100_000 + i as i64 * 10_000);
        let value = value.parse().unwrap_or(STALE_NAN);
        let mut appender = context.storage.appender();
        for instance in ["a", "b"] {
            let labels =
                Labels::from_pairs([(METRIC_NAME, "load"), ("instance", instance), ("zone", "z")]);
            let reference = appender.series(&labels).unwrap();
            let value = if instance == "a" { value } else { 4.0 };
            appender.append(reference, at.millis(), value).unwrap();
        }
        appender.commit().unwrap();
        rule.evaluate(&context, &group, at).unwrap().alerts
    });
    let told = told.collect();
    (rule, told)
}

#[test]
fn an_alert_ends_with_its_peak_and_the_value_it_fell_to() {
    let check = |rule: &str, values: &str, want: (Option<f64>, Option<f64>, Option<f64>)| {
        let (_, told) = play(rule, values);
        let ended = told.last().and_then(|told| {
            told.iter().find(|alert| {
                alert.labels.value("instance") != "b"
                    && alert.is_resolved(Timestamp::from_millis(i64::MAX / 4))
                    && alert.ends_at == alert.updated_at
            })
        });
        let course = ended
            .unwrap_or_else(|| panic!("{rule} {values}: nothing ended: {told:?}"))
            .course
            .clone();
        assert_eq!(
            (course.peak, course.resolved, course.threshold),
            want,
            "{rule} {values}"
        );
    };
    let above = "{alert: A, expr: load > 5}";
    check(above, "1 6 9 7 2", (Some(9.0), Some(2.0), Some(5.0)));
    check(
        "{alert: A, expr: 5 < load}",
        "6 2",
        (Some(6.0), Some(2.0), Some(5.0)),
    );
    // The value while it was pending is no peak.
    check(
        "{alert: A, expr: load > 5, for: 20s}",
        "9 6 7 2",
        (Some(7.0), Some(2.0), Some(5.0)),
    );
    check(
        "{alert: A, expr: load < 3}",
        "2 1 2 8",
        (Some(1.0), Some(8.0), Some(3.0)),
    );
    check(
        "{alert: A, expr: load > 5, labels: {level: '{{ $value }}', zone: x}}",
        "6 2",
        (Some(6.0), Some(2.0), Some(5.0)),
    );
    check(
        "{alert: A, expr: max by (zone) (load) > 5}",
        "6 2",
        (Some(6.0), Some(4.0), Some(5.0)),
    );
    check(
        "{alert: A, expr: load > 5 and on (instance) load < 100}",
        "6 200",
        (Some(6.0), Some(200.0), Some(5.0)),
    );
    check(
        "{alert: A, expr: load > 5 or load < 1}",
        "6 0 2",
        (Some(6.0), Some(2.0), None),
    );
    // Nothing is left to look at.
    check(above, "6 .", (Some(6.0), None, Some(5.0)));
    check(
        "{alert: A, expr: 'absent(flag{x=\"y\"}) unless on() load{instance=\"a\"} > 5'}",
        "1 6",
        (Some(1.0), Some(1.0), None),
    );
    // One that returns begins again.
    check(above, "9 1 6 2", (Some(6.0), Some(2.0), Some(5.0)));
}

#[test]
fn a_climbing_peak_is_saved_once_a_minute_and_comes_back() {
    let (rule, group, context) = firing(100);
    let mut saved = Vec::new();
    for second in (0..=130_i64).step_by(10) {
        let at = AT + Duration::from_secs(u64::try_from(second).unwrap());
        let mut appender = context.storage.appender();
        let flag = appender
            .series(&Labels::from_pairs([(METRIC_NAME, "flag")]))
            .unwrap();
        if second > 0 {
            appender.append(flag, at.millis(), 1.0).unwrap();
        }
        appender.commit().unwrap();
        let effects = rule.evaluate(&context, &group, at).unwrap();
        saved.extend(
            effects
                .changed
                .into_iter()
                .map(|instance| (second, instance)),
        );
        // As if the value had climbed.
        for instance in rule.memory().instances.values_mut() {
            instance.peak = instance.peak.map(|peak| peak + 1.0);
        }
    }
    let seconds: Vec<i64> = saved.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [0, 10, 70, 130]);
    let json = serde_json::to_string(&saved[3].1).unwrap();
    let back: AlertInstance = serde_json::from_str(&json).unwrap();
    assert_eq!((back.peak, back.value), (Some(14.0), 1.0));
    // Written before peaks were kept; and a value that JSON does not know.
    let json = json
        .replace("\"peak\":14.0,", "")
        .replace("\"value\":1.0", "\"value\":null");
    let back: AlertInstance = serde_json::from_str(&json).unwrap();
    assert!(back.peak.is_none() && back.value.is_nan(), "{json}");
}

#[test]
fn an_evaluation_that_is_ended_changes_nothing() {
    let (rule, group, context) = firing(100);
    rule.evaluate(&context, &group, AT).unwrap();
    let stop = Stop::new();
    stop.cancel();
    let stopped = Context {
        stop: Some(stop),
        ..context
    };
    let later = AT + Duration::from_secs(3600);
    let error = rule.evaluate(&stopped, &group, later).unwrap_err();
    assert!(error.is_stop(), "{error}");
    let memory = rule.memory();
    assert_eq!(memory.health, Health::Ok);
    assert_eq!(memory.last_evaluation, Some(AT));
    assert_eq!(memory.instances.len(), 1);
}

#[test]
fn an_alert_is_told_with_what_is_known_of_it_and_ends_under_the_labels_it_was_told_with() {
    let knows = |owner: &str| {
        Some(Arc::new(Known {
            labels: Labels::from_pairs([("owner_team", owner), ("alertname", "never")]),
            annotations: Labels::from_pairs([("runbook_url", "http://r")]),
        }))
    };
    let (mut rule, group, context) = firing(100);
    rule.spec.known = knows("shop");
    let told = rule.evaluate(&context, &group, AT).unwrap();
    let alert = &told.alerts[0];
    assert_eq!(
        (alert.labels.value("owner_team"), alert.name()),
        ("shop", "A")
    );
    assert_eq!(alert.annotations.value("runbook_url"), "http://r");
    let saved = &told.changed[0];
    assert_eq!(
        saved.labels.get("owner_team"),
        None,
        "its own labels stay its own"
    );
    let ended = ended(saved.clone(), &context, AT).expect("it fires");
    assert_eq!(ended.labels, alert.labels, "also behind a restart");

    let next = RuleSpec {
        known: knows("checkout"),
        ..rule.spec.clone()
    };
    let renamed = rule.renamed(&next, &context, &context, AT);
    assert_eq!(renamed.len(), 1);
    assert_eq!(renamed[0].labels, alert.labels);
    assert!(renamed[0].is_resolved(AT));
    let after = Rule::new(next.clone());
    after.inherit(&rule);
    let told = after
        .evaluate(&context, &group, AT + Duration::from_secs(1))
        .unwrap();
    assert_eq!(told.alerts[0].labels.value("owner_team"), "checkout");
    assert!(
        after.renamed(&next, &context, &context, AT).is_empty(),
        "nothing changed"
    );
}
