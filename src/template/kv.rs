//! Label and annotation sets as Alertmanager's templates see them (`KV`, `Pairs`).
//!
//! <https://prometheus.io/docs/alerting/latest/notifications/#kv>

use std::sync::Arc;

use super::value::{List, Map, Object, Value};

/// A set of labels or annotations with the methods `SortedPairs`, `Remove`, `Names` and `Values`; also a map.
#[derive(Debug, Clone)]
pub struct Kv(Map);

impl Kv {
    /// From names and values; the last of two equal names wins.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self(Map::strings(pairs))
    }

    /// Sorted by name, `alertname` first.
    fn pairs(&self) -> Pairs {
        let pair = |(name, value): (&Arc<str>, &Value)| Pair {
            name: Arc::clone(name),
            value: value.as_text().cloned().unwrap_or_default(),
        };
        let (first, rest): (Vec<_>, Vec<_>) = self
            .0
            .entries()
            .iter()
            .partition(|(name, _)| &***name == "alertname");
        Pairs(first.into_iter().chain(rest).map(pair).collect())
    }

    fn without(&self, names: &Value) -> Result<Kv, String> {
        let names = match names.plain() {
            Value::List(list) => list,
            other => {
                return Err(format!(
                    "Remove wants a list of names, not {}",
                    other.type_name()
                ));
            }
        };
        let removed = |name: &str| {
            names
                .items()
                .iter()
                .any(|item| item.as_text().is_some_and(|text| &**text == name))
        };
        Ok(Kv::new(
            self.0
                .entries()
                .iter()
                .filter(|(name, _)| !removed(name))
                .map(|(name, value)| {
                    (
                        Arc::clone(name),
                        value.as_text().cloned().unwrap_or_default(),
                    )
                }),
        ))
    }
}

impl From<Kv> for Value {
    fn from(kv: Kv) -> Self {
        Value::object(kv)
    }
}

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        Some(match (name, args) {
            ("SortedPairs", []) => Ok(Value::object(self.pairs())),
            ("Names", []) => Ok(self.pairs().names()),
            ("Values", []) => Ok(self.pairs().values()),
            ("Remove", [names]) => self.without(names).map(Value::from),
            ("String", []) => Ok(self.pairs().to_string().into()),
            ("SortedPairs" | "Names" | "Values" | "Remove" | "String", _) => Err(format!(
                "wrong number of arguments for {name}: {}",
                args.len()
            )),
            (_, []) => Ok(self.0.get(name)),
            _ => return None,
        })
    }

    fn contents(&self) -> Option<Value> {
        Some(self.0.clone().into())
    }

    fn text(&self) -> Option<String> {
        Some(self.pairs().to_string())
    }
}

#[derive(Debug, Clone)]
struct Pair {
    name: Arc<str>,
    value: Arc<str>,
}

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "template.Pair"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Name", []) => Some(Ok(Value::String(Arc::clone(&self.name)))),
            ("Value", []) => Some(Ok(Value::String(Arc::clone(&self.value)))),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(format!("{{{} {}}}", self.name, self.value))
    }

    fn json(&self) -> Value {
        let fields: Map = [
            ("Name", Value::String(Arc::clone(&self.name))),
            ("Value", Value::String(Arc::clone(&self.value))),
        ]
        .into_iter()
        .collect();
        fields.into()
    }
}

#[derive(Debug, Clone)]
struct Pairs(Arc<[Pair]>);

impl Pairs {
    fn names(&self) -> Value {
        Value::texts(self.0.iter().map(|pair| Arc::clone(&pair.name)))
    }

    fn values(&self) -> Value {
        Value::texts(self.0.iter().map(|pair| Arc::clone(&pair.value)))
    }
}

impl std::fmt::Display for Pairs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, pair) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(out, "{separator}{}={}", pair.name, pair.value)?;
        }
        Ok(())
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Names", []) => Some(Ok(self.names())),
            ("Values", []) => Some(Ok(self.values())),
            ("String", []) => Some(Ok(self.to_string().into())),
            _ => None,
        }
    }

    fn contents(&self) -> Option<Value> {
        let list: List = self.0.iter().cloned().map(Value::object).collect();
        Some(list.into())
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}
