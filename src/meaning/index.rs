//! Whose an alert is: found by the metric families that its expression reads.
//!
//! Of the metrics that speak of a family, the one that speaks of most of what an expression reads counts, then the one of the
//! higher tier, then the first by identifier: an alert has one owner. Drafts do not count. Families are compared without the
//! suffixes of counters and histograms, as `telemetry.families` may be written either way.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::definitions::metric::{Metric, Status};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::promql::{parser, walk};
use crate::rules::file::{GroupSpec, RuleKind};
use crate::rules::known::Known;

/// Links of posted alerts whose expressions are remembered; then it starts anew.
const REMEMBERED: usize = 4_096;
/// Recording rules that stand on each other, at most.
const DEEPEST: usize = 10;

/// What alerts can be told, by what they read.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    families: HashMap<String, Vec<usize>>,
    by_id: HashMap<String, usize>,
    /// Posted alerts come again and again with the same link.
    links: Mutex<HashMap<Arc<str>, Option<usize>>>,
}

#[derive(Debug)]
struct Entry {
    known: Arc<Known>,
    rank: (&'static str, String),
}

/// The families that a metric speaks of: those it names, and those that its expressions read.
pub fn families(metric: &Metric) -> BTreeSet<String> {
    let Some(telemetry) = &metric.telemetry else {
        return BTreeSet::new();
    };
    let mut families: BTreeSet<String> = telemetry.families.iter().cloned().collect();
    for text in [
        &telemetry.value,
        &telemetry.numerator,
        &telemetry.denominator,
    ] {
        if let Some(Ok(expr)) = text.as_ref().map(|text| parser::parse(text)) {
            families.extend(walk::metric_names(&expr).into_iter().map(str::to_owned));
        }
    }
    families
}

/// A family without the suffixes of its series.
fn stem(name: &str) -> &str {
    ["_total", "_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(name)
}

impl Index {
    /// Of these metrics.
    pub fn of<'m>(metrics: impl IntoIterator<Item = &'m Metric>) -> Self {
        let mut index = Self::default();
        for metric in metrics {
            if metric.governance.status == Status::Draft {
                continue;
            }
            let position = index.entries.len();
            let mut stems: Vec<String> = families(metric)
                .iter()
                .map(|name| stem(name).to_owned())
                .collect();
            stems.dedup();
            for stem in stems {
                let of_family = index.families.entry(stem).or_default();
                if of_family.last() != Some(&position) {
                    of_family.push(position);
                }
            }
            index.by_id.insert(metric.metric_id.clone(), position);
            index.entries.push(Entry {
                known: Arc::new(known(metric)),
                rank: (metric.tier.as_str(), metric.metric_id.clone()),
            });
        }
        index
    }

    /// Puts on each alerting rule what is known of what it reads, also through rules that record it.
    pub fn annotate(&self, groups: &mut [GroupSpec]) {
        if self.families.is_empty() {
            return;
        }
        let mut recorded: HashMap<&str, BTreeSet<String>> = HashMap::new();
        for rule in groups.iter().flat_map(|group| &group.rules) {
            if rule.kind == RuleKind::Recording {
                let names = walk::metric_names(&rule.expr)
                    .into_iter()
                    .map(str::to_owned);
                recorded.entry(&rule.name).or_default().extend(names);
            }
        }
        let found: Vec<Option<usize>> = groups
            .iter()
            .flat_map(|group| &group.rules)
            .map(|rule| {
                if rule.kind == RuleKind::Recording {
                    return None;
                }
                let mut names: BTreeSet<String> = walk::metric_names(&rule.expr)
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                for _ in 0..DEEPEST {
                    let before = names.len();
                    let below: Vec<String> = names
                        .iter()
                        .filter_map(|name| recorded.get(name.as_str()))
                        .flatten()
                        .cloned()
                        .collect();
                    names.extend(below);
                    if names.len() == before {
                        break;
                    }
                }
                self.best(names)
            })
            .collect();
        let rules = groups.iter_mut().flat_map(|group| &mut group.rules);
        for (rule, position) in rules.zip(found) {
            rule.known = position.map(|position| Arc::clone(&self.entries[position].known));
        }
    }

    /// What is known of an alert of another Prometheus: by its label `metric_id`, else by the expression that its link shows.
    pub fn of_alert(&self, alert: &Alert) -> Option<&Known> {
        if self.entries.is_empty() {
            return None;
        }
        let position = match alert.labels.get("metric_id") {
            Some(id) => self.by_id.get(id).copied(),
            None => self.of_link(&alert.generator_url),
        };
        Some(&self.entries[position?].known)
    }

    fn of_link(&self, link: &Arc<str>) -> Option<usize> {
        if link.is_empty() || self.families.is_empty() {
            return None;
        }
        if let Some(known) = self.links.lock().get(link) {
            return *known;
        }
        let found = expression(link)
            .and_then(|text| parser::parse(&text).ok())
            .and_then(|expr| {
                let names = walk::metric_names(&expr).into_iter().map(str::to_owned);
                self.best(names)
            });
        let mut links = self.links.lock();
        if links.len() >= REMEMBERED {
            links.clear();
        }
        links.insert(Arc::clone(link), found);
        found
    }

    fn best(&self, names: impl IntoIterator<Item = String>) -> Option<usize> {
        let stems: BTreeSet<String> = names
            .into_iter()
            .map(|name| stem(&name).to_owned())
            .collect();
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for position in stems
            .iter()
            .filter_map(|stem| self.families.get(stem))
            .flatten()
        {
            *shared.entry(*position).or_default() += 1;
        }
        let better = |(a, of_a): &(usize, usize), (b, of_b): &(usize, usize)| {
            let rank = |position: usize| &self.entries[position].rank;
            of_b.cmp(of_a).then_with(|| rank(*a).cmp(rank(*b)))
        };
        shared
            .into_iter()
            .min_by(better)
            .map(|(position, _)| position)
    }
}

/// The expression that a Prometheus links to: `…/graph?g0.expr=…`.
fn expression(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "g0.expr")
        .map(|(_, value)| value.into_owned())
}

