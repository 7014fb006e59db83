//! Template data: what dot, variables, arguments and results are made of.
//!
//! Go inspects arbitrary types by reflection; here data is one of the shapes below. Lists and maps carry their nesting
//! depth, so that printing, converting and dropping a value never recurses deeper than [`MAX_DEPTH`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Zoned;

use super::format;

/// Deepest nesting of lists and maps a template may build.
pub const MAX_DEPTH: u8 = 24;

/// One value in a template.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// No value: prints `<no value>` as an action, `<nil>` inside `printf`.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float, printed as Go prints `float64`.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// Text that HTML escaping leaves alone where it fits (`safeHtml`, `safeUrl`).
    Safe(Safe, Arc<str>),
    /// A list.
    List(List),
    /// A map with text keys, visited in the order of its keys.
    Map(Map),
    /// An instant in a time zone.
    Time(Arc<Zoned>),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// Typed data with fields and methods.
    Object(Arc<dyn Object>),
}

/// What a [`Value::Safe`] is trusted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safe {
    /// HTML markup.
    Html,
    /// A URL.
    Url,
}

/// Typed data: the counterpart of a Go struct, or of a named slice or map type with methods.
pub trait Object: fmt::Debug + Send + Sync {
    /// The name for error messages, such as `template.Alert`.
    fn type_name(&self) -> &'static str;

    /// A field, or a method called with `args`; `None` when there is neither.
    ///
    /// # Errors
    /// A method may fail, for example on the wrong arguments; the text becomes the template's error.
    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>>;

    /// The list or map this type is made of, for `range`, `index`, `len`, truth and printing. `None` for a struct.
    fn contents(&self) -> Option<Value> {
        None
    }

    /// The text of Go's `String` method, where the type has one.
    fn text(&self) -> Option<String> {
        None
    }

    /// What `toJson` writes; the contents unless overridden.
    fn json(&self) -> Value {
        self.contents().unwrap_or_default()
    }
}

/// An immutable shared list.
#[derive(Debug, Clone)]
pub struct List {
    items: Arc<[Value]>,
    depth: u8,
}

impl List {
    /// The items.
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        let items: Arc<[Value]> = items.into_iter().collect();
        let depth = deepest(items.iter());
        Self { items, depth }
    }
}

/// An immutable shared map.
#[derive(Debug, Clone)]
pub struct Map {
    entries: Arc<BTreeMap<Arc<str>, Value>>,
    strings: bool,
    depth: u8,
}

impl Map {
    /// A map from text to text (Go's `map[string]string`): a missing key reads as the empty string.
    pub fn strings<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries: BTreeMap<_, _> = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), Value::String(value.into())))
            .collect();
        Self {
            entries: Arc::new(entries),
            strings: true,
            depth: 1,
        }
    }

    /// The entries in the order of their keys.
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// The value under a key, or the zero value of the map's kind.
    pub fn get(&self, key: &str) -> Value {
        match self.entries.get(key) {
            Some(value) => value.clone(),
            None if self.strings => Value::from(""),
            None => Value::Nil,
        }
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries: BTreeMap<Arc<str>, Value> = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        let depth = deepest(entries.values());
        Self {
            entries: Arc::new(entries),
            strings: false,
            depth,
        }
    }
}

fn deepest<'a>(values: impl Iterator<Item = &'a Value>) -> u8 {
    values
        .map(Value::depth)
        .max()
        .unwrap_or(0)
        .saturating_add(1)
}

impl Value {
    /// How deep lists and maps are nested: 0 for a scalar. Objects count as their usual two levels.
    pub(super) fn depth(&self) -> u8 {
        match self {
            Value::List(list) => list.depth,
            Value::Map(map) => map.depth,
            Value::Object(_) => 2,
            _ => 0,
        }
    }

    /// A list of texts.
    pub fn texts<S: Into<Arc<str>>>(texts: impl IntoIterator<Item = S>) -> Self {
        Value::List(
            texts
                .into_iter()
                .map(|text| Value::String(text.into()))
                .collect(),
        )
    }

    /// An object.
    pub fn object(object: impl Object + 'static) -> Self {
        Value::Object(Arc::new(object))
    }

    /// Go's name for the type, for error messages and `%T`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::String(_) => "string",
            Value::Safe(Safe::Html, _) => "template.HTML",
            Value::Safe(Safe::Url, _) => "template.URL",
            Value::List(_) => "[]interface {}",
            Value::Map(Map { strings: true, .. }) => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
            Value::Object(object) => object.type_name(),
        }
    }

    /// Whether `if` and `with` take it for true: not zero and not empty. A struct is always true, and so is NaN.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Duration(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::String(text) | Value::Safe(_, text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Time(_) => true,
            Value::Object(object) => object.contents().is_none_or(|contents| contents.is_true()),
        }
    }

    /// The text of a string, marked safe or not.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Value::String(text) | Value::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// The value itself, or the list or map an object is made of.
    pub(super) fn plain(&self) -> Value {
        match self {
            Value::Object(object) => object.contents().unwrap_or_else(|| self.clone()),
            other => other.clone(),
        }
    }
}

/// As Go's `%v`.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        format::plain(out, self)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<Zoned> for Value {
    fn from(time: Zoned) -> Self {
        Value::Time(Arc::new(time))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Value::List(list)
    }
}
