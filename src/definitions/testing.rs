//! Resources for tests.

use serde_json::{Value, json};

use super::check::{Checks, Findings};
use super::resource::{Kind, Resource};

/// Takes every expression but those that hold `!!`.
pub(super) const CHECKS: Checks = Checks {
    expression: |text| {
        if text.contains("!!") {
            return Err("unexpected !!".to_owned());
        }
        Ok(())
    },
    strict: false,
};

/// A resource of each kind, with every field.
pub(crate) fn full(kind: Kind) -> Value {
    match kind {
        Kind::Metric => {
            serde_json::from_str(include_str!("../../tests/data/definitions/metric.json")).unwrap()
        }
        Kind::Domain => json!({
            "domain_id": "SHOP",
            "name": "Shop",
            "description": "What is sold.",
            "owner_team": "shop",
            "contact_email": "shop@example.com",
            "tier_focus": {"Tier-1": "checkout"},
            "key_areas": ["checkout"],
            "stakeholders": ["finance"],
            "key_metrics": ["CHECKOUT-SUCCESS"],
            "color": "#0a7d4b",
            "status": "active",
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-02T03:04:05.678Z",
            "metadata": {"industry": "retail"}
        }),
        Kind::Objective => json!({
            "objective_id": "OBJ-SHOP",
            "name": "A checkout that works",
            "description": "Nobody loses a cart.",
            "timeframe": {"start": "2026-01-01T00:00:00.000Z", "end": "2026-06-30T00:00:00.000Z"},
            "owner_team": "shop",
            "status": "active",
            "priority": "high",
            "strategic_pillar": "Trust",
            "key_results": [{
                "kr_id": "KR-1",
                "name": "Success at 99.9 %",
                "description": "From 98 %.",
                "target_value": 0.999,
                "baseline_value": 0.98,
                "unit": "ratio",
                "direction": "increase",
                "current_value": null,
                "metric_ids": ["CHECKOUT-SUCCESS"],
                "progress_percentage": 40,
                "status": "on-track"
            }]
        }),
    }
}

/// Reads a resource that is right.
pub(crate) fn read(kind: Kind, value: &Value) -> Resource {
    let mut findings = Findings::default();
    Resource::read(kind, value, CHECKS, &mut findings)
        .unwrap_or_else(|| panic!("{:#?}", findings.mistakes))
}
