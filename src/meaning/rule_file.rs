//! Rule files as they are written: Prometheus's format, in one order, every text quoted by the YAML writer.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>

use std::collections::BTreeMap;

use serde::Serialize;

/// A file.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct RuleFile {
    /// Its groups.
    pub groups: Vec<Group>,
}

/// A group.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Group {
    /// Its name, one in the file.
    pub name: String,
    /// Its rules, evaluated in order.
    pub rules: Vec<Rule>,
}

/// A rule of either kind.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Rule {
    /// The series it records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The alert it raises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The expression.
    pub expr: String,
    /// How long it must hold.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub pending_for: Option<String>,
    /// What is added to the series or the alert.
    pub labels: BTreeMap<&'static str, String>,
    /// What people are told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<&'static str, String>,
}

impl Rule {
    /// A recording rule.
    pub(super) fn record(
        name: &str,
        expr: String,
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self {
            record: Some(name.to_owned()),
            expr,
            labels: labels.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl RuleFile {
    /// The file's text.
    ///
    /// # Errors
    /// Where the writer fails, which it does for no text and no number.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(self)
    }
}

/// Text in which a template engine finds nothing to do: labels and annotations of alerts are Go templates.
pub(super) fn plain(text: &str) -> String {
    text.replace('{', "{{\"{\"}}")
}

/// `CHECKOUT-SUCCESS` as `CheckoutSuccess`: how alerts are named.
pub(super) fn camel(id: &str) -> String {
    let words = id.split(|character: char| !character.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            let shouted = !word.contains(|character: char| character.is_ascii_lowercase());
            word.chars().enumerate().map(move |(i, character)| {
                if i == 0 {
                    character.to_ascii_uppercase()
                } else if shouted {
                    character.to_ascii_lowercase()
                } else {
                    character
                }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_become_names_of_alerts() {
        let check = |id: &str, want: &str| assert_eq!(camel(id), want);
        check("CHECKOUT-SUCCESS", "CheckoutSuccess");
        check("error_rate_5xx", "ErrorRate5xx");
        check("p95-Latency", "P95Latency");
        check("--", "");
    }

    #[test]
    fn text_is_no_template() {
        let check = |text: &str| {
            let written = format!("{}{{{{ $value }}}}", plain(text));
            let template = crate::template::alert::AlertTemplate::new("t", &written);
            assert!(template.is_ok(), "{written}");
            let expanded = crate::meaning::testing::expand(&written, 7.0);
            assert_eq!(expanded, format!("{text}7"));
        };
        for text in [
            "a",
            "{",
            "{{",
            "a{{ query \"up\" }}b",
            "{{{",
            "}}",
            "{{/*",
            "{{- 1 -}}",
            "\"{\"`",
        ] {
            check(text);
        }
    }
}
