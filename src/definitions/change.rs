//! What is written when a resource is made or changed: pure, `(stored, given, author, now) -> what to write`.
//!
//! A metric carries its version and its last changes in `metadata`. Whoever writes cannot set these: they tell who really
//! did what. Only the import of a file that was exported here brings its history along.

use serde_json::{Map, Value};

use super::metric::{Change, ChangeType, Metric};
use super::resource::Resource;
use super::versioning;
use crate::model::timestamp::Timestamp;

/// Changes that a metric itself carries; all of them are in the history.
const CARRIED: usize = 20;

/// What is to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Prepared {
    /// The resource as it will be.
    pub resource: Resource,
    /// The version it will have; metrics only.
    pub version: Option<String>,
    /// Which part of the version was raised; metrics only.
    pub change: Option<ChangeType>,
    /// What it is, in words.
    pub summary: String,
    /// Which fields; `*` for all.
    pub fields: Vec<String>,
}

/// Where a resource comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Somebody wrote it just now.
    Request,
    /// A file; a history in it is believed.
    File,
}

/// A resource that is new.
pub fn creation(resource: Resource, origin: Origin, author: &str, now: Timestamp) -> Prepared {
    let mut summary = "Initial creation".to_owned();
    let mut version = None;
    let resource = match resource {
        Resource::Metric(mut metric) => {
            "Initial metric creation".clone_into(&mut summary);
            let metadata = &mut metric.metadata;
            let given = metadata.version.take();
            let given = given.filter(|given| versioning::is_version(given));
            let first = given.unwrap_or_else(|| versioning::FIRST.to_owned());
            metadata.version = Some(first.clone());
            if origin == Origin::Request || metadata.change_history.is_empty() {
                metadata.change_history.clear();
                if origin == Origin::Request {
                    metadata.created_at = None;
                    metadata.created_by = None;
                }
                metadata.created_at.get_or_insert(now);
                metadata.created_by.get_or_insert_with(|| author.to_owned());
                metadata.last_updated = Some(now);
                metadata.last_updated_by = Some(author.to_owned());
                let all = vec!["*".to_owned()];
                carry(
                    &mut metric,
                    &first,
                    author,
                    now,
                    ChangeType::Major,
                    &summary,
                    &all,
                );
            }
            version = Some(first);
            Resource::Metric(metric)
        }
        Resource::Domain(mut domain) => {
            domain.created_at.get_or_insert(now);
            domain.updated_at.get_or_insert(now);
            Resource::Domain(domain)
        }
        objective @ Resource::Objective(_) => objective,
    };
    Prepared {
        change: version.is_some().then_some(ChangeType::Major),
        resource,
        version,
        summary,
        fields: vec!["*".to_owned()],
    }
}

/// A resource in the place of the stored one of its kind and identifier; `None` where nothing changes.
pub fn replacement(
    stored: &Resource,
    given: Resource,
    author: &str,
    now: Timestamp,
) -> Option<Prepared> {
    let fields = versioning::changed_fields(stored.kind(), &stored.to_json(), &given.to_json());
    let change = versioning::change_type(&fields)?;
    let summary = format!("Updated {}", fields.join(", "));
    let mut version = None;
    let resource = match (stored, given) {
        (Resource::Metric(stored), Resource::Metric(mut metric)) => {
            let raised = versioning::raised(stored.metadata.version.as_deref(), change);
            let notes = std::mem::take(&mut metric.metadata.notes);
            let queries = std::mem::take(&mut metric.metadata.example_queries);
            metric.metadata = stored.metadata.clone();
            metric.metadata.notes = notes;
            metric.metadata.example_queries = queries;
            metric.metadata.version = Some(raised.clone());
            metric.metadata.last_updated = Some(now);
            metric.metadata.last_updated_by = Some(author.to_owned());
            metric.governance.updated_at = now;
            carry(&mut metric, &raised, author, now, change, &summary, &fields);
            version = Some(raised);
            Resource::Metric(metric)
        }
        (Resource::Domain(stored), Resource::Domain(mut domain)) => {
            domain.created_at = stored.created_at;
            domain.updated_at = Some(now);
            Resource::Domain(domain)
        }
        (_, given) => given,
    };
    Some(Prepared {
        change: version.is_some().then_some(change),
        resource,
        version,
        summary,
        fields,
    })
}

/// A resource as it was at an old revision, in the place of the last one; without fields where they are the same.
pub fn restoration(
    last: &Resource,
    old: Resource,
    revision: i64,
    author: &str,
    now: Timestamp,
) -> Prepared {
    let summary = format!("Restored revision {revision}");
    let Some(mut prepared) = replacement(last, old, author, now) else {
        let version = match last {
            Resource::Metric(metric) => metric.metadata.version.clone(),
            Resource::Domain(_) | Resource::Objective(_) => None,
        };
        return Prepared {
            resource: last.clone(),
            version,
            change: None,
            summary,
            fields: Vec::new(),
        };
    };
    if let Resource::Metric(metric) = &mut prepared.resource
        && let Some(change) = metric.metadata.change_history.last_mut()
    {
        change.changes_summary.clone_from(&summary);
    }
    prepared.summary = summary;
    prepared
}

fn carry(
    metric: &mut Metric,
    version: &str,
    author: &str,
    now: Timestamp,
    change: ChangeType,
    summary: &str,
    fields: &[String],
) {
    let history = &mut metric.metadata.change_history;
    history.push(Change {
        version: version.to_owned(),
        timestamp: now,
        changed_by: author.to_owned(),
        change_type: change,
        changes_summary: summary.to_owned(),
        fields_changed: fields.to_vec(),
    });
    history.drain(..history.len().saturating_sub(CARRIED));
}

