//! Statements for either engine.

use std::borrow::Cow;

use crate::model::timestamp::Timestamp;

/// A statement with its values.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it does, such as `read definition`: the beginning of its errors, and the label of its metrics.
    pub(super) operation: &'static str,
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
    /// Whether the snapshot may answer it.
    pub(super) or_snapshot: bool,
    /// Whether the snapshot may hold less than the database: that it yields nothing tells nothing.
    pub(super) held_in_part: bool,
    /// Whether the connection remembers it: compiled statements take memory.
    pub(super) kept: bool,
}

/// A value that is bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `TEXT`
    Text(Option<String>),
    /// `BIGINT`
    Integer(Option<i64>),
}

impl Statement {
    /// A statement that does what `operation` says; its places for values are `$1`, `$2` and so on.
    pub fn new(operation: &'static str, text: &'static str) -> Self {
        Self {
            operation,
            text: Cow::Borrowed(text),
            values: Vec::new(),
            or_snapshot: false,
            held_in_part: false,
            kept: true,
        }
    }

    /// It reads of definitions, tags and their generation alone, so that it can be answered from the snapshot of these.
    #[must_use]
    pub fn or_snapshot(mut self) -> Self {
        self.or_snapshot = true;
        self
    }

    /// The same for what reads of the history: there the snapshot answers where it holds something alone.
    #[must_use]
    pub fn or_held_history(mut self) -> Self {
        self.or_snapshot = true;
        self.held_in_part = true;
        self
    }

    /// Its text was put together, but is one of few.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Gives the next place its value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Lengthens the text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        // What is put together is seldom the same twice.
        self.kept = false;
        self
    }

    /// Lengthens the text by a place with its value.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.text.to_mut().push_str(&place);
        self.kept = false;
        self
    }

    /// Lengthens the text by ` IN (…)` with a place for each value; for none of them by what is never true.
    pub fn push_in<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.push(" IN (");
        let mut first = true;
        for value in values {
            if !std::mem::take(&mut first) {
                self.push(", ");
            }
            self.push_bind(value);
        }
        // A comparison with NULL is true of nothing.
        self.push(if first { "NULL)" } else { ")" })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(Some(time.millis()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map(Timestamp::millis))
    }
}
