//! A silence: matchers and a span of time in which what they match is not told.
//!
//! The shape is that of Alertmanager's API: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::matcher::{MatchOp, Matcher};
use super::re2::RegexError;
use super::timestamp::Timestamp;

/// The annotation of a silence that ends when nothing fires any more that it matches; its value is [`RESOLVED`].
pub const UNTIL: &str = "outrigger/until";
/// The value of [`UNTIL`].
pub const RESOLVED: &str = "resolved";
/// The annotation of a silence that a recurring one made; its value is the recurring one's id.
pub const RECURRING: &str = "outrigger/recurring";
/// The annotation of a silence that may be as broad as it likes; its value is `true`.
pub const FORCE: &str = "outrigger/force";

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Its id, a UUID.
    pub id: Arc<str>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// From when on it is active.
    pub starts_at: Timestamp,
    /// From when on it is expired.
    pub ends_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who asked for it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else tools note.
    pub annotations: BTreeMap<String, String>,
}

/// Where a silence stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SilenceState {
    /// It keeps quiet what it matches.
    Active,
    /// It will begin.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Expired];

    /// The state as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Its state at `now`.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether it ends when nothing fires any more that it matches.
    pub fn is_until_resolved(&self) -> bool {
        self.annotations
            .get(UNTIL)
            .is_some_and(|until| until == RESOLVED)
    }

    /// Whether its matchers match, whatever the time.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers
            .iter()
            .all(|matcher| matcher.matches_labels(labels))
    }
}

/// A matcher as the API and the database write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatcherFields {
    /// Whether the value must match, or must not.
    #[serde(default = "yes")]
    pub is_equal: bool,
    /// Whether the value is a regular expression.
    pub is_regex: bool,
    /// The label's name.
    pub name: String,
    /// The value or expression.
    pub value: String,
}

fn yes() -> bool {
    true
}

impl From<&Matcher> for MatcherFields {
    fn from(matcher: &Matcher) -> Self {
        Self {
            is_equal: !matcher.op().is_negative(),
            is_regex: matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
        }
    }
}

impl TryFrom<MatcherFields> for Matcher {
    type Error = RegexError;

    fn try_from(fields: MatcherFields) -> Result<Self, RegexError> {
        let op = match (fields.is_regex, fields.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Self::new(fields.name, op, fields.value)
    }
}