fn known(metric: &Metric) -> Known {
    let playbook = metric.operational_usage.linked_playbooks.first();
    let dashboard = metric.visualization.dashboard_locations.first();
    let links = [
        ("runbook_url", playbook.map(|playbook| &playbook.url)),
        ("dashboard_url", dashboard.map(|dashboard| &dashboard.url)),
    ];
    Known {
        labels: Labels::from_pairs([
            ("metric_id", metric.metric_id.as_str()),
            ("owner_team", &metric.governance.owner_team),
            ("tier", metric.tier.as_str()),
            ("business_domain", &metric.business_domain),
        ]),
        annotations: Labels::from_pairs(
            links
                .into_iter()
                .filter_map(|(name, url)| Some((name, url?))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::document::diagnostics::Diagnostics;
    use crate::meaning::testing::metric;
    use crate::model::alert::Course;
    use crate::model::timestamp::Timestamp;
    use crate::rules::file;

    fn index() -> Index {
        let latency = metric(|metric| {
            metric["metric_id"] = json!("LATENCY");
            metric["tier"] = json!("Tier-2");
            metric["telemetry"] =
                json!({"families": ["request_duration_seconds", "orders_paid_total"]});
        });
        let draft = metric(|metric| {
            metric["metric_id"] = json!("A-DRAFT");
            metric["governance"]["status"] = json!("draft");
        });
        Index::of(&[draft, latency, metric(|_| ())])
    }

    #[test]
    fn an_expression_belongs_to_the_metric_that_speaks_of_most_of_it() {
        let index = index();
        let check = |text: &str, want: Option<&str>| {
            let expr = parser::parse(text).unwrap();
            let names = walk::metric_names(&expr).into_iter().map(str::to_owned);
            let found = index
                .best(names)
                .map(|position| &*index.entries[position].rank.1);
            assert_eq!(found, want, "{text}");
        };
        let (checkout, latency) = (Some("CHECKOUT-SUCCESS"), Some("LATENCY"));
        check("rate(checkouts_total[5m]) == 0", checkout);
        check("rate(orders_paid_total[5m]) == 0", checkout);
        check("orders_paid", checkout);
        check(
            "histogram_quantile(0.9, rate(request_duration_seconds_bucket[5m])) > 1",
            latency,
        );
        check(
            "orders_paid_total / request_duration_seconds_count",
            latency,
        );
        check("{__name__=~\"orders.*\"}", None);
        check("up == 0", None);
    }

    #[test]
    fn rules_know_what_they_read_through_recorded_series() {
        let text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'sum(rate(checkouts_total[5m]))'}\n  - {record: b, expr: a * 2}\n  - {alert: T, expr: b > 1}\n  - {alert: U, expr: up == 0}\n";
        let mut groups = file::read(
            "r.yml",
            text,
            Duration::from_secs(15),
            &Diagnostics::default(),
        );
        index().annotate(&mut groups);
        let found: Vec<Option<&str>> = groups[0]
            .rules
            .iter()
            .map(|rule| {
                rule.known
                    .as_ref()
                    .map(|known| known.labels.value("owner_team"))
            })
            .collect();
        assert_eq!(found, [None, None, Some("shop"), None]);
        Index::default().annotate(&mut groups);
    }

    #[test]
    fn posted_alerts_get_what_they_lack_and_keep_what_they_have() {
        let index = index();
        let check = |labels: &[(&str, &str)], link: &str, want: &[(&str, &str)]| {
            let mut alert = Alert {
                labels: Labels::from_pairs(labels.iter().copied()),
                annotations: Labels::from_pairs([("runbook_url", "own")]),
                starts_at: Timestamp::from_millis(0),
                ends_at: Timestamp::from_millis(0),
                updated_at: Timestamp::from_millis(0),
                generator_url: link.into(),
                value: None,
                course: Course::default(),
            };
            // The second time it is remembered.
            for _ in 0..2 {
                if let Some(known) = index.of_alert(&alert).cloned() {
                    known.fill(&mut alert);
                }
                assert_eq!(
                    alert.labels,
                    Labels::from_pairs(want.iter().copied()),
                    "{link}"
                );
                assert_eq!(alert.annotations.value("runbook_url"), "own");
                let is_known = want.len() > labels.len();
                assert_eq!(
                    !alert.annotations.value("dashboard_url").is_empty(),
                    is_known
                );
            }
        };
        let own = ("alertname", "A");
        let link =
            "http://p:9090/graph?g0.expr=rate%28checkouts_total%5B5m%5D%29+%3D%3D+0&g0.tab=1";
        let id = ("metric_id", "CHECKOUT-SUCCESS");
        let rest = [
            ("owner_team", "shop"),
            ("tier", "Tier-1"),
            ("business_domain", "Shop"),
        ];
        check(&[own], link, &[own, id, rest[0], rest[1], rest[2]]);
        check(&[own, id], "", &[own, id, rest[0], rest[1], rest[2]]);
        let sre = ("owner_team", "sre");
        check(&[own, sre], link, &[own, sre, id, rest[1], rest[2]]);
        check(&[own], "http://p:9090/graph?g0.expr=%28&g0.tab=1", &[own]);
        check(&[own], "http://p:9090/graph", &[own]);
        check(
            &[own, ("metric_id", "OTHER")],
            link,
            &[own, ("metric_id", "OTHER")],
        );
    }
}
