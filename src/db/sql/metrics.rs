//! What the statements count, under the names that dashboards of definition services know.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds.
const BUCKETS: [f64; 11] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Operations are names in the program: there are no more of them than it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOperation {
    operation: &'static str,
}

/// The metrics of a database. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    durations: Family<ByOperation, Histogram, fn() -> Histogram>,
    errors: Family<ByOperation, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "database_query_duration_seconds",
            "How long statements on definitions and accounts took, by what they do",
            self.durations.clone(),
        );
        registry.register(
            "database_errors",
            "Statements on definitions and accounts that failed, by what they do",
            self.errors.clone(),
        );
    }

    pub(super) fn ran(&self, operation: &'static str, took: Duration, well: bool) {
        let labels = ByOperation { operation };
        let durations = self.durations.get_or_create(&labels);
        durations.observe(took.as_secs_f64());
        if !well {
            self.errors.get_or_create(&labels).inc();
        }
    }
}
