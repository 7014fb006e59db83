//! Definitions and templates for tests.

use serde_json::{Value, json};

use crate::definitions::metric::Metric;
use crate::definitions::objective::Objective;
use crate::template::alert::{AlertData, AlertTemplate};

/// The metric of the tests' data, changed.
pub(super) fn metric(change: impl FnOnce(&mut Value)) -> Metric {
    let text = include_str!("../../tests/data/definitions/metric.json");
    let mut value: Value = serde_json::from_str(text).unwrap();
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// An objective of one key result on that metric, changed.
pub(super) fn objective(change: impl FnOnce(&mut Value)) -> Objective {
    let mut value = json!({
        "objective_id": "OBJ-SHOP",
        "name": "A checkout that works",
        "description": "Nobody loses a cart.",
        "timeframe": {"start": "2026-01-01T00:00:00.000Z", "end": "2026-01-11T00:00:00.000Z"},
        "owner_team": "shop",
        "status": "active",
        "priority": "high",
        "key_results": [{
            "kr_id": "KR-1",
            "name": "Success at 99.9 %",
            "description": "From 98 %.",
            "target_value": 0.999,
            "baseline_value": 0.98,
            "unit": "ratio",
            "direction": "increase",
            "current_value": null,
            "metric_ids": ["CHECKOUT-SUCCESS"]
        }]
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// What an annotation tells of an alert of this value.
pub(super) fn expand(text: &str, value: f64) -> String {
    let none = std::iter::empty::<(&str, &str)>;
    let data = AlertData::new(none(), none(), "", value);
    let query = |_: &str| Err("nothing to query".to_owned());
    let template = AlertTemplate::new("test", text).unwrap();
    template
        .expand(&data, jiff::Timestamp::UNIX_EPOCH, &query)
        .unwrap()
}
