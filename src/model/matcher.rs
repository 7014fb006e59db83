//! Label matchers: `=`, `!=`, `=~`, `!~`, as in PromQL selectors, alert routes, inhibitions and silences.
//!
//! Regular expressions are anchored at both ends and `.` matches line breaks, as in Prometheus. Most expressions in
//! use are plain alternatives or prefixes; those are recognised and never reach the regular-expression engine, which
//! also keeps their memory small.

use std::fmt;
use std::sync::Arc;

use super::labels::{Labels, is_legacy_label_name, quote};
use super::re2::{RegexError, anchored};

/// How a matcher compares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Whether it is one of the two negative operators.
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotRegex)
    }
}

/// One matcher on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    // Present exactly for the two regular-expression operators.
    pattern: Option<Pattern>,
}

impl Matcher {
    /// Builds a matcher.
    ///
    /// # Errors
    /// Where the operator takes a regular expression and `value` is none (RE2 syntax, without look-around).
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, RegexError> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&value)?),
        };
        Ok(Self {
            name: name.into(),
            op,
            value,
            pattern,
        })
    }

    /// A matcher for one exact value, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            pattern: None,
        }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or expression as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label value passes; a missing label is the empty value.
    pub fn matches(&self, value: &str) -> bool {
        let same = match &self.pattern {
            None => self.value == value,
            Some(pattern) => pattern.is_match(value),
        };
        same != self.op.is_negative()
    }

    /// Whether the label's value in a set passes.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }

    /// Whether a set without the label passes.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The finite set of values that this positive matcher accepts, where it is one: `a`, or `a|b|c`.
    pub fn accepted_values(&self) -> Option<Vec<&str>> {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => Some(vec![&self.value]),
            (MatchOp::Regex, Some(Pattern::Alternatives(values))) => {
                Some(values.iter().map(String::as_str).collect())
            }
            _ => None,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

/// As written in PromQL: `name="value"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            f.write_str(&quote(&self.name))?;
        }
        write!(f, "{}{}", self.op.as_str(), quote(&self.value))
    }
}

/// An anchored regular expression, in the cheapest form that means the same.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// `a|b|c`: these values and no others.
    Alternatives(Vec<String>),
    /// `prefix.*` (with `.+`: something must follow).
    Prefix {
        /// What the value begins with.
        prefix: String,
        /// Whether at least one more character is needed.
        more: bool,
    },
    /// Anything else.
    Engine(Arc<regex::Regex>),
}

/// Characters that mean something in a regular expression.
const SPECIAL: &[char] = &[
    '\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$',
];

impl Pattern {
    /// Reads an expression, to be matched against whole values.
    ///
    /// # Errors
    /// Where the expression is not valid.
    pub fn new(text: &str) -> Result<Self, RegexError> {
        let (body, more) = match text.strip_suffix(".*") {
            Some(body) => (body, Some(false)),
            None => (
                text.strip_suffix(".+").unwrap_or(text),
                text.ends_with(".+").then_some(true),
            ),
        };
        if let Some(more) = more
            && !body.contains(SPECIAL)
        {
            return Ok(Self::Prefix {
                prefix: body.to_owned(),
                more,
            });
        }
        if !text.replace('|', "").contains(SPECIAL) {
            return Ok(Self::Alternatives(
                text.split('|').map(str::to_owned).collect(),
            ));
        }
        Ok(Self::Engine(Arc::new(anchored(text)?)))
    }

    /// Whether the whole value matches.
    pub fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Alternatives(values) => values.iter().any(|candidate| candidate == value),
            Self::Prefix { prefix, more } => value
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| !more || !rest.is_empty()),
            Self::Engine(regex) => regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_anchored_and_see_missing_labels_as_empty() {
        let check = |op, pattern: &str, value: &str, want: bool| {
            assert_eq!(
                Matcher::new("l", op, pattern)
                    .expect(pattern)
                    .matches(value),
                want,
                "{op:?} {pattern} {value}"
            );
        };
        use MatchOp::*;
        check(Equal, "a", "a", true);
        check(Equal, "", "", true);
        check(NotEqual, "a", "", true);
        check(Regex, "a|b", "b", true);
        check(Regex, "a|b", "ab", false);
        check(Regex, "a.*", "abc", true);
        check(Regex, "a.*", "a", true);
        check(Regex, "a.+", "a", false);
        check(Regex, ".+", "", false);
        check(Regex, ".*", "", true);
        check(Regex, "a.b", "a\nb", true);
        check(Regex, "5..", "503", true);
        check(Regex, "5..", "1503", false);
        check(NotRegex, "5..", "200", true);
        check(Regex, "", "", true);
        check(Regex, "a|", "", true);
        check(Regex, "(?i)AB", "ab", true);
        check(Regex, "a.*\n.*", "a\nb", true);
    }

    #[test]
    fn bad_expressions_are_refused_with_a_reason() {
        for pattern in ["(", "a)(b", "[z-a]", "*", "a{2,1}"] {
            let error = Matcher::new("l", MatchOp::Regex, pattern).expect_err(pattern);
            assert!(
                !error.reason.is_empty() && !error.reason.contains('\n'),
                "{error}"
            );
        }
    }
}
