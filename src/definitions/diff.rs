//! In what two documents differ, value by value.

use serde_json::{Value, json};

/// One value that differs.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// Its path, such as `key_results[0].target_value`.
    pub field: String,
    /// What it was; `None` where it was not there.
    pub before: Option<Value>,
    /// What it is; `None` where it is not there.
    pub after: Option<Value>,
}

impl Difference {
    /// As answers have it: `added`, `removed` or `changed`, with what there is of both sides.
    pub fn to_json(&self) -> Value {
        let change = match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let mut json = json!({"field": self.field, "change": change});
        for (name, value) in [("before", &self.before), ("after", &self.after)] {
            if let Some(value) = value {
                json[name] = value.clone();
            }
        }
        json
    }
}

/// The values in which `after` differs from `before`, in the order of `before`, but for those below one of `ignored`.
pub fn differences(before: &Value, after: &Value, ignored: &[&str]) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(before), Some(after), ignored, &mut found);
    found
}

fn walk(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    ignored: &[&str],
    found: &mut Vec<Difference>,
) {
    if before == after || ignored.contains(&path) {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}");
                walk(&path, old.get(name), new.get(name), ignored, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for i in 0..old.len().max(new.len()) {
                let path = format!("{path}[{i}]");
                walk(&path, old.get(i), new.get(i), ignored, found);
            }
        }
        _ => found.push(Difference {
            field: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_that_differs_is_told_by_its_path() {
        let before =
            json!({"a": 1, "b": {"c": [1, {"d": 2}], "e": "x"}, "f": null, "kept": {"v": 1}});
        let after =
            json!({"a": 1, "b": {"c": [1, {"d": 3}, 4], "e": ["x"]}, "g": true, "kept": {"v": 2}});
        let found = differences(&before, &after, &["kept.v"]);
        let found: Vec<Value> = found.iter().map(Difference::to_json).collect();
        assert_eq!(
            found,
            [
                json!({"field": "b.c[1].d", "change": "changed", "before": 2, "after": 3}),
                json!({"field": "b.c[2]", "change": "added", "after": 4}),
                json!({"field": "b.e", "change": "changed", "before": "x", "after": ["x"]}),
                json!({"field": "f", "change": "removed", "before": null}),
                json!({"field": "g", "change": "added", "after": true}),
            ]
        );
        assert_eq!(differences(&before, &before, &[]), []);
    }
}
