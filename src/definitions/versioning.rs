//! What a change of a metric definition does to its version.
//!
//! | changed | raises |
//! |---|---|
//! | `category`, anything in `definition` (formula, unit, …) | major |
//! | `name`, `description`, `tier`, `business_domain`, `targets_and_alerts`, `dimensions` | minor |
//! | anything else | patch |
//! | nothing | nothing |
//!
//! What Outrigger keeps itself (version, history, who and when) is no change.

use serde_json::Value;

use super::metric::ChangeType;
use super::resource::Kind;

/// The version of a definition that has none yet.
pub const FIRST: &str = "1.0.0";

const MAJOR: &[&str] = &["category", "definition"];
const MINOR: &[&str] = &[
    "name",
    "description",
    "tier",
    "business_domain",
    "targets_and_alerts",
    "dimensions",
];

/// Fields that are kept here, whatever is given.
const KEPT: &[&str] = &[
    "metadata.version",
    "metadata.created_by",
    "metadata.last_updated_by",
    "metadata.created_at",
    "metadata.last_updated",
    "metadata.change_history",
    "governance.updated_at",
];
const KEPT_OF_DOMAINS: &[&str] = &["created_at", "updated_at"];

/// Fields that are kept here, whatever is given.
pub const fn kept(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Metric => KEPT,
        Kind::Domain => KEPT_OF_DOMAINS,
        Kind::Objective => &[],
    }
}

/// The fields in which two resources differ, in their order; those of objects with the object's name before them.
pub fn changed_fields(kind: Kind, old: &Value, new: &Value) -> Vec<String> {
    let kept = kept(kind);
    let mut changed = Vec::new();
    for field in kind.fields() {
        let (old, new) = (old.get(field.name), new.get(field.name));
        if old == new {
            continue;
        }
        match (field.kind, old, new) {
            (super::schema::Kind::Object(inner), Some(old), Some(new)) => {
                let inner = inner
                    .iter()
                    .filter(|field| old.get(field.name) != new.get(field.name));
                changed.extend(inner.map(|inner| format!("{}.{}", field.name, inner.name)));
            }
            _ => changed.push(field.name.to_owned()),
        }
    }
    changed.retain(|field| !kept.contains(&field.as_str()));
    changed
}

/// What a change of these fields raises; `None` where nothing changed.
pub fn change_type(fields: &[String]) -> Option<ChangeType> {
    let of = |field: &String| {
        let top = field.split('.').next().unwrap_or_default();
        if MAJOR.contains(&top) {
            ChangeType::Major
        } else if MINOR.contains(&top) {
            ChangeType::Minor
        } else {
            ChangeType::Patch
        }
    };
    // The greatest change is the first in the order of the type.
    fields.iter().map(of).min()
}

/// The version behind this one; one that is not three numbers counts as [`FIRST`].
pub fn raised(version: Option<&str>, change: ChangeType) -> String {
    let [major, minor, patch] = version.and_then(parts).unwrap_or([1, 0, 0]);
    let [major, minor, patch] = match change {
        ChangeType::Major => [major.saturating_add(1), 0, 0],
        ChangeType::Minor => [major, minor.saturating_add(1), 0],
        ChangeType::Patch => [major, minor, patch.saturating_add(1)],
    };
    format!("{major}.{minor}.{patch}")
}

/// Whether it is three numbers.
pub fn is_version(text: &str) -> bool {
    parts(text).is_some()
}

fn parts(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(|part| {
        let plain = part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    });
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::testing::full;

    #[test]
    fn each_field_raises_its_part_of_the_version() {
        let check = |pointer: &str, value: Value, field: &str, want: ChangeType| {
            let old = full(Kind::Metric);
            let mut new = old.clone();
            *new.pointer_mut(pointer).expect("a field") = value;
            let fields = changed_fields(Kind::Metric, &old, &new);
            assert_eq!(fields, [field], "{pointer}");
            assert_eq!(change_type(&fields), Some(want), "{pointer}");
        };
        use ChangeType::{Major, Minor, Patch};
        check("/category", json!("x"), "category", Major);
        check(
            "/definition/formula",
            json!("x"),
            "definition.formula",
            Major,
        );
        check("/definition/unit", json!("x"), "definition.unit", Major);
        check(
            "/definition/formula_detail",
            json!("x"),
            "definition.formula_detail",
            Major,
        );
        check(
            "/definition/numerator/event_name",
            json!("x"),
            "definition.numerator",
            Major,
        );
        check("/name", json!("x"), "name", Minor);
        check("/description", json!("x"), "description", Minor);
        check("/tier", json!("Tier-2"), "tier", Minor);
        check("/business_domain", json!("x"), "business_domain", Minor);
        check(
            "/targets_and_alerts/critical_threshold",
            json!(0.9),
            "targets_and_alerts.critical_threshold",
            Minor,
        );
        check("/dimensions", json!([]), "dimensions", Minor);
        check("/tags", json!([]), "tags", Patch);
        check("/short_name", json!("x"), "short_name", Patch);
        check("/metric_type", json!("lagging"), "metric_type", Patch);
        check(
            "/governance/owner_team",
            json!("x"),
            "governance.owner_team",
            Patch,
        );
        check("/metadata/notes", json!("x"), "metadata.notes", Patch);
        check("/telemetry/value", json!("x"), "telemetry.value", Patch);
        check(
            "/visualization/drilldowns",
            json!([]),
            "visualization.drilldowns",
            Patch,
        );
    }

    #[test]
    fn what_is_kept_here_is_no_change() {
        let old = full(Kind::Metric);
        let mut new = old.clone();
        new["metadata"]["version"] = json!("7.0.0");
        new["metadata"]["created_by"] = json!("mallory");
        new["governance"]["updated_at"] = json!("2030-01-01T00:00:00.000Z");
        assert_eq!(changed_fields(Kind::Metric, &old, &new), [""; 0]);
        assert_eq!(change_type(&[]), None);
        let old = full(Kind::Domain);
        let mut new = old.clone();
        new["updated_at"] = json!("2030-01-01T00:00:00.000Z");
        assert_eq!(changed_fields(Kind::Domain, &old, &new), [""; 0]);
        new["color"] = json!("red");
        assert_eq!(changed_fields(Kind::Domain, &old, &new), ["color"]);
    }

    #[test]
    fn a_block_that_comes_or_goes_is_one_field() {
        let old = full(Kind::Metric);
        let mut new = old.clone();
        new.as_object_mut().unwrap().shift_remove("telemetry");
        assert_eq!(changed_fields(Kind::Metric, &old, &new), ["telemetry"]);
        assert_eq!(changed_fields(Kind::Metric, &new, &old), ["telemetry"]);
    }

    #[test]
    fn the_greatest_change_decides_and_lower_parts_start_over() {
        let check = |fields: &[&str], version: Option<&str>, want: &str| {
            let fields: Vec<String> = fields.iter().map(|&field| field.into()).collect();
            let change = change_type(&fields).expect("a change");
            assert_eq!(raised(version, change), want, "{fields:?} {version:?}");
        };
        check(&["tags"], Some("1.0.0"), "1.0.1");
        check(&["tags", "description"], Some("1.0.9"), "1.1.0");
        check(&["tags", "category", "name"], Some("1.4.9"), "2.0.0");
        check(&["tags"], None, "1.0.1");
        for odd in [
            "", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.x", "1.0.-1", "1.0.+1",
        ] {
            check(&["name"], Some(odd), "1.1.0");
        }
    }
}
