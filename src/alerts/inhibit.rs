//! Inhibition: an alert that speaks for others keeps them quiet (`alertmanager/inhibit`).
//!
//! For each rule the firing source alerts are kept by the values of the rule's `equal` labels, so that asking about a
//! target looks at the sources of its own values only. An alert that matches both sides of a rule is not inhibited by
//! alerts of which the same is true; with that no alert inhibits itself.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::alert::Alert;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct InhibitRule {
    /// Its name, or its place from 0.
    pub name: String,
    /// Alerts that inhibit.
    pub source: Vec<Matcher>,
    /// Alerts that are inhibited.
    pub target: Vec<Matcher>,
    /// Labels whose values must be the same in both; one missing in both is the same.
    pub equal: Vec<String>,
    /// Further sources, each of which must have an alert that fires too (`sources`).
    pub more: Vec<Source>,
}

/// A further source of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Alerts that inhibit together with those of the rule's other sources.
    pub matchers: Vec<Matcher>,
    /// Labels whose values must be the same in them and in the target, sorted.
    pub equal: Vec<String>,
}

fn matches(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches_labels(labels))
}

impl InhibitRule {
    /// Whether such an alert inhibits others by this rule.
    pub fn takes_source(&self, labels: &Labels) -> bool {
        self.all_sources()
            .any(|(source, _)| matches(source, labels))
    }

    /// Whether such an alert can be inhibited by this rule.
    pub fn takes_target(&self, labels: &Labels) -> bool {
        matches(&self.target, labels)
    }

    /// Matchers and equal labels of each source, in order.
    fn all_sources(&self) -> impl Iterator<Item = (&[Matcher], &[String])> {
        let more = self.more.iter();
        let more = more.map(|source| (source.matchers.as_slice(), source.equal.as_slice()));
        std::iter::once((self.source.as_slice(), self.equal.as_slice())).chain(more)
    }
}

fn values_of(equal: &[String], labels: &Labels) -> Labels {
    labels.filter(|name| {
        equal
            .binary_search_by(|candidate| candidate.as_str().cmp(name))
            .is_ok()
    })
}

/// The firing sources, by rule.
#[derive(Debug, Default)]
pub(super) struct Inhibitor {
    rules: Vec<Indexed>,
}

#[derive(Debug)]
struct Indexed {
    rule: InhibitRule,
    /// The alerts of each source, by the values of its `equal` labels.
    sources: Vec<HashMap<Labels, Sources>>,
}

/// Sources that share the values of the `equal` labels.
#[derive(Debug, Default)]
struct Sources {
    /// Those that match the source side alone.
    plain: List,
    /// Those that match both sides.
    two_sided: List,
}

/// Alerts in the order they came in, but that the last takes the place of one that goes. However many share one key, one
/// of them is found at once.
#[derive(Debug, Default)]
struct List {
    alerts: Vec<Arc<Alert>>,
    places: HashMap<Labels, usize>,
}

impl List {
    fn put(&mut self, alert: &Arc<Alert>) {
        match self.places.get(&alert.labels) {
            Some(place) => self.alerts[*place] = Arc::clone(alert),
            None => {
                self.places.insert(alert.labels.clone(), self.alerts.len());
                self.alerts.push(Arc::clone(alert));
            }
        }
    }

    fn remove(&mut self, labels: &Labels) {
        let Some(place) = self.places.remove(labels) else {
            return;
        };
        self.alerts.swap_remove(place);
        if let Some(moved) = self.alerts.get(place) {
            self.places.insert(moved.labels.clone(), place);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        self.alerts.retain(|alert| !alert.is_resolved(now));
        if self.alerts.len() < self.places.len() {
            let places = self.alerts.iter().enumerate();
            self.places = places.map(|(i, alert)| (alert.labels.clone(), i)).collect();
        }
    }
}

impl Sources {
    fn is_empty(&self) -> bool {
        self.plain.alerts.is_empty() && self.two_sided.alerts.is_empty()
    }
}

impl Inhibitor {
    pub(super) fn new(rules: &[InhibitRule]) -> Self {
        let indexed = |rule: &InhibitRule| Indexed {
            rule: rule.clone(),
            sources: rule.all_sources().map(|_| HashMap::new()).collect(),
        };
        Self {
            rules: rules.iter().map(indexed).collect(),
        }
    }

