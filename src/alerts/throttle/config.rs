//! The `throttle:` section of `outrigger.yml`.

use std::borrow::Cow;
use std::time::Duration;

use crate::document::fields::{Fields, Value};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::re2::RegexError;

pub(in super::super) const SEVERITY: &str = "severity";

/// The `throttle:` section.
#[derive(Clone, Debug, PartialEq)]
pub struct ThrottleConfig {
    /// Whether anything is limited at all.
    pub enabled: bool,
    /// Severities without limits.
    pub exempt: Option<Matcher>,
    /// Limits; the first that matches counts.
    pub rules: Vec<ThrottleRule>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq)]
pub struct ThrottleRule {
    /// Receivers it holds for.
    pub receiver: Matcher,
    /// Severities it holds for.
    pub severity: Matcher,
    /// Notifications that may go out at once.
    pub burst: u32,
    /// Time until one more may.
    pub refill_interval: Duration,
    /// Shortest time between the first notification held back and its digest.
    pub digest_interval: Duration,
}

fn pattern(name: &str, text: &str) -> Result<Matcher, RegexError> {
    // Severities are compared in lower case, whatever the pattern is written in.
    let text = match name {
        SEVERITY => format!("(?i:{text})"),
        _ => text.to_owned(),
    };
    Matcher::new(name, MatchOp::Regex, text)
}

/// A severity as limits know it: ` Warning` and `warning` are one.
pub(in super::super) fn normal(severity: &str) -> Cow<'_, str> {
    let trimmed = severity.trim();
    if trimmed.chars().any(char::is_uppercase) {
        Cow::Owned(trimmed.to_lowercase())
    } else {
        Cow::Borrowed(trimmed)
    }
}

/// Severities that are told at once, whatever befalls: by default `critical`.
pub(in super::super) fn default_exempt() -> Option<Matcher> {
    Some(pattern(SEVERITY, "critical").expect("a word is a valid expression"))
}

/// Reads `exempt_severity`, a regular expression; an empty one exempts nothing.
pub(in super::super) fn read_exempt(
    fields: &Fields<'_>,
    default: Option<Matcher>,
) -> Option<Matcher> {
    let Some(value) = fields.get("exempt_severity") else {
        return default;
    };
    match value.text() {
        Some("") => None,
        _ => read_pattern(&value, SEVERITY).or(default),
    }
}

fn any(name: &str) -> Matcher {
    pattern(name, ".*").expect("a prefix expression is valid")
}

impl Default for ThrottleRule {
    fn default() -> Self {
        Self {
            receiver: any("receiver"),
            severity: any(SEVERITY),
            burst: 20,
            refill_interval: Duration::from_secs(30),
            digest_interval: Duration::from_secs(60),
        }
    }
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            exempt: default_exempt(),
            rules: vec![ThrottleRule::default()],
        }
    }
}

impl ThrottleConfig {
    /// No limits.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }

    /// The limit for a receiver and severity; `None` where there is none.
    pub fn limit(&self, receiver: &str, severity: &str) -> Option<&ThrottleRule> {
        let severity = &*normal(severity);
        if !self.enabled
            || self
                .exempt
                .as_ref()
                .is_some_and(|exempt| exempt.matches(severity))
        {
            return None;
        }
        self.rules
            .iter()
            .find(|rule| rule.receiver.matches(receiver) && rule.severity.matches(severity))
    }
}

/// Reads the `throttle` key of `outrigger.yml`'s root; the defaults where it is absent.
pub fn read(root: &Fields<'_>) -> ThrottleConfig {
    let mut config = ThrottleConfig::default();
    let Some(fields) = root.get("throttle").and_then(|value| value.fields()) else {
        return config;
    };
    if let Some(enabled) = fields.bool("enabled") {
        config.enabled = enabled;
    }
    config.exempt = read_exempt(&fields, config.exempt);
    let rules = fields.items("rules");
    let read: Vec<_> = rules.iter().filter_map(read_rule).collect();
    config.rules.splice(0..0, read);
    fields.finish();
    config
}

fn read_pattern(value: &Value<'_>, name: &str) -> Option<Matcher> {
    value.parse("correct the regular expression (RE2 syntax)", |text| {
        pattern(name, text)
    })
}

fn read_rule(value: &Value<'_>) -> Option<ThrottleRule> {
    let fields = value.fields()?;
    let mut rule = ThrottleRule::default();
    if let Some(receiver) = fields
        .get("receiver")
        .and_then(|value| read_pattern(&value, "receiver"))
    {
        rule.receiver = receiver;
    }
    if let Some(severity) = fields
        .get(SEVERITY)
        .and_then(|value| read_pattern(&value, SEVERITY))
    {
        rule.severity = severity;
    }
    if let Some(value) = fields.get("burst") {
        match value.unsigned().map(u32::try_from) {
            Some(Ok(burst)) if burst > 0 => rule.burst = burst,
            Some(_) => value.error(
                "burst is out of range",
                "write a number from 1 to 4294967295",
            ),
            None => {}
        }
    }
    if let Some(value) = fields.get("refill_interval") {
        match value.duration() {
            Some(interval) if interval.is_zero() => value.error(
                "refill_interval is zero",
                "write the time one notification may take, such as 30s; to lift the limit use exempt_severity",
            ),
            Some(interval) => rule.refill_interval = interval,
            None => {}
        }
    }
    if let Some(interval) = fields.duration("digest_interval") {
        rule.digest_interval = interval;
    }
    fields.finish();
    Some(rule)
}
