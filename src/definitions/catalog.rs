//! Files of definitions: which resources they hold, and older ways to write them.
//!
//! ```text
//! {catalog_version, catalog_name, …, domains: […], metrics: […], objectives: […]}   a catalog, or any of its lists
//! {metric_id, …}  {domain_id, …}  {objective_id, …}                                 one resource
//! [ … ]                                                                             a list of such
//! ```
//!
//! Older keys are taken where the present one is absent: `id`, `owner`, `title`, `start_date`, `end_date`, `metric_id` of a key
//! result and the like. A key result without a baseline starts at its current value, and without a direction goes from its
//! baseline to its target. Nothing else is made up: what a resource lacks is told by the validator.

use serde_json::{Map, Value, json};

use super::check::{FindingKind, Findings};
use super::resource::{Kind, Resource};

/// One resource of a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// Where it stands, such as `metrics[3]`; empty for the whole file.
    pub place: String,
    /// What it is.
    pub kind: Kind,
    /// Its JSON under the present keys.
    pub value: Value,
    /// What is odd about it already.
    pub findings: Findings,
}

/// What a file is, beside its resources; kept nowhere.
const ABOUT: &[&str] = &[
    "catalog_version",
    "catalog_name",
    "last_updated",
    "owner_team",
    "contacts",
    "version",
];

/// The resources of a file in their order, and what is wrong or odd about the file itself.
pub fn items(file: &Value) -> (Vec<Item>, Findings) {
    let mut findings = Findings::default();
    let mut items = Vec::new();
    match file {
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                let place = format!("[{i}]");
                match kind_of(value) {
                    Some(kind) => items.push(item(kind, value, place)),
                    None => findings.mistake(
                        &place,
                        FindingKind::Unknown,
                        "is neither a metric, a domain nor an objective",
                        "give it a metric_id, a domain_id or an objective_id",
                    ),
                }
            }
        }
        Value::Object(members) => match kind_of(file) {
            Some(kind) => items.push(item(kind, file, String::new())),
            None => of_catalog(members, &mut items, &mut findings),
        },
        _ => {}
    }
    if items.is_empty() && findings.mistakes.is_empty() {
        findings.mistake(
            "",
            FindingKind::Missing,
            "holds no definition",
            "write a list under metrics, domains or objectives",
        );
    }
    (items, findings)
}

fn of_catalog(members: &Map<String, Value>, items: &mut Vec<Item>, findings: &mut Findings) {
    for (name, value) in members {
        let kind = Kind::ALL.into_iter().find(|kind| kind.plural() == name);
        match (kind, value) {
            (Some(kind), Value::Array(list)) => {
                let list = list.iter().enumerate();
                items.extend(list.map(|(i, value)| item(kind, value, format!("{name}[{i}]"))));
            }
            (Some(_), _) => {
                findings.mistake(name, FindingKind::Type, "is no list", "write a list");
            }
            (None, _) if ABOUT.contains(&name.as_str()) => {}
            (None, _) => {
                let names = Kind::ALL.map(Kind::plural);
                let near = crate::document::fields::nearest(name, &names);
                let remedy = near.map_or("remove it".to_owned(), |near| {
                    format!("did you mean {near}?")
                });
                let message = "is not known and is left out";
                findings.warning(name, FindingKind::Unknown, message, remedy);
            }
        }
    }
}

/// What a value says it is.
pub fn kind_of(value: &Value) -> Option<Kind> {
    let has = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
    if has("metric_id") || has("name") && has("description") && has("category") {
        Some(Kind::Metric)
    } else if has("domain_id") || has("id") && has("name") && has("stakeholders") {
        Some(Kind::Domain)
    } else if has("objective_id") || has("title") && has("key_results") {
        Some(Kind::Objective)
    } else {
        None
    }
}

/// One resource whose kind is known, older keys taken for present ones.
pub fn item(kind: Kind, value: &Value, place: String) -> Item {
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        rename(members, "id", kind.id_field());
        match kind {
            Kind::Metric => {}
            Kind::Domain => domain(members),
            Kind::Objective => objective(members),
        }
    }
    Item {
        place,
        kind,
        value,
        findings: Findings::default(),
    }
}

fn rename(members: &mut Map<String, Value>, old: &str, new: &str) {
    if !members.contains_key(new)
        && let Some(value) = members.shift_remove(old)
    {
        members.insert(new.to_owned(), value);
    }
}

fn domain(members: &mut Map<String, Value>) {
    let address = members.get("owner").and_then(Value::as_str);
    if let Some(address) = address.filter(|owner| owner.contains('@')) {
        let address = address.into();
        members.entry("contact_email").or_insert(address);
    }
    rename(members, "owner", "owner_team");
    rename(members, "objectives", "key_areas");
    let color = members
        .get("metadata")
        .and_then(|metadata| metadata.get("color"));
    if let Some(color) = color.cloned() {
        members.entry("color").or_insert(color);
    }
}

fn objective(members: &mut Map<String, Value>) {
    rename(members, "title", "name");
    rename(members, "owner", "owner_team");
    rename(members, "business_priority", "priority");
    rename(members, "strategic_theme", "strategic_pillar");
    if !members.contains_key("timeframe") {
        let mut timeframe = Map::new();
        for (old, new) in [("start_date", "start"), ("end_date", "end")] {
            if let Some(value) = members.shift_remove(old) {
                timeframe.insert(new.to_owned(), value);
            }
        }
        if !timeframe.is_empty() {
            members.insert("timeframe".to_owned(), timeframe.into());
        }
    }
    let results = members.get_mut("key_results").and_then(Value::as_array_mut);
    for result in results.into_iter().flatten() {
        if let Value::Object(result) = result {
            key_result(result);
        }
    }
}

