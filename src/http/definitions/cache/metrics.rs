//! What the cache counts, under the names of the definition API's contract.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

const BUCKETS: [f64; 8] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByOperation {
    operation: &'static str,
}

const GET: ByOperation = ByOperation { operation: "get" };
const SET: ByOperation = ByOperation { operation: "set" };

/// Figures of the cache; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    hits: Family<ByOperation, Counter>,
    misses: Family<ByOperation, Counter>,
    duration: Family<ByOperation, Histogram>,
    errors: Family<ByOperation, Counter>,
    pub(super) size: Gauge,
    pub(super) redis_up: Gauge,
    pub(super) copies_dropped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            hits: Family::default(),
            misses: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
            size: Gauge::default(),
            redis_up: Gauge::default(),
            copies_dropped: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds them to a registry; those of Redis where there is one.
    pub fn register(&self, registry: &mut Registry, redis: bool) {
        // There from the start, so that their first increase is one.
        drop(self.hits.get_or_create(&GET));
        drop(self.misses.get_or_create(&GET));
        registry.register(
            "cache_hits",
            "Reads of definitions answered from the cache",
            self.hits.clone(),
        );
        registry.register(
            "cache_misses",
            "Reads of definitions that the cache had no answer for",
            self.misses.clone(),
        );
        registry.register_with_unit(
            "cache_operation_duration",
            "Time of a look into the cache, and of a copy to Redis",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "cache_size",
            "Answers held in memory",
            Unit::Bytes,
            self.size.clone(),
        );
        if !redis {
            return;
        }
        self.redis_up.set(1);
        registry.register(
            "outrigger_definition_cache_redis_up",
            "Whether Redis is asked: 0 while it is left alone because it fails",
            self.redis_up.clone(),
        );
        registry.register(
            "outrigger_definition_cache_redis_errors",
            "Operations of Redis that failed or took too long",
            self.errors.clone(),
        );
        registry.register(
            "outrigger_definition_cache_copies_dropped",
            "Answers not copied to Redis because too many copies were under way",
            self.copies_dropped.clone(),
        );
    }

    pub(super) fn looked_up(&self, hit: bool, took: Duration) {
        let counters = if hit { &self.hits } else { &self.misses };
        counters.get_or_create(&GET).inc();
        let duration = self.duration.get_or_create(&GET);
        duration.observe(took.as_secs_f64());
    }

    pub(super) fn copied(&self, took: Duration) {
        let duration = self.duration.get_or_create(&SET);
        duration.observe(took.as_secs_f64());
    }

    pub(super) fn failed(&self, writing: bool) {
        let label = if writing { &SET } else { &GET };
        self.errors.get_or_create(label).inc();
    }
}
