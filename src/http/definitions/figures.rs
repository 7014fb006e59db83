//! How many definitions there are and were created, under the names of the definition API's contract.
//!
//! They are read from the database when `/metrics` is asked for and something was written since; the counters follow the
//! audit, so that every way to create a definition counts, from the start of the process on. Categories are what people
//! write: beyond the `MOST` largest they share one label.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use super::cache::epoch::Epoch;
use crate::db::DbError;
use crate::db::definition_state::{self as state, Creations};
use crate::db::definitions::{self as rows, Column, Filter};
use crate::db::sql::Sql;
use crate::definitions::resource::Kind;

/// Categories with a label of their own.
const MOST: usize = 100;
/// The label of all others.
const OTHER: &str = "other";
/// How long `/metrics` waits for the database.
const TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByCategory {
    category: String,
}

/// Figures of the definitions.
#[derive(Debug, Default)]
pub struct Figures {
    metrics: Family<ByCategory, Gauge>,
    domains: Gauge,
    objectives: Gauge,
    metrics_created: Family<ByCategory, Counter>,
    domains_created: Counter,
    objectives_created: Counter,
    seen: Mutex<Seen>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Seen {
    epoch: Option<Epoch>,
    audit: Option<i64>,
    shown: BTreeSet<String>,
    counted: BTreeSet<String>,
}

impl Figures {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "metrics_total",
            "Metric definitions by category",
            self.metrics.clone(),
        );
        registry.register("domains_total", "Business domains", self.domains.clone());
        registry.register("objectives_total", "Objectives", self.objectives.clone());
        registry.register(
            "metrics_created",
            "Metric definitions created, by category",
            self.metrics_created.clone(),
        );
        registry.register(
            "domains_created",
            "Business domains created",
            self.domains_created.clone(),
        );
        registry.register(
            "objectives_created",
            "Objectives created",
            self.objectives_created.clone(),
        );
    }

    /// Brings them up to date; where the database does not answer they stay as they were.
    pub async fn refresh(&self, database: &Sql) {
        match tokio::time::timeout(TIMEOUT, self.read(database)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "count definitions"),
            Err(_) => tracing::warn!("count definitions: no answer of the database in time"),
        }
    }

    async fn read(&self, database: &Sql) -> Result<(), DbError> {
        let mut seen = self.seen.lock().await;
        let (generation, last_write) = state::epoch(database).await?;
        let epoch = Epoch {
            generation,
            last_write,
        };
        if seen.epoch == Some(epoch) {
            return Ok(());
        }
        let audit = state::last_audit(database).await?;
        // What was there before the process is nothing that it created.
        let span = (seen.audit.unwrap_or(audit), audit);
        let created = state::created(database, span).await?;
        let by_category = rows::counts(database, Kind::Metric.as_str(), Column::Category).await?;
        let one = Filter {
            limit: 1,
            ..Filter::default()
        };
        for (kind, gauge) in [
            (Kind::Domain, &self.domains),
            (Kind::Objective, &self.objectives),
        ] {
            let (_, total) = rows::list(database, kind.as_str(), &one).await?;
            gauge.set(total);
        }
        self.show(&mut seen, by_category);
        for creations in created {
            self.count(&mut seen, &creations);
        }
        (seen.epoch, seen.audit) = (Some(epoch), Some(audit));
        Ok(())
    }

    fn show(&self, seen: &mut Seen, mut counts: Vec<(String, i64)>) {
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut shown: BTreeMap<String, i64> = BTreeMap::new();
        for (i, (category, count)) in counts.into_iter().enumerate() {
            let name = if i < MOST { category } else { OTHER.to_owned() };
            *shown.entry(name).or_default() += count;
        }
        for gone in seen.shown.iter().filter(|name| !shown.contains_key(*name)) {
            let category = gone.clone();
            self.metrics.remove(&ByCategory { category });
        }
        seen.shown = shown.keys().cloned().collect();
        for (category, count) in shown {
            let label = ByCategory { category };
            self.metrics.get_or_create(&label).set(count);
        }
    }

    fn count(&self, seen: &mut Seen, creations: &Creations) {
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == creations.kind);
        match kind {
            Some(Kind::Domain) => drop(self.domains_created.inc_by(creations.count)),
            Some(Kind::Objective) => drop(self.objectives_created.inc_by(creations.count)),
            Some(Kind::Metric) => {
                let category = creations.category.as_deref().unwrap_or(OTHER);
                let known = seen.counted.contains(category) || seen.counted.len() < MOST;
                let category = if known { category } else { OTHER }.to_owned();
                seen.counted.insert(category.clone());
                let label = ByCategory { category };
                self.metrics_created
                    .get_or_create(&label)
                    .inc_by(creations.count);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::encode;

    fn text(figures: &Figures) -> String {
        let mut registry = Registry::default();
        figures.register(&mut registry);
        encode(&registry).unwrap()
    }

    #[test]
    fn categories_that_vanish_are_gone_and_many_share_a_label() {
        let figures = Figures::default();
        let mut seen = Seen::default();
        let counts = |range: std::ops::Range<usize>| -> Vec<(String, i64)> {
            range.map(|i| (format!("c{i:03}"), 1)).collect()
        };
        figures.show(&mut seen, counts(0..2));
        assert!(text(&figures).contains("metrics_total{category=\"c001\"} 1\n"));
        figures.show(&mut seen, counts(0..1));
        assert!(!text(&figures).contains("c001"));
        figures.show(&mut seen, counts(0..150));
        let shown = text(&figures);
        assert!(
            shown.contains("metrics_total{category=\"other\"} 50\n"),
            "{shown}"
        );
        assert_eq!(shown.matches("metrics_total{").count(), MOST + 1);
    }

    #[test]
    fn creations_are_counted_with_as_many_labels_at_most() {
        let figures = Figures::default();
        let mut seen = Seen::default();
        for i in 0..150 {
            let creations = Creations {
                kind: Kind::Metric.as_str().to_owned(),
                category: Some(format!("c{i}")),
                count: 2,
            };
            figures.count(&mut seen, &creations);
        }
        let domain = Creations {
            kind: Kind::Domain.as_str().to_owned(),
            category: None,
            count: 3,
        };
        figures.count(&mut seen, &domain);
        let shown = text(&figures);
        assert!(
            shown.contains("metrics_created_total{category=\"other\"} 100\n"),
            "{shown}"
        );
        assert!(shown.contains("domains_created_total 3\n"), "{shown}");
    }
}