    /// Takes note of an alert's newest state.
    pub(super) fn observe(&mut self, alert: &Arc<Alert>, now: Timestamp) {
        for Indexed { rule, sources } in &mut self.rules {
            for ((matchers, equal), known) in rule.all_sources().zip(sources) {
                if matches(matchers, &alert.labels) {
                    let key = values_of(equal, &alert.labels);
                    note(known, key, &rule.target, alert, now);
                }
            }
        }
    }

    /// The alert that inhibits this label set, and the name of the rule; the first rule wins, and of several sources the
    /// first one's alert is told.
    pub(super) fn inhibited(&self, labels: &Labels, now: Timestamp) -> Option<(Fingerprint, &str)> {
        self.rules.iter().find_map(|Indexed { rule, sources }| {
            if sources.iter().any(HashMap::is_empty) || !rule.takes_target(labels) {
                return None;
            }
            let mut first = None;
            for ((matchers, equal), known) in rule.all_sources().zip(sources) {
                let sources = known.get(&values_of(equal, labels))?;
                let by = firing(sources, matchers, labels, now)?;
                first = first.or(Some(by));
            }
            Some((first?, rule.name.as_str()))
        })
    }

    /// Forgets sources that ended without being sent again.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        for known in self.rules.iter_mut().flat_map(|rule| &mut rule.sources) {
            known.retain(|_, sources| {
                sources.plain.sweep(now);
                sources.two_sided.sweep(now);
                !sources.is_empty()
            });
        }
    }
}

/// Puts a source's newest state among those that share its `equal` values.
fn note(
    known: &mut HashMap<Labels, Sources>,
    key: Labels,
    target: &[Matcher],
    alert: &Arc<Alert>,
    now: Timestamp,
) {
    let resolved = alert.is_resolved(now);
    if resolved && !known.contains_key(&key) {
        return;
    }
    let sources = known.entry(key.clone()).or_default();
    let list = match matches(target, &alert.labels) {
        true => &mut sources.two_sided,
        false => &mut sources.plain,
    };
    if resolved {
        list.remove(&alert.labels);
    } else {
        list.put(alert);
    }
    if sources.is_empty() {
        known.remove(&key);
    }
}