/// How a body changes what is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// PUT: what is given takes the place of what was there, field by field of the resource; the rest stays.
    Fields,
    /// PATCH: as RFC 7396 has it, at every depth; null removes.
    Deep,
}

/// The stored JSON with a body laid over it.
pub fn merged(stored: &Value, body: &Map<String, Value>, merge: Merge) -> Value {
    let mut target = stored.as_object().cloned().unwrap_or_default();
    match merge {
        Merge::Fields => {
            target.extend(
                body.iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        Merge::Deep => patch(&mut target, body),
    }
    target.into()
}

/// <https://www.rfc-editor.org/rfc/rfc7396#section-2>; JSON that was parsed is not nested deeper than the parser allows.
fn patch(target: &mut Map<String, Value>, given: &Map<String, Value>) {
    for (name, value) in given {
        match (target.get_mut(name), value) {
            (_, Value::Null) => drop(target.shift_remove(name)),
            (Some(Value::Object(inner)), Value::Object(value)) => patch(inner, value),
            (_, Value::Object(value)) => {
                let mut inner = Map::new();
                patch(&mut inner, value);
                target.insert(name.clone(), inner.into());
            }
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::resource::Kind;
    use crate::definitions::testing::{full, read};

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn metric(prepared: &Prepared) -> &Metric {
        match &prepared.resource {
            Resource::Metric(metric) => metric,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_metric_says_who_made_it_whatever_it_claims() {
        let mut claimed = full(Kind::Metric);
        claimed["metadata"]["created_by"] = json!("mallory");
        claimed["metadata"]["version"] = json!("3.1.4");
        claimed["metadata"]["change_history"] = json!([{
            "version": "3.1.4", "timestamp": "2020-01-01", "changed_by": "mallory",
            "change_type": "major", "changes_summary": "all mine"
        }]);
        let claimed = read(Kind::Metric, &claimed);
        let made = creation(claimed.clone(), Origin::Request, "ada", NOW);
        let metadata = &metric(&made).metadata;
        assert_eq!(metadata.created_by.as_deref(), Some("ada"));
        assert_eq!(metadata.version.as_deref(), Some("3.1.4"));
        let [change] = metadata.change_history.as_slice() else {
            panic!("{metadata:?}");
        };
        assert_eq!((&*change.changed_by, change.timestamp), ("ada", NOW));
        assert_eq!(change.fields_changed, ["*"]);
        // A file that was exported brings its history along, and nothing in it changes.
        let imported = creation(claimed.clone(), Origin::File, "ada", NOW);
        assert_eq!(imported.resource, claimed);
    }

    #[test]
    fn a_change_raises_the_version_and_tells_its_author() {
        let stored = creation(
            read(Kind::Metric, &full(Kind::Metric)),
            Origin::Request,
            "ada",
            NOW,
        );
        let later = Timestamp::from_millis(NOW.millis() + 1);
        let mut given = stored.resource.to_json();
        assert_eq!(
            replacement(&stored.resource, read(Kind::Metric, &given), "bob", later),
            None,
            "nothing changed"
        );
        given["definition"]["formula"] = json!("x");
        given["tags"] = json!([]);
        given["metadata"]["version"] = json!("9.9.9");
        given["metadata"]["change_history"] = json!([]);
        let changed = replacement(&stored.resource, read(Kind::Metric, &given), "bob", later);
        let changed = changed.expect("a change");
        assert_eq!(changed.version.as_deref(), Some("2.0.0"));
        assert_eq!(changed.summary, "Updated tags, definition.formula");
        let metric = metric(&changed);
        assert_eq!(metric.governance.updated_at, later);
        assert_eq!(metric.metadata.created_by.as_deref(), Some("ada"));
        assert_eq!(metric.metadata.last_updated_by.as_deref(), Some("bob"));
        let authors = metric.metadata.change_history.iter();
        let authors: Vec<&str> = authors.map(|change| change.changed_by.as_str()).collect();
        assert_eq!(authors, ["ada", "bob"]);
    }

    #[test]
    fn a_metric_carries_its_last_changes_only() {
        let mut stored = creation(
            read(Kind::Metric, &full(Kind::Metric)),
            Origin::Request,
            "ada",
            NOW,
        )
        .resource;
        for i in 0..50 {
            let mut given = stored.to_json();
            given["tags"] = json!([i.to_string()]);
            let given = read(Kind::Metric, &given);
            stored = replacement(&stored, given, "ada", NOW)
                .expect("a change")
                .resource;
        }
        let stored = stored.to_json();
        let history = stored["metadata"]["change_history"].as_array().unwrap();
        assert_eq!(history.len(), CARRIED);
        assert_eq!(history[CARRIED - 1]["version"], "1.0.50");
    }

    #[test]
    fn a_put_keeps_what_it_does_not_name_and_a_patch_goes_deep() {
        let stored = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1, 2]});
        let check = |merge, body: Value, want: Value| {
            let merged = merged(&stored, body.as_object().unwrap(), merge);
            assert_eq!(merged, want, "{merge:?} {body}");
        };
        check(Merge::Fields, json!({}), stored.clone());
        check(
            Merge::Fields,
            json!({"b": {"c": 4}}),
            json!({"a": 1, "b": {"c": 4}, "e": [1, 2]}),
        );
        check(
            Merge::Deep,
            json!({"b": {"c": 4}, "e": [3]}),
            json!({"a": 1, "b": {"c": 4, "d": 3}, "e": [3]}),
        );
        check(
            Merge::Deep,
            json!({"a": null, "b": {"d": null}, "f": {"g": null, "h": 1}}),
            json!({"b": {"c": 2}, "e": [1, 2], "f": {"h": 1}}),
        );
    }
}