fn key_result(members: &mut Map<String, Value>) {
    if let Some(description) = members.get("description").and_then(Value::as_str) {
        let name: String = description.chars().take(200).collect();
        members.entry("name").or_insert(name.into());
    }
    if !members.contains_key("metric_ids")
        && let Some(metric) = members.shift_remove("metric_id")
    {
        members.insert("metric_ids".to_owned(), json!([metric]));
    }
    rename(members, "expected_direction", "direction");
    let current = members
        .get("current_value")
        .filter(|value| !value.is_null());
    let baseline = current.cloned().unwrap_or(0.into());
    let baseline = members.entry("baseline_value").or_insert(baseline).clone();
    let falls = || Some(members.get("target_value")?.as_f64()? < baseline.as_f64()?);
    let direction = if falls() == Some(true) {
        "decrease"
    } else {
        "increase"
    };
    members.entry("direction").or_insert(direction.into());
}

/// A catalog of these resources; read again it gives the same ones.
pub fn catalog(resources: &[Resource]) -> Value {
    let mut catalog = json!({"catalog_version": "1.0.0", "catalog_name": "Outrigger"});
    for kind in Kind::ALL {
        let of_kind = resources.iter().filter(|resource| resource.kind() == kind);
        catalog[kind.plural()] = of_kind.map(Resource::to_json).collect();
    }
    catalog
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::testing::{full, read};

    #[test]
    fn what_a_file_holds_is_recognised() {
        let check = |file: Value, want: &[(&str, Kind)]| {
            let (items, _) = items(&file);
            let found: Vec<(&str, Kind)> =
                items.iter().map(|item| (&*item.place, item.kind)).collect();
            assert_eq!(found, want, "{file}");
        };
        use Kind::{Domain, Metric, Objective};
        check(json!({"metric_id": "A"}), &[("", Metric)]);
        check(
            json!({"name": "a", "description": "b", "category": "c"}),
            &[("", Metric)],
        );
        check(
            json!({"id": "A", "name": "a", "stakeholders": []}),
            &[("", Domain)],
        );
        check(json!({"domain_id": "A"}), &[("", Domain)]);
        check(json!({"title": "a", "key_results": []}), &[("", Objective)]);
        check(
            json!([{"metric_id": "A"}, {"objective_id": "B"}]),
            &[("[0]", Metric), ("[1]", Objective)],
        );
        check(
            json!({"catalog_name": "x", "objectives": [{}], "metrics": [{}, {}]}),
            &[
                ("objectives[0]", Objective),
                ("metrics[0]", Metric),
                ("metrics[1]", Metric),
            ],
        );
        for nothing in [
            json!({}),
            json!([]),
            json!([1]),
            json!("x"),
            json!({"metrics": 1}),
            json!(null),
        ] {
            let (items, findings) = items(&nothing);
            assert!(
                items.is_empty() && !findings.mistakes.is_empty(),
                "{nothing}"
            );
        }
        let (_, findings) = items(&json!({"metric": [], "metrics": [{}]}));
        assert_eq!(findings.warnings[0].remedy, "did you mean metrics?");
    }

    #[test]
    fn older_keys_are_taken_and_nothing_is_lost() {
        let file = json!([{
            "id": "SHOP", "name": "Shop", "owner": "shop@example.com", "stakeholders": ["a"],
            "objectives": ["O"], "metadata": {"color": "red"}
        }, {
            "objective_id": "O", "title": "t", "description": "d", "start_date": "2026-01-01",
            "end_date": "2026-02-01", "owner": "shop", "business_priority": "P0",
            "key_results": [
                {"kr_id": "1", "description": "less", "target_value": 200, "current_value": 215, "unit": "ms", "metric_id": "M"},
                {"kr_id": "2", "description": "more", "target_value": 1, "unit": "x", "current_value": 0}
            ]
        }]);
        let (items, findings) = items(&file);
        assert_eq!(findings, Findings::default());
        let domain = read(Kind::Domain, &items[0].value).to_json();
        assert_eq!(domain["domain_id"], "SHOP");
        assert_eq!(
            (&domain["contact_email"], &domain["color"]),
            (&json!("shop@example.com"), &json!("red"))
        );
        assert_eq!(domain["key_areas"], json!(["O"]));
        let objective = read(Kind::Objective, &items[1].value).to_json();
        assert_eq!(objective["timeframe"]["end"], "2026-02-01T00:00:00.000Z");
        assert_eq!(
            (&objective["name"], &objective["priority"]),
            (&json!("t"), &json!("P0"))
        );
        let results = &objective["key_results"];
        assert_eq!(
            (&results[0]["baseline_value"], &results[0]["direction"]),
            (&json!(215), &json!("decrease"))
        );
        assert_eq!(results[0]["metric_ids"], json!(["M"]));
        assert_eq!(
            (&results[1]["current_value"], &results[1]["direction"]),
            (&json!(0), &json!("increase"))
        );
    }

    #[test]
    fn a_catalog_reads_back_as_the_same_resources() {
        let all: Vec<Resource> = Kind::ALL
            .into_iter()
            .map(|kind| read(kind, &full(kind)))
            .collect();
        let (items, findings) = items(&catalog(&all));
        assert_eq!(findings, Findings::default());
        let again: Vec<Resource> = items
            .iter()
            .map(|item| read(item.kind, &item.value))
            .collect();
        assert_eq!(again, all);
    }
}
