use super::*;
use crate::document::diagnostics::Diagnostics;
use crate::promql::eval::EngineConfig;
use crate::rules::file;
use crate::storage::StorageConfig;

#[test]
fn an_alert_whose_series_cannot_be_written_is_told_nonetheless() {
    let text = "groups: [{name: g, rules: [{alert: A, expr: flag == 1}]}]";
    let diagnostics = Diagnostics::default();
    let groups = file::read("r.yml", text, Duration::from_secs(60), &diagnostics);
    assert!(diagnostics.is_empty());
    // The store is full: there is no place for ALERTS.
    let storage = Storage::in_memory(StorageConfig {
        series_limit: 1,
        ..StorageConfig::default()
    });
    let mut appender = storage.appender();
    let flag = Labels::from_pairs([(METRIC_NAME, "flag")]);
    let reference = appender.series(&flag).unwrap();
    appender.append(reference, 1000, 1.0).unwrap();
    appender.commit().unwrap();
    let context = Context {
        storage,
        engine: Arc::new(Engine::new(EngineConfig::default())),
        timeout: Duration::from_secs(10),
        external_labels: Labels::empty(),
        external_url: "http://localhost:9797".into(),
    };
    let rule = Rule::new(groups[0].rules[0].clone());
    let at = Timestamp::from_millis(1000);
    let effects = rule.evaluate(&context, &groups[0], at).unwrap();
    assert_eq!(effects.alerts.len(), 1, "the routes hear of it");
    assert_eq!(effects.changed.len(), 1, "its state is saved");
    let unwritten = effects.unwritten.expect("the store is full").to_string();
    assert!(unwritten.contains("limit"), "{unwritten}");
    assert_eq!(rule.memory().health, Health::Failed(unwritten));
}
