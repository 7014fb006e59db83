//! Rows that do not read back: written by another version, or by hand. They are passed over, said and counted; one of
//! them must not keep everything else from starting.

use std::fmt::Display;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The tables that are read leniently.
const TABLES: [&str; 13] = [
    "alert_journal",
    "acks",
    "ack_alerts",
    "recurring_silences",
    "ledger",
    "notification_log",
    "outbox",
    "silences",
    "storms",
    "flapping_alerts",
    "throttle_buckets",
    "throttle_digests",
    "throttle_items",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: &'static str,
}

/// Counts them; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Unreadable(Family<TableLabel, Counter>);

impl Unreadable {
    /// Names the counter.
    pub fn register(&self, registry: &mut Registry) {
        for table in TABLES {
            drop(self.0.get_or_create(&TableLabel { table }));
        }
        registry.register(
            "outrigger_database_rows_unreadable",
            "Stored rows that could not be read and were passed over",
            self.0.clone(),
        );
    }

    /// The value of a row; `None`, said and counted, where it cannot be read. `row` names it.
    pub fn or_pass_over<T, E: Display>(
        &self,
        table: &'static str,
        row: &str,
        read: Result<T, E>,
    ) -> Option<T> {
        read.map_err(|error| {
            self.0.get_or_create(&TableLabel { table }).inc();
            tracing::error!(
                table,
                row,
                %error,
                "stored row is not readable, going on without it"
            );
        })
        .ok()
    }
}
