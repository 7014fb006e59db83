use super::*;
use crate::document::diagnostics::Diagnostics;
use crate::promql::eval::EngineConfig;
use crate::rules::file;
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
        let ended = rule.renamed(&old, &new, AT);
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
