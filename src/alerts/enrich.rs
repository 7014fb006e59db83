//! What alerts of other Prometheus servers lack and people want: the runbook, the owner.
//!
//! Here only annotations are added, and never over one that the sender gave: labels, and with them fingerprint, route and
//! group, stay the sender's. Alerts of the rules here get the link to their runbook alone, where their rule gives none. What metric definitions
//! add to both, labels among it, is `meaning`'s business; `definitions` says whether they do.

use crate::document::fields::{Fields, Value};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::notification::RUNBOOK;

use super::matchers;

/// What is added to alerts that others post.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrichment {
    /// Whether the link to a runbook of the alert's name is added.
    pub runbooks: bool,
    /// Where runbooks are instead of here, such as a wiki: the slug of the alert is put behind it.
    pub runbook_base: Option<String>,
    /// Whether alerts get what metric definitions say of what they read: owner, tier, domain, links.
    pub definitions: bool,
    /// What is added to alerts with certain labels; the first rule that has an annotation counts.
    pub rules: Vec<EnrichRule>,
}

impl Default for Enrichment {
    fn default() -> Self {
        Self {
            runbooks: true,
            runbook_base: None,
            definitions: true,
            rules: Vec::new(),
        }
    }
}

/// Annotations of the alerts with certain labels.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrichRule {
    /// All of them must match; none matches every alert.
    pub matchers: Vec<Matcher>,
    /// Names and values.
    pub annotations: Labels,
}

impl Enrichment {
    /// The annotations of an alert with what it lacks. `runbook` knows the address of an alert name's runbook.
    pub fn annotations(
        &self,
        alert: &Alert,
        runbook: impl FnOnce(&str) -> Option<String>,
    ) -> Labels {
        let mut annotations = alert.annotations.clone();
        let mut add = |name: &str, value: &str| {
            if annotations.value(name).is_empty() {
                annotations = annotations.with(name, value);
            }
        };
        for rule in &self.rules {
            let fits = |matcher: &Matcher| matcher.matches(alert.labels.value(matcher.name()));
            if rule.matchers.iter().all(fits) {
                for (name, value) in rule.annotations.iter() {
                    add(name, value);
                }
            }
        }
        if self.runbooks
            && annotations.value(RUNBOOK).is_empty()
            && let Some(address) = runbook(alert.name())
        {
            annotations = annotations.with(RUNBOOK, &address);
        }
        annotations
    }
}

/// Reads `enrich.alerts` of an `outrigger.yml`.
pub fn read(root: &Fields<'_>) -> Enrichment {
    let mut enrichment = Enrichment::default();
    let Some(fields) = root
        .get("enrich")
        .and_then(|value| value.fields())
        .and_then(|fields| fields.get("alerts")?.fields())
    else {
        return enrichment;
    };
    enrichment.runbooks = fields.bool("runbooks").unwrap_or(true);
    let remedy = "write an address such as https://wiki.example.org/runbooks";
    enrichment.runbook_base = fields
        .get("runbook_base")
        .and_then(|value| value.parse(remedy, web_address));
    enrichment.definitions = fields.bool("definitions").unwrap_or(true);
    enrichment.rules = fields.items("rules").iter().filter_map(read_rule).collect();
    fields.finish();
    enrichment
}

fn web_address(text: &str) -> Result<String, String> {
    let web = text.starts_with("https://") || text.starts_with("http://");
    if web && text.parse::<url::Url>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("no address {text:?}"))
    }
}

