//! What the statements count, under the names that dashboards of definition services know.

use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::postgres::Condition;
use super::{Engine, Sql};

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
    stale: Counter,
    not_saved: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
            stale: Counter::default(),
            not_saved: Counter::default(),
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
        registry.register(
            "outrigger_definitions_stale_reads",
            "Statements that were answered from the snapshot, since PostgreSQL was down",
            self.stale.clone(),
        );
        registry.register(
            "outrigger_definitions_snapshot_save_failures",
            "Snapshots of the definitions that could not be written to the disk",
            self.not_saved.clone(),
        );
    }

    pub(super) fn read_stale(&self) {
        self.stale.inc();
    }

    pub(super) fn snapshot_not_saved(&self) {
        self.not_saved.inc();
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

/// What is asked for when metrics are.
#[derive(Debug)]
pub(super) struct Gauges(pub(super) Sql);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name, help, value: f64| {
            let gauge = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)
        };
        let (used, most) = match &self.0.0.engine {
            Engine::Sqlite(database) => database.connections(),
            Engine::Postgres(postgres) => postgres.connections(),
        };
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        gauge(
            "database_pool_active_connections",
            "Connections to the database of definitions and accounts that are in use",
            used.into(),
        )?;
        gauge(
            "database_pool_max_connections",
            "The most connections to the database of definitions and accounts",
            most.into(),
        )?;
        let Engine::Postgres(postgres) = &self.0.0.engine else {
            return Ok(());
        };
        let up = postgres.condition() == Condition::Well;
        gauge(
            "outrigger_definitions_database_up",
            "Whether PostgreSQL answered last",
            u8::from(up).into(),
        )?;
        let (age, bytes) = postgres.snapshot();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        gauge(
            "outrigger_definitions_snapshot_bytes",
            "Documents held to be read while PostgreSQL is down",
            bytes.into(),
        )?;
        if let Some(age) = age {
            gauge(
                "outrigger_definitions_snapshot_age_seconds",
                "Time since the definitions that are held were known to be the newest",
                age.as_secs_f64(),
            )?;
        }
        Ok(())
    }
}
