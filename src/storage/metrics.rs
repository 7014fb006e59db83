//! What the store says of itself.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The store's own metrics. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) series: Gauge,
    pub(super) series_limit: Gauge,
    pub(super) series_created: Counter,
    pub(super) series_collected: Counter,
    pub(super) series_rejected: Counter,
    pub(super) samples_appended: Counter,
    pub(super) out_of_order_samples: Counter,
    pub(super) chunks: Gauge,
    pub(super) bytes: Gauge,
    pub(super) wal_bytes: Gauge,
    pub(super) wal_failing: Gauge,
    pub(super) wal_failed_writes: Counter,
    pub(super) wal_corruptions: Counter,
    pub(super) checkpoints: Counter,
    pub(super) replay_duration: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Adds the metrics to a registry that has no prefix.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("outrigger_storage");
        registry.register("series", "Series held now", self.series.clone());
        registry.register(
            "series_limit",
            "Most series that may be held",
            self.series_limit.clone(),
        );
        registry.register(
            "series_created",
            "Series that were new",
            self.series_created.clone(),
        );
        registry.register(
            "series_collected",
            "Series dropped after their last sample",
            self.series_collected.clone(),
        );
        registry.register(
            "series_rejected",
            "New series refused because of the limit",
            self.series_rejected.clone(),
        );
        registry.register(
            "samples_appended",
            "Samples stored",
            self.samples_appended.clone(),
        );
        registry.register(
            "out_of_order_samples",
            "Samples refused because the series has a later one, or another value at the same time",
            self.out_of_order_samples.clone(),
        );
        registry.register("chunks", "Chunks held now", self.chunks.clone());
        registry.register(
            "bytes",
            "Memory held by series and samples, estimated every minute",
            self.bytes.clone(),
        );
        registry.register(
            "wal_bytes",
            "Size of write-ahead log and checkpoint on disk",
            self.wal_bytes.clone(),
        );
        registry.register(
            "wal_failing",
            "Whether the last write of the write-ahead log failed: new samples are in memory only",
            self.wal_failing.clone(),
        );
        registry.register(
            "wal_failed_writes",
            "Writes and syncs of the write-ahead log that failed",
            self.wal_failed_writes.clone(),
        );
        registry.register(
            "wal_corruptions",
            "Damaged places found in the write-ahead log when it was read",
            self.wal_corruptions.clone(),
        );
        registry.register(
            "wal_checkpoints",
            "Checkpoints written",
            self.checkpoints.clone(),
        );
        registry.register_with_unit(
            "replay_duration",
            "Time that reading the write-ahead log took at start",
            Unit::Seconds,
            self.replay_duration.clone(),
        );
    }
}