fn read_rule(value: &Value<'_>) -> Option<EnrichRule> {
    let fields = value.fields()?;
    let mut read = Vec::new();
    for item in fields.items("matchers") {
        let remedy = "write a matcher, such as team=\"db\" or alertname=~\"Disk.*\"";
        read.extend(item.parse(remedy, matchers::parse).unwrap_or_default());
    }
    let given = fields.required("annotations");
    let pairs = given.and_then(|value| value.pairs()).unwrap_or_default();
    let text = |(name, value): (&str, Value<'_>)| Some((name.to_owned(), value.text()?.to_owned()));
    let annotations = Labels::from_pairs(pairs.into_iter().filter_map(text));
    fields.finish();
    Some(EnrichRule {
        matchers: read,
        annotations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, diagnostics::Diagnostics};
    use crate::model::alert::Course;
    use crate::model::timestamp::Timestamp;

    fn enrichment(text: &str) -> Result<Enrichment, Vec<String>> {
        let diagnostics = Diagnostics::default();
        let document = document::parse("outrigger.yml", text, &diagnostics).unwrap();
        let read = read(&document.value(&diagnostics).fields().unwrap());
        match diagnostics.into_sorted() {
            found if found.is_empty() => Ok(read),
            found => Err(found.into_iter().map(|found| found.message).collect()),
        }
    }

    fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Alert {
        Alert {
            labels: Labels::from_pairs(labels.iter().copied()),
            annotations: Labels::from_pairs(annotations.iter().copied()),
            starts_at: Timestamp::from_millis(0),
            ends_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            generator_url: "".into(),
            value: None,
            course: Course::default(),
        }
    }

    #[test]
    fn what_an_alert_lacks_is_added_and_what_it_has_is_kept() {
        const RULES: &str = r#"
enrich:
  alerts:
    rules:
    - {matchers: ['team="db"'], annotations: {owner: db-oncall}}
    - {matchers: ['alertname=~"Disk.*"', severity!=info], annotations: {owner: storage, escalate: '+49'}}
    - {annotations: {owner: nobody}}
"#;
        let check = |settings: &str, labels: &[_], annotations: &[_], want: &[(&str, &str)]| {
            let alert = alert(labels, annotations);
            let runbook = |name: &str| name.starts_with("Disk").then(|| format!("http://o/{name}"));
            let got = enrichment(settings).unwrap().annotations(&alert, runbook);
            let got: Vec<(&str, &str)> = got.iter().collect();
            assert_eq!(got, want, "{labels:?} {annotations:?}");
        };
        let disk = ("alertname", "DiskFull");
        let link = ("runbook_url", "http://o/DiskFull");
        check("{}", &[disk], &[], &[link]);
        check("{}", &[("alertname", "Other")], &[], &[]);
        let without = enrichment("enrich: {alerts: {definitions: false}}").unwrap();
        assert!(enrichment("{}").unwrap().definitions && !without.definitions);
        check(
            "{}",
            &[disk],
            &[("runbook_url", "own")],
            &[("runbook_url", "own")],
        );
        check("enrich: {alerts: {runbooks: false}}", &[disk], &[], &[]);
        assert_eq!(
            enrichment("enrich: {alerts: {runbook_base: 'https://wiki.example.org/r/'}}")
                .unwrap()
                .runbook_base
                .as_deref(),
            Some("https://wiki.example.org/r/")
        );
        assert!(enrichment("enrich: {alerts: {runbook_base: 'javascript:x'}}").is_err());
        check(
            RULES,
            &[disk, ("team", "db")],
            &[("summary", "s")],
            &[
                ("escalate", "+49"),
                ("owner", "db-oncall"),
                link,
                ("summary", "s"),
            ],
        );
        check(
            RULES,
            &[disk, ("severity", "info")],
            &[],
            &[("owner", "nobody"), link],
        );
        check(
            RULES,
            &[("x", "y")],
            &[("owner", "ann")],
            &[("owner", "ann")],
        );
    }

    #[test]
    fn mistakes_are_told() {
        let check = |rule: &str, want: &str| {
            let text = format!("enrich: {{alerts: {{rules: [{rule}]}}}}");
            let mistakes = enrichment(&text).unwrap_err();
            assert!(mistakes[0].contains(want), "{rule}: {mistakes:?}");
        };
        check("{matchers: ['=x'], annotations: {a: b}}", "label name");
        check("{matchers: [a=b]}", "annotations");
        check("{annotations: {a: b}, labels: {c: d}}", "unknown key");
    }
}