/// A source that fires and may inhibit these labels.
fn firing(
    sources: &Sources,
    matchers: &[Matcher],
    labels: &Labels,
    now: Timestamp,
) -> Option<Fingerprint> {
    let firing = |list: &List| {
        let mut alerts = list.alerts.iter();
        let source = alerts.find(|source| !source.is_resolved(now))?;
        Some(source.fingerprint())
    };
    firing(&sources.plain).or_else(|| {
        let both = sources.two_sided.alerts.is_empty() || matches(matchers, labels);
        if both {
            None
        } else {
            firing(&sources.two_sided)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::matchers;
    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text
            .split_whitespace()
            .map(|pair| pair.split_once('=').unwrap());
        Labels::from_pairs(pairs)
    }

    fn alert(text: &str, ends_at: i64) -> Arc<Alert> {
        Arc::new(Alert {
            labels: labels(text),
            annotations: Labels::empty(),
            starts_at: Timestamp::from_millis(0),
            ends_at: Timestamp::from_millis(ends_at),
            updated_at: Timestamp::from_millis(0),
            generator_url: "".into(),
            value: None,
            course: crate::model::alert::Course::default(),
        })
    }

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        InhibitRule {
            name: "r".to_owned(),
            source: matchers::parse(source).unwrap(),
            target: matchers::parse(target).unwrap(),
            equal: equal.iter().map(|name| (*name).to_owned()).collect(),
            more: Vec::new(),
        }
    }

    #[test]
    fn sources_inhibit_targets_of_equal_labels_while_they_fire() {
        let check = |rule: InhibitRule, sources: &[(&str, i64)], target: &str, want: bool| {
            let now = Timestamp::from_millis(10);
            let mut inhibitor = Inhibitor::new(&[rule]);
            for (source, ends_at) in sources {
                inhibitor.observe(&alert(source, 100), now);
                inhibitor.observe(&alert(source, *ends_at), now);
            }
            assert_eq!(
                inhibitor.inhibited(&labels(target), now).is_some(),
                want,
                "{sources:?} {target}"
            );
        };
        let cluster = || rule("s=crit", "s=warn", &["cluster"]);
        check(
            cluster(),
            &[("s=crit cluster=a", 100)],
            "s=warn cluster=a",
            true,
        );
        check(
            cluster(),
            &[("s=crit cluster=a", 100)],
            "s=warn cluster=b",
            false,
        );
        check(
            cluster(),
            &[("s=crit cluster=a", 100)],
            "s=info cluster=a",
            false,
        );
        check(
            cluster(),
            &[("s=crit cluster=a", 10)],
            "s=warn cluster=a",
            false,
        );
        check(
            cluster(),
            &[("s=crit cluster=a", 10), ("s=crit cluster=a x=y", 100)],
            "s=warn cluster=a",
            true,
        );
        check(cluster(), &[("s=crit", 100)], "s=warn", true);
        check(cluster(), &[("s=crit", 100)], "s=warn cluster=a", false);
        // Both sides: not by one's like, but by a pure source.
        let both = || rule("s=~crit|warn", "t=x", &[]);
        check(both(), &[("s=crit t=x", 100)], "s=crit t=x", false);
        check(both(), &[("s=crit t=x", 100)], "s=warn t=x", false);
        check(both(), &[("s=crit t=x", 100)], "t=x", true);
        check(both(), &[("s=crit", 100)], "s=warn t=x", true);
    }

    #[test]
    fn of_several_sources_each_must_fire() {
        let now = Timestamp::from_millis(10);
        let rule = InhibitRule {
            more: vec![Source {
                matchers: matchers::parse("p=down").unwrap(),
                equal: vec!["zone".to_owned()],
            }],
            ..rule("s=crit", "s=warn", &["cluster"])
        };
        let target = labels("s=warn cluster=a zone=z");
        let check = |sources: &[(&str, i64)], want: bool| {
            let mut inhibitor = Inhibitor::new(std::slice::from_ref(&rule));
            for (source, ends_at) in sources {
                inhibitor.observe(&alert(source, *ends_at), now);
            }
            let by = inhibitor.inhibited(&target, now).map(|(by, _)| by);
            let first = labels("s=crit cluster=a").fingerprint();
            assert_eq!(by, want.then_some(first), "{sources:?}");
        };
        check(&[("s=crit cluster=a", 100)], false);
        check(&[("p=down zone=z", 100)], false);
        check(&[("s=crit cluster=a", 100), ("p=down zone=z", 100)], true);
        check(&[("s=crit cluster=a", 100), ("p=down zone=y", 100)], false);
        check(&[("s=crit cluster=a", 100), ("p=down zone=z", 10)], false);
    }

    #[test]
    fn a_source_that_is_not_sent_again_stops_inhibiting_and_is_forgotten() {
        let mut inhibitor = Inhibitor::new(&[rule("s=crit", "s=warn", &[])]);
        inhibitor.observe(&alert("s=crit", 100), Timestamp::from_millis(10));
        assert!(
            inhibitor
                .inhibited(&labels("s=warn"), Timestamp::from_millis(99))
                .is_some()
        );
        assert!(
            inhibitor
                .inhibited(&labels("s=warn"), Timestamp::from_millis(100))
                .is_none()
        );
        inhibitor.sweep(Timestamp::from_millis(100));
        assert!(inhibitor.rules[0].sources[0].is_empty());
    }
}
